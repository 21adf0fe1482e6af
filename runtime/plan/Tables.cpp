// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tables that a plan computes at every update (fovea_bundle_table): ancestors
// as intervals, in time linear in the entries, without recursion, and whatever
// the parents hold; boundaries that ascend.
#include "runtime/base/Status.h"
#include "runtime/plan/Plan.h"

namespace fovea::rt {
namespace {

/// Numbers a forest in the order of a walk, from `first` on: entry k of `table`
/// becomes (enter, exit), so that the descendants of k and k itself are those
/// that enter in [enter, exit). parentOf(k) is less than k, or -1.
template <typename Parent>
void walk(int32_t *table, int64_t stride, int64_t n, int32_t first,
          Parent parentOf) {
  auto enter = [&](int64_t k) -> int32_t & { return table[k * stride]; };
  auto exit = [&](int64_t k) -> int32_t & { return table[k * stride + 1]; };
  for (int64_t k = 0; k < n; ++k)
    exit(k) = 1;
  for (int64_t k = n; k-- > 0;) // sizes of subtrees
    if (int64_t p = parentOf(k); p >= 0)
      exit(p) += exit(k);
  // Children take their place from the end of their parent's: `exit` is where
  // the next one ends.
  int32_t roots = int32_t(first + n);
  for (int64_t k = 0; k < n; ++k) {
    int64_t p = parentOf(k);
    int32_t &end = p >= 0 ? exit(p) : roots;
    int32_t size = exit(k);
    exit(k) = end;
    end -= size;
    enter(k) = end;
  }
  // Every child has come, so that `exit` is behind its own number.
  for (int64_t k = n; k-- > 0;)
    if (int64_t p = parentOf(k); p >= 0 && exit(p) < exit(k))
      exit(p) = exit(k);
}

/// A row-major shape: the first `rank` extents are those of `source`, a further
/// one of `all` is set.
void setShape(const fovea_abi_view &source, uint32_t rank, uint32_t all,
              fovea_abi_view &out) {
  for (uint32_t d = 0; d < rank; ++d)
    out.shape[d] = source.shape[d];
  int64_t stride = 1;
  for (uint32_t d = all; d-- > 0; stride *= out.shape[d])
    out.stride[d] = stride;
}

void fillLineage(const fovea_abi_view &parents, uint32_t rank,
                 fovea_abi_view &out) {
  int64_t rows = rank == 2 ? parents.shape[0] : 1;
  int64_t n = parents.shape[rank - 1];
  for (int64_t row = 0; row < rows; ++row) {
    const int32_t *from = static_cast<const int32_t *>(parents.data) +
                          (rank == 2 ? row * parents.stride[0] : 0);
    walk(static_cast<int32_t *>(out.data) + row * n * 2, 2, n, 0,
         [&](int64_t k) -> int64_t {
           return from[k] >= 0 && from[k] < k ? from[k] : -1;
         });
  }
  out.shape[rank] = 2;
  setShape(parents, rank, rank + 1, out);
}

/// Copies boundaries of argument `name`, or says which do not ascend.
fovea_status fillBoundaries(const fovea_plan &plan, const char *name,
                            const fovea_abi_view &source, uint32_t rank,
                            fovea_abi_view &out) {
  int64_t rows = rank == 2 ? source.shape[0] : 1, n = source.shape[rank - 1];
  int32_t *to = static_cast<int32_t *>(out.data);
  for (int64_t row = 0; row < rows; ++row) {
    const int32_t *from = static_cast<const int32_t *>(source.data) +
                          (rank == 2 ? row * source.stride[0] : 0);
    for (int64_t i = 0; i < n; ++i, ++to) {
      if (i && from[i] < from[i - 1])
        return fail(FOVEA_INVALID,
                    "kernel '%s': expected the boundaries in '%s' to ascend, "
                    "got %d and %d at %lld and %lld of row %lld",
                    plan.kernel->name(), name, from[i - 1], from[i],
                    (long long)i - 1, (long long)i, (long long)row);
      *to = from[i];
    }
  }
  setShape(source, rank, rank, out);
  return FOVEA_OK;
}

/// Columns of `batch_tree`.
enum { Enter, Exit, Position, Parent, Columns };
enum { Committed, Base, End };

/// The uncommitted rows of a sequence and their parents into `rows`; 0 where
/// they are a chain.
int64_t copyParents(const fovea_plan &plan, const CacheStep &cache, int64_t b,
                    int32_t *rows, int64_t room) {
  const fovea_kv &kv = *cache.kv;
  int32_t at = cache.index[b];
  if (!kv.borrowed) {
    int64_t n = kv.treeRows(at);
    if (n <= room)
      kv.copyTree(at, rows + Parent, Columns);
    return n;
  }
  const int32_t *parent = plan.batch.parent;
  int64_t first = plan.batchRows[b], n = plan.batchRows[b + 1] - first;
  bool chain = true;
  for (int64_t r = 0; parent && r < n; ++r)
    chain &= parent[first + r] == r - 1;
  if (chain)
    return 0;
  for (int64_t r = 0; r < n && n <= room; ++r)
    rows[r * Columns + Parent] = parent[first + r];
  return n;
}

fovea_status fillTree(fovea_plan &plan, TableStep &table, fovea_abi_view &out) {
  const CacheStep &cache = plan.caches[size_t(table.record->cache)];
  const int64_t sequences = plan.sequences;
  int32_t *data = table.data;
  auto row = [&](int64_t i) { return data + i * Columns; };
  auto set = [&](int64_t i, int32_t a, int32_t b, int32_t c, int32_t d) {
    int32_t *at = row(i);
    at[0] = a, at[1] = b, at[2] = c, at[3] = d;
  };
  // One entry stands for all tokens of all sequences that are chains.
  set(sequences, 0, INT32_MAX, 0, -1);
  int64_t used = sequences + 1, room = plan.treeRows();
  for (int64_t b = 0; b < sequences; ++b) {
    int32_t *rows = row(used + 1);
    int64_t n = copyParents(plan, cache, b, rows, room);
    if (n > room)
      return fail(FOVEA_INVALID,
                  "kernel '%s': expected at most %lld uncommitted rows in the "
                  "trees of a batch (limits.tree_rows), got more",
                  plan.kernel->name(), (long long)plan.treeRows());
    if (!n) {
      set(b, INT32_MAX, int32_t(sequences), 0, 0);
      continue;
    }
    // The planner refuses lengths beyond 2^31 - 1 later.
    int64_t length = cache.length[b] < INT32_MAX ? cache.length[b] : INT32_MAX;
    int32_t committed = int32_t(length - n), end = committed;
    walk(rows, Columns, n, 1,
         [&](int64_t k) -> int64_t { return rows[k * Columns + Parent]; });
    for (int64_t k = 0; k < n; ++k) {
      int32_t *at = rows + k * Columns;
      at[Position] = at[Parent] < 0 ? committed
                                    : rows[at[Parent] * Columns + Position] + 1;
      end = at[Position] >= end ? at[Position] + 1 : end;
    }
    set(used, 0, INT32_MAX, 0, -1);
    set(b, committed, int32_t(used), end, 0);
    used += n + 1;
    room -= n;
  }
  out.shape[0] = used;
  out.shape[1] = out.stride[0] = Columns;
  out.stride[1] = 1;
  return FOVEA_OK;
}

} // namespace

Extent tableEntries(const fovea_plan &plan, const fovea_bundle_table &table) {
  if (table.rule == FOVEA_TABLE_BATCH_TREE)
    return (Extent{2 * plan.limits.seqs + 1} + Extent{plan.treeRows()}) *
           Extent{Columns};
  Extent n{table.rule == FOVEA_TABLE_LINEAGE ? 2 : 1};
  for (const fovea_bundle_arg &a : plan.kernel->args)
    if (a.kind == FOVEA_ARG_TENSOR && int64_t(a.slot) == table.source)
      for (uint32_t d = 0; d < a.rank; ++d)
        n = n * Extent{a.symbol[d] >= 0 ? plan.capacity.most[a.symbol[d]]
                                        : a.shape[d]};
  return n;
}

fovea_status fillTables(fovea_plan &plan) {
  for (uint32_t i = 0; i < plan.kernel->tables.size(); ++i) {
    TableStep &table = plan.tableSteps[i];
    const fovea_bundle_table &record = *table.record;
    fovea_abi_view &out = plan.planned.views[record.slot];
    out.data = table.data;
    if (record.rule == FOVEA_TABLE_BATCH_TREE) {
      if (fovea_status st = fillTree(plan, table, out))
        return st;
      continue;
    }
    for (const fovea_bundle_arg &a : plan.kernel->args) {
      if (a.kind != FOVEA_ARG_TENSOR || int64_t(a.slot) != record.source)
        continue;
      const fovea_abi_view &source = plan.planned.views[record.source];
      if (record.rule == FOVEA_TABLE_LINEAGE)
        fillLineage(source, a.rank, out);
      else if (fovea_status st =
                   fillBoundaries(plan, plan.kernel->view().string(a.name),
                                  source, a.rank, out))
        return st;
    }
  }
  return FOVEA_OK;
}

void bindTables(const fovea_plan &plan, Bound &out) {
  for (const fovea_bundle_table &table : plan.kernel->tables)
    out.views[table.slot] = plan.planned.views[table.slot];
}

int64_t treeEnd(const fovea_plan &plan, const CacheStep &cache, int64_t b) {
  for (uint32_t i = 0; i < plan.kernel->tables.size(); ++i) {
    const TableStep &table = plan.tableSteps[i];
    if (table.record->rule == FOVEA_TABLE_BATCH_TREE &&
        &plan.caches[size_t(table.record->cache)] == &cache)
      return table.data[b * Columns + End];
  }
  return 0;
}

} // namespace fovea::rt
