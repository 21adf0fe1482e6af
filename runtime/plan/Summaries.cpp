// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Summaries of the tables that masks read by key: the least and greatest entry
// of each block, and of each block of blocks (fovea_abi_args). Made by an
// update for the planner and by every run for its kernels, as a table may
// change between the two; without them a mask's bounds read the whole table
// again for every row tile. Those of tables that the plan makes are made once.
#include "runtime/plan/Plan.h"

namespace fovea::rt {
namespace {

constexpr int64_t block = FOVEA_SUMMARY_BLOCK;
/// Tables with fewer entries are not worth waking workers for.
constexpr int64_t worthSharing = 1 << 16;

int64_t blocksOf(int64_t n) { return ceilDiv(n, block); }
int64_t summaryExtent(int64_t n) { return blocksOf(n) + blocksOf(blocksOf(n)); }

/// One table and its summary on the way through the workers.
struct Job {
  const fovea_abi_view *table, *summary;
  uint32_t axis, rank;
  int64_t blocks; // of entries, along the axis
  int64_t units;  // rows along the axis times blocks

  /// Offsets of row `row` (of all dims but the axis) in both.
  void place(int64_t row, int64_t &from, int64_t &to) const {
    from = to = 0;
    for (uint32_t d = rank; d-- > 0;) {
      if (d == axis)
        continue;
      int64_t i = row % table->shape[d];
      row /= table->shape[d];
      from += i * table->stride[d];
      to += i * summary->stride[d];
    }
  }
  template <typename T>
  void entries(int64_t unit) const;
  void blocksOfBlocks(int64_t row) const;
};

template <typename T>
void Job::entries(int64_t unit) const {
  int64_t from, to, at = unit % blocks;
  place(unit / blocks, from, to);
  int64_t begin = at * block, end = begin + block;
  end = end < table->shape[axis] ? end : table->shape[axis];
  const T *data = static_cast<const T *>(table->data) + from;
  int64_t stride = table->stride[axis];
  T least = data[begin * stride], most = least;
  for (int64_t i = begin + 1; i < end; ++i) {
    T x = data[i * stride];
    least = x < least ? x : least;
    most = x > most ? x : most;
  }
  int64_t *out =
      static_cast<int64_t *>(summary->data) + to + at * summary->stride[axis];
  out[0] = int64_t(least);
  out[1] = int64_t(most);
}

void Job::blocksOfBlocks(int64_t row) const {
  int64_t from, to, stride = summary->stride[axis];
  place(row, from, to);
  int64_t *data = static_cast<int64_t *>(summary->data) + to;
  for (int64_t at = 0; at * block < blocks; ++at) {
    int64_t end = (at + 1) * block < blocks ? (at + 1) * block : blocks;
    int64_t *out = data + (blocks + at) * stride;
    out[0] = data[at * block * stride];
    out[1] = data[at * block * stride + 1];
    for (int64_t i = at * block + 1; i < end; ++i) {
      const int64_t *x = data + i * stride;
      out[0] = x[0] < out[0] ? x[0] : out[0];
      out[1] = x[1] > out[1] ? x[1] : out[1];
    }
  }
}

template <typename T>
void runJob(Job &job, const fovea_executor *exec) {
  auto range = [](int64_t begin, int64_t end, int, void *arg) {
    for (int64_t unit = begin; unit < end; ++unit)
      static_cast<Job *>(arg)->entries<T>(unit);
  };
  if (exec && exec->workers > 1 && job.units * block > worthSharing)
    exec->parallel_for(exec->user, job.units, range, &job);
  else
    range(0, job.units, 0, &job);
  for (int64_t row = 0; row * job.blocks < job.units; ++row)
    job.blocksOfBlocks(row);
}

} // namespace

void findSummaries(fovea_plan &plan) {
  const fovea_kernel &kernel = *plan.kernel.get();
  for (const fovea_bundle_mask &m : kernel.masks)
    for (uint32_t i = 0; i < m.n_summaries; ++i) {
      auto [slot, axis] = m.summaries[i];
      bool known = plan.nSummaries == maxSummaries;
      for (uint32_t s = 0; s < plan.nSummaries; ++s)
        known |= plan.summaries[s].slot == slot;
      int64_t source = slot;
      const fovea_bundle_table *made = nullptr;
      for (const fovea_bundle_table &table : kernel.tables)
        if (table.slot == slot) {
          source = table.source;
          made = &table;
        }
      for (uint32_t a = 0; a < kernel.args.size() && !known; ++a)
        if (kernel.args[a].kind == FOVEA_ARG_TENSOR &&
            kernel.args[a].slot == source) {
          plan.summaries[plan.nSummaries++] = {slot, axis, &kernel.args[a],
                                               made, 0,    0};
          known = true;
        }
    }
}

void sizeSummaries(fovea_plan &plan) {
  plan.summaryNumbers = plan.madeSummaryNumbers = 0;
  for (uint32_t s = 0; s < plan.nSummaries; ++s) {
    TableSummary &summary = plan.summaries[s];
    const fovea_bundle_arg &arg = *summary.source;
    Extent numbers{2};
    for (uint32_t d = 0; d < arg.rank; ++d) {
      int64_t n = arg.shape[d] >= 0    ? arg.shape[d]
                  : arg.symbol[d] >= 0 ? plan.capacity.most[arg.symbol[d]]
                                       : 0;
      numbers = numbers * Extent{d == summary.axis ? summaryExtent(n) : n};
    }
    // Too large a table is read as it is.
    bool fits = numbers.ok && numbers.value < (int64_t(1) << 27);
    int64_t &used =
        summary.made ? plan.madeSummaryNumbers : plan.summaryNumbers;
    summary.offset = used;
    summary.capacity = fits ? numbers.value : 0;
    used += ceilDiv(summary.capacity, 8) * 8;
  }
}

void makeSummaries(const fovea_plan &plan, int32_t copy, Bound &bound,
                   const fovea_executor *exec) {
  bound.abi.summaries = nullptr;
  if (!plan.nSummaries || !plan.summaryMemory)
    return;
  const fovea_kernel &kernel = *plan.kernel.get();
  for (uint32_t v = 0; v < kernel.record->n_views; ++v)
    bound.summaries[v] = {};
  bound.abi.summaries = bound.summaries;
  for (uint32_t s = 0; s < plan.nSummaries; ++s) {
    const TableSummary &summary = plan.summaries[s];
    const uint32_t rank = summary.source->rank;
    const fovea_abi_view &table = bound.views[summary.slot];
    fovea_abi_view view{};
    Extent numbers{2};
    int64_t rows = 1;
    view.shape[rank] = 2;
    view.stride[rank] = 1;
    for (uint32_t d = rank; d-- > 0;) {
      bool along = d == summary.axis;
      view.shape[d] = along ? summaryExtent(table.shape[d]) : table.shape[d];
      view.stride[d] = numbers.value;
      numbers = numbers * Extent{view.shape[d]};
      rows = along ? rows : rows * table.shape[d];
    }
    if (!numbers.ok || !numbers.value || numbers.value > summary.capacity)
      continue;
    int64_t copies = summary.made ? 1 + plan.nLanes : copy;
    view.data =
        plan.summaryMemory + copies * plan.summaryNumbers + summary.offset;
    bound.summaries[summary.slot] = view;
    if (summary.made && copy) // by the update
      continue;
    int64_t blocks = blocksOf(table.shape[summary.axis]);
    Job job{&table,       &bound.summaries[summary.slot],
            summary.axis, rank,
            blocks,       rows * blocks};
    switch (summary.dtype()) {
    case FOVEA_DTYPE_I8:
      runJob<int8_t>(job, exec);
      break;
    case FOVEA_DTYPE_BOOL:
      runJob<uint8_t>(job, exec);
      break;
    case FOVEA_DTYPE_I32:
      runJob<int32_t>(job, exec);
      break;
    default: // checked when the bundle was read
      runJob<int64_t>(job, exec);
      break;
    }
  }
}

} // namespace fovea::rt
