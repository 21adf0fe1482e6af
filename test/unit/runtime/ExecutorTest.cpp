// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Contexts and executors.
#include "test/unit/runtime/Fixture.h"

#include <atomic>
#include <thread>

using namespace fovea::test;

namespace {

TEST(Context, ChecksVersionsAndSizes) {
  fovea_ctx *ctx = nullptr;
  fovea_options options{};
  options.size = sizeof options;
  ASSERT_FOVEA(fovea_executor_serial(&options.exec));
  EXPECT_REFUSED(FOVEA_UNSUPPORTED, "got 2.0",
                 fovea_open(2u << 16, &options, &ctx));
  EXPECT_REFUSED(FOVEA_UNSUPPORTED, "got 1.9",
                 fovea_open((1u << 16) | 9, &options, &ctx));
  EXPECT_REFUSED(FOVEA_INVALID, "got NULL",
                 fovea_open(FOVEA_API, &options, nullptr));
  fovea_options small = options;
  small.size = 4;
  EXPECT_REFUSED(FOVEA_INVALID, "fovea_options.size to be at least",
                 fovea_open(FOVEA_API, &small, &ctx));
  // A newer caller: fine while its new fields are zero.
  struct {
    fovea_options known;
    uint64_t more;
  } newer{options, 0};
  newer.known.size = sizeof newer;
  ASSERT_FOVEA(fovea_open(FOVEA_API, &newer.known, &ctx));
  fovea_close(ctx);
  newer.more = 1;
  EXPECT_REFUSED(FOVEA_UNSUPPORTED, "does not know",
                 fovea_open(FOVEA_API, &newer.known, &ctx));
  options.alloc = [](void *, fovea_device, size_t n, size_t) {
    return std::malloc(n);
  };
  EXPECT_REFUSED(FOVEA_INVALID, "set together",
                 fovea_open(FOVEA_API, &options, &ctx));
}

TEST(Context, NeverFallsBackSilently) {
  setenv("FOVEA_TBB_LIBRARY", "nonexistent/libfovea-tbb.so", 1);
  fovea_ctx *ctx = nullptr;
  EXPECT_REFUSED(FOVEA_UNSUPPORTED, "expected the oneTBB executor",
                 fovea_open(FOVEA_API, nullptr, &ctx));
  EXPECT_EQ(ctx, nullptr);
  unsetenv("FOVEA_TBB_LIBRARY");
}

TEST(Context, TakesTheExecutorOver) {
  static int destroyed;
  destroyed = 0;
  fovea_options options{};
  options.size = sizeof options;
  ASSERT_FOVEA(fovea_executor_serial(&options.exec));
  options.exec.destroy = [](void *) { ++destroyed; };
  fovea_ctx *ctx = nullptr;
  EXPECT_EQ(fovea_open(0, &options, &ctx), FOVEA_UNSUPPORTED);
  EXPECT_EQ(destroyed, 1);
  ASSERT_FOVEA(fovea_open(FOVEA_API, &options, &ctx));
  EXPECT_EQ(fovea_workers(ctx), 1);
  fovea_close(ctx);
  EXPECT_EQ(destroyed, 2);
}

TEST(Context, NamesEveryStatus) {
  EXPECT_STREQ(fovea_status_name(FOVEA_STALE), "FOVEA_STALE");
  EXPECT_STREQ(fovea_status_name(FOVEA_CANCELLED), "FOVEA_CANCELLED");
  EXPECT_STREQ(fovea_status_name(fovea_status(15)), "unknown status");
  EXPECT_STREQ(fovea_version(), "0.1.0");
}

TEST(Context, MessagesBelongToTheirThread) {
  fovea_kernel_arg(nullptr, 0, nullptr);
  std::string mine = fovea_message();
  EXPECT_NE(mine, "");
  std::thread([] {
    EXPECT_STREQ(fovea_message(), "");
    fovea_seal(nullptr);
  }).join();
  EXPECT_EQ(fovea_message(), mine);
}

/// Each index once, worker numbers in range, and no two pieces of one call
/// with the same worker at once.
void checkExecutor(const fovea_executor &exec, int64_t n) {
  struct State {
    std::vector<std::atomic<int>> hits, inside;
    std::atomic<bool> ok{true};
    State(int64_t n, int workers) : hits(size_t(n)), inside(size_t(workers)) {}
  } state(n, exec.workers);
  exec.parallel_for(
      exec.user, n,
      [](int64_t begin, int64_t end, int worker, void *arg) {
        auto &s = *static_cast<State *>(arg);
        if (worker < 0 || worker >= int(s.inside.size()) || begin >= end) {
          s.ok = false;
          return;
        }
        if (s.inside[size_t(worker)]++)
          s.ok = false;
        for (int64_t i = begin; i < end; ++i)
          ++s.hits[size_t(i)];
        --s.inside[size_t(worker)];
      },
      &state);
  EXPECT_TRUE(state.ok);
  for (auto &h : state.hits)
    EXPECT_EQ(h, 1);
}

TEST(Executor, RunsEachIndexOnce) {
  for (int workers : {1, 2, 3, 7}) {
    fovea_executor exec{};
    ASSERT_FOVEA(fovea_executor_threads(workers, &exec));
    EXPECT_EQ(exec.workers, workers);
    for (int64_t n : {0, 1, 2, 5, 1000})
      for (int i = 0; i < 20; ++i)
        checkExecutor(exec, n);
    exec.destroy(exec.user);
  }
  fovea_executor serial{};
  ASSERT_FOVEA(fovea_executor_serial(&serial));
  checkExecutor(serial, 17);
}

TEST(Executor, ServesSeveralCallers) {
  fovea_executor exec{};
  ASSERT_FOVEA(fovea_executor_threads(2, &exec));
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int i = 0; i < 50; ++i)
        checkExecutor(exec, 64);
    });
  for (std::thread &t : callers)
    t.join();
  exec.destroy(exec.user);
}

TEST(Executor, RefusesNonsense) {
  fovea_executor exec{};
  EXPECT_REFUSED(FOVEA_INVALID, "got -1", fovea_executor_threads(-1, &exec));
  EXPECT_REFUSED(FOVEA_INVALID, "got NULL", fovea_executor_serial(nullptr));
}

#ifdef FOVEA_TBB_PATH
TEST(Executor, OneTbbIsTheDefault) {
  setenv("FOVEA_TBB_LIBRARY", FOVEA_TBB_PATH, 1);
  fovea_ctx *ctx = nullptr;
  fovea_options options{};
  options.size = sizeof options;
  options.workers = 2;
  ASSERT_FOVEA(fovea_open(FOVEA_API, &options, &ctx));
  EXPECT_EQ(fovea_workers(ctx), 2);
  fovea_close(ctx);
  fovea_executor exec{};
  ASSERT_FOVEA(fovea_executor_tbb(2, &exec));
  for (int64_t n : {1, 2, 100})
    checkExecutor(exec, n);
  exec.destroy(exec.user);
  unsetenv("FOVEA_TBB_LIBRARY");
}
#endif

} // namespace
