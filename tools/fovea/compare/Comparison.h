// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Two kernels on the same inputs: what the first leaves out, how far its output
// is off, what it saves. The numbers behind `fovea compare`.
#ifndef FOVEA_TOOLS_FOVEA_COMPARE_COMPARISON_H
#define FOVEA_TOOLS_FOVEA_COMPARE_COMPARISON_H

#include "tools/fovea/compare/OutputError.h"
#include "tools/fovea/compare/Side.h"

namespace fovea::cli {

struct Comparison {
  double density = 0; ///< rows of keys attended to, of the dense kernel's
  MassReport mass;
  ErrorReport error;
  CallTime mine, dense;
  double speedUp() const { return mine.ms > 0 ? dense.ms / mine.ms : 0; }
  double attentionSpeedUp() const {
    double ms = mine.attentionMs();
    return ms > 0 ? dense.attentionMs() / ms : 0;
  }
};

/// A Failure if the two cannot be compared.
void checkComparable(const Side &mine, const Side &dense);

/// Every how many rows are evaluated.
int64_t strideFor(const Side &dense);

/// Both are evaluated.
Comparison compare(Side &mine, Side &dense, double seconds);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_COMPARE_COMPARISON_H
