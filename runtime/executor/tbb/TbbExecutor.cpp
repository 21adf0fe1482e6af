// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The default executor: a oneTBB arena. A library of its own, so that the
// runtime does not need oneTBB.
#include <fovea/tbb.h>

#include <new>
#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>
#include <oneapi/tbb/task_arena.h>

static void parallelFor(void *user, int64_t n,
                        void (*fn)(int64_t, int64_t, int, void *), void *arg) {
  auto &arena = *static_cast<tbb::task_arena *>(user);
  // The runtime passes one index per worker and balances by itself, so each
  // index is a task of its own.
  arena.execute([&] {
    tbb::parallel_for(
        tbb::blocked_range<int64_t>(0, n, 1),
        [&](const tbb::blocked_range<int64_t> &range) {
          fn(range.begin(), range.end(),
             tbb::this_task_arena::current_thread_index(), arg);
        },
        tbb::simple_partitioner());
  });
}

int fovea_tbb_executor(int workers, fovea_executor *out) {
  if (workers < 1 || !out)
    return 1;
  try {
    auto *arena = new tbb::task_arena(workers);
    arena->initialize();
    *out = {};
    out->size = sizeof *out;
    out->workers = workers;
    out->user = arena;
    out->parallel_for = parallelFor;
    out->destroy = [](void *user) {
      delete static_cast<tbb::task_arena *>(user);
    };
    return 0;
  } catch (...) {
    return 2;
  }
}
