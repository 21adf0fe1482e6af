// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where the softmax of a dense kernel puts its mass, and how much of it lies on
// keys that another kernel sees. From the reference's rows, in float64. For
// `fovea compare`.
#ifndef FOVEA_TOOLS_FOVEA_COMPARE_MASS_H
#define FOVEA_TOOLS_FOVEA_COMPARE_MASS_H

#include "dialects/reference/Interpreter.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace fovea::cli {

/// What every evaluated row of a call sees, token by token.
class RowTable {
public:
  /// Rows are every stride-th of `rows`; each has `tokens` tokens.
  RowTable(int64_t rows, int64_t tokens, int64_t stride);

  /// Fills the table; safe on several threads, each with rows of its own.
  /// Several attentions over one row add up: their softmax is the merged one.
  void add(const reference::WeighedRow &row);

  int64_t rows() const { return int64_t(lse.size()); }
  int64_t tokens() const { return nTokens; }
  int64_t stride() const { return theStride; }
  /// The row's probability of a token; 0 where it does not see it. A pooled row
  /// of keys shares its own out evenly.
  double probability(int64_t row, int64_t token) const;
  /// Of how many tokens the row sees the mean (255: or more); 1: of this token
  /// alone; 0: it does not see the token.
  int share(int64_t row, int64_t token) const {
    return cells[size_t(row * nTokens + token)].share;
  }
  double logsumexp(int64_t row) const { return lse[size_t(row)]; }
  const reference::Row &where(int64_t row) const { return places[size_t(row)]; }
  /// Rows of keys that the row attends to: pooled ones count once.
  int64_t pairs(int64_t row) const { return nPairs[size_t(row)]; }
  int64_t pairs() const;
  /// Rows of keys, pooled ones once, that any row sees: per key head once, and
  /// the first `prefix` tokens once for all sequences. `visit` gets sequence
  /// and first token of each.
  int64_t
  distinctKeys(int64_t prefix = 0,
               llvm::function_ref<void(int64_t, int64_t)> visit = {}) const;

private:
  int64_t nTokens, theStride;
  std::vector<double> scores; ///< [row, token]: -inf where it is not seen
  struct Cell {
    uint8_t share = 0;
    uint8_t level = 0; ///< whose row it is; the last one may have fewer tokens
  };
  std::vector<Cell> cells;
  std::vector<double> lse;
  std::vector<reference::Row> places;
  std::vector<int64_t> nPairs, keyHeads;
};

/// Mass of the dense softmax p, over some rows. `m` is the other kernel's
/// softmax, where a pooled row of keys shares its probability out evenly.
struct Mass {
  int64_t rows = 0; ///< where the dense kernel sees a key
  /// Mean of sum over keys of min(p, m). For a subset of the keys with the same
  /// scores that is p's sum over the subset, exp(lse - dense lse).
  double kept = 0;
  double least = 1, low = 1; ///< kept by the worst row; by the 5 % quantile
  /// Means of p's sum over keys that are seen at full resolution, only in the
  /// mean of several, and not at all.
  double exact = 0, pooled = 0, dropped = 0;
  /// Mean of what the best choice of as many keys would keep, row by row.
  double best = 0;
};

struct MassReport {
  Mass all;
  std::vector<Mass> heads, batches;
  /// (row, token) that the kernel sees and the dense one does not.
  int64_t beyond = 0;
  /// Where the kernel sees a subset of the dense one's keys, none pooled: the
  /// largest | mass kept - exp(lse - dense lse) |. Negative where it does not.
  /// Beyond rounding: the scores of the two kernels are not the same.
  double gap = -1;
};

MassReport weigh(const RowTable &mine, const RowTable &dense, int64_t batches,
                 int64_t heads);

/// Mean dropped mass of a query row by tile: of `head` and `batch`, or of all
/// where these are negative. NaN: no row of the tile was evaluated.
struct DroppedMap {
  int64_t queryTile, keyTile, queries, keys;
  std::vector<std::vector<double>> tiles;
};
DroppedMap dropped(const RowTable &mine, const RowTable &dense, int64_t queries,
                   int64_t tile, int64_t batch, int64_t head);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_COMPARE_MASS_H
