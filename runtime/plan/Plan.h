// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A plan: the memory of its capacity, and what the last update decided.
//
// Nothing here allocates after creation. One phase is one stage: the barrier
// after a phase is the executor's return. A phase runs several variants of its
// stage, one part each: every sequence takes the variant that fits its rows.
#ifndef FOVEA_RUNTIME_PLAN_PLAN_H
#define FOVEA_RUNTIME_PLAN_PLAN_H

#include "runtime/base/Array.h"
#include "runtime/base/Checked.h"
#include "runtime/bundle/CheckRecords.h"
#include "runtime/kvcache/Cache.h"

#include <fovea/inspect.h>

namespace fovea::rt {

/// The largest values of the kernel's symbols, and which of them mean batch,
/// rows and keys.
struct Capacity {
  enum Role : uint8_t { Other, Batch, Rows, Keys };

  int64_t most[maxSymbols] = {};
  Role role[maxSymbols] = {};
  bool ofBatch[maxSymbols] = {}; // given by the batch, not by an argument
  bool named[maxSymbols] = {};   // by limits.dims
  int64_t rows = 0;              // b * sq
  int64_t fixedBatch = 1;        // where no symbol is the batch
  uint32_t batchSymbols = 0;
};

/// The kernel's functions for one mask.
struct MaskFns {
  const fovea_bundle_mask *record = nullptr;
  fovea_bounds_fn bounds = nullptr;
  fovea_class_fn classify = nullptr;
  fovea_keep_fn keep = nullptr;
};

/// One item per record list: the sources [slot, slot + count).
using SplitGroup = fovea_abi_item;

/// One variant of a stage, and its items of the last update.
struct Part {
  const fovea_bundle_variant *variant = nullptr;
  fovea_stage_fn entry = nullptr;
  int64_t first = 0, count = 0;
  double longest = 0; // cost of the most expensive item
};

/// Some queries of several sequences that share the keys [k0, k1): the rows
/// [first, first + count) of the phase's rows, one item per head.
struct SharedTile {
  int64_t k0, k1;
  int32_t b; // the sequence that the keys are read through
  int32_t part, first, count;
  int32_t merges; // combine items of one head that read its records
};

/// A sequence's share of a shared tile: its queries start at packed row `row`.
struct SharedLink {
  int32_t b, tile, row;
};

struct Phase {
  const fovea_bundle_stage *stage = nullptr;
  MaskFns mask; // stream with a mask
  // Capacities. A slot holds `slotRows` rows; a record takes as many slots as
  // it needs.
  int64_t maxItems = 0, maxSlots = 0, maxGroups = 0, maxSources = 0;
  int64_t plainSlots = 0; // of maxSlots, those for pieces of split items
  int64_t maxTiles = 0, maxLinks = 0; // of shared keys; 0: nothing is shared
  int32_t slotRows = 0;
  bool hasCombine = false;
  // Tables of the capacity.
  Part *parts = nullptr;     // variants with code for here, ascending max_rows
  uint8_t *active = nullptr; // parts with items, in the order of execution
  int32_t nParts = 0;
  fovea_abi_item *items = nullptr;
  int64_t *costs = nullptr;            // of the items
  SplitGroup *groups = nullptr;        // stream that can be split
  fovea_abi_source *sources = nullptr; // of the groups
  // Stream and append, per sequence; rowOff has one more.
  int64_t *qOff = nullptr, *kLen = nullptr, *rowOff = nullptr;
  uint8_t *partOf = nullptr;
  // Stream that can share keys.
  fovea_abi_row *rows = nullptr;
  SharedTile *tiles = nullptr;
  SharedLink *links = nullptr; // by sequence once they are complete
  int64_t *ownBegin = nullptr; // [sequences]: keys before are shared
  int32_t *sorted = nullptr;   // [sequences]
  int64_t *common = nullptr;   // [sequences]: keys shared with the one before
  // Decided by the last update.
  int32_t nActive = 0, shown = 0; // shown: a part for inspection
  int64_t nItems = 0, nSlots = 0, nGroups = 0, nSources = 0, nPieces = 0;
  int64_t nTiles = 0, nLinks = 0, nRows = 0;
  int64_t sharedGroups = 0, sharedKeys = 0;
  int64_t batch = 0, sq = 0, sk = 0; // sq: most queries of a sequence
  double costTotal = 0, costLongest = 0;
  fovea_abi_plan abi{};

  int64_t queries(int64_t b) const { return rowOff[b + 1] - rowOff[b]; }
  int64_t packed(int64_t b) const { return queries(b) * stage->group; }
  /// The part that runs item `i`.
  const Part &partAt(int64_t i) const {
    for (int32_t a = 0; a + 1 < nActive; ++a)
      if (i < parts[active[a]].first + parts[active[a]].count)
        return parts[active[a]];
    return parts[nActive ? active[nActive - 1] : uint8_t(shown)];
  }
};

/// A workspace buffer as the last update placed it.
struct Placed {
  int64_t offset = 0, bytes = 0;
  int64_t shape[FOVEA_ABI_MAX_RANK] = {};
  int64_t slotStride = 0; // elements from slot to slot; 0: row-major
};

/// The tables of one segment of a cache as the last update read them.
struct SegmentTables {
  int32_t *pages = nullptr;
  fovea_abi_range *ranges = nullptr;
  int64_t capacity = 0, used = 0; // of pages
};

/// A cache argument in the last update.
struct CacheStep {
  CacheRecords records;
  uint32_t arg = 0;
  bool appends = false;  // the kernel appends to it
  bool reserved = false; // by the update that runs
  fovea_kv *kv = nullptr;
  int64_t *length = nullptr;      // [sequences], new rows included
  int32_t *index = nullptr;       // of the sequence in the cache
  uint32_t *generation = nullptr; // when it was planned
  int64_t longest = 0;
  SegmentTables segments[maxSegments];
};

/// A table of which the functions of masks take a summary, an argument or one
/// of lineages that the plan made of it (`made`), and the place of the summary
/// in a copy of all: `capacity` numbers from `offset` on.
struct TableSummary {
  uint32_t slot, axis;
  const fovea_bundle_arg *source;
  const fovea_bundle_table *made;
  int64_t offset, capacity;

  uint32_t dtype() const {
    return made && made->rule == FOVEA_TABLE_LINEAGE_SIZE
               ? uint32_t(FOVEA_DTYPE_I8)
               : source->dtype;
  }
};
constexpr uint32_t maxSummaries = 16;

/// A table that the plan computes.
struct TableStep {
  const fovea_bundle_table *record = nullptr;
  char *data = nullptr;
};

/// The arguments of one call in the form that kernels read.
struct Bound {
  fovea_abi_view views[maxViews];
  fovea_abi_view summaries[maxViews];
  fovea_abi_scalar scalars[maxScalars];
  fovea_abi_args abi;
};

class GpuPlan;

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

  fovea::rt::Phase phases[fovea::rt::maxStages]; // by stage
  uint32_t nStages = 0;
  // The stages that a run executes: all but those of the cache manager.
  uint8_t runs[fovea::rt::maxStages] = {};
  uint32_t nPhases = 0;
  fovea::rt::Placed buffers[fovea::rt::maxViews];
  int64_t workspaceBytes = 0;

  // Memory from the context's allocator.
  void *tables = nullptr;
  size_t tablesBytes = 0;
  void *scratch = nullptr;
  fovea::rt::Lane *lanes = nullptr;
  int32_t nLanes = 0;
  size_t scratchBytes = 0; // of one worker
  // Of a phase's items before they are ordered (raw); only planned with, and
  // first of what is.
  int64_t *blocks = nullptr; // keys of a raw item, in blocks
  int32_t *order = nullptr;
  uint8_t *part = nullptr;     // of raw items
  int32_t *slotOf = nullptr;   // first slot of a raw item's pieces
  int32_t *piecesOf = nullptr; // of a raw item
  double *load = nullptr;      // [workers]

  // Tables that masks read by key; a copy of the arguments' summaries for the
  // planner and one for each lane, and one of those of the plan's own tables,
  // which change with an update alone.
  fovea::rt::TableSummary summaries[fovea::rt::maxSummaries];
  uint32_t nSummaries = 0;
  int64_t summaryNumbers = 0;     // of one copy
  int64_t madeSummaryNumbers = 0; // of the plan's own tables
  int64_t *summaryMemory = nullptr;

  // Kernels with caches.
  fovea::rt::Array<fovea::rt::CacheStep> caches;
  uint32_t nCaches = 0; // caches.size()
  bool ragged = false;  // rows of all sequences in one dim
  int32_t rowsSymbol = -1, batchSymbol = -1;
  int64_t *batchRows = nullptr; // [sequences + 1]: the batch's rows
  fovea_batch batch{};          // while an update runs

  /// Its copy on the kernel's GPU; NULL on the CPU.
  fovea::rt::GpuPlan *gpu = nullptr;

  // The last update.
  bool ready = false;
  int64_t sequences = 0; // of a batch
  int64_t symbols[fovea::rt::maxSymbols] = {};
  int64_t argShape[fovea::rt::maxViews + fovea::rt::maxScalars]
                  [FOVEA_ABI_MAX_RANK] = {};
  fovea::rt::Bound planned; // for the mask's functions
  fovea::rt::TableStep tableSteps[fovea::rt::maxViews]; // by table
  int64_t boundsCalls = 0;
  double updateMs = 0;

  int64_t treeRows() const {
    return limits.tree_rows ? limits.tree_rows : limits.rows;
  }
  fovea_ctx &ctx() const { return *kernel->bundle->ctx.get(); }
  /// The value of an extent with the present symbols and slots.
  fovea::rt::Extent extent(const fovea_bundle_extent &e) const;
};

namespace fovea::rt {

/// Works out capacities from the limits and allocates; fills a new plan.
fovea_status sizePlan(fovea_plan &plan);

/// The number of arguments and their kinds.
fovea_status checkKinds(const fovea_plan &plan, const fovea_value *args, int n);
/// Checks arguments of an update and fills plan.planned, the symbols and the
/// planned shapes.
fovea_status bindUpdate(fovea_plan &plan, const fovea_value *args, int n);
/// Checks arguments of a run against the planned shapes.
fovea_status bindRun(const fovea_plan &plan, int layer, const fovea_value *args,
                     int n, void *workspace, Bound &out);

/// The tables of a new plan's kernel that need a summary, and their memory at
/// the capacity.
void findSummaries(fovea_plan &plan);
void sizeSummaries(fovea_plan &plan);
/// Fills copy `copy` of the summaries from the tables of `bound`, on the
/// workers of `exec` unless it is NULL.
void makeSummaries(const fovea_plan &plan, int32_t copy, Bound &bound,
                   const fovea_executor *exec);

/// The cache arguments of a new plan's kernel.
fovea_status findCaches(fovea_plan &plan);
/// Symbols that the batch and not an argument gives, and what they mean.
fovea_status batchRoles(fovea_plan &plan);
/// The batch of an update: checks it, reserves the rows of the caches that the
/// kernel appends to (unless `reserved`: an earlier update did), copies lengths
/// and tables and sets the symbols. Without caches checks that there is none.
/// After a failure nothing is reserved.
fovea_status bindBatch(fovea_plan &plan, const fovea_batch *batch,
                       const fovea_value *args, bool reserved);
/// Bytes that a table of the plan takes at most.
Extent tableBytes(const fovea_plan &plan, const fovea_bundle_table &table);
/// Computes the plan's tables, after bindUpdate, into plan.planned.
fovea_status fillTables(fovea_plan &plan);
/// Gives a run the tables of the update.
void bindTables(const fovea_plan &plan, Bound &out);
/// Where sequence b has a tree over `cache`: behind its greatest position; else
/// 0.
int64_t treeEnd(const fovea_plan &plan, const CacheStep &cache, int64_t b);

/// Gives the rows back that bindBatch reserved.
void releaseBatch(fovea_plan &plan);
/// Checks a cache of a run and fills its views for `layer`.
fovea_status bindCache(const fovea_plan &plan, uint32_t arg,
                       const fovea_value &value, int layer, Bound &out);

/// fovea_plan_update; `reserved`: an earlier update of this step, of another
/// plan, has reserved the rows.
fovea_status updatePlan(fovea_plan &plan, const fovea_batch *batch,
                        const fovea_value *args, int n, bool reserved);

/// Extents, place and bytes of the workspace with the present symbols.
Extent placeBuffers(const fovea_plan &plan, Placed *placed);

/// Index of the first part that takes `rows` packed rows; -1: none.
inline int32_t partFor(const Phase &phase, int64_t rows) {
  for (int32_t p = 0; p < phase.nParts; ++p)
    if (rows <= phase.parts[p].variant->max_rows)
      return p;
  return -1;
}
/// The query positions [q0, q1) of sequence b that `rows` rows from `row` on
/// belong to.
inline void tilePositions(const Phase &phase, int64_t b, int64_t row,
                          int64_t rows, int64_t &q0, int64_t &q1) {
  int64_t group = phase.stage->group, queries = phase.queries(b);
  q0 = row / group;
  q1 = (row + rows - 1) / group + 1;
  if (q1 > queries)
    q1 = queries;
}
/// Rows that a variant classifies together.
inline int64_t classRows(const fovea_bundle_variant &variant) {
  return variant.class_rows ? variant.class_rows : variant.rows;
}
/// Packed rows of an item that a variant runs.
inline int64_t itemRows(const Phase &phase, const fovea_abi_item &item,
                        const fovea_bundle_variant &variant) {
  if (item.flags & FOVEA_ITEM_SHARED)
    return int64_t(item.count) * phase.stage->group;
  int64_t left = phase.packed(item.b) - item.row;
  return left < int64_t(variant.rows) ? left : int64_t(variant.rows);
}
/// What a key costs `rows` rows, in rows: too few wait for memory, and lanes
/// without a row take as long as the others.
inline int64_t keyCost(const Phase &phase, const fovea_bundle_variant &variant,
                       int64_t rows) {
  constexpr int64_t leastRows = 6;
  if (phase.stage->cache < 0)
    return rows;
  int64_t lanes = classRows(variant);
  int64_t padded = ceilDiv(rows, lanes) * lanes;
  return padded > leastRows ? padded : leastRows;
}

/// Live keys of an item's rows, checked; a phase without a mask or an unlisted
/// one has one run of all keys. Negative: `*status` has been set.
int32_t itemRuns(const fovea_plan &plan, const Phase &phase,
                 const fovea_abi_item &item, int64_t rows, fovea_abi_run *runs,
                 fovea_status *status);

/// Keys that a chosen-blocks stage reads at most per item; INT64_MAX: no list.
int64_t listKeys(const fovea_plan &plan, const Phase &phase);

/// Packing the queries and storing the output, in keys.
constexpr int64_t overheadKeys = 64;
/// Members of a group that shares keys have at most so many packed rows, and a
/// variant of at most so many: others read keys often enough themselves.
constexpr int64_t shareRows = 16;
/// A query's keys are in at most so many shared ranges.
constexpr int64_t shareDepth = 4;
/// A shared item is cut into at most so many pieces.
constexpr int64_t sharePieces = 8;

/// The cache whose sequences a stage works on; NULL: those of plain tensors.
const CacheStep *cacheOf(const fovea_plan &plan, const fovea_bundle_stage &);
/// Whether the sequences of a stage may share keys in this plan.
bool canShare(const fovea_plan &plan, const Phase &phase);
/// Finds the sequences that share pages and decides which keys they read
/// together: tiles, links and ownBegin of the phase.
void planSharing(fovea_plan &plan, Phase &phase);

/// Builds, splits and orders the items of a stream phase.
fovea_status planStream(fovea_plan &plan, Phase &phase);
/// Items of the stages that write a cache.
fovea_status planAppend(fovea_plan &plan, Phase &phase);
fovea_status planPages(fovea_plan &plan, Phase &phase);
/// Orders [0, n) of phase.items and their costs, parts with the longest items
/// first; plan.order has the order inside a part.
void placeParts(fovea_plan &plan, Phase &phase, int64_t n);

/// Most pieces of split items that planStream may make.
int64_t slotCapacity(const fovea_plan &plan, const fovea_bundle_stage &stage);

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_PLAN_PLAN_H
