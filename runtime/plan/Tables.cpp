// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tables that a plan computes at every update (fovea_bundle_table): ancestors
// as intervals, in time linear in the entries, without recursion, and whatever
// the parents hold; boundaries that ascend.
#include "runtime/base/Status.h"
#include "runtime/plan/Plan.h"

namespace fovea::rt {
namespace {

/// Columns of `batch_tree`; lineages have the first two.
enum { Enter, Exit, Position, Parent, Columns };
enum { Committed, Base, End };

/// The numbers of a batch's rows.
struct TreeNodes {
  int32_t *rows;

  int32_t get(int64_t k, int column) const {
    return rows[k * Columns + column];
  }
  void set(int64_t k, int column, int32_t number) {
    rows[k * Columns + column] = number;
  }
};

/// Those of a lineage (FOVEA_TABLE_LINEAGE), where size stands for exit in the
/// end.
struct PackedNodes {
  static constexpr int32_t enterBits = 20, sizeBits = 8;
  static constexpr int64_t mostLeaves = (1 << (enterBits - 1)) - 1;
  static constexpr int32_t below = (1 << enterBits) - 1;
  static constexpr int32_t bias = 1 << (sizeBits - 1);
  int32_t *words;
  int8_t *sizes;

  int32_t get(int64_t k, int column) const {
    return column == Enter
               ? words[k] & below
               : (words[k] >> enterBits << sizeBits) + int32_t(sizes[k]) + bias;
  }
  void set(int64_t k, int column, int32_t number) {
    if (column == Enter) {
      words[k] = (words[k] & ~below) | number;
      return;
    }
    words[k] = (words[k] & below) | number >> sizeBits << enterBits;
    sizes[k] = int8_t((number & (2 * bias - 1)) - bias);
  }
};

/// Numbers the leaves of a forest in the order of a walk, from `first` on: node
/// k gets (enter, exit), the leaves of its subtree. Returns their number; where
/// they are more than `most`, nothing is done. parentOf(k) is less than k, or
/// -1.
template <typename Nodes, typename Parent>
int64_t walk(Nodes nodes, int64_t n, int32_t first, int64_t most,
             Parent parentOf) {
  for (int64_t k = 0; k < n; ++k)
    nodes.set(k, Exit, 0);
  int64_t leaves = 0;
  for (int64_t k = n; k-- > 0;) {
    // What nobody has added to is a leaf.
    int32_t own = nodes.get(k, Exit);
    if (!own) {
      if (++leaves > most)
        return leaves;
      nodes.set(k, Exit, own = 1);
    }
    if (int64_t p = parentOf(k); p >= 0)
      nodes.set(p, Exit, nodes.get(p, Exit) + own);
  }
  // Children take their place from the end of their parent's: `exit` is where
  // the next one ends.
  int32_t roots = int32_t(first + leaves);
  for (int64_t k = 0; k < n; ++k) {
    int64_t p = parentOf(k);
    int32_t end = p >= 0 ? nodes.get(p, Exit) : roots;
    int32_t begin = end - nodes.get(k, Exit);
    nodes.set(k, Exit, end);
    nodes.set(k, Enter, begin);
    if (p >= 0)
      nodes.set(p, Exit, begin);
    else
      roots = begin;
  }
  // Every child has come, so that `exit` is where the first one ended.
  for (int64_t k = n; k-- > 0;)
    if (int64_t p = parentOf(k);
        p >= 0 && nodes.get(p, Exit) < nodes.get(k, Exit))
      nodes.set(p, Exit, nodes.get(k, Exit));
  return leaves;
}

/// The row-major shape of a table with the extents of `source`.
void setShape(const fovea_abi_view &source, uint32_t rank,
              fovea_abi_view &out) {
  for (uint32_t d = 0; d < rank; ++d)
    out.shape[d] = source.shape[d];
  int64_t stride = 1;
  for (uint32_t d = rank; d-- > 0; stride *= out.shape[d])
    out.stride[d] = stride;
}

/// Both tables of argument `name`'s lineages, or says which row has too many
/// leaves.
fovea_status fillLineage(const fovea_plan &plan, const char *name,
                         const fovea_abi_view &parents, uint32_t rank,
                         fovea_abi_view &words, fovea_abi_view &sizes) {
  int64_t rows = rank == 2 ? parents.shape[0] : 1;
  int64_t n = parents.shape[rank - 1];
  memset(words.data, 0, size_t(rows * n) * sizeof(int32_t));
  for (int64_t row = 0; row < rows; ++row) {
    const int32_t *from = static_cast<const int32_t *>(parents.data) +
                          (rank == 2 ? row * parents.stride[0] : 0);
    PackedNodes nodes{static_cast<int32_t *>(words.data) + row * n,
                      static_cast<int8_t *>(sizes.data) + row * n};
    int64_t leaves =
        walk(nodes, n, 0, PackedNodes::mostLeaves, [&](int64_t k) -> int64_t {
          return from[k] >= 0 && from[k] < k ? from[k] : -1;
        });
    if (leaves > PackedNodes::mostLeaves)
      return fail(FOVEA_INVALID,
                  "kernel '%s': expected the trees in row %lld of '%s' to have "
                  "at most %lld leaves, got more",
                  plan.kernel->name(), (long long)row, name,
                  (long long)PackedNodes::mostLeaves);
    for (int64_t k = 0; k < n; ++k)
      nodes.set(k, Exit, nodes.get(k, Exit) - nodes.get(k, Enter));
  }
  setShape(parents, rank, words);
  setShape(parents, rank, sizes);
  return FOVEA_OK;
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
  setShape(source, rank, out);
  return FOVEA_OK;
}

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
  auto *data = reinterpret_cast<int32_t *>(table.data);
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
    walk(TreeNodes{rows}, n, 1, INT32_MAX,
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

Extent tableBytes(const fovea_plan &plan, const fovea_bundle_table &table) {
  constexpr int64_t number = sizeof(int32_t);
  if (table.rule == FOVEA_TABLE_BATCH_TREE)
    return (Extent{2 * plan.limits.seqs + 1} + Extent{plan.treeRows()}) *
           Extent{Columns * number};
  Extent n{table.rule == FOVEA_TABLE_LINEAGE_SIZE ? 1 : number};
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
    if (record.rule == FOVEA_TABLE_LINEAGE_SIZE) // with the record before
      continue;
    for (const fovea_bundle_arg &a : plan.kernel->args) {
      if (a.kind != FOVEA_ARG_TENSOR || int64_t(a.slot) != record.source)
        continue;
      const fovea_abi_view &source = plan.planned.views[record.source];
      const char *name = plan.kernel->view().string(a.name);
      fovea_status st;
      if (record.rule == FOVEA_TABLE_LINEAGE) {
        const TableStep &next = plan.tableSteps[i + 1];
        fovea_abi_view &sizes = plan.planned.views[next.record->slot];
        sizes.data = next.data;
        st = fillLineage(plan, name, source, a.rank, out, sizes);
      } else {
        st = fillBoundaries(plan, name, source, a.rank, out);
      }
      if (st)
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
      return reinterpret_cast<const int32_t *>(table.data)[b * Columns + End];
  }
  return 0;
}

} // namespace fovea::rt
