// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The prefill stream on a matrix unit, real where this processor has one and
// in plain code everywhere, against the float64 attention.
#include "test/unit/codegen/cpu/PrefillVerdict.h"

#include "codegen/target/Target.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::cpu;

namespace {

class MatrixTest : public testing::TestWithParam<Isa> {
protected:
  void SetUp() override {
    bool real = GetParam() == Isa::AVX512;
    if (real ? !hostRuns(Isa::AVX512) || !hostFeatures().lookup("amx-tile")
             : !hostRuns(Isa::AVX2))
      GTEST_SKIP() << "this processor lacks the instruction set";
  }
  StreamParams plain(int64_t d, int64_t dv, int64_t group = 1) {
    StreamParams p = plainParams(GetParam(), Elem::BF16, d, dv, group);
    p.schedule = {32, 32, 96, 64, true, true};
    p.lse = 4;
    return p;
  }
  std::mt19937 rng{11};
};

/// Scattered pairs, of every 96 keys some that nobody sees.
bool scattered(int64_t h, int64_t q, int64_t k) {
  return (q * 7 + k * 3 + h + 70) % 5 < 2 && k % 96 < 70;
}

FailureOr<Value> scatteredCode(Emitter &e, const ElementContext &at) {
  int64_t n = Emitter::lanesOf(at.q);
  auto lanes = [&](int64_t x) { return e.splatInt(n, e.i32, x); };
  auto slt = arith::CmpIPredicate::slt;
  Value k = e.splat(e.toInt(at.k, e.i32), n);
  Value sum = e.add(e.add(e.mul(at.q, lanes(7)), e.mul(k, lanes(3))),
                    e.add(at.h, lanes(70)));
  return e.andI(e.cmp(slt, e.remU(sum, lanes(5)), lanes(2)),
                e.cmp(slt, e.remU(k, lanes(96)), lanes(70)));
}

bool causal(int64_t, int64_t q, int64_t k) { return k <= q; }

} // namespace

TEST_P(MatrixTest, ShapesAndSchedules) {
  struct Dims {
    int64_t d, dv, group;
  };
  for (Dims dims : {Dims{32, 32, 1}, {64, 64, 3}, {128, 96, 1}, {96, 192, 2}})
    for (PrefillSchedule schedule :
         {PrefillSchedule{32, 32, 96, 64, true, true},
          {32, 16, 40, 48, true, true},
          {32, 32, 192, 256, true, true}}) {
      PrefillCase c;
      c.params = plain(dims.d, dims.dv, dims.group);
      c.params.schedule = schedule;
      PrefillKernel kernel(c.params);
      ASSERT_TRUE(kernel.fn) << kernel.reason << kernel.loaded->undefined;
      for (CallSize s : {CallSize{1, 1, 1, 1, false, 0},
                         {3, 7, 2, 2, true, 3},
                         {33, 97, 1, 1, false, 1},
                         {70, 259, 1, 2, true, 0},
                         {65, 192, 1, 1, false, 0}}) {
        checkSize(c, kernel, rng, s);
        if (HasFatalFailure())
          return;
      }
    }
}

// One weight of many that is off shows, and so does a key too many.
TEST_P(MatrixTest, TheCheckFailsOnSeededFaults) {
  PrefillCase c;
  c.params = plain(32, 32);
  PrefillKernel kernel(c.params);
  c.sq = 20, c.sk = 64;
  c.allocate(rng);
  c.run(kernel.fn, kernel.memory->get());
  ASSERT_EQ(verdict(c), "");
  EXPECT_NE(verdict(c, [](int64_t, int64_t, int64_t k) { return k != 63; }),
            "");
  float right = c.o.get(0, 0, 7, 3);
  c.o.set(0, 0, 7, 3, right + 0.02f);
  EXPECT_NE(verdict(c), "");
}

TEST_P(MatrixTest, MasksAndRowsThatSeeNothing) {
  for (bool structured : {true, false}) {
    PrefillCase c;
    c.params = plain(64, 32, structured ? 1 : 2);
    if (!structured)
      c.params.keep = scatteredCode;
    PrefillKernel kernel(c.params, [&](OpBuilder &b, StreamParams &p) {
      if (structured)
        addCausal(b, p, 0);
    });
    ASSERT_TRUE(kernel.fn) << kernel.reason;
    c.sq = 150, c.sk = 333, c.kvHeads = 2;
    c.qOff = {-10};
    c.allocate(rng);
    std::memset(c.o.bytes.data(), 0xff, c.o.bytes.size());
    c.run(kernel.fn, kernel.memory->get());
    check(c, structured ? Predicate(causal) : Predicate(scattered));
    EXPECT_GT(c.counters.tiles_partial, 0);
  }
}

TEST_P(MatrixTest, ScoreModifier) {
  for (bool masked : {false, true}) {
    PrefillCase c;
    c.params = plain(32, 64, 2);
    if (masked)
      c.params.keep = scatteredCode;
    c.params.score = [](Emitter &e, Value s,
                        const ElementContext &at) -> FailureOr<Value> {
      int64_t n = Emitter::lanesOf(s);
      Value k = e.splat(e.toInt(at.k, e.i32), n);
      Value x = e.fma(e.toF32(e.sub(k, at.q)), e.splatF32(n, 0.01f), s);
      Value first = e.cmp(arith::CmpIPredicate::eq, k, e.like(k, 0));
      return e.select(first, e.splatF32(n, -INFINITY), x);
    };
    PrefillKernel kernel(c.params);
    c.sq = 37, c.sk = 130;
    c.allocate(rng, 2);
    c.run(kernel.fn, kernel.memory->get());
    check(c, masked ? Predicate(scattered) : Predicate(),
          [](double s, int64_t, int64_t q, int64_t k) {
            return k == 0 ? -INFINITY : s + (k - q) * 0.01;
          });
  }
}

// A region on weights, in one walk and in two: twice each weight.
TEST_P(MatrixTest, WeightRegions) {
  for (bool twice : {false, true}) {
    PrefillCase c;
    c.params = plain(32, 32);
    c.params.twice = twice;
    c.params.outFactor = twice ? 1 : 0.5f;
    c.params.prob = [&](Emitter &e, Value w,
                        const ElementContext &) -> FailureOr<Value> {
      return twice ? w : e.fadd(w, w);
    };
    PrefillKernel kernel(
        c.params, [&](OpBuilder &b, StreamParams &p) { addCausal(b, p, 0); });
    ASSERT_TRUE(kernel.fn) << kernel.reason;
    c.sq = 50, c.sk = 131;
    c.allocate(rng);
    c.run(kernel.fn, kernel.memory->get());
    check(c, causal);
  }
}

TEST_P(MatrixTest, PoisonBehindTheLengthIsNotRead) {
  PrefillCase c;
  c.params = plain(64, 64);
  PrefillKernel kernel(c.params);
  c.sq = 20, c.sk = 200, c.batch = 4;
  c.kLen = {200, 97, 1, 0};
  c.qOff = {180, 77, 0, 0};
  c.allocate(rng);
  for (int64_t b = 0; b < 4; ++b)
    for (int64_t j = c.kLen[b]; j < 200; ++j)
      for (int64_t d = 0; d < 64; ++d) {
        c.k.set(b, 0, j, d, NAN);
        c.v.set(b, 0, j, d, NAN);
      }
  c.run(kernel.fn, kernel.memory->get());
  check(c);
}

// The last of 97 keys: weights of 0 pad its step.
TEST_P(MatrixTest, AnInfiniteValueReachesItsChannelOnly) {
  PrefillCase c;
  c.params = plain(32, 64);
  PrefillKernel kernel(c.params);
  c.sq = 3, c.sk = 97;
  c.allocate(rng);
  c.v.set(0, 0, 96, 5, INFINITY);
  c.run(kernel.fn, kernel.memory->get());
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t d = 0; d < 64; ++d)
      if (d == 5)
        EXPECT_EQ(c.o.get(0, 0, i, d), INFINITY);
      else
        EXPECT_TRUE(std::isfinite(c.o.get(0, 0, i, d)));
}

TEST_P(MatrixTest, RefusesWhatItCannotMultiply) {
  auto reasonOf = [](StreamParams p) { return PrefillKernel(p).reason; };
  const char *words = "expected products of a matrix unit to be of plain bf16 "
                      "in steps of 32 keys and channels, got dims ";
  StreamParams p = plain(48, 64);
  EXPECT_EQ(reasonOf(p).find(words), 0u) << reasonOf(p);
  p = plain(64, 64);
  p.queryElem = Elem::F32;
  EXPECT_EQ(reasonOf(p).find(words), 0u);
  p = plain(64, 64);
  p.sources[0].valueElem = Elem::F16;
  EXPECT_EQ(reasonOf(p).find(words), 0u);
}

INSTANTIATE_TEST_SUITE_P(Units, MatrixTest,
                         testing::Values(Isa::AVX512, Isa::Wide),
                         [](const auto &info) {
                           return info.param == Isa::Wide ? "plain" : "amx";
                         });
