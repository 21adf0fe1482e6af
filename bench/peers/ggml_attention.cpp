// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fovea and ggml's flash attention on the same numbers, in turn, one Markdown
// row per shape. Built where FOVEA_GGML names a checkout of ggml:
//
//   cmake --preset release -DFOVEA_GGML=FOLDER
//   ninja -C build/release ggml_attention
//   build/release/bin/ggml_attention [threads] [tokens of a decode]
//
// Times are the best of many calls; a decode reads caches larger than the last
// level. Both results are compared with each other before anything is timed.
#include <fovea/jit.h>
#include <fovea/runtime.h>

#include <ggml-cpu.h>
#include <ggml.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Shape {
  const char *name, *spec, *type; ///< spec file, its parameter T
  ggml_type stored;               ///< of ggml's keys and values
  int64_t heads, kvHeads, dim, queries, keys;
  double wanted; ///< ggml's time over Fovea's
};

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

void check(fovea_status status) {
  if (status == FOVEA_OK)
    return;
  std::fprintf(stderr, "%s\n", fovea_message());
  std::exit(1);
}

std::string readSpec(const char *name) {
  std::ifstream file(std::string(FOVEA_SOURCE_DIR "/bench/specs/") + name +
                     ".mlir");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Numbers in [-1, 1) with few enough bits to be the same in all formats.
std::vector<float> numbers(size_t n, uint32_t seed) {
  std::vector<float> data(n);
  for (float &x : data) {
    seed = seed * 1664525u + 1013904223u;
    x = float(int(seed >> 25) - 64) / 64.0f;
  }
  return data;
}

/// A row-major tensor of the runtime, with its memory.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<char> bytes;
  fovea_tensor view{};

  Tensor(std::vector<int64_t> extents, DLDataType type)
      : shape(std::move(extents)) {
    size_t n = size_t(type.bits) / 8;
    for (int64_t extent : shape)
      n *= size_t(extent);
    bytes.resize(n + 64);
    view.data = reinterpret_cast<void *>(
        (reinterpret_cast<uintptr_t>(bytes.data()) + 63) & ~uintptr_t(63));
    view.device.device_type = kDLCPU;
    view.ndim = int(shape.size());
    view.dtype = type;
    view.shape = shape.data();
  }
  Tensor(Tensor &&) = default;
  template <typename T>
  T *data() {
    return static_cast<T *>(view.data);
  }
};

constexpr DLDataType kF32{kDLFloat, 32, 1}, kI8{kDLInt, 8, 1};

DLDataType typeOf(const std::string &word) {
  if (word == "f32")
    return kF32;
  return {uint8_t(word == "f16" ? kDLFloat : kDLBfloat), 16, 1};
}

void store(const std::vector<float> &from, const std::string &word,
           Tensor &to) {
  if (word == "f32")
    std::memcpy(to.view.data, from.data(), from.size() * 4);
  else if (word == "f16")
    ggml_fp32_to_fp16_row(from.data(), to.data<ggml_fp16_t>(),
                          int64_t(from.size()));
  else
    ggml_fp32_to_bf16_row(from.data(), to.data<ggml_bf16_t>(),
                          int64_t(from.size()));
}

float loaded(Tensor &from, const std::string &word, size_t i) {
  if (word == "f32")
    return from.data<float>()[i];
  return word == "f16" ? ggml_fp16_to_fp32(from.data<ggml_fp16_t>()[i])
                       : ggml_bf16_to_fp32(from.data<ggml_bf16_t>()[i]);
}

/// One shape, ready to run in Fovea.
class Ours {
public:
  Ours(fovea_ctx *ctx, const Shape &s, const std::vector<float> &q,
       const std::vector<float> &k, const std::vector<float> &v)
      : type(s.type) {
    std::string defines[] = {"H=" + std::to_string(s.heads),
                             "KV=" + std::to_string(s.kvHeads),
                             "D=" + std::to_string(s.dim), "T=" + type};
    const char *words[] = {defines[0].c_str(), defines[1].c_str(),
                           defines[2].c_str(), defines[3].c_str()};
    fovea_jit_options options{};
    options.size = sizeof options;
    options.n_defines = 4;
    options.defines = words;
    std::string text = readSpec(s.spec);
    fovea_bundle *bundle = nullptr;
    check(fovea_jit_compile(ctx, s.spec, text.data(), text.size(), &options,
                            &bundle));
    fovea_kernel *kernel = nullptr;
    check(fovea_kernel_get(bundle, nullptr, FOVEA_CPU, &kernel));
    add({1, s.heads, s.queries, s.dim}, q);
    bool coded = std::string(s.spec) == "int8";
    for (const std::vector<float> *x : {&k, &v}) {
      if (coded)
        addCodes({1, s.kvHeads, s.keys, s.dim}, *x);
      else
        add({1, s.kvHeads, s.keys, s.dim}, *x);
    }
    tensors.emplace_back(std::vector<int64_t>{1, s.heads, s.queries, s.dim},
                         typeOf(type));
    for (Tensor &t : tensors) {
      fovea_value value{};
      value.kind = FOVEA_TENSOR;
      value.u.tensor = &t.view;
      args.push_back(value);
    }
    fovea_plan_limits limits{};
    limits.size = sizeof limits;
    limits.rows = s.queries;
    limits.seqs = 1;
    limits.max_len = s.keys;
    check(fovea_plan_create(kernel, &limits, &plan));
    workspace = std::aligned_alloc(
        64, (fovea_plan_workspace(plan) + 63) / 64 * 64 + 64);
    check(fovea_plan_update(plan, nullptr, args.data(), int(args.size())));
    fovea_kernel_release(kernel);
    fovea_bundle_close(bundle);
  }
  ~Ours() {
    fovea_plan_destroy(plan);
    std::free(workspace);
  }

  void run() {
    check(
        fovea_run(plan, 0, args.data(), int(args.size()), workspace, nullptr));
  }
  float output(size_t i) { return loaded(tensors.back(), type, i); }

private:
  void add(std::vector<int64_t> shape, const std::vector<float> &data) {
    tensors.emplace_back(std::move(shape), typeOf(type));
    store(data, type, tensors.back());
  }
  void addCodes(std::vector<int64_t> shape, const std::vector<float> &data) {
    int64_t dim = shape.back(), rows = int64_t(data.size()) / dim;
    Tensor codes(shape, kI8);
    shape.pop_back();
    Tensor scales(shape, kF32);
    for (int64_t r = 0; r < rows; ++r) {
      float most = 0;
      for (int64_t c = 0; c < dim; ++c)
        most = std::max(most, std::fabs(data[size_t(r * dim + c)]));
      scales.data<float>()[r] = most / 127;
      for (int64_t c = 0; c < dim; ++c)
        codes.data<int8_t>()[r * dim + c] = int8_t(
            std::lrint(most ? data[size_t(r * dim + c)] * 127 / most : 0.0f));
    }
    tensors.push_back(std::move(codes));
    tensors.push_back(std::move(scales));
  }

  std::string type;
  std::vector<Tensor> tensors;
  std::vector<fovea_value> args;
  fovea_plan *plan = nullptr;
  void *workspace = nullptr;
};

/// The same in ggml. Its results are [query][head][dim].
class Theirs {
public:
  Theirs(const Shape &s, int threads, const std::vector<float> &q,
         const std::vector<float> &k, const std::vector<float> &v) {
    size_t row = ggml_row_size(s.stored, s.dim);
    size_t memory = 2 * size_t(s.kvHeads * s.keys) * row +
                    8 * size_t(s.heads * s.queries * s.dim) * 4 + (16u << 20);
    context = ggml_init({memory, nullptr, false});
    ggml_tensor *query = ggml_new_tensor_4d(context, GGML_TYPE_F32, s.dim,
                                            s.queries, s.heads, 1);
    ggml_tensor *keys =
        ggml_new_tensor_4d(context, s.stored, s.dim, s.keys, s.kvHeads, 1);
    ggml_tensor *values =
        ggml_new_tensor_4d(context, s.stored, s.dim, s.keys, s.kvHeads, 1);
    std::memcpy(query->data, q.data(), q.size() * 4);
    ggml_quantize_init(s.stored);
    for (auto [to, from] : {std::pair(keys, &k), std::pair(values, &v)})
      if (s.stored == GGML_TYPE_F32)
        std::memcpy(to->data, from->data(), from->size() * 4);
      else
        ggml_quantize_chunk(s.stored, from->data(), to->data, 0,
                            s.kvHeads * s.keys, s.dim, nullptr);
    result = ggml_flash_attn_ext(context, query, keys, values, nullptr,
                                 1 / std::sqrt(float(s.dim)), 0, 0);
    graph = ggml_new_graph(context);
    ggml_build_forward_expand(graph, result);
    ggml_threadpool_params params = ggml_threadpool_params_default(threads);
    pool = ggml_threadpool_new(&params);
    plan = ggml_graph_plan(graph, threads, pool);
    work.resize(plan.work_size);
    plan.work_data = work.data();
  }
  ~Theirs() {
    ggml_threadpool_free(pool);
    ggml_free(context);
  }

  void run() { ggml_graph_compute(graph, &plan); }
  float output(int64_t head, int64_t query, int64_t c) const {
    return static_cast<float *>(
        result->data)[(query * result->ne[1] + head) * result->ne[0] + c];
  }

private:
  ggml_context *context;
  ggml_tensor *result;
  ggml_cgraph *graph;
  ggml_threadpool *pool;
  ggml_cplan plan;
  std::vector<uint8_t> work;
};

/// The best of several calls of both, in turn, in milliseconds.
std::pair<double, double> race(Ours &ours, Theirs &theirs) {
  double best[2] = {1e9, 1e9};
  double start = now();
  for (int i = 0; i < 5 || (i < 200 && now() - start < 3); ++i) {
    double t = now();
    ours.run();
    best[0] = std::min(best[0], now() - t);
    t = now();
    theirs.run();
    best[1] = std::min(best[1], now() - t);
  }
  return {best[0] * 1e3, best[1] * 1e3};
}

bool compare(const Shape &s, Ours &ours, Theirs &theirs) {
  ours.run();
  theirs.run();
  double most = 0, worst = 0;
  for (int64_t h = 0; h < s.heads; ++h)
    for (int64_t i = 0; i < s.queries; ++i)
      for (int64_t c = 0; c < s.dim; ++c) {
        double mine = ours.output(size_t((h * s.queries + i) * s.dim + c));
        double other = theirs.output(h, i, c);
        most = std::max(most, std::fabs(other));
        worst = std::max(worst, std::fabs(mine - other));
      }
  // ggml sums f16 values in f16, and its q8_0 has other scales than int8.
  if (worst <= 0.02 * most)
    return true;
  std::fprintf(stderr, "%s: results differ by %g, the largest is %g\n", s.name,
               worst, most);
  return false;
}

} // namespace

int main(int argc, char **argv) {
  int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  int64_t keys = argc > 2 ? std::atoll(argv[2]) : 65536;
  fovea_options options{};
  options.size = sizeof options;
  options.workers = threads;
  fovea_ctx *ctx = nullptr;
  check(fovea_open(FOVEA_API, &options, &ctx));
  const Shape shapes[] = {
      {"decode f16", "dense", "f16", GGML_TYPE_F16, 32, 8, 128, 1, keys, 4.5},
      {"decode bf16", "dense", "bf16", GGML_TYPE_BF16, 32, 8, 128, 1, keys, 6},
      {"decode int8 / q8_0", "int8", "bf16", GGML_TYPE_Q8_0, 32, 8, 128, 1,
       keys, 7},
      {"prefill f32", "dense", "f32", GGML_TYPE_F32, 2, 2, 128, 1024, 1024,
       1.5},
      {"prefill bf16", "dense", "bf16", GGML_TYPE_BF16, 2, 2, 128, 1024, 1024,
       6},
  };
  std::printf("%s, %d thread%s\n\n| what | ggml | Fovea | ratio | wanted |\n"
              "|---|---|---|---|---|\n",
              fovea_host_target(), threads, threads > 1 ? "s" : "");
  bool ok = true;
  for (const Shape &s : shapes) {
    auto q = numbers(size_t(s.heads * s.queries * s.dim), 1);
    auto k = numbers(size_t(s.kvHeads * s.keys * s.dim), 2);
    auto v = numbers(size_t(s.kvHeads * s.keys * s.dim), 3);
    // A few dozen keys decide a row, as in real models: ggml's f16 sums lose
    // most of tens of thousands of equal ones.
    for (float &x : q)
      x *= 8;
    Ours ours(ctx, s, q, k, v);
    Theirs theirs(s, threads, q, k, v);
    if (!compare(s, ours, theirs))
      return 1;
    auto [mine, other] = race(ours, theirs);
    std::printf("| %s, D = %lld, %lld keys | %.3f ms | %.3f ms | %.1f | "
                ">= %.1f |\n",
                s.name, (long long)s.dim, (long long)s.keys, other, mine,
                other / mine, s.wanted);
    std::fflush(stdout);
    ok &= other >= s.wanted * mine;
  }
  fovea_close(ctx);
  return ok ? 0 : 1;
}
