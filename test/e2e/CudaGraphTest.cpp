// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Graphs of compiled kernels on the fake driver's GPU: captured once, replayed
// after their plan was updated with other lengths, each result against the
// naive oracle.
#include "test/e2e/OnFakeGpu.h"
#include "test/support/NaiveAttention.h"

#include <gtest/gtest.h>

using namespace fovea::e2e;

namespace {

constexpr int64_t kSeqs = 2, kHeads = 4, kKeyHeads = 2, kDim = 32;

const char *const kSpec = R"(
  !q = tensor<?x4x?x32xf16>
  !k = tensor<?x2x?x32xf16>
  func.func @layer(%q: !q, %k: !k, %v: !k, %len: tensor<?xi32>) -> !q
      attributes {attn.kernel} {
    %o = attn.attention %q, %k, %v mask(causal) lengths(%len : tensor<?xi32>)
        : (!q, !k, !k) -> !q
    return %o : !q
  })";

struct Step {
  int64_t rows, keys;
  std::vector<int32_t> lengths;
};

/// Head h of the second tensor becomes head h + 1 of the first. Enqueues only.
fovea_status turnHeads(void *user, const fovea_tensor *const *t, int,
                       fovea_stream stream) {
  auto *ctx = static_cast<fovea_ctx *>(user);
  size_t bytes = size_t(t[0]->shape[2] * kDim) * sizeof(_Float16);
  for (int64_t b = 0; b < kSeqs; ++b)
    for (int64_t h = 0; h < kHeads; ++h) {
      auto at = [&](int which, int64_t head) {
        return static_cast<char *>(t[which]->data) +
               size_t(b * kHeads + head % kHeads) * bytes;
      };
      if (fovea_status st = fovea_device_copy(
              ctx, kFakeGpu, at(0, h + 1), kFakeGpu, at(1, h), bytes, stream))
        return st;
    }
  return FOVEA_OK;
}

naive::Array toArray(const CallTensor &tensor) {
  naive::Array array(tensor.shape);
  std::copy(tensor.data.begin(), tensor.data.end(), array.data.begin());
  return array;
}

/// Attention whose results are the queries of a second one over the same keys;
/// between the two a function of the host may turn the heads.
class Layers {
public:
  Layers(int64_t mostRows, int64_t mostKeys, bool turns)
      : gpu(kSpec, "layer"), turns(turns) {
    if (!gpu.good())
      return;
    fovea_plan_limits limits = {};
    limits.size = sizeof limits;
    limits.seqs = kSeqs;
    limits.rows = kSeqs * mostRows;
    limits.max_len = mostKeys;
    EXPECT_EQ(fovea_plan_create(gpu.kernel(), &limits, &plan), FOVEA_OK)
        << fovea_message();
    EXPECT_EQ(fovea_graph_create(gpu.context(), &graph), FOVEA_OK);
    CallTensor rows({kSeqs, kHeads, mostRows, kDim}, true),
        keys({kSeqs, kKeyHeads, mostKeys, kDim}, true);
    std::vector<int32_t> none(kSeqs);
    DLTensor len = lengthsOf(none);
    int q = fovea_graph_buffer(graph, &rows.dl, 2, 1),
        k = fovea_graph_buffer(graph, &keys.dl, -1, 1),
        v = fovea_graph_buffer(graph, &keys.dl, -1, 1),
        l = fovea_graph_buffer(graph, &len, -1, 1),
        between = fovea_graph_buffer(graph, &rows.dl, 2, 0);
    int first[] = {q, k, v, l, between};
    EXPECT_EQ(fovea_graph_kernel(graph, plan, 0, first, 5), FOVEA_OK)
        << fovea_message();
    int next = between;
    if (turns) {
      next = fovea_graph_buffer(graph, &rows.dl, 2, 0);
      int both[] = {next, between};
      EXPECT_EQ(fovea_graph_call(graph, turnHeads, gpu.context(), both, 2,
                                 /*capturable=*/1),
                FOVEA_OK)
          << fovea_message();
    }
    int o = fovea_graph_buffer(graph, &rows.dl, 2, 1);
    int second[] = {next, k, v, l, o};
    EXPECT_EQ(fovea_graph_kernel(graph, plan, 1, second, 5), FOVEA_OK)
        << fovea_message();
    good = !fovea_graph_finish(graph);
    EXPECT_TRUE(good) << fovea_message();
  }
  ~Layers() {
    fovea_graph_destroy(graph);
    fovea_plan_destroy(plan);
  }

  /// Runs a step; the largest error of its results.
  double run(const Step &step) {
    CallTensor q({kSeqs, kHeads, step.rows, kDim}, true),
        k({kSeqs, kKeyHeads, step.keys, kDim}, true),
        v({kSeqs, kKeyHeads, step.keys, kDim}, true),
        o({kSeqs, kHeads, step.rows, kDim}, true);
    for (CallTensor *tensor : {&q, &k, &v})
      fillNormal(*tensor, random);
    std::fill(o.data.begin(), o.data.end(), NAN);
    {
      There tq(gpu, q), tk(gpu, k), tv(gpu, v), to(gpu, o);
      std::vector<int32_t> lengths = step.lengths;
      DLTensor len = lengthsOf(lengths);
      fovea_value externals[] = {tq.value(),
                                 tk.value(),
                                 tv.value(),
                                 {FOVEA_TENSOR, {&len}},
                                 to.value()};
      EXPECT_EQ(fovea_graph_run(graph, externals, 5, step.rows, gpu.stream),
                FOVEA_OK)
          << fovea_message();
      EXPECT_EQ(gpu.wait(), FOVEA_OK) << fovea_message();
      to.fetch();
    }
    naive::Inputs in;
    in.q = toArray(q), in.k = toArray(k), in.v = toArray(v);
    for (int32_t length : step.lengths) {
      in.length.push_back(length);
      in.offset.push_back(length - step.rows);
    }
    in.scale = 1 / std::sqrt(double(kDim));
    naive::Array between = naive::attention(in, naive::causal()).o;
    for (int64_t b = 0; b < kSeqs; ++b)
      for (int64_t h = 0; h < kHeads; ++h)
        for (int64_t r = 0; r < step.rows; ++r)
          for (int64_t d = 0; d < kDim; ++d)
            in.q(b, turns ? (h + 1) % kHeads : h, r, d) =
                _Float16(between(b, h, r, d));
    naive::Array want = naive::attention(in, naive::causal()).o;
    double most = 0;
    for (size_t i = 0; i < o.data.size(); ++i) {
      double error = std::abs(o.data[i] - want.data[i]);
      most = std::max(most, error <= 1e30 ? error : INFINITY);
    }
    return most;
  }

  fovea_stats stats() const {
    fovea_stats stats = {};
    stats.size = sizeof stats;
    EXPECT_EQ(fovea_plan_stats(plan, -1, &stats), FOVEA_OK) << fovea_message();
    return stats;
  }
  /// What the kernels did since the last call.
  fovea_counters done() const {
    fovea_counters done = {};
    done.size = sizeof done;
    EXPECT_EQ(fovea_plan_counters(plan, &done, 1), FOVEA_OK) << fovea_message();
    return done;
  }
  bool good = false;

private:
  DLTensor lengthsOf(std::vector<int32_t> &of) {
    return {of.data(), {kDLCPU, 0}, 1, {kDLInt, 32, 1}, &seqs, nullptr, 0};
  }

  OnFakeGpu gpu;
  bool turns;
  int64_t seqs = kSeqs;
  fovea_plan *plan = nullptr;
  fovea_graph *graph = nullptr;
  std::mt19937 random{11};
};

/// Two rounded attentions.
constexpr double kMost = 4e-3;

class CudaGraph : public testing::Test {
protected:
  int captures() const {
    return driverCalls("cuStreamBeginCapture_v2") - begun;
  }
  int launches() const { return driverCalls("cuGraphLaunch") - launched; }

  int begun = driverCalls("cuStreamBeginCapture_v2");
  int launched = driverCalls("cuGraphLaunch");
};

/// Runs steps and holds what was done against what was planned for both nodes.
void check(Layers &layers, const std::vector<Step> &steps) {
  for (const Step &step : steps) {
    SCOPED_TRACE(std::to_string(step.rows) + " rows, " +
                 std::to_string(step.keys) + " keys, lengths " +
                 std::to_string(step.lengths[0]) + ", " +
                 std::to_string(step.lengths[1]));
    EXPECT_LE(layers.run(step), kMost);
    fovea_stats planned = layers.stats();
    fovea_counters done = layers.done();
    EXPECT_EQ(done.items, 2 * planned.items);
    EXPECT_EQ(done.pairs, 2 * planned.pairs);
  }
}

TEST_F(CudaGraph, OneCaptureServesAllLengths) {
  Layers layers(70, 300, /*turns=*/false);
  ASSERT_TRUE(layers.good);
  check(layers, {{70, 300, {300, 70}},
                 {70, 300, {71, 299}},
                 {3, 40, {40, 3}},
                 {1, 300, {1, 300}},
                 {70, 130, {128, 130}}});
  EXPECT_EQ(captures(), 1);
  EXPECT_EQ(launches(), 5);
}

TEST_F(CudaGraph, HostFunctionsAreCapturedByExtents) {
  Layers layers(40, 100, /*turns=*/true);
  ASSERT_TRUE(layers.good);
  check(layers, {{40, 100, {100, 40}},
                 {40, 90, {41, 90}},
                 {1, 100, {100, 7}},
                 {1, 100, {2, 99}}});
  EXPECT_EQ(captures(), 2); // for 40 rows and for 1
  EXPECT_EQ(launches(), 4);
}

TEST_F(CudaGraph, SplitDecodeReplaysWithOtherPieces) {
  Layers layers(1, 2000, /*turns=*/false);
  ASSERT_TRUE(layers.good);
  // Captured where there is nothing to combine.
  check(layers, {{1, 16, {5, 16}}});
  EXPECT_EQ(layers.stats().slots, 0);
  check(layers, {{1, 2000, {2000, 1500}}});
  int64_t many = layers.stats().slots;
  EXPECT_GT(many, kSeqs * kKeyHeads) << "of pieces";
  check(layers, {{1, 2000, {37, 1999}}});
  EXPECT_GT(layers.stats().slots, 1);
  EXPECT_NE(layers.stats().slots, many);
  check(layers, {{1, 2000, {1, 2}}, {1, 2000, {2000, 1500}}});
  EXPECT_EQ(layers.stats().slots, many);
  EXPECT_EQ(captures(), 1);
  EXPECT_EQ(launches(), 5);
}

} // namespace
