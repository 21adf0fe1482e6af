// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The items of a stream, with the tiles that each will run; and a count of the
// same pair by pair, which shares nothing with it but the mask's predicate.
#include "tools/fovea/Work.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <tuple>

namespace fovea::cli {

/// Keys of a register tile of a prefill that computes what is seen, else 0.
static int32_t registerKeysOf(const StreamWork &stream,
                              const fovea_phase_info &part) {
  if (!stream.facts.computesSeen ||
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

static void insist(fovea_status status, const Session &session) {
  if (status != FOVEA_OK)
    throw runtimeFailure(status, session.options().path);
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
  insist(fovea_plan_phase(call.plan(), stream.phase, &phase), session);
  std::vector<fovea_phase_info> parts;
  for (int p = 0; p < phase.n_parts; ++p) {
    fovea_phase_info part{};
    part.size = sizeof(part);
    insist(fovea_plan_part(call.plan(), stream.phase, p, &part), session);
    stream.parts.push_back({part.variant, part.schedule, part.rows, part.keys,
                            part.class_rows, part.n_items,
                            registerKeysOf(stream, part)});
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

namespace {
/// Keys that the tiles of a prefill compute, key by key, and their repeats.
struct SeenPairs {
  int64_t computed = 0, scored = 0;
};
} // namespace

/// What an item computes by the predicate alone: its blocks are the walk's.
static SeenPairs seenOneByOne(const StreamWork &stream,
                              const fovea_abi_item &item,
                              const PartWork &part) {
  const fovea_mask_info &mask = stream.mask;
  int64_t group = std::max(mask.group, 1), b = item.b, h = item.head * group;
  int64_t end = std::min<int64_t>(queriesOf(mask, b) * group,
                                  int64_t(item.row) + part.rows);
  SeenPairs sum;
  auto block = [&](int64_t row, int64_t rows, int64_t lo, int64_t hi) {
    int64_t seen = 0;
    for (int64_t k = lo; k < hi; ++k) {
      bool any = !mask.keep;
      for (int64_t q = row / group; q <= (row + rows - 1) / group && !any; ++q)
        any = mask.keep(mask.args, b, h, q + mask.q_off[b], k, mask.k_len[b]);
      seen += any;
    }
    int64_t tile = part.registerKeys;
    sum.computed += rows * seen;
    sum.scored += rows * ((seen + tile - 1) / tile * tile);
  };
  if (item.row >= end)
    return sum;
  for (const fovea_abi_run &run :
       runsOf(mask, b, h, item.row / group, (end - 1) / group + 1)) {
    int64_t lo = std::max(run.lo, item.k0), hi = std::min(run.hi, item.k1);
    for (int64_t k = lo; k < hi; k += part.keys)
      for (int64_t row = item.row; row < end; row += part.classRows)
        block(row, std::min<int64_t>(part.classRows, end - row), k,
              std::min<int64_t>(k + part.keys, hi));
  }
  return sum;
}

/// Holds the computed pairs of every item against a count by the predicate;
/// what differs, or "".
static std::string checkComputed(const Session &session, const Call &call,
                                 const StreamWork &stream) {
  size_t at = 0;
  for (size_t p = 0; p < stream.parts.size(); ++p) {
    fovea_phase_info phase{};
    phase.size = sizeof(phase);
    insist(fovea_plan_part(call.plan(), stream.phase, int(p), &phase), session);
    for (int64_t i = 0; i < phase.n_items; ++i) {
      const ItemWork &got = stream.items[at++];
      const fovea_abi_item &item = phase.items[i];
      if (!stream.parts[p].registerKeys || (item.flags & FOVEA_ITEM_SHARED))
        continue;
      SeenPairs seen = seenOneByOne(stream, item, stream.parts[p]);
      if (seen.computed != got.pairsComputed || seen.scored != got.pairsScored)
        return "item " + std::to_string(i) + ": expected " +
               std::to_string(seen.computed) + " computed pairs and " +
               std::to_string(seen.scored) +
               " scores, counted one by one, got " +
               std::to_string(got.pairsComputed) + " and " +
               std::to_string(got.pairsScored);
    }
  }
  return "";
}

/// Pairs of head h of sequence b, one by one.
static int64_t pairsOneByOne(const fovea_mask_info &mask, int64_t b,
                             int64_t h) {
  int64_t pairs = 0, length = std::max<int64_t>(mask.k_len[b], 0);
  for (int64_t q = 0; q < queriesOf(mask, b); ++q)
    for (int64_t k = 0; k < length; ++k)
      pairs += !mask.keep ||
               mask.keep(mask.args, b, h, q + mask.q_off[b], k, length) != 0;
  return pairs;
}

/// Whether class and bounds say what keep says of the tile; "" or why not.
static std::string checkTile(const fovea_mask_info &mask, int64_t b, int64_t h,
                             int64_t q0, int64_t q1, int64_t k0, int64_t k1) {
  int64_t live = 0, off = mask.q_off[b], length = mask.k_len[b];
  for (int64_t q = q0; q < q1; ++q)
    for (int64_t k = k0; k < k1; ++k)
      live += mask.keep(mask.args, b, h, q + off, k, length) != 0;
  int32_t kind = classOf(mask, b, h, q0, q1, k0, k1);
  bool wrong = (kind == FOVEA_TILE_EMPTY && live) ||
               (kind == FOVEA_TILE_FULL && live != (q1 - q0) * (k1 - k0));
  if (!wrong)
    return "";
  return "class of queries [" + std::to_string(q0) + ", " + std::to_string(q1) +
         ") x keys [" + std::to_string(k0) + ", " + std::to_string(k1) +
         ") of sequence " + std::to_string(b) + ", head " + std::to_string(h) +
         ": expected one that fits " + std::to_string(live) +
         " visible pairs, got " + (kind == FOVEA_TILE_FULL ? "full" : "empty");
}

static std::string checkTiles(const StreamWork &stream, int64_t b, int64_t h) {
  const fovea_mask_info &mask = stream.mask;
  const PartWork &part = stream.parts.front();
  int64_t group = std::max(mask.group, 1), queries = queriesOf(mask, b);
  int64_t step = std::max<int64_t>(part.classRows / group, 1);
  for (int64_t q0 = 0; q0 < queries; q0 += step) {
    int64_t q1 = std::min(q0 + step, queries), seen = 0;
    for (const fovea_abi_run &run : runsOf(mask, b, h, q0, q1)) {
      for (int64_t k0 = run.lo; k0 < run.hi; k0 += part.keys) {
        int64_t k1 = std::min<int64_t>(k0 + part.keys, run.hi);
        std::string wrong = checkTile(mask, b, h, q0, q1, k0, k1);
        if (!wrong.empty())
          return wrong;
      }
      for (int64_t q = q0; q < q1; ++q)
        for (int64_t k = run.lo; k < run.hi; ++k)
          seen += mask.keep(mask.args, b, h, q + mask.q_off[b], k,
                            mask.k_len[b]) != 0;
    }
    int64_t live = 0;
    for (int64_t q = q0; q < q1; ++q)
      for (int64_t k = 0; k < mask.k_len[b]; ++k)
        live += mask.keep(mask.args, b, h, q + mask.q_off[b], k,
                          mask.k_len[b]) != 0;
    if (seen != live)
      return "bounds of queries [" + std::to_string(q0) + ", " +
             std::to_string(q1) + "): expected all of " + std::to_string(live) +
             " visible pairs, got " + std::to_string(seen);
  }
  return "";
}

std::string checkCounts(const Session &session, const Call &call,
                        const Work &work) {
  for (const StreamWork &stream : work.streams) {
    const fovea_mask_info &mask = stream.mask;
    int64_t visible = 0;
    for (int64_t b = 0; b < mask.batch; ++b)
      for (int64_t h = 0; h < mask.query_heads; ++h) {
        visible += pairsOneByOne(mask, b, h);
        if (!mask.keep || stream.parts.empty())
          continue;
        std::string wrong = checkTiles(stream, b, h);
        if (!wrong.empty())
          return stream.name + ": " + wrong;
      }
    if (stream.chosen())
      continue; // the tiles of what the data chooses are a bound
    auto differ = [&](const char *what, int64_t expected, int64_t got) {
      return stream.name + ": expected " + std::to_string(expected) + " " +
             what + ", got " + std::to_string(got);
    };
    if (visible != stream.pairsVisible)
      return differ("visible pairs, counted one by one", visible,
                    stream.pairsVisible);
    fovea_stats stats{};
    stats.size = sizeof(stats);
    insist(fovea_plan_stats(call.plan(), stream.phase, &stats), session);
    ItemWork sum;
    for (const ItemWork &item : stream.items) {
      sum.fullTiles += item.fullTiles;
      sum.partialTiles += item.partialTiles;
      sum.pairs += item.pairs;
    }
    if (sum.fullTiles != stats.tiles_full)
      return differ("full tiles as the plan has", stats.tiles_full,
                    sum.fullTiles);
    if (sum.partialTiles != stats.tiles_partial)
      return differ("partial tiles as the plan has", stats.tiles_partial,
                    sum.partialTiles);
    if (sum.pairs != stats.pairs)
      return differ("executed pairs as the plan has", stats.pairs, sum.pairs);
    std::string wrong = checkComputed(session, call, stream);
    if (!wrong.empty())
      return stream.name + ": " + wrong;
  }
  return "";
}

} // namespace fovea::cli
