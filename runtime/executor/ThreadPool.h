// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A pool of threads for hosts that want neither oneTBB nor threads of
// their own, and for tests under the thread sanitizer.
#ifndef FOVEA_RUNTIME_EXECUTOR_THREADPOOL_H
#define FOVEA_RUNTIME_EXECUTOR_THREADPOOL_H

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <pthread.h>

namespace fovea::rt {

class ThreadPool {
public:
  using Fn = void (*)(int64_t begin, int64_t end, int worker, void *arg);

  /// A pool of workers - 1 threads beside the caller; NULL if they cannot be
  /// started.
  static ThreadPool *create(int workers);
  ~ThreadPool();

  /// Runs fn over [0, n), at most one piece per worker. Calls by several
  /// threads take turns.
  void parallelFor(int64_t n, Fn fn, void *arg);

private:
  struct Job {
    int64_t n = 0;
    Fn fn = nullptr;
    void *arg = nullptr;
  };

  ThreadPool() = default;
  void work(int worker);
  /// This worker's share of a job: [n * w / workers, n * (w + 1) / workers).
  void share(const Job &job, int worker) const;

  struct Start {
    ThreadPool *pool;
    int worker;
    pthread_t thread;
  };

  static void *enter(void *start);
  Start *threads = nullptr;
  int workers = 1; // the caller included
  int started = 0;
  std::mutex turn; // held by the thread whose job runs
  std::mutex lock; // guards everything below
  std::condition_variable wake, done;
  Job job;
  uint64_t round = 0;
  int busy = 0;
  bool stop = false;
};

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_EXECUTOR_THREADPOOL_H
