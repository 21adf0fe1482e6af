// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sums over the rows of two kernels. All are taken in the order of the rows,
// so that they do not depend on threads.
#include "tools/fovea/compare/Mass.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <tuple>

namespace fovea::cli {

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

RowTable::RowTable(int64_t rows, int64_t tokens, int64_t stride)
    : nTokens(tokens), theStride(stride) {
  size_t n = size_t((rows + stride - 1) / stride);
  scores.assign(n * size_t(tokens), -kInfinity);
  cells.assign(n * size_t(tokens), {});
  lse.assign(n, -kInfinity);
  places.assign(n, {0, 0, 0});
  nPairs.assign(n, 0);
  keyHeads.assign(n, 0);
}

void RowTable::add(const reference::WeighedRow &row) {
  size_t at = size_t(row.position / theStride);
  places[at] = row.row;
  keyHeads[at] = row.keyHead;
  nPairs[at] += int64_t(row.keys.size());
  double a = std::max(lse[at], row.lse), b = std::min(lse[at], row.lse);
  lse[at] = b == -kInfinity ? a : a + std::log1p(std::exp(b - a));
  for (const reference::WeighedKeys &keys : row.keys)
    for (int64_t t = keys.token; t < keys.token + keys.count; ++t) {
      size_t cell = at * size_t(nTokens) + size_t(t);
      scores[cell] = keys.score - std::log(double(keys.count));
      cells[cell] = {uint8_t(std::min<int64_t>(keys.count, 255)),
                     uint8_t(std::min<int64_t>(keys.level, 255))};
    }
}

double RowTable::probability(int64_t row, int64_t token) const {
  double score = scores[size_t(row * nTokens + token)];
  return score == -kInfinity ? 0 : std::exp(score - lse[size_t(row)]);
}

int64_t RowTable::pairs() const {
  int64_t n = 0;
  for (int64_t pairs : nPairs)
    n += pairs;
  return n;
}

int64_t
RowTable::distinctKeys(int64_t prefix,
                       llvm::function_ref<void(int64_t, int64_t)> visit) const {
  std::map<std::tuple<int64_t, int64_t, int>, std::vector<bool>> seen;
  int64_t count = 0;
  for (int64_t r = 0; r < rows(); ++r) {
    // By level; of tokens behind the shared ones, and of those.
    std::array<std::vector<bool> *, 256> own{}, shared{};
    for (int64_t t = 0; t < nTokens; ++t) {
      int l = cells[size_t(r * nTokens + t)].level;
      if (!l || t % l) // a pooled row begins at a multiple of its level
        continue;
      bool ofAll = t < prefix;
      int64_t batch = ofAll ? 0 : places[size_t(r)].batch;
      std::vector<bool> *&marks = (ofAll ? shared : own)[size_t(l)];
      if (!marks) {
        marks = &seen[{batch, keyHeads[size_t(r)], l}];
        marks->resize(size_t(nTokens));
      }
      if ((*marks)[size_t(t)])
        continue;
      (*marks)[size_t(t)] = true;
      ++count;
      if (visit)
        visit(batch, t);
    }
  }
  return count;
}

namespace {
/// Collects the rows of a group.
struct Group {
  Mass mass; ///< sums, until finished
  std::vector<double> kept;

  void add(const Mass &row) {
    mass.kept += row.kept;
    mass.exact += row.exact;
    mass.pooled += row.pooled;
    mass.dropped += row.dropped;
    mass.best += row.best;
    kept.push_back(row.kept);
  }
  Mass finish() {
    mass.rows = int64_t(kept.size());
    if (kept.empty())
      return mass;
    double n = double(kept.size());
    for (double *sum :
         {&mass.kept, &mass.exact, &mass.pooled, &mass.dropped, &mass.best})
      *sum /= n;
    std::sort(kept.begin(), kept.end());
    mass.least = kept.front();
    mass.low = kept[size_t(std::ceil(0.05 * n)) - 1];
    return mass;
  }
};
} // namespace

MassReport weigh(const RowTable &mine, const RowTable &dense, int64_t batches,
                 int64_t heads) {
  MassReport report;
  Group all;
  std::vector<Group> byHead(size_t(std::max<int64_t>(heads, 0))),
      byBatch(size_t(std::max<int64_t>(batches, 0)));
  bool subset = true;
  double gap = 0;
  std::vector<double> p;
  for (int64_t r = 0; r < dense.rows(); ++r) {
    Mass row;
    p.clear();
    for (int64_t t = 0; t < dense.tokens(); ++t) {
      int level = mine.share(r, t);
      bool inDense = dense.share(r, t) != 0;
      report.beyond += level && !inDense;
      subset &= level <= 1 && (inDense || !level);
      if (!inDense)
        continue;
      double share = dense.probability(r, t);
      p.push_back(share);
      (level == 0 ? row.dropped : level == 1 ? row.exact : row.pooled) += share;
      row.kept += std::min(share, mine.probability(r, t));
    }
    if (p.empty())
      continue;
    size_t n = std::min(p.size(), size_t(mine.pairs(r)));
    std::partial_sort(p.begin(), p.begin() + int64_t(n), p.end(),
                      std::greater<double>());
    for (size_t i = 0; i < n; ++i)
      row.best += p[i];
    gap = std::max(gap, std::fabs(row.exact - std::exp(mine.logsumexp(r) -
                                                       dense.logsumexp(r))));
    const reference::Row &where = dense.where(r);
    all.add(row);
    byHead[size_t(where.head)].add(row);
    byBatch[size_t(where.batch)].add(row);
  }
  report.all = all.finish();
  for (Group &group : byHead)
    report.heads.push_back(group.finish());
  for (Group &group : byBatch)
    report.batches.push_back(group.finish());
  if (subset)
    report.gap = gap;
  return report;
}

DroppedMap dropped(const RowTable &mine, const RowTable &dense, int64_t queries,
                   int64_t tile, int64_t batch, int64_t head) {
  DroppedMap map{tile, tile, queries, dense.tokens(), {}};
  size_t tall = size_t((queries + tile - 1) / tile),
         wide = size_t((dense.tokens() + tile - 1) / tile);
  map.tiles.assign(tall, std::vector<double>(wide, 0));
  std::vector<int64_t> counts(tall, 0);
  for (int64_t r = 0; r < dense.rows(); ++r) {
    const reference::Row &row = dense.where(r);
    if ((batch >= 0 && row.batch != batch) || (head >= 0 && row.head != head))
      continue;
    size_t y = size_t(row.query / tile);
    ++counts[y];
    for (int64_t t = 0; t < dense.tokens(); ++t)
      if (!mine.share(r, t))
        map.tiles[y][size_t(t / tile)] += dense.probability(r, t);
  }
  for (size_t y = 0; y < tall; ++y)
    for (double &value : map.tiles[y])
      value = counts[y] ? value / double(counts[y])
                        : std::numeric_limits<double>::quiet_NaN();
  return map;
}

} // namespace fovea::cli
