// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The schedule tables. The first row that fits is taken.
#include "codegen/target/Schedule.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace llvm;

namespace fovea {

namespace {
struct ScheduleRow {
  IsaClass isa;
  StorageClass storage;
  int64_t maxDim; ///< of key and value dim
  PrefillSchedule prefill;
  DecodeSchedule decode;
};
} // namespace

// Register budgets. AVX2 has 16 registers: 6x16 is 12 accumulators, 2 of
// queries and 1 broadcast; one more live value spills and halves the speed.
// AVX-512 has 32: 12x32 is 24 + 2 + 1. Where keys are read in place, 8x32 wins
// by 2 % on Sapphire Rapids: it asks L2 for fewer lines at once.
//
// Rows amortise what is done once per block of keys: conversion, and reading
// it from L3. Q and O panels of an item stay in L2 beside the block: wide dims
// take fewer rows where L2 may be small.
//
// A decode block is 4 to 8 KB of keys: long enough for what is prefetched
// meanwhile to arrive, short enough to leave room in L1 for two more. On Zen 5
// 4 KB are best, 8 KB lose a tenth in paged caches; where AVX2 makes the
// arithmetic the bound, longer blocks save some of it.
//
// On a GPU the rows of a CTA are its tile: four warps of 32 or 16, or where
// there are few, 16 that fill one matrix product. A warp reads all keys and
// values of a block from shared memory, which is the bound at 16 rows; 32 halve
// it, where the registers of a thread hold as many sums.
static constexpr ScheduleRow kTable[] = {
    // isa, storage, max dim,
    //     prefill {regRows, lanes, keys, rows, convert}
    //     decode {lanes, accumulators, keys, maxRows, prefetch v, next, far}
    // clang-format off
    {IsaClass::AVX2, StorageClass::F32, 128,
         {6, 16, 96, 256, false}, {8, 8, 16, 8, true, true, true}},
    {IsaClass::AVX2, StorageClass::F32, 256,
         {6, 16, 96, 128, false}, {8, 8, 16, 8, true, true, true}},
    {IsaClass::AVX2, StorageClass::F32, 576,
         {6, 16, 96, 64, false}, {8, 8, 16, 8, true, true, true}},
    {IsaClass::AVX2, StorageClass::Half, 128,
         {6, 16, 96, 256, true}, {8, 8, 32, 8, true, true, true}},
    {IsaClass::AVX2, StorageClass::Half, 256,
         {6, 16, 96, 128, true}, {8, 8, 32, 8, true, true, true}},
    {IsaClass::AVX2, StorageClass::Half, 576,
         {6, 16, 48, 64, true}, {8, 8, 32, 8, true, true, true}},
    {IsaClass::AVX2, StorageClass::Int8, 128,
         {6, 16, 96, 256, true}, {8, 8, 32, 8, true, true, true}},
    {IsaClass::AVX2, StorageClass::Int8, 256,
         {6, 16, 96, 128, true}, {8, 8, 32, 8, true, true, true}},
    {IsaClass::AVX2, StorageClass::Int8, 576,
         {6, 16, 48, 64, true}, {8, 8, 32, 8, true, true, true}},
    {IsaClass::AVX512, StorageClass::F32, 128,
         {8, 32, 128, 256, false}, {16, 8, 16, 8, true, true, true}},
    {IsaClass::AVX512, StorageClass::F32, 576,
         {12, 32, 96, 256, false}, {16, 8, 16, 8, true, true, true}},
    {IsaClass::AVX512, StorageClass::Half, 64,
         {12, 32, 96, 256, true}, {16, 8, 32, 8, true, true, true}},
    {IsaClass::AVX512, StorageClass::Half, 576,
         {12, 32, 96, 256, true}, {16, 8, 16, 8, true, true, true}},
    {IsaClass::AVX512, StorageClass::Int8, 576,
         {12, 32, 96, 256, true}, {16, 8, 32, 8, true, true, true}},
    {IsaClass::SM80, StorageClass::F32, 128,
         {1, 64, 64, 64, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM80, StorageClass::F32, 576,
         {1, 64, 32, 64, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM80, StorageClass::Half, 64,
         {1, 128, 64, 128, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM80, StorageClass::Half, 128,
         {1, 128, 32, 128, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM80, StorageClass::Half, 576,
         {1, 64, 32, 64, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM80, StorageClass::Int8, 64,
         {1, 128, 64, 128, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM80, StorageClass::Int8, 128,
         {1, 64, 64, 64, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM80, StorageClass::Int8, 576,
         {1, 64, 32, 64, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM90, StorageClass::F32, 128,
         {1, 64, 64, 64, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM90, StorageClass::F32, 576,
         {1, 64, 32, 64, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM90, StorageClass::Half, 64,
         {1, 128, 64, 128, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM90, StorageClass::Half, 128,
         {1, 128, 32, 128, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM90, StorageClass::Half, 576,
         {1, 64, 32, 64, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM90, StorageClass::Int8, 64,
         {1, 128, 64, 128, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM90, StorageClass::Int8, 128,
         {1, 64, 64, 64, false}, {1, 8, 64, 16, false, false, false}},
    {IsaClass::SM90, StorageClass::Int8, 576,
         {1, 64, 32, 64, false}, {1, 8, 64, 16, false, false, false}},
    // clang-format on
};

/// Above these a block or an item is no tile of a cache any more, and scratch
/// grows with them.
static constexpr int64_t kMostBlockKeys = 1024, kMostItemRows = 1024;

static StringRef toString(StorageClass storage) {
  switch (storage) {
  case StorageClass::F32:
    return "f32";
  case StorageClass::Half:
    return "f16|bf16";
  case StorageClass::Int8:
    return "int8";
  }
  llvm_unreachable("covered switch");
}

StorageClass storageClass(fovea_dtype dtype) {
  switch (dtype) {
  case FOVEA_DTYPE_F16:
  case FOVEA_DTYPE_BF16:
    return StorageClass::Half;
  case FOVEA_DTYPE_I8:
  case FOVEA_DTYPE_U8:
    return StorageClass::Int8;
  default:
    return StorageClass::F32;
  }
}

std::string toString(const PrefillSchedule &schedule) {
  return formatv("{0}x{1} keys={2} rows={3}{4}", schedule.regRows,
                 schedule.lanes, schedule.keys, schedule.rows,
                 schedule.matrix    ? " matrix"
                 : schedule.convert ? " convert"
                                    : "")
      .str();
}

std::string prefetchText(const DecodeSchedule &schedule) {
  std::string text;
  auto add = [&](bool made, const char *what) {
    if (made)
      text += (text.empty() ? "" : "+") + std::string(what);
  };
  add(schedule.prefetchValue, "v");
  add(schedule.prefetchNext, "next");
  add(schedule.prefetchFar, "far");
  return text.empty() ? "none" : text;
}

std::string toString(const DecodeSchedule &schedule) {
  return formatv("lanes={0} acc={1} keys={2} max_rows={3} prefetch={4}",
                 schedule.lanes, schedule.accumulators, schedule.keys,
                 schedule.maxRows, prefetchText(schedule))
      .str();
}

static std::string describeRow(const ScheduleRow &row) {
  return formatv("{0}, {1}, dims up to {2}", toString(row.isa),
                 toString(row.storage), row.maxDim)
      .str();
}

/// Queries that see at most so many keys share few of them with others.
static constexpr int64_t kNarrowReach = 512;
/// A mask of more ops than this is dear to ask.
static constexpr int64_t kDearOps = 128;
/// Blocks of fewer keys cost more than what they skip.
static constexpr int64_t kLeastBlockKeys = 16;

/// A panel computes the keys that it sees in register tiles, of which the last
/// one is full seldom: more rows than this waste more in it.
static constexpr int kFineRows = 8;

/// The row's tile for a masked stream (measured in docs/performance.md,
/// "Tuning"). Blocks stay as long as the row has them: of a partial one a panel
/// computes those keys that one of its queries sees. A block is no longer than
/// the stripes between which it can skip: those need no pairs.
///
/// Panels of an item share what is read and converted, but all of them ask for
/// the pairs of the item's keys: two, or four where that is converted. Where a
/// query sees few keys, an item is one panel, whose keys begin where its own
/// queries' do; where asking is dear, a panel of one vector. Stripes have few
/// pairs to ask for, and are read from far apart: eight panels share them.
/// Where they move with the query, or tables have an entry for fewer queries
/// than a panel has, it sees the keys of all of them: it is one vector.
static PrefillSchedule fitToMask(PrefillSchedule s, const TargetInfo &target,
                                 const StreamTraits &traits) {
  // Blocks of a walk are boxes of the grid.
  if (traits.mask.empty() || traits.ordered)
    return s;
  int64_t stripe = traits.stripe;
  // Keys that tables have one entry for are seen together, as stripes are.
  bool grouped = !stripe && traits.keyGroup >= kLeastBlockKeys;
  bool dear = traits.maskOps > kDearOps;
  int vector = int(target.lanes());
  if (dear || (traits.slanted && stripe < s.lanes) ||
      (traits.queryGroup >= vector && traits.queryGroup < s.lanes))
    s.lanes = vector;
  bool alone = dear || (traits.reach >= 0 && traits.reach <= kNarrowReach);
  int panels = alone ? 1 : stripe || grouped ? 8 : s.convert ? 4 : 2;
  s.rows = std::min(s.rows, panels * s.lanes);
  s.regRows = std::min(s.regRows, kFineRows);
  // Blocks of 96 were multiples of 12.
  if (std::max(traits.keyDim, traits.valueDim) <= 128 && target.lanes() == 16)
    s.keys = 128;
  if (stripe)
    s.keys = int(std::min<int64_t>(s.keys, alignTo(stripe, kLeastBlockKeys)));
  else if (grouped)
    s.keys = int(std::min<int64_t>(s.keys, traits.keyGroup));
  return s;
}

bool fitsMatrix(const TargetInfo &target, const StreamTraits &traits) {
  return target.matrix && traits.plainBF16 && !traits.ordered &&
         traits.keyDim % kMatrixStep == 0 && traits.valueDim % kMatrixStep == 0;
}

/// Blocks of 192 keys take 0.94 of the time of 128, and 256 as long; L2 holds
/// them (docs/performance.md, "Matrix unit").
static constexpr PrefillSchedule kMatrixPrefill{
    kMatrixStep, kMatrixStep, 192, 256, /*convert=*/true, /*matrix=*/true};

/// On a matrix unit the products take less time than the softmax. Panels share
/// what is transposed, and ask for pairs as those of fitToMask do.
static PrefillSchedule fitToMatrix(const TargetInfo &target,
                                   const StreamTraits &traits) {
  PrefillSchedule s = kMatrixPrefill;
  if (traits.mask.empty())
    return s;
  bool dear = traits.maskOps > kDearOps;
  bool narrow = traits.reach >= 0 && traits.reach <= kNarrowReach;
  // Edges of a window waste less in short blocks of few queries; between
  // stripes there is nothing to save.
  bool window = traits.reach >= 0 && !traits.stripe;
  if (window)
    s.keys = 64;
  if (dear || window)
    s.lanes = int(target.lanes());
  if (dear || narrow)
    s.rows = window || dear ? kMatrixStep : 2 * kMatrixStep;
  int64_t finest = traits.stripe ? traits.stripe : traits.keyGroup;
  if (finest >= kLeastBlockKeys || traits.stripe)
    s.keys = int(
        std::clamp<int64_t>(alignTo(finest, kMatrixStep), kMatrixStep, s.keys));
  return s;
}

/// Sums of 32 rows of more than 64 channels leave registers for nothing but the
/// products: masks and modifiers take 16. Fewer sums leave room for them, but
/// not for the scores of 64 keys when each is modified. What is chosen, or
/// walked in boxes, is made for tiles of 64, and calls over a cache seldom have
/// more rows.
static PrefillSchedule fitToGpu(PrefillSchedule s, const StreamTraits &traits) {
  if (s.rows <= 64)
    return s;
  bool wide = std::max(traits.keyDim, traits.valueDim) > 64;
  if (traits.chosen || traits.ordered || traits.cached ||
      (wide && (traits.modified || !traits.mask.empty())))
    return {1, 64, 64, 64, false};
  if (traits.modified)
    s.keys = std::min(s.keys, 32);
  return s;
}

Schedule chooseSchedule(const TargetInfo &target, const StreamTraits &traits) {
  int64_t dim = std::max(traits.keyDim, traits.valueDim);
  StorageClass wanted = storageClass(traits.dtype);
  const ScheduleRow *last = nullptr;
  for (const ScheduleRow &row : kTable) {
    if (row.isa != target.isa || row.storage != wanted)
      continue;
    last = &row;
    if (dim <= row.maxDim)
      break;
  }
  Schedule chosen;
  chosen.prefill = target.isGpu() ? fitToGpu(last->prefill, traits)
                   : fitsMatrix(target, traits)
                       ? fitToMatrix(target, traits)
                       : fitToMask(last->prefill, target, traits);
  chosen.decode = last->decode;
  chosen.reason = "table row: " + describeRow(*last);
  if (chosen.prefill.matrix)
    chosen.reason = "matrix unit";
  return chosen;
}

int64_t fitToUnit(int64_t keys, const TargetInfo &target, int64_t unit,
                  bool listed) {
  if (!unit)
    return keys;
  if (target.isGpu() && listed && unit < keys)
    return keys / unit * unit;
  return std::min(keys, unit);
}

static bool inRange(int64_t value, int64_t most) {
  return value >= 1 && value <= most;
}

std::string whyNot(const TargetInfo &target, const PrefillSchedule &s) {
  int64_t lanes = target.lanes();
  if (s.lanes < lanes || !isPowerOf2_64(s.lanes) || s.regRows < 1)
    return formatv("expected a tile of one row at least and {0} lanes times a "
                   "power of two for {1}, got {2}x{3}",
                   lanes, target.name, s.regRows, s.lanes)
        .str();
  if (s.matrix &&
      (!target.matrix || s.regRows != kMatrixStep || s.lanes > kMatrixStep))
    return formatv("expected products of a matrix unit in tiles of {0}x16 or "
                   "{0}x{0}, and a target that has one, got {1}x{2} for {3}",
                   kMatrixStep, s.regRows, s.lanes, target.name)
        .str();
  // Accumulators, a row of queries, and what is broadcast; what a GPU's warps
  // hold is the template's (test/codegen/gpu/backend/budgets.test).
  int64_t perRow = s.lanes / lanes, taken = s.regRows * perRow + perRow + 1;
  if (!target.isGpu() && !s.matrix && taken > int64_t(target.vectorRegisters))
    return formatv("expected a tile within the {0} vector registers of {1}, "
                   "got {2}x{3}, which takes {4}",
                   target.vectorRegisters, target.name, s.regRows, s.lanes,
                   taken)
        .str();
  if (!inRange(s.keys, kMostBlockKeys))
    return formatv("expected keys in [1, {0}], got {1}", kMostBlockKeys, s.keys)
        .str();
  if (!inRange(s.rows, kMostItemRows) || s.rows % s.lanes)
    return formatv("expected rows in [1, {0}] that are a multiple of the "
                   "tile's {1} lanes, got {2}",
                   kMostItemRows, s.lanes, s.rows)
        .str();
  return "";
}

std::string whyNot(const TargetInfo &, const DecodeSchedule &s) {
  if (!inRange(s.keys, kMostBlockKeys))
    return formatv("expected keys in [1, {0}], got {1}", kMostBlockKeys, s.keys)
        .str();
  return "";
}

std::string scheduleTableText() {
  std::string text;
  for (const ScheduleRow &row : kTable)
    text += describeRow(row) + ": prefill " + toString(row.prefill) +
            "; decode " + toString(row.decode) + "\n";
  text += "matrix unit, bf16, dims in steps of 32: prefill " +
          toString(kMatrixPrefill) + "; decode as without\n";
  return text;
}

} // namespace fovea
