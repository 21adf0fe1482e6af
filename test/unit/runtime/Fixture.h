// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Opens hand-made bundles for the tests of the runtime.
#ifndef FOVEA_TEST_UNIT_RUNTIME_FIXTURE_H
#define FOVEA_TEST_UNIT_RUNTIME_FIXTURE_H

#include "test/support/TestKernel.h"

#include <fovea/inspect.h>
#include <gtest/gtest.h>
#include <string>

namespace fovea::test {

#define ASSERT_FOVEA(call) ASSERT_EQ(call, FOVEA_OK) << fovea_message()
#define EXPECT_REFUSED(status, words, call)                                    \
  do {                                                                         \
    EXPECT_EQ(call, status) << fovea_message();                                \
    EXPECT_NE(std::string(fovea_message()).find(words), std::string::npos)     \
        << "message: " << fovea_message();                                     \
  } while (0)

/// A context on `workers` threads of the runtime's own pool.
inline fovea_ctx *openContext(int workers = 1, fovea_options options = {}) {
  options.size = sizeof options;
  if (!options.exec.parallel_for) {
    EXPECT_EQ(workers == 1 ? fovea_executor_serial(&options.exec)
                           : fovea_executor_threads(workers, &options.exec),
              FOVEA_OK);
  }
  fovea_ctx *ctx = nullptr;
  EXPECT_EQ(fovea_open(FOVEA_API, &options, &ctx), FOVEA_OK) << fovea_message();
  return ctx;
}

/// A kernel of a hand-made bundle with its context.
struct Loaded {
  Loaded(const BundleBuilder &builder, int workers = 1,
         const fovea_options &options = {})
      : Loaded(builder.build(), workers, options) {}
  Loaded(const std::vector<uint8_t> &bytes, int workers = 1,
         const fovea_options &options = {})
      : ctx(openContext(workers, options)) {
    EXPECT_EQ(fovea_bundle_memory(ctx, bytes.data(), bytes.size(), &bundle),
              FOVEA_OK)
        << fovea_message();
    EXPECT_EQ(fovea_kernel_get(bundle, nullptr, FOVEA_CPU, &kernel), FOVEA_OK)
        << fovea_message();
  }
  ~Loaded() {
    fovea_close(ctx);
    fovea_bundle_close(bundle);
    fovea_kernel_release(kernel);
  }
  fovea_ctx *ctx = nullptr;
  fovea_bundle *bundle = nullptr;
  fovea_kernel *kernel = nullptr;
};

struct Plan {
  Plan(fovea_kernel *kernel, int64_t rows, int64_t seqs, int64_t maxLen,
       int workers = 0, bool deterministic = false, int concurrent = 1) {
    fovea_plan_limits limits{};
    limits.size = sizeof limits;
    limits.rows = rows;
    limits.seqs = seqs;
    limits.max_len = maxLen;
    limits.workers = workers;
    limits.deterministic = deterministic;
    limits.concurrent = concurrent;
    EXPECT_EQ(fovea_plan_create(kernel, &limits, &plan), FOVEA_OK)
        << fovea_message();
    size_t bytes = fovea_plan_workspace(plan);
    workspace = std::aligned_alloc(64, bytes ? bytes : 64);
  }
  ~Plan() {
    fovea_plan_destroy(plan);
    std::free(workspace);
  }
  operator fovea_plan *() const { return plan; }
  fovea_plan *plan = nullptr;
  void *workspace = nullptr;
};

/// Arguments of the kernel "sum" for one step.
struct SumStep {
  SumStep(int64_t b, int64_t sq, int64_t sk, int64_t window, int heads = 2)
      : b(b), sq(sq), sk(sk), window(window), heads(heads), q({b, heads, sq}),
        v({b, sk}), o({b, heads, sq}, FOVEA_DTYPE_F32, -1) {
    for (int64_t i = 0; i < v.count(); ++i)
      v.at(i) = float(i % 7 - 3);
    args = {q.value(), v.value(), integer(window), o.value()};
  }

  /// Inserts a table before the result.
  void table(const Tensor &t) { args.insert(args.end() - 1, t.value()); }
  const fovea_value *data() const { return args.data(); }
  int size() const { return int(args.size()); }

  /// Number of results that differ from the sums computed here.
  int wrong(const int64_t *lengths = nullptr,
            const int64_t *offsets = nullptr) {
    int bad = 0;
    for (int64_t i = 0; i < b; ++i)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t x = 0; x < sq; ++x) {
          int64_t len = lengths ? lengths[i] : sk;
          int64_t token = x + (offsets ? offsets[i] : len - sq);
          double sum = 0;
          for (int64_t k = 0; k < len; ++k)
            if (k <= token && k > token - window)
              sum += v.at(i * sk + k);
          bad += o.at((i * heads + h) * sq + x) != float(sum);
        }
    return bad;
  }

  int64_t b, sq, sk, window;
  int heads;
  Tensor q, v, o;
  std::vector<fovea_value> args;
};

} // namespace fovea::test

#endif // FOVEA_TEST_UNIT_RUNTIME_FIXTURE_H
