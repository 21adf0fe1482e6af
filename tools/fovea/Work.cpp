// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Counting work from plans and masks.
#include "tools/fovea/Work.h"
#include "tools/fovea/Ceilings.h"

#include <algorithm>

namespace fovea::cli {

bool Work::matrix() const {
  auto uses = [](const PartWork &part) {
    return part.matrix && part.items > 0;
  };
  return std::any_of(streams.begin(), streams.end(), [&](const StreamWork &s) {
    return std::any_of(s.parts.begin(), s.parts.end(), uses);
  });
}

std::string Work::schedule() const {
  std::string text;
  for (const PhaseWork &phase : phases)
    if (!phase.schedule.empty())
      text += (text.empty() ? "" : "; ") + phase.stage + " " + phase.variant +
              ": " + phase.schedule;
  return text;
}

/// Visible pairs: of what sequences and heads have alike, once. Packed heads
/// share one predicate.
static int64_t visiblePairs(const StreamWork &stream) {
  const fovea_mask_info &mask = stream.mask;
  int64_t pairs = 0;
  for (const Alike &c :
       alike(mask, stream.facts.readsBatch, stream.facts.readsHead))
    pairs += c.count * countPairs(mask, c.b, c.h, 0, queriesOf(mask, c.b));
  return pairs;
}

static int64_t allPairs(const fovea_mask_info &mask) {
  int64_t pairs = 0;
  for (int64_t b = 0; b < mask.batch; ++b)
    pairs += mask.query_heads * queriesOf(mask, b) *
             std::max<int64_t>(mask.k_len[b], 0);
  return pairs;
}

/// Share of the rows of K and V that any query sees.
static double keyShare(const fovea_mask_info &mask) {
  int64_t seen = 0, all = 0;
  int64_t heads = std::max<int64_t>(mask.query_heads / mask.kv_group, 1);
  for (int64_t b = 0; b < mask.batch; ++b)
    for (int64_t kv = 0; kv < heads; ++kv) {
      all += mask.sk;
      int64_t end = 0;
      for (const fovea_abi_run &run :
           runsOf(mask, b, kv * mask.kv_group, 0, mask.sq)) {
        seen += std::max<int64_t>(run.hi - std::max(run.lo, end), 0);
        end = std::max(end, run.hi);
      }
    }
  return all ? double(seen) / double(all) : 0;
}

/// Bytes of the keys and values of a cache that any query sees. What sequences
/// share counts once.
static int64_t cacheBytes(const fovea_mask_info &mask, const HostCache &cache,
                          int64_t prefix) {
  int64_t bytes = 0;
  for (int64_t b = 0; b < mask.batch; ++b) {
    std::vector<fovea_segment> segments = cache.segments(b);
    for (int64_t kv = 0; kv < cache.info().heads; ++kv) {
      int64_t end = b > 0 ? prefix : 0;
      for (const fovea_abi_run &run :
           runsOf(mask, b, kv * mask.kv_group, 0, queriesOf(mask, b))) {
        int64_t lo = std::max(run.lo, end);
        end = std::max(end, run.hi);
        for (const fovea_segment &segment : segments) {
          int64_t n =
              std::min(run.hi, segment.end) - std::max(lo, segment.begin);
          const SegmentInfo *info = cache.info().segment(segment.segment);
          if (n > 0 && info)
            bytes += n * info->bytesPerToken / cache.info().heads;
        }
      }
    }
  }
  return bytes;
}

/// The cache that a stage reads, or null.
static const HostCache *cacheOf(const Session &session,
                                const Arguments &arguments, const char *stage) {
  const fovea_bundle_kernel *kernel = fovea_kernel_record(session.kernel());
  const void *data = nullptr;
  size_t size = 0;
  if (arguments.caches().empty() ||
      fovea_bundle_section_get(session.bundle(), FOVEA_SECTION_STAGES, 0, &data,
                               &size) != FOVEA_OK)
    return nullptr;
  auto *stages = static_cast<const fovea_bundle_stage *>(data);
  for (uint32_t i = 0; i < kernel->stages.count; ++i) {
    const fovea_bundle_stage &record = stages[kernel->stages.first + i];
    const char *name = fovea_bundle_string(session.bundle(), record.name);
    if (name && std::string(name) == stage && record.cache >= 0)
      return arguments.caches()[size_t(record.cache)].get();
  }
  return nullptr;
}

/// What the products of a stream compute, from its items. What a list or level
/// map leaves of them only the plan's bound says.
static void countComputed(StreamWork &stream) {
  int64_t scored = stream.pairsExecuted;
  stream.pairsComputed = stream.pairsExecuted;
  if (!stream.chosen()) {
    scored = stream.pairsComputed = 0;
    for (const ItemWork &item : stream.items) {
      stream.pairsComputed += item.pairsComputed;
      scored += item.pairsScored;
    }
  }
  const fovea_mask_info &mask = stream.mask;
  stream.flopsExecuted =
      2 * (scored * mask.key_dim * (stream.facts.scoresTwice ? 2 : 1) +
           stream.pairsComputed * mask.value_dim);
}

/// Merging parts of attention counts as none of its FLOPs.
static bool isAttention(StageRole role) {
  return role == StageRole::Combine || role == StageRole::Merge;
}

Work countWork(const Session &session, const Arguments &arguments,
               const Call &call) {
  Work work;
  ProgramFacts facts = programFacts(session);
  double start = secondsNow();
  double share = 0;
  bool anyStream = false;
  for (int p = 0; p < fovea_plan_phases(call.plan()); ++p) {
    fovea_phase_info phase{};
    phase.size = sizeof(phase);
    fovea_status status = fovea_plan_phase(call.plan(), p, &phase);
    if (status != FOVEA_OK)
      throw runtimeFailure(status, session.options().path);
    work.phases.push_back({phase.stage,
                           phase.variant,
                           phase.schedule,
                           phase.rows,
                           phase.keys,
                           phase.n_items,
                           {}});
    if (auto own = facts.stages.find(phase.stage); own != facts.stages.end()) {
      if (isAttention(own->second.role))
        continue; // part of a stream's counts
      StageWork stage = countStage(session, arguments, call, p, own->second);
      work.phases.back().other = stage;
      work.other.add(stage);
      continue;
    }
    if (phase.space != FOVEA_SPACE_STREAM)
      continue;
    fovea_stats stats{};
    stats.size = sizeof(stats);
    StreamWork stream;
    stream.phase = p;
    stream.name = phase.stage;
    fovea_mask_info &mask = stream.mask;
    mask.size = sizeof(mask);
    if ((status = fovea_plan_stats(call.plan(), p, &stats)) != FOVEA_OK ||
        (status = fovea_plan_mask(call.plan(), p, &mask)) != FOVEA_OK)
      throw runtimeFailure(status, session.options().path);
    if (auto known = facts.streams.find(phase.stage);
        known != facts.streams.end())
      stream.facts = known->second;
    stream.maskText = mask.text;
    stream.analysed = mask.analysed != 0;
    stream.tilesEmpty = stats.tiles_empty;
    stream.tilesPartial = stats.tiles_partial;
    stream.tilesFull = stats.tiles_full;
    stream.pairsExecuted = stats.pairs;
    stream.pairsAll = allPairs(mask);
    stream.pairsVisible = visiblePairs(stream);
    if (stream.chosen())
      stream.pairsVisible = std::min(stream.pairsVisible, stats.pairs);
    stream.pieces = stats.slots;
    walkItems(session, call, stream);
    countComputed(stream);
    work.tilesEmpty += stats.tiles_empty;
    work.tilesPartial += stats.tiles_partial;
    work.tilesFull += stats.tiles_full;
    work.flopsExecuted += stream.flopsExecuted;
    work.slots += stats.slots;
    work.planMs = stats.update_ms; // of all phases
    work.visiblePairs += stream.pairsVisible;
    work.executedPairs += stream.pairsExecuted;
    work.computedPairs += stream.pairsComputed;
    work.allPairs += stream.pairsAll;
    work.flopsUseful +=
        2 * stream.pairsVisible * (mask.key_dim + mask.value_dim);
    if (*mask.text)
      work.masks.push_back(mask.text);
    work.kvBytes += stats.kv_bytes;
    work.sharedGroups += stats.shared_groups;
    work.sharedKeys += stats.shared_keys;
    anyStream = true;
    if (const HostCache *cache = cacheOf(session, arguments, phase.stage))
      work.bytes += cacheBytes(mask, *cache, arguments.sequences().prefix);
    else
      share = std::max(share, keyShare(mask));
    work.streams.push_back(std::move(stream));
  }
  work.countMs = (secondsNow() - start) * 1e3;
  if (!anyStream) { // else known: stats of a stream count its tiles anew
    fovea_stats all{};
    all.size = sizeof(all);
    fovea_status status = fovea_plan_stats(call.plan(), -1, &all);
    if (status != FOVEA_OK)
      throw runtimeFailure(status, session.options().path);
    work.planMs = all.update_ms;
  }
  // Keys and values are what has the dim sk: of them only a share is read.
  for (size_t i = 0; i < arguments.infos().size(); ++i) {
    const fovea_arg_info &arg = arguments.infos()[i];
    if (arg.kind != FOVEA_TENSOR)
      continue;
    bool keys = false, queries = false;
    for (int d = 0; d < arg.rank && arg.rank <= 8; ++d) {
      std::string name = arg.dims[d] ? arg.dims[d] : "";
      keys |= name == "sk";
      queries |= name == "sq";
    }
    double size = double(arguments.tensor(i).bytes.size());
    work.bytes += int64_t(anyStream && keys && !queries ? size * share : size);
  }
  return work;
}

} // namespace fovea::cli
