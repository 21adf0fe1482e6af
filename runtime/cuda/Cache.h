// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A cache whose pools are in memory of a GPU. Its book stays on the host, as do
// the calls that manage it: what they do to pools (copies of pages, rows of
// files, the bundle's stages) is enqueued on a stream of the cache's own,
// behind the runs that were enqueued before and before those that come after.
// Only what a call hands to the host is waited for. The steps of a plain cache
// need none of it.
#ifndef FOVEA_RUNTIME_CUDA_CACHE_H
#define FOVEA_RUNTIME_CUDA_CACHE_H

#include "runtime/cuda/Plan.h"
#include "runtime/kvcache/Cache.h"

namespace fovea::rt {

class GpuCache {
public:
  explicit GpuCache(fovea_kv &kv) : kv(kv), device(*kv.kernel->gpu->device) {}
  ~GpuCache();

  /// A segment's pool, zeroed.
  fovea_status allocatePool(size_t bytes, char *&out);
  /// The rest, once the cache has its book.
  fovea_status create(size_t bookBytes);

  /// Copies inside the pools, and between them and the host; a read is waited
  /// for. A failure is told by the next status().
  void copy(char *to, const char *from, size_t bytes);
  void read(void *to, const char *from, size_t bytes);
  void write(char *to, const void *from, size_t bytes);
  /// What copies and stages until now have met.
  fovea_status status();

  /// Runs a stage of the cache on one layer, or on all at -1. What the stage
  /// says is told by a later status().
  fovea_status launch(const fovea_bundle_variant &variant,
                      const fovea_abi_plan &plan, int layer);

  /// Waits for all work on the GPU: tensors of a call may come from any stream.
  fovea_status waitForAll();
  /// Waits for the work on the pools; tensors of the call may go then.
  fovea_status waitForPools();

  /// The book has changed: later runs come behind all runs until now, of
  /// whatever stream, since pages may have changed hands.
  void changed() { ++changes; }
  /// A run on this stream is about to be enqueued.
  fovea_status beforeRun(fovea_stream stream);
  /// A run, or what a call must come behind, has been enqueued on this stream.
  fovea_status afterRun(fovea_stream stream);

  const GpuDevice &deviceOf() const { return device; }

private:
  /// A stream whose runs use the pools.
  struct User {
    fovea_stream stream = nullptr;
    bool taken = false;
    bool pending = false; // its runs, for the work on the pools
    void *ran = nullptr;  // event: behind its runs
    uint64_t changes = 0; // it is behind the runs before this one
    uint64_t works = 0;   // it is behind the first works on the pools
  };

  template <typename T>
  T moved(T p) const;
  void done(CuResult result, const char *call);
  fovea_status userOf(fovea_stream stream, User *&out);
  /// Puts the next work on the pools behind all runs.
  fovea_status start();
  fovea_status sendArgs(int layer);
  fovea_status stage(size_t bytes, char *&out);

  fovea_kv &kv;
  const GpuDevice &device;
  size_t bookBytes = 0;
  fovea_stream stream = nullptr;
  void *settled = nullptr; ///< event: behind the work on the pools
  uint64_t works = 0;      ///< enqueued on the pools
  uint64_t recorded = 0;   ///< those before `settled`
  uint64_t changes = 1;
  static constexpr size_t mostUsers = 8;
  User users[mostUsers];
  size_t nextUser = 0;
  /// On the device: the book, arguments of each layer, a block of range, plan
  /// and list, scratch.
  char *memory = nullptr, *argsAt = nullptr, *blockAt = nullptr,
       *scratchAt = nullptr;
  Array<GpuArgs> args; ///< what is there
  /// Pinned: the stage's last error, then two halves of blocks to copy from; an
  /// event each for the copies of a half.
  char *host = nullptr;
  size_t halfBytes = 0, used = 0;
  int half = 0;
  void *sent[2] = {};
  char failure[256] = {};
};

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_CUDA_CACHE_H
