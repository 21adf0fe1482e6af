// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An update, a run and a graph's run allocate nothing. The counter sits in
// this program's malloc, so it sees the runtime's new and malloc alike; a test
// plants one allocation and must see it.
#include "test/support/CountAllocations.h"
#include "test/unit/runtime/Serving.h"

#include <dlfcn.h>

using namespace fovea::test;

namespace {

TEST(Allocation, NoneInUpdatesAndRuns) {
  for (int workers : {1, 2}) {
    KernelOptions options;
    options.lengths = true;
    Loaded k(sumKernel(options), workers);
    Plan plan(k.kernel, 512, 4, 8192);
    std::vector<std::unique_ptr<SumStep>> steps;
    std::vector<std::unique_ptr<Tensor>> lengths;
    for (auto [b, sq, sk] : {std::tuple(1, 1, 8192), std::tuple(4, 100, 500),
                             std::tuple(1, 512, 512), std::tuple(2, 3, 8000)}) {
      steps.push_back(std::make_unique<SumStep>(b, sq, sk, 1000));
      lengths.push_back(std::make_unique<Tensor>(std::vector<int64_t>{b},
                                                 FOVEA_DTYPE_I32, sk));
      steps.back()->table(*lengths.back());
    }
    int bad = 0;
    int64_t count = allocationsDuring([&] {
      for (int round = 0; round < 3; ++round)
        for (auto &s : steps) {
          bad += fovea_plan_update(plan, nullptr, s->data(), s->size());
          for (int layer = 0; layer < 3; ++layer)
            bad += fovea_run(plan, layer, s->data(), s->size(), plan.workspace,
                             nullptr);
        }
      // Refusals do not allocate either.
      bad += fovea_run(plan, 0, steps[0]->data(), steps[0]->size(),
                       plan.workspace, nullptr) != FOVEA_STALE;
    });
    EXPECT_EQ(bad, 0) << fovea_message();
    EXPECT_EQ(count, 0);
  }
}

TEST(Allocation, NoneInGraphs) {
  Loaded k(countKernel());
  Plan plan(k.kernel, 100, 1, 100);
  Tensor q({1, 2, 100}), v({1, 100}), o({1, 2, 100});
  fovea_graph *graph = nullptr;
  ASSERT_FOVEA(fovea_graph_create(k.ctx, &graph));
  int ids[] = {fovea_graph_buffer(graph, &q.dl, 2, 1),
               fovea_graph_buffer(graph, &v.dl, 1, 1),
               fovea_graph_buffer(graph, &o.dl, 2, 1)};
  ASSERT_FOVEA(fovea_graph_kernel(graph, plan, 0, ids, 3));
  ASSERT_FOVEA(fovea_graph_finish(graph));
  fovea_value externals[] = {q.value(), v.value(), o.value()};
  int bad = 0;
  int64_t count = allocationsDuring([&] {
    for (int i = 0; i < 5; ++i)
      bad += fovea_graph_run(graph, externals, 3, 100, nullptr);
  });
  EXPECT_EQ(bad, 0) << fovea_message();
  EXPECT_EQ(count, 0);
  EXPECT_EQ(o.at(0), 5);
  fovea_graph_destroy(graph);
}

TEST(Allocation, NoneInStepsOverCaches) {
  for (bool sharing : {true, false}) {
    ServingLimits limits;
    limits.workers = 2;
    limits.maxLen = 2048;
    limits.seqs = 12;
    limits.noSharing = !sharing;
    Serving s({}, limits);
    s.begin(0);
    s.fill(0, 1000);
    s.commit(0);
    Rows rows = {{0, 1}};
    for (uint64_t seq = 1; seq < 10; ++seq) {
      s.fork(0, 1000, seq);
      rows.push_back({seq, seq == 9 ? 200 : 1});
    }
    s.prepare(rows);
    int bad = 0;
    int64_t count = allocationsDuring([&] {
      for (int round = 0; round < 3; ++round) {
        bad += fovea_plan_update(s.plan, &s.batch, s.args.data(),
                                 int(s.args.size()));
        bad += s.run() + s.run();
      }
      // Neither does a refusal after the reservation.
      s.args.pop_back();
      bad += !fovea_plan_update(s.plan, &s.batch, s.args.data(),
                                int(s.args.size()));
    });
    EXPECT_EQ(bad, 0) << fovea_message();
    EXPECT_EQ(count, 0);
  }
}

TEST(Allocation, PlansAndGraphsSurviveEachFailure) {
  Serving s;
  fovea_plan_limits l{};
  l.size = sizeof l;
  l.rows = l.seqs = l.max_len = 64;
  fovea_plan *plan = nullptr;
  // The handle, its caches, tables, scratch memory.
  EXPECT_EQ(
      failEach([&] { return fovea_plan_create(s.loaded.kernel, &l, &plan); }),
      4);
  Tensor wide({64, 4, 4}), narrow({64, 2, 4});
  fovea_graph *graph = nullptr;
  auto build = [&]() -> fovea_status {
    if (fovea_status st = fovea_graph_create(s.loaded.ctx, &graph))
      return st;
    fovea_value cache{};
    cache.kind = FOVEA_CACHE;
    cache.u.kv = s.kv;
    int ids[] = {fovea_graph_buffer(graph, &wide.dl, 0, 1),
                 fovea_graph_buffer(graph, &narrow.dl, 0, 1),
                 fovea_graph_buffer(graph, &narrow.dl, 0, 1),
                 fovea_graph_scalar(graph, cache),
                 fovea_graph_scalar(graph, integer(9)),
                 fovea_graph_buffer(graph, &wide.dl, 0, 0)};
    fovea_status st = FOVEA_OK;
    for (int id : ids)
      st = id < 0 ? FOVEA_NO_MEMORY : st;
    if (!st)
      st = fovea_graph_kernel(graph, plan, 0, ids, 6);
    if (!st)
      st = fovea_graph_finish(graph);
    if (st) {
      fovea_graph_destroy(graph);
      graph = nullptr;
    }
    return st;
  };
  EXPECT_GT(failEach(build), 5);
  s.begin(1);
  s.prepare({{1, 20}});
  fovea_value externals[] = {s.q->value(), s.v->value(), s.k->value()};
  ASSERT_FOVEA(
      fovea_graph_run_batch(graph, &s.batch, externals, 3, 20, nullptr));
  fovea_graph_destroy(graph);
  fovea_plan_destroy(plan);
}

TEST(Allocation, APlantedOneIsSeen) {
  fovea_options options{};
  options.exec.size = sizeof options.exec;
  options.exec.workers = 2;
  // An executor with one allocation in it, on the path of a run.
  options.exec.parallel_for = [](void *, int64_t n,
                                 void (*fn)(int64_t, int64_t, int, void *),
                                 void *arg) {
    auto *volatile planted = new int(7);
    fn(0, n, 0, arg);
    delete planted;
  };
  Loaded k(sumKernel(), 2, options);
  Plan plan(k.kernel, 64, 1, 64);
  SumStep s(1, 32, 32, 4);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  EXPECT_EQ(allocationsDuring([&] {
              fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr);
            }),
            1);
}

TEST(Allocation, PlansAllocateWithTheHostsHooks) {
  struct Host {
    int64_t live = 0, made = 0;
    bool refuse = false;
  } host;
  fovea_options options{};
  options.alloc_user = &host;
  options.alloc = [](void *user, fovea_device device, size_t size,
                     size_t align) -> void * {
    auto &h = *static_cast<Host *>(user);
    EXPECT_EQ(device.kind, kDLCPU);
    if (h.refuse)
      return nullptr;
    ++h.live;
    ++h.made;
    return std::aligned_alloc(align, size);
  };
  options.free = [](void *user, fovea_device, void *p) {
    --static_cast<Host *>(user)->live;
    std::free(p);
  };
  Loaded k(sumKernel(), 2, options);
  {
    Plan plan(k.kernel, 64, 1, 64);
    SumStep s(1, 32, 32, 4);
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
    ASSERT_FOVEA(
        fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
    EXPECT_EQ(host.made, 2);
  }
  EXPECT_EQ(host.live, 0);
  host.refuse = true;
  fovea_plan_limits limits{};
  limits.size = sizeof limits;
  limits.rows = limits.seqs = limits.max_len = 64;
  fovea_plan *plan = nullptr;
  EXPECT_REFUSED(FOVEA_NO_MEMORY, "cannot allocate",
                 fovea_plan_create(k.kernel, &limits, &plan));
  fovea_graph *graph = nullptr;
  ASSERT_FOVEA(fovea_graph_create(k.ctx, &graph));
  EXPECT_EQ(fovea_graph_finish(graph), FOVEA_NO_MEMORY);
  fovea_graph_destroy(graph);
}

} // namespace
