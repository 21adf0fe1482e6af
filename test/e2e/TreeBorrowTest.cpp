// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Trees of drafts over the host's own pools and page tables: the host writes
// the context, brings every tree whole and moves the accepted rows itself. The
// oracle attends to the context and each row's own path.
#include "test/e2e/CallTensor.h"
#include "test/e2e/Compiled.h"
#include "test/support/NaiveAttention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <random>

using namespace fovea::e2e;

namespace {

constexpr int64_t kHeads = 4, kKVHeads = 2, kDim = 32;
constexpr int64_t kPage = 8, kPages = 64, kSeqs = 2, kMaxLen = 200;

const char *const kSpec = R"(
  !c = !kv.cache<heads = 2, dim = 32, layout = paged<8>, segments = [all : f32]>
  !q = tensor<?x4x32xf32>
  !k = tensor<?x2x32xf32>
  func.func @step(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, !c)
      attributes {attn.kernel} {
    %c1 = kv.append %c, %k, %v : !c, !k, !k
    %o = attn.attention %q, %c1 mask(tree) score(alibi(0.125)) : (!q, !c) -> !q
    return %o, %c1 : !q, !c
  })";

using Parents = std::vector<int32_t>;

/// Rows from the root to row r.
std::vector<int64_t> pathTo(const Parents &parents, int64_t r) {
  std::vector<int64_t> path;
  for (; r >= 0; r = parents[size_t(r)])
    path.insert(path.begin(), r);
  return path;
}

/// An engine with memory of its own for keys and values.
class Host {
public:
  explicit Host(const std::string &target) : half(target == kEmulated) {
    auto made =
        Compiled::compile(half ? asHalf(kSpec) : kSpec, "borrowed", target);
    if (!made) {
      ADD_FAILURE() << llvm::toString(made.takeError());
      return;
    }
    compiled.emplace(std::move(*made));
    fovea_kv_part parts[2] = {};
    for (int p = 0; p < 2; ++p)
      parts[p] = {sizeof parts[p], 0, "all", p ? "v" : "k", &pools[p].dl};
    EXPECT_EQ(fovea_kv_borrow(compiled->kernel(), 3, 1, parts, 2, &kv),
              FOVEA_OK)
        << fovea_message();
    fovea_plan_limits limits = {};
    limits.size = sizeof limits;
    limits.seqs = kSeqs;
    limits.rows = 64;
    limits.max_len = kMaxLen;
    EXPECT_EQ(fovea_plan_create(compiled->kernel(), &limits, &plan), FOVEA_OK)
        << fovea_message();
    if (plan)
      workspace =
          std::aligned_alloc(64, (fovea_plan_workspace(plan) + 64) / 64 * 64);
    // Every sequence has its pages in another order, all over the pool.
    std::vector<int32_t> all(kPages);
    for (int32_t i = 0; i < kPages; ++i)
      all[size_t(i)] = i;
    std::shuffle(all.begin(), all.end(), random);
    for (size_t s = 0; s < kSeqs; ++s)
      pages[s].assign(all.begin() + long(s * kPages / kSeqs),
                      all.begin() + long((s + 1) * kPages / kSeqs));
  }
  ~Host() {
    std::free(workspace);
    fovea_plan_destroy(plan);
    fovea_kv_destroy(kv);
  }
  bool good() const { return kv && plan; }

  /// The memory of one token's key (0) or value (1) in a head.
  float *at(int what, size_t seq, int64_t token, int64_t head) {
    int64_t page = pages[seq][size_t(token / kPage)];
    return pools[what].data.data() +
           ((page * kKVHeads + head) * kPage + token % kPage) * kDim;
  }

  /// Tokens that the host writes itself.
  void prefill(size_t seq, int64_t n) {
    for (int64_t t = 0; t < n; ++t, ++committed[seq])
      for (int what : {0, 1})
        for (int64_t h = 0; h < kKVHeads; ++h)
          for (int64_t d = 0; d < kDim; ++d)
            at(what, seq, committed[seq], h)[d] = normal(random);
  }

  fovea_status tables(const std::vector<Parents> &trees) {
    list.clear();
    for (size_t s = 0; s < kSeqs; ++s) {
      end[s] = committed[s] + int64_t(trees[s].size());
      int64_t n = (end[s] + kPage - 1) / kPage;
      list.insert(list.end(), pages[s].begin(), pages[s].begin() + n);
      indptr[s + 1] = int64_t(list.size());
    }
    return fovea_kv_borrow_tables(kv, "all", int(kSeqs), ids, indptr,
                                  list.data(), nullptr, end);
  }

  /// One step of both sequences. `run` is false: an update only.
  fovea_status step(const std::vector<Parents> &trees, bool run = true) {
    int32_t rows[kSeqs + 1] = {0};
    Parents parents;
    for (size_t s = 0; s < kSeqs; ++s) {
      rows[s + 1] = rows[s] + int32_t(trees[s].size());
      parents.insert(parents.end(), trees[s].begin(), trees[s].end());
    }
    q.emplace(std::vector<int64_t>{rows[kSeqs], kHeads, kDim}, half);
    o.emplace(std::vector<int64_t>{rows[kSeqs], kHeads, kDim}, half);
    CallTensor k({rows[kSeqs], kKVHeads, kDim}, half),
        v({rows[kSeqs], kKVHeads, kDim}, half);
    for (CallTensor *tensor : {&*q, &k, &v})
      for (float &x : tensor->data)
        x = normal(random);
    std::fill(o->data.begin(), o->data.end(), NAN);
    fovea_value cache = {};
    cache.kind = FOVEA_CACHE;
    cache.u.kv = kv;
    fovea_value args[] = {q->value(), k.value(), v.value(), cache, o->value()};
    fovea_batch batch = {};
    batch.size = sizeof batch;
    batch.n = int32_t(kSeqs);
    batch.seq = ids;
    batch.rows = rows;
    batch.parent = parents.data();
    if (fovea_status st = tables(trees))
      return st;
    if (fovea_status st = fovea_plan_update(plan, &batch, args, 5))
      return st;
    if (!run)
      return FOVEA_OK;
    for (CallTensor &pool : pools)
      pool.pack();
    fovea_status st = fovea_run(plan, 0, args, 5, workspace, nullptr);
    for (CallTensor *tensor : {&pools[0], &pools[1], &*o})
      tensor->fetch();
    return st;
  }

  /// The largest error of the rows of the last step, which had these trees.
  double worst(const std::vector<Parents> &trees) {
    double most = 0;
    int64_t row = 0;
    for (size_t s = 0; s < kSeqs; ++s)
      for (size_t r = 0; r < trees[s].size(); ++r, ++row)
        most = std::max(most, errorOf(s, pathTo(trees[s], int64_t(r)), row));
    return most;
  }

  /// The host's commit: accepted rows move to where their tokens belong.
  void keep(size_t seq, const std::vector<int64_t> &path) {
    int64_t base = committed[seq];
    for (size_t j = 0; j < path.size(); ++j)
      for (int what : {0, 1})
        for (int64_t h = 0; h < kKVHeads; ++h)
          std::copy_n(at(what, seq, base + path[j], h), kDim,
                      at(what, seq, base + int64_t(j), h));
    committed[seq] = base + int64_t(path.size());
  }
  int64_t length(size_t seq) const { return committed[seq]; }

private:
  double errorOf(size_t seq, const std::vector<int64_t> &path, int64_t row) {
    std::vector<int64_t> tokens;
    for (int64_t t = 0; t < committed[seq]; ++t)
      tokens.push_back(t);
    for (int64_t r : path)
      tokens.push_back(committed[seq] + r);
    int64_t n = int64_t(tokens.size());
    naive::Inputs in;
    in.q = naive::Array({1, kHeads, 1, kDim});
    in.k = naive::Array({1, kKVHeads, n, kDim});
    in.v = naive::Array({1, kKVHeads, n, kDim});
    for (int64_t d = 0; d < kDim; ++d) {
      for (int64_t h = 0; h < kHeads; ++h)
        in.q(0, h, 0, d) = q->data[size_t((row * kHeads + h) * kDim + d)];
      for (int64_t h = 0; h < kKVHeads; ++h)
        for (int64_t t = 0; t < n; ++t) {
          in.k(0, h, t, d) = at(0, seq, tokens[size_t(t)], h)[d];
          in.v(0, h, t, d) = at(1, seq, tokens[size_t(t)], h)[d];
        }
    }
    in.offset = {n - 1};
    in.length = {n};
    in.scale = 1 / std::sqrt(double(kDim));
    naive::Outputs want = naive::attention(
        in, naive::causal(),
        naive::alibi(std::vector<double>(size_t(kHeads), 0.125)));
    double most = 0;
    for (int64_t h = 0; h < kHeads; ++h)
      for (int64_t d = 0; d < kDim; ++d) {
        double error = std::abs(o->data[size_t((row * kHeads + h) * kDim + d)] -
                                want.o(0, h, 0, d));
        most = std::max(most, error <= 1e30 ? error : INFINITY);
      }
    return most;
  }

  bool half; ///< of f16, for a GPU
  std::mt19937 random{5};
  std::normal_distribution<float> normal;
  CallTensor pools[2] = {CallTensor({kPages, kKVHeads, kPage, kDim}, half),
                         CallTensor({kPages, kKVHeads, kPage, kDim}, half)};
  std::vector<int32_t> pages[kSeqs];
  int64_t committed[kSeqs] = {};
  // The tables of a step, which the next update reads.
  const uint64_t ids[kSeqs] = {40, 7};
  std::vector<int32_t> list;
  int64_t indptr[kSeqs + 1] = {0}, end[kSeqs] = {};
  std::optional<Compiled> compiled;
  std::optional<CallTensor> q, o;
  void *workspace = nullptr;
  fovea_kv *kv = nullptr;
  fovea_plan *plan = nullptr;
};

/// Random trees, one step after the other.
static void checkRandomTrees(const std::string &target, double most) {
  Host host(target);
  ASSERT_TRUE(host.good());
  host.prefill(0, 61);
  host.prefill(1, 3);
  std::mt19937 random(9);
  auto below = [&](int n) { return int(random() % unsigned(n)); };
  for (int round = 0; round < 30; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::vector<Parents> trees(kSeqs);
    for (Parents &tree : trees)
      for (int n = 1 + below(round % 3 ? 6 : 30); n > 0; --n) {
        int own = int(tree.size());
        tree.push_back(own - 1 - below(std::min(own + 1, 5)));
      }
    ASSERT_FOVEA(host.step(trees));
    ASSERT_LE(host.worst(trees), most);
    for (size_t s = 0; s < kSeqs; ++s)
      if (host.length(s) < kMaxLen - 60)
        host.keep(s, pathTo(trees[s], below(int(trees[s].size()))));
  }
}

TEST(TreeBorrow, SeesPathsInTheHostsPages) {
  for (const std::string &target : runnableTargets()) {
    SCOPED_TRACE(target);
    checkRandomTrees(target, 2e-4);
  }
}

TEST(EmulatedTreeBorrow, SeesPathsInTheHostsPages) {
  checkRandomTrees(kEmulated, 4e-3);
}

/// The oracle sees one wrong parent.
TEST(TreeBorrow, OracleSeesAFault) {
  Host host(runnableTargets().front());
  ASSERT_TRUE(host.good());
  host.prefill(0, 20);
  host.prefill(1, 20);
  std::vector<Parents> trees{{-1, 0, 0, 1}, {-1, 0, 1}}, wrong = trees;
  wrong[0][3] = 2;
  ASSERT_FOVEA(host.step(trees));
  EXPECT_LE(host.worst(trees), 2e-4);
  EXPECT_GT(host.worst(wrong), 1e-2);
}

/// What is no tree is refused; the next step works.
TEST(TreeBorrow, RefusesWhatIsNoTree) {
  Host host(runnableTargets().front());
  ASSERT_TRUE(host.good());
  host.prefill(0, 20);
  host.prefill(1, 20);
  auto refused = [&](const std::vector<Parents> &trees, const char *words) {
    EXPECT_EQ(host.step(trees, false), FOVEA_INVALID);
    EXPECT_NE(std::string(fovea_message()).find(words), std::string::npos)
        << fovea_message();
  };
  refused({{-1, 1}, {-1}}, "expected the parent of row 1 of sequence 40 to be "
                           "one of the 1 uncommitted rows before it, or -1, "
                           "got 1");
  refused({{-1, 0}, {-1, 0, -2}}, "parent of row 2 of sequence 7 to be one of "
                                  "the 2 uncommitted rows before it, or -1, "
                                  "got -2");
  std::vector<Parents> good{{-1, -1}, {-1, 0}};
  ASSERT_FOVEA(host.step(good));
  EXPECT_LE(host.worst(good), 2e-4);
}

} // namespace
