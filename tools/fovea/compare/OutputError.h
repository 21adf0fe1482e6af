// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How far the output of one kernel is from another's, per head. For `fovea
// compare`.
#ifndef FOVEA_TOOLS_FOVEA_COMPARE_OUTPUTERROR_H
#define FOVEA_TOOLS_FOVEA_COMPARE_OUTPUTERROR_H

#include "tools/fovea/HostTensor.h"

#include <cstdint>
#include <vector>

namespace fovea::cli {

/// Over some rows (batch, head, query) of two outputs A (mine) and B (dense).
struct OutputError {
  double relative = 0;    ///< |A - B| / |B|, Frobenius; 0 if both are 0
  double largest = 0;     ///< the largest |a - b|
  double scale = 0;       ///< the largest |b|
  double cosine = 1;      ///< mean over rows of <a, b> / (|a| |b|)
  double cosineLeast = 1; ///< of the worst row
};

struct ErrorReport {
  OutputError all;
  std::vector<OutputError> heads, batches;
};

/// Compares [b, h, sq, d] tensors of one shape, or [rows, h, d] where the rows
/// of sequence i are those from rowOffsets[i] on, before rowOffsets[i + 1]. Of
/// two rows of zeros the cosine is 1, of one it is 0.
ErrorReport compareOutputs(const HostTensor &mine, const HostTensor &dense,
                           const std::vector<int64_t> &rowOffsets);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_COMPARE_OUTPUTERROR_H
