// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Graphs: kernels and host functions over shared buffers, run with any number
// of rows up to the capacity.
#include "test/unit/runtime/Serving.h"

using namespace fovea::test;

namespace {

/// v[b, k] = o[b, 0, k] + 1: feeds a layer's result to the next.
fovea_status nextInput(void *calls, const fovea_tensor *const *t, int n,
                       fovea_stream) {
  ++*static_cast<int *>(calls);
  if (n != 2 || t[0]->shape[2] != t[1]->shape[1])
    return FOVEA_INVALID;
  int64_t rows = t[1]->shape[1];
  for (int64_t b = 0; b < t[1]->shape[0]; ++b)
    for (int64_t k = 0; k < rows; ++k)
      static_cast<float *>(t[1]->data)[b * rows + k] =
          static_cast<float *>(t[0]->data)[b * t[0]->shape[1] * rows + k] + 1;
  return FOVEA_OK;
}

struct Layers {
  /// `layers` times: o = sum of v over a window, v' = o + 1. Self attention:
  /// sq = sk = rows.
  Layers(int layers, int64_t most, int workers = 2)
      : loaded(sumKernel(), workers), plan(loaded.kernel, most, 1, most),
        q({1, 2, most}), v({1, most}), o({1, 2, most}) {
    EXPECT_EQ(fovea_graph_create(loaded.ctx, &graph), FOVEA_OK);
    int queries = fovea_graph_buffer(graph, &q.dl, 2, 1);
    int input = fovea_graph_buffer(graph, &v.dl, 1, 1);
    int window = fovea_graph_scalar(graph, integer(3));
    for (int i = 0; i < layers; ++i) {
      bool last = i + 1 == layers;
      int result = fovea_graph_buffer(graph, &o.dl, 2, last);
      int ids[] = {queries, input, window, result};
      EXPECT_EQ(fovea_graph_kernel(graph, plan, i, ids, 4), FOVEA_OK)
          << fovea_message();
      if (last)
        break;
      input = fovea_graph_buffer(graph, &v.dl, 1, 0);
      int between[] = {result, input};
      EXPECT_EQ(fovea_graph_call(graph, nextInput, &calls, between, 2, 0),
                FOVEA_OK);
    }
    EXPECT_EQ(fovea_graph_finish(graph), FOVEA_OK) << fovea_message();
  }
  ~Layers() { fovea_graph_destroy(graph); }

  Loaded loaded;
  Plan plan;
  Tensor q, v, o;
  fovea_graph *graph = nullptr;
  int calls = 0;
};

TEST(Graph, RunsLayersWithAnyRows) {
  Layers g(4, 200);
  for (int64_t rows : {200, 1, 77, 200, 3}) {
    SumStep step(1, rows, rows, 3);
    std::vector<float> want(static_cast<size_t>(rows));
    for (int64_t i = 0; i < rows; ++i)
      want[size_t(i)] = step.v.at(i);
    for (int layer = 0; layer < 4; ++layer) {
      std::vector<float> sums(want.size());
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t k = i > 2 ? i - 2 : 0; k <= i; ++k)
          sums[size_t(i)] += want[size_t(k)];
      for (float &s : sums)
        s += layer < 3;
      want = sums;
    }
    g.calls = 0;
    fovea_value externals[] = {step.q.value(), step.v.value(), step.o.value()};
    ASSERT_FOVEA(fovea_graph_run(g.graph, externals, 3, rows, nullptr));
    EXPECT_EQ(g.calls, 3);
    for (int64_t h = 0; h < 2; ++h)
      for (int64_t i = 0; i < rows; ++i)
        ASSERT_EQ(step.o.at(h * rows + i), want[size_t(i)]) << rows;
  }
}

TEST(Graph, BuffersShareMemory) {
  // Whatever the number of layers, at most two results and two inputs live.
  size_t few = fovea_graph_memory(Layers(3, 4096).graph);
  size_t many = fovea_graph_memory(Layers(30, 4096).graph);
  EXPECT_EQ(few, many);
  EXPECT_GE(few, 4096u * 4 * 3);
}

TEST(Graph, RefusesWrongRuns) {
  Layers g(2, 100);
  SumStep step(1, 50, 50, 3), longer(1, 51, 51, 3);
  fovea_value good[] = {step.q.value(), step.v.value(), step.o.value()};
  auto run = [&](const fovea_value *externals, int n, int64_t rows) {
    return fovea_graph_run(g.graph, externals, n, rows, nullptr);
  };
  ASSERT_FOVEA(run(good, 3, 50));
  EXPECT_REFUSED(FOVEA_INVALID, "expected 3 external tensors, got 2",
                 run(good, 2, 50));
  EXPECT_REFUSED(FOVEA_INVALID, "at most 100 rows", run(good, 3, 101));
  EXPECT_REFUSED(FOVEA_INVALID, "rows of at least 0", run(good, 3, -1));
  EXPECT_REFUSED(FOVEA_INVALID, "external 0: expected dim 2 to be 49, got 50",
                 run(good, 3, 49));
  fovea_value mixed[] = {good[0], longer.v.value(), good[2]};
  EXPECT_REFUSED(FOVEA_INVALID, "external 1: expected dim 1 to be 50, got 51",
                 run(mixed, 3, 50));
  fovea_value scalar[] = {integer(1), good[1], good[2]};
  EXPECT_REFUSED(FOVEA_INVALID, "external 0: expected a tensor",
                 run(scalar, 3, 50));
  Tensor ints({1, 2, 50}, FOVEA_DTYPE_I32);
  fovea_value typed[] = {ints.value(), good[1], good[2]};
  EXPECT_REFUSED(FOVEA_INVALID, "external 0: expected rank 3",
                 run(typed, 3, 50));
  EXPECT_REFUSED(FOVEA_INVALID, "node 0: expected no stream",
                 fovea_graph_run(g.graph, good, 3, 50, &g));
  ASSERT_FOVEA(run(good, 3, 50));
}

TEST(Graph, ReportsTheHostsErrors) {
  Loaded k(sumKernel());
  fovea_graph *graph = nullptr;
  ASSERT_FOVEA(fovea_graph_create(k.ctx, &graph));
  EXPECT_REFUSED(FOVEA_INVALID, "an unfinished one",
                 fovea_graph_run(graph, nullptr, 0, 1, nullptr));
  ASSERT_FOVEA(fovea_graph_call(
      graph,
      [](void *, const fovea_tensor *const *, int, fovea_stream) {
        return FOVEA_CANCELLED;
      },
      nullptr, nullptr, 0, 1));
  ASSERT_FOVEA(fovea_graph_finish(graph));
  EXPECT_REFUSED(FOVEA_CANCELLED,
                 "node 0: the host's function returned "
                 "FOVEA_CANCELLED",
                 fovea_graph_run(graph, nullptr, 0, 1, nullptr));
  fovea_graph_destroy(graph);
}

TEST(Graph, ChecksItsNodes) {
  KernelOptions options;
  options.lengths = true;
  Loaded k(sumKernel(options));
  Plan plan(k.kernel, 64, 1, 64);
  fovea_graph *graph = nullptr;
  ASSERT_FOVEA(fovea_graph_create(k.ctx, &graph));
  Tensor q({1, 2, 64}), v({1, 64}), n({1}, FOVEA_DTYPE_I32);
  int queries = fovea_graph_buffer(graph, &q.dl, 2, 1);
  int values = fovea_graph_buffer(graph, &v.dl, 1, 1);
  int window = fovea_graph_scalar(graph, integer(3));
  int lengths = fovea_graph_buffer(graph, &n.dl, -1, 1);
  int others = fovea_graph_buffer(graph, &n.dl, -1, 1);
  int result = fovea_graph_buffer(graph, &q.dl, 2, 0);
  int unwritten = fovea_graph_buffer(graph, &v.dl, 1, 0);
  auto kernel = [&](std::vector<int> ids) {
    return fovea_graph_kernel(graph, plan, 0, ids.data(), int(ids.size()));
  };
  EXPECT_REFUSED(FOVEA_INVALID, "expected 5 arguments, got 1",
                 kernel({queries}));
  EXPECT_REFUSED(FOVEA_INVALID, "ids below 7, got 7",
                 kernel({7, values, window, lengths, result}));
  EXPECT_REFUSED(FOVEA_INVALID, "'w': expected a scalar, got a tensor",
                 kernel({queries, values, values, lengths, result}));
  EXPECT_REFUSED(FOVEA_INVALID, "'v': expected rank 2",
                 kernel({queries, queries, window, lengths, result}));
  EXPECT_REFUSED(FOVEA_INVALID,
                 "'v': expected buffer 6 to be external or written",
                 kernel({queries, unwritten, window, lengths, result}));
  ASSERT_FOVEA(kernel({queries, values, window, lengths, result}));
  EXPECT_REFUSED(FOVEA_INVALID,
                 "'lengths': expected id 3 as in the first node of the "
                 "plan, got 4",
                 kernel({queries, values, window, others, result}));
  ASSERT_FOVEA(kernel({queries, values, window, lengths, result}));
  EXPECT_LT(fovea_graph_buffer(graph, &q.dl, 3, 0), 0);
  EXPECT_NE(std::string(fovea_message()).find("row axis below 3"),
            std::string::npos);
  EXPECT_LT(fovea_graph_buffer(graph, nullptr, -1, 0), 0);
  EXPECT_LT(fovea_graph_scalar(graph, q.value()), 0);
  int64_t huge[3] = {int64_t(1) << 40, 2, int64_t(1) << 40};
  DLTensor big = q.dl;
  big.shape = huge;
  EXPECT_LT(fovea_graph_buffer(graph, &big, -1, 0), 0);
  EXPECT_REFUSED(FOVEA_INVALID, "got NULL",
                 fovea_graph_call(graph, nullptr, nullptr, nullptr, 0, 0));
  ASSERT_FOVEA(fovea_graph_finish(graph));
  EXPECT_REFUSED(FOVEA_INVALID, "got a finished one",
                 kernel({queries, values, window, lengths, result}));
  EXPECT_EQ(fovea_graph_finish(graph), FOVEA_INVALID);
  fovea_graph_destroy(graph);
}

/// Three layers of one cache by two plans, ragged rows.
struct CacheLayers {
  explicit CacheLayers(Serving &s) : s(s), second(s.createPlan()) {
    int64_t most = s.limits.rows;
    int heads = s.options.shape.heads, dim = s.options.shape.dim;
    Tensor wide({most, heads * s.options.group, dim});
    Tensor narrow({most, heads, dim});
    EXPECT_EQ(fovea_graph_create(s.loaded.ctx, &graph), FOVEA_OK);
    q = fovea_graph_buffer(graph, &wide.dl, 0, 1);
    v = fovea_graph_buffer(graph, &narrow.dl, 0, 1);
    k = fovea_graph_buffer(graph, &narrow.dl, 0, 1);
    fovea_value cache{};
    cache.kind = FOVEA_CACHE;
    cache.u.kv = s.kv;
    c = fovea_graph_scalar(graph, cache);
    w = fovea_graph_scalar(graph, integer(s.window));
    for (int layer = 0; layer < 3; ++layer) {
      int o = fovea_graph_buffer(graph, &wide.dl, 0, layer == 2);
      int ids[] = {q, v, k, c, w, o};
      EXPECT_EQ(fovea_graph_kernel(graph, layer == 1 ? second : s.plan, layer,
                                   ids, 6),
                FOVEA_OK)
          << fovea_message();
      results.push_back(o);
    }
  }
  ~CacheLayers() {
    fovea_graph_destroy(graph);
    fovea_plan_destroy(second);
  }
  fovea_status run(const fovea_batch *batch) {
    fovea_value externals[] = {s.q->value(), s.v->value(), s.k->value(),
                               s.o->value()};
    return fovea_graph_run_batch(graph, batch, externals, 4, s.offsets.back(),
                                 nullptr);
  }

  Serving &s;
  fovea_plan *second;
  fovea_graph *graph = nullptr;
  int q, v, k, c, w;
  std::vector<int> results;
};

TEST(Graph, RunsABatchOverACache) {
  ServingLimits limits;
  limits.layers = 3;
  limits.workers = 2;
  Serving s({}, limits);
  s.begin(1);
  s.begin(2);
  CacheLayers g(s);
  ASSERT_FOVEA(fovea_graph_finish(g.graph));
  for (const Rows &rows :
       {Rows{{1, 100}}, Rows{{1, 1}, {2, 30}}, Rows{{2, 1}, {1, 1}}}) {
    s.prepare(rows);
    ASSERT_FOVEA(g.run(&s.batch));
    // The rows were reserved once, for both plans.
    for (size_t i = 0; i < s.ids.size(); ++i) {
      for (int32_t r = s.offsets[i]; r < s.offsets[i + 1]; ++r)
        s.model[s.ids[i]].push_back(s.seeds[size_t(r)]);
      int64_t len = 0, uncommitted = 0;
      ASSERT_FOVEA(fovea_kv_length(s.kv, s.ids[i], &len, &uncommitted));
      EXPECT_EQ(len, int64_t(s.model[s.ids[i]].size()));
    }
    EXPECT_EQ(s.wrong(), 0);
  }
  // The host may plan by itself: then the graph does not.
  s.prepare({{1, 3}});
  EXPECT_REFUSED(FOVEA_STALE, "node 0: argument", g.run(nullptr));
  ASSERT_FOVEA(s.update());
  std::vector<int64_t> pos = {102, 103, 104};
  s.batch.pos = pos.data();
  ASSERT_FOVEA(
      fovea_plan_update(g.second, &s.batch, s.args.data(), int(s.args.size())));
  ASSERT_FOVEA(g.run(nullptr));
  EXPECT_EQ(s.wrong(), 0);
  // A batch that is wrong.
  s.ids[0] = 9;
  EXPECT_REFUSED(FOVEA_INVALID, "node 0: argument 'c'", g.run(&s.batch));
}

TEST(Graph, ChecksCaches) {
  ServingLimits limits;
  limits.layers = 3;
  Serving s({}, limits), t({}, limits);
  CacheLayers g(s);
  fovea_value cache{};
  cache.kind = FOVEA_CACHE;
  EXPECT_LT(fovea_graph_scalar(g.graph, cache), 0);
  EXPECT_STREQ(fovea_message(), "expected a cache, got NULL");
  cache.u.kv = t.kv;
  int other = fovea_graph_scalar(g.graph, cache);
  ASSERT_GE(other, 0);
  int ids[] = {g.q, g.v, g.k, other, g.w, g.results[2]};
  EXPECT_REFUSED(FOVEA_INVALID, "'c': expected id 3 as in the first node",
                 fovea_graph_kernel(g.graph, s.plan, 0, ids, 6));
  ids[3] = g.w;
  EXPECT_REFUSED(FOVEA_INVALID, "'c': expected a cache, got a scalar",
                 fovea_graph_kernel(g.graph, s.plan, 0, ids, 6));
  ids[3] = g.q;
  EXPECT_REFUSED(FOVEA_INVALID, "'c': expected a cache, got a tensor",
                 fovea_graph_kernel(g.graph, s.plan, 0, ids, 6));
}

} // namespace
