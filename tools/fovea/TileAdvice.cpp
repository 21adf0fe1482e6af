// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Advice where less than half of the pairs of tiles that run is visible:
// smaller tiles, the keys of a tile gathered, tokens in another order. Each is
// recounted with the mask's own functions on query tiles spread over the call.
// Its time comes from the model of the prediction, which knows what is computed
// of a tile.
#include "tools/fovea/Advice.h"
#include "tools/fovea/TokenOrder.h"

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <optional>

using llvm::formatv;
using llvm::json::Object;

namespace fovea::cli {

/// Query tiles that are recounted for each kind of advice.
static constexpr int64_t kSamples = 24;
/// Advice that saves less of the time is not given.
static constexpr double kLeastSaving = 0.1;

namespace {
/// Query positions [q0, q1) of a class of heads that are alike.
struct Region {
  int64_t b, h, q0, q1;
};

/// Recounts parts of a stream under other tiles and orders.
class Recount {
public:
  Recount(const StreamWork &stream, double rate, int lanes)
      : stream(stream), mask(stream.mask), part(stream.parts[0]),
        group(std::max(mask.group, 1)), rate(rate), lanes(lanes) {}

  void advise(std::vector<Advice> &advice);

private:
  std::vector<Region> sample(int64_t positions);
  ItemWork tiles(const Region &region, int64_t positions, int64_t keys) const;
  double time(const ItemWork &item, int64_t positions, int64_t keys) const;
  /// Makes `item` one of partial tiles that have `seen` keys to compute.
  void computeOnly(ItemWork &item, int64_t seen, int64_t tiles,
                   int64_t keys) const;
  void smaller(std::vector<Advice> &advice);
  void gather(std::vector<Advice> &advice);
  void permute(std::vector<Advice> &advice);
  Advice make(const char *kind, std::string text, Object numbers) const {
    return {kind, stream.name, std::move(text), std::move(numbers)};
  }
  int64_t positionsOf(int64_t rows) const {
    return std::max<int64_t>(rows / group, 1);
  }

  const StreamWork &stream;
  const fovea_mask_info &mask;
  const PartWork &part;
  int64_t group;
  double rate;
  int lanes;
  int64_t allRegions = 0; ///< of which sample() took some
};
} // namespace

/// Regions of so many positions, spread over sequences, heads and queries that
/// differ.
std::vector<Region> Recount::sample(int64_t positions) {
  std::vector<Region> all;
  for (const Alike &c :
       alike(mask, stream.facts.readsBatch, stream.facts.readsHead)) {
    int64_t queries = queriesOf(mask, c.b);
    for (int64_t q0 = 0; q0 < queries; q0 += positions)
      all.push_back({c.b, c.h, q0, std::min(q0 + positions, queries)});
  }
  allRegions = int64_t(all.size());
  if (allRegions <= kSamples)
    return all;
  std::vector<Region> some;
  for (int64_t i = 0; i < kSamples; ++i)
    some.push_back(all[size_t(allRegions * (2 * i + 1) / (2 * kSamples))]);
  return some;
}

/// What a region runs in tiles of `positions` x `keys`.
ItemWork Recount::tiles(const Region &region, int64_t positions,
                        int64_t keys) const {
  ItemWork work;
  PartWork tile = part;
  tile.keys = int32_t(keys);
  work.rows = (region.q1 - region.q0) * group;
  for (int64_t q0 = region.q0; q0 < region.q1; q0 += positions) {
    int64_t q1 = std::min(q0 + positions, region.q1);
    TileRows rows{region.b, region.h, q0, q1, (q1 - q0) * group};
    for (const fovea_abi_run &run : runsOf(mask, region.b, region.h, q0, q1)) {
      work.blocks += (run.hi - run.lo + keys - 1) / keys;
      work.blockKeys += run.hi - run.lo;
      classifyRun(mask, region.b, region.h, q0, q1, run.lo, run.hi, keys,
                  [&](int32_t kind, int64_t lo, int64_t hi) {
                    work.add(mask, rows, kind, lo, hi, tile);
                  });
    }
  }
  // Blocks are read once for all tiles of an item.
  work.blockKeys = work.blockKeys * positions / positionsOf(part.rows);
  return work;
}

double Recount::time(const ItemWork &item, int64_t positions,
                     int64_t keys) const {
  PartWork tile = part;
  tile.classRows = int32_t((positions * group + lanes - 1) / lanes * lanes);
  tile.keys = int32_t(keys);
  return timeOf(stream, item, tile, rate, lanes).sum();
}

void Recount::computeOnly(ItemWork &item, int64_t seen, int64_t tiles,
                          int64_t keys) const {
  item.fullKeys = item.fullTiles = item.emptyTiles = 0;
  item.partialTiles = item.liveTiles = tiles;
  item.partialKeys = tiles * keys;
  item.liveKeys = part.registerKeys ? seen : item.partialKeys;
  // A tile's last register tile is half repeats on average.
  item.scoredKeys =
      item.liveKeys + tiles * std::max(part.registerKeys - 1, 0) / 2;
}

/// The shape of tile, at least a vector wide, that the model likes best.
void Recount::smaller(std::vector<Advice> &advice) {
  std::vector<Region> regions = sample(positionsOf(part.rows));
  int64_t now = positionsOf(part.classRows), bestRows = 0, bestKeys = 0;
  double nowMs = 0, bestMs = 0;
  int64_t nowPairs = 0, bestPairs = 0;
  for (int64_t rows = part.classRows; rows >= lanes; rows /= 2)
    for (int64_t keys : {int64_t(part.keys), int64_t(64), int64_t(32),
                         int64_t(16), int64_t(8)}) {
      if (keys > part.keys)
        continue;
      double ms = 0;
      int64_t pairs = 0, positions = positionsOf(rows);
      for (const Region &region : regions) {
        ItemWork item = tiles(region, positions, keys);
        ms += time(item, positions, keys);
        pairs += item.pairsComputed;
      }
      if (positions == now && keys == part.keys) {
        nowMs = bestMs = ms;
        nowPairs = bestPairs = pairs;
        bestRows = rows;
        bestKeys = keys;
      } else if (ms < bestMs) {
        bestMs = ms;
        bestPairs = pairs;
        bestRows = rows;
        bestKeys = keys;
      }
    }
  if (nowMs <= 0 || bestMs > (1 - kLeastSaving) * nowMs)
    return;
  double pairs = double(bestPairs) / double(std::max<int64_t>(nowPairs, 1));
  double saved = 1 - bestMs / nowMs;
  std::string text =
      formatv("with tiles of {0} rows x {1} keys instead of {2} x {3} "
              "{4:f1} % of the pairs would be computed, {5:f1} % of these "
              "visible, the model says {6:f0} % less time (recounted on {7} of "
              "{8} items)",
              bestRows, bestKeys, part.classRows, part.keys, 100 * pairs,
              100 * std::min(stream.useful() / pairs, 1.0), 100 * saved,
              regions.size(), allRegions)
          .str();
  advice.push_back(make("smaller tile", std::move(text),
                        Object{{"rows", bestRows},
                               {"keys", bestKeys},
                               {"computed_share", pairs},
                               {"time_saved", saved}}));
}

/// A tile's own keys, copied together: no more of them than it sees. Their
/// products are the same as now; what goes is the asking of all others.
void Recount::gather(std::vector<Advice> &advice) {
  int64_t positions = positionsOf(part.classRows);
  std::vector<Region> regions = sample(positions);
  int64_t distinct = 0, most = 0, executed = 0, visible = 0, runs = 0;
  double nowMs = 0, gatheredMs = 0;
  for (const Region &region : regions) {
    int64_t keys = 0;
    for (const fovea_abi_run &run :
         visibleKeys(mask, region.b, region.h, region.q0, region.q1)) {
      keys += run.hi - run.lo;
      ++runs;
    }
    ItemWork item = tiles(region, positions, part.keys);
    nowMs += time(item, positions, part.keys);
    executed += item.fullKeys + item.partialKeys;
    visible += countPairs(mask, region.b, region.h, region.q0, region.q1);
    ItemWork packed = item;
    computeOnly(packed, keys, (keys + part.keys - 1) / part.keys, part.keys);
    packed.partialKeys = packed.liveKeys = packed.blockKeys = keys;
    gatheredMs +=
        time(packed, positions, part.keys) +
        double(keys * (mask.key_dim + mask.value_dim)) * kGatherCycles / rate;
    distinct += keys;
    most = std::max(most, keys);
  }
  if (nowMs <= 0 || gatheredMs > (1 - kLeastSaving) * nowMs)
    return;
  double n = double(regions.size());
  double share = std::min(
      double(visible) / double(std::max<int64_t>(distinct * positions, 1)),
      1.0);
  double saved = 1 - gatheredMs / nowMs;
  std::string text =
      formatv("a tile of {0} queries needs {1:f0} distinct keys on average "
              "({2} at most, in {3:f1} runs) of {4:f0} in blocks that run; "
              "copied together: {5:f1} % of their pairs are visible, the model "
              "says {6:f0} % less time (counted on {7} of {8} tiles)",
              positions, double(distinct) / n, most, double(runs) / n,
              double(executed) / n, 100 * share, 100 * saved, regions.size(),
              allRegions)
          .str();
  advice.push_back(make("gather", std::move(text),
                        Object{{"distinct_keys", double(distinct) / n},
                               {"most_distinct_keys", most},
                               {"executed_keys", double(executed) / n},
                               {"computed_visible", share},
                               {"time_saved", saved}}));
}

/// The clause that walks boxes of the order's grid; nothing where the language
/// has none for it.
static std::string clauseOf(const TokenOrder &order, const StreamWork &stream) {
  const fovea_mask_info &mask = stream.mask;
  if (order.stride != 1 || !order.width || stream.facts.cached ||
      mask.sq != mask.sk)
    return "";
  std::string rows = std::to_string(order.width);
  int64_t plane = order.width * std::max<int64_t>(order.height, 1);
  if (order.height)
    rows = std::to_string(order.height) + ", " + rows;
  return mask.sq < plane ? ""
                         : "order(grid(" + std::to_string(mask.sq / plane) +
                               ", " + rows + "))";
}

/// Tokens ordered by residues or by boxes of a grid that the visible keys show.
void Recount::permute(std::vector<Advice> &advice) {
  // Keys of a walk are positions: what pattern they have is the walk's.
  if (stream.facts.ordered)
    return;
  int64_t positions = positionsOf(part.classRows);
  std::vector<Region> regions = sample(positions);
  std::vector<std::vector<fovea_abi_run>> rows;
  for (const Region &region : regions)
    rows.push_back(
        visibleKeys(mask, region.b, region.h, region.q0, region.q0 + 1));
  struct Choice {
    TokenOrder order;
    int64_t positions, keys, computed, visible;
    double ms;
  };
  std::optional<Choice> best;
  std::vector<int64_t> sizes;
  for (int64_t keys = part.keys; keys >= 16; keys /= 2)
    sizes.push_back(keys);
  double nowMs = 0;
  int64_t nowQueries = 0;
  for (const Region &region : regions) {
    nowMs += time(tiles(region, positions, part.keys), positions, part.keys);
    nowQueries += region.q1 - region.q0;
  }
  for (const TokenOrder &order : candidateOrders(rows))
    for (int64_t rows = part.classRows; rows >= lanes; rows /= 2) {
      std::vector<Choice> choices;
      int64_t queries = 0;
      for (int64_t keys : sizes)
        choices.push_back({order, positionsOf(rows), keys, 0, 0, 0});
      for (const Region &region : regions) {
        OrderedTile tile = countOrdered(mask, region.b, region.h, region.q0,
                                        positionsOf(rows), sizes, order);
        queries += tile.queries;
        for (size_t i = 0; i < sizes.size(); ++i) {
          Choice &c = choices[i];
          ItemWork item;
          item.rows = tile.queries * group;
          computeOnly(item, tile.keys, tile.keyTiles[i], c.keys);
          item.blockKeys =
              item.partialKeys * c.positions / positionsOf(part.rows);
          c.computed += tile.queries * item.liveKeys;
          c.visible += tile.visible;
          c.ms += time(item, c.positions, c.keys);
        }
      }
      for (Choice &c : choices) {
        // The same number of queries as now.
        c.ms *= double(nowQueries) / double(std::max<int64_t>(queries, 1));
        if (!best || c.ms < best->ms)
          best = c;
      }
    }
  if (!best || best->ms > (1 - kLeastSaving) * nowMs)
    return;
  double share = std::min(double(best->visible) /
                              double(std::max<int64_t>(best->computed, 1)),
                          1.0);
  double saved = 1 - best->ms / nowMs;
  std::string what = best->order.describe(best->positions, best->keys);
  std::string text =
      formatv("with tokens ordered {0} and tiles of {1} queries x {2} keys: "
              "{3:f1} % of the pairs that are computed would be visible, the "
              "model says {4:f0} % less time (recounted on {5} of {6} tiles)",
              what, best->positions, best->keys, 100 * share, 100 * saved,
              regions.size(), allRegions)
          .str();
  std::string clause = clauseOf(best->order, stream);
  if (!clause.empty())
    text += "; the clause " + clause + " walks boxes of this grid";
  advice.push_back(make("permute", std::move(text),
                        Object{{"order", what},
                               {"clause", clause},
                               {"stride", best->order.stride},
                               {"row_width", best->order.width},
                               {"rows_per_plane", best->order.height},
                               {"queries", best->positions},
                               {"keys", best->keys},
                               {"computed_visible", share},
                               {"time_saved", saved}}));
}

void Recount::advise(std::vector<Advice> &advice) {
  smaller(advice);
  permute(advice);
  gather(advice);
}

void adviseTiles(const StreamWork &stream, double cyclesPerMs, int vectorLanes,
                 std::vector<Advice> &advice) {
  if (!stream.pairsExecuted || stream.efficiency() >= 0.5 || stream.chosen() ||
      stream.parts.empty() || !stream.mask.bounds)
    return;
  if (stream.useful() < 0.5)
    advice.push_back(
        {"waste", stream.name,
         formatv("{0:f1} x more pairs are computed than are visible",
                 1 / std::max(stream.useful(), 1e-9))
             .str(),
         Object{{"computed_visible", stream.useful()},
                {"tile_efficiency", stream.efficiency()}}});
  Recount(stream, cyclesPerMs, vectorLanes).advise(advice);
}

} // namespace fovea::cli
