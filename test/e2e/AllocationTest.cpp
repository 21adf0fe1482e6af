// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An update and a run of a compiled kernel allocate nothing: prefill, decode
// split over workers, chosen blocks, levels, trees over a cache. The counter
// sits in this program's malloc; test/unit/runtime/AllocationTest.cpp shows
// that it sees a planted one.
#include "test/e2e/CallTensor.h"
#include "test/e2e/Compiled.h"
#include "test/e2e/Loaded.h"
#include "test/support/CountAllocations.h"

#include <algorithm>

using namespace fovea;
using namespace fovea::e2e;
using fovea::test::allocations;
using fovea::test::allocationsDuring;

TEST(Allocation, NoneInRunsOfCompiledKernels) {
  std::vector<Case> rows = {
      Case("prefill")
          .shape(1, 300, 300)
          .heads(4, 2)
          .dims(64, 64)
          .masked("causal", naive::causal()),
      Case("decode")
          .shape(1, 1, 9000)
          .heads(4, 1)
          .dims(64, 64)
          .masked("causal", naive::causal()),
      Case("int8").int8().shape(1, 1, 500).heads(4, 2).dims(64, 64),
      Case("top_k").shape(1, 64, 512).blocks(16, 16).bestBlocks(3, false, 0),
      Case("pyramid").shape(1, 32, 64).blocks(16, 16).pyramid(),
  };
  for (const Case &c : rows)
    for (const std::string &target : runnableTargets()) {
      SCOPED_TRACE(c.name + " for " + target);
      Loaded loaded(c);
      ASSERT_TRUE(loaded.good);
      auto compiled = Compiled::compile(c.spec(), c.name, target, 4);
      ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
      std::vector<fovea_tensor> views;
      views.reserve(loaded.arguments.size() + loaded.results.size());
      for (HostValue &value : loaded.arguments)
        views.push_back(value.tensor.view());
      for (HostTensor &result : loaded.results)
        views.push_back(result.view());
      std::vector<fovea_value> args(views.size());
      for (size_t i = 0; i < views.size(); ++i) {
        args[i].kind = FOVEA_TENSOR;
        args[i].u.tensor = &views[i];
      }
      fovea_plan_limits limits = {};
      limits.size = sizeof limits;
      limits.seqs = c.b;
      limits.rows = c.b * c.sq;
      limits.max_len = c.sk;
      fovea_plan *plan = nullptr;
      int64_t created = allocations.load();
      ASSERT_EQ(fovea_plan_create(compiled->kernel(), &limits, &plan), FOVEA_OK)
          << fovea_message();
      // The counter sees what the runtime's library does.
      EXPECT_GT(allocations.load(), created);
      void *workspace =
          std::aligned_alloc(64, (fovea_plan_workspace(plan) + 64) / 64 * 64);
      int n = int(args.size()), bad = 0;
      int64_t count = allocationsDuring([&] {
        for (int step = 0; step < 3; ++step) {
          bad += fovea_plan_update(plan, nullptr, args.data(), n);
          for (int layer = 0; layer < 3; ++layer)
            bad += fovea_run(plan, layer, args.data(), n, workspace, nullptr);
        }
      });
      EXPECT_EQ(bad, 0) << fovea_message();
      EXPECT_EQ(count, 0);
      std::free(workspace);
      fovea_plan_destroy(plan);
    }
}

/// Steps of speculative decoding: a tree level by level beside a chain, runs of
/// two layers, the commit of a path.
TEST(Allocation, NoneInStepsOfTrees) {
  const char *spec = R"(
    !c = !kv.cache<heads = 2, dim = 32, layout = paged<16>, segments = [all : f32]>
    !q = tensor<?x4x32xf32>
    !k = tensor<?x2x32xf32>
    func.func @step(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, !c)
        attributes {attn.kernel} {
      %c1 = kv.append %c, %k, %v : !c, !k, !k
      %o = attn.attention %q, %c1 mask(tree) : (!q, !c) -> !q
      return %o, %c1 : !q, !c
    })";
  for (const std::string &target : runnableTargets()) {
    SCOPED_TRACE(target);
    auto compiled = Compiled::compile(spec, "tree", target, 4);
    ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
    fovea_kv_limits room = {};
    room.size = sizeof room;
    room.layers = 2;
    room.seqs = 2;
    room.max_len = 4096;
    room.rows = 256;
    room.device = FOVEA_CPU;
    fovea_kv *kv = nullptr;
    ASSERT_FOVEA(fovea_kv_create(compiled->kernel(), 3, &room, &kv));
    fovea_plan_limits limits = {};
    limits.size = sizeof limits;
    limits.seqs = 2;
    limits.rows = 128;
    limits.max_len = 4096;
    fovea_plan *plan = nullptr;
    ASSERT_FOVEA(fovea_plan_create(compiled->kernel(), &limits, &plan));
    void *workspace =
        std::aligned_alloc(64, (fovea_plan_workspace(plan) + 64) / 64 * 64);
    CallTensor q({128, 4, 32}), k({128, 2, 32}), v({128, 2, 32}),
        o({128, 4, 32});
    fovea_value cache = {};
    cache.kind = FOVEA_CACHE;
    cache.u.kv = kv;
    fovea_value args[] = {q.value(), k.value(), v.value(), cache, o.value()};
    const uint64_t ids[] = {1, 2};
    int bad = fovea_kv_new(kv, 1) + fovea_kv_new(kv, 2);
    // Sizes for decode and for prefill schedules; the tree is a binary one.
    auto step = [&](int32_t first, int32_t rows) {
      const int32_t offsets[] = {0, rows, rows + 3};
      int32_t parents[128], last = first + rows - 1, path[128], n = 0;
      for (int32_t r = 0; r < rows; ++r)
        parents[r] = (first + r + 1) / 2 - 1;
      for (int32_t r = 0; r < 3; ++r)
        parents[rows + r] = (first ? 3 : 0) + r - 1;
      fovea_batch batch = {};
      batch.size = sizeof batch;
      batch.n = 2;
      batch.seq = ids;
      batch.rows = offsets;
      batch.parent = parents;
      for (CallTensor *tensor : {&q, &k, &v, &o})
        tensor->shape[0] = rows + 3;
      bad += fovea_plan_update(plan, &batch, args, 5);
      for (int layer = 0; layer < 2; ++layer)
        bad += fovea_run(plan, layer, args, 5, workspace, nullptr);
      if (!first)
        return;
      for (int32_t r = last; r >= 0; r = (r + 1) / 2 - 1)
        path[n++] = r;
      std::reverse(path, path + n);
      bad += fovea_kv_commit(kv, 1, path, n, nullptr);
      bad += fovea_kv_commit(kv, 2, nullptr, -1, nullptr);
    };
    int64_t count = allocationsDuring([&] {
      for (int round = 0; round < 3; ++round) {
        step(0, 7);
        step(7, 8);
        step(0, 31);
        step(31, 32);
      }
    });
    EXPECT_EQ(bad, 0) << fovea_message();
    EXPECT_EQ(count, 0);
    int64_t length = 0, uncommitted = 0;
    ASSERT_FOVEA(fovea_kv_length(kv, 1, &length, &uncommitted));
    EXPECT_EQ(length, 3 * (4 + 6));
    EXPECT_EQ(uncommitted, 0);
    std::free(workspace);
    fovea_plan_destroy(plan);
    fovea_kv_destroy(kv);
  }
}
