// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Holds the three functions of a mask against the live pairs that somebody else
// worked out, and counts how exact they are. Knows the C interface alone: the
// functions may come from the tests' own compiler or from a plan.
#ifndef FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKCHECK_H
#define FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKCHECK_H

#include <fovea/abi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace fovea::masktest {

struct MaskFunctions {
  fovea_bounds_fn bounds = nullptr;
  fovea_class_fn classify = nullptr;
  fovea_keep_fn keep = nullptr;
  const fovea_abi_args *args = nullptr;
};

struct Shape {
  int64_t sq, sk, offset = 0; // queries are tokens [offset, offset + sq)
};
struct TileShape {
  int64_t q, k;
};

struct Report {
  int64_t lost = 0;    // live keys outside the runs
  int64_t illegal = 0; // runs that are empty, out of order, touch, stick out
  int64_t notEmpty = 0, notFull = 0; // tiles wrongly called empty, full
  int64_t keepWrong = 0;
  /// Tiles of the grid; those looked at although empty, those run with mask
  /// code although full.
  int64_t tiles = 0, extra = 0, missFull = 0, runs = 0;
  /// Blocks as a kernel walks them, from the start of each run: with a live
  /// pair, and without one but not called empty.
  int64_t needed = 0, idle = 0;
  std::string first; // the first failure in words
  bool sound() const {
    return lost + illegal + notEmpty + notFull + keepWrong == 0;
  }
  double extraPercent() const { return 100.0 * extra / tiles; }
  double missFullPercent() const { return 100.0 * missFull / tiles; }
  /// Executed beyond the exact minimum.
  double idlePercent() const { return needed ? 100.0 * idle / needed : 0; }
};

/// One sequence and head of one shape, and which of its pairs are live.
struct Picture {
  const MaskFunctions &mask;
  Report &report;
  Shape shape;
  int64_t b, h;
  std::vector<char> live; // sq x sk

  /// keep at every pair, and beside the keys.
  void checkKeep();
  /// bounds and class over all tiles of a shape.
  void check(TileShape tile);

private:
  bool at(int64_t q, int64_t k) const {
    return live[size_t((q - shape.offset) * shape.sk + k)];
  }
  int64_t count(int64_t q0, int64_t q1, int64_t k0, int64_t k1) const;
  int classify(int64_t q0, int64_t q1, int64_t k0, int64_t k1);
  void fail(int64_t &counter, const char *what, int64_t q, int64_t k);
  void checkQueryTile(int64_t q0, int64_t q1, int64_t tileK);
};

} // namespace fovea::masktest
#endif // FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKCHECK_H
