// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The items of a stream, with the tiles that each will run.
#include "tools/fovea/Work.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <tuple>

namespace fovea::cli {

/// As #tile.schedule prints it.
static bool usesMatrix(const fovea_phase_info &part) {
  return std::strstr(part.schedule, " matrix = true");
}

/// Keys of a register tile of a prefill that computes what is seen, else 0.
static int32_t registerKeysOf(const StreamWork &stream,
                              const fovea_phase_info &part) {
  if (!stream.facts.computesSeen || usesMatrix(part) ||
      std::string(part.variant).compare(0, 7, "prefill") != 0)
    return 0;
  // As #tile.schedule prints it.
  const std::string field = ", reg = ", schedule = part.schedule;
  size_t at = schedule.find(field);
  if (at == std::string::npos)
    throw Failure(ExitRejected, "expected a prefill's schedule to have '" +
                                    field + "', got '" + schedule + "'");
  return std::max(std::atoi(schedule.c_str() + at + field.size()), 1);
}

void ItemWork::add(const fovea_mask_info &mask, const TileRows &tile,
                   int32_t kind, int64_t lo, int64_t hi, const PartWork &part) {
  int64_t count = (hi - lo + part.keys - 1) / part.keys;
  if (kind == FOVEA_TILE_EMPTY) {
    emptyTiles += count;
    return;
  }
  pairs += tile.rows * (hi - lo);
  auto compute = [&](int64_t keys) {
    int64_t step = std::max(part.registerKeys, 1);
    int64_t scored = (keys + step - 1) / step * step;
    scoredKeys += scored;
    pairsComputed += tile.rows * keys;
    pairsScored += tile.rows * scored;
  };
  if (kind == FOVEA_TILE_FULL) {
    fullTiles += count;
    fullKeys += hi - lo;
    for (int64_t k = lo; k < hi; k += part.keys)
      compute(std::min<int64_t>(part.keys, hi - k));
    return;
  }
  int64_t seen = hi - lo;
  if (part.registerKeys)
    seen = cli::liveKeys(mask, tile.b, tile.h, tile.q0, tile.q1, lo, hi);
  partialTiles += count;
  partialKeys += hi - lo;
  liveKeys += seen;
  liveTiles += seen > 0;
  compute(seen);
}

fovea_phase_info partOf(const Session &session, const Call &call, int phase,
                        int part) {
  fovea_phase_info info{};
  info.size = sizeof(info);
  fovea_status status = fovea_plan_part(call.plan(), phase, part, &info);
  if (status != FOVEA_OK)
    throw runtimeFailure(status, session.options().path);
  return info;
}

namespace {
/// Walks items; what sequences and heads that are alike have in common is
/// walked once.
class ItemWalker {
public:
  explicit ItemWalker(StreamWork &stream)
      : stream(stream), mask(stream.mask),
        classes(alike(mask, stream.facts.readsBatch, stream.facts.readsHead)) {}

  ItemWork walk(const fovea_abi_item &item, int32_t part) {
    int64_t h = int64_t(item.head) * std::max(mask.group, 1);
    bool shared = item.flags & FOVEA_ITEM_SHARED;
    if (shared)
      return tiles(item, part, h);
    Key key{representative(item.b, h),
            item.row,
            item.k0,
            item.k1,
            part,
            item.slot >= 0};
    auto known = seen.find(key);
    if (known == seen.end())
      known = seen.emplace(key, tiles(item, part, h)).first;
    return known->second;
  }

private:
  using Key = std::tuple<int64_t, int32_t, int64_t, int64_t, int32_t, bool>;

  /// A number that (b, h) has in common with those like it.
  int64_t representative(int64_t b, int64_t h) {
    if (!mask.bounds)
      h = 0;
    else if (!stream.facts.readsHead)
      h = 0;
    if (lastB != b) {
      lastB = b;
      like = b;
      if (!stream.facts.readsBatch || !mask.bounds)
        for (const Alike &c : classes)
          if (queriesOf(mask, c.b) == queriesOf(mask, b) &&
              mask.q_off[c.b] == mask.q_off[b] &&
              mask.k_len[c.b] == mask.k_len[b]) {
            like = c.b;
            break;
          }
    }
    return like * mask.query_heads + h;
  }

  ItemWork tiles(const fovea_abi_item &item, int32_t part, int64_t h) {
    const PartWork &variant = stream.parts[size_t(part)];
    int64_t group = std::max(mask.group, 1), b = item.b;
    bool shared = item.flags & FOVEA_ITEM_SHARED;
    ItemWork work;
    work.part = part;
    work.split = item.slot >= 0;
    int64_t first = shared ? 0 : item.row;
    work.rows = shared ? int64_t(item.count) * group
                       : std::min<int64_t>(queriesOf(mask, b) * group - first,
                                           variant.rows);
    auto queries = [&](int64_t row, int64_t rows) {
      int64_t q1 = (row + rows - 1) / group + 1;
      return std::pair(row / group, std::min(q1, queriesOf(mask, b)));
    };
    std::vector<fovea_abi_run> runs;
    if (shared) {
      runs.push_back({item.k0, item.k1});
    } else if (work.rows > 0) {
      auto [q0, q1] = queries(first, variant.rows);
      for (fovea_abi_run run : runsOf(mask, b, h, q0, q1)) {
        run.lo = std::max(run.lo, item.k0);
        run.hi = std::min(run.hi, item.k1);
        if (run.lo < run.hi)
          runs.push_back(run);
      }
    }
    for (const fovea_abi_run &run : runs) {
      work.blocks += (run.hi - run.lo + variant.keys - 1) / variant.keys;
      work.blockKeys += run.hi - run.lo;
    }
    for (int64_t row = first; row < first + work.rows;
         row += variant.classRows) {
      int64_t rows =
          std::min<int64_t>(variant.classRows, first + work.rows - row);
      std::pair<int64_t, int64_t> span = queries(row, rows);
      auto visit = [&](int32_t kind, int64_t lo, int64_t hi) {
        work.add(mask, {b, h, span.first, span.second, rows}, kind, lo, hi,
                 variant);
      };
      for (const fovea_abi_run &run : runs)
        if (shared || !mask.classify)
          visit(FOVEA_TILE_FULL, run.lo, run.hi);
        else
          classifyRun(mask, b, h, span.first, span.second, run.lo, run.hi,
                      variant.keys, visit);
    }
    return work;
  }

  StreamWork &stream;
  const fovea_mask_info &mask;
  std::vector<Alike> classes;
  std::map<Key, ItemWork> seen;
  int64_t lastB = -1, like = -1;
};
} // namespace

void walkItems(const Session &session, const Call &call, StreamWork &stream) {
  fovea_phase_info phase{};
  phase.size = sizeof(phase);
  fovea_status status = fovea_plan_phase(call.plan(), stream.phase, &phase);
  if (status != FOVEA_OK)
    throw runtimeFailure(status, session.options().path);
  std::vector<fovea_phase_info> parts;
  for (int p = 0; p < phase.n_parts; ++p) {
    fovea_phase_info part = partOf(session, call, stream.phase, p);
    stream.parts.push_back({part.variant, part.schedule, part.rows, part.keys,
                            part.class_rows, part.n_items,
                            registerKeysOf(stream, part), usesMatrix(part)});
    parts.push_back(part);
  }
  ItemWalker walker(stream);
  for (size_t p = 0; p < parts.size(); ++p)
    for (int64_t i = 0; i < parts[p].n_items; ++i) {
      const fovea_abi_item &item = parts[p].items[i];
      stream.shared |= (item.flags & FOVEA_ITEM_SHARED) != 0;
      stream.items.push_back(walker.walk(item, int32_t(p)));
    }
}

} // namespace fovea::cli
