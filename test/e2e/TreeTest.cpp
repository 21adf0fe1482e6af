// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Speculative decoding through the C interface: trees of rows are appended, in
// one step or level by level, attended to, and a path of them is committed.
// What a row must see is by definition what it would see if just the committed
// tokens and its own path had been appended: the oracle attends to that
// sequence and knows neither trees nor pages. After a commit the cache must be,
// byte for byte, that of a sequence which appended the accepted tokens alone.
#include "test/e2e/CallTensor.h"
#include "test/e2e/Compiled.h"
#include "test/e2e/OnTarget.h"
#include "test/support/NaiveAttention.h"

#include <fovea/runtime.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <sstream>
#include <unistd.h>

using namespace fovea::e2e;

namespace {

constexpr int kHeads = 4, kKVHeads = 2, kDim = 32;
constexpr int64_t kMaxLen = 320, kRows = 64, kPositions = 320;

using Row = std::vector<float>; ///< [head * dim]

/// A cache, the mask with its oracle over positions, and what else it needs.
struct TreeCase {
  std::string name, type, clauses;
  naive::Keep keep;
  naive::Score score = naive::same();
  bool rope = false, slot = false; ///< halves, by position or by rank
  int64_t first = -1, recent = 0;  ///< with `else = drop`; -1: nothing drops
  /// Committed tokens are not what was appended: only commits are checked.
  bool encoded = false;
};

void PrintTo(const TreeCase &c, std::ostream *os) { *os << c.name; }

std::vector<TreeCase> cases() {
  const std::string paged = "layout = paged<16>, segments = [all : f32]";
  const std::string ring = "layout = ring, segments = [first(3) : f32, "
                           "recent(12) : f32], else = drop";
  const std::string segments =
      "layout = paged<4>, segments = [first(3) : f32, older : f32, recent(8) "
      ": f32 in contiguous]";
  const std::string halves = " rope(%t : tensor<?x16x2xf32>, halves)";
  const std::string alibi = " score(alibi(0.125))";
  naive::Score slope = naive::alibi(std::vector<double>(size_t(kHeads), 0.125));
  naive::Keep all = naive::causal();
  naive::Keep window = naive::either(naive::sink(2), naive::window(9));
  std::vector<TreeCase> list;
  list.push_back({"paged", paged, "mask(tree)", all});
  list.push_back({"odd_pages", "layout = paged<5>, segments = [all : f32]",
                  "mask(causal and tree)", all});
  list.push_back({"contiguous", "segments = [all : f32]", "mask(tree)", all});
  list.push_back({"token_major",
                  "layout = paged<4, token_major>, segments = [all : f32]",
                  "mask(tree)", all});
  list.push_back(
      {"window", paged, "mask(tree and (sink(2) or window(9)))", window});
  list.push_back({"alibi", paged, "mask(tree)" + alibi, all, slope});
  list.push_back({"segments", segments,
                  "mask((window(9) or sink(2)) and tree)" + alibi, window,
                  slope});
  list.push_back({"no_window",
                  "layout = paged<4>, segments = [first(3) : f32, older : f32]",
                  "mask(tree)", all});
  TreeCase before{"rope_before", paged + ", rope = before",
                  "mask(tree)" + halves, all};
  before.rope = true;
  list.push_back(before);
  before = {"rope_before_segments", segments + ", rope = before",
            "mask(tree and window(20))" + halves, naive::window(20)};
  before.rope = true;
  list.push_back(before);
  TreeCase dropping{"ring", ring, "mask(tree)", all};
  dropping.first = 3;
  dropping.recent = 12;
  list.push_back(dropping);
  dropping.name = "rope_slot";
  dropping.type += ", rope = slot";
  dropping.clauses += halves;
  dropping.rope = dropping.slot = true;
  list.push_back(dropping);
  TreeCase region{"region", paged, R"(mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %far = arith.subi %i, %j : index
      %n = arith.constant 9 : index
      %near = arith.cmpi slt, %far, %n : index
      %in = sel.ancestor
      %x = arith.andi %near, %in : i1
      sel.yield %x : i1
  })",
                  naive::window(9)};
  list.push_back(region);
  TreeCase coded{"int8",
                 "layout = paged<16>, segments = [all : #kv.int8<per "
                 "tok>]",
                 "mask(tree)", all};
  coded.encoded = true;
  list.push_back(coded);
  coded.name = "int8_older";
  coded.type = "layout = paged<4>, segments = [first(3) : f32, older : "
               "#kv.int8<per tok>, recent(8) : bf16]";
  list.push_back(coded);
  return list;
}

/// What the model knows of a sequence.
struct Sequence {
  std::vector<Row> k, v;   ///< committed tokens
  std::vector<Row> nk, nv; ///< uncommitted rows
  std::vector<int> parent; ///< of these

  /// Rows from the root to row r.
  std::vector<int> path(int r) const {
    std::vector<int> rows;
    for (; r >= 0; r = parent[size_t(r)])
      rows.insert(rows.begin(), r);
    return rows;
  }
};

class Engine {
public:
  Engine(const TreeCase &c, const std::string &target,
         int64_t treeRows = 4 * kRows)
      : c(c), half(target == kEmulated) {
    std::string type = c.type, element = half ? "f16>\n" : "f32>\n";
    if (half) {
      for (size_t at; (at = type.find("bf16")) != type.npos;)
        type.erase(at, 1);
      type = asHalf(type) + ", new = f16";
    }
    std::string table = c.rope ? ", %t: tensor<?x16x2xf32>" : "";
    std::string text =
        "!c = !kv.cache<heads = 2, dim = 32, " + type +
        ">\n!q = tensor<?x4x32x" + element + "!t = tensor<?x2x32x" + element +
        "func.func @step(%q: !q, %k: !t, %v: !t, %c: !c" + table +
        ") -> (!q, !c) attributes {attn.kernel} {\n"
        "  %c1 = kv.append %c, %k, %v : !c, !t, !t\n"
        "  %o = attn.attention %q, %c1 " +
        c.clauses + " : (!q, !c) -> !q\n  return %o, %c1 : !q, !c\n}\n";
    auto result = Compiled::compile(text, c.name, target);
    if (!result) {
      ADD_FAILURE() << llvm::toString(result.takeError());
      return;
    }
    compiled.emplace(std::move(*result));
    fovea_kv_limits cache = {};
    cache.size = sizeof cache;
    cache.layers = 1;
    cache.seqs = 8;
    cache.max_len = kMaxLen;
    cache.rows = 4 * kRows;
    cache.device = FOVEA_CPU;
    EXPECT_EQ(fovea_kv_create(compiled->kernel(), 3, &cache, &kv), FOVEA_OK)
        << fovea_message();
    fovea_plan_limits limits = {};
    limits.size = sizeof limits;
    limits.seqs = 8;
    limits.rows = 2 * kRows;
    limits.tree_rows = treeRows;
    limits.max_len = kMaxLen;
    EXPECT_EQ(fovea_plan_create(compiled->kernel(), &limits, &plan), FOVEA_OK)
        << fovea_message();
    if (!plan)
      return;
    size_t bytes = (fovea_plan_workspace(plan) + 127) / 64 * 64;
    workspace = std::aligned_alloc(64, bytes);
    for (int64_t p = 0; p < kPositions; ++p)
      for (int pair = 0; pair < kDim / 2; ++pair) {
        double angle = double(p) * std::pow(100.0, -2.0 * pair / kDim);
        table_.data[size_t((p * kDim / 2 + pair) * 2)] = float(cos(angle));
        table_.data[size_t((p * kDim / 2 + pair) * 2 + 1)] = float(sin(angle));
      }
  }
  ~Engine() {
    std::free(workspace);
    fovea_plan_destroy(plan);
    fovea_kv_destroy(kv);
  }
  bool good() const { return kv && plan; }

  /// A step without a run, over this cache or another of the type.
  fovea_status update(std::vector<uint64_t> ids, std::vector<int32_t> offsets,
                      const int32_t *parents, fovea_kv *other = nullptr) {
    int64_t total = offsets.back();
    CallTensor q({total, kHeads, kDim}, half), k({total, kKVHeads, kDim}, half),
        v({total, kKVHeads, kDim}, half), o({total, kHeads, kDim}, half);
    fovea_value cache = {};
    cache.kind = FOVEA_CACHE;
    cache.u.kv = other ? other : kv;
    fovea_value args[] = {q.value(), k.value(), v.value(), cache, o.value()};
    fovea_batch batch = {};
    batch.size = sizeof batch;
    batch.n = int32_t(ids.size());
    batch.seq = ids.data();
    batch.rows = offsets.data();
    batch.parent = parents;
    return fovea_plan_update(plan, &batch, args, 5);
  }

  /// Rows of one sequence in a step; parents empty: none are given.
  struct Part {
    uint64_t id;
    std::vector<int> parents;
    int rows;
  };
  struct Rows {
    std::vector<Row> q, k, v;
  };
  Rows randomRows(int n) {
    Rows rows;
    for (int r = 0; r < n; ++r) {
      rows.q.push_back(randomRow(kHeads));
      rows.k.push_back(randomRow(kKVHeads));
      rows.v.push_back(randomRow(kKVHeads));
    }
    return rows;
  }

  /// Appends the rows of a step and checks what they see.
  void step(const std::vector<Part> &parts, const Rows &rows,
            bool givesParents = true) {
    worst = 0;
    append(parts, rows, givesParents);
    if (!testing::Test::HasFatalFailure())
      ASSERT_LE(worst, half ? 4e-3 : 2e-4) << where;
  }

  /// The same, and only notes the worst error of the step.
  void append(const std::vector<Part> &parts, const Rows &rows,
              bool givesParents = true) {
    std::vector<int32_t> offsets{0}, parents;
    std::vector<uint64_t> ids;
    for (const Part &part : parts) {
      ids.push_back(part.id);
      offsets.push_back(offsets.back() + part.rows);
      Sequence &s = model[part.id];
      for (int r = 0; r < part.rows; ++r) {
        int own = int(s.parent.size());
        s.parent.push_back(part.parents.empty() ? own - 1
                                                : part.parents[size_t(r)]);
        parents.push_back(s.parent.back());
        size_t at = size_t(offsets[ids.size() - 1] + r);
        s.nk.push_back(rows.k[at]);
        s.nv.push_back(rows.v[at]);
      }
    }
    int64_t total = offsets.back();
    CallTensor q({total, kHeads, kDim}, half), k({total, kKVHeads, kDim}, half),
        v({total, kKVHeads, kDim}, half), o({total, kHeads, kDim}, half);
    for (auto [to, from] : {std::pair(&q, &rows.q), std::pair(&k, &rows.k),
                            std::pair(&v, &rows.v)})
      for (size_t r = 0; r < from->size(); ++r)
        std::copy((*from)[r].begin(), (*from)[r].end(),
                  to->data.begin() + long(r * (*from)[r].size()));
    std::fill(o.data.begin(), o.data.end(), NAN);
    fovea_value cache = {};
    cache.kind = FOVEA_CACHE;
    cache.u.kv = kv;
    std::vector<fovea_value> args{q.value(), k.value(), v.value(), cache};
    if (c.rope)
      args.push_back(table_.value());
    args.push_back(o.value());
    fovea_batch batch = {};
    batch.size = sizeof batch;
    batch.n = int32_t(ids.size());
    batch.seq = ids.data();
    batch.rows = offsets.data();
    batch.parent = givesParents ? parents.data() : nullptr;
    ASSERT_FOVEA(
        fovea_plan_update(plan, &batch, args.data(), int(args.size())));
    ASSERT_FOVEA(
        fovea_run(plan, 0, args.data(), int(args.size()), workspace, nullptr));
    o.fetch();
    for (size_t i = 0; i < parts.size() && !c.encoded; ++i) {
      const Sequence &s = model[ids[i]];
      for (int r = offsets[i]; r < offsets[i + 1]; ++r) {
        int row = int(s.parent.size()) - offsets[i + 1] + r;
        double error = errorOf(s, row, rows.q[size_t(r)],
                               &o.data[size_t(r) * kHeads * kDim]);
        if (error <= worst)
          continue;
        worst = error;
        where = "sequence " + std::to_string(ids[i]) + ", row " +
                std::to_string(row) + " of " + std::to_string(s.parent.size()) +
                " after " + std::to_string(s.k.size()) + " tokens";
      }
    }
  }

  /// Keeps a path, and appends the same tokens alone to another sequence.
  void commit(uint64_t id, const std::vector<int> &keep) {
    Sequence &s = model[id];
    std::vector<int32_t> list(keep.begin(), keep.end());
    ASSERT_FOVEA(
        fovea_kv_commit(kv, id, list.data(), int(list.size()), nullptr));
    for (int r : keep) {
      s.k.push_back(s.nk[size_t(r)]);
      s.v.push_back(s.nv[size_t(r)]);
    }
    s.nk.clear();
    s.nv.clear();
    s.parent.clear();
  }
  /// The twin has appended the sequence's last `n` tokens: now they are alike.
  void checkTwin(uint64_t id, uint64_t twin) {
    ASSERT_EQ(saved(id), saved(twin));
  }

  void add(uint64_t id) {
    ASSERT_FOVEA(fovea_kv_new(kv, id));
    model[id] = {};
  }
  /// A trim to `rows` uncommitted rows.
  void forget(uint64_t id, int rows) {
    model[id].nk.resize(size_t(rows));
    model[id].nv.resize(size_t(rows));
    model[id].parent.resize(size_t(rows));
  }
  /// What a file of the sequence holds behind its header.
  std::string saved(uint64_t id) {
    // Other processes run the same case for other targets.
    std::string path = testing::TempDir() + "/tree-" + c.name + "-" +
                       std::to_string(getpid()) + ".kv";
    EXPECT_EQ(fovea_kv_save(kv, id, path.c_str()), FOVEA_OK) << fovea_message();
    std::ifstream file(path, std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    std::remove(path.c_str());
    return bytes.str();
  }
  double worstError() const { return worst; }
  const Sequence &at(uint64_t id) { return model[id]; }
  fovea_kv *cache() { return kv; }

private:
  Row randomRow(int heads) {
    Row row(size_t(heads * kDim));
    for (float &x : row)
      x = half ? float(_Float16(normal(random))) : normal(random);
    return row;
  }

  /// The rows of `sequence` as the naive attention takes them, turned.
  naive::Array arrayOf(const std::vector<const Row *> &rows, int heads,
                       bool turned, int64_t firstPosition, int64_t dropped) {
    naive::Array a({1, heads, int64_t(rows.size()), kDim});
    for (size_t t = 0; t < rows.size(); ++t) {
      int64_t p = firstPosition + int64_t(t);
      if (c.slot && p >= c.first)
        p = std::max(p - dropped, c.first);
      for (int h = 0; h < heads; ++h)
        for (int d = 0; d < kDim; ++d)
          a(0, h, int64_t(t), d) = (*rows[t])[size_t(h * kDim + d)];
      for (int h = 0; turned && h < heads; ++h)
        for (int d = 0; d < kDim / 2; ++d) {
          double &x0 = a(0, h, int64_t(t), d);
          double &x1 = a(0, h, int64_t(t), d + kDim / 2);
          double cosine = table_.data[size_t((p * kDim / 2 + d) * 2)];
          double sine = table_.data[size_t((p * kDim / 2 + d) * 2 + 1)];
          double y = x0 * cosine - x1 * sine;
          x1 = x0 * sine + x1 * cosine;
          x0 = y;
        }
    }
    return a;
  }

  /// The largest error of a row; infinite for NaN.
  double errorOf(const Sequence &s, int row, const Row &q, const float *o) {
    std::vector<const Row *> keys, values;
    for (size_t t = 0; t < s.k.size(); ++t) {
      keys.push_back(&s.k[t]);
      values.push_back(&s.v[t]);
    }
    for (int r : s.path(row)) {
      keys.push_back(&s.nk[size_t(r)]);
      values.push_back(&s.nv[size_t(r)]);
    }
    int64_t committed = int64_t(s.k.size()), n = int64_t(keys.size());
    auto gone = [&](int64_t k) {
      return c.first >= 0 && k >= c.first && k < committed - c.recent;
    };
    int64_t dropped =
        c.first < 0 ? 0 : std::max<int64_t>(0, committed - c.recent - c.first);
    naive::Inputs in;
    in.q = arrayOf({&q}, kHeads, c.rope, n - 1, dropped);
    in.k = arrayOf(keys, kKVHeads, c.rope, 0, dropped);
    in.v = arrayOf(values, kKVHeads, false, 0, dropped);
    in.offset = {n - 1};
    in.length = {n};
    in.scale = 1 / std::sqrt(double(kDim));
    naive::Outputs want = naive::attention(
        in,
        [&](int64_t b, int64_t h, int64_t qi, int64_t k) {
          return k <= qi && !gone(k) && c.keep(b, h, qi, k);
        },
        c.score);
    double most = 0;
    for (int h = 0; h < kHeads; ++h)
      for (int d = 0; d < kDim; ++d) {
        double error = std::abs(o[h * kDim + d] - want.o(0, h, 0, d));
        most = std::max(most, error <= 1e30 ? error : INFINITY);
      }
    return most;
  }

  const TreeCase &c;
  bool half; ///< of f16, for a GPU
  std::optional<Compiled> compiled;
  fovea_kv *kv = nullptr;
  fovea_plan *plan = nullptr;
  void *workspace = nullptr;
  CallTensor table_{{kPositions, kDim / 2, 2}};
  std::map<uint64_t, Sequence> model;
  double worst = 0; ///< error of the last step
  std::string where;
  std::mt19937 random{1};
  std::normal_distribution<float> normal;
};

class Tree : public testing::TestWithParam<OnTarget<TreeCase>> {};

/// Random forests of a few rows: in one step or in several, beside a chain and
/// a single row, then a random path is committed.
TEST_P(Tree, SeesPathsAndCommitsOne) {
  const auto &[target, c] = GetParam();
  Engine engine(c, target);
  ASSERT_TRUE(engine.good());
  std::mt19937 random(7);
  auto below = [&](int n) { return int(random() % unsigned(n)); };
  for (uint64_t id : {7, 3, 5, 70})
    engine.add(id);
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::vector<int> parents; // of sequence 7
    int steps = 1 + below(3);
    for (int i = 0; i < steps; ++i) {
      int n = 1 + below(round % 4 ? 9 : 24);
      Engine::Part tree{7, {}, n};
      for (int r = 0; r < n; ++r) {
        int own = int(parents.size());
        // Broad trees, deep ones, and forests.
        tree.parents.push_back(below(3) ? own - 1 - below(std::min(own + 1, 4))
                                        : below(own + 1) - 1);
        parents.push_back(tree.parents.back());
      }
      std::vector<Engine::Part> parts{tree};
      if (below(2))
        parts.insert(parts.begin(), {3, {}, 1 + below(3)});
      if (below(2))
        parts.push_back({5, {}, 1});
      int total = 0;
      for (const Engine::Part &part : parts)
        total += part.rows;
      engine.step(parts, engine.randomRows(total));
      if (HasFatalFailure())
        return;
    }
    for (uint64_t id : {3, 5}) {
      std::vector<int> all =
          engine.at(id).path(int(engine.at(id).parent.size()) - 1);
      engine.commit(id, all);
    }
    if (round % 7 == 6) { // take the last rows back, then go on
      int left = below(int(parents.size()) + 1);
      ASSERT_FOVEA(fovea_kv_trim(engine.cache(), 7,
                                 int64_t(engine.at(7).k.size()) + left));
      engine.forget(7, left);
      parents.resize(size_t(left));
    }
    std::vector<int> keep = parents.empty()
                                ? std::vector<int>()
                                : engine.at(7).path(below(int(parents.size())));
    if (below(8) == 0)
      keep.clear();
    // Bounded lengths: the pages of a path that was long enough already.
    if (int64_t(engine.at(7).k.size() + keep.size()) > kMaxLen - 80)
      keep.clear();
    Engine::Rows accepted;
    for (int r : keep) {
      accepted.k.push_back(engine.at(7).nk[size_t(r)]);
      accepted.v.push_back(engine.at(7).nv[size_t(r)]);
      accepted.q.push_back(Row(size_t(kHeads * kDim), 0.5f));
    }
    engine.commit(7, keep);
    if (HasFatalFailure())
      return;
    if (!keep.empty()) {
      std::vector<int> order;
      for (size_t i = 0; i < keep.size(); ++i)
        order.push_back(int(i));
      engine.step({{70, {}, int(keep.size())}}, accepted, false);
      engine.commit(70, order);
    }
    if (HasFatalFailure())
      return;
    engine.checkTwin(7, 70);
    if (HasFatalFailure())
      return;
  }
}

/// The oracle sees a tree that the kernel takes for a chain, and a kept list in
/// another order than the path's.
TEST(TreeChecker, SeesFaults) {
  const TreeCase paged = cases().front();
  Engine engine(paged, runnableTargets().front());
  ASSERT_TRUE(engine.good());
  for (uint64_t id : {1, 2})
    engine.add(id);
  Engine::Part tree{1, {-1, 0, 0, 1}, 4};
  Engine::Rows rows = engine.randomRows(4);
  engine.append({tree}, rows);
  EXPECT_LE(engine.worstError(), 2e-4);
  engine.commit(1, {});
  engine.append({tree}, rows, /*givesParents=*/false);
  EXPECT_GT(engine.worstError(), 1e-2);
  engine.commit(1, {1, 0});
  engine.append({{2, {}, 4}}, rows);
  engine.commit(2, {0, 1});
  EXPECT_NE(engine.saved(1), engine.saved(2));
}

/// What a batch gives that is no tree is refused, and nothing changes.
TEST(TreeRefusals, NameRowAndValue) {
  const TreeCase paged = cases().front();
  Engine engine(paged, runnableTargets().front());
  ASSERT_TRUE(engine.good());
  for (uint64_t id : {1, 2})
    engine.add(id);
  engine.append({{1, {-1, 0, 0}, 3}}, engine.randomRows(3));
  auto refused = [&](std::vector<int32_t> parents, const char *words) {
    std::vector<int32_t> offsets{0, int32_t(parents.size())};
    EXPECT_EQ(engine.update({1}, offsets, parents.data()), FOVEA_INVALID);
    EXPECT_NE(std::string(fovea_message()).find(words), std::string::npos)
        << fovea_message();
    int64_t length = 0, uncommitted = 0;
    ASSERT_FOVEA(fovea_kv_length(engine.cache(), 1, &length, &uncommitted));
    EXPECT_EQ(uncommitted, 3);
  };
  refused({2, 4},
          "argument 'c': expected the parent of row 1 of sequence 1 to be one "
          "of the 4 uncommitted rows before it, or -1, got 4");
  refused({-2}, "parent of row 0 of sequence 1 to be one of the 3 uncommitted "
                "rows before it, or -1, got -2");
  refused({INT32_MAX}, "got 2147483647");
  // Trees of more rows than the plan has room for; chains need none.
  std::vector<int32_t> many(size_t(2 * kRows), -1);
  std::vector<int32_t> offsets{0, int32_t(many.size())};
  Engine small(paged, runnableTargets().front(), /*treeRows=*/8);
  ASSERT_TRUE(small.good());
  small.add(1);
  EXPECT_EQ(small.update({1}, {0, 9}, many.data()), FOVEA_INVALID);
  EXPECT_NE(std::string(fovea_message()).find("at most 8 uncommitted rows"),
            std::string::npos)
      << fovea_message();
  EXPECT_EQ(small.update({1}, {0, 8}, many.data()), FOVEA_OK);
  ASSERT_FOVEA(fovea_kv_trim(small.cache(), 1, 0));
  EXPECT_EQ(small.update({1}, offsets, nullptr), FOVEA_OK);
}

/// Kernels that take rows for chains refuse trees, whoever appended them.
TEST(TreeRefusals, ChainsTakeNoTrees) {
  TreeCase causal = cases().front(), tree = causal;
  causal.clauses = "mask(causal)";
  const std::string target = runnableTargets().front();
  Engine chain(causal, target), trees(tree, target);
  ASSERT_TRUE(chain.good() && trees.good());
  chain.add(1);
  const int32_t parents[] = {-1, -1};
  EXPECT_EQ(chain.update({1}, {0, 2}, parents), FOVEA_UNSUPPORTED);
  EXPECT_NE(std::string(fovea_message())
                .find("the mask of stage 'attend' does not say 'tree'"),
            std::string::npos)
      << fovea_message();
  trees.add(1);
  ASSERT_EQ(trees.update({1}, {0, 2}, parents), FOVEA_OK);
  // The cache of the other kernel, which has the same type.
  EXPECT_EQ(chain.update({1}, {0, 1}, nullptr, trees.cache()),
            FOVEA_UNSUPPORTED);
  EXPECT_NE(std::string(fovea_message())
                .find("uncommitted rows of sequence 1 to be a chain"),
            std::string::npos)
      << fovea_message();
  ASSERT_FOVEA(fovea_kv_commit(trees.cache(), 1, nullptr, 1, nullptr));
  EXPECT_EQ(chain.update({1}, {0, 1}, nullptr, trees.cache()), FOVEA_OK);
}

INSTANTIATE_TEST_SUITE_P(All, Tree,
                         testing::Combine(testing::ValuesIn(runnableTargets()),
                                          testing::ValuesIn(cases())),
                         nameOf<TreeCase>);
INSTANTIATE_TEST_SUITE_P(Emulated, Tree,
                         testing::Combine(testing::Values(kEmulated),
                                          testing::ValuesIn(cases())),
                         nameOf<TreeCase>);

} // namespace
