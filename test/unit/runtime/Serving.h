// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Steps of a kernel over a cache, beside a model of what the cache holds.
#ifndef FOVEA_TEST_UNIT_RUNTIME_SERVING_H
#define FOVEA_TEST_UNIT_RUNTIME_SERVING_H

#include "test/support/ServingKernel.h"
#include "test/unit/runtime/Fixture.h"

#include <map>
#include <memory>
#include <utility>

namespace fovea::test {

using Rows = std::vector<std::pair<uint64_t, int>>; // (sequence, rows)

struct ServingLimits {
  int64_t rows = 512, seqs = 16, maxLen = 1024, pages = 0;
  int workers = 1, layers = 1, concurrent = 1;
  bool deterministic = false, noSharing = false;
  bool gpu = false; // of the fake driver
};

inline BundleBuilder servingBundle(const ServingOptions &options, bool gpu) {
  BundleBuilder b = servingKernel(options);
  if (gpu)
    addFakeGpu(b);
  return b;
}

/// What a token holds; its seed is all that the model keeps.
inline float keyOf(int seed, int head, int d) {
  return float((seed * 5 + head + 2 * d) % 7 - 3);
}
inline float valueOf(int seed, int head, int d) {
  return float((seed * 7 + head * 3 + d) % 11 - 5);
}

class Serving {
public:
  Serving(const ServingOptions &options = {}, const ServingLimits &limits = {},
          const fovea_options &context = {})
      : options(options), limits(limits),
        loaded(servingBundle(options, limits.gpu), limits.workers, context) {
    if (limits.gpu) {
      fovea_kernel_release(loaded.kernel);
      EXPECT_EQ(
          fovea_kernel_get(loaded.bundle, nullptr, device, &loaded.kernel),
          FOVEA_OK)
          << fovea_message();
    }
    fovea_kv_limits l{};
    l.size = sizeof l;
    l.layers = limits.layers;
    l.pages = limits.pages;
    l.seqs = limits.seqs;
    l.max_len = limits.maxLen;
    l.rows = limits.seqs * limits.maxLen;
    EXPECT_EQ(fovea_kv_create(loaded.kernel, cacheArg(), &l, &kv), FOVEA_OK)
        << fovea_message();
    plan = createPlan();
    EXPECT_EQ(fovea_device_alloc(loaded.ctx, place(),
                                 fovea_plan_workspace(plan) + 64, &workspace),
              FOVEA_OK)
        << fovea_message();
  }
  ~Serving() {
    fovea_plan_destroy(plan);
    fovea_kv_destroy(kv);
    fovea_device_free(loaded.ctx, place(), workspace);
  }
  Serving(const Serving &) = delete;

  static constexpr fovea_device device = {kDLCUDA, 0};
  fovea_device place() const { return limits.gpu ? device : FOVEA_CPU; }

  /// A tensor where the kernel wants it.
  struct There {
    There(const Serving &s, Tensor *of) : s(s), of(of), dl(of->dl) {
      if (!s.limits.gpu)
        return;
      dl.device = {kDLCUDA, 0};
      EXPECT_EQ(fovea_device_alloc(s.loaded.ctx, device, of->bytes.size() + 1,
                                   &dl.data),
                FOVEA_OK);
      copy(device, dl.data, FOVEA_CPU, of->dl.data);
    }
    There(const There &) = delete;
    ~There() {
      if (!s.limits.gpu)
        return;
      copy(FOVEA_CPU, of->dl.data, device, dl.data);
      fovea_device_free(s.loaded.ctx, device, dl.data);
    }
    void copy(fovea_device to, void *dst, fovea_device from, void *src) {
      EXPECT_EQ(fovea_device_copy(s.loaded.ctx, to, dst, from, src,
                                  of->bytes.size(), nullptr),
                FOVEA_OK)
          << fovea_message();
      // Runs may be on other streams.
      EXPECT_EQ(fovea_stream_wait(s.loaded.ctx, device, nullptr), FOVEA_OK);
    }
    fovea_value value() const { return {FOVEA_TENSOR, {&dl}}; }
    const Serving &s;
    Tensor *of;
    DLTensor dl;
  };

  int cacheArg() const { return options.appends ? 3 : 1; }
  fovea_plan *createPlan() const {
    fovea_plan_limits l{};
    l.size = sizeof l;
    l.rows = limits.rows;
    l.seqs = limits.seqs;
    l.max_len = limits.maxLen;
    l.workers = limits.workers;
    l.concurrent = limits.concurrent;
    l.deterministic = limits.deterministic;
    l.no_sharing = limits.noSharing;
    fovea_plan *out = nullptr;
    EXPECT_EQ(fovea_plan_create(loaded.kernel, &l, &out), FOVEA_OK)
        << fovea_message();
    return out;
  }

  void begin(uint64_t seq) {
    ASSERT_FOVEA(fovea_kv_new(kv, seq));
    model[seq] = {};
  }
  void fork(uint64_t parent, int64_t len, uint64_t child) {
    ASSERT_FOVEA(fovea_kv_fork(kv, parent, len, child));
    model[child].assign(model[parent].begin(), model[parent].begin() + len);
  }
  void commit(uint64_t seq) {
    ASSERT_FOVEA(fovea_kv_commit(kv, seq, nullptr, -1, nullptr));
  }

  /// Tensors and the batch of a step; the model is not touched.
  void prepare(const Rows &step) {
    ids.clear();
    offsets = {0};
    for (auto [seq, n] : step) {
      ids.push_back(seq);
      offsets.push_back(offsets.back() + n);
    }
    int64_t rows = offsets.back();
    int heads = options.shape.heads, dim = options.shape.dim;
    int all = heads * options.group;
    q = std::make_unique<Tensor>(std::vector<int64_t>{rows, all, dim});
    o = std::make_unique<Tensor>(std::vector<int64_t>{rows, all, dim},
                                 FOVEA_DTYPE_F32, 1e30);
    k = std::make_unique<Tensor>(std::vector<int64_t>{rows, heads, dim});
    v = std::make_unique<Tensor>(std::vector<int64_t>{rows, heads, dim});
    seeds.clear();
    for (int64_t r = 0; r < rows; ++r) {
      seeds.push_back(next++ % 1000);
      for (int h = 0; h < heads; ++h)
        for (int d = 0; d < dim; ++d) {
          k->at((r * heads + h) * dim + d) = keyOf(seeds.back(), h, d);
          v->at((r * heads + h) * dim + d) = valueOf(seeds.back(), h, d);
        }
    }
    args.clear();
    args.push_back(q->value());
    if (options.appends) {
      args.push_back(v->value());
      args.push_back(k->value());
    }
    fovea_value cache{};
    cache.kind = FOVEA_CACHE;
    cache.u.kv = kv;
    args.push_back(cache);
    args.push_back(integer(window));
    args.push_back(o->value());
    batch = {};
    batch.size = sizeof batch;
    batch.n = int32_t(ids.size());
    batch.seq = ids.data();
    batch.rows = offsets.data();
  }
  fovea_status update() {
    fovea_status st =
        fovea_plan_update(plan, &batch, args.data(), int(args.size()));
    if (!st && options.appends)
      for (size_t i = 0; i < ids.size(); ++i)
        for (int32_t r = offsets[i]; r < offsets[i + 1]; ++r)
          model[ids[i]].push_back(seeds[size_t(r)]);
    return st;
  }
  fovea_status run(int layer = 0) {
    if (!limits.gpu)
      return fovea_run(plan, layer, args.data(), int(args.size()), workspace,
                       nullptr);
    There tq(*this, q.get()), tk(*this, k.get()), tv(*this, v.get()),
        to(*this, o.get());
    std::vector<fovea_value> moved = args;
    moved.front() = tq.value();
    moved.back() = to.value();
    if (options.appends) {
      moved[1] = tv.value();
      moved[2] = tk.value();
    }
    return fovea_run(plan, layer, moved.data(), int(moved.size()), workspace,
                     nullptr);
  }
  /// Appends rows without running the kernel.
  void fill(uint64_t seq, int rows) {
    prepare({{seq, rows}});
    ASSERT_FOVEA(fovea_kv_extend(kv, &batch));
    There tk(*this, k.get()), tv(*this, v.get());
    for (int layer = 0; layer < limits.layers; ++layer)
      ASSERT_FOVEA(fovea_kv_write(kv, &batch, layer, &tk.dl, &tv.dl));
    model[seq].insert(model[seq].end(), seeds.begin(), seeds.end());
  }
  /// A whole step, checked.
  void step(const Rows &rows) {
    prepare(rows);
    ASSERT_FOVEA(update());
    ASSERT_FOVEA(run());
    ASSERT_EQ(wrong(), 0);
  }
  int wrong() const {
    int bad = 0, heads = options.shape.heads, dim = options.shape.dim;
    for (size_t i = 0; i < ids.size(); ++i) {
      const std::vector<int> &tokens = model.at(ids[i]);
      int64_t n = offsets[i + 1] - offsets[i];
      for (int64_t r = 0; r < n; ++r) {
        int64_t at = int64_t(tokens.size()) - n + r;
        for (int h = 0; h < heads; ++h)
          for (int d = 0; d < dim; ++d) {
            float sum = 0;
            for (int64_t t = std::max<int64_t>(0, at - window + 1); t <= at;
                 ++t)
              sum += valueOf(tokens[size_t(t)], h, d) +
                     2 * keyOf(tokens[size_t(t)], h, d);
            for (int g = 0; g < options.group; ++g)
              bad += o->at(((offsets[i] + r) * heads * options.group +
                            h * options.group + g) *
                               dim +
                           d) != sum;
          }
      }
    }
    return bad;
  }

  ServingOptions options;
  ServingLimits limits;
  Loaded loaded;
  fovea_kv *kv = nullptr;
  fovea_plan *plan = nullptr;
  void *workspace = nullptr;
  std::map<uint64_t, std::vector<int>> model; // seeds of the tokens
  int64_t window = 1 << 20;
  int next = 0;

  std::unique_ptr<Tensor> q, k, v, o;
  std::vector<int> seeds;
  std::vector<uint64_t> ids;
  std::vector<int32_t> offsets;
  std::vector<fovea_value> args;
  fovea_batch batch{};
};

} // namespace fovea::test

#endif // FOVEA_TEST_UNIT_RUNTIME_SERVING_H
