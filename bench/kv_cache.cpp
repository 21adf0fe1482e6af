// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the cache manager costs a step: one token appended and committed in all
// layers, a plan over many long sequences, a fork, a save and a load. For
// whoever changes runtime/kvcache or runtime/plan.
//
//   kv_cache [FORMAT]     default: #kv.int8<per tok>; also bf16, f16, f32
#include <fovea/jit.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

static double nowUs() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch())
      .count();
}

static void check(fovea_status status) {
  if (!status)
    return;
  std::fprintf(stderr, "%s: %s\n", fovea_status_name(status), fovea_message());
  std::exit(1);
}

namespace {

/// Times of one thing, in microseconds.
struct Times {
  std::vector<double> us;
  void print(const char *what) {
    std::sort(us.begin(), us.end());
    std::printf("%-46s min %8.2f  median %8.2f us\n", what, us.front(),
                us[us.size() / 2]);
  }
};

constexpr const char *spec =
    "!c = !kv.cache<heads = 8, dim = ${D}, layout = paged<16>,\n"
    "               segments = [all : ${FORMAT}], new = bf16>\n"
    "!q = tensor<?x32x${D}xbf16>\n"
    "!t = tensor<?x8x${D}xbf16>\n"
    "func.func @step(%q: !q, %k: !t, %v: !t, %c: !c) -> (!q, !c)\n"
    "    attributes {attn.kernel} {\n"
    "  %c1 = kv.append %c, %k, %v : !c, !t, !t\n"
    "  %o = attn.attention %q, %c1 mask(causal) : (!q, !c) -> !q\n"
    "  return %o, %c1 : !q, !c\n"
    "}\n";

fovea_kernel *compile(fovea_ctx *ctx, const std::string &format, int dim) {
  std::string text = spec;
  if (format == "bf16") // rows lie in their final page: no `new`
    text.replace(text.find(", new = bf16"), 12, "");
  std::string defines[] = {"FORMAT=" + format, "D=" + std::to_string(dim)};
  const char *words[] = {defines[0].c_str(), defines[1].c_str()};
  fovea_jit_options options{};
  options.size = sizeof options;
  options.n_defines = 2;
  options.defines = words;
  fovea_bundle *bundle = nullptr;
  fovea_kernel *kernel = nullptr;
  check(fovea_jit_compile(ctx, "kv_cache", text.data(), text.size(), &options,
                          &bundle));
  check(fovea_kernel_get(bundle, nullptr, FOVEA_CPU, &kernel));
  fovea_bundle_close(bundle);
  return kernel;
}

fovea_kv *create(fovea_kernel *kernel, int layers, int64_t seqs, int64_t len,
                 int64_t rows) {
  fovea_kv_limits limits{};
  limits.size = sizeof limits;
  limits.layers = layers;
  limits.seqs = seqs;
  limits.max_len = len;
  limits.rows = rows;
  for (int arg = 0; arg < fovea_kernel_args(kernel); ++arg) {
    fovea_arg_info info{};
    info.size = sizeof info;
    check(fovea_kernel_arg(kernel, arg, &info));
    fovea_kv *kv = nullptr;
    if (info.kind != FOVEA_CACHE)
      continue;
    check(fovea_kv_create(kernel, arg, &limits, &kv));
    return kv;
  }
  std::fprintf(stderr, "expected a kernel with a cache\n");
  std::exit(1);
}

/// bf16 rows [rows, heads, dim] of small numbers.
struct Rows {
  Rows(int64_t rows, int64_t heads, int64_t dim)
      : shape{rows, heads, dim}, bits(size_t(rows * heads * dim)) {
    for (size_t i = 0; i < bits.size(); ++i)
      bits[i] = uint16_t(0x3f00 + i * 37 % 200); // 0.5 to 2
    tensor.data = bits.data();
    tensor.device = {kDLCPU, 0};
    tensor.ndim = 3;
    tensor.dtype = {kDLBfloat, 16, 1};
    tensor.shape = shape;
  }
  int64_t shape[3];
  std::vector<uint16_t> bits;
  fovea_tensor tensor{};
};

struct Batch {
  explicit Batch(int n, int rowsEach) {
    for (int i = 0; i < n; ++i) {
      ids.push_back(uint64_t(i) * 1009 + 7);
      offsets.push_back((i + 1) * rowsEach);
    }
    batch.size = sizeof batch;
    batch.n = n;
    batch.seq = ids.data();
    batch.rows = offsets.data();
  }
  std::vector<uint64_t> ids;
  std::vector<int32_t> offsets{0};
  fovea_batch batch{};
};

void appendAndCommit(fovea_kernel *kernel) {
  constexpr int layers = 32;
  fovea_kv *kv = create(kernel, layers, 16, 2048, 64);
  Batch one(1, 1);
  Rows k(1, 8, 128), v(1, 8, 128);
  check(fovea_kv_new(kv, one.ids[0]));
  Times extend, write, commit, all;
  for (int token = 0; token < 1500; ++token) {
    double t0 = nowUs();
    check(fovea_kv_extend(kv, &one.batch));
    double t1 = nowUs();
    for (int layer = 0; layer < layers; ++layer)
      check(fovea_kv_write(kv, &one.batch, layer, &k.tensor, &v.tensor));
    double t2 = nowUs();
    check(fovea_kv_commit(kv, one.ids[0], nullptr, -1, nullptr));
    double t3 = nowUs();
    extend.us.push_back(t1 - t0);
    write.us.push_back(t2 - t1);
    commit.us.push_back(t3 - t2);
    all.us.push_back(t3 - t0);
  }
  std::printf("one token, %d layers of 8 x 128:\n", layers);
  extend.print("  fovea_kv_extend");
  write.print("  fovea_kv_write, all layers");
  commit.print("  fovea_kv_commit");
  all.print("  append + commit");
  fovea_kv_destroy(kv);
}

void forkAndSave(fovea_kernel *kernel) {
  constexpr int layers = 4, tokens = 8200;
  fovea_kv *kv = create(kernel, layers, 4, tokens, tokens);
  Batch one(1, tokens);
  Rows rows(tokens, 8, 128);
  check(fovea_kv_new(kv, one.ids[0]));
  check(fovea_kv_extend(kv, &one.batch));
  for (int layer = 0; layer < layers; ++layer)
    check(fovea_kv_write(kv, &one.batch, layer, &rows.tensor, &rows.tensor));
  double start = nowUs();
  check(fovea_kv_commit(kv, one.ids[0], nullptr, -1, nullptr));
  std::printf("%d tokens, %d layers of 8 x 128:\n", tokens, layers);
  std::printf("%-46s %12.2f us\n", "  fovea_kv_commit of all at once",
              nowUs() - start);
  Times fork, save, load;
  const std::string file =
      (std::filesystem::temp_directory_path() / "fovea-bench.kv").string();
  const char *path = file.c_str();
  for (int i = 0; i < 20; ++i) {
    double t0 = nowUs();
    check(fovea_kv_fork(kv, one.ids[0], tokens, 1));
    fork.us.push_back(nowUs() - t0);
    check(fovea_kv_free(kv, 1));
  }
  for (int i = 0; i < 3; ++i) {
    double t0 = nowUs();
    check(fovea_kv_save(kv, one.ids[0], path));
    double t1 = nowUs();
    check(fovea_kv_load(kv, path, 1));
    double t2 = nowUs();
    save.us.push_back(t1 - t0);
    load.us.push_back(t2 - t1);
    check(fovea_kv_free(kv, 1));
  }
  std::remove(path);
  fork.print("  fovea_kv_fork");
  save.print("  fovea_kv_save");
  load.print("  fovea_kv_load");
  fovea_kv_destroy(kv);
}

/// 64 decodes over 8K tokens each; the head dim does not matter to a plan.
void planUpdate(fovea_kernel *kernel) {
  constexpr int seqs = 64, tokens = 8191, dim = 16;
  fovea_kv *kv = create(kernel, 1, seqs, tokens + 1, seqs * tokens);
  Batch fill(seqs, tokens), step(seqs, 1);
  for (uint64_t id : fill.ids)
    check(fovea_kv_new(kv, id));
  check(fovea_kv_extend(kv, &fill.batch));
  for (uint64_t id : fill.ids)
    check(fovea_kv_commit(kv, id, nullptr, -1, nullptr));
  fovea_plan_limits limits{};
  limits.size = sizeof limits;
  limits.rows = limits.seqs = seqs;
  limits.max_len = tokens + 1;
  fovea_plan *plan = nullptr;
  check(fovea_plan_create(kernel, &limits, &plan));
  Rows q(seqs, 32, dim), k(seqs, 8, dim), v(seqs, 8, dim), o(seqs, 32, dim);
  fovea_value args[5];
  const fovea_tensor *tensors[] = {&q.tensor, &k.tensor, &v.tensor, nullptr,
                                   &o.tensor};
  for (int i = 0; i < 5; ++i) {
    args[i].kind = tensors[i] ? FOVEA_TENSOR : FOVEA_CACHE;
    args[i].u.tensor = tensors[i];
    if (!tensors[i])
      args[i].u.kv = kv;
  }
  Times update;
  for (int i = 0; i < 200; ++i) {
    double start = nowUs();
    check(fovea_plan_update(plan, &step.batch, args, 5));
    update.us.push_back(nowUs() - start);
    for (uint64_t id : step.ids)
      check(fovea_kv_trim(kv, id, tokens));
  }
  std::printf("%d sequences of %d tokens, paged<16>:\n", seqs, tokens + 1);
  update.print("  fovea_plan_update");
  fovea_plan_destroy(plan);
  fovea_kv_destroy(kv);
}

} // namespace

int main(int argc, char **argv) {
  std::string format = argc > 1 ? argv[1] : "#kv.int8<per tok>";
  fovea_options options{};
  options.size = sizeof options;
  check(fovea_executor_threads(2, &options.exec));
  fovea_ctx *ctx = nullptr;
  check(fovea_open(FOVEA_API, &options, &ctx));
  std::printf("segments = [all : %s]\n", format.c_str());
  fovea_kernel *kernel = compile(ctx, format, 128);
  fovea_kernel *small = compile(ctx, format, 16);
  appendAndCommit(kernel);
  forkAndSave(kernel);
  planUpdate(small);
  fovea_kernel_release(kernel);
  fovea_kernel_release(small);
  fovea_close(ctx);
  return 0;
}
