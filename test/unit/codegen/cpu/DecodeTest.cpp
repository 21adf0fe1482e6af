// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The decode stream against the naive oracle: formats, groups, odd dims and
// lengths, masks, score regions, splits, chosen blocks, pooled levels. Memory
// past the lengths is NaN, and so is scratch memory.
#include "codegen/cpu/SmallStages.h"
#include "test/unit/codegen/cpu/LoadObject.h"
#include "test/unit/codegen/cpu/StageRunner.h"
#include "test/unit/codegen/cpu/TestMasks.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace fovea::cpu;

namespace {

enum class MaskKind { None, Causal, SinkWindow, Residue, Nothing };
const char *elemName(Elem elem) {
  static const char *names[] = {"f32", "f16", "bf16", "i8"};
  return names[int(elem)];
}

struct Case {
  int64_t dk = 64, dv = 64;
  Elem q = Elem::F32, kv = Elem::F32, o = Elem::F32;
  int64_t heads = 4, kvHeads = 1, group = 4;
  int64_t sq = 1;
  std::vector<int64_t> lengths = {100};
  int64_t rows = 4, keys = 32;
  MaskKind mask = MaskKind::None;
  bool score = false, integerDot = false, vnni = false;
  int64_t splits = 1;
  int64_t listUnit = 0;  ///< chosen blocks
  int64_t listHeads = 0; ///< query heads of a list; 0: those of a KV head
  bool levels = false;   ///< of listUnit keys
  bool partial = false;  ///< results o, m, l
  bool poison = false;   ///< NaN in a query, inf in the last key
  int32_t badBlock = 0;  ///< put into every list
  double fault = 0;      ///< makes the oracle wrong: the test must see it
};

std::string describe(const Case &c) {
  std::string s =
      "dk=" + std::to_string(c.dk) + ",dv=" + std::to_string(c.dv) + "," +
      elemName(c.q) + "/" + elemName(c.kv) + "/" + elemName(c.o) +
      ",h=" + std::to_string(c.heads) + "/" + std::to_string(c.kvHeads) +
      ",group=" + std::to_string(c.group) + ",sq=" + std::to_string(c.sq) +
      ",rows=" + std::to_string(c.rows) + ",keys=" + std::to_string(c.keys) +
      ",mask=" + std::to_string(int(c.mask)) +
      ",splits=" + std::to_string(c.splits) + ",len=";
  for (int64_t n : c.lengths)
    s += std::to_string(n) + " ";
  return s + (c.score ? "score " : "") + (c.integerDot ? "intdot " : "") +
         (c.levels     ? "levels "
          : c.listUnit ? "list "
                       : "");
}

/// Half a unit in the last place of x in the format.
double halfUlp(Elem elem, double x) {
  int bits = elem == Elem::F16 ? 11 : elem == Elem::BF16 ? 8 : 24;
  int exponent;
  std::frexp(x, &exponent);
  return std::ldexp(0.5, exponent - bits);
}

/// The rule: relative to the largest |o|.
double tolerance(Elem o, const naive::Outputs &want) {
  double top = 0;
  for (double x : want.o.data)
    top = std::max(top, std::abs(x));
  if (o == Elem::F32)
    return (2e-6 + 1.2e-7 * want.largest) * top + 1e-30;
  return 1.5 * halfUlp(o, top) + 1e-30;
}

class DecodeRun {
public:
  DecodeRun(const Case &c, Isa isa) : c(c), isa(isa), random(42) { run(); }
  fovea_abi_counters counters = {}; ///< of the decode stage
  int32_t status = 0;

private:
  float uniform() {
    return std::uniform_real_distribution<float>(-1, 1)(random);
  }
  /// Tensor [b, heads, tokens, dim]; tokens at or past the length stay NaN.
  Stored tensor(Elem elem, int64_t heads, int64_t tokens, int64_t dim,
                const std::vector<int64_t> *lengths) {
    Stored t({int64_t(c.lengths.size()), heads, tokens, dim}, sizeOf(elem));
    for (int64_t i = 0; i < t.size(); ++i) {
      int64_t token = i / dim % tokens, b = i / dim / tokens / heads;
      if (!lengths || token < (*lengths)[b])
        t.put(elem, i, uniform());
    }
    return t;
  }
  /// Codes and scales; the codes past the length are 127, the scales NaN.
  std::pair<Stored, Stored> coded(int64_t heads, int64_t tokens, int64_t dim,
                                  naive::Array &values) {
    int64_t batch = c.lengths.size();
    Stored codes({batch, heads, tokens, dim}, 1, 0x7f);
    Stored scales({batch, heads, tokens}, 4);
    values = naive::Array({batch, heads, tokens, dim}, NAN);
    for (int64_t row = 0; row < batch * heads * tokens; ++row) {
      if (row % tokens >= c.lengths[row / tokens / heads])
        continue;
      std::vector<float> x(dim);
      for (float &y : x)
        y = uniform();
      naive::Coded coded = naive::encode(x);
      scales.as<float>()[row] = coded.scale;
      for (int64_t d = 0; d < dim; ++d) {
        codes.as<int8_t>()[row * dim + d] = coded.codes[d];
        values.data[row * dim + d] = double(coded.codes[d]) * coded.scale;
      }
    }
    return {std::move(codes), std::move(scales)};
  }
  void run();
  void check(const naive::Outputs &want);

  const Case c;
  Isa isa;
  std::mt19937 random;
  Stored o, lse, m, l;
};

void DecodeRun::run() {
  SCOPED_TRACE(describe(c));
  auto module = ModuleOp::create(UnknownLoc::get(&testContext()));
  OwningOpRef<ModuleOp> owner(module);
  int64_t batch = c.lengths.size(), capacity = 3;
  for (int64_t n : c.lengths)
    capacity = std::max(capacity, n + 3);

  StageRunner runner;
  naive::Inputs in;
  in.length = c.lengths;
  float scale = 1 / std::sqrt(float(c.dk));
  in.scale = scale * (1 + c.fault);
  for (int64_t n : c.lengths)
    in.offset.push_back(n - c.sq);
  Stored q = tensor(c.q, c.heads, c.sq, c.dk, nullptr);
  if (c.poison)
    q.put(c.q, c.sq * c.dk, NAN); // query 0 of head 1
  in.q = q.values(c.q);
  Stored k, v, ks, vs;
  if (c.kv == Elem::I8) {
    std::tie(k, ks) = coded(c.kvHeads, capacity, c.dk, in.k);
    std::tie(v, vs) = coded(c.kvHeads, capacity, c.dv, in.v);
  } else {
    k = tensor(c.kv, c.kvHeads, capacity, c.dk, &c.lengths);
    v = tensor(c.kv, c.kvHeads, capacity, c.dv, &c.lengths);
    if (c.poison)
      k.put(c.kv, (c.lengths[0] - 1) * c.dk, INFINITY);
    in.k = k.values(c.kv);
    in.v = v.values(c.kv);
  }
  o = Stored({batch, c.heads, c.sq, c.dv}, sizeOf(c.o));
  lse = Stored({batch, c.heads, c.sq}, 4);
  m = Stored({batch, c.heads, c.sq}, 4);
  l = Stored({batch, c.heads, c.sq}, 4);

  DecodeParams p;
  p.name = "decode";
  p.isa = isa;
  p.keyDim = c.dk;
  p.valueDim = c.dv;
  p.q = c.q;
  p.k = p.v = c.kv;
  p.o = c.o;
  p.scale = scale;
  p.group = c.group;
  p.kvGroup = c.heads / c.kvHeads;
  p.qSlot = runner.add(q);
  p.oSlot = runner.add(o);
  if (c.partial) {
    p.mSlot = runner.add(m);
    p.lSlot = runner.add(l);
  } else {
    p.lseSlot = runner.add(lse);
  }
  p.rows = c.rows;
  p.keys = c.keys;
  p.integerDot = c.integerDot;
  p.vnni = c.vnni;
  KeySource first;
  first.k = runner.add(k);
  first.v = runner.add(v);
  if (c.kv == Elem::I8) {
    first.kScale = runner.add(ks);
    first.vScale = runner.add(vs);
  }
  p.sources.push_back(first);

  TestMask mask;
  if (c.mask == MaskKind::Causal)
    mask = causalMask(module, isa);
  else if (c.mask == MaskKind::SinkWindow)
    mask = sinkWindowMask(module, isa, 40, 5);
  else if (c.mask == MaskKind::Residue)
    mask = residueMask();
  else if (c.mask == MaskKind::Nothing)
    mask = nothingMask();
  p.keep = mask.keep;
  p.bounds = mask.bounds;
  p.classify = mask.classify;
  naive::Score score = naive::same();
  if (c.score) {
    p.score = capAndSlope();
    score = capAndSlopeOracle(c.heads);
  }

  int64_t share = c.listHeads ? c.listHeads : p.kvGroup;
  int64_t listHeads = c.heads / share;
  // Lists and levels per list head (KV head) and block of c.rows / c.group
  // queries.
  int64_t queryBlock = std::max<int64_t>(1, c.rows / c.group);
  int64_t queryBlocks = (c.sq + queryBlock - 1) / queryBlock;
  int64_t unit = std::max<int64_t>(1, c.listUnit);
  int64_t blocks = (capacity + unit - 1) / unit;
  Stored list({batch, listHeads, queryBlocks, blocks}, 4);
  Stored count({batch, listHeads, queryBlocks}, 4);
  Stored map({batch, listHeads, queryBlocks, blocks}, 1, 0x7f);
  naive::Keep keep = mask.oracle;
  std::vector<Stored> pooledK, pooledV;
  naive::Outputs want;
  if (c.listUnit) {
    p.listUnit = c.listUnit;
    p.listQueries = queryBlock;
    p.listHeads = share;
  }
  if (c.levels) {
    p.levelSlot = runner.add(map);
    const int64_t known[] = {0, 1, 2, 4, 8};
    for (int64_t i = 0; i < map.size(); ++i)
      map.as<int8_t>()[i] = int8_t(known[random() % 5]);
    pooledK.reserve(3);
    pooledV.reserve(3);
    for (int64_t level : {2, 4, 8}) {
      auto store = [&](std::vector<Stored> &to, const naive::Array &x,
                       int64_t dim) {
        naive::Array mean = naive::pool(x, level, c.lengths);
        to.emplace_back(mean.shape, sizeOf(c.kv));
        for (int64_t i = 0; i < to.back().size(); ++i) {
          int64_t row = i / dim % mean.shape[2];
          int64_t b = i / dim / mean.shape[2] / c.kvHeads;
          if (row * level < c.lengths[b])
            to.back().put(c.kv, i, float(mean.data[i]));
        }
        return runner.add(to.back());
      };
      KeySource source;
      source.level = level;
      source.k = store(pooledK, in.k, c.dk);
      source.v = store(pooledV, in.v, c.dv);
      p.sources.push_back(source);
    }
    p.sources[0].level = 1;
    want = naive::pyramid(
        in,
        [&](int64_t b, int64_t h, int64_t i, int64_t block) -> int64_t {
          return map
              .as<int8_t>()[((b * c.kvHeads + h / p.kvGroup) * queryBlocks +
                             i / queryBlock) *
                                blocks +
                            block];
        },
        unit, keep, score);
  } else if (c.listUnit) {
    p.listSlot = runner.add(list);
    p.listCountSlot = runner.add(count);
    naive::Lists lists(batch);
    for (int64_t b = 0; b < batch; ++b) {
      lists[b].resize(listHeads);
      for (int64_t h = 0; h < listHeads; ++h)
        for (int64_t i = 0; i < queryBlocks; ++i) {
          std::vector<int64_t> chosen;
          for (int64_t n = 0; n * unit < c.lengths[b]; ++n)
            if (random() % 3 == 0)
              chosen.push_back(n);
          // Blocks past the length, but inside the view, have no keys.
          if (c.lengths[b] <= (blocks - 1) * unit)
            chosen.push_back(blocks - 1);
          int64_t row = (b * listHeads + h) * queryBlocks + i;
          count.as<int32_t>()[row] = chosen.size();
          for (size_t n = 0; n < chosen.size(); ++n)
            list.as<int32_t>()[row * blocks + n] = chosen[n];
          lists[b][h].push_back(chosen);
        }
    }
    want = naive::attention(
        in,
        naive::both(keep, naive::chosen(lists, unit, queryBlock, p.listHeads,
                                        in.offset)),
        score);
  } else {
    want = naive::attention(in, keep, score);
  }

  int64_t headGroups = c.heads / c.group, total = c.sq * c.group;
  int64_t tiles = (total + c.rows - 1) / c.rows;
  int64_t groups = batch * headGroups * tiles;
  Stored wsO({groups * c.splits, c.rows, c.dv}, 4);
  Stored wsM({groups * c.splits, c.rows}, 4),
      wsL({groups * c.splits, c.rows}, 4);
  if (c.splits > 1) {
    p.wsO = runner.add(wsO);
    p.wsM = runner.add(wsM);
    p.wsL = runner.add(wsL);
  }
  runner.symbols = {c.sq};
  runner.offsets = in.offset;
  runner.lengths = in.length;
  int32_t slot = 0;
  for (int32_t b = 0; b < batch; ++b)
    for (int32_t h = 0; h < headGroups; ++h)
      for (int32_t t = 0; t < tiles; ++t)
        for (int64_t n = 0; n < c.splits; ++n) {
          // Pieces of whole units.
          int64_t units = (capacity + unit - 1) / unit;
          auto cut = [&](int64_t i) { return units * i / c.splits * unit; };
          runner.items.push_back({b, h, int32_t(t * c.rows),
                                  c.splits > 1 ? slot++ : -1, cut(n),
                                  cut(n + 1), 0, 0});
        }
  BuiltStage stage = buildDecodeStream(module, p);
  BuiltStage merge;
  if (c.splits > 1) {
    CombineParams combine;
    combine.name = "combine";
    combine.isa = isa;
    combine.valueDim = c.dv;
    combine.rows = c.rows;
    combine.group = c.group;
    combine.o = c.o;
    combine.wsO = p.wsO;
    combine.wsM = p.wsM;
    combine.wsL = p.wsL;
    combine.oSlot = p.oSlot;
    combine.lseSlot = p.lseSlot;
    combine.mSlot = p.mSlot;
    combine.lSlot = p.lSlot;
    merge = buildCombine(module, combine);
  }
  MachineTarget target = machineFor(isa);
  if (c.vnni)
    target.features = "+avx512vnni";
  LoadedModule loaded(module, target);
  ASSERT_EQ(loaded.undefined, "");
  for (int64_t i = 0; c.badBlock && i < count.size(); ++i) {
    count.as<int32_t>()[i] = 1;
    list.as<int32_t>()[i * blocks] = c.badBlock;
  }
  status = runner.run(loaded.get<StageFn>("decode"), stage.scratchBytes);
  if (c.badBlock)
    return;
  ASSERT_EQ(status, 0);
  counters = runner.counters;
  EXPECT_EQ(counters.items, int64_t(runner.items.size()));
  if (c.splits > 1) {
    std::vector<fovea_abi_item> items;
    for (int64_t g = 0; g < groups; ++g) {
      items.push_back(runner.items[g * c.splits]);
      items.back().slot = int32_t(runner.sources.size());
      items.back().count = int32_t(c.splits);
      for (int64_t n = 0; n < c.splits; ++n)
        runner.sources.push_back({runner.items[g * c.splits + n].slot, 0});
    }
    runner.items = items;
    ASSERT_EQ(runner.run(loaded.get<StageFn>("combine"), merge.scratchBytes),
              0);
  }
  check(want);
}

void DecodeRun::check(const naive::Outputs &want) {
  double bound = tolerance(c.o, want), worst = 0;
  int64_t bad = 0;
  for (int64_t i = 0; i < o.size(); ++i) {
    double got = o.get(c.o, i);
    double expected = want.o.data[i];
    if (c.partial)
      expected *= want.l.data[i / c.dv];
    double error = std::abs(got - expected);
    if (c.partial && want.l.data[i / c.dv] > 0)
      error /= want.l.data[i / c.dv];
    if (std::isnan(expected)) {
      bad += !std::isnan(got);
      continue;
    }
    bad += !(error <= bound);
    worst = std::max(worst, std::isnan(error) ? 1e30 : error);
  }
  EXPECT_EQ(bad, 0) << "of " << o.size() << ", worst " << worst << ", allowed "
                    << bound;
  for (int64_t i = 0; i < lse.size(); ++i) {
    double sum = want.lse.data[i], error = 1e-5 * (1 + want.largest);
    if (c.integerDot)
      error = 1e-4;
    if (std::isnan(sum)) {
      EXPECT_TRUE(std::isnan(lse.as<float>()[i])) << i;
    } else if (c.partial) {
      if (want.l.data[i] == 0) {
        EXPECT_EQ(m.as<float>()[i], -INFINITY);
        EXPECT_EQ(l.as<float>()[i], 0);
      } else {
        EXPECT_NEAR(m.as<float>()[i] + std::log(l.as<float>()[i]), sum, error);
      }
    } else if (sum == -naive::infinity) {
      EXPECT_EQ(lse.as<float>()[i], -INFINITY);
    } else {
      ASSERT_NEAR(lse.as<float>()[i], sum, error) << i;
    }
  }
}

class DecodeTest : public testing::TestWithParam<Isa> {
protected:
  void SetUp() override {
    if (!hostRuns(GetParam()))
      GTEST_SKIP() << "this processor lacks the instruction set";
  }
  void run(const Case &c) { DecodeRun(c, GetParam()); }
};

// A scale that is off by 1e-4 is seen, in every way of running.
Isa faultIsa;
void runFaulty(int64_t splits, bool levels) {
  Case c;
  c.fault = 1e-4;
  c.splits = splits;
  c.levels = levels;
  c.listUnit = levels ? 16 : 0;
  DecodeRun(c, faultIsa);
}
TEST_P(DecodeTest, FaultsAreSeen) {
  faultIsa = GetParam();
  EXPECT_NONFATAL_FAILURE(runFaulty(1, false), "worst");
  EXPECT_NONFATAL_FAILURE(runFaulty(3, false), "worst");
  EXPECT_NONFATAL_FAILURE(runFaulty(1, true), "worst");
}

TEST_P(DecodeTest, Formats) {
  for (Elem kv : {Elem::F32, Elem::F16, Elem::BF16, Elem::I8}) {
    Case c;
    c.kv = kv;
    c.q = c.o = kv == Elem::I8 ? Elem::BF16 : kv;
    c.dk = 128;
    c.dv = 64;
    c.lengths = {257, 64};
    run(c);
    c.o = Elem::F32;
    run(c);
  }
}

TEST_P(DecodeTest, IntegerDot) {
  for (auto [dk, rows] :
       {std::pair<int64_t, int64_t>{128, 4}, {576, 16}, {40, 3}, {7, 1}}) {
    Case c;
    c.kv = Elem::I8;
    c.q = c.o = Elem::F16;
    c.dk = dk;
    c.heads = c.group = c.rows = rows;
    c.lengths = {150};
    c.integerDot = true;
    run(c);
    if (GetParam() == Isa::AVX512 &&
        llvm::sys::getHostCPUFeatures().lookup("avx512vnni")) {
      c.vnni = true;
      run(c);
    }
  }
}

// Dims that are no multiple of any vector, down to 1.
TEST_P(DecodeTest, OddDims) {
  for (auto [dk, dv] : {std::pair<int64_t, int64_t>{1, 1},
                        {3, 5},
                        {17, 31},
                        {80, 96},
                        {100, 257},
                        {576, 512}})
    for (Elem kv : {Elem::F32, Elem::BF16, Elem::I8}) {
      Case c;
      c.dk = dk;
      c.dv = dv;
      c.kv = kv;
      c.lengths = {45};
      run(c);
    }
}

// Every number of rows, whole and with a short last item.
TEST_P(DecodeTest, Groups) {
  for (int64_t group = 1; group <= 16; ++group) {
    Case c;
    c.heads = 2 * group;
    c.kvHeads = 2;
    c.group = c.rows = group;
    c.lengths = {70};
    c.dv = 48;
    run(c);
  }
  for (int64_t rows : {6, 8, 16}) {
    Case c;
    c.heads = 6;
    c.kvHeads = 2;
    c.group = 3;
    c.sq = 5;
    c.rows = rows;
    c.lengths = {70, 5};
    c.mask = MaskKind::Causal;
    run(c);
  }
  // Packing below the sharing.
  Case c;
  c.heads = 8;
  c.kvHeads = 2;
  c.group = c.rows = 1;
  c.mask = MaskKind::Residue;
  run(c);
}

TEST_P(DecodeTest, Masks) {
  for (MaskKind mask : {MaskKind::Causal, MaskKind::SinkWindow,
                        MaskKind::Residue, MaskKind::Nothing})
    for (int64_t sq : {1, 7}) {
      Case c;
      c.sq = sq;
      c.rows = sq == 1 ? 4 : 8;
      c.mask = mask;
      c.lengths = {200, 7, 33};
      c.kv = Elem::BF16;
      run(c);
      c.partial = true;
      run(c);
    }
}

// What is no number spreads to the rows that see it, and to no other.
TEST_P(DecodeTest, NonFinite) {
  for (int64_t splits : {1, 3}) {
    Case c;
    c.sq = 3;
    c.rows = 12;
    c.mask = MaskKind::Causal;
    c.poison = true;
    c.splits = splits;
    run(c);
  }
}

TEST_P(DecodeTest, Scores) {
  for (MaskKind mask : {MaskKind::None, MaskKind::Causal}) {
    Case c;
    c.sq = 3;
    c.rows = 12;
    c.score = true;
    c.mask = mask;
    c.lengths = {130};
    run(c);
  }
}

// What ran is what the classes say: one decoded token sees whole blocks only;
// of a chunk, the blocks on the diagonal are masked and those past it do not
// run.
TEST_P(DecodeTest, Counters) {
  Case c;
  c.mask = MaskKind::Causal;
  c.lengths = {128};
  fovea_abi_counters one = DecodeRun(c, GetParam()).counters;
  EXPECT_EQ(one.tiles_full, 4);
  EXPECT_EQ(one.tiles_partial, 0);
  EXPECT_EQ(one.pairs, 4 * 128);
  c.sq = 32; // 8 items of 4 queries, queries 96 .. 127
  c.rows = 16;
  fovea_abi_counters chunk = DecodeRun(c, GetParam()).counters;
  EXPECT_EQ(chunk.tiles_full, 8 * 3);
  EXPECT_EQ(chunk.tiles_partial, 8);
  EXPECT_EQ(chunk.pairs, 16 * (8 * 96 + 4 * (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8)));
}

// A length of 0, blocks longer than the keys, single keys.
TEST_P(DecodeTest, Lengths) {
  for (int64_t keys : {16, 64}) {
    Case c;
    c.keys = keys;
    c.lengths = {0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128};
    run(c);
    c.kv = Elem::I8;
    run(c);
  }
}

TEST_P(DecodeTest, Splits) {
  for (int64_t splits : {2, 3, 7}) {
    Case c;
    c.splits = splits;
    c.lengths = {100, 3};
    run(c);
    c.partial = true;
    c.dv = 67;
    run(c);
    c.partial = false;
    c.mask = MaskKind::SinkWindow;
    c.o = Elem::BF16;
    run(c);
    c.o = Elem::F32;
    c.sq = 4;
    c.rows = 16;
    c.mask = MaskKind::Causal;
    run(c);
  }
}

TEST_P(DecodeTest, ChosenBlocks) {
  for (int64_t unit : {16, 24, 64})
    for (int64_t splits : {1, 3}) {
      Case c;
      c.listUnit = unit;
      c.splits = splits;
      c.heads = 8;
      c.kvHeads = 2;
      c.sq = 5;
      c.rows = 8;
      c.mask = MaskKind::Causal;
      c.lengths = {300, 40};
      run(c);
      c.group = 4;
      c.listHeads = 1;
      run(c);
      c.listHeads = 2;
      c.mask = MaskKind::None;
      run(c);
    }
}

// A block outside the keys is an error and is not read.
TEST_P(DecodeTest, ListOutOfRange) {
  for (int32_t block : {-1, 7, INT32_MAX}) {
    Case c;
    c.listUnit = 16;
    c.badBlock = block;
    DecodeRun run(c, GetParam());
    EXPECT_EQ(run.status, int32_t(StageListOutOfRange));
  }
}

TEST_P(DecodeTest, Levels) {
  for (MaskKind mask : {MaskKind::None, MaskKind::Causal, MaskKind::Residue})
    for (int64_t splits : {1, 3}) {
      Case c;
      c.levels = true;
      c.listUnit = 32;
      c.splits = splits;
      c.sq = 5;
      c.rows = 8;
      c.mask = mask;
      c.score = mask == MaskKind::None;
      c.lengths = {301, 40};
      run(c);
    }
}

INSTANTIATE_TEST_SUITE_P(Isa, DecodeTest,
                         testing::Values(Isa::AVX2, Isa::AVX512),
                         [](const auto &info) {
                           return info.param == Isa::AVX2 ? "v3" : "v4";
                         });

} // namespace
