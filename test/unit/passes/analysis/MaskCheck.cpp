// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The checks of bounds, class and keep; see the header.
#include "test/unit/passes/analysis/MaskCheck.h"

#include <algorithm>

namespace fovea::masktest {

void Picture::fail(int64_t &counter, const char *what, int64_t q, int64_t k) {
  ++counter;
  if (report.first.empty())
    report.first =
        std::string(what) + " at b=" + std::to_string(b) +
        " h=" + std::to_string(h) + " q=" + std::to_string(q) +
        " k=" + std::to_string(k) + " of " + std::to_string(shape.sq) + "+" +
        std::to_string(shape.offset) + " x " + std::to_string(shape.sk);
}

int64_t Picture::count(int64_t q0, int64_t q1, int64_t k0, int64_t k1) const {
  int64_t n = 0;
  for (int64_t q = q0; q < q1; ++q)
    for (int64_t k = k0; k < k1; ++k)
      n += at(q, k);
  return n;
}

void Picture::checkKeep() {
  for (int64_t q = shape.offset; q < shape.offset + shape.sq; ++q) {
    for (int64_t k = 0; k < shape.sk; ++k)
      if ((mask.keep(mask.args, b, h, q, k, shape.sk) != 0) != at(q, k))
        fail(report.keepWrong, "keep is wrong", q, k);
    // Never live, whatever the predicate says.
    if (mask.keep(mask.args, b, h, q, shape.sk, shape.sk) ||
        mask.keep(mask.args, b, h, q, -1, shape.sk))
      fail(report.keepWrong, "keep lets a key past the length in", q, shape.sk);
  }
}

/// The class of a tile inside the keys, checked.
int Picture::classify(int64_t q0, int64_t q1, int64_t k0, int64_t k1) {
  int64_t n = count(q0, q1, k0, k1);
  int c = mask.classify(mask.args, b, h, q0, q1, k0, k1, shape.sk);
  if (c == FOVEA_TILE_EMPTY && n)
    fail(report.notEmpty, "tile called empty", q0, k0);
  else if (c == FOVEA_TILE_FULL && n != (q1 - q0) * (k1 - k0))
    fail(report.notFull, "tile called full", q0, k0);
  else if (c < FOVEA_TILE_EMPTY || c > FOVEA_TILE_FULL)
    fail(report.illegal, "illegal class", q0, k0);
  return c;
}

void Picture::checkQueryTile(int64_t q0, int64_t q1, int64_t tileK) {
  int64_t sk = shape.sk;
  fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
  int n = mask.bounds(mask.args, b, h, q0, q1, sk, runs);
  if (n < 0 || n > FOVEA_ABI_MAX_RUNS) {
    fail(report.illegal, "number of runs", q0, n);
    return;
  }
  report.runs = std::max<int64_t>(report.runs, n);
  std::vector<char> inRun(size_t(sk), 0);
  int64_t end = -1;
  for (int i = 0; i < n; ++i) {
    auto [lo, hi] = runs[i];
    if (lo < 0 || lo >= hi || hi > sk || lo <= end) {
      fail(report.illegal, "illegal run", q0, lo);
      return;
    }
    end = hi;
    std::fill(inRun.begin() + lo, inRun.begin() + hi, 1);
    for (int64_t k = lo; k < hi; k += tileK) {
      int64_t stop = std::min(k + tileK, hi);
      if (count(q0, q1, k, stop))
        ++report.needed;
      else
        report.idle += classify(q0, q1, k, stop) != FOVEA_TILE_EMPTY;
    }
  }
  for (int64_t k0 = 0; k0 < sk; k0 += tileK) {
    int64_t k1 = std::min(k0 + tileK, sk), live = count(q0, q1, k0, k1);
    bool reached = false;
    for (int64_t k = k0; k < k1; ++k) {
      reached |= inRun[size_t(k)];
      for (int64_t q = q0; q < q1; ++q)
        if (at(q, k) && !inRun[size_t(k)])
          fail(report.lost, "live key outside the runs", q, k);
    }
    int c = classify(q0, q1, k0, k1);
    ++report.tiles;
    report.extra += !live && reached && c != FOVEA_TILE_EMPTY;
    report.missFull += live == (q1 - q0) * (k1 - k0) && c != FOVEA_TILE_FULL;
    // Sticking out past the length, a tile has a masked key.
    if (k0 + tileK > sk && mask.classify(mask.args, b, h, q0, q1, k0,
                                         k0 + tileK, sk) == FOVEA_TILE_FULL)
      fail(report.notFull, "tile past the length called full", q0, k0);
  }
}

void Picture::check(TileShape tile) {
  for (int64_t q = 0; q < shape.sq; q += tile.q)
    checkQueryTile(q + shape.offset,
                   std::min(q + tile.q, shape.sq) + shape.offset, tile.k);
}

} // namespace fovea::masktest
