// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The host's own pools in the memory of the fake driver's GPU under a compiled
// kernel, which appends to them in a captured graph.
#include "test/e2e/OnFakeGpu.h"
#include "test/support/NaiveAttention.h"

#include <gtest/gtest.h>

using namespace fovea::e2e;

namespace {

constexpr int64_t kHeads = 4, kKeyHeads = 2, kDim = 32, kPage = 8, kPages = 48;
constexpr int64_t kSeqs = 2, kMostRows = 40, kMostLen = 160;

const char *const kSpec = R"(
  !c = !kv.cache<heads = 2, dim = 32, layout = paged<8>, segments = [all : f16]>
  !q = tensor<?x4x32xf16>
  !k = tensor<?x2x32xf16>
  func.func @step(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, !c)
      attributes {attn.kernel} {
    %c1 = kv.append %c, %k, %v : !c, !k, !k
    %o = attn.attention %q, %c1 mask(causal) : (!q, !c) -> !q
    return %o, %c1 : !q, !c
  })";

/// What the host knows of a sequence.
struct Sequence {
  std::vector<int32_t> pages;
  std::vector<float> rows[2]; ///< keys and values, [token, head, dim]
  int64_t length() const {
    return int64_t(rows[0].size()) / (kKeyHeads * kDim);
  }
};

/// The largest error of the newest `n` rows of a sequence, whose queries and
/// results begin at row `first`.
double errorOf(const Sequence &seq, int64_t n, int64_t first,
               const CallTensor &q, const CallTensor &o) {
  naive::Inputs in;
  in.q = naive::Array({1, kHeads, n, kDim});
  in.k = in.v = naive::Array({1, kKeyHeads, seq.length(), kDim});
  for (int64_t d = 0; d < kDim; ++d) {
    for (int64_t h = 0; h < kHeads; ++h)
      for (int64_t r = 0; r < n; ++r)
        in.q(0, h, r, d) =
            q.data[size_t(((first + r) * kHeads + h) * kDim + d)];
    for (int64_t h = 0; h < kKeyHeads; ++h)
      for (int64_t t = 0; t < seq.length(); ++t) {
        size_t at = size_t((t * kKeyHeads + h) * kDim + d);
        in.k(0, h, t, d) = seq.rows[0][at];
        in.v(0, h, t, d) = seq.rows[1][at];
      }
  }
  in.length = {seq.length()};
  in.offset = {seq.length() - n};
  in.scale = 1 / std::sqrt(double(kDim));
  naive::Array want = naive::attention(in, naive::causal()).o;
  double most = 0;
  for (int64_t h = 0; h < kHeads; ++h)
    for (int64_t r = 0; r < n; ++r)
      for (int64_t d = 0; d < kDim; ++d) {
        double error =
            std::abs(o.data[size_t(((first + r) * kHeads + h) * kDim + d)] -
                     want(0, h, r, d));
        most = std::max(most, error <= 1e30 ? error : INFINITY);
      }
  return most;
}

TEST(CudaBorrow, AppendsToTheHostsPoolsInACapturedGraph) {
  OnFakeGpu gpu(kSpec, "borrowed");
  ASSERT_TRUE(gpu.good());
  CallTensor keys({kPages, kKeyHeads, kPage, kDim}, true),
      values({kPages, kKeyHeads, kPage, kDim}, true);
  // Nobody's rows are NaN.
  for (CallTensor *pool : {&keys, &values})
    std::fill(pool->data.begin(), pool->data.end(), NAN);
  There tk(gpu, keys), tv(gpu, values);
  fovea_kv_part parts[] = {{sizeof *parts, 0, "all", "k", &tk.dl},
                           {sizeof *parts, 0, "all", "v", &tv.dl}};
  fovea_kv *kv = nullptr;
  ASSERT_FOVEA(fovea_kv_borrow(gpu.kernel(), 3, 1, parts, 2, &kv));
  fovea_plan_limits limits = {};
  limits.size = sizeof limits;
  limits.seqs = kSeqs;
  limits.rows = kMostRows;
  limits.max_len = kMostLen;
  fovea_plan *plan = nullptr;
  ASSERT_FOVEA(fovea_plan_create(gpu.kernel(), &limits, &plan));
  fovea_graph *graph = nullptr;
  ASSERT_FOVEA(fovea_graph_create(gpu.context(), &graph));
  CallTensor mostQ({kMostRows, kHeads, kDim}, true),
      mostK({kMostRows, kKeyHeads, kDim}, true);
  fovea_value cache = {};
  cache.kind = FOVEA_CACHE;
  cache.u.kv = kv;
  int ids[] = {fovea_graph_buffer(graph, &mostQ.dl, 0, 1),
               fovea_graph_buffer(graph, &mostK.dl, 0, 1),
               fovea_graph_buffer(graph, &mostK.dl, 0, 1),
               fovea_graph_scalar(graph, cache),
               fovea_graph_buffer(graph, &mostQ.dl, 0, 1)};
  ASSERT_FOVEA(fovea_graph_kernel(graph, plan, 0, ids, 5));
  ASSERT_FOVEA(fovea_graph_finish(graph));
  int captured = driverCalls("cuStreamBeginCapture_v2");

  // The pages of the two sequences, all over the pool.
  std::mt19937 random(3);
  Sequence seqs[kSeqs];
  std::vector<int32_t> all(kPages);
  for (int32_t i = 0; i < kPages; ++i)
    all[size_t(i)] = i;
  std::shuffle(all.begin(), all.end(), random);
  for (int64_t s = 0; s < kSeqs; ++s)
    seqs[s].pages.assign(all.begin() + s * 20, all.begin() + s * 20 + 20);

  const uint64_t names[] = {40, 7};
  const int64_t steps[][kSeqs] = {{2, 1}, {33, 7}, {1, 1}, {1, 30}, {20, 2}};
  for (const int64_t(&step)[kSeqs] : steps) {
    SCOPED_TRACE(step[0] * 100 + step[1]);
    int64_t rows = step[0] + step[1];
    CallTensor q({rows, kHeads, kDim}, true), o({rows, kHeads, kDim}, true),
        k({rows, kKeyHeads, kDim}, true), v({rows, kKeyHeads, kDim}, true);
    for (CallTensor *tensor : {&q, &k, &v})
      fillNormal(*tensor, random);
    std::fill(o.data.begin(), o.data.end(), NAN);
    int32_t offsets[] = {0, int32_t(step[0]), int32_t(rows)};
    std::vector<int32_t> pages;
    int64_t indptr[kSeqs + 1] = {0}, end[kSeqs];
    for (int64_t s = 0; s < kSeqs; ++s) {
      for (int what : {0, 1}) {
        auto from = (what ? v : k).data.begin();
        seqs[s].rows[what].insert(seqs[s].rows[what].end(),
                                  from + offsets[s] * kKeyHeads * kDim,
                                  from + offsets[s + 1] * kKeyHeads * kDim);
      }
      end[s] = seqs[s].length();
      pages.insert(pages.end(), seqs[s].pages.begin(),
                   seqs[s].pages.begin() + (end[s] + kPage - 1) / kPage);
      indptr[s + 1] = int64_t(pages.size());
    }
    ASSERT_FOVEA(fovea_kv_borrow_tables(kv, "all", kSeqs, names, indptr,
                                        pages.data(), nullptr, end));
    fovea_batch batch = {};
    batch.size = sizeof batch;
    batch.n = int32_t(kSeqs);
    batch.seq = names;
    batch.rows = offsets;
    There dq(gpu, q), dk(gpu, k), dv(gpu, v), result(gpu, o);
    fovea_value externals[] = {dq.value(), dk.value(), dv.value(),
                               result.value()};
    ASSERT_FOVEA(
        fovea_graph_run_batch(graph, &batch, externals, 4, rows, gpu.stream));
    ASSERT_FOVEA(gpu.wait());
    result.fetch();
    for (int64_t s = 0; s < kSeqs; ++s)
      EXPECT_LE(errorOf(seqs[s], step[s], offsets[s], q, o), 4e-3) << s;
  }
  EXPECT_EQ(driverCalls("cuStreamBeginCapture_v2") - captured, 1);

  // The rows lie where the tables say, and nothing else was written.
  fovea_graph_destroy(graph);
  fovea_plan_destroy(plan);
  fovea_kv_destroy(kv);
  tk.fetch();
  tv.fetch();
  int64_t wrong = 0, written = 0;
  for (const Sequence &seq : seqs)
    for (int64_t t = 0; t < seq.length(); ++t)
      for (int64_t h = 0; h < kKeyHeads; ++h)
        for (int64_t d = 0; d < kDim; ++d) {
          int64_t page = seq.pages[size_t(t / kPage)];
          size_t at =
              size_t(((page * kKeyHeads + h) * kPage + t % kPage) * kDim + d);
          size_t row = size_t((t * kKeyHeads + h) * kDim + d);
          wrong += keys.data[at] != seq.rows[0][row];
          wrong += values.data[at] != seq.rows[1][row];
          ++written;
        }
  EXPECT_EQ(wrong, 0);
  for (const CallTensor *pool : {&keys, &values})
    EXPECT_EQ(std::count_if(pool->data.begin(), pool->data.end(),
                            [](float x) { return x == x; }),
              written);
}

} // namespace
