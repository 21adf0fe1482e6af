// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels on a GPU, with a driver that is a fake: it runs the CPU's code of the
// test stages, faults when the runtime reads device memory, and refuses
// launches with pointers into the host's.
#include "runtime/cuda/Kernel.h"
#include "test/unit/runtime/Fixture.h"

#include <cstdlib>
#include <dlfcn.h>

using namespace fovea::test;

namespace {

constexpr fovea_device gpu = {kDLCUDA, 0};

class CudaRun : public testing::Test {
protected:
  static void SetUpTestSuite() {
    setenv("FOVEA_CUDA_LIBRARY", FAKE_CUDA, 1);
#ifdef EMULATOR
    setenv("FAKE_CUDA_EMULATOR", EMULATOR, 1);
#endif
  }
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    unsetenv("FAKE_CUDA_FAILS");
    unsetenv("FAKE_CUDA_MEMORY");
  }
};

template <typename Function>
Function fake(const char *name) {
  void *library = dlopen(FAKE_CUDA, RTLD_NOW);
  return reinterpret_cast<Function>(
      reinterpret_cast<uintptr_t>(dlsym(library, name)));
}
int calls(const char *name) {
  return fake<int (*)(const char *)>("fake_cuda_calls")(name);
}
size_t deviceMemory() { return fake<size_t (*)()>("fake_cuda_memory")(); }

/// A kernel on the fake GPU.
struct OnGpu {
  explicit OnGpu(const BundleBuilder &builder,
                 const fovea_options &options = {})
      : ctx(openContext(1, options)) {
    std::vector<uint8_t> bytes = builder.build();
    EXPECT_EQ(fovea_bundle_memory(ctx, bytes.data(), bytes.size(), &bundle),
              FOVEA_OK)
        << fovea_message();
    status = fovea_kernel_get(bundle, nullptr, gpu, &kernel);
  }
  ~OnGpu() {
    fovea_kernel_release(kernel);
    fovea_bundle_close(bundle);
    fovea_close(ctx);
  }
  fovea_ctx *ctx = nullptr;
  fovea_bundle *bundle = nullptr;
  fovea_kernel *kernel = nullptr;
  fovea_status status;
};

/// A copy of a tensor in device memory.
struct Copy {
  Copy(fovea_ctx *ctx, Tensor &from) : ctx(ctx), from(from), dl(from.dl) {
    status = fovea_device_alloc(ctx, gpu, from.bytes.size(), &dl.data);
    dl.device = {kDLCUDA, 0};
    send();
  }
  ~Copy() { fovea_device_free(ctx, gpu, dl.data); }
  void send() {
    if (!status)
      status = fovea_device_copy(ctx, gpu, dl.data, FOVEA_CPU,
                                 from.bytes.data(), from.bytes.size(), nullptr);
    if (!status) // runs are on other streams
      status = fovea_stream_wait(ctx, gpu, nullptr);
  }
  void fetch() {
    if (!status)
      status = fovea_device_copy(ctx, FOVEA_CPU, from.bytes.data(), gpu,
                                 dl.data, from.bytes.size(), nullptr);
  }
  fovea_value value() const { return {FOVEA_TENSOR, {&dl}}; }

  fovea_ctx *ctx;
  Tensor &from;
  DLTensor dl;
  fovea_status status = FOVEA_OK;
};

/// A plan with its workspace on the GPU.
struct GpuPlanOf {
  GpuPlanOf(const OnGpu &on, int64_t rows, int64_t seqs, int64_t maxLen,
            int concurrent = 1)
      : ctx(on.ctx) {
    fovea_plan_limits limits{};
    limits.size = sizeof limits;
    limits.rows = rows;
    limits.seqs = seqs;
    limits.max_len = maxLen;
    limits.concurrent = concurrent;
    status = fovea_plan_create(on.kernel, &limits, &plan);
    size_t bytes = fovea_plan_workspace(plan);
    if (!status)
      status = fovea_device_alloc(ctx, gpu, bytes ? bytes : 1, &workspace);
  }
  ~GpuPlanOf() {
    fovea_plan_destroy(plan);
    fovea_device_free(ctx, gpu, workspace);
  }
  fovea_ctx *ctx;
  fovea_plan *plan = nullptr;
  void *workspace = nullptr;
  fovea_status status;
};

struct Stream {
  explicit Stream(fovea_ctx *ctx) : ctx(ctx) {
    EXPECT_EQ(fovea_stream_create(ctx, gpu, &stream), FOVEA_OK);
  }
  ~Stream() { fovea_stream_destroy(ctx, gpu, stream); }
  fovea_ctx *ctx;
  fovea_stream stream = nullptr;
};

BundleBuilder gpuSum(const KernelOptions &options = {}) {
  BundleBuilder b = sumKernel(options);
  addFakeGpu(b);
  return b;
}

/// Runs a step there and counts the wrong results.
int wrongOnGpu(const OnGpu &on, GpuPlanOf &plan, SumStep &step,
               fovea_stream stream) {
  Copy q(on.ctx, step.q), v(on.ctx, step.v), o(on.ctx, step.o);
  fovea_value args[] = {q.value(), v.value(), integer(step.window), o.value()};
  EXPECT_EQ(fovea_plan_update(plan.plan, nullptr, args, 4), FOVEA_OK)
      << fovea_message();
  EXPECT_EQ(fovea_run(plan.plan, 0, args, 4, plan.workspace, stream), FOVEA_OK)
      << fovea_message();
  EXPECT_EQ(fovea_stream_wait(on.ctx, gpu, stream), FOVEA_OK);
  o.fetch();
  EXPECT_EQ(o.status, FOVEA_OK) << fovea_message();
  return step.wrong();
}

TEST_F(CudaRun, RunsWhatIsPlanned) {
  {
    OnGpu on(gpuSum());
    ASSERT_EQ(on.status, FOVEA_OK) << fovea_message();
    EXPECT_STREQ(fovea_kernel_target(on.kernel), "sm_90a");
    GpuPlanOf plan(on, 400, 4, 4096);
    ASSERT_EQ(plan.status, FOVEA_OK) << fovea_message();
    Stream stream(on.ctx);
    SumStep wide(4, 100, 300, 50), longer(1, 3, 4096, 4000), one(1, 1, 1, 1);
    for (SumStep *step : {&wide, &longer, &one, &wide})
      EXPECT_EQ(wrongOnGpu(on, plan, *step, stream.stream), 0);
    fovea_stats stats{};
    stats.size = sizeof stats;
    EXPECT_EQ(wrongOnGpu(on, plan, longer, stream.stream), 0);
    ASSERT_FOVEA(fovea_plan_stats(plan.plan, -1, &stats));
    EXPECT_GT(stats.slots, 1); // the multiprocessors share the keys
  }
  EXPECT_EQ(deviceMemory(), 0u);
}

TEST_F(CudaRun, ReadsLengthsOnTheHost) {
  KernelOptions options;
  options.lengths = true;
  OnGpu on(gpuSum(options));
  ASSERT_EQ(on.status, FOVEA_OK) << fovea_message();
  GpuPlanOf plan(on, 100, 3, 200);
  ASSERT_EQ(plan.status, FOVEA_OK) << fovea_message();
  SumStep step(3, 5, 90, 40);
  Tensor lengths({3}, FOVEA_DTYPE_I32);
  int64_t numbers[] = {90, 7, 33};
  for (int i = 0; i < 3; ++i)
    lengths.intAt(i) = int32_t(numbers[i]);
  Copy q(on.ctx, step.q), v(on.ctx, step.v), o(on.ctx, step.o);
  Copy there(on.ctx, lengths);
  fovea_value args[] = {q.value(), v.value(), integer(step.window),
                        lengths.value(), o.value()};
  ASSERT_FOVEA(fovea_plan_update(plan.plan, nullptr, args, 5));
  ASSERT_FOVEA(fovea_run(plan.plan, 0, args, 5, plan.workspace, nullptr));
  o.fetch();
  EXPECT_EQ(step.wrong(numbers), 0);
  args[3] = there.value();
  EXPECT_REFUSED(FOVEA_INVALID,
                 "argument 'lengths': expected memory that the planner reads, "
                 "of the CPU (device type 1), pinned (3) or managed (13), got "
                 "device type 2",
                 fovea_plan_update(plan.plan, nullptr, args, 5));
}

TEST_F(CudaRun, RefusesMemoryOfTheHostInRuns) {
  OnGpu on(gpuSum());
  GpuPlanOf plan(on, 100, 3, 200);
  SumStep step(1, 5, 90, 40);
  ASSERT_FOVEA(fovea_plan_update(plan.plan, nullptr, step.data(), 4));
  EXPECT_REFUSED(
      FOVEA_INVALID,
      "argument 'q': expected memory of GPU 0 (device type 2), got "
      "device type 1, number 0",
      fovea_run(plan.plan, 0, step.data(), 4, plan.workspace, nullptr));
  EXPECT_REFUSED(FOVEA_INVALID, "a kernel for the CPU",
                 fovea_run_items(plan.plan, 0, 0, 0, 1, 0, step.data(), 4,
                                 plan.workspace));
}

TEST_F(CudaRun, CountsAndResets) {
  OnGpu on(gpuSum());
  GpuPlanOf plan(on, 100, 3, 200, 2);
  SumStep step(2, 20, 90, 40);
  Stream one(on.ctx), two(on.ctx), three(on.ctx);
  fovea_counters counters{};
  counters.size = sizeof counters;
  for (int round = 0; round < 2; ++round) {
    for (const Stream *stream : {&one, &two, &three})
      EXPECT_EQ(wrongOnGpu(on, plan, step, stream->stream), 0);
    int64_t items = 0;
    for (int p = 0; p < fovea_plan_phases(plan.plan); ++p)
      items += fovea_plan_items(plan.plan, p);
    ASSERT_FOVEA(fovea_plan_counters(plan.plan, &counters, 1));
    EXPECT_EQ(counters.items, 3 * items);
  }
}

TEST_F(CudaRun, ErrorsOfStagesComeWithTheNextCall) {
  KernelOptions options;
  options.stage = Function::Failing;
  options.splittable = false;
  OnGpu on(gpuSum(options));
  GpuPlanOf plan(on, 100, 3, 200);
  SumStep step(1, 20, 90, 40), fine(1, 5, 90, 40);
  Copy q(on.ctx, step.q), v(on.ctx, step.v), o(on.ctx, step.o);
  fovea_value args[] = {q.value(), v.value(), integer(40), o.value()};
  ASSERT_FOVEA(fovea_plan_update(plan.plan, nullptr, args, 4));
  ASSERT_FOVEA(fovea_run(plan.plan, 0, args, 4, plan.workspace, nullptr));
  ASSERT_FOVEA(fovea_stream_wait(on.ctx, gpu, nullptr));
  EXPECT_REFUSED(FOVEA_INVALID,
                 "kernel 'sum': stage 'main' of an earlier run found an entry "
                 "of a list or table out of range (error 7)",
                 fovea_run(plan.plan, 0, args, 4, plan.workspace, nullptr));
  // Who counts has waited, and is told as well.
  ASSERT_FOVEA(fovea_run(plan.plan, 0, args, 4, plan.workspace, nullptr));
  fovea_counters counters{};
  counters.size = sizeof counters;
  EXPECT_REFUSED(FOVEA_INVALID, "(error 7)",
                 fovea_plan_counters(plan.plan, &counters, 0));
  // Told once, and forgotten.
  wrongOnGpu(on, plan, fine, nullptr);
  ASSERT_FOVEA(fovea_plan_update(plan.plan, nullptr, args, 4));
}

#ifdef EMULATOR
TEST_F(CudaRun, LaunchesThroughTheEmulator) {
  BundleBuilder b = countKernel(3, Function::CountEmulated, "sm_90a-emulated");
  addFakeGpu(b);
  OnGpu on(b);
  ASSERT_EQ(on.status, FOVEA_OK) << fovea_message();
  GpuPlanOf plan(on, 1000, 2, 64);
  Tensor q({2, 3, 43}), v({2, 1}), o({2, 3, 43});
  Copy dq(on.ctx, q), dv(on.ctx, v), result(on.ctx, o);
  fovea_value args[] = {dq.value(), dv.value(), result.value()};
  ASSERT_FOVEA(fovea_plan_update(plan.plan, nullptr, args, 3));
  for (int i = 1; i <= 2; ++i)
    ASSERT_FOVEA(fovea_run(plan.plan, 0, args, 3, plan.workspace, nullptr));
  result.fetch();
  for (int64_t j = 0; j < o.count(); ++j)
    ASSERT_EQ(o.at(j), 2.0f);
}
#endif

TEST_F(CudaRun, OutOfDeviceMemoryIsAStatus) {
  {
    OnGpu on(gpuSum());
    setenv("FAKE_CUDA_MEMORY", "100000", 1);
    GpuPlanOf plan(on, 8000, 30, 2000);
    EXPECT_EQ(plan.status, FOVEA_NO_MEMORY);
    std::string text = fovea_message();
    EXPECT_NE(text.find("bytes of device memory for a plan, got 100000 free of "
                        "100000 on GPU 0 (Fake H200 0)"),
              std::string::npos)
        << text;
    void *memory = nullptr;
    EXPECT_REFUSED(FOVEA_NO_MEMORY, "for the host, got 100000 free",
                   fovea_device_alloc(on.ctx, gpu, 100001, &memory));
  }
  EXPECT_EQ(deviceMemory(), 0u);
}

TEST_F(CudaRun, TheDriversCompilerSaysWhatIsWrong) {
  BundleBuilder b = gpuSum();
  for (fovea_bundle_launch &l : b.launches)
    l.cubin_bytes = 0;
  OnGpu on(b);
  EXPECT_REFUSED(FOVEA_DEVICE,
                 "kernel 'sum', PTX of kernel_0: cuModuleLoadDataEx: expected "
                 "success, got CUDA_ERROR_INVALID_PTX (218): a PTX JIT "
                 "compilation failed: ptxas fatal: this is a fake",
                 on.status);
}

TEST_F(CudaRun, CodeThatIsNone) {
  BundleBuilder b = sumKernel();
  b.gpuTarget("sm_90a", std::string(64, 'x'));
  OnGpu on(b);
  EXPECT_REFUSED(FOVEA_DEVICE,
                 "machine code of kernel_0: cuModuleLoadDataEx: expected "
                 "success, got CUDA_ERROR_INVALID_IMAGE (200)",
                 on.status);
  BundleBuilder renamed = gpuSum();
  renamed.launches[1].kernel = renamed.string("kernel_x");
  OnGpu other(renamed);
  EXPECT_REFUSED(FOVEA_DEVICE,
                 "kernel 'sum', function kernel_x: cuModuleGetFunction: "
                 "expected success, got CUDA_ERROR_NOT_FOUND",
                 other.status);
}

// The fake finds compiled code by the bundle around it: of an image that is in
// none it says so, wherever it lies.
TEST_F(CudaRun, CodeOutsideOfABundle) {
  constexpr int invalidImage = 200;
  auto load = fake<int (*)(void **, const void *, unsigned, int *, void **)>(
      "cuModuleLoadDataEx");
  auto push = fake<int (*)(void *)>("cuCtxPushCurrent_v2");
  auto pop = fake<int (*)(void **)>("cuCtxPopCurrent_v2");
  void *context = nullptr, *module = nullptr;
  ASSERT_EQ(
      fake<int (*)(void **, int)>("cuDevicePrimaryCtxRetain")(&context, 40), 0);
  ASSERT_EQ(push(context), 0);
  static const char constant[64] = "\177ELF";
  std::vector<char> heap(1 << 20, '/');
  const char stack[64] = "// PTX";
  for (const char *image :
       {&constant[0], static_cast<const char *>(&heap[heap.size() / 2]),
        &stack[0]})
    EXPECT_EQ(load(&module, image, 0, nullptr, nullptr), invalidImage);
  // A bundle that ends before the image.
  std::vector<uint8_t> bytes = sumKernel().build();
  constexpr size_t page = 4096;
  size_t room = bytes.size() / page * page + 2 * page;
  auto *pages = static_cast<char *>(std::aligned_alloc(page, room));
  std::memcpy(pages, bytes.data(), bytes.size());
  std::memcpy(pages + bytes.size(), constant, sizeof constant);
  EXPECT_EQ(load(&module, pages + bytes.size(), 0, nullptr, nullptr),
            invalidImage);
  std::free(pages);
  ASSERT_EQ(pop(&context), 0);
}

TEST_F(CudaRun, WhichCodeRunsWhere) {
  using fovea::rt::gpuRank;
  EXPECT_GE(gpuRank("sm_90a", 9, 0, true), 0);
  EXPECT_GE(gpuRank("sm_90a", 9, 0, false), 0);
  EXPECT_GT(gpuRank("sm_90a", 9, 0, true), gpuRank("sm_80", 9, 0, false));
  EXPECT_GT(gpuRank("sm_90a", 9, 0, true), gpuRank("sm_90a", 9, 0, false));
  for (bool cubin : {false, true}) {
    EXPECT_LT(gpuRank("sm_90a", 10, 0, cubin), 0);
    EXPECT_LT(gpuRank("sm_90a", 8, 0, cubin), 0);
    EXPECT_LT(gpuRank("sm_80", 7, 5, cubin), 0);
    EXPECT_GE(gpuRank("sm_80", 8, 6, cubin), 0);
    for (const char *none : {"sm_", "sm_80x", "sm_80-emulated", "x86-64", ""})
      EXPECT_LT(gpuRank(none, 9, 0, cubin), 0) << none;
  }
  EXPECT_LT(gpuRank("sm_80", 9, 0, true), 0);
  EXPECT_GE(gpuRank("sm_80", 9, 0, false), 0);
}

/// Copies the first head of the result into the values of the next layer.
fovea_status nextValues(void *user, const fovea_tensor *const *t, int n,
                        fovea_stream stream) {
  const DLTensor &o = *t[0], &v = *t[1];
  return fovea_device_copy(static_cast<fovea_ctx *>(user), gpu, v.data, gpu,
                           o.data, size_t(o.shape[2]) * 4, stream);
}

/// `layers` times o = sum of v over a window; v of the next is o's first head.
struct GpuLayers {
  GpuLayers(const OnGpu &on, int layers, bool capturable)
      : plan(on, most, 1, most), q({1, 2, most}), v({1, most}), o({1, 2, most}),
        dq(on.ctx, q), dv(on.ctx, v), result(on.ctx, o) {
    EXPECT_EQ(plan.status, FOVEA_OK) << fovea_message();
    EXPECT_EQ(fovea_graph_create(on.ctx, &graph), FOVEA_OK);
    int queries = fovea_graph_buffer(graph, &q.dl, 2, 1);
    int input = fovea_graph_buffer(graph, &v.dl, 1, 1);
    int window = fovea_graph_scalar(graph, integer(3));
    for (int i = 0; i < layers; ++i) {
      bool last = i + 1 == layers;
      int out = fovea_graph_buffer(graph, &o.dl, 2, last);
      int ids[] = {queries, input, window, out};
      EXPECT_EQ(fovea_graph_kernel(graph, plan.plan, i, ids, 4), FOVEA_OK)
          << fovea_message();
      if (last)
        break;
      input = fovea_graph_buffer(graph, &v.dl, 1, 0);
      int between[] = {out, input};
      EXPECT_EQ(
          fovea_graph_call(graph, nextValues, on.ctx, between, 2, capturable),
          FOVEA_OK);
    }
    status = fovea_graph_finish(graph);
  }
  ~GpuLayers() { fovea_graph_destroy(graph); }

  /// Number of wrong results of a run with so many rows.
  int run(int layers, int64_t rows, fovea_stream stream) {
    for (int64_t i = 0; i < rows; ++i)
      v.at(i) = float((i * 5 + rows) % 7 - 3);
    dv.send();
    dq.dl.shape = result.dl.shape = shape;
    dv.dl.shape = shape + 1;
    shape[2] = rows;
    int64_t flat[] = {1, rows};
    dv.dl.shape = flat;
    dq.dl.strides = result.dl.strides = dv.dl.strides = nullptr;
    fovea_value externals[] = {dq.value(), dv.value(), result.value()};
    EXPECT_EQ(fovea_graph_run(graph, externals, 3, rows, stream), FOVEA_OK)
        << fovea_message();
    EXPECT_EQ(fovea_stream_wait(plan.ctx, gpu, stream), FOVEA_OK);
    result.fetch();
    std::vector<float> now(v.bytes.size() / 4);
    for (int64_t i = 0; i < rows; ++i)
      now[size_t(i)] = v.at(i);
    for (int l = 0; l < layers; ++l)
      for (int64_t i = rows; i-- > 0;)
        for (int64_t k = i > 1 ? i - 2 : 0; k < i; ++k)
          now[size_t(i)] += now[size_t(k)];
    int bad = 0;
    for (int64_t i = 0; i < rows; ++i)
      bad += o.at(i) != now[size_t(i)] || o.at(rows + i) != now[size_t(i)];
    return bad;
  }

  static constexpr int64_t most = 150;
  GpuPlanOf plan;
  Tensor q, v, o;
  Copy dq, dv, result;
  fovea_graph *graph = nullptr;
  fovea_status status;
  int64_t shape[3] = {1, 2, 0};
};

TEST_F(CudaRun, CapturedGraphsReplayWithNewPlans) {
  {
    OnGpu on(gpuSum());
    GpuLayers one(on, 1, true);
    ASSERT_EQ(one.status, FOVEA_OK) << fovea_message();
    Stream stream(on.ctx);
    int captures = calls("cuStreamBeginCapture_v2");
    int launches = calls("cuGraphLaunch");
    for (int64_t rows : {150, 1, 77, 150, 3})
      EXPECT_EQ(one.run(1, rows, stream.stream), 0) << rows;
    // Without host functions one capture serves all rows.
    EXPECT_EQ(calls("cuStreamBeginCapture_v2") - captures, 1);
    EXPECT_EQ(calls("cuGraphLaunch") - launches, 5);
    fovea_counters counters{};
    counters.size = sizeof counters;
    ASSERT_FOVEA(fovea_plan_counters(one.plan.plan, &counters, 0));
    EXPECT_GT(counters.items, 5);
  }
  EXPECT_EQ(deviceMemory(), 0u);
}

TEST_F(CudaRun, HostFunctionsAreCapturedIfTheyOnlyEnqueue) {
  OnGpu on(gpuSum());
  for (bool capturable : {true, false}) {
    GpuLayers layers(on, 3, capturable);
    ASSERT_EQ(layers.status, FOVEA_OK) << fovea_message();
    Stream stream(on.ctx);
    int captures = calls("cuStreamBeginCapture_v2");
    for (int64_t rows : {150, 150, 77, 77, 77})
      EXPECT_EQ(layers.run(3, rows, stream.stream), 0) << rows;
    EXPECT_EQ(calls("cuStreamBeginCapture_v2") - captures, capturable ? 2 : 0);
    // The default stream cannot be captured.
    EXPECT_EQ(layers.run(3, 20, nullptr), 0);
  }
}

/// A kernel, and a function of the host that notes the strides of its result.
struct Noting {
  Noting(const OnGpu &on, int concurrent)
      : plan(on, 20, 1, 20, concurrent), q({1, 2, 20}), v({1, 20}),
        o({1, 2, 20}), dq(on.ctx, q), dv(on.ctx, v), result(on.ctx, o) {
    EXPECT_EQ(fovea_graph_create(on.ctx, &graph), FOVEA_OK);
    int ids[] = {fovea_graph_buffer(graph, &q.dl, 2, 1),
                 fovea_graph_buffer(graph, &v.dl, 1, 1),
                 fovea_graph_scalar(graph, integer(3)),
                 fovea_graph_buffer(graph, &o.dl, 2, 1)};
    EXPECT_EQ(fovea_graph_kernel(graph, plan.plan, 0, ids, 4), FOVEA_OK);
    auto note = [](void *user, const fovea_tensor *const *t, int,
                   fovea_stream) {
      const int64_t *strides = t[0]->strides;
      static_cast<std::vector<int64_t> *>(user)->push_back(
          strides ? strides[1] : t[0]->shape[2]);
      return FOVEA_OK;
    };
    EXPECT_EQ(fovea_graph_call(graph, note, &noted, &ids[3], 1, 1), FOVEA_OK);
    EXPECT_EQ(fovea_graph_finish(graph), FOVEA_OK) << fovea_message();
  }
  ~Noting() { fovea_graph_destroy(graph); }

  /// Ten rows; the result has these strides.
  void run(fovea_stream stream, int64_t *strides) {
    int64_t rows[] = {1, 2, 10}, values[] = {1, 10};
    dq.dl.shape = result.dl.shape = rows;
    dv.dl.shape = values;
    dq.dl.strides = dv.dl.strides = nullptr;
    result.dl.strides = strides;
    fovea_value externals[] = {dq.value(), dv.value(), result.value()};
    EXPECT_EQ(fovea_graph_run(graph, externals, 3, 10, stream), FOVEA_OK)
        << fovea_message();
  }

  GpuPlanOf plan;
  Tensor q, v, o;
  Copy dq, dv, result;
  fovea_graph *graph = nullptr;
  std::vector<int64_t> noted;
};

TEST_F(CudaRun, HostFunctionsAreCapturedAnewForOtherStrides) {
  OnGpu on(gpuSum());
  Noting graph(on, 1);
  Stream stream(on.ctx);
  int64_t dense[] = {20, 10, 1}, apart[] = {40, 20, 1};
  for (int64_t *strides : {(int64_t *)nullptr, dense, apart, apart})
    graph.run(stream.stream, strides);
  EXPECT_EQ(graph.noted, (std::vector<int64_t>{10, 20}));
}

// A stream beyond limits.concurrent takes a lane, and with it the counters,
// that a captured graph has used.
TEST_F(CudaRun, GraphsAreCapturedAnewForOtherLanes) {
  OnGpu on(gpuSum());
  Noting graph(on, 2);
  Stream one(on.ctx), two(on.ctx), three(on.ctx);
  SumStep step(1, 5, 20, 20);
  for (int i = 0; i < 2; ++i)
    graph.run(one.stream, nullptr);
  EXPECT_EQ(graph.noted.size(), 1u);
  EXPECT_EQ(wrongOnGpu(on, graph.plan, step, two.stream), 0);
  graph.run(one.stream, nullptr);
  EXPECT_EQ(graph.noted.size(), 1u);
  EXPECT_EQ(wrongOnGpu(on, graph.plan, step, three.stream), 0);
  for (int i = 0; i < 2; ++i)
    graph.run(one.stream, nullptr);
  EXPECT_EQ(graph.noted.size(), 2u);
}

TEST_F(CudaRun, GraphsStayOnOneDevice) {
  BundleBuilder b = gpuSum();
  OnGpu on(b);
  std::vector<uint8_t> bytes = b.build();
  fovea_kernel *cpu = nullptr;
  ASSERT_FOVEA(fovea_kernel_get(on.bundle, nullptr, FOVEA_CPU, &cpu));
  EXPECT_STREQ(fovea_kernel_target(cpu), "x86-64");
  GpuPlanOf there(on, 100, 1, 100);
  Plan here(cpu, 100, 1, 100);
  Tensor q({1, 2, 100}), v({1, 100}), o({1, 2, 100});
  fovea_graph *graph = nullptr;
  ASSERT_FOVEA(fovea_graph_create(on.ctx, &graph));
  int ids[] = {fovea_graph_buffer(graph, &q.dl, 2, 1),
               fovea_graph_buffer(graph, &v.dl, 1, 1),
               fovea_graph_scalar(graph, integer(3)),
               fovea_graph_buffer(graph, &o.dl, 2, 1)};
  ASSERT_FOVEA(fovea_graph_kernel(graph, there.plan, 0, ids, 4));
  ASSERT_FOVEA(fovea_graph_kernel(graph, here, 0, ids, 4));
  EXPECT_REFUSED(FOVEA_INVALID, "kernels of a graph to be on one device",
                 fovea_graph_finish(graph));
  fovea_graph_destroy(graph);
  fovea_kernel_release(cpu);
}

// Every call of the driver, when it fails: a status that names it, and all
// device memory is given back.
TEST_F(CudaRun, EachFailureOfTheDriverIsAStatus) {
  auto session = []() -> fovea_status {
    OnGpu on(gpuSum());
    if (on.status)
      return on.status;
    GpuPlanOf plan(on, 100, 1, 100);
    SumStep step(1, 20, 90, 40);
    Copy q(on.ctx, step.q), v(on.ctx, step.v), o(on.ctx, step.o);
    fovea_stream stream = nullptr;
    fovea_status st = fovea_stream_create(on.ctx, gpu, &stream);
    for (fovea_status other : {plan.status, q.status, v.status, o.status})
      st = st ? st : other;
    fovea_value args[] = {q.value(), v.value(), integer(40), o.value()};
    if (!st)
      st = fovea_plan_update(plan.plan, nullptr, args, 4);
    for (int i = 0; i < 2 && !st; ++i)
      st = fovea_run(plan.plan, 0, args, 4, plan.workspace, stream);
    if (!st) {
      GpuLayers layers(on, 2, true);
      fovea_value externals[] = {layers.dq.value(), layers.dv.value(),
                                 layers.result.value()};
      st = layers.status
               ? layers.status
               : fovea_graph_run(layers.graph, externals, 3, 150, stream);
    }
    fovea_counters counters{};
    counters.size = sizeof counters;
    if (!st)
      st = fovea_plan_counters(plan.plan, &counters, 0);
    fovea_stream_destroy(on.ctx, gpu, stream);
    return st;
  };
  ASSERT_FOVEA(session());
  for (const char *call :
       {"cuCtxPushCurrent_v2", "cuModuleLoadDataEx", "cuModuleGetFunction",
        "cuFuncSetAttribute", "cuOccupancyMaxActiveBlocksPerMultiprocessor",
        "cuMemAlloc_v2", "cuMemHostAlloc", "cuMemcpyHtoDAsync_v2",
        "cuMemsetD8Async", "cuMemcpyDtoHAsync_v2", "cuStreamCreate",
        "cuEventCreate", "cuEventRecord", "cuLaunchKernel",
        "cuStreamBeginCapture_v2", "cuStreamEndCapture",
        "cuGraphInstantiateWithFlags", "cuGraphLaunch", "cuCtxSynchronize"}) {
    setenv("FAKE_CUDA_FAILS", (std::string(call) + ":999").c_str(), 1);
    EXPECT_EQ(session(), FOVEA_DEVICE) << call;
    EXPECT_NE(std::string(fovea_message()).find(call), std::string::npos)
        << fovea_message();
    unsetenv("FAKE_CUDA_FAILS");
    EXPECT_EQ(deviceMemory(), 0u) << call;
  }
}

} // namespace
