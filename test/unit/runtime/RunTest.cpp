// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Running plans: right sums on any executor, stale plans, errors of stages,
// hosts with threads of their own, several runs at once, the cost of a run.
#include "test/support/Times.h"
#include "test/unit/runtime/Fixture.h"

#include <thread>

using namespace fovea::test;

namespace {

TEST(Run, SumsOnAnyExecutor) {
  for (int workers : {1, 2, 4})
    for (bool splittable : {false, true})
      for (bool topLeft : {false, true}) {
        KernelOptions options;
        options.splittable = splittable;
        options.topLeft = topLeft;
        Loaded k(sumKernel(options), workers);
        Plan plan(k.kernel, 512, 8, 8192);
        for (auto [b, sq, sk, w] :
             {std::tuple(1, 1, 5000, 5000), std::tuple(3, 17, 100, 9),
              std::tuple(1, 300, 300, 1000), std::tuple(2, 40, 13, 20),
              std::tuple(8, 1, 8192, 64)}) {
          SumStep s(b, sq, sk, w);
          ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
          ASSERT_FOVEA(
              fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
          int64_t zero[8] = {};
          EXPECT_EQ(s.wrong(nullptr, topLeft ? zero : nullptr), 0)
              << b << " " << sq << " " << sk << " " << workers;
        }
      }
}

TEST(Run, OnePlanServesAllLayers) {
  Loaded k(sumKernel(), 2);
  Plan plan(k.kernel, 64, 2, 4096);
  SumStep first(2, 3, 4000, 100);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, first.data(), first.size()));
  for (int layer = 0; layer < 4; ++layer) {
    // Other pointers, strides and scalars.
    SumStep s(2, 3, 4000, 1000 * layer + 1);
    Tensor wide({2, 5000});
    for (int64_t i = 0; i < wide.count(); ++i)
      wide.at(i) = 777;
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t j = 0; j < 4000; ++j)
        wide.at(b * 5000 + j + 8) = s.v.at(b * 4000 + j);
    int64_t strides[2] = {5000, 1};
    DLTensor view = s.v.dl;
    view.data = wide.bytes.data();
    view.strides = strides;
    view.byte_offset = 32;
    s.args[1] = {FOVEA_TENSOR, {&view}};
    ASSERT_FOVEA(
        fovea_run(plan, layer, s.data(), s.size(), plan.workspace, nullptr));
    EXPECT_EQ(s.wrong(), 0);
  }
}

TEST(Run, GridsRunEachCellOnce) {
  for (int workers : {1, 3}) {
    Loaded k(countKernel(3), workers);
    Plan plan(k.kernel, 1000, 4, 64);
    Tensor q({4, 3, 203}), v({4, 1}), o({4, 3, 203});
    fovea_value args[] = {q.value(), v.value(), o.value()};
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, args, 3));
    EXPECT_EQ(fovea_plan_items(plan, 0), 4 * 3 * 26);
    for (int i = 1; i <= 3; ++i) {
      ASSERT_FOVEA(fovea_run(plan, 0, args, 3, plan.workspace, nullptr));
      for (int64_t j = 0; j < o.count(); ++j)
        ASSERT_EQ(o.at(j), float(i));
    }
  }
}

TEST(Run, RefusesStaleShapes) {
  Loaded k(sumKernel());
  Plan plan(k.kernel, 64, 4, 64);
  SumStep s(2, 16, 40, 8), longer(2, 16, 41, 8);
  auto run = [&](const SumStep &step) {
    return fovea_run(plan, 0, step.data(), step.size(), plan.workspace,
                     nullptr);
  };
  EXPECT_REFUSED(FOVEA_STALE, "one without", run(s));
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  ASSERT_FOVEA(run(s));
  EXPECT_REFUSED(FOVEA_STALE,
                 "'v': expected dim 1 to be 40 as planned, got 41; update the "
                 "plan",
                 run(longer));
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, longer.data(), longer.size()));
  ASSERT_FOVEA(run(longer));
  EXPECT_EQ(longer.wrong(), 0);
  EXPECT_EQ(run(s), FOVEA_STALE);
}

TEST(Run, ChecksItsCall) {
  KernelOptions options;
  options.heads = 1;
  Loaded k(sumKernel(options), 2);
  Plan plan(k.kernel, 64, 4, 8192);
  SumStep s(1, 1, 8192, 8192, 1);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  auto run = [&](int layer, void *workspace, fovea_stream stream) {
    return fovea_run(plan, layer, s.data(), s.size(), workspace, stream);
  };
  EXPECT_REFUSED(FOVEA_INVALID, "layer of at least 0",
                 run(-1, plan.workspace, nullptr));
  EXPECT_REFUSED(FOVEA_INVALID, "expected no stream on the CPU",
                 run(0, plan.workspace, &s));
  EXPECT_REFUSED(FOVEA_INVALID, "aligned to 64",
                 run(0, static_cast<char *>(plan.workspace) + 8, nullptr));
  EXPECT_REFUSED(FOVEA_INVALID, "expected a workspace of",
                 run(0, nullptr, nullptr));
  EXPECT_REFUSED(FOVEA_INVALID, "expected a plan, got NULL",
                 fovea_run(nullptr, 0, nullptr, 0, nullptr, nullptr));
  DLTensor hollow = s.v.dl;
  hollow.data = nullptr;
  s.args[1] = {FOVEA_TENSOR, {&hollow}};
  EXPECT_REFUSED(FOVEA_INVALID, "'v': expected data, got NULL",
                 run(0, plan.workspace, nullptr));
}

TEST(Run, ReportsErrorsOfStages) {
  for (int workers : {1, 2}) {
    KernelOptions options;
    options.stage = Function::Failing;
    Loaded k(sumKernel(options), workers);
    Plan plan(k.kernel, 64, 1, 64);
    SumStep s(1, 32, 32, 32);
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
    EXPECT_REFUSED(
        FOVEA_INVALID,
        "stage 'main' found an entry of a list or table out of "
        "range (error 7",
        fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
    // The plan can be used again.
    EXPECT_EQ(fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr),
              FOVEA_INVALID);
  }
}

TEST(Run, HostsMayOwnTheThreads) {
  KernelOptions options;
  options.heads = 1;
  Loaded k(sumKernel(options));
  constexpr int threads = 3;
  Plan plan(k.kernel, 64, 4, 1 << 15, threads);
  SumStep s(2, 5, 30000, 1 << 15, 1);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  ASSERT_EQ(fovea_plan_phases(plan), 2);
  EXPECT_GT(fovea_plan_items(plan, 1), 0); // splits for three workers
  for (int phase = 0; phase < fovea_plan_phases(plan); ++phase) {
    int64_t n = fovea_plan_items(plan, phase);
    std::vector<std::thread> team;
    for (int w = 0; w < threads; ++w)
      team.emplace_back([&, w] {
        for (int64_t i = w; i < n; i += threads)
          EXPECT_EQ(fovea_run_items(plan, 0, phase, i, i + 1, w, s.data(),
                                    s.size(), plan.workspace),
                    FOVEA_OK);
      });
    for (std::thread &t : team)
      t.join(); // the barrier
  }
  EXPECT_EQ(s.wrong(), 0);
  auto items = [&](int phase, int64_t begin, int64_t end, int worker) {
    return fovea_run_items(plan, 0, phase, begin, end, worker, s.data(),
                           s.size(), plan.workspace);
  };
  EXPECT_REFUSED(FOVEA_INVALID, "phase below 2, got 2", items(2, 0, 0, 0));
  EXPECT_REFUSED(FOVEA_INVALID, "got [0, 9999)", items(0, 0, 9999, 0));
  EXPECT_REFUSED(FOVEA_INVALID, "worker below 3, got 3", items(0, 0, 1, 3));
  EXPECT_EQ(items(0, 1, 1, 0), FOVEA_OK);
}

TEST(Run, SeveralThreadsMayRunOnePlan) {
  Loaded k(sumKernel(), 2);
  constexpr int threads = 4;
  Plan plan(k.kernel, 256, 4, 4096, 0, false, threads);
  SumStep shape(2, 33, 2000, 50);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, shape.data(), shape.size()));
  std::vector<std::thread> team;
  for (int t = 0; t < threads; ++t)
    team.emplace_back([&] {
      SumStep s(2, 33, 2000, 50);
      void *workspace = std::aligned_alloc(64, fovea_plan_workspace(plan) + 64);
      for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(fovea_run(plan, 0, s.data(), s.size(), workspace, nullptr),
                  FOVEA_OK)
            << fovea_message();
        EXPECT_EQ(s.wrong(), 0);
      }
      std::free(workspace);
    });
  for (std::thread &t : team)
    t.join();
  fovea_counters counters{};
  counters.size = sizeof counters;
  ASSERT_FOVEA(fovea_plan_counters(plan, &counters, 0));
  EXPECT_EQ(counters.items, threads * 20 * fovea_plan_items(plan, 0));
}

TEST(Run, RefusesMoreRunsThanPlannedFor) {
  // An executor that runs the same plan from inside, as a second thread would.
  struct Nested {
    Plan *plan;
    SumStep *step;
    fovea_status inner = FOVEA_OK, update = FOVEA_OK;
    std::string text;
  } nested{};
  fovea_options options{};
  options.exec.size = sizeof options.exec;
  options.exec.workers = 2;
  options.exec.user = &nested;
  options.exec.parallel_for = [](void *user, int64_t n,
                                 void (*fn)(int64_t, int64_t, int, void *),
                                 void *arg) {
    auto &x = *static_cast<Nested *>(user);
    x.inner = fovea_run(*x.plan, 0, x.step->data(), x.step->size(),
                        x.plan->workspace, nullptr);
    x.text = fovea_message();
    x.update =
        fovea_plan_update(*x.plan, nullptr, x.step->data(), x.step->size());
    fn(0, n, 0, arg);
  };
  Loaded k(sumKernel(), 2, options);
  Plan plan(k.kernel, 64, 4, 64);
  SumStep s(1, 33, 33, 33);
  nested.plan = &plan;
  nested.step = &s;
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  ASSERT_FOVEA(fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
  EXPECT_EQ(s.wrong(), 0);
  EXPECT_EQ(nested.inner, FOVEA_INVALID);
  EXPECT_NE(nested.text.find("at most 1 runs of the plan"), std::string::npos);
  EXPECT_EQ(nested.update, FOVEA_INVALID);
}

TEST(Run, OneItemRunsOnTheCaller) {
  fovea_options options{};
  options.exec.size = sizeof options.exec;
  options.exec.workers = 2;
  options.exec.parallel_for = [](void *, int64_t,
                                 void (*)(int64_t, int64_t, int, void *),
                                 void *) { FAIL() << "not for one item"; };
  KernelOptions one;
  one.heads = 1;
  Loaded k(sumKernel(one), 2, options);
  Plan plan(k.kernel, 64, 4, 64);
  SumStep s(1, 3, 33, 33, 1);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  ASSERT_EQ(fovea_plan_items(plan, 0), 1);
  ASSERT_FOVEA(fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
  EXPECT_EQ(s.wrong(), 0);
}

TEST(Run, CostsLittle) {
  KernelOptions options;
  options.heads = 1;
  options.stage = Function::Nothing;
  Loaded k(sumKernel(options), 2);
  Plan plan(k.kernel, 8, 1, 64);
  SumStep s(1, 1, 64, 64, 1);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  ASSERT_EQ(fovea_plan_items(plan, 0), 1);
  constexpr double wanted = 2; // us; ms for a thousand
  double best = times::fastest(20, wanted, [&] {
    double start = times::threadMs();
    for (int i = 0; i < 1000; ++i)
      fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr);
    return times::threadMs() - start;
  });
  std::printf("run of one empty item: %.3f us\n", best);
  EXPECT_TIME_BELOW(best, wanted);
}

} // namespace
