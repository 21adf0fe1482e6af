// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Norms and angles between outputs.
#include "tools/fovea/compare/OutputError.h"

#include <algorithm>
#include <cmath>

namespace fovea::cli {

namespace {
struct Sums {
  OutputError error;
  double difference = 0, norm = 0, cosines = 0;
  int64_t rows = 0;

  void add(double difference2, double norm2, double largest, double scale,
           double cosine) {
    difference += difference2;
    norm += norm2;
    error.largest = std::max(error.largest, largest);
    error.scale = std::max(error.scale, scale);
    error.cosineLeast = std::min(error.cosineLeast, cosine);
    cosines += cosine;
    ++rows;
  }
  OutputError finish() {
    error.relative = difference == 0 ? 0 : std::sqrt(difference / norm);
    error.cosine = rows ? cosines / double(rows) : 1;
    return error;
  }
};
} // namespace

/// Batch and head of row number `row` of an output.
static std::pair<int64_t, int64_t>
whereIs(int64_t row, const HostTensor &output,
        const std::vector<int64_t> &rowOffsets) {
  const std::vector<int64_t> &shape = output.shape;
  if (shape.size() == 4)
    return {row / (shape[1] * shape[2]), row / shape[2] % shape[1]};
  auto next =
      std::upper_bound(rowOffsets.begin(), rowOffsets.end(), row / shape[1]);
  return {next - rowOffsets.begin() - 1, row % shape[1]};
}

ErrorReport compareOutputs(const HostTensor &mine, const HostTensor &dense,
                           const std::vector<int64_t> &rowOffsets) {
  bool tokenMajor = dense.shape.size() == 3;
  int64_t batches =
      tokenMajor ? int64_t(rowOffsets.size()) - 1 : dense.shape[0];
  int64_t heads = dense.shape[1], width = dense.shape.back();
  int64_t rows = width ? dense.size() / width : 0;
  Sums all;
  std::vector<Sums> byHead(static_cast<size_t>(heads)),
      byBatch(static_cast<size_t>(batches));
  for (int64_t row = 0, at = 0; row < rows; ++row) {
    double aa = 0, bb = 0, ab = 0, dd = 0, largest = 0, scale = 0;
    for (int64_t d = 0; d < width; ++d, ++at) {
      double x = mine.get(at), y = dense.get(at);
      aa += x * x;
      bb += y * y;
      ab += x * y;
      dd += (x - y) * (x - y);
      largest = std::max(largest, std::fabs(x - y));
      scale = std::max(scale, std::fabs(y));
    }
    double cosine = aa == 0 && bb == 0   ? 1
                    : aa == 0 || bb == 0 ? 0
                                         : ab / std::sqrt(aa * bb);
    cosine = std::clamp(cosine, -1.0, 1.0);
    auto [b, h] = whereIs(row, dense, rowOffsets);
    all.add(dd, bb, largest, scale, cosine);
    byHead[size_t(h)].add(dd, bb, largest, scale, cosine);
    byBatch[size_t(b)].add(dd, bb, largest, scale, cosine);
  }
  ErrorReport report;
  report.all = all.finish();
  for (Sums &sums : byHead)
    report.heads.push_back(sums.finish());
  for (Sums &sums : byBatch)
    report.batches.push_back(sums.finish());
  return report;
}

} // namespace fovea::cli
