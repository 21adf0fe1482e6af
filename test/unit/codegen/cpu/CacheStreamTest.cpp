// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decode and prefill streams over the segments of a cache against the naive
// oracle: page sizes from 1, rings that wrap, mixed formats, empty segments,
// ragged rows, splits, chosen pages, shared items, rotations.
#include "codegen/cpu/PrefillStream.h"
#include "codegen/cpu/SmallStages.h"
#include "test/unit/codegen/cpu/LoadObject.h"
#include "test/unit/codegen/cpu/TestCache.h"
#include "test/unit/codegen/cpu/TestMasks.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace fovea::cpu;

namespace {

enum class MaskKind { None, Causal, SinkWindow, Residue };

struct Case {
  bool prefill = false;
  int64_t dk = 64, dv = 64;
  Elem q = Elem::F32, o = Elem::F32;
  int64_t kvHeads = 2, group = 2, rows = 4, keys = 16;
  std::vector<TestSegment> layout;
  std::vector<int64_t> queries; ///< of each sequence
  bool ragged = true, score = false, integerDot = false;
  MaskKind mask = MaskKind::Causal;
  int64_t splits = 1;
  int64_t shared = 0; ///< tokens of the first segment that all share
  RopeParams::Rule rope = RopeParams::None;
  bool halves = true;
  int32_t badPage = -2;
  bool ownLists = false; ///< a list for each query head, not for each KV head
  double fault = 0;
};

std::string describe(const Case &c) {
  std::string s =
      (c.prefill ? "prefill dk " : "decode dk ") + std::to_string(c.dk) +
      " dv " + std::to_string(c.dv) + " group " + std::to_string(c.group) +
      " rows " + std::to_string(c.rows) + " keys " + std::to_string(c.keys) +
      " mask " + std::to_string(int(c.mask)) + " splits " +
      std::to_string(c.splits) + " rope " + std::to_string(int(c.rope)) +
      (c.ragged ? " ragged" : "") + (c.ownLists ? " own lists" : "");
  for (const TestSegment &t : c.layout) {
    s += " [" + std::to_string(int(t.k)) + "," + std::to_string(int(t.v)) +
         " P " + std::to_string(t.pageTokens) + " ring " +
         std::to_string(t.ring) + (t.tokenMajor ? " token" : "") + ":";
    for (auto [begin, end] : t.tokens)
      s += " " + std::to_string(begin) + "-" + std::to_string(end);
    s += "]";
  }
  return s;
}

class CacheRun {
public:
  CacheRun(const Case &c, Isa isa)
      : c(c), isa(isa), random(3), sequences(int64_t(c.queries.size())),
        heads(c.kvHeads * c.group), cache(runner, random, sequences, c.kvHeads,
                                          c.dk, c.dv, c.layout, c.shared) {
    run();
  }
  int32_t status = 0;

private:
  void run();
  BuiltStage build(ModuleOp module, const TestMask &mask);
  void planItems();
  void check(const naive::Keep &keep, const naive::Score &score);
  int64_t rowIndex(int64_t b, int64_t i, int64_t h) {
    return c.ragged ? (runner.rowOffsets[b] + i) * heads + h
                    : (b * heads + h) * most + i;
  }

  const Case c;
  Isa isa;
  std::mt19937 random;
  const int64_t sequences, heads;
  StageRunner runner;
  TestCache cache;
  int64_t most = 0; ///< queries of a sequence
  Stored q, o, lse, wsO, wsM, wsL, list, count, table;
  int qSlot = -1, oSlot = -1, lseSlot = -1, wsSlot = -1, listSlot = -1,
      countSlot = -1, tableSlot = -1;
  int64_t listed = -1, capacity = 0;
  /// Slots of each (b, head group, tile), and the packed row of a shared one.
  struct Part {
    int32_t slot;
    int64_t row;
  };
  std::vector<std::vector<Part>> parts; ///< by row index
};

/// The rotation's angle of channel pair i at a position.
double angleOf(int64_t position, int64_t i) {
  return double(position) / std::pow(3.0, double(i) / 4);
}

void turn(std::vector<double> &x, int64_t position, bool halves) {
  std::vector<double> old = x;
  int64_t n = int64_t(x.size()) / 2;
  for (int64_t i = 0; i < n; ++i) {
    int64_t p = halves ? i : 2 * i, r = halves ? i + n : 2 * i + 1;
    double cs = float(std::cos(angleOf(position, i)));
    double sn = float(std::sin(angleOf(position, i)));
    x[p] = old[p] * cs - old[r] * sn;
    x[r] = old[p] * sn + old[r] * cs;
  }
}

BuiltStage CacheRun::build(ModuleOp module, const TestMask &mask) {
  RopeParams rope;
  rope.rule = c.rope;
  rope.halves = c.halves;
  rope.table = unsigned(std::max(0, tableSlot));
  float scale = 1 / std::sqrt(float(c.dk));
  if (!c.prefill) {
    DecodeParams p;
    p.name = "stage";
    p.isa = isa;
    p.keyDim = c.dk;
    p.valueDim = c.dv;
    p.q = c.q;
    p.o = c.o;
    p.scale = scale;
    p.group = p.kvGroup = c.group;
    p.qSlot = unsigned(qSlot);
    p.oSlot = unsigned(oSlot);
    p.lseSlot = lseSlot;
    p.segments = cache.sources();
    p.ragged = c.ragged;
    p.rope = rope;
    p.rows = c.rows;
    p.keys = c.keys;
    p.integerDot = c.integerDot;
    p.keep = mask.keep;
    p.bounds = mask.bounds;
    p.classify = mask.classify;
    if (c.score)
      p.score = capAndSlope();
    if (wsSlot >= 0) {
      p.wsO = wsSlot;
      p.wsM = wsSlot + 1;
      p.wsL = wsSlot + 2;
    }
    if (listSlot >= 0) {
      p.listSlot = listSlot;
      p.listCountSlot = countSlot;
      p.listUnit = c.layout[listed].pageTokens;
      p.listHeads = c.ownLists ? 1 : c.group;
    }
    return buildDecodeStream(module, p);
  }
  StreamParams p;
  p.isa = isa;
  bool wide = isa == Isa::AVX512;
  p.schedule = {wide ? 12 : 6, wide ? 32 : 16, int(c.keys), int(c.rows), false};
  p.keyDim = c.dk;
  p.valueDim = c.dv;
  p.queryElem = c.q;
  p.outElem = c.o;
  p.scale = scale;
  p.group = p.kvGroup = c.group;
  p.query = unsigned(qSlot);
  p.out = unsigned(oSlot);
  p.lse = unsigned(lseSlot);
  p.segments = cache.sources();
  p.ragged = c.ragged;
  p.rope = rope;
  auto lanes = [](Emitter &e, const ElementContext &at) {
    int64_t n = Emitter::lanesOf(at.q);
    return PairLanes{at.b, at.h, at.q, e.splat(e.toInt(at.k, e.i32), n)};
  };
  if (mask.keep)
    p.keep = [=](Emitter &e, const ElementContext &at) -> FailureOr<Value> {
      return mask.keep(e, lanes(e, at));
    };
  if (c.score)
    p.score = [=](Emitter &e, Value x,
                  const ElementContext &at) -> FailureOr<Value> {
      return capAndSlope()(e, x, lanes(e, at));
    };
  p.bounds = mask.bounds;
  p.classify = mask.classify;
  if (wsSlot >= 0)
    p.split = PartialViews{unsigned(wsSlot), unsigned(wsSlot + 1),
                           unsigned(wsSlot + 2)};
  if (listSlot >= 0) {
    Selection chosen;
    chosen.list = unsigned(listSlot);
    chosen.count = unsigned(countSlot);
    chosen.unit = c.layout[listed].pageTokens;
    chosen.heads = c.group;
    p.selection = chosen;
  }
  auto b = OpBuilder::atBlockEnd(module.getBody());
  std::string reason;
  auto bytes = buildPrefillStream(b, module.getLoc(), p, reason);
  EXPECT_TRUE(succeeded(bytes)) << reason;
  return {{}, uint64_t(*bytes)};
}

void CacheRun::planItems() {
  int32_t slot = 0;
  parts.resize(q.size() / c.dk);
  bool split = c.splits > 1 || c.shared;
  if (c.shared) {
    // One item per KV head and tile of rows of all sequences.
    for (int64_t b = 0; b < sequences; ++b)
      for (int64_t i = 0; i < c.queries[b]; ++i)
        runner.rows.push_back({int32_t(b), int32_t(i)});
    int64_t perItem = std::max<int64_t>(1, c.rows / c.group);
    for (int64_t h = 0; h < c.kvHeads; ++h)
      for (int64_t first = 0; first < int64_t(runner.rows.size());
           first += perItem) {
        int64_t n = std::min(perItem, int64_t(runner.rows.size()) - first);
        runner.items.push_back({1 % int32_t(sequences), int32_t(h),
                                int32_t(first), slot, 0, c.shared, int32_t(n),
                                FOVEA_ITEM_SHARED});
        for (int64_t r = 0; r < n * c.group; ++r) {
          auto [b, i] = runner.rows[first + r / c.group];
          parts[rowIndex(b, i, h * c.group + r % c.group)].push_back({slot, r});
        }
        ++slot;
      }
  }
  for (int64_t b = 0; b < sequences; ++b)
    for (int64_t h = 0; h < c.kvHeads; ++h)
      for (int64_t r = 0; r < c.queries[b] * c.group; r += c.rows) {
        int64_t length = runner.lengths[b], last = 0;
        if (listSlot >= 0)
          length = capacity * c.layout[listed].pageTokens;
        last = c.shared;
        for (int64_t n = 0; n < c.splits; ++n) {
          int64_t to = n + 1 == c.splits
                           ? length
                           : std::max(last, length * (n + 1) / c.splits);
          if (listSlot >= 0) // pieces of whole units
            to = to / c.layout[listed].pageTokens * c.layout[listed].pageTokens;
          runner.items.push_back({int32_t(b), int32_t(h), int32_t(r),
                                  split ? slot : -1, last, to, 0, 0});
          for (int64_t j = r;
               split && j < std::min(r + c.rows, c.queries[b] * c.group); ++j)
            parts[rowIndex(b, j / c.group, h * c.group + j % c.group)]
                .push_back({slot, j - r});
          slot += split;
          last = to;
        }
      }
  wsO = Stored({slot, c.rows, c.dv}, 4);
  wsM = Stored({slot, c.rows}, 4);
  wsL = Stored({slot, c.rows}, 4);
  if (split) {
    wsSlot = int(runner.add(wsO));
    runner.add(wsM);
    runner.add(wsL);
  }
}

void CacheRun::run() {
  SCOPED_TRACE(describe(c));
  auto module = ModuleOp::create(UnknownLoc::get(&testContext()));
  OwningOpRef<ModuleOp> owner(module);
  int64_t total = 0;
  runner.rowOffsets = {0};
  for (int64_t b = 0; b < sequences; ++b) {
    total += c.queries[b];
    most = std::max(most, c.queries[b]);
    runner.rowOffsets.push_back(total);
    int64_t length = 0;
    for (const TestSegment &s : c.layout)
      length = std::max(length, s.tokens[b].second);
    runner.lengths.push_back(length);
    runner.offsets.push_back(length - c.queries[b]);
  }
  auto tensor = [&](Elem elem, int64_t dim) {
    return c.ragged ? Stored({total, heads, dim}, sizeOf(elem))
                    : Stored({sequences, heads, most, dim}, sizeOf(elem));
  };
  q = tensor(c.q, c.dk);
  o = tensor(c.o, c.dv);
  lse = c.ragged ? Stored({total, heads}, 4)
                 : Stored({sequences, heads, most}, 4);
  for (int64_t i = 0; i < q.size(); ++i)
    q.put(c.q, i, std::uniform_real_distribution<float>(-1, 1)(random));
  qSlot = int(runner.add(q));
  oSlot = int(runner.add(o));
  lseSlot = int(runner.add(lse));
  if (c.rope) {
    int64_t positions = cache.keys.shape[2];
    table = Stored({positions, c.dk / 2, 2}, 4);
    for (int64_t t = 0; t < positions; ++t)
      for (int64_t i = 0; i < c.dk / 2; ++i) {
        table.as<float>()[(t * (c.dk / 2) + i) * 2] =
            float(std::cos(angleOf(t, i)));
        table.as<float>()[(t * (c.dk / 2) + i) * 2 + 1] =
            float(std::sin(angleOf(t, i)));
      }
    tableSlot = int(runner.add(table));
  }
  TestMask mask;
  if (c.mask == MaskKind::Causal)
    mask = causalMask(module, isa);
  else if (c.mask == MaskKind::SinkWindow)
    mask = sinkWindowMask(module, isa, 40, 5);
  else if (c.mask == MaskKind::Residue)
    mask = residueMask();
  naive::Keep keep = mask.oracle;
  for (size_t i = 0; i < c.layout.size(); ++i)
    if (c.layout[i].listed)
      listed = int64_t(i);
  if (listed >= 0) {
    // One list per row and KV head, or per row and query head.
    int64_t share = c.ownLists ? 1 : c.group, listHeads = heads / share;
    int64_t page = c.layout[listed].pageTokens;
    capacity = (cache.keys.shape[2] + page - 1) / page;
    list = c.ragged ? Stored({total, listHeads, capacity}, 4)
                    : Stored({sequences, listHeads, most, capacity}, 4);
    count = c.ragged ? Stored({total, listHeads}, 4)
                     : Stored({sequences, listHeads, most}, 4);
    for (int64_t b = 0; b < sequences; ++b)
      for (int64_t i = 0; i < c.queries[b]; ++i)
        for (int64_t h = 0; h < listHeads; ++h) {
          int64_t row = rowIndex(b, i, 0) / heads * listHeads + h;
          if (!c.ragged)
            row = (b * listHeads + h) * most + i;
          int32_t n = 0;
          auto [begin, end] = c.layout[listed].tokens[b];
          for (int64_t g = 0;
               begin < end && cache.stored[listed].base[b] + g * page < end;
               ++g)
            if (random() % 3)
              list.as<int32_t>()[row * capacity + n++] = int32_t(g);
          if (c.badPage != -2)
            list.as<int32_t>()[row * capacity + (n ? n - 1 : n++)] = c.badPage;
          count.as<int32_t>()[row] = n;
        }
    listSlot = int(runner.add(list));
    countSlot = int(runner.add(count));
    naive::Keep inner = keep;
    keep = [=](int64_t b, int64_t h, int64_t token, int64_t k) {
      auto [begin, end] = c.layout[listed].tokens[b];
      if (!inner(b, h, token, k))
        return false;
      if (k < begin || k >= end)
        return true;
      int64_t i = token - runner.offsets[b];
      int64_t row = c.ragged
                        ? (runner.rowOffsets[b] + i) * listHeads + h / share
                        : (b * listHeads + h / share) * most + i;
      Stored &chosen = const_cast<Stored &>(list);
      const int32_t *at = chosen.as<int32_t>() + row * capacity;
      int32_t n = const_cast<Stored &>(count).as<int32_t>()[row];
      return std::find(at, at + n,
                       int32_t((k - cache.stored[listed].base[b]) / page)) !=
             at + n;
    };
  }
  planItems();
  BuiltStage stage = build(module, mask);
  LoadedModule loaded(module, machineFor(isa));
  ASSERT_EQ(loaded.undefined, "");
  status = runner.run(loaded.get<StageFn>("stage"), stage.scratchBytes);
  if (c.badPage != -2)
    return;
  ASSERT_EQ(status, 0);
  check(keep, c.score ? capAndSlopeOracle(heads) : naive::same());
}

void CacheRun::check(const naive::Keep &keep, const naive::Score &score) {
  std::vector<double> want(o.size(), 0), got(o.size(), 0);
  std::vector<double> sums(lse.size(), 0);
  double top = 0, largest = 0;
  for (int64_t b = 0; b < sequences; ++b) {
    naive::Inputs in;
    int64_t n = c.queries[b];
    in.q = naive::Array({1, heads, n, c.dk});
    in.k = naive::Array({1, c.kvHeads, runner.lengths[b], c.dk}, NAN);
    in.v = naive::Array({1, c.kvHeads, runner.lengths[b], c.dv}, NAN);
    in.offset = {runner.offsets[b]};
    in.length = {runner.lengths[b]};
    in.scale = (1 + c.fault) / std::sqrt(float(c.dk));
    auto shiftOf = [&](const TestCache::Segment &s) {
      return c.rope == RopeParams::Slot
                 ? const_cast<TestCache::Segment &>(s).range(b).shift
                 : 0;
    };
    // Behind the gap a query turns by the last segment's shift.
    auto queryAt = [&](int64_t token) {
      int64_t gap = c.layout[0].tokens[b].second;
      if (c.rope != RopeParams::Slot || token < gap)
        return token;
      return std::max(token - shiftOf(cache.stored.back()), gap);
    };
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < n; ++i) {
        std::vector<double> row(c.dk);
        for (int64_t d = 0; d < c.dk; ++d)
          row[d] = q.get(c.q, rowIndex(b, i, h) * c.dk + d);
        if (c.rope)
          turn(row, queryAt(runner.offsets[b] + i), c.halves);
        for (int64_t d = 0; d < c.dk; ++d)
          in.q(0, h, i, d) = row[d];
      }
    std::vector<bool> exists(runner.lengths[b]);
    for (size_t s = 0; s < c.layout.size(); ++s)
      for (int64_t t = c.layout[s].tokens[b].first;
           t < c.layout[s].tokens[b].second; ++t) {
        exists[t] = true;
        for (int64_t h = 0; h < c.kvHeads; ++h) {
          std::vector<double> row = naive::rowOf(cache.keys, b, h, t);
          if (c.rope)
            turn(row, t - shiftOf(cache.stored[s]), c.halves);
          for (int64_t d = 0; d < c.dk; ++d)
            in.k(0, h, t, d) = row[d];
          for (int64_t d = 0; d < c.dv; ++d)
            in.v(0, h, t, d) = cache.values(b, h, t, d);
        }
      }
    naive::Outputs out = naive::attention(
        in,
        [&](int64_t, int64_t h, int64_t token, int64_t k) {
          return exists[k] && keep(b, h, token, k);
        },
        score);
    largest = std::max(largest, out.largest);
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < n; ++i) {
        int64_t row = rowIndex(b, i, h);
        sums[row] = out.lse(0, h, i);
        for (int64_t d = 0; d < c.dv; ++d) {
          want[row * c.dv + d] = out.o(0, h, i, d);
          top = std::max(top, std::abs(out.o(0, h, i, d)));
        }
      }
  }
  double bound = (2e-6 + 1.2e-7 * largest) * top + 1e-30, worst = 0;
  if (c.o != Elem::F32)
    bound = top * (c.o == Elem::F16 ? 0x1p-11 : 0x1p-8) * 1.5;
  if (c.integerDot)
    bound = std::max(bound, 1e-5 * top);
  int64_t bad = 0, badSums = 0;
  for (int64_t b = 0; b < sequences; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < c.queries[b]; ++i) {
        int64_t row = rowIndex(b, i, h);
        double most = -INFINITY, total = 0;
        std::vector<double> sum(c.dv, 0);
        for (Part part : parts[row]) {
          int64_t at = part.slot * c.rows + part.row;
          if (wsL.as<float>()[at] != 0)
            most = std::max<double>(most, wsM.as<float>()[at]);
        }
        for (Part part : parts[row]) {
          int64_t at = part.slot * c.rows + part.row;
          double l = wsL.as<float>()[at];
          if (l == 0)
            continue;
          double w = std::exp(wsM.as<float>()[at] - most);
          total += w * l;
          for (int64_t d = 0; d < c.dv; ++d)
            sum[d] += w * wsO.as<float>()[at * c.dv + d];
        }
        bool merged = !parts[row].empty();
        double gotSum =
            merged ? most + std::log(total) : double(lse.as<float>()[row]);
        if (total == 0 && merged)
          gotSum = -INFINITY;
        badSums += !(gotSum == sums[row] ||
                     std::abs(gotSum - sums[row]) <=
                         1e-5 * (1 + largest) + (c.integerDot ? 1e-4 : 0));
        for (int64_t d = 0; d < c.dv; ++d) {
          double x = merged ? total == 0 ? 0 : sum[d] / total
                            : o.get(c.o, row * c.dv + d);
          double error = std::abs(x - want[row * c.dv + d]);
          bad += !(error <= bound);
          worst = std::max(worst, std::isnan(error) ? 1e30 : error);
        }
      }
  EXPECT_EQ(bad, 0) << "of " << o.size() << ", worst " << worst << ", allowed "
                    << bound;
  EXPECT_EQ(badSums, 0) << "of " << lse.size();
}

struct Kind {
  Isa isa;
  bool prefill;
};

class CacheStream : public testing::TestWithParam<Kind> {
protected:
  void SetUp() override {
    if (!hostRuns(GetParam().isa))
      GTEST_SKIP() << "this processor lacks the instruction set";
  }
  Case base() {
    Case c;
    c.prefill = GetParam().prefill;
    if (c.prefill) {
      c.rows = 32;
      c.keys = 24;
    }
    return c;
  }
  void run(const Case &c) { CacheRun(c, GetParam().isa); }
  /// [all] of some lengths.
  TestSegment all(Elem elem, int64_t pageTokens, std::vector<int64_t> lengths) {
    TestSegment s;
    s.k = s.v = elem;
    s.pageTokens = pageTokens;
    for (int64_t n : lengths)
      s.tokens.push_back({0, n});
    return s;
  }
};

Kind faultKind;
void runFaulty(int64_t splits, bool listed) {
  Case c;
  c.prefill = faultKind.prefill;
  c.fault = 1e-4;
  c.splits = splits;
  c.queries = {1, 1};
  TestSegment s;
  s.pageTokens = 16;
  s.listed = listed;
  s.tokens = {{0, 100}, {0, 33}};
  c.layout = {s};
  CacheRun(c, faultKind.isa);
}
TEST_P(CacheStream, FaultsAreSeen) {
  faultKind = GetParam();
  EXPECT_NONFATAL_FAILURE(runFaulty(1, false), "worst");
  EXPECT_NONFATAL_FAILURE(runFaulty(3, false), "worst");
}

// Any page size, both orders, every format; sequences of 0, 1 and more tokens.
TEST_P(CacheStream, Pages) {
  for (int64_t page : {0, 1, 3, 16, 64})
    for (bool tokenMajor : {false, true})
      for (Elem elem : {Elem::F32, Elem::F16, Elem::BF16, Elem::I8}) {
        if (tokenMajor && elem != Elem::BF16 && elem != Elem::I8)
          continue;
        Case c = base();
        c.q = c.o = elem == Elem::I8 ? Elem::BF16 : elem;
        c.layout = {all(elem, page, {100, 1, 33, 64, 17})};
        c.layout[0].tokenMajor = tokenMajor;
        c.queries = {1, 1, 5, 3, 0};
        run(c);
        if (elem == Elem::I8 && !c.prefill) {
          c.integerDot = true;
          run(c);
        }
      }
}

// One block longer than all of it, blocks that are no multiple of anything.
TEST_P(CacheStream, Blocks) {
  for (int64_t keys : {8, 40, 128})
    for (MaskKind mask : {MaskKind::None, MaskKind::Causal,
                          MaskKind::SinkWindow, MaskKind::Residue}) {
      Case c = base();
      c.keys = keys;
      c.mask = mask;
      c.score = mask == MaskKind::Causal;
      c.layout = {all(Elem::BF16, 16, {130, 15, 0})};
      c.queries = {4, 2, 1};
      run(c);
    }
}

/// first(4), older, recent(20) as a ring, new rows; also a sequence too short
/// for some of them.
std::vector<TestSegment> fourSegments(Elem older, Elem other, int64_t page) {
  TestSegment first, mid, recent, fresh;
  first.k = first.v = recent.k = recent.v = fresh.k = fresh.v = other;
  mid.k = older;
  mid.v = older;
  first.pageTokens = 0;
  mid.pageTokens = page;
  recent.pageTokens = 0;
  recent.ring = 20;
  fresh.pageTokens = page;
  first.tokens = {{0, 4}, {0, 4}, {0, 2}, {0, 0}};
  mid.tokens = {{4, 97}, {4, 4}, {2, 2}, {0, 0}};
  recent.tokens = {{97, 117}, {4, 15}, {2, 2}, {0, 0}};
  fresh.tokens = {{117, 120}, {15, 16}, {2, 2}, {0, 2}};
  return {first, mid, recent, fresh};
}

TEST_P(CacheStream, Segments) {
  for (Elem older : {Elem::I8, Elem::BF16, Elem::F32})
    for (int64_t page : {1, 16})
      for (int64_t splits : {1, 3}) {
        Case c = base();
        c.layout = fourSegments(older, Elem::BF16, page);
        c.queries = {3, 1, 1, 2};
        c.splits = splits;
        c.mask = page == 1 ? MaskKind::SinkWindow : MaskKind::Causal;
        c.q = c.o = Elem::BF16;
        run(c);
        c.integerDot = !c.prefill;
        run(c);
      }
}

// A pair of formats, dims that differ, rings in pages, dropped tokens.
TEST_P(CacheStream, MixedKeysAndValues) {
  Case c = base();
  c.dk = 48;
  c.dv = 20;
  c.layout = fourSegments(Elem::I8, Elem::F16, 8);
  c.layout[1].v = Elem::BF16;
  c.layout[2].pageTokens = 8;
  c.layout[2].ring = 24;
  c.layout[3].tokenMajor = true;
  c.queries = {3, 1, 1, 2};
  run(c);
  c.layout[1].tokens = {{97, 97}, {4, 4}, {2, 2}, {0, 0}}; // else = drop
  run(c);
  c.ragged = false;
  run(c);
}

TEST_P(CacheStream, Groups) {
  for (int64_t group : {1, 3, 8}) {
    Case c = base();
    c.group = group;
    if (!c.prefill)
      c.rows = group;
    c.layout = {all(Elem::BF16, 16, {70, 33})};
    c.queries = {c.prefill ? 40 : 1, 2};
    run(c);
    c.ragged = false;
    run(c);
  }
}

// Chosen pages hold for the listed segment alone.
TEST_P(CacheStream, ChosenPages) {
  for (int64_t page : {1, 8, 16})
    for (int64_t splits : {1, 3})
      for (bool ragged : {false, true}) {
        Case c = base();
        c.rows = c.group; // one position: a list has its own rows
        c.ragged = ragged;
        c.layout = fourSegments(Elem::I8, Elem::BF16, page);
        c.layout[1].listed = true;
        c.queries = {3, 1, 1, 2};
        c.splits = splits;
        run(c);
        c.layout = {all(Elem::F32, page, {100, 7, 40})};
        c.layout[0].listed = true;
        c.queries = {1, 2, 1};
        run(c);
      }
}

TEST_P(CacheStream, PageOutOfRange) {
  for (int32_t page : {-1, 7, INT32_MAX}) {
    Case c = base();
    c.rows = c.group;
    c.layout = {all(Elem::F32, 16, {100})};
    c.layout[0].listed = true;
    c.queries = {1};
    c.badPage = page;
    EXPECT_EQ(CacheRun(c, GetParam().isa).status, int32_t(StageListOutOfRange));
    c.ownLists = !c.prefill;
    EXPECT_EQ(CacheRun(c, GetParam().isa).status, int32_t(StageListOutOfRange));
  }
}

// Packed rows with a list each walk over the union of their lists.
TEST_P(CacheStream, PagesOfEachHead) {
  for (int64_t page : {1, 8, 24})
    for (int64_t splits : {1, 3})
      for (bool ragged : {false, true}) {
        Case c = base();
        if (c.prefill)
          return; // lists of few rows decode
        c.ownLists = true;
        c.group = 4;
        c.rows = 8; // two positions, the last item is not full
        c.ragged = ragged;
        c.layout = fourSegments(Elem::I8, Elem::BF16, page);
        c.layout[1].listed = true;
        c.queries = {3, 1, 1, 2};
        c.splits = splits;
        run(c);
        c.group = 3;
        c.rows = 3;
        c.mask = MaskKind::None;
        c.score = true;
        c.layout = {all(Elem::F32, page, {100, 7, 40})};
        c.layout[0].listed = true;
        c.queries = {1, 2, 1};
        run(c);
      }
  Case longer = base(); // more pages than are collected at once
  longer.ownLists = true;
  longer.dk = longer.dv = 16;
  longer.layout = {all(Elem::F32, 1, {4500})};
  longer.layout[0].listed = true;
  longer.queries = {1};
  run(longer);
}

// Sequences with the same leading pages: their rows in one item.
TEST_P(CacheStream, Shared) {
  for (MaskKind mask : {MaskKind::None, MaskKind::Causal, MaskKind::Residue}) {
    Case c = base();
    c.mask = mask;
    c.layout = {all(Elem::BF16, 16, {100, 97, 96, 120, 111})};
    c.queries = {1, 1, 0, 3, 2};
    c.shared = 96;
    if (mask == MaskKind::Residue)
      continue; // no class: such a mask is never shared
    run(c);
    c.score = true;
    c.ragged = false;
    run(c);
  }
}

TEST_P(CacheStream, Rotation) {
  for (auto rule : {RopeParams::Before, RopeParams::Slot})
    for (bool halves : {false, true})
      for (int64_t dim : {64, 36, 6}) {
        Case c = base();
        c.dk = dim;
        c.rope = rule;
        c.halves = halves;
        c.layout =
            fourSegments(dim == 64 ? Elem::I8 : Elem::BF16, Elem::F32, 16);
        c.queries = {3, 1, 1, 2};
        c.integerDot = !c.prefill;
        if (dim == 64) // the same, with nothing to be sloppy about
          c.integerDot = false;
        run(c);
      }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, CacheStream,
    testing::Values(Kind{Isa::AVX2, false}, Kind{Isa::AVX512, false},
                    Kind{Isa::AVX2, true}, Kind{Isa::AVX512, true}),
    [](const auto &info) {
      return std::string(info.param.prefill ? "prefill" : "decode") +
             (info.param.isa == Isa::AVX2 ? "_v3" : "_v4");
    });

} // namespace
