// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The compiler behind the C API, as an engine meets it: libfovea-jit is loaded
// by the runtime, and no LLVM is linked here. What the cache promises of any
// compiler is tested with a stand-in beside the runtime's tests.
#include <fovea/inspect.h>
#include <fovea/jit.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

#define ASSERT_FOVEA(call) ASSERT_EQ(call, FOVEA_OK) << fovea_message()
#define EXPECT_REFUSED(status, words, call)                                    \
  do {                                                                         \
    EXPECT_EQ(call, status) << fovea_message();                                \
    EXPECT_NE(std::string(fovea_message()).find(words), std::string::npos)     \
        << "message: " << fovea_message();                                     \
  } while (0)

/// A kernel `name` over one head of 16 channels.
std::string kernelText(const std::string &name, const std::string &mask) {
  return "func.func @" + name +
         "(%q: tensor<1x1x?x16xf32>, %k: tensor<1x1x?x16xf32>,\n"
         "    %v: tensor<1x1x?x16xf32>) -> tensor<1x1x?x16xf32>\n"
         "    attributes {attn.kernel} {\n"
         "  %o = attn.attention %q, %k, %v " +
         mask +
         "\n      : (tensor<1x1x?x16xf32>, tensor<1x1x?x16xf32>,\n"
         "         tensor<1x1x?x16xf32>) -> tensor<1x1x?x16xf32>\n"
         "  return %o : tensor<1x1x?x16xf32>\n}\n";
}

struct Seen {
  int severity, line, column;
  std::string file, label, text;
};

class Jit : public testing::Test {
protected:
  void SetUp() override {
    std::string host = fovea_host_target();
    if (host < "x86-64-v3")
      GTEST_SKIP() << "needs AVX2";
    root = testing::TempDir() + "fovea-jit-XXXXXX";
    ASSERT_NE(mkdtemp(root.data()), nullptr);
    directory = root + "/cache";
    ctx = openContext(nullptr);
  }
  void TearDown() override {
    if (root.empty())
      return;
    fovea_close(ctx);
    EXPECT_EQ(std::system(("rm -rf '" + root + "'").c_str()), 0);
  }

  fovea_ctx *openContext(const char *target) {
    fovea_options options{};
    options.size = sizeof options;
    options.target = target;
    EXPECT_EQ(fovea_executor_serial(&options.exec), FOVEA_OK);
    fovea_ctx *result = nullptr;
    EXPECT_EQ(fovea_open(FOVEA_API, &options, &result), FOVEA_OK)
        << fovea_message();
    return result;
  }

  fovea_jit_options options() {
    fovea_jit_options o{};
    o.size = sizeof o;
    o.library = FOVEA_JIT_PATH;
    o.cache_dir = directory.c_str();
    o.diag = [](void *user, const fovea_diag *d) {
      static_cast<std::vector<Seen> *>(user)->push_back(
          {d->severity, d->line, d->col, d->file, d->label, d->text});
    };
    o.user = &seen;
    return o;
  }

  fovea_status compile(const std::string &text, const fovea_jit_options &o,
                       fovea_bundle **out) {
    return fovea_jit_compile(ctx, "spec.mlir", text.data(), text.size(), &o,
                             out);
  }

  /// Compiles and, where that works, runs the kernel: `rows` gets the first
  /// channel of every row.
  fovea_status compileAndRun(const std::string &text, fovea_jit_options o,
                             std::vector<float> &rows);
  fovea_status runKernel(fovea_kernel *kernel, std::vector<float> &rows);

  std::vector<std::string> entries() {
    std::vector<std::string> names;
    if (DIR *d = opendir(directory.c_str())) {
      while (dirent *e = readdir(d))
        if (e->d_name[0] != '.' || std::string(e->d_name).size() > 2)
          names.push_back(directory + "/" + e->d_name);
      closedir(d);
    }
    return names;
  }

  std::string root, directory;
  fovea_ctx *ctx = nullptr;
  std::vector<Seen> seen;
};

constexpr int tokens = 24, channels = 16;

/// q = k = 0 and v[j] = j: row i is the mean of the keys that it sees.
fovea_status Jit::runKernel(fovea_kernel *kernel, std::vector<float> &rows) {
  std::vector<float> zero(tokens * channels), values, out(tokens * channels);
  for (int j = 0; j < tokens; ++j)
    values.insert(values.end(), channels, float(j));
  int64_t shape[4] = {1, 1, tokens, channels};
  DLTensor tensors[4] = {};
  float *data[4] = {zero.data(), zero.data(), values.data(), out.data()};
  fovea_value args[4] = {};
  for (int i = 0; i < 4; ++i) {
    tensors[i].data = data[i];
    tensors[i].device.device_type = kDLCPU;
    tensors[i].ndim = 4;
    tensors[i].dtype = {kDLFloat, 32, 1};
    tensors[i].shape = shape;
    args[i].kind = FOVEA_TENSOR;
    args[i].u.tensor = &tensors[i];
  }
  fovea_plan_limits limits{};
  limits.size = sizeof limits;
  limits.rows = limits.max_len = tokens;
  limits.seqs = 1;
  fovea_plan *plan = nullptr;
  fovea_status st = fovea_plan_create(kernel, &limits, &plan);
  if (!st)
    st = fovea_plan_update(plan, nullptr, args, 4);
  if (!st) {
    void *workspace =
        std::aligned_alloc(64, (fovea_plan_workspace(plan) + 64) / 64 * 64);
    st = fovea_run(plan, 0, args, 4, workspace, nullptr);
    std::free(workspace);
  }
  rows.clear();
  for (int i = 0; i < tokens && !st; ++i)
    rows.push_back(out[size_t(i) * channels]);
  fovea_plan_destroy(plan); // the message stays
  return st;
}

fovea_status Jit::compileAndRun(const std::string &text, fovea_jit_options o,
                                std::vector<float> &rows) {
  fovea_bundle *bundle = nullptr;
  fovea_kernel *kernel = nullptr;
  fovea_status st = compile(text, o, &bundle);
  if (!st)
    st = fovea_kernel_get(bundle, nullptr, FOVEA_CPU, &kernel);
  fovea_bundle_close(bundle);
  if (!st)
    st = runKernel(kernel, rows);
  fovea_kernel_release(kernel);
  return st;
}

/// The mean of the keys first..i for every row i.
std::vector<float> windowMeans(int window) {
  std::vector<float> rows;
  for (int i = 0; i < tokens; ++i) {
    int first = std::max(0, i - window + 1);
    rows.push_back(float(first + i) / 2);
  }
  return rows;
}

void expectNear(const std::vector<float> &a, const std::vector<float> &b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_NEAR(a[i], b[i], 1e-4) << "row " << i;
}

TEST_F(Jit, CompilesWithParametersAndHitsItsCache) {
  std::vector<float> rows;
  fovea_jit_info info{};
  info.size = sizeof info;
  fovea_jit_options o = options();
  const char *five[] = {"W=5"}, *nine[] = {"W=9"};
  o.n_defines = 1;
  o.info = &info;
  std::string text = kernelText("k", "mask(causal and window(${W}))");
  for (int hit = 0; hit < 2; ++hit) {
    o.defines = five;
    ASSERT_FOVEA(compileAndRun(text, o, rows));
    EXPECT_EQ(info.cache_hit, hit);
    expectNear(rows, windowMeans(5));
    o.defines = nine;
    ASSERT_FOVEA(compileAndRun(text, o, rows));
    EXPECT_EQ(info.cache_hit, hit);
    expectNear(rows, windowMeans(9));
  }
  EXPECT_EQ(entries().size(), 2u);
  EXPECT_TRUE(seen.empty());
}

TEST_F(Jit, ReportsWhereASpecIsWrong) {
  fovea_bundle *bundle = nullptr;
  // A word that no mask has: line 4 is the attention's.
  std::string text = kernelText("k", "mask(casual)");
  EXPECT_REFUSED(FOVEA_INVALID,
                 "spec.mlir:4:", compile(text, options(), &bundle));
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].severity, FOVEA_SEVERITY_ERROR);
  EXPECT_EQ(seen[0].file, "spec.mlir");
  EXPECT_EQ(seen[0].line, 4);
  EXPECT_EQ(seen[0].column,
            int(std::string("  %o = attn.attention %q, %k, %v mask(").size()) +
                1);
  EXPECT_NE(seen[0].text.find("'causal'"), std::string::npos) << seen[0].text;
  // A verifier's constraint, with its label apart from its text.
  seen.clear();
  text = kernelText("k", "mask(window(0))");
  EXPECT_EQ(compile(text, options(), &bundle), FOVEA_INVALID);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].label, "window_c1");
  EXPECT_EQ(seen[0].line, 4);
  EXPECT_EQ(seen[0].text.find("window_c1"), std::string::npos);
  // A parameter without a value.
  seen.clear();
  EXPECT_EQ(compile(kernelText("k", "mask(window(${W}))"), options(), &bundle),
            FOVEA_INVALID);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].line, 4);
  EXPECT_NE(seen[0].text.find("W"), std::string::npos);
  // Text that is no spec at all.
  for (const char *bad : {"", "}", "module {", "\x7f\xff"}) {
    seen.clear();
    EXPECT_EQ(compile(bad, options(), &bundle), FOVEA_INVALID) << bad;
    EXPECT_FALSE(seen.empty()) << bad;
  }
  EXPECT_EQ(bundle, nullptr);
  EXPECT_TRUE(entries().empty());
}

/// A table for `kernelText` with a causal mask: blocks of `keys` keys.
std::string tuningFor(const std::string &keys) {
  return "fovea-tuning 1\ncpu 'x'\nprefill target=x86-64-v3 dtype=f32 "
         "dims=16x16 group=1 over=tensors mask='causal' tile=6x16 keys=" +
         keys + " rows=32 convert=no\nend 1\n";
}

TEST_F(Jit, TakesTuningTables) {
  fovea_jit_info info{};
  info.size = sizeof info;
  fovea_jit_options o = options();
  o.info = &info;
  o.targets = "x86-64-v3";
  std::string text = kernelText("k", "mask(causal)"), first = tuningFor("24"),
              second = tuningFor("56");
  fovea_ctx *v3 = openContext("x86-64-v3");
  std::swap(v3, ctx);
  auto schedule = [&] {
    fovea_bundle *bundle = nullptr;
    EXPECT_EQ(compile(text, o, &bundle), FOVEA_OK) << fovea_message();
    const void *bytes = nullptr;
    size_t size = 0;
    EXPECT_EQ(fovea_bundle_section_get(bundle, FOVEA_SECTION_STRINGS, 0, &bytes,
                                       &size),
              FOVEA_OK);
    std::string strings(static_cast<const char *>(bytes), size), found;
    size_t at = strings.find("#tile.schedule<\"prefill\"");
    if (at != std::string::npos)
      found = strings.c_str() + at;
    std::vector<float> rows;
    EXPECT_EQ(compileAndRun(text, o, rows), FOVEA_OK) << fovea_message();
    expectNear(rows, windowMeans(tokens));
    fovea_bundle_close(bundle);
    return found;
  };
  std::string standard = schedule();
  EXPECT_EQ(standard.find("tuned"), std::string::npos) << standard;
  o.tuning = first.c_str();
  std::string a = schedule();
  EXPECT_NE(a.find("keys = 24"), std::string::npos) << a;
  EXPECT_NE(a.find("tuned = \"prefill target=x86-64-v3"), std::string::npos);
  // A changed table is another entry of the cache, the same one is not.
  o.tuning = second.c_str();
  EXPECT_NE(schedule().find("keys = 56"), std::string::npos);
  EXPECT_EQ(entries().size(), 3u);
  o.tuning = first.c_str();
  std::vector<float> rows;
  ASSERT_FOVEA(compileAndRun(text, o, rows));
  EXPECT_EQ(info.cache_hit, 1);
  // An older engine's struct ends before the table's name.
  o.size = offsetof(fovea_jit_options, tuning_name);
  ASSERT_FOVEA(compileAndRun(text, o, rows));
  EXPECT_EQ(info.cache_hit, 1);
  o.size = sizeof o;
  EXPECT_TRUE(seen.empty());
  // The environment's, and not the environment's.
  std::string path = root + "/env.tune";
  std::ofstream(path) << first;
  setenv("FOVEA_TUNING", path.c_str(), 1);
  o.tuning = nullptr;
  EXPECT_EQ(schedule(), a);
  o.tuning = "";
  EXPECT_EQ(schedule(), standard);
  unsetenv("FOVEA_TUNING");
  EXPECT_EQ(entries().size(), 3u);
  // What is wrong is at its place, under its name.
  std::string bad = tuningFor("0");
  o.tuning = bad.c_str();
  fovea_bundle *bundle = nullptr;
  EXPECT_REFUSED(FOVEA_INVALID,
                 "tuning table:3:97: error: expected keys in [1, 1048576], got "
                 "'0'",
                 compile(text, o, &bundle));
  o.tuning_name = "mine.tune";
  seen.clear();
  EXPECT_EQ(compile(text, o, &bundle), FOVEA_INVALID);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].file, "mine.tune");
  EXPECT_EQ(seen[0].line, 3);
  EXPECT_EQ(seen[0].column, 97);
  o.tuning = first.c_str();
  o.targets = "x86-64-v4";
  EXPECT_REFUSED(FOVEA_INVALID,
                 "mine.tune:3:1: error: expected an entry for x86-64-v4, got "
                 "entries for x86-64-v3 only",
                 compile(text, o, &bundle));
  std::swap(v3, ctx);
  fovea_close(v3);
}

TEST_F(Jit, StopsWhenCancelled) {
  std::string text;
  for (int i = 0; i < 64; ++i)
    text += kernelText("k" + std::to_string(i), "mask(causal)");
  fovea_jit_options o = options();
  volatile int cancel = 1;
  o.cancel = &cancel;
  fovea_bundle *bundle = nullptr;
  EXPECT_REFUSED(FOVEA_CANCELLED, "cancelled", compile(text, o, &bundle));
  // In the middle: 64 kernels take seconds.
  cancel = 0;
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    cancel = 1;
  });
  EXPECT_REFUSED(FOVEA_CANCELLED, "cancelled", compile(text, o, &bundle));
  stopper.join();
  EXPECT_EQ(bundle, nullptr);
  EXPECT_TRUE(entries().empty());
}

TEST_F(Jit, ThreadsCompileAtOnce) {
  // Two threads share a spec, two have their own; with a cache and without.
  for (const char *cache : {"", directory.c_str()}) {
    std::vector<std::thread> team;
    std::vector<float> rows[4];
    fovea_status status[4];
    for (int t = 0; t < 4; ++t)
      team.emplace_back([&, t] {
        fovea_jit_options o = options();
        o.diag = nullptr;
        o.cache_dir = cache;
        int window = t < 2 ? 4 : 4 + t;
        status[t] =
            compileAndRun(kernelText("k", "mask(causal and window(" +
                                              std::to_string(window) + "))"),
                          o, rows[t]);
      });
    for (std::thread &t : team)
      t.join();
    for (int t = 0; t < 4; ++t) {
      EXPECT_EQ(status[t], FOVEA_OK);
      expectNear(rows[t], windowMeans(t < 2 ? 4 : 4 + t));
    }
  }
  EXPECT_EQ(entries().size(), 3u);
}

TEST_F(Jit, ProcessesCompileAtOnce) {
  std::string text = kernelText("k", "mask(causal and window(3))");
  std::vector<pid_t> children;
  for (int p = 0; p < 2; ++p) {
    pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      std::vector<float> rows;
      fovea_status st = compileAndRun(text, options(), rows);
      _exit(st != FOVEA_OK || rows != windowMeans(3) || !seen.empty());
    }
    children.push_back(pid);
  }
  for (pid_t pid : children) {
    int status = -1;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(entries().size(), 1u); // no temporary file stays
}

TEST_F(Jit, GoesOnWithoutAUsableCache) {
  // A file in the directory's place: unusable for root as well.
  close(open(directory.c_str(), O_CREAT | O_WRONLY, 0600));
  std::vector<float> rows;
  ASSERT_FOVEA(compileAndRun(kernelText("k", "mask(causal and window(3))"),
                             options(), rows));
  expectNear(rows, windowMeans(3));
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].severity, FOVEA_SEVERITY_WARNING);
  EXPECT_NE(seen[0].text.find("cannot use the directory"), std::string::npos);
}

TEST_F(Jit, RebuildsADamagedEntry) {
  std::string text = kernelText("k", "mask(causal and window(3))");
  std::vector<float> rows;
  fovea_jit_info info{};
  info.size = sizeof info;
  fovea_jit_options o = options();
  o.info = &info;
  ASSERT_FOVEA(compileAndRun(text, o, rows));
  ASSERT_EQ(entries().size(), 1u);
  std::string file = entries()[0];
  struct stat good;
  ASSERT_EQ(stat(file.c_str(), &good), 0);
  // Bits flipped all over the file, and the file cut short.
  for (int i = 0; i <= 8; ++i) {
    seen.clear();
    int fd = open(file.c_str(), O_RDWR);
    ASSERT_GE(fd, 0);
    off_t at = (good.st_size - 1) * i / 8;
    if (i == 8) {
      ASSERT_EQ(ftruncate(fd, good.st_size / 2), 0);
    } else {
      char byte = 0;
      ASSERT_EQ(pread(fd, &byte, 1, at), 1);
      byte = char(byte ^ 4);
      ASSERT_EQ(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    ASSERT_FOVEA(compileAndRun(text, o, rows));
    EXPECT_EQ(info.cache_hit, 0) << "byte " << at;
    expectNear(rows, windowMeans(3));
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_NE(seen[0].text.find("is damaged"), std::string::npos);
    struct stat now;
    ASSERT_EQ(stat(file.c_str(), &now), 0);
    EXPECT_EQ(now.st_size, good.st_size);
  }
}

TEST_F(Jit, PlansButDoesNotRunCodeOfAnotherTarget) {
  std::string host = fovea_host_target();
  const char *other = host == "x86-64-v4" ? "x86-64-v3" : "x86-64-v4";
  fovea_ctx *any = ctx;
  ctx = openContext(host.c_str()); // only the host's own
  fovea_jit_options o = options();
  o.targets = other;
  fovea_bundle *bundle = nullptr;
  std::string text = kernelText("k", "mask(causal and window(3))");
  ASSERT_FOVEA(compile(text, o, &bundle));
  fovea_kernel *kernel = nullptr;
  ASSERT_FOVEA(fovea_kernel_get(bundle, nullptr, FOVEA_CPU, &kernel));
  EXPECT_EQ(fovea_kernel_target(kernel), nullptr);
  EXPECT_EQ(fovea_kernel_args(kernel), 4);
  std::vector<float> rows;
  EXPECT_REFUSED(FOVEA_UNSUPPORTED, other, runKernel(kernel, rows));
  fovea_kernel_release(kernel);
  fovea_bundle_close(bundle);
  fovea_close(ctx);
  ctx = any;
  // With code of both, the host's is taken.
  std::string both = std::string(other) + "," + host;
  o.targets = both.c_str();
  ASSERT_FOVEA(compileAndRun(text, o, rows));
  expectNear(rows, windowMeans(3));
  o.targets = "sparc";
  EXPECT_REFUSED(FOVEA_UNSUPPORTED, "sparc", compile(text, o, &bundle));
}

} // namespace
