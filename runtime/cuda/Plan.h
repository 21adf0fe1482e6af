// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A plan on a GPU: copies of what an update decided, at addresses that stay,
// and the launches of a run.
//
// The plan's tables are copied as they lie and the pointers into them moved
// along. Kernels read which items are theirs from memory, so that a captured
// graph runs whatever the last update decided.
#ifndef FOVEA_RUNTIME_CUDA_PLAN_H
#define FOVEA_RUNTIME_CUDA_PLAN_H

#include "runtime/base/Array.h"
#include "runtime/cuda/Kernel.h"
#include "runtime/plan/Plan.h"

namespace fovea::rt {

/// The arguments of one call as they are copied to the GPU.
struct GpuArgs {
  fovea_abi_args args;
  fovea_abi_scalar scalars[maxScalars];
  fovea_abi_view views[maxViews];
};

/// The items of one part of a phase.
struct GpuRange {
  int64_t begin, end;
};

/// What a stream has of a plan: arguments, counters and errors of its runs.
struct GpuLane {
  fovea_stream stream = nullptr;
  bool taken = false;
  char *args = nullptr;  ///< on the device: a GpuArgs
  char *state = nullptr; ///< on the device: scratch memory of each phase
  char *seen = nullptr;  ///< on the host: a copy of it
  void *done = nullptr;  ///< event: the last run has ended
};

class GpuPlan {
public:
  explicit GpuPlan(const fovea_plan &plan)
      : plan(plan), device(*plan.kernel->gpu->device) {}
  ~GpuPlan();

  fovea_status create();
  /// The plan has been updated.
  void invalidate() { uploaded = false; }
  /// The lane of a stream. Not while the stream is captured, unless it has one.
  fovea_status lane(fovea_stream stream, GpuLane *&out);
  /// The error of an earlier run, told once.
  fovea_status earlierError();
  /// Copies the last update, unless the device has it, behind the runs that
  /// read the one before; later work of the stream sees it.
  fovea_status upload(fovea_stream stream);
  /// What a run reads: `bound` with the addresses that a GPU has.
  void relocate(const Bound &bound, char *device, GpuArgs &out) const;
  /// Enqueues the kernels. `all`: of every part, whatever its items now.
  fovea_status enqueue(const GpuLane &lane, const char *args, bool all,
                       fovea_stream stream) const;
  /// Enqueues the copy of what the kernels counted.
  fovea_status enqueueState(const GpuLane &lane, fovea_stream stream) const;
  /// A run is about to be enqueued: behind the work on its caches' pools.
  fovea_status beforeRun(fovea_stream stream) const;
  /// A run has been enqueued.
  fovea_status finish(GpuLane &lane, fovea_stream stream);
  /// Waits for all runs and adds what they counted.
  fovea_status counters(fovea_counters &sum, bool reset);

  const fovea_plan &plan;
  const GpuDevice &device;

private:
  const void *moved(const void *host) const;
  fovea_status order(fovea_stream stream);

  char *memory = nullptr; ///< symbols, ranges, plans, tables, then the lanes
  char *host = nullptr;   ///< pinned: `seen` of the lanes
  char *symbolsAt = nullptr, *rangesAt = nullptr, *plansAt = nullptr,
       *tablesAt = nullptr;
  size_t stateStride = 0; ///< from phase to phase
  Array<char> staged;     ///< symbols, ranges and plans on the host
  Array<GpuLane> lanes;
  Array<fovea_abi_counters> base; ///< by lane and phase, at the last reset
  void *copied = nullptr;         ///< event: the update is on the device
  bool uploaded = false;
  size_t next = 0; ///< lane that a further stream takes
};

/// fovea_run on a GPU.
fovea_status runOnGpu(fovea_plan &plan, Bound &bound, fovea_stream stream);

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_CUDA_PLAN_H
