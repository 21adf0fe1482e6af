// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The executors of the runtime itself: the calling thread, a small pool of
// std::thread, and the door to oneTBB, which is a library of its own.
#include "runtime/base/Library.h"
#include "runtime/base/Status.h"
#include "runtime/executor/ThreadPool.h"

#include <fovea/tbb.h>
#include <new>
#include <thread>

using namespace fovea::rt;

static fovea_status checkWorkers(int &workers) {
  if (workers < 0 || workers > 65536)
    return fail(FOVEA_INVALID,
                "expected between 1 and 65536 workers, or 0 for all, got %d",
                workers);
  if (!workers)
    workers = int(std::thread::hardware_concurrency());
  if (!workers)
    workers = 1;
  return FOVEA_OK;
}

static void runInline(void *, int64_t n,
                      void (*fn)(int64_t, int64_t, int, void *), void *arg) {
  if (n > 0)
    fn(0, n, 0, arg);
}

fovea_status fovea_executor_serial(fovea_executor *out) {
  if (!out)
    return fail(FOVEA_INVALID, "expected a place for the executor, got NULL");
  *out = {};
  out->size = sizeof *out;
  out->workers = 1;
  out->parallel_for = runInline;
  return FOVEA_OK;
}

fovea_status fovea_executor_threads(int workers, fovea_executor *out) {
  if (!out)
    return fail(FOVEA_INVALID, "expected a place for the executor, got NULL");
  *out = {};
  if (fovea_status st = checkWorkers(workers))
    return st;
  ThreadPool *pool = ThreadPool::create(workers);
  if (!pool)
    return fail(FOVEA_NO_MEMORY, "cannot start %d threads", workers - 1);
  out->size = sizeof *out;
  out->workers = workers;
  out->user = pool;
  out->parallel_for = [](void *user, int64_t n,
                         void (*fn)(int64_t, int64_t, int, void *), void *arg) {
    static_cast<ThreadPool *>(user)->parallelFor(n, fn, arg);
  };
  out->destroy = [](void *user) { delete static_cast<ThreadPool *>(user); };
  return FOVEA_OK;
}

fovea_status fovea_executor_tbb(int workers, fovea_executor *out) {
  if (!out)
    return fail(FOVEA_INVALID, "expected a place for the executor, got NULL");
  *out = {};
  if (fovea_status st = checkWorkers(workers))
    return st;
  // Loaded for good: its threads may outlive any one context.
  char reason[512];
  void *library = openLibrary("FOVEA_TBB_LIBRARY", "libfovea-tbb.so", reason,
                              sizeof reason);
  auto create = reinterpret_cast<fovea_tbb_executor_fn>(
      findSymbol(library, "fovea_tbb_executor"));
  if (!create)
    return fail(FOVEA_UNSUPPORTED,
                "expected the oneTBB executor, got: %s; choose another "
                "executor in fovea_options.exec or install it",
                library ? "libfovea-tbb.so lacks fovea_tbb_executor" : reason);
  if (int error = create(workers, out))
    return fail(FOVEA_NO_MEMORY, "the oneTBB executor failed to start (%d)",
                error);
  return FOVEA_OK;
}
