// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// fovea_run: phases in order, items of a phase in the plan's order, each
// worker taking the next when it is free.
#include "runtime/base/Status.h"
#include "runtime/cuda/Plan.h"
#include "runtime/loader/StageError.h"
#include "runtime/plan/Plan.h"

using namespace fovea::rt;

namespace {

/// One phase on its way through the executor.
struct PhaseRun {
  const fovea_plan &plan;
  const Phase &phase;
  const fovea_abi_args &args;
  char *scratch;
  int64_t chunk; // items taken at once
  std::atomic<int64_t> next{0};
  StageError error{};

  void take(int worker);
};

} // namespace

/// Runs items [begin, end), each part's by its variant. Returns the error of
/// the part that failed, *at is its first item.
static int32_t runItems(const Phase &phase, const fovea_abi_args &args,
                        int64_t begin, int64_t end, void *scratch,
                        int64_t *at) {
  *at = begin;
  if (phase.nActive == 1)
    return phase.parts[phase.active[0]].entry(&args, &phase.abi, begin, end,
                                              scratch);
  while (begin < end) {
    const Part &part = phase.partAt(begin);
    int64_t stop = part.first + part.count;
    stop = stop < end ? stop : end;
    *at = begin;
    if (int32_t code = part.entry(&args, &phase.abi, begin, stop, scratch))
      return code;
    begin = stop;
  }
  return 0;
}

void PhaseRun::take(int worker) {
  char *mine = scratch + plan.scratchBytes * size_t(worker);
  while (!error.code.load(std::memory_order_relaxed)) {
    int64_t begin = next.fetch_add(chunk, std::memory_order_relaxed);
    if (begin >= phase.nItems)
      return;
    int64_t end = begin + chunk, at = 0;
    end = end < phase.nItems ? end : phase.nItems;
    int32_t code = runItems(phase, args, begin, end, mine, &at);
    error.note(*plan.kernel.get(), code, at);
  }
}

static fovea_status stageFailed(const fovea_plan &plan, const Phase &phase,
                                const StageError &error) {
  if (fovea_status st = error.ofDevice(*plan.kernel.get(), *phase.stage))
    return st;
  const fovea_abi_item &at = phase.items[error.item];
  return fail(
      FOVEA_INVALID,
      "kernel '%s': stage '%s' found an entry of a list or table out of "
      "range (error %d at or after sequence %d, head %d, row %d)",
      plan.kernel->name(), plan.kernel->view().string(phase.stage->name),
      error.code.load(), at.b, at.head, at.row);
}

/// On the calling thread alone.
static fovea_status runHere(const fovea_plan &plan, const Phase &phase,
                            const fovea_abi_args &args, int64_t begin,
                            int64_t end, void *scratch) {
  int64_t at = 0;
  int32_t code = runItems(phase, args, begin, end, scratch, &at);
  if (!code)
    return FOVEA_OK;
  StageError error;
  error.note(*plan.kernel.get(), code, at);
  return stageFailed(plan, phase, error);
}

static fovea_status runPhase(const fovea_plan &plan, const Phase &phase,
                             const fovea_abi_args &args, char *scratch) {
  const fovea_executor &exec = plan.ctx().exec;
  if (phase.nItems == 0)
    return FOVEA_OK;
  if (phase.nItems == 1 || exec.workers == 1) {
    return runHere(plan, phase, args, 0, phase.nItems, scratch);
  }
  int64_t workers =
      phase.nItems < exec.workers ? phase.nItems : int64_t(exec.workers);
  // The items of a grid are alike and may be tiny, those of a stream are long.
  int64_t pieces = workers * (phase.stage->space == FOVEA_SPACE_GRID ? 16 : 64);
  int64_t chunk = phase.nItems / pieces;
  PhaseRun run{plan, phase, args, scratch, chunk ? chunk : 1};
  exec.parallel_for(
      exec.user, workers,
      [](int64_t begin, int64_t end, int worker, void *arg) {
        for (int64_t i = begin; i < end; ++i)
          static_cast<PhaseRun *>(arg)->take(worker);
      },
      &run);
  return run.error.code.load() ? stageFailed(plan, phase, run.error) : FOVEA_OK;
}

static fovea_status checkRun(const fovea_plan *plan, int layer) {
  if (!plan)
    return fail(FOVEA_INVALID, "expected a plan, got NULL");
  if (layer < 0)
    return fail(FOVEA_INVALID, "expected a layer of at least 0, got %d", layer);
  if (!plan->ready)
    return fail(FOVEA_STALE,
                "kernel '%s': expected a plan with a successful update, got "
                "one without",
                plan->kernel->name());
  if (plan->kernel->target < 0)
    return plan->kernel->refuseToRun();
  return FOVEA_OK;
}

fovea_status fovea_run(fovea_plan *plan, int layer, const fovea_value *args,
                       int n, void *workspace, fovea_stream stream) {
  if (fovea_status st = checkRun(plan, layer))
    return st;
  if (stream && !plan->gpu)
    return fail(FOVEA_INVALID, "expected no stream on the CPU, got %p", stream);
  Bound bound;
  if (fovea_status st = bindRun(*plan, layer, args, n, workspace, bound))
    return st;
  if (plan->gpu)
    return runOnGpu(*plan, bound, stream);
  Lane *lane = nullptr;
  for (int32_t i = 0; i < plan->nLanes && !lane; ++i)
    if (!plan->lanes[i].busy.exchange(true, std::memory_order_acquire))
      lane = &plan->lanes[i];
  if (!lane)
    return fail(FOVEA_INVALID,
                "expected at most %d runs of the plan at the same time "
                "(limits.concurrent), got one more",
                plan->nLanes);
  makeSummaries(*plan, 1 + int32_t(lane - plan->lanes), bound,
                &plan->ctx().exec);
  fovea_status st = FOVEA_OK;
  for (uint32_t i = 0; i < plan->nPhases && !st; ++i)
    st = runPhase(*plan, plan->phases[plan->runs[i]], bound.abi, lane->scratch);
  lane->busy.store(false, std::memory_order_release);
  return st;
}

int fovea_plan_phases(const fovea_plan *plan) {
  return plan ? int(plan->nPhases) : 0;
}

int64_t fovea_plan_items(const fovea_plan *plan, int phase) {
  if (!plan || phase < 0 || phase >= fovea_plan_phases(plan) || !plan->ready)
    return 0;
  return plan->phases[plan->runs[phase]].nItems;
}

fovea_status fovea_run_items(fovea_plan *plan, int layer, int phase,
                             int64_t begin, int64_t end, int worker,
                             const fovea_value *args, int n, void *workspace) {
  if (fovea_status st = checkRun(plan, layer))
    return st;
  if (plan->gpu)
    return fail(FOVEA_INVALID,
                "kernel '%s': expected a kernel for the CPU, whose items "
                "threads of the host run, got one for a GPU",
                plan->kernel->name());
  if (phase < 0 || phase >= int(plan->nPhases))
    return fail(FOVEA_INVALID, "expected a phase below %u, got %d",
                plan->nPhases, phase);
  const Phase &p = plan->phases[plan->runs[phase]];
  if (begin < 0 || end < begin || end > p.nItems)
    return fail(FOVEA_INVALID,
                "expected items inside [0, %lld), got [%lld, %lld)",
                (long long)p.nItems, (long long)begin, (long long)end);
  if (worker < 0 || worker >= plan->scratchCount)
    return fail(FOVEA_INVALID, "expected a worker below %d, got %d",
                plan->scratchCount, worker);
  if (begin == end)
    return FOVEA_OK;
  Bound bound;
  if (fovea_status st = bindRun(*plan, layer, args, n, workspace, bound))
    return st;
  // The last lane: fovea_run takes it last.
  char *scratch = plan->lanes[plan->nLanes - 1].scratch +
                  plan->scratchBytes * size_t(worker);
  return runHere(*plan, p, bound.abi, begin, end, scratch);
}
