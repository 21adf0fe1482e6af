// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Results of the prefill stream against the naive float64 attention, at stated
// bounds.
#ifndef FOVEA_TEST_UNIT_CODEGEN_CPU_PREFILLVERDICT_H
#define FOVEA_TEST_UNIT_CODEGEN_CPU_PREFILLVERDICT_H

#include "test/unit/codegen/cpu/PrefillCase.h"

#include <gtest/gtest.h>

namespace fovea::cpu {

using Score = std::function<double(double s, int64_t h, int64_t q, int64_t k)>;

/// The error of rounding x to the format.
inline double roundingError(Elem elem, double x) {
  int bits = elem == Elem::F16 ? 11 : elem == Elem::BF16 ? 8 : 24;
  int exponent = 0;
  std::frexp(x, &exponent);
  if (elem == Elem::F16)
    exponent = std::max(exponent, -13);
  double ulp = std::ldexp(1, exponent - bits);
  return std::abs(std::nearbyint(x / ulp) * ulp - x);
}

/// Compares every row of the last run with the reference at the stated bounds;
/// returns the first disagreement, or nothing.
inline std::string verdict(PrefillCase &c, const Predicate &keep = {},
                           const Score &score = {}, bool withLse = true) {
  std::vector<std::vector<double>> rows;
  std::vector<double> lse;
  double maxO = 0, maxS = 0, maxV = 0, rounding = 0;
  for (int64_t b = 0; b < c.batch; ++b)
    for (int64_t h = 0; h < c.kvHeads; ++h)
      for (int64_t i = 0; i < c.sk; ++i)
        for (int64_t d = 0; d < c.params.valueDim; ++d)
          maxV = std::max(maxV, std::abs(double(c.v.get(b, h, i, d))));
  for (int64_t b = 0; b < c.batch; ++b)
    for (int64_t h = 0; h < c.heads(); ++h)
      for (int64_t i = 0; i < c.sq; ++i) {
        std::vector<double> row;
        lse.push_back(c.reference(b, h, i, keep, score, row, &maxS));
        for (double x : row) {
          maxO = std::max(maxO, std::abs(x));
          rounding = std::max(rounding, roundingError(c.params.outElem, x));
        }
        rows.push_back(std::move(row));
      }
  double bound = (2e-6 + 1.2e-7 * maxS) * maxO;
  if (c.params.outElem != Elem::F32)
    bound += 1.5 * rounding;
  // Each weight is off by half a unit in the last of 8 bits.
  if (c.params.schedule.matrix)
    bound += std::ldexp(1.05, -9) * maxV;
  size_t n = 0;
  for (int64_t b = 0; b < c.batch; ++b)
    for (int64_t h = 0; h < c.heads(); ++h)
      for (int64_t i = 0; i < c.sq; ++i, ++n) {
        std::string where = "b " + std::to_string(b) + " h " +
                            std::to_string(h) + " row " + std::to_string(i);
        for (int64_t d = 0; d < c.params.valueDim; ++d) {
          double want = rows[n][d], got = c.o.get(b, h, i, d);
          if (!(std::abs(want - got) <= bound))
            return where + " chan " + std::to_string(d) + ": want " +
                   std::to_string(want) + " got " + std::to_string(got) +
                   " bound " + std::to_string(bound) + " D " +
                   std::to_string(c.params.keyDim) + " Dv " +
                   std::to_string(c.params.valueDim) + " sq " +
                   std::to_string(c.sq) + " sk " + std::to_string(c.sk);
        }
        double got = c.lse[n];
        if (withLse && got != lse[n] &&
            !(std::abs(got - lse[n]) <= 4e-6 * (1 + maxS)))
          return where + " lse: want " + std::to_string(lse[n]) + " got " +
                 std::to_string(got);
      }
  return "";
}

inline void check(PrefillCase &c, const Predicate &keep = {},
                  const Score &score = {}) {
  ASSERT_EQ(verdict(c, keep, score), "");
}

/// A size of call and how its tensors lie.
struct CallSize {
  int64_t sq, sk, batch, heads;
  bool tokenMajor;
  int64_t pad;
};

/// Runs a dense kernel with random numbers and checks the result.
inline void checkSize(PrefillCase &c, PrefillKernel &kernel, std::mt19937 &rng,
                      const CallSize &size) {
  c.sq = size.sq, c.sk = size.sk, c.batch = size.batch, c.kvHeads = size.heads;
  c.tokenMajor = size.tokenMajor, c.pad = size.pad;
  c.qOff.clear(), c.kLen.clear();
  c.allocate(rng);
  c.run(kernel.fn, kernel.memory->get());
  check(c);
}

} // namespace fovea::cpu

#endif // FOVEA_TEST_UNIT_CODEGEN_CPU_PREFILLVERDICT_H
