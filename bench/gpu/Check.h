// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random arguments for a step, and whether rows of its result are what float64
// gives: without a compiler or the reference beside it.
#ifndef FOVEA_BENCH_GPU_CHECK_H
#define FOVEA_BENCH_GPU_CHECK_H

#include "bench/gpu/Step.h"

#include <utility>

namespace fovea::gpu {

/// The keys that rows see.
class Visible {
public:
  /// "all", "causal", or a file of FOLDER: a byte for each key of the first,
  /// the middle and the last row. False, and the reason, where it cannot be
  /// read.
  bool read(const std::string &word, const std::string &folder,
            std::string &detail);
  bool ofFile() const { return !table.empty(); }
  /// Whether row i of `rows`, the part-th (0 to 2) that is looked at, sees key
  /// j of `keys`.
  bool sees(int part, int64_t i, int64_t rows, int64_t j, int64_t keys) const;
  /// The visible share of all pairs; not of a file.
  double share(int64_t rows, int64_t keys) const;

private:
  bool causal = false;
  std::string table;
};

/// Gives all tensors of floats and codes random values, the same everywhere.
/// False, and step.detail, where it cannot.
bool randomise(Step &step);

/// Gives tensors by name the bytes of files.
bool readTables(Step &step,
                const std::vector<std::pair<std::string, std::string>> &tables);

/// Of the first, middle and last row of the result, the first that is not what
/// float64 gives, but for what rounding explains; "" if all are.
std::string firstWrongRow(const Step &step, const Visible &visible);

} // namespace fovea::gpu

#endif // FOVEA_BENCH_GPU_CHECK_H
