// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels over caches, step after step as an engine drives them: rows of
// several sequences are appended, attended to and committed, and every result
// is compared with an attention over plain vectors that knows nothing of pages,
// rings or segments.
#include "test/e2e/CallTensor.h"
#include "test/e2e/Compiled.h"
#include "test/e2e/OnTarget.h"

#include <fovea/runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>

using namespace fovea::e2e;

namespace {

constexpr int kHeads = 4, kKVHeads = 2, kDim = 32;
constexpr int64_t kMaxLen = 640, kRows = 96;

/// A cache of f32, on a GPU of f16, so that what is stored is what was
/// appended.
struct CacheCase {
  std::string name, type;
  int64_t first = -1, recent = 0; ///< with `else = drop`; -1: nothing drops
  bool shares = false; ///< forks share a prompt's pages from token 0 on
  bool sinks = false;  ///< with kSinks
  enum { None, Gate, Square } prob = None;
};

/// Learned sinks and gates of the query heads.
constexpr float kSinks[kHeads] = {0.5f, -1, 2, -INFINITY};
constexpr float kGates[kHeads] = {0.5f, -1, 2, 0};

void PrintTo(const CacheCase &c, std::ostream *os) { *os << c.name; }

std::vector<CacheCase> cases() {
  return {
      {"paged", "layout = paged<16>, segments = [all : f32]", -1, 0, true},
      {"odd_pages", "layout = paged<5>, segments = [all : f32]", -1, 0, true},
      {"one_token_pages", "layout = paged<1>, segments = [all : f32]", -1, 0,
       true},
      {"paged_token_major",
       "layout = paged<16, token_major>, segments = [all : f32]", -1, 0, true},
      {"contiguous", "segments = [all : f32]"},
      {"token_major", "layout = token_major, segments = [all : f32]"},
      {"segments", "layout = paged<4>, "
                   "segments = [first(3) : f32, older : f32, recent(8) : f32 "
                   "in contiguous]"},
      {"no_window",
       "layout = paged<4>, segments = [first(3) : f32, older : f32]"},
      {"sinks_and_ring",
       "layout = ring, segments = [first(3) : f32, recent(8) : f32], else = "
       "drop",
       3, 8},
      {"ring", "layout = paged<4>, segments = [recent(7) : f32], else = drop",
       0, 7},
      {"paged_with_sinks", "layout = paged<16>, segments = [all : f32]", -1, 0,
       true, true},
      {"ring_with_sinks",
       "layout = paged<4>, segments = [recent(7) : f32], "
       "else = drop",
       0, 7, false, true},
      {"paged_gated", "layout = paged<16>, segments = [all : f32]", -1, 0, true,
       false, CacheCase::Gate},
      // What is walked twice is whole: nothing is shared.
      {"paged_squared", "layout = paged<16>, segments = [all : f32]", -1, 0,
       false, false, CacheCase::Square},
      {"segments_squared",
       "layout = paged<4>, segments = [first(3) : f32, older : f32, recent(8) "
       ": f32 in contiguous]",
       -1, 0, false, true, CacheCase::Square},
  };
}

std::string clausesOf(const CacheCase &c) {
  std::string begin = " prob { ^bb0(%p: f32, %b: index, %h: index, %i: index, "
                      "%j: index):\n ";
  std::string text = c.sinks ? " sink_logits(%s : tensor<4xf32>)" : "";
  if (c.prob == CacheCase::Gate)
    text += begin + "%g = tensor.extract %s[%h] : tensor<4xf32>\n"
                    "%x = arith.mulf %p, %g : f32\nattn.yield %x : f32 }";
  if (c.prob == CacheCase::Square)
    text += begin + "%x = arith.mulf %p, %p : f32\nattn.yield %x : f32 }";
  return text;
}

/// What the model knows of a sequence: every token, and which ones are gone.
struct Sequence {
  std::vector<std::vector<float>> k, v; ///< [token][head * dim]
  int64_t committed = 0;

  bool gone(const CacheCase &c, int64_t token) const {
    return c.first >= 0 && token < committed - c.recent && token >= c.first;
  }
};

std::vector<double> attend(const CacheCase &c, const Sequence &s,
                           const float *q, int head, int64_t position) {
  int kv = head / (kHeads / kKVHeads);
  std::vector<double> scores, o(kDim);
  std::vector<int64_t> seen;
  double most = -INFINITY;
  for (int64_t t = 0; t <= position; ++t) {
    if (s.gone(c, t))
      continue;
    double dot = 0;
    for (int d = 0; d < kDim; ++d)
      dot += double(q[d]) * s.k[size_t(t)][size_t(kv * kDim + d)];
    seen.push_back(t);
    scores.push_back(dot / std::sqrt(double(kDim)));
    most = std::max(most, scores.back());
  }
  double sum = c.sinks ? std::exp(kSinks[head] - most) : 0;
  for (double &score : scores)
    sum += score = std::exp(score - most);
  for (size_t i = 0; i < seen.size(); ++i) {
    double p = scores[i] / sum;
    p *= c.prob == CacheCase::Gate     ? kGates[head]
         : c.prob == CacheCase::Square ? p
                                       : 1;
    for (int d = 0; d < kDim; ++d)
      o[size_t(d)] += p * s.v[size_t(seen[i])][size_t(kv * kDim + d)];
  }
  return o;
}

/// A kernel, its cache and plan, and the model beside them.
class Engine {
public:
  Engine(const CacheCase &c, bool ragged, const std::string &target)
      : c(c), ragged(ragged), half(target == kEmulated) {
    std::string one = ragged ? "" : "x1", element = half ? "f16>\n" : "f32>\n";
    std::string text = "!c = !kv.cache<heads = 2, dim = 32, " +
                       (half ? asHalf(c.type) : c.type) + ">\n!q = tensor<?x4" +
                       one + "x32x" + element + "!t = tensor<?x2" + one +
                       "x32x" + element +
                       "func.func @step(%q: !q, %k: !t, %v: !t, %c: !c, "
                       "%s: tensor<4xf32>)"
                       " -> (!q, !c) attributes {attn.kernel} {\n"
                       "  %c1 = kv.append %c, %k, %v : !c, !t, !t\n"
                       "  %o = attn.attention %q, %c1 mask(causal)" +
                       clausesOf(c) +
                       " : (!q, !c) -> !q\n"
                       "  return %o, %c1 : !q, !c\n}\n";
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
    cache.rows = kRows;
    cache.device = FOVEA_CPU;
    EXPECT_EQ(fovea_kv_create(compiled->kernel(), 3, &cache, &kv), FOVEA_OK)
        << fovea_message();
    fovea_plan_limits limits = {};
    limits.size = sizeof limits;
    limits.seqs = 8;
    limits.rows = kRows;
    limits.max_len = kMaxLen;
    EXPECT_EQ(fovea_plan_create(compiled->kernel(), &limits, &plan), FOVEA_OK)
        << fovea_message();
    if (!plan)
      return;
    size_t bytes = (fovea_plan_workspace(plan) + 127) / 64 * 64;
    workspace = std::aligned_alloc(64, bytes);
  }
  ~Engine() {
    std::free(workspace);
    fovea_plan_destroy(plan);
    fovea_kv_destroy(kv);
  }
  bool good() const { return kv && plan; }

  /// Appends rows[i] rows to sequence ids[i] and checks what they see.
  void step(const std::vector<uint64_t> &ids, const std::vector<int> &rows) {
    std::vector<int32_t> offsets{0};
    for (int n : rows)
      offsets.push_back(offsets.back() + n);
    int64_t total = offsets.back();
    auto shape = [&](int64_t heads) {
      return ragged ? std::vector<int64_t>{total, heads, kDim}
                    : std::vector<int64_t>{total, heads, 1, kDim};
    };
    CallTensor q(shape(kHeads), half), k(shape(kKVHeads), half),
        v(shape(kKVHeads), half), o(shape(kHeads), half);
    for (CallTensor *t : {&q, &k, &v})
      for (float &x : t->data)
        x = normal(random);
    std::fill(o.data.begin(), o.data.end(), NAN);
    fovea_value cache = {};
    cache.kind = FOVEA_CACHE;
    cache.u.kv = kv;
    CallTensor s({kHeads});
    std::copy_n(c.sinks ? kSinks : kGates, kHeads, s.data.begin());
    fovea_value args[] = {q.value(), k.value(), v.value(),
                          cache,     s.value(), o.value()};
    fovea_batch batch = {};
    batch.size = sizeof batch;
    batch.n = int32_t(ids.size());
    batch.seq = ids.data();
    batch.rows = offsets.data();
    ASSERT_FOVEA(fovea_plan_update(plan, &batch, args, 6));
    ASSERT_FOVEA(fovea_run(plan, 0, args, 6, workspace, nullptr));
    o.fetch();
    for (size_t i = 0; i < ids.size(); ++i) {
      Sequence &sequence = model[ids[i]];
      size_t width = kKVHeads * kDim;
      for (int r = offsets[i]; r < offsets[i + 1]; ++r) {
        auto from = [&](CallTensor &t) {
          auto at = t.data.begin() + long(size_t(r) * width);
          return std::vector<float>(at, at + long(width));
        };
        sequence.k.push_back(from(k));
        sequence.v.push_back(from(v));
      }
      for (int r = offsets[i]; r < offsets[i + 1]; ++r)
        for (int h = 0; h < kHeads; ++h) {
          int64_t position = int64_t(sequence.k.size()) - offsets[i + 1] + r;
          size_t at = size_t((r * kHeads + h) * kDim);
          std::vector<double> want =
              attend(c, sequence, &q.data[at], h, position);
          for (int d = 0; d < kDim; ++d)
            ASSERT_NEAR(o.data[at + size_t(d)], want[size_t(d)],
                        half ? 4e-3 : 2e-4)
                << "sequence " << ids[i] << ", position " << position
                << ", head " << h << ", channel " << d;
        }
    }
  }

  void commit(uint64_t id) {
    ASSERT_FOVEA(fovea_kv_commit(kv, id, nullptr, -1, nullptr));
    model[id].committed = int64_t(model[id].k.size());
  }
  void add(uint64_t id) {
    ASSERT_FOVEA(fovea_kv_new(kv, id));
    model[id] = {};
  }
  /// `child` starts with the committed tokens of `parent`.
  void fork(uint64_t parent, uint64_t child) {
    ASSERT_FOVEA(fovea_kv_fork(kv, parent, model[parent].committed, child));
    model[child] = model[parent];
  }
  /// Groups of sequences whose common keys the last step read once.
  int64_t groups() const {
    fovea_stats stats = {};
    stats.size = sizeof stats;
    EXPECT_EQ(fovea_plan_stats(plan, -1, &stats), FOVEA_OK);
    return stats.shared_groups;
  }

private:
  const CacheCase &c;
  bool ragged, half;
  std::optional<Compiled> compiled;
  fovea_kv *kv = nullptr;
  fovea_plan *plan = nullptr;
  void *workspace = nullptr;
  std::map<uint64_t, Sequence> model;
  std::mt19937 random{1};
  std::normal_distribution<float> normal;
};

class Cache : public testing::TestWithParam<OnTarget<CacheCase>> {};

// One row per sequence and step, [b, heads, 1, dim].
TEST_P(Cache, decodesStepByStep) {
  const auto &[target, c] = GetParam();
  Engine engine(c, /*ragged=*/false, target);
  ASSERT_TRUE(engine.good());
  for (uint64_t id : {7, 3, 5})
    engine.add(id);
  for (int step = 0; step < 40; ++step) {
    // Sequences of different lengths.
    std::vector<uint64_t> ids{7};
    if (step % 2)
      ids.push_back(3);
    if (step % 5 == 0)
      ids.insert(ids.begin(), 5);
    engine.step(ids, std::vector<int>(ids.size(), 1));
    if (HasFatalFailure())
      return;
    // Some rows stay new for a while.
    for (uint64_t id : ids)
      if (step % 3 != 1)
        engine.commit(id);
    if (HasFatalFailure())
      return;
  }
}

// Token-major rows of prompts and single tokens in one step.
TEST_P(Cache, mixesPromptsAndTokens) {
  const auto &[target, c] = GetParam();
  Engine engine(c, /*ragged=*/true, target);
  ASSERT_TRUE(engine.good());
  for (uint64_t id : {7, 3, 5})
    engine.add(id);
  std::vector<std::vector<int>> steps = {{40, 1, 7}, {1, 1, 1}, {1, 33, 1},
                                         {5, 1, 19}, {1, 1, 1}, {20, 20, 20},
                                         {1, 2, 1}};
  for (const std::vector<int> &rows : steps) {
    engine.step({7, 3, 5}, rows);
    if (HasFatalFailure())
      return;
    for (uint64_t id : {7, 3, 5})
      engine.commit(id);
    if (HasFatalFailure())
      return;
  }
}

// A prompt that seven sequences share is read once where its pages are, and a
// chunk of another prompt is in the same step.
TEST_P(Cache, sharesPrefixes) {
  const auto &[target, c] = GetParam();
  Engine engine(c, /*ragged=*/true, target);
  ASSERT_TRUE(engine.good());
  engine.add(0);
  for (int i = 0; i < 5; ++i) {
    engine.step({0}, {96});
    engine.commit(0);
    if (HasFatalFailure())
      return;
  }
  std::vector<uint64_t> ids{0};
  for (uint64_t child = 1; child < 8; ++child) {
    engine.fork(0, child);
    ids.push_back(child);
    if (HasFatalFailure())
      return;
  }
  const std::vector<std::vector<int>> steps = {{40, 1, 1, 1, 1, 1, 1, 1},
                                               {1, 1, 1, 1, 1, 1, 1, 1},
                                               {1, 2, 1, 3, 1, 1, 2, 1}};
  for (const std::vector<int> &rows : steps) {
    engine.step(ids, rows);
    if (HasFatalFailure())
      return;
    EXPECT_EQ(engine.groups(), c.shares ? 1 : 0);
    for (uint64_t id : ids)
      engine.commit(id);
    if (HasFatalFailure())
      return;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Cache,
                         testing::Combine(testing::ValuesIn(runnableTargets()),
                                          testing::ValuesIn(cases())),
                         nameOf<CacheCase>);
INSTANTIATE_TEST_SUITE_P(Emulated, Cache,
                         testing::Combine(testing::Values(kEmulated),
                                          testing::ValuesIn(cases())),
                         nameOf<CacheCase>);

} // namespace
