// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Permuted tiles.
#include "tools/fovea/TokenOrder.h"

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <map>
#include <set>

namespace fovea::cli {

/// `count` as a box of `axes` sides, as even as its prime factors allow; the
/// last side (along the tokens) is the longest.
static std::array<int64_t, 3> boxOf(int64_t count, int axes) {
  std::array<int64_t, 3> box{1, 1, 1};
  std::vector<int64_t> primes;
  for (int64_t p = 2; count > 1; ++p)
    while (count % p == 0) {
      primes.push_back(p);
      count /= p;
    }
  std::sort(primes.rbegin(), primes.rend());
  for (int64_t p : primes)
    *std::min_element(box.rbegin(), box.rbegin() + axes) *= p;
  std::sort(box.begin() + (3 - axes), box.end());
  return box;
}

static int axesOf(const TokenOrder &order) {
  return order.width == 0 ? 1 : order.height == 0 ? 2 : 3;
}

uint64_t TokenOrder::tileOf(int64_t token,
                            const std::array<int64_t, 3> &box) const {
  std::array<int64_t, 3> at{0, 0, token};
  if (width) {
    at = {0, token / width, token % width};
    if (height)
      at = {at[1] / height, at[1] % height, at[2]};
  }
  uint64_t id = 0;
  for (int axis = 0; axis < 3; ++axis) {
    int64_t residue = at[axis] % stride, rest = at[axis] / stride;
    id = (id << 21) ^ uint64_t(rest / box[axis] * stride + residue);
  }
  return id;
}

std::string TokenOrder::describe(int64_t queries, int64_t keys) const {
  std::array<int64_t, 3> q = boxOf(queries, axesOf(*this)),
                         k = boxOf(keys, axesOf(*this));
  std::string residue =
      stride > 1 ? llvm::formatv("by their residue modulo {0}", stride).str()
                 : "";
  if (!width)
    return residue;
  std::string text = residue.empty()
                         ? "in boxes of "
                         : residue + " on each axis, then in boxes of ";
  if (height)
    return text + llvm::formatv("{0} x {1} x {2} queries and {3} x {4} x {5} "
                                "keys of a grid with rows of {6} and planes of "
                                "{7} rows",
                                q[0], q[1], q[2], k[0], k[1], k[2], width,
                                height)
                      .str();
  return text + llvm::formatv("{0} x {1} queries and {2} x {3} keys of a grid "
                              "with rows of {4}",
                              q[1], q[2], k[1], k[2], width)
                    .str();
}

/// The most frequent number of `counts` if it makes up a third of all.
static int64_t usual(const std::map<int64_t, int64_t> &counts) {
  int64_t all = 0, best = 0, most = 0;
  for (auto [value, count] : counts) {
    all += count;
    if (count > most) {
      most = count;
      best = value;
    }
  }
  return most * 3 >= all ? best : 0;
}

std::vector<TokenOrder>
candidateOrders(const std::vector<std::vector<fovea_abi_run>> &rows) {
  // Distances of neighbouring runs, then of the first runs of groups of them.
  std::map<int64_t, int64_t> gaps, groupGaps;
  for (const auto &runs : rows)
    for (size_t i = 1; i < runs.size(); ++i)
      ++gaps[runs[i].lo - runs[i - 1].lo];
  int64_t near = usual(gaps);
  std::vector<TokenOrder> orders;
  if (near < 2)
    return orders;
  for (const auto &runs : rows) {
    int64_t first = -1;
    for (size_t i = 0; i < runs.size(); ++i) {
      if (i && runs[i].lo - runs[i - 1].lo == near)
        continue;
      if (first >= 0)
        ++groupGaps[runs[i].lo - first];
      first = runs[i].lo;
    }
  }
  int64_t far = usual(groupGaps);
  orders.push_back({near, 0, 0}); // a dilation
  orders.push_back({1, near, 0}); // rows of a grid
  if (far > near) {
    orders.push_back({1, far, 0});
    orders.push_back({near, far, 0});
    if (far % near == 0) {
      orders.push_back({near, far / near, 0}); // dilated on both axes
      orders.push_back({1, near, far / near}); // planes
    }
  }
  return orders;
}

OrderedTile countOrdered(const fovea_mask_info &mask, int64_t b, int64_t h,
                         int64_t first, int64_t queries,
                         const std::vector<int64_t> &sizes,
                         const TokenOrder &order) {
  OrderedTile tile;
  std::vector<bool> seen(size_t(std::max<int64_t>(mask.k_len[b], 0)), false);
  int64_t offset = mask.q_off[b], all = queriesOf(mask, b);
  std::array<int64_t, 3> queryBox = boxOf(queries, axesOf(order));
  uint64_t wanted = order.tileOf(first + offset, queryBox);
  // A tile's tokens lie within a box of the grid, or a stretch of residues.
  int64_t plane =
      std::max<int64_t>(order.width, 1) * std::max<int64_t>(order.height, 1);
  int64_t reach =
      order.width ? queries * plane * order.stride : queries * order.stride;
  for (int64_t q = std::max<int64_t>(first - reach, 0);
       q < std::min(first + reach, all); ++q) {
    if (order.tileOf(q + offset, queryBox) != wanted)
      continue;
    ++tile.queries;
    for (const fovea_abi_run &run : visibleKeys(mask, b, h, q, q + 1)) {
      tile.visible += run.hi - run.lo;
      std::fill(seen.begin() + run.lo, seen.begin() + run.hi, true);
    }
  }
  std::vector<int64_t> keysSeen;
  for (size_t k = 0; k < seen.size(); ++k)
    if (seen[k])
      keysSeen.push_back(int64_t(k));
  tile.keys = int64_t(keysSeen.size());
  for (int64_t keys : sizes) {
    std::array<int64_t, 3> box = boxOf(keys, axesOf(order));
    std::set<uint64_t> tiles;
    uint64_t last = ~uint64_t(0);
    for (int64_t k : keysSeen) {
      uint64_t id = order.tileOf(k, box);
      if (id != last)
        tiles.insert(last = id);
    }
    tile.keyTiles.push_back(int64_t(tiles.size()));
  }
  return tile;
}

} // namespace fovea::cli
