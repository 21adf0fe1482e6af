// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A plan: the memory of its capacity, and what the last update decided.
//
// Nothing here allocates after creation. One phase is one stage: the variant
// is chosen by the update, the barrier after a phase is the executor's return.
#ifndef FOVEA_RUNTIME_PLAN_PLAN_H
#define FOVEA_RUNTIME_PLAN_PLAN_H

#include "runtime/base/Checked.h"
#include "runtime/bundle/CheckRecords.h"
#include "runtime/loader/Bundle.h"

#include <fovea/inspect.h>

namespace fovea::rt {

/// The largest values of the kernel's symbols, and which of them mean batch,
/// rows and keys.
struct Capacity {
  enum Role : uint8_t { Other, Batch, Rows, Keys };

  int64_t most[maxSymbols] = {};
  Role role[maxSymbols] = {};
  bool named[maxSymbols] = {}; // by limits.dims
  int64_t rows = 0;            // b * sq
  int64_t fixedBatch = 1;      // where no symbol is the batch
  uint32_t batchSymbols = 0;
};

/// The kernel's functions for one mask.
struct MaskFns {
  const fovea_bundle_mask *record = nullptr;
  fovea_bounds_fn bounds = nullptr;
  fovea_class_fn classify = nullptr;
  fovea_keep_fn keep = nullptr;
};

/// Pieces of one split item: the sources [slot, slot + count).
using SplitGroup = fovea_abi_item;

struct Phase {
  const fovea_bundle_stage *stage = nullptr;
  MaskFns mask; // stream with a mask
  // Capacities.
  int64_t maxItems = 0, maxSlots = 0, maxGroups = 0;
  bool hasCombine = false;
  // Tables of the capacity.
  fovea_abi_item *items = nullptr;
  SplitGroup *groups = nullptr;             // stream that can be split
  fovea_abi_source *sources = nullptr;      // of the groups
  int64_t *qOff = nullptr, *kLen = nullptr; // stream, [sequences]
  // Decided by the last update.
  const fovea_bundle_variant *variant = nullptr;
  fovea_stage_fn entry = nullptr;
  int64_t nItems = 0, nSlots = 0, nGroups = 0;
  int64_t batch = 0, sq = 0, sk = 0, packed = 0; // stream
  double costTotal = 0, costLongest = 0;
  fovea_abi_plan abi{};
};

/// A workspace buffer as the last update placed it.
struct Placed {
  int64_t offset = 0, bytes = 0;
  int64_t shape[FOVEA_ABI_MAX_RANK] = {};
};

/// The arguments of one call in the form that kernels read.
struct Bound {
  fovea_abi_view views[maxViews];
  fovea_abi_scalar scalars[maxScalars];
  fovea_abi_args abi;
};

/// One run in flight: its scratch memory, one piece per worker.
struct Lane {
  std::atomic<bool> busy{false};
  char *scratch = nullptr;
};

} // namespace fovea::rt

struct fovea_plan : fovea::rt::Counted<fovea_plan> {
  explicit fovea_plan(fovea_kernel *kernel) : kernel(kernel) {}
  ~fovea_plan();

  fovea::rt::Ref<fovea_kernel> kernel;
  fovea_plan_limits limits{};
  fovea::rt::Capacity capacity;
  int32_t workers = 1;      // planned for
  int32_t scratchCount = 1; // per lane: at least the executor's workers

  fovea::rt::Phase phases[fovea::rt::maxStages];
  uint32_t nPhases = 0;
  fovea::rt::Placed buffers[fovea::rt::maxViews];
  int64_t workspaceBytes = 0;

  // Memory from the context's allocator.
  void *tables = nullptr;
  void *scratch = nullptr;
  fovea::rt::Lane *lanes = nullptr;
  int32_t nLanes = 0;
  size_t scratchBytes = 0;       // of one worker
  fovea_abi_item *raw = nullptr; // items before they are ordered
  int64_t *cost = nullptr;       // of raw items
  int64_t *blocks = nullptr;     // keys of a raw item, in blocks
  int32_t *order = nullptr;
  double *load = nullptr; // [workers]

  // The last update.
  bool ready = false;
  int64_t symbols[fovea::rt::maxSymbols] = {};
  int64_t argShape[fovea::rt::maxViews + fovea::rt::maxScalars]
                  [FOVEA_ABI_MAX_RANK] = {};
  fovea::rt::Bound planned; // for the mask's functions
  int64_t boundsCalls = 0;
  double updateMs = 0;

  fovea_ctx &ctx() const { return *kernel->bundle->ctx.get(); }
  /// The value of an extent with the present symbols and slots.
  fovea::rt::Extent extent(const fovea_bundle_extent &e) const;
};

namespace fovea::rt {

/// Works out capacities from the limits and allocates; fills a new plan.
fovea_status sizePlan(fovea_plan &plan);

/// Checks arguments of an update and fills plan.planned, the symbols and the
/// planned shapes.
fovea_status bindUpdate(fovea_plan &plan, const fovea_value *args, int n);
/// Checks arguments of a run against the planned shapes.
fovea_status bindRun(const fovea_plan &plan, const fovea_value *args, int n,
                     void *workspace, Bound &out);

/// Row tiles of one (sequence, head) with a variant.
inline int64_t rowTiles(const Phase &phase) {
  return ceilDiv(phase.packed, phase.variant->rows);
}
/// The query positions [q0, q1) that `rows` rows from `row` on belong to.
inline void tilePositions(const Phase &phase, int64_t row, int64_t rows,
                          int64_t &q0, int64_t &q1) {
  int64_t group = phase.stage->group;
  q0 = row / group;
  q1 = (row + rows - 1) / group + 1;
  if (q1 > phase.sq)
    q1 = phase.sq;
}
/// Rows that a variant classifies together.
inline int64_t classRows(const fovea_bundle_variant &variant) {
  return variant.class_rows ? variant.class_rows : variant.rows;
}

/// Live keys of an item's rows, checked; a phase without a mask or an unlisted
/// one has one run of all keys. Negative: `*status` has been set.
int32_t itemRuns(const fovea_plan &plan, const Phase &phase,
                 const fovea_abi_item &item, fovea_abi_run *runs,
                 fovea_status *status);

/// Keys that a chosen-blocks stage reads at most per item; INT64_MAX: no list.
int64_t listKeys(const fovea_plan &plan, const Phase &phase);

/// Builds, splits and orders the items of a stream phase.
fovea_status planStream(fovea_plan &plan, Phase &phase);

/// Most slots that planStream may use.
int64_t slotCapacity(const fovea_plan &plan, const fovea_bundle_stage &stage);

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_PLAN_PLAN_H
