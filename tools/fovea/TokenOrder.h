// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Orders of tokens under which a mask's tiles could be denser: by residues
// (dilation) and by boxes of a grid, read off the visible keys of some rows.
#ifndef FOVEA_TOOLS_FOVEA_TOKENORDER_H
#define FOVEA_TOOLS_FOVEA_TOKENORDER_H

#include "tools/fovea/Counts.h"

#include <array>
#include <string>
#include <vector>

namespace fovea::cli {

/// Token t is at column t % width, row t / width % height, plane t / width /
/// height (width 0: a line, height 0: one plane). On every axis tokens are
/// ordered by residue modulo `stride` first; a tile is a box of the rest.
struct TokenOrder {
  int64_t stride = 1, width = 0, height = 0;

  /// "by token mod 4, then token", "in boxes of 4 x 8 ..".
  std::string describe(int64_t queries, int64_t keys) const;
  /// The tile of the shape `box` (planes, rows, columns) that a token is in.
  uint64_t tileOf(int64_t token, const std::array<int64_t, 3> &box) const;
};

/// Orders worth a count, from the visible keys of single queries: the distance
/// that most runs of keys have from each other, and that of groups of them.
std::vector<TokenOrder>
candidateOrders(const std::vector<std::vector<fovea_abi_run>> &rows);

/// One tile of queries in another order, over all keys.
struct OrderedTile {
  int64_t queries = 0, visible = 0;
  int64_t keys = 0;              ///< that any of the queries sees
  std::vector<int64_t> keyTiles; ///< for each of the sizes asked for
};
/// The tile with query `query` of the call in it; tiles of keys of the given
/// sizes.
OrderedTile countOrdered(const fovea_mask_info &mask, int64_t b, int64_t h,
                         int64_t query, int64_t queries,
                         const std::vector<int64_t> &sizes,
                         const TokenOrder &order);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_TOKENORDER_H
