// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Append, pages, moves and page scores against what the test cache says that
// its pages hold.
#include "codegen/cpu/CacheStages.h"
#include "codegen/cpu/SmallStages.h"
#include "test/unit/codegen/cpu/LoadObject.h"
#include "test/unit/codegen/cpu/LoopScan.h"
#include "test/unit/codegen/cpu/TestCache.h"

#include <gtest/gtest.h>

#include <map>

using namespace mlir;
using namespace fovea::cpu;

namespace {

class CacheStages : public testing::TestWithParam<Isa> {
protected:
  void SetUp() override {
    if (!hostRuns(GetParam()))
      GTEST_SKIP() << "this processor lacks the instruction set";
  }
  template <typename Params>
  Params params() {
    module = ModuleOp::create(UnknownLoc::get(&testContext()));
    Params p;
    p.name = "stage";
    p.isa = GetParam();
    return p;
  }
  int32_t run(StageRunner &runner, const BuiltStage &stage) {
    LoadedModule loaded(*module, machineFor(GetParam()));
    EXPECT_EQ(loaded.undefined, "");
    return runner.run(loaded.get<StageFn>("stage"), stage.scratchBytes);
  }
  float uniform() {
    return std::uniform_real_distribution<float>(-1, 1)(random);
  }
  TestSegment segment(Elem k, Elem v, int64_t pageTokens, int64_t ring,
                      std::vector<std::pair<int64_t, int64_t>> tokens) {
    TestSegment s;
    s.k = k;
    s.v = v;
    s.pageTokens = pageTokens;
    s.ring = ring;
    s.tokens = std::move(tokens);
    return s;
  }

  OwningOpRef<ModuleOp> module;
  std::mt19937 random{11};
  int ties = 0;
};

// Rows of any format and rank become tokens; nothing else changes.
TEST_P(CacheStages, Append) {
  for (Elem rows : {Elem::F32, Elem::BF16})
    for (Elem as : {Elem::F32, Elem::F16, Elem::BF16})
      for (int64_t page : {0, 1, 16})
        for (bool ragged : {false, true}) {
          SCOPED_TRACE(std::to_string(int(rows)) + " " +
                       std::to_string(int(as)) + " " + std::to_string(page));
          int64_t dk = 128, dv = page == 1 ? 20 : 64, heads = 3;
          StageRunner runner;
          TestSegment s =
              segment(as, as, page, 0, {{0, 40}, {0, 1}, {0, 33}, {0, 16}});
          s.tokenMajor = ragged;
          TestCache cache(runner, random, 4, heads, dk, dv, {s});
          std::vector<int64_t> counts = {5, 1, 0, 16};
          int64_t total = 22, most = 16;
          auto tensor = [&](int64_t dim) {
            Stored t = ragged ? Stored({total, heads, dim}, sizeOf(rows))
                              : Stored({4, heads, most, dim}, sizeOf(rows));
            for (int64_t i = 0; i < t.size(); ++i)
              t.put(rows, i, uniform());
            return t;
          };
          Stored k = tensor(dk), v = tensor(dv);
          auto p = params<AppendParams>();
          p.heads = heads;
          p.keyDim = dk;
          p.valueDim = dv;
          p.k = p.v = rows;
          p.kSlot = runner.add(k);
          p.vSlot = runner.add(v);
          p.ragged = ragged;
          p.target = cache.stored[0].source;
          runner.rowOffsets = {0, 5, 6, 6, 22};
          std::vector<int64_t> firsts;
          for (int64_t b = 0; b < 4; ++b) {
            firsts.push_back(s.tokens[b].second - counts[b]);
            for (int64_t r = 0; r < counts[b]; r += 4) { // rows of a variant
              fovea_abi_item item = {};
              item.b = int32_t(b);
              item.row = int32_t(r);
              item.k0 = firsts[b] + r;
              item.count = int32_t(std::min<int64_t>(4, counts[b] - r));
              runner.items.push_back(item);
            }
          }
          BuiltStage stage = buildAppend(*module, p);
          ASSERT_EQ(run(runner, stage), 0);
          int64_t bad = 0;
          for (int64_t b = 0; b < 4; ++b)
            for (int64_t t = 0; t < s.tokens[b].second; ++t)
              for (int64_t h = 0; h < heads; ++h)
                for (bool isKey : {true, false}) {
                  int64_t dim = isKey ? dk : dv, i = t - firsts[b];
                  auto got = cache.read(0, cache.place(0, b, t), h, isKey);
                  for (int64_t d = 0; d < dim; ++d) {
                    double want = isKey ? cache.keys(b, h, t, d)
                                        : cache.values(b, h, t, d);
                    if (i >= 0) {
                      int64_t row = ragged
                                        ? (runner.rowOffsets[b] + i) * heads + h
                                        : (b * heads + h) * most + i;
                      Stored one({1}, 4);
                      one.put(as, 0,
                              float((isKey ? k : v).get(rows, row * dim + d)));
                      want = one.get(as, 0);
                    }
                    bad += got[d] != want;
                  }
                }
          EXPECT_EQ(bad, 0);
        }
}

// Pairs of formats, chains, copies inside a segment.
TEST_P(CacheStages, Moves) {
  for (Elem older : {Elem::I8, Elem::F16, Elem::F32})
    for (int64_t dim : {128, 20, 300}) {
      SCOPED_TRACE(std::to_string(int(older)) + " " + std::to_string(dim));
      int64_t heads = 2;
      StageRunner runner;
      std::vector<TestSegment> layout = {
          segment(Elem::BF16, Elem::BF16, 0, 0, {{0, 4}}),
          segment(older, Elem::I8, 16, 0, {{4, 40}}),
          segment(Elem::BF16, Elem::F16, 0, 8, {{40, 48}}),
          segment(Elem::F32, Elem::BF16, 4, 0, {{48, 55}})};
      layout[1].tokenMajor = true;
      TestCache cache(runner, random, 1, heads, dim, dim, layout);
      auto p = params<MovesParams>();
      p.heads = heads;
      p.keyDim = p.valueDim = dim;
      p.segments = cache.sources();
      // Encodings of a row of zeros, of tiny numbers, and of a NaN.
      std::vector<float> zeros(dim, 0), tiny(dim, 3e-42f), nan(dim, 1);
      nan[dim / 2] = NAN;
      cache.write(2, cache.place(2, 0, 41), 0, true, zeros);
      cache.write(2, cache.place(2, 0, 42), 0, true, tiny);
      cache.write(3, cache.place(3, 0, 49), 1, true, nan);
      auto place = [&](int64_t s, int64_t t) { return cache.place(s, 0, t); };
      struct Step {
        int32_t from;
        int64_t fromToken;
        int32_t to;
        int64_t toToken;
      };
      // recent -> older, new -> recent over it, new -> older, a copy in older,
      // new -> first, then older again from what recent got from new.
      std::vector<Step> steps = {
          {2, 40, 1, 30}, {3, 48, 2, 40}, {2, 41, 1, 31},
          {2, 42, 1, 32}, {3, 49, 1, 33}, {1, 5, 1, 34},
          {3, 50, 0, 2},  {2, 40, 1, 35}, {3, 51, 3, 52}};
      for (Step m : steps) {
        auto from = place(m.from, m.fromToken), to = place(m.to, m.toToken);
        runner.moves.push_back({m.from, m.to, int32_t(from.page),
                                int32_t(from.offset), int32_t(to.page),
                                int32_t(to.offset)});
      }
      ASSERT_EQ(run(runner, buildMoves(*module, p)), 0);
      // The same moves, one after the other, by the oracle's encoder.
      auto rowOf = [&](std::map<std::tuple<int, int, int64_t, int, bool>,
                                std::vector<double>> &state,
                       int s, int64_t t, int h, bool isKey) {
        auto key = std::make_tuple(s, 0, t, h, isKey);
        auto known = state.find(key);
        if (known != state.end())
          return known->second;
        auto row = naive::rowOf(isKey ? cache.keys : cache.values, 0, h, t);
        if (isKey && s == 2 && t == 41 && h == 0)
          row.assign(dim, 0);
        if (isKey && s == 2 && t == 42 && h == 0)
          for (double &x : row)
            x = halves::fromBF16(halves::toBF16(3e-42f));
        if (isKey && s == 3 && t == 49 && h == 1) {
          row.assign(dim, 1);
          row[dim / 2] = NAN;
        }
        return row;
      };
      std::map<std::tuple<int, int, int64_t, int, bool>, std::vector<double>>
          state;
      for (Step m : steps)
        for (int h = 0; h < heads; ++h)
          for (bool isKey : {true, false}) {
            auto row = rowOf(state, m.from, m.fromToken, h, isKey);
            Elem to = isKey ? layout[m.to].k : layout[m.to].v;
            if (m.from != m.to && to == Elem::I8) {
              std::vector<float> x(row.begin(), row.end());
              naive::Coded coded = naive::encode(x);
              for (int64_t d = 0; d < dim; ++d)
                row[d] = double(coded.codes[d]) * coded.scale;
              for (float y : x)
                if (std::isnan(y))
                  row.assign(dim, NAN);
            } else if (m.from != m.to) {
              Stored one({dim}, 4);
              for (int64_t d = 0; d < dim; ++d) {
                one.put(to, d, float(row[d]));
                row[d] = one.get(to, d);
              }
            }
            state[{m.to, 0, m.toToken, h, isKey}] = row;
          }
      for (auto &[key, row] : state) {
        auto [s, b, t, h, isKey] = key;
        auto got = cache.read(s, place(s, t), h, isKey);
        double top = 0;
        for (double x : row)
          top = std::max(top, std::abs(x));
        for (int64_t d = 0; d < dim; ++d) {
          if (std::isnan(row[d])) {
            EXPECT_TRUE(std::isnan(got[d])) << s << " " << t;
            continue;
          }
          // A tie may go to either side of it.
          double exact = std::abs(got[d] - row[d]);
          Elem as = isKey ? layout[s].k : layout[s].v;
          bool tie = as == Elem::I8 && exact <= 1.001 * top / 127;
          EXPECT_TRUE(exact == 0 || tie)
              << s << " " << t << " " << d << ": " << got[d] << " " << row[d];
          ties += exact != 0;
        }
      }
    }
  EXPECT_LE(ties, 4);
}

TEST_P(CacheStages, KeptAndScores) {
  for (Elem elem : {Elem::BF16, Elem::I8})
    for (int64_t page : {1, 16})
      for (bool ragged : {false, true}) {
        SCOPED_TRACE(std::to_string(int(elem)) + " " + std::to_string(page));
        int64_t dim = page == 1 ? 44 : 128, heads = 2, group = 2;
        StageRunner runner;
        TestSegment s =
            segment(elem, elem, page, 0, {{0, 70}, {0, 0}, {3, 36}, {0, 1}});
        TestCache cache(runner, random, 4, heads, dim, dim, {s});
        TestCache::Segment &stored = cache.stored[0];
        Stored minmax({stored.pages, heads, 2, dim}, 4);
        Stored means({stored.pages, heads, dim}, 4);
        auto p = params<PagesParams>();
        p.heads = heads;
        p.keyDim = dim;
        p.source = stored.source;
        KeptPart bounds{KeptPart::MinMax, runner.add(minmax)};
        KeptPart mean{KeptPart::Mean, runner.add(means)};
        p.parts = {mean, bounds};
        // Tokens of each page, and what the parts must be.
        std::map<int64_t, std::vector<std::pair<int64_t, int64_t>>> held;
        for (int64_t b = 0; b < 4; ++b)
          for (int64_t t = stored.base[b]; t < s.tokens[b].second; ++t)
            held[cache.place(0, b, t).page].push_back({b, t});
        // A page that starts before its segment has no token there: give it
        // one, so that every offset of it holds something.
        for (auto &[id, tokens] : held)
          for (auto [b, t] : tokens)
            if (t < s.tokens[b].first)
              for (int64_t h = 0; h < heads; ++h)
                cache.write(0, cache.place(0, b, t), h, true,
                            std::vector<float>(dim, 0.5f));
        for (auto &[id, tokens] : held) {
          fovea_abi_item item = {};
          item.row = int32_t(id);
          item.k1 = int64_t(tokens.size());
          runner.items.push_back(item);
        }
        ASSERT_EQ(run(runner, buildPages(*module, p)), 0);
        for (auto &[id, tokens] : held)
          for (int64_t h = 0; h < heads; ++h)
            for (int64_t d = 0; d < dim; ++d) {
              double low = INFINITY, high = -INFINITY, sum = 0;
              for (auto [b, t] : tokens) {
                double x = cache.read(0, cache.place(0, b, t), h, true)[d];
                low = std::min(low, x);
                high = std::max(high, x);
                sum += x;
              }
              int64_t at = (id * heads + h) * 2 * dim + d;
              ASSERT_EQ(minmax.as<float>()[at], float(low));
              ASSERT_EQ(minmax.as<float>()[at + dim], float(high));
              ASSERT_NEAR(means.as<float>()[(id * heads + h) * dim + d],
                          sum / double(tokens.size()), 1e-6);
            }

        // Scores of what is kept.
        std::vector<int64_t> queries = {2, 1, 1, 1};
        int64_t capacity = 70 / page + 2, most = 2;
        runner.rowOffsets = {0, 2, 3, 4, 5};
        auto shape = [&](int64_t last) {
          return ragged ? std::vector<int64_t>{5, heads * group, last}
                        : std::vector<int64_t>{4, heads * group, most, last};
        };
        Stored q(shape(dim), 2), scores(shape(capacity), 4);
        for (int64_t i = 0; i < q.size(); ++i)
          q.put(Elem::BF16, i, uniform());
        for (KeptPart kept : {bounds, mean}) {
          auto ps = params<KeptScoreParams>();
          ps.dim = dim;
          ps.kvGroup = group;
          ps.q = Elem::BF16;
          ps.scale = 0.3f;
          ps.ragged = ragged;
          ps.qSlot = runner.add(q);
          ps.scoreSlot = runner.add(scores);
          ps.kept = kept;
          ps.source = stored.source;
          runner.items.clear();
          for (int32_t b = 0; b < 4; ++b)
            for (int32_t h = 0; h < heads * group; ++h)
              for (int32_t r = 0; r < queries[b]; ++r)
                runner.items.push_back({b, h, r, -1, 0, 0, 0, 0});
          ASSERT_EQ(run(runner, buildKeptScore(*module, ps)), 0);
          for (const fovea_abi_item &item : runner.items) {
            int64_t row =
                ragged
                    ? (runner.rowOffsets[item.b] + item.row) * heads * group +
                          item.head
                    : (item.b * heads * group + item.head) * most + item.row;
            auto [begin, end] = s.tokens[item.b];
            for (int64_t g = 0; g < capacity; ++g) {
              int64_t first = stored.base[item.b] + g * page;
              float got = scores.as<float>()[row * capacity + g];
              if (std::max(first, begin) >= std::min(first + page, end)) {
                ASSERT_EQ(got, -INFINITY) << item.b << " " << g;
                continue;
              }
              int64_t id = cache.place(0, item.b, first).page;
              int64_t at = id * heads + item.head / group;
              double want = 0;
              for (int64_t d = 0; d < dim; ++d) {
                double x = q.get(Elem::BF16, row * dim + d);
                want +=
                    kept.kind == KeptPart::Mean
                        ? x * means.as<float>()[at * dim + d]
                        : std::max(
                              x * minmax.as<float>()[at * 2 * dim + d],
                              x * minmax.as<float>()[at * 2 * dim + dim + d]);
              }
              ASSERT_NEAR(got, 0.3f * want, 1e-4) << item.b << " " << g;
            }
          }
        }
      }
}

// Pages of token-major rows: the best two, the last and the first page of the
// segment.
TEST_P(CacheStages, ChooseRagged) {
  int64_t heads = 2, capacity = 6;
  Stored scores({4, heads, capacity}, 4), list({4, heads, capacity}, 4);
  Stored count({4, heads}, 4), ranges({3, 8}, 8);
  // Sequence 1 has no page, sequence 2 three of 4 tokens from token 5 on.
  int64_t tokens[3][3] = {{0, 24, 0}, {0, 0, 0}, {5, 14, 5}};
  for (int b = 0; b < 3; ++b) {
    fovea_abi_range &r = ranges.as<fovea_abi_range>()[b];
    r = {tokens[b][0], tokens[b][1], tokens[b][2], 0, 0, {}};
  }
  auto row = [&](int r, int h, std::vector<float> x) {
    std::copy(x.begin(), x.end(),
              scores.as<float>() + (r * heads + h) * capacity);
  };
  float none = -INFINITY;
  row(0, 0, {1, 2, 3, 4, 5, 6});
  row(0, 1, {6, 5, 4, 3, 2, 1});
  row(1, 0, {0, 0, 9, 0, 0, 0});
  row(1, 1, {0, 0, 0, 9, 0, 0});
  row(2, 0, {3, 2, 1, none, none, none});
  row(2, 1, {1, 2, 3, none, none, none});
  row(3, 0, {2, 3, 1, none, none, none});
  row(3, 1, {2, 2, 2, none, none, none});
  StageRunner runner;
  auto p = params<ChooseParams>();
  p.ragged = true;
  p.amount.literal = 3;
  p.forced.first = p.forced.last = 1;
  p.forced.unit = 4;
  p.scoreSlot = runner.add(scores);
  p.listSlot = runner.add(list);
  p.countSlot = runner.add(count);
  p.forced.rangesSlot = int(runner.add(ranges));
  runner.rowOffsets = {0, 2, 2, 4};
  runner.lengths = {25, 3, 15};
  for (int32_t b : {0, 2})
    for (int32_t h : {0, 1})
      for (int32_t r : {0, 1})
        runner.items.push_back({b, h, r, -1, 0, 99, 0, 0});
  ASSERT_EQ(run(runner, buildChoose(*module, p)), 0);
  std::vector<std::vector<int>> want = {{0, 4, 5}, {0, 1, 5}, {0, 2, 5},
                                        {0, 3, 5}, {0, 1, 2}, {0, 1, 2},
                                        {0, 1, 2}, {0, 1, 2}};
  for (size_t i = 0; i < want.size(); ++i) {
    int n = count.as<int32_t>()[i];
    const int32_t *at = list.as<int32_t>() + i * capacity;
    EXPECT_EQ(std::vector<int>(at, at + n), want[i]) << i;
  }
}

// Copies, encodings and scores are vector code without calls.
TEST_P(CacheStages, Code) {
  StageRunner runner;
  std::vector<TestSegment> layout = {
      segment(Elem::I8, Elem::I8, 16, 0, {{0, 40}}),
      segment(Elem::BF16, Elem::BF16, 0, 8, {{40, 48}}),
      segment(Elem::BF16, Elem::BF16, 16, 0, {{48, 55}})};
  TestCache cache(runner, random, 1, 2, 128, 128, layout);
  auto p = params<MovesParams>();
  p.heads = 8;
  p.keyDim = p.valueDim = 128;
  p.segments = cache.sources();
  buildMoves(*module, p);
  auto text = orDie(
      compileModule(*module, machineFor(GetParam()), MachineOutput::Assembly));
  std::string code(text.begin(), text.end());
  EXPECT_EQ(code.find("call"), std::string::npos);
  EXPECT_NE(code.find(GetParam() == Isa::AVX2 ? "vpack" : "vpmovdb"),
            std::string::npos);
  for (const LoopCounts &loop : innermostLoops(code))
    EXPECT_EQ(loop.vectorStack, 0);
}

INSTANTIATE_TEST_SUITE_P(Isa, CacheStages,
                         testing::Values(Isa::AVX2, Isa::AVX512),
                         [](const auto &info) {
                           return info.param == Isa::AVX2 ? "v3" : "v4";
                         });

} // namespace
