// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The prefill stream against a naive float64 attention: every format, odd
// sizes, grouped heads, masks, modifiers, splits, chosen blocks, pooled rows,
// poisoned memory.
#include "test/unit/codegen/cpu/PrefillVerdict.h"

#include "codegen/cpu/DecodeStream.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace fovea;
using namespace fovea::cpu;

namespace {

/// Means of `n` rows; the last may be of fewer.
void poolRows(const Tensor &from, int64_t n, Tensor &to) {
  int64_t units = (from.t + n - 1) / n;
  to.allocate(from.elem, from.b, from.h, units, from.d);
  for (int64_t i = 0; i < from.b * from.h; ++i)
    for (int64_t u = 0; u < units; ++u)
      for (int64_t d = 0; d < from.d; ++d) {
        double sum = 0;
        int64_t end = std::min(from.t, n * (u + 1));
        for (int64_t t = n * u; t < end; ++t)
          sum += from.get(i / from.h, i % from.h, t, d);
        to.set(i / from.h, i % from.h, u, d, sum / (end - n * u));
      }
}

class PrefillTest : public testing::TestWithParam<Isa> {
protected:
  void SetUp() override {
    if (!hostRuns(GetParam()))
      GTEST_SKIP() << "this processor lacks the instruction set";
  }
  StreamParams plain(Elem elem, int64_t d, int64_t dv, int64_t group = 1) {
    StreamParams p = plainParams(GetParam(), elem, d, dv, group);
    p.lse = 4;
    return p;
  }
  std::mt19937 rng{7};
};

TEST_P(PrefillTest, ShapesAndFormats) {
  struct Dims {
    int64_t d, dv, group;
  };
  for (Dims dims : {Dims{64, 64, 1},
                    {1, 3, 2},
                    {3, 1, 1},
                    {32, 80, 4},
                    {63, 64, 3},
                    {128, 63, 1},
                    {192, 128, 2},
                    {80, 192, 1},
                    {576, 512, 8},
                    {16, 577 - 1, 1}})
    for (Elem elem : {Elem::F32, Elem::F16, Elem::BF16, Elem::I8}) {
      PrefillCase c;
      c.params = plain(elem, dims.d, dims.dv, dims.group);
      PrefillKernel kernel(c.params);
      ASSERT_TRUE(kernel.fn) << kernel.reason << kernel.loaded->undefined;
      for (CallSize s : {CallSize{1, 1, 1, 1, false, 0},
                         {3, 7, 2, 2, true, 3},
                         {17, 97, 1, 1, false, 1},
                         {70, 259, 1, 2, true, 0},
                         {129, 300, 1, 1, false, 0}}) {
        if (dims.d * dims.dv > 40000 && s.sq > 17)
          continue;
        checkSize(c, kernel, rng, s);
        if (HasFatalFailure())
          return;
      }
    }
}

TEST_P(PrefillTest, TheCheckFailsOnSeededFaults) {
  PrefillCase c;
  c.params = plain(Elem::F32, 16, 16);
  PrefillKernel kernel(c.params);
  c.sq = 20, c.sk = 120;
  c.allocate(rng);
  c.run(kernel.fn, kernel.memory->get());
  ASSERT_EQ(verdict(c), "");
  float right = c.o.get(0, 0, 7, 3);
  c.o.set(0, 0, 7, 3, right + 3e-5f);
  EXPECT_NE(verdict(c), "");
  c.o.set(0, 0, 7, 3, NAN);
  EXPECT_NE(verdict(c), "");
  c.o.set(0, 0, 7, 3, right);
  c.lse[4] += 1e-3f;
  EXPECT_NE(verdict(c), "");
  c.lse[4] -= 1e-3f;
  // One key too many or too few shows.
  EXPECT_NE(verdict(c, [](int64_t, int64_t, int64_t k) { return k != 119; }),
            "");
}

TEST_P(PrefillTest, EveryLengthUpToTwoBlocks) {
  PrefillCase c;
  c.params = plain(Elem::F32, 8, 5, 3);
  PrefillKernel kernel(c.params);
  ASSERT_TRUE(kernel.fn);
  for (int64_t sk = 1; sk <= 200; ++sk) {
    c.sq = 1 + sk * 7 % 45, c.sk = sk;
    c.qOff.clear(), c.kLen.clear();
    c.allocate(rng);
    c.run(kernel.fn, kernel.memory->get());
    check(c);
    if (HasFatalFailure())
      return;
  }
}

TEST_P(PrefillTest, LargeScoresKeepTheBound) {
  PrefillCase c;
  c.params = plain(Elem::F32, 64, 64);
  c.params.scale = 4;
  PrefillKernel kernel(c.params);
  c.sq = 40, c.sk = 500;
  c.allocate(rng, 2);
  c.run(kernel.fn, kernel.memory->get());
  check(c);
}

TEST_P(PrefillTest, CausalAndWindow) {
  for (int64_t window : {0, 1, 40}) {
    for (int64_t group : {1, 3}) {
      PrefillCase c;
      c.params = plain(Elem::F32, 32, 32, group);
      PrefillKernel kernel(c.params, [&](OpBuilder &b, StreamParams &p) {
        addCausal(b, p, window);
      });
      ASSERT_TRUE(kernel.fn) << kernel.loaded->undefined;
      Predicate keep = [&](int64_t, int64_t q, int64_t k) {
        return k <= q && (!window || q - k < window);
      };
      for (auto [sq, sk] :
           {std::pair<int, int>{1, 50}, {200, 200}, {333, 100}, {65, 290}}) {
        c.sq = sq, c.sk = sk, c.kvHeads = 2;
        c.qOff.clear(), c.kLen.clear();
        c.allocate(rng);
        c.run(kernel.fn, kernel.memory->get());
        check(c, keep);
        if (HasFatalFailure())
          return;
        if (!window && sq == sk && group == 1) {
          EXPECT_GT(c.counters.tiles_full, 0);
          // Above the diagonal nothing runs.
          EXPECT_LT(c.counters.pairs, 2 * 200 * 200 * 3 / 4);
        }
        EXPECT_EQ(c.counters.items, int64_t(c.items.size()));
      }
    }
  }
}

/// A mask without structure: no bounds, no class.
bool hashed(int64_t h, int64_t q, int64_t k) {
  return ((q * 7 + k * 13 + h * 5) % 11) < 3 && q % 5 != 2;
}

FailureOr<Value> hashedCode(Emitter &e, const ElementContext &c) {
  int64_t n = Emitter::lanesOf(c.q);
  auto lanes = [&](int64_t x) { return e.splatInt(n, e.i32, x); };
  Value k = e.splat(e.toInt(c.k, e.i32), n);
  Value sum = e.add(e.add(e.mul(c.q, lanes(7)), e.mul(k, lanes(13))),
                    e.mul(c.h, lanes(5)));
  auto slt = arith::CmpIPredicate::slt, ne = arith::CmpIPredicate::ne;
  Value a = e.cmp(slt, e.remU(sum, lanes(11)), lanes(3));
  return e.andI(a, e.cmp(ne, e.remU(c.q, lanes(5)), lanes(2)));
}

TEST_P(PrefillTest, UnstructuredMaskAndRowsThatSeeNothing) {
  PrefillCase c;
  c.params = plain(Elem::F32, 24, 40, 2);
  c.params.keep = hashedCode;
  PrefillKernel kernel(c.params);
  c.sq = 75, c.sk = 222, c.kvHeads = 2;
  c.qOff = {3};
  c.allocate(rng);
  // Output memory is overwritten, also where a row sees nothing.
  std::memset(c.o.bytes.data(), 0xff, c.o.bytes.size());
  c.run(kernel.fn, kernel.memory->get());
  check(c, hashed);
  EXPECT_EQ(c.counters.tiles_full, 0);
  EXPECT_GT(c.counters.tiles_partial, 0);
}

// Without a class the pairs of a panel decide what is run, and nothing that
// holds no visible pair is.
TEST_P(PrefillTest, PanelsAreClassifiedByTheirPairs) {
  PrefillCase c;
  c.params = plain(Elem::F32, 16, 24, 2);
  Predicate keep = [](int64_t h, int64_t q, int64_t k) {
    return (q / 80 + k / 110) % 3 == 0 || (h == 1 && q + k == 300);
  };
  c.params.keep = [](Emitter &e, const ElementContext &at) -> FailureOr<Value> {
    int64_t n = Emitter::lanesOf(at.q);
    auto lanes = [&](int64_t x) { return e.splatInt(n, e.i32, x); };
    auto eq = arith::CmpIPredicate::eq;
    Value k = e.splat(e.toInt(at.k, e.i32), n);
    Value cell = e.add(e.divU(at.q, lanes(80)), e.divU(k, lanes(110)));
    Value line = e.andI(e.cmp(eq, at.h, lanes(1)),
                        e.cmp(eq, e.add(at.q, k), lanes(300)));
    return e.orI(e.cmp(eq, e.remU(cell, lanes(3)), lanes(0)), line);
  };
  PrefillKernel kernel(c.params);
  c.sq = 333, c.sk = 555, c.kvHeads = 2;
  c.qOff = {0};
  c.allocate(rng);
  c.run(kernel.fn, kernel.memory->get());
  check(c, keep);
  int64_t full = 0, partial = 0, empty = 0;
  int64_t lanes = c.params.schedule.lanes, keys = c.params.schedule.keys;
  for (int64_t head = 0; head < c.heads(); head += 2)
    for (int64_t row = 0; row < 2 * c.sq; row += lanes)
      for (int64_t k0 = 0; k0 < c.sk; k0 += keys) {
        bool any = false, all = true;
        for (int64_t r = row; r < std::min(row + lanes, 2 * c.sq); ++r)
          for (int64_t k = k0; k < std::min(k0 + keys, c.sk); ++k) {
            bool one = keep(head + r % 2, r / 2, k);
            any |= one, all &= one;
          }
        ++(all ? full : any ? partial : empty);
      }
  EXPECT_GT(empty, 0);
  EXPECT_EQ(c.counters.tiles_full, full);
  EXPECT_EQ(c.counters.tiles_partial, partial);
}

// Inside a block that is partial, register tiles of keys that no query of the
// panel sees are passed over: poison there reaches no result. Spans begin and
// end everywhere, at the ends of blocks too.
TEST_P(PrefillTest, KeysThatNobodySeesAreNotComputed) {
  for (bool scored : {false, true}) {
    PrefillCase c;
    c.params = plain(Elem::F32, 16, 24);
    int64_t tile = c.params.schedule.regRows, keys = c.params.schedule.keys;
    // The register tiles of each block: of every five, 1 and 3 and 4.
    auto inSpan = [=](int64_t k) {
      int64_t t = k % keys / tile + k / keys;
      return t % 5 == 1 || t % 5 > 2;
    };
    Predicate keep = [=](int64_t, int64_t q, int64_t k) {
      return inSpan(k) && (q + k) % 2 == 0;
    };
    c.params.keep = [=](Emitter &e,
                        const ElementContext &at) -> FailureOr<Value> {
      int64_t n = Emitter::lanesOf(at.q);
      auto lanes = [&](int64_t x) { return e.splatInt(n, e.i32, x); };
      auto eq = arith::CmpIPredicate::eq, sgt = arith::CmpIPredicate::sgt;
      Value k = e.splat(e.toInt(at.k, e.i32), n);
      Value t = e.add(e.divU(e.remU(k, lanes(keys)), lanes(tile)),
                      e.divU(k, lanes(keys)));
      t = e.remU(t, lanes(5));
      Value in = e.orI(e.cmp(eq, t, lanes(1)), e.cmp(sgt, t, lanes(2)));
      Value even = e.cmp(eq, e.remU(e.add(at.q, k), lanes(2)), lanes(0));
      return e.andI(in, even);
    };
    Score score;
    if (scored) {
      score = [](double s, int64_t, int64_t, int64_t) { return 2 * s; };
      c.params.score = [](Emitter &e, Value s,
                          const ElementContext &) -> FailureOr<Value> {
        return e.fadd(s, s);
      };
    }
    PrefillKernel kernel(c.params);
    c.sq = 75, c.sk = 3 * keys + 5;
    c.qOff = {0};
    c.allocate(rng);
    for (int64_t k = 0; k < c.sk; ++k)
      for (int64_t d = 0; d < 24 && !inSpan(k); ++d) {
        if (d < 16)
          c.k.set(0, 0, k, d, NAN);
        c.v.set(0, 0, k, d, NAN);
      }
    c.run(kernel.fn, kernel.memory->get());
    check(c, keep, score);
  }
}

TEST_P(PrefillTest, MaskThatReadsHeads) {
  // Head h sees h + 1 keys back: heads of one group have different runs.
  PrefillCase c;
  c.params = plain(Elem::F32, 16, 16, 4);
  auto width = [](Emitter &e, Value h) { return e.mul(e.add(h, 1), 20); };
  PrefillKernel kernel(c.params, [&](OpBuilder &b, StreamParams &p) {
    auto slt = arith::CmpIPredicate::slt, sle = arith::CmpIPredicate::sle;
    auto loc = b.getUnknownLoc();
    p.bounds = b.create<func::FuncOp>(loc, "b", boundsType(&testContext()));
    p.bounds.setPrivate();
    {
      Emitter e(p.bounds, p.isa);
      auto arg = [&](int i) { return p.bounds.getArgument(i); };
      Value lo = e.maxS(e.cI64(0), e.sub(arg(3), e.sub(width(e, arg(2)), 1)));
      Value hi = e.minS(arg(5), arg(4));
      e.store(lo, arg(6));
      e.store(hi, e.at(arg(6), 8));
      e.ret(e.toInt(e.cmp(slt, lo, hi), e.i32));
    }
    p.classify = b.create<func::FuncOp>(loc, "c", classType(&testContext()));
    p.classify.setPrivate();
    {
      Emitter e(p.classify, p.isa);
      auto arg = [&](int i) { return p.classify.getArgument(i); };
      Value w = width(e, arg(2));
      Value full = e.andI(e.cmp(sle, e.sub(arg(6), 1), arg(3)),
                          e.cmp(slt, e.sub(e.sub(arg(4), 1), w), arg(5)));
      Value empty = e.orI(e.cmp(slt, e.sub(arg(4), 1), arg(5)),
                          e.cmp(sle, arg(6), e.sub(arg(3), e.sub(w, 1))));
      e.ret(e.select(empty, e.cI32(0), e.select(full, e.cI32(2), e.cI32(1))));
    }
    p.maskReadsHead = true;
    p.keep = [=](Emitter &e, const ElementContext &c) -> FailureOr<Value> {
      int64_t n = Emitter::lanesOf(c.q);
      Value k = e.splat(e.toInt(c.k, e.i32), n);
      Value w = width(e, c.h);
      return e.andI(e.cmp(sle, k, c.q), e.cmp(slt, e.sub(c.q, w), k));
    };
  });
  ASSERT_TRUE(kernel.fn) << kernel.reason;
  c.sq = 150, c.sk = 150, c.kvHeads = 2;
  c.allocate(rng);
  c.run(kernel.fn, kernel.memory->get());
  check(c, [](int64_t h, int64_t q, int64_t k) {
    return k <= q && q - k < (h + 1) * 20;
  });
}

TEST_P(PrefillTest, ScoreModifier) {
  // ALiBi-like bias and a cap, with and without a mask; -inf is allowed.
  for (bool masked : {false, true}) {
    PrefillCase c;
    c.params = plain(Elem::BF16, 32, 48, 2);
    if (masked)
      c.params.keep = hashedCode;
    c.params.score = [](Emitter &e, Value s,
                        const ElementContext &c) -> FailureOr<Value> {
      int64_t n = Emitter::lanesOf(s);
      Value k = e.splat(e.toInt(c.k, e.i32), n);
      Value slope = e.fmul(e.toF32(e.add(c.h, 1)), e.splatF32(n, 0.01f));
      Value bias = e.fmul(e.toF32(e.sub(k, c.q)), slope);
      Value cap = e.splatF32(n, 2.0f);
      Value tanh = e.b.create<math::TanhOp>(e.loc, e.fdiv(s, cap));
      Value x = e.fadd(e.fmul(tanh, cap), bias);
      Value first = e.cmp(arith::CmpIPredicate::eq, k, e.like(k, 0));
      return e.select(first, e.splatF32(n, -INFINITY), x);
    };
    PrefillKernel kernel(c.params);
    ASSERT_TRUE(kernel.fn) << kernel.loaded->undefined;
    c.sq = 37, c.sk = 130;
    c.allocate(rng, 2);
    c.run(kernel.fn, kernel.memory->get());
    check(c, masked ? Predicate(hashed) : Predicate(),
          [](double s, int64_t h, int64_t q, int64_t k) {
            return k == 0 ? -INFINITY
                          : std::tanh(s / 2) * 2 + (k - q) * 0.01 * (h + 1);
          });
  }
}

TEST_P(PrefillTest, PoisonedTailsAndLengths) {
  for (Elem elem : {Elem::F32, Elem::F16, Elem::BF16}) {
    PrefillCase c;
    c.params = plain(elem, 40, 72);
    PrefillKernel kernel(c.params);
    c.sq = 20, c.sk = 200, c.batch = 4;
    c.kLen = {200, 97, 1, 0};
    c.qOff = {180, 77, 0, 0};
    c.allocate(rng);
    for (int64_t b = 0; b < 4; ++b)
      for (int64_t j = c.kLen[b]; j < 200; ++j)
        for (int64_t d = 0; d < 72; ++d) {
          if (d < 40)
            c.k.set(b, 0, j, d, NAN);
          c.v.set(b, 0, j, d, NAN);
        }
    c.run(kernel.fn, kernel.memory->get());
    check(c);
  }
}

TEST_P(PrefillTest, NonFiniteValuesStayInTheirRows) {
  for (float bad : {float(NAN), float(INFINITY)}) {
    PrefillCase c;
    c.params = plain(Elem::F32, 16, 16);
    PrefillKernel kernel(
        c.params, [&](OpBuilder &b, StreamParams &p) { addCausal(b, p, 0); });
    c.sq = 100, c.sk = 100;
    c.allocate(rng);
    c.q.set(0, 0, 41, 3, bad); // its own row only
    c.k.set(0, 0, 70, 5, bad); // rows 70 and later see it
    c.run(kernel.fn, kernel.memory->get());
    for (int64_t i = 0; i < 100; ++i)
      for (int64_t d = 0; d < 16; ++d) {
        float x = c.o.get(0, 0, i, d);
        if (i != 41 && i < 70)
          ASSERT_TRUE(std::isfinite(x)) << "row " << i;
        else if (std::isnan(bad))
          ASSERT_TRUE(std::isnan(x)) << "row " << i;
      }
  }
}

TEST_P(PrefillTest, SplitItemsMerge) {
  for (int splits : {2, 5}) {
    PrefillCase c;
    c.params = plain(Elem::F32, 32, 48, 2);
    c.params.split = PartialViews{7, 8, 9};
    PrefillKernel kernel(
        c.params, [&](OpBuilder &b, StreamParams &p) { addCausal(b, p, 0); });
    ASSERT_TRUE(kernel.fn) << kernel.loaded->undefined;
    c.sq = 90, c.sk = 123;
    c.qOff = {-10}; // the first rows see nothing
    c.allocate(rng);
    // Unsplit and split items in one launch.
    std::vector<fovea_abi_item> whole = c.items;
    c.planItems(splits);
    size_t cut = c.items.size();
    c.items.insert(c.items.end(), whole.begin(), whole.end());
    c.run(kernel.fn, kernel.memory->get());
    auto keep = [](int64_t, int64_t q, int64_t k) { return k <= q; };
    check(c, keep);
    int64_t rows = c.params.schedule.rows;
    for (size_t first = 0; first < cut; first += splits)
      for (int64_t r = 0; r < rows; ++r) {
        int64_t packed = c.items[first].row + r;
        if (packed >= 180)
          break;
        std::vector<double> o(48, 0), want;
        double m = -INFINITY, l = 0;
        for (int i = 0; i < splits; ++i)
          m = std::max<double>(m, c.splitM[(first + i) * rows + r]);
        for (int i = 0; i < splits; ++i) {
          size_t at = (first + i) * rows + r;
          double w = std::exp(c.splitM[at] - m);
          l += w * c.splitL[at];
          for (int64_t d = 0; d < 48; ++d)
            o[d] += w * c.splitO[at * 48 + d];
        }
        c.reference(0, packed % 2, packed / 2, keep, {}, want);
        for (int64_t d = 0; d < 48; ++d)
          ASSERT_NEAR(l == 0 ? 0 : o[d] / l, want[d], 1e-5);
      }
  }
}

TEST_P(PrefillTest, PartialResults) {
  PrefillCase c;
  c.params = plain(Elem::F32, 16, 24);
  c.params.lse.reset();
  c.params.partial = {4, 5}; // m in lse's memory, l in a buffer of its own
  PrefillKernel kernel(c.params);
  c.sq = 50, c.sk = 77;
  c.allocate(rng);
  c.splitL.assign(50, 0);
  c.run(kernel.fn, kernel.memory->get());
  for (int64_t i = 0; i < 50; ++i) {
    std::vector<double> want;
    double lse = c.reference(0, 0, i, {}, {}, want);
    double l = c.splitL[i];
    EXPECT_NEAR(c.lse[i] + std::log(l), lse, 1e-5);
    for (int64_t d = 0; d < 24; ++d)
      EXPECT_NEAR(c.o.get(0, 0, i, d) / l, want[d], 1e-5);
  }
}

/// A 4-d view over contiguous integers.
template <typename T>
fovea_abi_view table(std::vector<T> &data, int64_t b, int64_t h, int64_t n,
                     int64_t m) {
  return {data.data(), {b, h, n, m}, {h * n * m, n * m, m, 1}};
}

TEST_P(PrefillTest, ChosenBlocks) {
  // Two heads of a group of four share a list of blocks of 16 keys, for every
  // 20 queries; causal inside the blocks. The number of queries is the plan's.
  PrefillCase c;
  c.params = plain(Elem::F16, 64, 64, 2);
  c.params.kvGroup = 4;
  c.params.querySymbol = 1;
  c.params.schedule.rows = 40;
  Selection chosen;
  chosen.list = 10, chosen.count = 11;
  chosen.unit = 16, chosen.queries = 20, chosen.heads = 2;
  c.params.selection = chosen;
  PrefillKernel kernel(
      c.params, [&](OpBuilder &b, StreamParams &p) { addCausal(b, p, 0); });
  ASSERT_TRUE(kernel.fn) << kernel.reason;
  c.sq = c.sk = 205, c.kvHeads = 2;
  c.symbols = {0, 205};
  c.allocate(rng);
  const int64_t blocks = 11, capacity = 6;
  std::vector<int32_t> list(4 * blocks * capacity, -7), count(4 * blocks);
  for (int64_t i = 0; i < 4 * blocks; ++i) {
    std::vector<int32_t> all(13);
    for (int j = 0; j < 13; ++j)
      all[j] = j;
    std::shuffle(all.begin(), all.end(), rng);
    count[i] = i % (capacity + 1);
    std::copy_n(all.begin(), count[i], &list[i * capacity]);
  }
  fovea_abi_view counts = {
      count.data(), {1, 4, blocks}, {4 * blocks, blocks, 1}};
  c.more = {table(list, 1, 4, blocks, capacity), counts};
  c.run(kernel.fn, kernel.memory->get());
  EXPECT_EQ(c.result, 0);
  check(c, [&](int64_t h, int64_t q, int64_t k) {
    int64_t at = h / 2 * blocks + q / 20;
    auto begin = list.begin() + at * capacity;
    return k <= q && std::count(begin, begin + count[at], k / 16);
  });
  // An entry outside the keys is an error, not a wild read.
  for (int32_t bad : {13, -1, INT32_MAX, INT32_MIN}) {
    list[5 * capacity] = bad;
    c.run(kernel.fn, kernel.memory->get());
    EXPECT_EQ(c.result, StageListOutOfRange);
  }
}

TEST_P(PrefillTest, LevelMap) {
  // Per 32 queries and 32 keys: skip, full resolution, or means of 4.
  PrefillCase c;
  c.params = plain(Elem::F32, 48, 32);
  StreamSource pooled = c.params.sources[0];
  pooled.keys = 11, pooled.values = 12, pooled.tokensPerKey = 4;
  c.params.sources.push_back(pooled);
  Selection map;
  map.levels = 10;
  map.unit = map.queries = 32;
  c.params.selection = map;
  c.params.schedule.rows = 32;
  PrefillKernel kernel(c.params);
  ASSERT_TRUE(kernel.fn) << kernel.reason;
  c.sq = 100, c.sk = 143; // the last group has 3 tokens
  c.allocate(rng);
  std::vector<int8_t> levels;
  for (int i = 0; i < 4 * 5; ++i)
    levels.push_back(i % 3 == 0 ? 4 : i % 3 == 1 ? 1 : i % 2 ? 0 : 8);
  Tensor pk, pv;
  poolRows(c.k, 4, pk);
  poolRows(c.v, 4, pv);
  c.more = {table(levels, 1, 1, 4, 5), pk.view(), pv.view()};
  c.run(kernel.fn, kernel.memory->get());
  // The reference, query block by query block, repeats pooled rows.
  for (int64_t block = 0; block < 4; ++block) {
    PrefillCase r = c;
    auto levelOf = [&](int64_t k) { return levels[block * 5 + k / 32]; };
    for (int64_t t = 0; t < c.sk; ++t)
      for (int64_t d = 0; d < 48 && levelOf(t) == 4; ++d) {
        r.k.set(0, 0, t, d, pk.get(0, 0, t / 4, d));
        if (d < 32)
          r.v.set(0, 0, t, d, pv.get(0, 0, t / 4, d));
      }
    for (int64_t i = 32 * block; i < std::min<int64_t>(100, 32 * block + 32);
         ++i) {
      std::vector<double> want;
      r.reference(
          0, 0, i,
          [&](int64_t, int64_t, int64_t k) {
            return levelOf(k) == 1 || levelOf(k) == 4;
          },
          {}, want);
      for (int64_t d = 0; d < 32; ++d)
        ASSERT_NEAR(c.o.get(0, 0, i, d), want[d], 2e-6) << "row " << i;
    }
  }
}

TEST_P(PrefillTest, PooledRows) {
  // Tokens 0..128 as means of 4, the rest at full resolution. A pooled row is
  // seen by queries that see all of its tokens, and weighs ln of their number.
  PrefillCase c;
  c.params = plain(Elem::F32, 32, 32, 2);
  StreamSource pooled = c.params.sources[0];
  pooled.keys = 10, pooled.values = 11, pooled.tokensPerKey = 4;
  c.params.sources.push_back(pooled);
  int64_t sk = 203, cut = 0;
  c.params.forEachRun = [&](StageFunction &s, const QueryTile &,
                            StreamParams::RunBody body) {
    Emitter &e = s.e;
    Value cut = s.symbol(0), zero = e.cI64(0);
    e.forLoop(zero, e.cI64(2), e.cI64(1), [&](Value i) {
      Value isPooled = e.cmp(arith::CmpIPredicate::eq, i, zero);
      Value units = e.divU(e.add(cut, 3), e.cI64(4));
      Value len = s.kLength(zero);
      body({e.select(isPooled, zero, cut), e.select(isPooled, units, len),
            e.sub(e.cI64(1), i)});
    });
  };
  PrefillKernel kernel(
      c.params, [&](OpBuilder &b, StreamParams &p) { addCausal(b, p, 0); });
  ASSERT_TRUE(kernel.fn) << kernel.reason;
  for (int64_t tokens : {int64_t(128), sk}) { // sk: the last row has 3
    cut = tokens;
    c.sq = 150, c.sk = sk;
    c.qOff.clear(), c.kLen.clear();
    c.allocate(rng);
    c.symbols = {cut};
    Tensor pk, pv;
    poolRows(c.k, 4, pk);
    poolRows(c.v, 4, pv);
    c.more = {pk.view(), pv.view()};
    c.run(kernel.fn, kernel.memory->get());
    // The reference repeats a pooled row for each of its tokens: the same sum.
    PrefillCase r = c;
    for (int64_t t = 0; t < cut; ++t)
      for (int64_t d = 0; d < 32; ++d) {
        r.k.set(0, 0, t, d, pk.get(0, 0, t / 4, d));
        r.v.set(0, 0, t, d, pv.get(0, 0, t / 4, d));
      }
    check(r, [&](int64_t, int64_t q, int64_t k) {
      return k < cut ? std::min(sk, k / 4 * 4 + 4) - 1 <= q : k <= q;
    });
  }
}

TEST_P(PrefillTest, OtherSchedules) {
  // Any tile sizes are correct, whatever the table says.
  for (PrefillSchedule s : {PrefillSchedule{5, 16, 7, 48, false},
                            {12, 32, 64, 64, true},
                            {1, 8, 1, 8, false},
                            {8, 32, 40, 50, false},
                            {13, 32, 104, 256, false},
                            {8, 16, 96, 20, false}}) {
    PrefillCase c;
    c.params = plain(Elem::F32, 48, 20);
    c.params.schedule = s;
    PrefillKernel kernel(
        c.params, [&](OpBuilder &b, StreamParams &p) { addCausal(b, p, 0); });
    ASSERT_TRUE(kernel.fn) << kernel.loaded->undefined;
    c.sq = 77, c.sk = 141;
    c.allocate(rng);
    c.run(kernel.fn, kernel.memory->get());
    check(c, [](int64_t, int64_t q, int64_t k) { return k <= q; });
  }
}

TEST_P(PrefillTest, RefusalsNameTheReason) {
  auto reasonOf = [](StreamParams p) { return PrefillKernel(p).reason; };
  StreamParams p = plain(Elem::F32, 64, 64);
  p.valueDim = 0;
  EXPECT_EQ(reasonOf(p), "expected key and value dims to be in [1, 576], got "
                         "64 and 0");
  p = plain(Elem::F32, 577, 64);
  EXPECT_EQ(reasonOf(p), "expected key and value dims to be in [1, 576], got "
                         "577 and 64");
  p = plain(Elem::F32, 64, 64);
  p.sources.clear();
  EXPECT_EQ(reasonOf(p),
            "expected at least one source of keys and values, got 0");
  p = plain(Elem::F32, 64, 64);
  p.schedule.lanes = 24;
  EXPECT_NE(reasonOf(p).find("lanes of the schedule to be a power of two"),
            std::string::npos);
  p = plain(Elem::F32, 64, 64, 4);
  p.kvGroup = 6;
  EXPECT_EQ(reasonOf(p), "expected the heads that share keys to be a multiple "
                         "of those in an item, got 6 and 4");
  p = plain(Elem::F32, 64, 64);
  p.selection = Selection();
  EXPECT_EQ(reasonOf(p), "expected a selection to have levels or a list with "
                         "its counts, got neither");
  p.selection->levels = 10;
  p.selection->queries = 16;
  EXPECT_NE(reasonOf(p).find("rows of an item to share one list"),
            std::string::npos);
  p = plain(Elem::F32, 64, 64);
  p.keep = [](Emitter &, const ElementContext &) -> FailureOr<Value> {
    return failure();
  };
  EXPECT_EQ(reasonOf(p),
            "expected the mask and the score modifier to have CPU code");
}

INSTANTIATE_TEST_SUITE_P(Isas, PrefillTest,
                         testing::Values(Isa::AVX2, Isa::AVX512),
                         [](const auto &info) {
                           return info.param == Isa::AVX2 ? "v3" : "v4";
                         });

} // namespace
