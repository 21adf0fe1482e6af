// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The model of time. Each number is what one step of a stream costs, in cycles
// of two vector FMAs; docs/explain.md says how they were measured. None
// belongs to one mask.
#include "tools/fovea/Predict.h"
#include "tools/fovea/Ceilings.h"

#include "codegen/target/Target.h"

#include <algorithm>
#include <cmath>
#include <queue>

namespace fovea::cli {

namespace {
/// Costs of the prefill, queries in lanes. "A vector of scores" is one vector
/// of queries against one key.
struct PrefillCosts {
  double fmaShare = 0.985; ///< of the peak that the register tiles reach
  double softmax = 3.2;    ///< per vector of scores: exp2, sums, store
  double ask = 0.4;        ///< per vector of pairs of a partial tile
  double list = 2;         ///< per key of a partial tile: is it seen
  double vectorOp = 0.8;   ///< of a mask or modifier, per vector of pairs
  double keyOp = 0.5;      ///< of what a mask computes per key
  double pass = 1.5;       ///< per vector of scores of the pass for modifiers
  double tile = 80;        ///< prefetch, loops
  double emptyTile = 60;   ///< of a tile that is left out
  double classOp = 2;      ///< per op of the mask in each class
  double rescale = 1.0;    ///< per vector of the output, per tile
  double keyBytes = 0.03;  ///< per byte of keys and values of a block
  double convert = 0.10;   ///< per element of a block converted to f32
  double token = 25;       ///< of a walk, per key of a block and thrice a row
  double gather = 0.45;    ///< of a walk, per element of a block's rows
  double row = 1.5;        ///< per element of q and o: packing, unpacking
  double item = 600;       ///< set-up
};
/// What differs where a matrix unit does the products.
struct MatrixCosts {
  double product = 0.0066; ///< per multiply-add of a pair: tiles come from L2
  double softmax = 7.5;    ///< per vector of scores, with both passes over them
  double transpose = 0.25; ///< per element of a block's values
};
/// Costs of the decode, the head dim in lanes.
struct DecodeCosts {
  double fmaShare = 0.9;
  double score = 1.5; ///< per pair: sum over lanes, exp2
  double pass = 1.0;  ///< per pair of a partial block
  double vectorOp = 0.1;
  double block = 60;
  double item = 500;
};
} // namespace

static constexpr PrefillCosts kPrefill;
static constexpr MatrixCosts kMatrix;
static constexpr DecodeCosts kDecode;
/// Of the bandwidth measured with plain reads.
static constexpr double kReadShare = 0.85;
/// Seconds of a slice in which a ceiling is measured.
static constexpr double kSlice = 0.003;

void TimeParts::add(const TimeParts &o, double times) {
  products += times * o.products;
  softmax += times * o.softmax;
  mask += times * o.mask;
  score += times * o.score;
  tiles += times * o.tiles;
  keys += times * o.keys;
  rows += times * o.rows;
}

TimeParts Prediction::parts() const {
  TimeParts all;
  for (const StreamTime &stream : streams)
    all.add(stream.parts);
  return all;
}

static bool isPrefill(const PartWork &part) {
  return part.variant.compare(0, 7, "prefill") == 0;
}

static double bytesOf(const std::string &format) {
  return format == "f32" ? 4 : format == "f16" || format == "bf16" ? 2 : 1;
}

static TimeParts prefillCycles(const StreamWork &stream, const ItemWork &item,
                               const PartWork &part, int lanes) {
  const PrefillCosts &c = kPrefill;
  const StreamFacts &facts = stream.facts;
  double vectors = double(part.classRows) / lanes; // of queries in a tile
  double keyDim = stream.mask.key_dim, valueDim = stream.mask.value_dim;
  double keys = double(item.fullKeys + item.liveKeys);
  double tiles = double(item.fullTiles + item.partialTiles);
  double computed = double(item.fullTiles + item.liveTiles);
  double walks = facts.scoresTwice ? 2 : 1;
  TimeParts t;
  t.products = vectors *
               (walks * double(item.scoredKeys) * keyDim + keys * valueDim) /
               2 / c.fmaShare;
  t.softmax = walks * keys * vectors * c.softmax;
  // The item asks for the class of a block, then its panels do.
  double classes = double(item.blocks);
  if (part.rows > part.classRows)
    classes += tiles + double(item.emptyTiles);
  t.mask = walks * (double(item.partialKeys) *
                        (vectors * (c.ask + c.vectorOp * facts.mask.lanes) +
                         c.list + c.keyOp * facts.mask.keys) +
                    classes * c.classOp * double(facts.mask.ops));
  if (facts.hasScore)
    t.score = keys * (vectors * (c.pass + c.vectorOp * facts.score.lanes) +
                      c.keyOp * facts.score.keys);
  t.tiles = tiles * c.tile + computed * c.rescale * vectors * valueDim +
            double(item.emptyTiles) * c.emptyTile;
  double bytes =
      keyDim * bytesOf(facts.keyFormat) + valueDim * bytesOf(facts.valueFormat);
  double blockKeys = double(item.blockKeys);
  t.keys = blockKeys * bytes * c.keyBytes;
  if (part.matrix) {
    t.products =
        keys * part.classRows * (walks * keyDim + valueDim) * kMatrix.product;
    t.softmax = walks * keys * vectors * kMatrix.softmax;
    t.keys += blockKeys * valueDim * kMatrix.transpose;
  } else {
    if (facts.keyFormat != "f32")
      t.keys += blockKeys * keyDim * c.convert;
    if (facts.valueFormat != "f32")
      t.keys += blockKeys * valueDim * c.convert;
  }
  if (facts.ordered)
    t.keys +=
        double(item.blockKeys) * (c.token + (keyDim + valueDim) * c.gather);
  double padded = double((item.rows + part.classRows - 1) / part.classRows) *
                  part.classRows;
  t.rows = c.item + padded * (keyDim + valueDim) * c.row;
  if (facts.ordered)
    t.rows += 3 * padded * c.token;
  return t;
}

static TimeParts decodeCycles(const StreamWork &stream, const ItemWork &item,
                              const PartWork &part, int lanes) {
  const DecodeCosts &c = kDecode;
  const StreamFacts &facts = stream.facts;
  // All rows of the variant are computed, live or not.
  double keys = double(item.fullKeys + item.partialKeys), rows = part.classRows;
  double keyDim = stream.mask.key_dim, valueDim = stream.mask.value_dim;
  auto vectors = [&](double dim) { return std::ceil(dim / lanes); };
  TimeParts t;
  t.products =
      keys * rows * (vectors(keyDim) + vectors(valueDim)) / 2 / c.fmaShare;
  t.softmax = keys * rows * c.score;
  t.mask = double(item.partialKeys) * rows *
           (c.pass + c.vectorOp * facts.mask.lanes);
  if (facts.hasScore)
    t.score = keys * rows * (c.pass + c.vectorOp * facts.score.lanes);
  t.tiles = double(item.fullTiles + item.partialTiles) * c.block;
  t.rows = c.item;
  return t;
}

TimeParts timeOf(const StreamWork &stream, const ItemWork &item,
                 const PartWork &part, double cyclesPerMs, int lanes) {
  TimeParts cycles = isPrefill(part) ? prefillCycles(stream, item, part, lanes)
                                     : decodeCycles(stream, item, part, lanes);
  TimeParts ms;
  ms.add(cycles, 1 / cyclesPerMs);
  ms.rows += stream.boundsMs;
  return ms;
}

int vectorLanes(const Session &session) {
  for (const TargetInfo &info : allTargets())
    if (info.name == session.target())
      return int(info.lanes());
  return 8;
}

double cyclesPerMs(const Session &session, const Ceilings &ceilings) {
  return ceilings.fmaGflops1 * 1e6 / (4.0 * vectorLanes(session));
}

Ceilings measureCeilings(const Session &session, const Work &work) {
  bool wide = vectorLanes(session) == 16;
  CeilingMeter meter(session.threads(), wide), alone(1, wide);
  // Short slices, of which some are undisturbed though others use the machine;
  // so is the fastest of a measured call's runs.
  Ceilings c;
  for (int i = 0; i < 25; ++i) {
    c.fmaGflops = std::max(c.fmaGflops, meter.fma(kSlice));
    if (session.threads() > 1)
      c.fmaGflops1 = std::max(c.fmaGflops1, alone.fma(kSlice));
    if (work.matrix())
      c.matrixGflops = std::max(c.matrixGflops, meter.matrix(kSlice));
    c.readGBs = std::max(c.readGBs, meter.read(kSlice));
    if (i < 2)
      c.footprintGBs =
          std::max(c.footprintGBs,
                   meter.readAgain(size_t(std::max<int64_t>(work.bytes, 1))));
  }
  if (session.threads() == 1)
    c.fmaGflops1 = c.fmaGflops;
  c.footprintGBs = std::max(c.footprintGBs, c.readGBs);
  return c;
}

/// The time of the busiest of `threads` threads, each taking the next item
/// when it is free.
static double spanOf(const std::vector<double> &items, int threads) {
  std::priority_queue<double, std::vector<double>, std::greater<>> load;
  for (int t = 0; t < threads; ++t)
    load.push(0);
  double most = 0;
  for (double item : items) {
    double end = load.top() + item;
    load.pop();
    load.push(end);
    most = std::max(most, end);
  }
  return most;
}

Prediction predict(const Session &session, const Work &work) {
  Prediction p;
  p.ceilings = measureCeilings(session, work);
  double rate = cyclesPerMs(session, p.ceilings);
  int lanes = vectorLanes(session), threads = session.threads();
  // All threads at once may run slower than one alone.
  double slower = std::max(p.ceilings.fmaGflops1 * threads /
                               std::max(p.ceilings.fmaGflops, 1e-9),
                           1.0);
  for (const StreamWork &stream : work.streams) {
    StreamTime time;
    // What a list leaves of the tiles of all keys.
    double share = 1;
    if (stream.chosen()) {
      int64_t walked = 0;
      for (const ItemWork &item : stream.items)
        walked += item.pairs;
      if (walked > stream.pairsExecuted)
        share = double(stream.pairsExecuted) / double(walked);
    }
    for (const ItemWork &item : stream.items) {
      TimeParts parts;
      parts.add(
          timeOf(stream, item, stream.parts[size_t(item.part)], rate, lanes),
          share);
      time.parts.add(parts);
      time.items.push_back(parts.sum());
      time.longestMs = std::max(time.longestMs, parts.sum());
    }
    double total = time.parts.sum();
    if (!time.items.empty())
      time.meanMs = total / double(time.items.size());
    time.spanMs = spanOf(time.items, threads) * slower;
    time.balance = total > 0 ? time.spanMs / slower * threads / total : 1;
    p.computeMs += time.spanMs;
    p.streams.push_back(std::move(time));
  }
  p.fmaMs = double(work.flopsExecuted) / p.ceilings.peakGflops() * 1e-6;
  p.readMs = double(work.bytes) / std::max(p.ceilings.readGBs, 1e-9) * 1e-6;
  double bytes = double(std::max(work.bytes, work.kvBytes));
  p.memoryMs =
      bytes / (std::max(p.ceilings.footprintGBs, 1e-9) * kReadShare) * 1e-6;
  return p;
}

} // namespace fovea::cli
