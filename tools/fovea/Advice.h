// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What would make a call faster, with the numbers that say so: everything is
// recounted with the mask's own functions, nothing is guessed.
#ifndef FOVEA_TOOLS_FOVEA_ADVICE_H
#define FOVEA_TOOLS_FOVEA_ADVICE_H

#include "tools/fovea/Predict.h"

#include "llvm/Support/JSON.h"

#include <string>
#include <vector>

namespace fovea::cli {

struct Advice {
  /// "waste", "smaller tile", "permute", "gather", "memory", "threads",
  /// "analysis".
  std::string kind;
  std::string stream; ///< "" for the whole call
  std::string text;
  llvm::json::Object numbers;
};

std::vector<Advice> advise(const Session &session, const Work &work,
                           const Prediction &prediction);

/// Advice about tiles of `stream` that waste more than half of their pairs.
void adviseTiles(const StreamWork &stream, double cyclesPerMs, int vectorLanes,
                 std::vector<Advice> &advice);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_ADVICE_H
