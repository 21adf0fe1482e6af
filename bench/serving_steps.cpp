// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What plans of serving steps are worth: a prefix that many sequences share,
// read once against once per sequence; and decodes and a prefill chunk in one
// run against two. For whoever changes the planner.
//
//   serving_steps [KEY=VALUE...]     parameters of bench/specs/serving.mlir
#include <fovea/inspect.h>
#include <fovea/jit.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int repetitions = 15, layers = 2;

double nowMs() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch())
      .count();
}

void check(fovea_status status, const char *what) {
  if (!status)
    return;
  std::fprintf(stderr, "%s: %s: %s\n", what, fovea_status_name(status),
               fovea_message());
  std::exit(1);
}
#define CHECK(call) check(call, #call)

float widen(uint16_t bits) {
  uint32_t word = uint32_t(bits) << 16;
  float f;
  std::memcpy(&f, &word, sizeof f);
  return f;
}

/// bf16 [rows, heads, dim] of numbers in [-1, 1).
struct Rows {
  Rows(int64_t rows, int64_t heads, int64_t dim)
      : shape{rows, heads, dim}, data(size_t(rows * heads * dim)) {
    for (uint16_t &x : data) {
      float f = float(int(state = state * 1664525u + 1013904223u) >> 8) /
                float(1 << 23);
      uint32_t word;
      std::memcpy(&word, &f, sizeof word);
      x = uint16_t(word >> 16);
    }
    t.device = {kDLCPU, 0};
    t.dtype = {kDLBfloat, 16, 1};
    t.ndim = 3;
    t.shape = shape;
    t.data = data.data();
  }
  Rows(const Rows &) = delete;
  fovea_value value() const {
    fovea_value v{};
    v.u.tensor = &t;
    return v;
  }
  static inline uint32_t state = 1;
  int64_t shape[3];
  std::vector<uint16_t> data;
  fovea_tensor t{};
};

using Step = std::vector<std::pair<uint64_t, int>>; // (sequence, rows)

struct Engine {
  Engine(fovea_kernel *kernel, int64_t seqs, int64_t maxLen, int64_t rows,
         bool sharing)
      : kernel(kernel) {
    fovea_arg_info q{}, k{};
    q.size = k.size = sizeof q;
    CHECK(fovea_kernel_arg(kernel, 0, &q));
    CHECK(fovea_kernel_arg(kernel, 1, &k));
    heads = q.shape[1];
    kvHeads = k.shape[1];
    dim = q.shape[2];
    fovea_kv_limits room{};
    room.size = sizeof room;
    room.layers = layers;
    room.seqs = seqs;
    room.max_len = maxLen;
    room.rows = 2 * maxLen;
    room.pages = (seqs * maxLen + 15) / 16;
    CHECK(fovea_kv_create(kernel, 3, &room, &kv));
    fovea_plan_limits limits{};
    limits.size = sizeof limits;
    limits.rows = rows;
    limits.seqs = seqs;
    limits.max_len = maxLen;
    limits.no_sharing = !sharing;
    CHECK(fovea_plan_create(kernel, &limits, &plan));
    workspace = std::aligned_alloc(64, fovea_plan_workspace(plan) + 64);
  }
  ~Engine() {
    fovea_plan_destroy(plan);
    fovea_kv_destroy(kv);
    std::free(workspace);
  }
  Engine(const Engine &) = delete;

  void batchOf(const Step &step) {
    ids.clear();
    offsets = {0};
    for (auto [seq, n] : step) {
      ids.push_back(seq);
      offsets.push_back(offsets.back() + n);
    }
    batch = {};
    batch.size = sizeof batch;
    batch.n = int32_t(ids.size());
    batch.seq = ids.data();
    batch.rows = offsets.data();
  }
  void fill(uint64_t seq, int n) {
    for (int done = 0; done < n; done += 512) {
      int now = std::min(512, n - done);
      batchOf({{seq, now}});
      Rows k(now, kvHeads, dim), v(now, kvHeads, dim);
      CHECK(fovea_kv_extend(kv, &batch));
      for (int layer = 0; layer < layers; ++layer)
        CHECK(fovea_kv_write(kv, &batch, layer, &k.t, &v.t));
      CHECK(fovea_kv_commit(kv, seq, nullptr, -1, nullptr));
    }
  }
  /// The fastest of some runs of one step; the rows are taken back.
  double time(const Step &step, std::vector<float> *result = nullptr) {
    batchOf(step);
    int64_t n = offsets.back();
    Rows q(n, heads, dim), k(n, kvHeads, dim), v(n, kvHeads, dim),
        o(n, heads, dim);
    fovea_value cache{};
    cache.kind = FOVEA_CACHE;
    cache.u.kv = kv;
    fovea_value args[] = {q.value(), k.value(), v.value(), cache, o.value()};
    CHECK(fovea_plan_update(plan, &batch, args, 5));
    stats = {};
    stats.size = sizeof stats;
    CHECK(fovea_plan_stats(plan, -1, &stats));
    std::vector<double> ms;
    for (int i = 0; i <= repetitions; ++i) {
      double start = nowMs();
      for (int layer = 0; layer < layers; ++layer)
        CHECK(fovea_run(plan, layer, args, 5, workspace, nullptr));
      if (i)
        ms.push_back((nowMs() - start) / layers);
    }
    if (result) {
      result->clear();
      for (uint16_t x : o.data)
        result->push_back(widen(x));
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      int64_t len = 0, uncommitted = 0;
      CHECK(fovea_kv_length(kv, ids[i], &len, &uncommitted));
      CHECK(fovea_kv_trim(kv, ids[i], len - uncommitted));
    }
    return *std::min_element(ms.begin(), ms.end());
  }

  fovea_kernel *kernel;
  fovea_kv *kv = nullptr;
  fovea_plan *plan = nullptr;
  void *workspace = nullptr;
  int64_t heads = 0, kvHeads = 0, dim = 0;
  std::vector<uint64_t> ids;
  std::vector<int32_t> offsets;
  fovea_batch batch{};
  fovea_stats stats{};
};

void shared(fovea_kernel *kernel) {
  constexpr int n = 32, prefix = 4096, own = 64;
  double ms[2];
  fovea_stats stats[2];
  std::vector<float> results[2];
  for (int sharing : {0, 1}) {
    Rows::state = 1;
    Engine e(kernel, n + 1, prefix + 256, 64, sharing);
    CHECK(fovea_kv_new(e.kv, 0));
    e.fill(0, prefix);
    Step step;
    for (uint64_t i = 1; i <= n; ++i) {
      CHECK(fovea_kv_fork(e.kv, 0, prefix, i));
      e.fill(i, own);
      step.push_back({i, 1});
    }
    ms[sharing] = e.time(step, &results[sharing]);
    stats[sharing] = e.stats;
    std::printf("  %-9s %8.3f ms/layer %9.0f tokens/s  %8.1f MB of KV  "
                "update %.1f us  workspace %.1f MB  groups %lld\n",
                sharing ? "grouped" : "ungrouped", ms[sharing],
                n / ms[sharing] * 1e3, double(e.stats.kv_bytes) / 1e6,
                e.stats.update_ms * 1e3,
                double(fovea_plan_workspace(e.plan)) / 1e6,
                (long long)e.stats.shared_groups);
  }
  double worst = 0;
  for (size_t i = 0; i < results[0].size(); ++i)
    worst = std::max(worst, double(std::fabs(results[0][i] - results[1][i])));
  std::printf("  speed x %.2f, bytes / %.1f, largest difference %.2g\n",
              ms[0] / ms[1],
              double(stats[0].kv_bytes) / double(stats[1].kv_bytes), worst);
}

void mixed(fovea_kernel *kernel) {
  constexpr int n = 40, length = 2048, chunk = 300;
  Engine e(kernel, n + 1, length + 512, 512, true);
  Step decodes;
  for (uint64_t i = 0; i <= n; ++i) {
    CHECK(fovea_kv_new(e.kv, i));
    e.fill(i, i ? length : 1000);
    if (i)
      decodes.push_back({i, 1});
  }
  Step prefill = {{0, chunk}}, all = decodes;
  all.insert(all.begin(), {0, chunk});
  double best = 1e30, d = 0, p = 0, m = 0;
  for (int i = 0; i < 3; ++i) { // other programs disturb
    double a = e.time(decodes), b = e.time(prefill), c = e.time(all);
    if (c / (a + b) < best) {
      best = c / (a + b);
      d = a;
      p = b;
      m = c;
    }
  }
  std::printf("  %d decodes %.3f ms, a chunk of %d rows %.3f ms, both %.3f ms: "
              "%.3f of the sum\n",
              n, d, chunk, p, m, best);
}

} // namespace

int main(int argc, char **argv) {
  std::string text;
  if (FILE *f = std::fopen(FOVEA_SOURCE_DIR "/bench/specs/serving.mlir", "r")) {
    char block[4096];
    for (size_t n; (n = std::fread(block, 1, sizeof block, f));)
      text.append(block, n);
    std::fclose(f);
  }
  fovea_ctx *ctx = nullptr;
  CHECK(fovea_open(FOVEA_API, nullptr, &ctx));
  std::vector<std::vector<const char *>> sets = {{"H=32", "KV=32"},
                                                 {"H=32", "KV=8"}};
  if (argc > 1)
    sets = {{argv + 1, argv + argc}};
  std::printf("%d workers\n", fovea_workers(ctx));
  for (std::vector<const char *> &defines : sets) {
    fovea_jit_options options{};
    options.size = sizeof options;
    options.n_defines = int32_t(defines.size());
    options.defines = defines.data();
    fovea_bundle *bundle = nullptr;
    fovea_kernel *kernel = nullptr;
    CHECK(fovea_jit_compile(ctx, "serving.mlir", text.data(), text.size(),
                            &options, &bundle));
    CHECK(fovea_kernel_get(bundle, nullptr, FOVEA_CPU, &kernel));
    for (const char *define : defines)
      std::printf("%s ", define);
    std::printf("\n");
    shared(kernel);
    mixed(kernel);
    fovea_kernel_release(kernel);
    fovea_bundle_close(bundle);
  }
  fovea_close(ctx);
}
