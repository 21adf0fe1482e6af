// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What `fovea explain` has found out, and its two ways to print it.
#ifndef FOVEA_TOOLS_FOVEA_EXPLAIN_H
#define FOVEA_TOOLS_FOVEA_EXPLAIN_H

#include "tools/fovea/Advice.h"
#include "tools/fovea/Measure.h"
#include "tools/fovea/Predict.h"

#include "llvm/Support/raw_ostream.h"

#include <optional>

namespace fovea::cli {

/// Prediction and measurement differ if one is this much over the other.
constexpr double kAgreement = 1.25;

struct Explanation {
  const Session &session;
  const Arguments &arguments;
  const Work &work;
  const Prediction &prediction;
  const std::vector<Advice> &advice;
  std::optional<Measurement> measured;
  std::vector<std::string> remarks;
  bool checked = false; ///< counted pair by pair as well

  /// Both of a machine that nobody disturbs.
  double ratio() const {
    return measured ? measured->bestMs / std::max(prediction.ms(), 1e-9) : 1;
  }
  bool disagrees() const {
    return ratio() > kAgreement || ratio() < 1 / kAgreement;
  }
};

void printText(const Explanation &explanation, llvm::raw_ostream &os);
void printJson(const Explanation &explanation, llvm::raw_ostream &os);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_EXPLAIN_H
