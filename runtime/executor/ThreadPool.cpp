// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Workers sleep on a condition variable between jobs: no spinning, since the
// host's own threads need the CPUs between layers.
#include "runtime/executor/ThreadPool.h"

#include <new>

namespace fovea::rt {

ThreadPool *ThreadPool::create(int workers) {
  auto *pool = new (std::nothrow) ThreadPool;
  if (!pool)
    return nullptr;
  pool->workers = workers;
  pool->threads = new (std::nothrow) Start[size_t(workers)];
  // pthread_create, because std::thread reports failure by an exception.
  for (int i = 1; i < workers && pool->threads; ++i) {
    Start &start = pool->threads[i - 1];
    start = {pool, i, {}};
    if (pthread_create(&start.thread, nullptr, enter, &start))
      break;
    ++pool->started;
  }
  if (pool->started != workers - 1) {
    delete pool;
    return nullptr;
  }
  return pool;
}

void *ThreadPool::enter(void *start) {
  auto *self = static_cast<Start *>(start);
  self->pool->work(self->worker);
  return nullptr;
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> guard(lock);
    stop = true;
  }
  wake.notify_all();
  for (int i = 0; i < started; ++i)
    pthread_join(threads[i].thread, nullptr);
  delete[] threads;
}

void ThreadPool::share(const Job &j, int worker) const {
  int64_t base = j.n / workers, rest = j.n % workers;
  int64_t begin = base * worker + (worker < rest ? worker : rest);
  int64_t end = begin + base + (worker < rest);
  if (begin < end)
    j.fn(begin, end, worker, j.arg);
}

void ThreadPool::work(int worker) {
  uint64_t seen = 0;
  std::unique_lock<std::mutex> guard(lock);
  for (;;) {
    wake.wait(guard, [&] { return stop || round != seen; });
    if (stop)
      return;
    seen = round;
    Job mine = job;
    guard.unlock();
    share(mine, worker);
    guard.lock();
    if (--busy == 0)
      done.notify_one();
  }
}

void ThreadPool::parallelFor(int64_t n, Fn fn, void *arg) {
  if (n <= 0)
    return;
  std::lock_guard<std::mutex> mine(turn);
  Job next{n, fn, arg};
  {
    std::lock_guard<std::mutex> guard(lock);
    job = next;
    busy = workers - 1;
    ++round;
  }
  wake.notify_all();
  share(next, 0);
  std::unique_lock<std::mutex> guard(lock);
  done.wait(guard, [&] { return busy == 0; });
}

} // namespace fovea::rt
