// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A count of a stream's tiles pair by pair, which shares nothing with that of
// its items but the mask's predicate.
#include "tools/fovea/Work.h"

#include <algorithm>

namespace fovea::cli {

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
    fovea_phase_info phase = partOf(session, call, stream.phase, int(p));
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
    fovea_status status = fovea_plan_stats(call.plan(), stream.phase, &stats);
    if (status != FOVEA_OK)
      throw runtimeFailure(status, session.options().path);
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
