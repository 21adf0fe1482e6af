// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is ordered with what on a GPU: runs of several streams, the calls that
// manage a cache between them, and replays of a graph. The fake driver does no
// work before somebody waits, and the streams are waited for in the wrong
// order.
#include "test/unit/runtime/CudaServing.h"

#include <deque>
#include <unistd.h>

using namespace fovea::test;

namespace {

class CudaOrder : public CudaServing {
protected:
  void SetUp() override {
    CudaServing::SetUp();
    setenv("FAKE_CUDA_LAZY", "1", 1);
  }
  void TearDown() override { unsetenv("FAKE_CUDA_LAZY"); }

  static ServingOptions pagesOf4(CacheKind kind) {
    ServingOptions options;
    options.kind = kind;
    options.shape.page = 4;
    return options;
  }
  using Results = std::vector<std::vector<float>>;
  /// A history gives what it gives where all work is done at once.
  template <typename History>
  static void expectNoRace(History history) {
    Results lazy = history();
    setenv("FAKE_CUDA_LAZY", "2", 1);
    Results mixed = history();
    unsetenv("FAKE_CUDA_LAZY");
    Results atOnce = history();
    EXPECT_EQ(lazy, atOnce);
    EXPECT_EQ(mixed, atOnce);
    setenv("FAKE_CUDA_LAZY", "1", 1);
  }
};

/// Steps on several streams, each with tensors, plan and workspace that live to
/// the end: freeing memory of the GPU would wait.
class Streams {
public:
  explicit Streams(Serving &s) : s(s) {
    for (Lane &lane : lanes) {
      EXPECT_EQ(
          fovea_stream_create(s.loaded.ctx, Serving::device, &lane.stream),
          FOVEA_OK);
      lane.plan = s.createPlan();
      EXPECT_EQ(fovea_device_alloc(s.loaded.ctx, Serving::device,
                                   fovea_plan_workspace(lane.plan) + 64,
                                   &lane.workspace),
                FOVEA_OK);
    }
  }
  ~Streams() {
    steps.clear();
    for (Lane &lane : lanes) {
      fovea_plan_destroy(lane.plan);
      fovea_device_free(s.loaded.ctx, Serving::device, lane.workspace);
      fovea_stream_destroy(s.loaded.ctx, Serving::device, lane.stream);
    }
  }

  /// Tensors of a step, there.
  struct Step {
    Step(Serving &s)
        : q(std::move(s.q)), k(std::move(s.k)), v(std::move(s.v)),
          o(std::move(s.o)), tq(s, q.get()), tk(s, k.get()), tv(s, v.get()),
          to(s, o.get()) {}
    std::unique_ptr<Tensor> q, k, v, o;
    Serving::There tq, tk, tv, to;
    // What is right.
    std::vector<uint64_t> ids;
    std::vector<int32_t> offsets;
    std::map<uint64_t, std::vector<int>> model;
  };
  Step &make(const Rows &rows) {
    s.prepare(rows);
    args = s.args;
    return steps.emplace_back(s);
  }
  void note(Step &step) {
    for (size_t i = 0; i < s.ids.size(); ++i)
      for (int32_t r = s.offsets[i]; r < s.offsets[i + 1]; ++r)
        s.model[s.ids[i]].push_back(s.seeds[size_t(r)]);
    step.ids = s.ids;
    step.offsets = s.offsets;
    step.model = s.model;
  }
  std::vector<fovea_value> there(const Step &step) const {
    std::vector<fovea_value> moved = args;
    moved[0] = step.tq.value();
    moved[1] = step.tv.value();
    moved[2] = step.tk.value();
    moved.back() = step.to.value();
    return moved;
  }

  /// Updates the plan of a stream and enqueues a run.
  void run(size_t on, const Rows &rows) {
    Step &step = make(rows);
    std::vector<fovea_value> moved = there(step);
    Tensor *here[] = {step.q.get(), step.v.get(), step.k.get()};
    for (size_t i = 0; i < 3; ++i)
      args[i] = here[i]->value();
    args.back() = step.o->value();
    Lane &lane = lanes[on];
    ASSERT_FOVEA(
        fovea_plan_update(lane.plan, &s.batch, args.data(), int(args.size())));
    ASSERT_FOVEA(fovea_run(lane.plan, 0, moved.data(), int(moved.size()),
                           lane.workspace, lane.stream));
    note(step);
  }

  /// Waits for a stream, and then looks at what its steps have given.
  void wait(size_t on) {
    ASSERT_FOVEA(
        fovea_stream_wait(s.loaded.ctx, Serving::device, lanes[on].stream));
  }
  /// Fetches all results.
  std::vector<std::vector<float>> results() {
    std::vector<std::vector<float>> all;
    for (Step &step : steps) {
      step.to.copy(FOVEA_CPU, step.o->dl.data, Serving::device,
                   step.to.dl.data);
      const auto *data = static_cast<const float *>(step.o->dl.data);
      all.emplace_back(data, data + step.o->bytes.size() / sizeof *data);
    }
    return all;
  }
  /// How many of them are not the model's: none, of a cache that rounds
  /// nothing.
  int wrong() {
    int bad = 0;
    results();
    for (Step &step : steps) {
      std::swap(s.o, step.o);
      std::swap(s.model, step.model);
      s.ids = step.ids;
      s.offsets = step.offsets;
      bad += s.wrong();
      std::swap(s.o, step.o);
      std::swap(s.model, step.model);
    }
    return bad;
  }

  struct Lane {
    fovea_stream stream = nullptr;
    fovea_plan *plan = nullptr;
    void *workspace = nullptr;
  };
  Serving &s;
  Lane lanes[2];
  std::deque<Step> steps;
  std::vector<fovea_value> args;
};

// Appends by a run, moves by a commit, and the next step on another stream.
TEST_F(CudaOrder, CommitsComeBehindRunsAndBeforeTheNext) {
  for (CacheKind kind : {CacheKind::Plain, CacheKind::Rich})
    expectNoRace([&] {
      Serving s(pagesOf4(kind), onGpu());
      s.begin(1);
      s.begin(2);
      Streams streams(s);
      streams.run(0, {{1, 9}, {2, 5}});
      s.commit(1);
      streams.run(1, {{1, 1}});
      s.commit(1);
      s.commit(2);
      streams.run(0, {{2, 1}, {1, 1}});
      streams.wait(0);
      streams.wait(1);
      if (kind == CacheKind::Plain)
        EXPECT_EQ(streams.wrong(), 0);
      return streams.results();
    });
}

// The host enqueues on: commits, forks and frees are no waits.
TEST_F(CudaOrder, CommitsForksAndFreesDoNotWait) {
  expectNoRace([&] {
    Serving s(pagesOf4(CacheKind::Rich), onGpu());
    s.begin(1);
    Streams streams(s);
    streams.run(0, {{1, 9}});
    int context = calls("cuCtxSynchronize"),
        stream = calls("cuStreamSynchronize");
    s.commit(1);
    s.fork(1, 9, 2);
    EXPECT_EQ(fovea_kv_free(s.kv, 1), FOVEA_OK);
    EXPECT_EQ(calls("cuCtxSynchronize"), context);
    EXPECT_EQ(calls("cuStreamSynchronize"), stream);
    s.model.erase(1);
    streams.run(1, {{2, 2}});
    streams.wait(1);
    return streams.results();
  });
}

// Lists of hundreds of commits are in flight at once: their memory is used
// again, and only once it has been copied.
TEST_F(CudaOrder, ListsOfCommitsStayUntilTheyAreCopied) {
  expectNoRace([&] {
    ServingLimits limits = onGpu();
    limits.seqs = 600;
    limits.maxLen = 8;
    limits.rows = 1200;
    Serving s(pagesOf4(CacheKind::Rich), limits);
    Streams streams(s);
    Rows all;
    for (uint64_t seq = 0; seq < 600; ++seq) {
      s.begin(seq);
      all.push_back({seq, 1});
    }
    streams.run(0, all);
    for (uint64_t seq = 0; seq < 600; ++seq)
      s.commit(seq);
    EXPECT_GT(calls("cuEventSynchronize"), 0);
    streams.run(1, all);
    streams.wait(1);
    return streams.results();
  });
}

// A run still reads pages that another sequence takes over.
TEST_F(CudaOrder, FreedPagesAreReadBeforeTheyAreWritten) {
  ServingLimits limits = onGpu();
  limits.pages = 3;
  Serving s(pagesOf4(CacheKind::Plain), limits);
  s.begin(1);
  Streams streams(s);
  streams.run(0, {{1, 9}});
  ASSERT_FOVEA(fovea_kv_free(s.kv, 1));
  s.model.erase(1);
  s.begin(2);
  streams.run(1, {{2, 10}});
  streams.wait(1);
  streams.wait(0);
  EXPECT_EQ(streams.wrong(), 0);
}

// What the host does on a stream of its own is behind a commit that names it.
TEST_F(CudaOrder, CommitsNameAStream) {
  Serving s(pagesOf4(CacheKind::Rich), onGpu()), cpu;
  s.begin(1);
  Streams streams(s);
  streams.run(0, {{1, 9}});
  ASSERT_FOVEA(fovea_kv_commit(s.kv, 1, nullptr, -1, streams.lanes[1].stream));
  // The commit is behind the run; who waits for it has waited for both.
  streams.wait(1);
  EXPECT_EQ(streams.wrong(), 0);
  cpu.begin(1);
  EXPECT_REFUSED(FOVEA_INVALID, "expected no stream on the CPU",
                 fovea_kv_commit(cpu.kv, 1, nullptr, -1, &cpu));
}

// A file is read from the pools, behind the run that wrote them.
TEST_F(CudaOrder, FilesHoldWhatRunsWrote) {
  std::string path =
      testing::TempDir() + "fovea-cuda-order-" + std::to_string(getpid());
  expectNoRace([&] {
    Serving s(pagesOf4(CacheKind::Rich), onGpu());
    s.begin(1);
    Streams streams(s);
    streams.run(0, {{1, 9}});
    s.commit(1);
    EXPECT_EQ(fovea_kv_save(s.kv, 1, path.c_str()), FOVEA_OK);
    FILE *file = std::fopen(path.c_str(), "rb");
    EXPECT_NE(file, nullptr);
    std::vector<unsigned char> read(1 << 14);
    read.resize(file ? std::fread(read.data(), 1, read.size(), file) : 0);
    if (file)
      std::fclose(file);
    std::remove(path.c_str());
    return Results{{read.begin(), read.end()}};
  });
}

// All runs of a graph have its buffers and arguments, whoever updated the plan.
TEST_F(CudaOrder, ReplaysOnTwoStreamsDoNotOverlap) {
  setenv("FAKE_CUDA_LAZY", "2", 1);
  ServingLimits limits = onGpu();
  limits.concurrent = 2;
  Serving s(pagesOf4(CacheKind::Plain), limits);
  s.begin(1);
  s.prepare({{1, 40}});
  fovea_graph *graph = graphOf(s);
  {
    Streams streams(s);
    Streams::Step &first = streams.make({{1, 7}});
    std::vector<fovea_value> moved = streams.there(first);
    fovea_value externals[] = {moved[0], moved[1], moved[2], moved.back()};
    ASSERT_FOVEA(fovea_graph_run_batch(graph, &s.batch, externals, 4, 7,
                                       streams.lanes[0].stream));
    streams.note(first);
    // The same rows again and again, for other results.
    std::deque<Tensor> results;
    std::deque<Serving::There> there;
    for (size_t on : {1, 0, 1}) {
      Tensor &result =
          results.emplace_back(first.o->shape, FOVEA_DTYPE_F32, 1e30);
      externals[3] = there.emplace_back(s, &result).value();
      ASSERT_FOVEA(
          fovea_graph_run(graph, externals, 4, 7, streams.lanes[on].stream));
    }
    streams.wait(1);
    for (size_t i = 0; i < results.size(); ++i)
      there[i].copy(FOVEA_CPU, results[i].dl.data, Serving::device,
                    there[i].dl.data);
    streams.wait(0);
    EXPECT_EQ(streams.wrong(), 0);
    for (const Tensor &result : results)
      EXPECT_EQ(result.bytes, first.o->bytes);
  }
  fovea_graph_destroy(graph);
}

} // namespace
