// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Combine, encode, pool, score, normalize, choose and assign against the naive
// oracle, and their rules for NaN, ties, forced units and short rows by hand.
#include "codegen/cpu/SmallStages.h"
#include "test/unit/codegen/cpu/LoadObject.h"
#include "test/unit/codegen/cpu/StageRunner.h"
#include "test/unit/codegen/cpu/TestMasks.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace fovea::cpu;

namespace {

class SmallStages : public testing::TestWithParam<Isa> {
protected:
  void SetUp() override {
    if (!hostRuns(GetParam()))
      GTEST_SKIP() << "this processor lacks the instruction set";
    module = ModuleOp::create(UnknownLoc::get(&testContext()));
  }
  template <typename Params>
  Params params() {
    Params p;
    p.name = "stage";
    p.isa = GetParam();
    return p;
  }
  /// Runs the stage over the grid (batch, heads, extent), in tiles of `rows`.
  int32_t runGrid(StageRunner &runner, const BuiltStage &stage, int64_t batch,
                  int64_t heads, int64_t extent, int64_t rows) {
    for (int32_t b = 0; b < batch; ++b)
      for (int32_t h = 0; h < heads; ++h)
        for (int64_t r = 0; r < extent; r += rows)
          runner.items.push_back({b, h, int32_t(r), -1, 0, extent, 0, 0});
    return run(runner, stage);
  }
  int32_t run(StageRunner &runner, const BuiltStage &stage) {
    LoadedModule loaded(*module, machineFor(GetParam()));
    EXPECT_EQ(loaded.undefined, "");
    return runner.run(loaded.get<StageFn>("stage"), stage.scratchBytes);
  }
  float uniform() {
    return std::uniform_real_distribution<float>(-1, 1)(random);
  }
  Stored randomTensor(Elem elem, std::vector<int64_t> shape) {
    Stored t(std::move(shape), sizeOf(elem));
    for (int64_t i = 0; i < t.size(); ++i)
      t.put(elem, i, uniform());
    return t;
  }

  OwningOpRef<ModuleOp> module;
  std::mt19937 random{7};
};

/// Records anywhere in the slot buffers, in any order, empty ones among them;
/// results per head or token-major.
TEST_P(SmallStages, CombineReadsItsRecords) {
  constexpr int64_t dim = 11, slots = 7, slotRows = 12, rows = 6, group = 2;
  const fovea_abi_source sources[] = {{0, 0}, {5, 3}, {1, 6}, {6, 0}, {2, 5}};
  for (bool ragged : {false, true}) {
    SCOPED_TRACE(ragged);
    module = ModuleOp::create(UnknownLoc::get(&testContext()));
    Stored wsO = randomTensor(Elem::F32, {slots, slotRows, dim});
    Stored wsM = randomTensor(Elem::F32, {slots, slotRows});
    Stored wsL = randomTensor(Elem::F32, {slots, slotRows});
    for (int64_t i = 0; i < wsL.size(); ++i)
      wsL.as<float>()[i] = i % 5 ? 1 + std::abs(wsL.as<float>()[i]) : 0;
    // Sequences of 3 and 2 positions, 4 query heads in groups of 2.
    int64_t counts[] = {3, 2};
    Stored o(ragged ? std::vector<int64_t>{5, 4, dim}
                    : std::vector<int64_t>{2, 4, 3, dim},
             4, 0);
    Stored lse(ragged ? std::vector<int64_t>{5, 4}
                      : std::vector<int64_t>{2, 4, 3},
               4, 0);
    StageRunner runner;
    auto p = params<CombineParams>();
    p.valueDim = dim;
    p.rows = rows;
    p.group = group;
    p.ragged = ragged;
    p.wsO = runner.add(wsO);
    p.wsM = runner.add(wsM);
    p.wsL = runner.add(wsL);
    p.oSlot = runner.add(o);
    p.lseSlot = int(runner.add(lse));
    runner.symbols = {3};
    runner.rowOffsets = {0, 3, 5};
    runner.sources.assign(std::begin(sources), std::end(sources));
    // [1, 4) and [3, 5) of the records.
    runner.items = {{0, 1, 0, 1, 0, 0, 3, 0}, {1, 0, 2, 3, 0, 0, 2, 0}};
    ASSERT_EQ(run(runner, buildCombine(*module, p)), 0);
    int64_t written = 0;
    for (const fovea_abi_item &item : runner.items) {
      int64_t queries = ragged ? counts[item.b] : 3;
      for (int64_t r = 0; r < rows && item.row + r < queries * group; ++r) {
        double top = -naive::infinity, total = 0;
        std::vector<double> sum(dim);
        auto each = [&](auto body) {
          for (int64_t i = item.slot; i < item.slot + item.count; ++i) {
            int64_t at = sources[i].slot * slotRows + sources[i].row + r;
            if (wsL.as<float>()[at] != 0)
              body(at);
          }
        };
        each([&](int64_t at) {
          top = std::max(top, double(wsM.as<float>()[at]));
        });
        each([&](int64_t at) {
          double weight = std::exp(wsM.as<float>()[at] - top);
          total += weight * wsL.as<float>()[at];
          for (int64_t d = 0; d < dim; ++d)
            sum[size_t(d)] += weight * wsO.as<float>()[at * dim + d];
        });
        int64_t packed = item.row + r;
        int64_t head = item.head * group + packed % group;
        int64_t at = ragged ? (item.b * 3 + packed / group) * 4 + head
                            : (item.b * 4 + head) * 3 + packed / group;
        ++written;
        if (total == 0) {
          EXPECT_EQ(lse.as<float>()[at], -INFINITY);
          continue;
        }
        EXPECT_NEAR(lse.as<float>()[at], top + std::log(total), 1e-5);
        for (int64_t d = 0; d < dim; ++d)
          EXPECT_NEAR(o.as<float>()[at * dim + d], sum[size_t(d)] / total,
                      1e-5);
      }
    }
    // No other row was touched.
    int64_t touched = 0;
    for (int64_t i = 0; i < lse.size(); ++i)
      touched += lse.as<float>()[i] != 0;
    EXPECT_EQ(touched, written);
  }
}

TEST_P(SmallStages, Encode) {
  for (Elem elem : {Elem::F32, Elem::F16, Elem::BF16})
    for (int64_t dim : {1, 5, 64, 100}) {
      SCOPED_TRACE(dim);
      module = ModuleOp::create(UnknownLoc::get(&testContext()));
      Stored x = randomTensor(elem, {2, 3, 11, dim});
      for (int64_t d = 0; d < dim; ++d)
        x.put(elem, 4 * dim + d, 0); // a row of zeros
      x.put(elem, 6 * dim, NAN);     // and rows that are no numbers
      x.put(elem, 8 * dim + dim - 1, -INFINITY);
      Stored codes({2, 3, 11, dim}, 1), scales({2, 3, 11}, 4);
      StageRunner runner;
      auto p = params<EncodeParams>();
      p.rows = 4;
      p.dim = dim;
      p.x = elem;
      p.xSlot = runner.add(x);
      p.codeSlot = runner.add(codes);
      p.scaleSlot = runner.add(scales);
      BuiltStage stage = buildEncode(*module, p);
      ASSERT_EQ(runGrid(runner, stage, 2, 3, 11, p.rows), 0);
      for (int64_t row = 0; row < 66; ++row) {
        float scale = scales.as<float>()[row];
        if (row == 6 || row == 8) {
          EXPECT_TRUE(std::isnan(scale)) << row;
          continue;
        }
        std::vector<float> values;
        for (int64_t d = 0; d < dim; ++d)
          values.push_back(float(x.get(elem, row * dim + d)));
        naive::Coded want = naive::encode(values);
        ASSERT_EQ(scale, want.scale) << row;
        for (int64_t d = 0; d < dim; ++d) {
          int code = codes.as<int8_t>()[row * dim + d];
          if (code == want.codes[d])
            continue;
          // Only where the quotient is a tie up to rounding.
          double exact = double(values[d]) / scale;
          EXPECT_NEAR(std::abs(exact - code), 0.5, 1e-5) << row << " " << d;
        }
      }
    }
}

TEST_P(SmallStages, EncodeLiterals) {
  // Halves go to the even code; the largest magnitude is 127 with its sign.
  const float row[] = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -126.5f, 3};
  const int want[] = {127, 0, 2, 2, 0, -2, -126, 3};
  Stored x({1, 1, 1, 8}, 4), codes({1, 1, 1, 8}, 1), scales({1, 1, 1}, 4);
  memcpy(x.data(), row, sizeof row);
  StageRunner runner;
  auto p = params<EncodeParams>();
  p.dim = 8;
  p.xSlot = runner.add(x);
  p.codeSlot = runner.add(codes);
  p.scaleSlot = runner.add(scales);
  ASSERT_EQ(runGrid(runner, buildEncode(*module, p), 1, 1, 1, 1), 0);
  EXPECT_EQ(scales.as<float>()[0], 1.0f);
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(int(codes.as<int8_t>()[i]), want[i]) << i;
}

TEST_P(SmallStages, Pool) {
  for (Elem elem : {Elem::F32, Elem::BF16})
    for (int64_t level : {1, 2, 3, 8})
      for (bool lengths : {false, true}) {
        module = ModuleOp::create(UnknownLoc::get(&testContext()));
        std::vector<int64_t> length = {21, lengths ? 9 : 21};
        int64_t groups = (21 + level - 1) / level, dim = 37;
        Stored x = randomTensor(elem, {2, 2, 21, dim});
        Stored out({2, 2, groups, dim}, 4);
        StageRunner runner;
        auto p = params<PoolParams>();
        p.rows = 2;
        p.dim = dim;
        p.level = level;
        p.x = elem;
        p.xSlot = runner.add(x);
        p.outSlot = runner.add(out);
        Stored table({2}, 4);
        for (int b = 0; b < 2; ++b)
          table.as<int32_t>()[b] = int32_t(length[b]);
        if (lengths)
          p.lengthSlot = int(runner.add(table));
        ASSERT_EQ(runGrid(runner, buildPool(*module, p), 2, 2, groups, 2), 0);
        naive::Array want = naive::pool(x.values(elem), level, length);
        for (int64_t i = 0; i < out.size(); ++i)
          ASSERT_NEAR(out.as<float>()[i], want.data[i], 1e-6) << i;
      }
}

// A mean is rounded once, into the type of the view.
TEST_P(SmallStages, PoolNarrow) {
  Stored x({1, 1, 3, 1}, 2), out({1, 1, 1, 1}, 2);
  for (int i = 0; i < 3; ++i)
    x.put(Elem::BF16, i, i == 0 ? 1.0f : 2.0f);
  StageRunner runner;
  auto p = params<PoolParams>();
  p.dim = 1;
  p.level = 3;
  p.x = p.out = Elem::BF16;
  p.xSlot = runner.add(x);
  p.outSlot = runner.add(out);
  ASSERT_EQ(runGrid(runner, buildPool(*module, p), 1, 1, 1, 1), 0);
  EXPECT_EQ(out.as<uint16_t>()[0], halves::toBF16(5.0f / 3));
}

TEST_P(SmallStages, Score) {
  for (int mask : {0, 1, 2}) {
    SCOPED_TRACE(mask);
    module = ModuleOp::create(UnknownLoc::get(&testContext()));
    const int64_t heads = 4, sq = 23, sk = 70, dim = 40, qb = 8, unit = 16;
    std::vector<int64_t> length = {70, 33}, offset = {47, 10};
    int64_t qBlocks = 3, kBlocks = 5;
    Stored q = randomTensor(Elem::BF16, {2, heads, sq, dim});
    Stored k = randomTensor(Elem::F16, {2, 2, sk, dim});
    for (int64_t i = 0; i < k.size(); ++i)
      if (i / dim % sk >= length[i / dim / sk / 2])
        k.put(Elem::F16, i, NAN);
    Stored scores({2, heads, qBlocks, kBlocks}, 4);
    TestMask test;
    if (mask == 1)
      test = causalMask(*module, GetParam());
    if (mask == 2) {
      // Blocks that intervals call partial and that hold no live pair.
      test = causalMask(*module, GetParam());
      test.oracle = [](int64_t, int64_t h, int64_t q, int64_t k) {
        return k <= q && (k / 16) % 2 == h % 2;
      };
      test.keep = [](Emitter &e, const PairLanes &at) {
        Value odd = e.andI(e.shrU(at.k, 4), e.like(at.k, 1));
        Value parity = e.andI(at.h, e.like(at.h, 1));
        return e.andI(e.cmp(Pred::sle, at.k, at.q),
                      e.cmp(Pred::eq, odd, parity));
      };
      test.classify = planFunction(
          *module, "partial", classType(&testContext()), GetParam(),
          [](Emitter &e, ValueRange) { return e.cI32(FOVEA_TILE_PARTIAL); });
    }
    StageRunner runner;
    auto p = params<ScoreParams>();
    p.dim = dim;
    p.queryBlock = qb;
    p.unit = unit;
    p.kvGroup = 2;
    p.q = Elem::BF16;
    p.k = Elem::F16;
    p.scale = 0.3f;
    p.qSlot = runner.add(q);
    p.kSlot = runner.add(k);
    p.scoreSlot = runner.add(scores);
    p.classify = test.classify;
    p.keep = test.keep;
    runner.symbols = {sq};
    runner.offsets = offset;
    runner.lengths = length;
    for (int32_t b = 0; b < 2; ++b)
      for (int32_t h = 0; h < heads; ++h)
        for (int32_t r = 0; r < sq; r += qb)
          runner.items.push_back({b, h, r, -1, 0, sk, 0, 0});
    ASSERT_EQ(run(runner, buildScore(*module, p)), 0);
    naive::Array qv = q.values(Elem::BF16), kv = k.values(Elem::F16);
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = 0; i < qBlocks; ++i)
          for (int64_t c = 0; c < kBlocks; ++c) {
            int64_t q1 = std::min(sq, (i + 1) * qb);
            int64_t k1 = std::min(length[b], (c + 1) * unit);
            bool live = false;
            double want = 0;
            for (int64_t x = i * qb; x < q1; ++x)
              for (int64_t y = c * unit; y < k1; ++y) {
                live |= test.oracle(b, h, x + offset[b], y);
                want += naive::dot(qv, kv, b, h, x, h / 2, y);
              }
            want *= 0.3 / double(q1 - i * qb) / double(k1 - c * unit);
            float got =
                scores
                    .as<float>()[((b * heads + h) * qBlocks + i) * kBlocks + c];
            if (live)
              EXPECT_NEAR(got, want, 1e-6) << b << h << i << c;
            else
              EXPECT_EQ(got, -INFINITY) << b << h << i << c;
          }
  }
}

TEST_P(SmallStages, Normalize) {
  for (int64_t n : {1, 7, 16, 53}) {
    module = ModuleOp::create(UnknownLoc::get(&testContext()));
    Stored scores = randomTensor(Elem::F32, {1, 2, 5, n});
    Stored shares({1, 2, 5, n}, 4);
    for (int64_t i = 0; i < scores.size(); ++i) {
      scores.as<float>()[i] *= 20;
      if (i / n == 3 || i % 3 == 1)
        scores.as<float>()[i] = -INFINITY;
    }
    scores.as<float>()[4 * n] = NAN;
    StageRunner runner;
    auto p = params<NormalizeParams>();
    p.scoreSlot = runner.add(scores);
    p.resultSlot = runner.add(shares);
    ASSERT_EQ(runGrid(runner, buildNormalize(*module, p), 1, 2, 5, 1), 0);
    for (int64_t row = 0; row < 10; ++row) {
      std::vector<double> in;
      for (int64_t c = 0; c < n; ++c)
        in.push_back(scores.as<float>()[row * n + c]);
      std::vector<double> want = naive::normalize(in);
      for (int64_t c = 0; c < n; ++c) {
        float got = shares.as<float>()[row * n + c];
        if (row == 4)
          EXPECT_TRUE(std::isnan(got)) << n << " " << c;
        else
          EXPECT_NEAR(got, want[c], 4e-6 * want[c] + 1e-30) << n << " " << c;
      }
    }
  }
}

/// Rows of scores with ties, -inf, NaN and zeros.
class Choosing : public SmallStages {
protected:
  static constexpr int64_t heads = 3, blocks = 6, units = 41;
  void SetUp() override {
    SmallStages::SetUp();
    scores = Stored({2, heads, blocks, units}, 4);
    list = Stored({2, heads, blocks, units}, 4);
    count = Stored({2, heads, blocks}, 4);
    levels = Stored({2, heads, blocks, units}, 1);
  }
  void fill(bool shares) {
    for (int64_t row = 0; row < 2 * heads * blocks; ++row) {
      float *s = scores.as<float>() + row * units, sum = 0;
      for (int64_t c = 0; c < units; ++c) {
        s[c] = float(random() % 16) / 16; // many ties
        if (row % 3 == 1 && !shares)
          s[c] -= 0.5f;
        if (random() % 8 == 0)
          s[c] = shares ? 0 : -INFINITY;
        if (row == 2)
          s[c] = shares ? 0 : -INFINITY; // a row of nothing
        sum += s[c];
      }
      if (shares && sum > 0)
        for (int64_t c = 0; c < units; ++c)
          s[c] /= sum;
      if (row == 5)
        s[3] = NAN;
    }
  }
  std::vector<double> rowOf(int64_t row) {
    const float *s = scores.as<float>() + row * units;
    return std::vector<double>(s, s + units);
  }
  /// By definition: sets of tokens.
  std::vector<bool> forcedOf(const ForcedUnits &forced, int64_t b,
                             int64_t block) {
    std::vector<bool> out(units, false);
    int64_t live = (length[b] + forced.unit - 1) / forced.unit;
    for (int64_t c = 0; c < units; ++c) {
      out[c] = c < forced.first || (c < live && c >= live - forced.last);
      for (int64_t i = block * forced.queryBlock;
           i < std::min(queries, (block + 1) * forced.queryBlock); ++i)
        for (int64_t t = c * forced.unit; t < (c + 1) * forced.unit; ++t)
          out[c] = out[c] || (forced.diagonal && i + offset[b] == t);
    }
    return out;
  }
  ForcedUnits someForced(bool on) {
    ForcedUnits forced;
    forced.queryBlock = 24;
    forced.unit = 16;
    if (on) {
      forced.diagonal = true;
      forced.first = 2;
      forced.last = 1;
    }
    return forced;
  }
  void tables(StageRunner &runner) {
    runner.symbols = {queries};
    runner.offsets = offset;
    runner.lengths = length;
  }
  Stored scores, list, count, levels;
  const int64_t queries = 140;
  std::vector<int64_t> length = {650, 130}, offset = {510, -10};
};

TEST_P(Choosing, TopK) {
  for (int64_t k : {1, 5, 14, 20, 30, 100})
    for (bool force : {false, true})
      for (bool shares : {false, true}) {
        module = ModuleOp::create(UnknownLoc::get(&testContext()));
        fill(shares);
        StageRunner runner;
        tables(runner);
        Stored numbers({heads}, 4);
        for (int32_t h = 0; h < heads; ++h)
          numbers.as<int32_t>()[h] = int32_t(k) + h;
        auto p = params<ChooseParams>();
        p.rows = 4;
        p.scoreSlot = runner.add(scores);
        p.listSlot = runner.add(list);
        p.countSlot = runner.add(count);
        p.shares = shares;
        p.forced = someForced(force);
        p.amount = {Amount::Literal, double(k), 0};
        if (force)
          p.amount = {Amount::ViewI32, 0, runner.add(numbers)};
        ASSERT_EQ(runGrid(runner, buildChoose(*module, p), 2, heads, blocks, 4),
                  0);
        for (int64_t row = 0; row < 2 * heads * blocks; ++row) {
          int64_t b = row / blocks / heads, h = row / blocks % heads;
          auto want =
              naive::topK(rowOf(row), forcedOf(p.forced, b, row % blocks),
                          force ? k + h : k, shares ? 0 : -naive::infinity);
          const int32_t *got = list.as<int32_t>() + row * units;
          std::vector<int64_t> chosen(got, got + count.as<int32_t>()[row]);
          EXPECT_EQ(chosen, want) << "row " << row << " k " << k;
        }
      }
}

TEST_P(Choosing, TopP) {
  for (float share : {0.1f, 0.5f, 0.95f, 1.0f})
    for (bool force : {false, true}) {
      module = ModuleOp::create(UnknownLoc::get(&testContext()));
      fill(true);
      StageRunner runner;
      tables(runner);
      auto p = params<ChooseParams>();
      p.scoreSlot = runner.add(scores);
      p.listSlot = runner.add(list);
      p.countSlot = runner.add(count);
      p.byMass = p.shares = true;
      p.forced = someForced(force);
      runner.scalars.push_back({});
      runner.scalars[0].f = share;
      p.amount = {Amount::Literal, share, 0};
      if (force)
        p.amount = {Amount::ScalarFloat, 0, 0};
      ASSERT_EQ(runGrid(runner, buildChoose(*module, p), 2, heads, blocks, 1),
                0);
      for (int64_t row = 0; row < 2 * heads * blocks; ++row) {
        if (row == 5)
          continue; // a NaN share: only that it is not chosen
        auto want = naive::topP(
            rowOf(row), forcedOf(p.forced, row / blocks / heads, row % blocks),
            share);
        const int32_t *got = list.as<int32_t>() + row * units;
        std::vector<int64_t> chosen(got, got + count.as<int32_t>()[row]);
        EXPECT_EQ(chosen, want) << "row " << row << " p " << share;
      }
    }
}

// A list that is too short is an error, and nothing is written past it.
TEST_P(Choosing, ShortList) {
  fill(false);
  StageRunner runner;
  tables(runner);
  Stored few({2, heads, blocks, 4}, 4);
  auto p = params<ChooseParams>();
  p.scoreSlot = runner.add(scores);
  p.listSlot = runner.add(few);
  p.countSlot = runner.add(count);
  p.forced = someForced(false);
  p.amount = {Amount::Literal, 6, 0};
  EXPECT_EQ(runGrid(runner, buildChoose(*module, p), 2, heads, blocks, 1),
            int32_t(StageListTooShort));
  for (int64_t row = 0; row < 2 * heads * blocks; ++row)
    EXPECT_LE(count.as<int32_t>()[row], 4);
}

TEST_P(Choosing, Levels) {
  for (bool force : {false, true}) {
    module = ModuleOp::create(UnknownLoc::get(&testContext()));
    fill(true);
    StageRunner runner;
    tables(runner);
    auto p = params<AssignParams>();
    p.rows = 2;
    p.scoreSlot = runner.add(scores);
    p.levelSlot = runner.add(levels);
    p.levels = {1, 2, 4, 8};
    p.bounds = {0.05, 0.2, 0.45, 0.95};
    p.forced = someForced(force);
    ASSERT_EQ(runGrid(runner, buildAssign(*module, p), 2, heads, blocks, 2), 0);
    for (int64_t row = 0; row < 2 * heads * blocks; ++row) {
      auto want = naive::assign(
          rowOf(row), {1, 2, 4, 8}, {0.05f, 0.2f, 0.45f, 0.95f},
          forcedOf(p.forced, row / blocks / heads, row % blocks), 1);
      const int8_t *got = levels.as<int8_t>() + row * units;
      EXPECT_EQ(std::vector<int64_t>(got, got + units), want) << row;
    }
  }
}

const auto isaName = [](const testing::TestParamInfo<Isa> &info) {
  return info.param == Isa::AVX2 ? "v3" : "v4";
};
INSTANTIATE_TEST_SUITE_P(Isa, SmallStages,
                         testing::Values(Isa::AVX2, Isa::AVX512), isaName);
INSTANTIATE_TEST_SUITE_P(Isa, Choosing, testing::Values(Isa::AVX2, Isa::AVX512),
                         isaName);

} // namespace
