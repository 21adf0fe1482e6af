// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An update and a run of a compiled kernel allocate nothing: prefill, decode
// split over workers, chosen blocks, levels. The counter sits in this program's
// malloc; test/unit/runtime/AllocationTest.cpp shows that it sees a planted
// one.
#include "test/e2e/Compiled.h"
#include "test/e2e/Loaded.h"
#include "test/support/CountAllocations.h"

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
