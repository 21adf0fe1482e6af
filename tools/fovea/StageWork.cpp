// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Counting the stages beside attention from the plan's extents, the mask's
// functions and the segments of caches.
#include "tools/fovea/StageWork.h"
#include "tools/fovea/Counts.h"

#include <algorithm>

namespace fovea::cli {

namespace {

class StageCounter {
public:
  StageCounter(const Session &session, const Arguments &arguments,
               const Call &call, int phase, const StageFacts &facts)
      : session(session), arguments(arguments), call(call), phase(phase),
        facts(facts) {}

  StageWork count();

private:
  void pool();
  void encode();
  void score();
  void pageScore();
  void normalize();
  void choose();
  void append();
  void refresh();

  std::vector<int64_t> shapeOf(const ViewFacts &view) const;
  /// Numbers of a view, rows of its last dim, and its bytes.
  static int64_t numbers(const std::vector<int64_t> &shape);
  static int64_t rows(const std::vector<int64_t> &shape);
  static int64_t bytes(const ViewFacts &view, const std::vector<int64_t> &);
  /// Of `n` rows of `dim` numbers.
  static int64_t rowBytes(const ViewFacts &view, int64_t n, int64_t dim) {
    return n * (dim * view.elementBytes + view.rowBytes);
  }
  int64_t argument(const std::string &name) const;
  const HostCache &cache() const;
  fovea_phase_info info() const;
  fovea_mask_info mask() const;
  void insist(fovea_status status) const {
    if (status != FOVEA_OK)
      throw runtimeFailure(status, session.options().path);
  }
  /// Both counts.
  void add(int64_t flops) {
    work.flops += flops;
    work.flopsExecuted += flops;
  }

  const Session &session;
  const Arguments &arguments;
  const Call &call;
  int phase;
  const StageFacts &facts;
  StageWork work;
};

/// Finds the blocks of keys that some of the queries [q0, q1) see. Boxes that
/// the mask's class decides are taken whole.
struct BlockFinder {
  const fovea_mask_info &mask;
  int64_t b, h, q0, q1, unit, length;
  std::vector<bool> &live;

  void find(int64_t first, int64_t last) {
    if (first >= last)
      return;
    int64_t k0 = first * unit, k1 = std::min(last * unit, length);
    int32_t kind = classOf(mask, b, h, q0, q1, k0, k1);
    if (kind == FOVEA_TILE_EMPTY)
      return;
    if (last - first > 1 && kind == FOVEA_TILE_PARTIAL) {
      int64_t middle = first + (last - first) / 2;
      find(first, middle);
      return find(middle, last);
    }
    if (kind == FOVEA_TILE_PARTIAL && !countPairs(mask, b, h, q0, q1, k0, k1))
      return;
    std::fill(live.begin() + first, live.begin() + last, true);
  }
};

} // namespace

int64_t StageCounter::numbers(const std::vector<int64_t> &shape) {
  int64_t n = 1;
  for (int64_t extent : shape)
    n *= extent;
  return n;
}

int64_t StageCounter::rows(const std::vector<int64_t> &shape) {
  return numbers({shape.begin(), shape.end() - 1});
}

int64_t StageCounter::bytes(const ViewFacts &view,
                            const std::vector<int64_t> &shape) {
  return rowBytes(view, rows(shape), shape.back());
}

/// Index of an argument or result, or of the codes of an encoded one.
int64_t StageCounter::argument(const std::string &name) const {
  const std::vector<fovea_arg_info> &infos = arguments.infos();
  for (size_t i = 0; i < infos.size(); ++i)
    if (infos[i].name == name || infos[i].name == name + ".codes")
      return int64_t(i);
  throw Failure(ExitRejected,
                session.options().path +
                    ": expected the kernel to have the argument '" + name +
                    "' of its spec, got none");
}

std::vector<int64_t> StageCounter::shapeOf(const ViewFacts &view) const {
  if (!view.argument.empty())
    return arguments.tensor(size_t(argument(view.argument))).shape;
  std::vector<int64_t> shape;
  for (const ViewFacts::Extent &e : view.extents) {
    int64_t base = 1;
    if (!e.dim.empty())
      insist(fovea_plan_dim(call.plan(), e.dim.c_str(), &base));
    shape.push_back(e.mul * ((base + e.add + e.div - 1) / e.div));
  }
  return shape;
}

const HostCache &StageCounter::cache() const {
  for (const std::unique_ptr<HostCache> &cache : arguments.caches())
    if (cache->info().name == facts.cache)
      return *cache;
  throw Failure(ExitRejected, session.options().path +
                                  ": expected the kernel to have the cache '" +
                                  facts.cache + "' of its spec, got none");
}

fovea_phase_info StageCounter::info() const {
  fovea_phase_info info{};
  info.size = sizeof(info);
  insist(fovea_plan_phase(call.plan(), phase, &info));
  return info;
}

fovea_mask_info StageCounter::mask() const {
  fovea_mask_info mask{};
  mask.size = sizeof(mask);
  insist(fovea_plan_mask(call.plan(), phase, &mask));
  return mask;
}

/// Of n tokens n - 1 sums and a product by channel.
void StageCounter::pool() {
  std::vector<int64_t> in = shapeOf(facts.in), out = shapeOf(facts.out);
  int64_t tokens = 0;
  for (int64_t b = 0; b < in[0]; ++b) {
    int64_t length = in[2];
    if (!facts.lengths.empty())
      length = std::clamp<int64_t>(
          int64_t(arguments.tensor(size_t(argument(facts.lengths))).get(b)), 0,
          length);
    tokens += length;
  }
  int64_t read = tokens * in[1];
  add(read * in[3]);
  work.bytes = rowBytes(facts.in, read, in[3]) + bytes(facts.out, out);
}

/// The largest magnitude, the scale, and a quotient each.
void StageCounter::encode() {
  std::vector<int64_t> in = shapeOf(facts.in);
  add(2 * numbers(in) + rows(in));
  work.bytes = bytes(facts.in, in) + bytes(facts.out, in);
}

/// Means of the queries and of the keys of blocks that any of them sees, and a
/// product for each pair of blocks. The kernel makes the means of keys anew
/// for each.
void StageCounter::score() {
  fovea_mask_info info = mask();
  std::vector<int64_t> q = shapeOf(facts.in), k = shapeOf(facts.keys);
  std::vector<int64_t> out = shapeOf(facts.out);
  int64_t dim = q[3], kvHeads = info.query_heads / facts.kvGroup;
  int64_t pairs = 0, keysOfPairs = 0, keys = 0;
  for (int64_t b = 0; b < info.batch; ++b) {
    int64_t length = std::min<int64_t>(info.k_len[b], k[2]);
    int64_t units = (length + facts.unit - 1) / facts.unit;
    for (int64_t kv = 0; kv < kvHeads && units > 0; ++kv) {
      std::vector<bool> any(static_cast<size_t>(units));
      for (int64_t h = kv * facts.kvGroup; h < (kv + 1) * facts.kvGroup; ++h)
        for (int64_t q0 = 0; q0 < q[2]; q0 += facts.queryBlock) {
          std::vector<bool> live(any.size());
          BlockFinder{info,
                      b,
                      h,
                      q0,
                      std::min(q0 + facts.queryBlock, q[2]),
                      facts.unit,
                      length,
                      live}
              .find(0, units);
          for (size_t u = 0; u < live.size(); ++u)
            if (live[u]) {
              ++pairs;
              keysOfPairs += std::min<int64_t>(
                  facts.unit, length - int64_t(u) * facts.unit);
              any[u] = true;
            }
        }
      for (size_t u = 0; u < any.size(); ++u)
        if (any[u])
          keys +=
              std::min<int64_t>(facts.unit, length - int64_t(u) * facts.unit);
    }
  }
  int64_t queries = numbers(q);
  work.flops = queries + (keys + 2 * pairs) * dim;
  work.flopsExecuted = queries + (keysOfPairs + 2 * pairs) * dim;
  work.bytes = bytes(facts.in, q) + rowBytes(facts.keys, keys, dim) +
               bytes(facts.out, out);
}

/// By channel two products, the larger and a sum, or a product and a sum; and
/// the scale.
void StageCounter::pageScore() {
  std::vector<int64_t> q = shapeOf(facts.in), out = shapeOf(facts.out);
  const Sequences &sequences = arguments.sequences();
  int64_t dim = facts.keyDim,
          perPage = facts.bounds ? 4 * dim + 1 : 2 * dim + 1;
  int64_t scored = 0, pages = 0, shared = sequences.prefix / facts.pageTokens;
  for (int64_t b = 0; b < sequences.count(); ++b)
    for (const fovea_segment &segment : cache().segments(b))
      if (segment.segment == facts.segment) {
        scored += sequences.rows[size_t(b)] * segment.pages;
        pages += segment.pages - (b ? std::min(shared, segment.pages) : 0);
      }
  add(scored * facts.heads * facts.kvGroup * perPage);
  int64_t kept = (facts.bounds ? 2 : 1) * dim * 4;
  work.bytes =
      bytes(facts.in, q) + pages * facts.heads * kept + bytes(facts.out, out);
}

/// The maximum, and for each score a difference, exponential, sum, quotient.
void StageCounter::normalize() {
  std::vector<int64_t> shape = shapeOf(facts.in);
  add(5 * numbers(shape));
  work.bytes = bytes(facts.in, shape) + bytes(facts.out, shape);
}

/// A comparison for each score; how often the kernel looks again is for the
/// data to say. A list counts as long as it may become, and its length.
void StageCounter::choose() {
  std::vector<int64_t> shape = shapeOf(facts.in);
  int64_t units = shape.back();
  add(numbers(shape));
  work.bytes = bytes(facts.in, shape);
  if (facts.role == StageRole::Assign) {
    work.bytes += bytes(facts.out, shape);
    return;
  }
  int64_t heads = shape[1],
          rowsOfHead = rows(shape) / std::max<int64_t>(heads, 1);
  for (int64_t h = 0; h < heads; ++h) {
    int64_t most = units;
    if (facts.topK)
      most = *facts.topK;
    else if (!facts.amount.empty()) {
      const HostValue &value =
          arguments.inputs()[size_t(argument(facts.amount))];
      most = value.isScalar ? value.i : int64_t(value.tensor.get(h));
    }
    most = std::clamp<int64_t>(most, 0, units);
    work.bytes += rowsOfHead * (most * facts.out.elementBytes + 4);
  }
}

/// Rows as the call has them, and as the last segment stores them.
void StageCounter::append() {
  std::vector<int64_t> k = shapeOf(facts.in), v = shapeOf(facts.keys);
  const CacheInfo &to = cache().info();
  int64_t read = to.heads * (k.back() * facts.in.elementBytes +
                             v.back() * facts.keys.elementBytes);
  work.bytes = arguments.sequences().totalRows() *
               (read + to.segments.back().bytesPerToken);
}

/// By channel two comparisons for each key, or a sum for each and a quotient.
void StageCounter::refresh() {
  fovea_phase_info own = info();
  int64_t keys = 0, width = facts.heads * facts.keyDim;
  for (int64_t i = 0; i < own.n_items; ++i)
    keys += own.items[i].k1;
  add(width *
      (keys * (2 * facts.bounds + facts.means) + own.n_items * facts.means));
  work.bytes = keys * facts.heads * facts.keyBytes +
               own.n_items * width * 4 * (2 * facts.bounds + facts.means);
}

StageWork StageCounter::count() {
  switch (facts.role) {
  case StageRole::Pool:
    pool();
    break;
  case StageRole::Encode:
    encode();
    break;
  case StageRole::Score:
    score();
    break;
  case StageRole::PageScore:
    pageScore();
    break;
  case StageRole::Normalize:
    normalize();
    break;
  case StageRole::Choose:
  case StageRole::Assign:
    choose();
    break;
  case StageRole::Append:
    append();
    break;
  case StageRole::Refresh:
    refresh();
    break;
  case StageRole::Attend:
  case StageRole::Combine:
  case StageRole::Merge:
  case StageRole::Moves:
    break; // attention's, or no part of a run
  }
  return work;
}

StageWork countStage(const Session &session, const Arguments &arguments,
                     const Call &call, int phase, const StageFacts &facts) {
  return StageCounter(session, arguments, call, phase, facts).count();
}

std::string describe(const StageWork &work) {
  std::string text = std::to_string(work.flops) + " FLOPs";
  if (work.flopsExecuted != work.flops)
    text += " (" + std::to_string(work.flopsExecuted) + " executed)";
  return text + ", " + std::to_string(work.bytes) + " bytes";
}

} // namespace fovea::cli
