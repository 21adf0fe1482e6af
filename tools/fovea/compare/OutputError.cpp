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

ErrorReport compareOutputs(const HostTensor &mine, const HostTensor &dense) {
  int64_t batches = dense.shape[0], heads = dense.shape[1],
          queries = dense.shape[2], width = dense.shape[3];
  Sums all;
  std::vector<Sums> byHead(static_cast<size_t>(heads)),
      byBatch(static_cast<size_t>(batches));
  for (int64_t b = 0, at = 0; b < batches; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t q = 0; q < queries; ++q) {
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
