// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The schedule tables: tile sizes per instruction set, dims and storage type.
// Passes, emitters and `explain` read the same rows; whoever tunes a number
// changes one line of Schedule.cpp. What was measured on one machine instead
// is in a tuning table (Tuning.h).
#ifndef FOVEA_CODEGEN_TARGET_SCHEDULE_H
#define FOVEA_CODEGEN_TARGET_SCHEDULE_H

#include "codegen/target/Target.h"

#include <fovea/abi.h>

#include <cstdint>
#include <string>

namespace fovea {

/// Many query rows: queries in lanes, S^T = K Q^T in register tiles.
struct PrefillSchedule {
  int regRows;  ///< keys (or value channels) of a register tile
  int lanes;    ///< queries of a register tile
  int keys;     ///< keys per block; the scores of a block stay in L1
  int rows;     ///< packed rows per item, a multiple of lanes
  bool convert; ///< 16-bit and coded tiles are converted to f32 once per block
  /// Products of bf16 on the target's matrix unit; regRows is its step.
  bool matrix = false;
};

/// Keys and channels of a step of the matrix unit, and most queries.
constexpr int kMatrixStep = 32;

/// Few query rows: the head dim in lanes.
struct DecodeSchedule {
  int lanes;          ///< channels per vector
  int accumulators;   ///< vector accumulators: tokens x queries of a dot tile
  int keys;           ///< keys per block
  int maxRows;        ///< chosen for at most this many packed rows
  bool prefetchValue; ///< prefetch the block's values during the dots
  bool prefetchNext;  ///< prefetch the next block's keys during P*V
  bool prefetchFar;   ///< in caches, the two blocks that follow instead
};

struct Schedule {
  PrefillSchedule prefill;
  DecodeSchedule decode;
  /// Which row of the table it is and why, for remarks and explain.
  std::string reason;
  /// Keys of the tuning table's entries that replaced the row's numbers;
  /// empty: none.
  std::string prefillTuned, decodeTuned;
};

/// What a schedule is chosen by.
struct StreamTraits {
  int64_t keyDim = 0, valueDim = 0;
  fovea_dtype dtype = FOVEA_DTYPE_F32; ///< of the keys; I8: they are coded
  int64_t group = 1;                   ///< packed rows of one query position
  bool cached = false;                 ///< keys lie in segments of a cache
  std::string mask; ///< what tells it from others; empty: there is none
  /// What is known of the mask when it is compiled: most keys that a query
  /// sees (-1: no number), the keys of stripes with gaps (0: there are none),
  /// and whether these move with the query. No part of a tuning table's key:
  /// they follow from the mask.
  int64_t reach = -1, stripe = 0;
  bool slanted = false;
  /// Queries, and keys, side by side for which tables have one entry
  /// (likewise).
  int64_t queryGroup = 0, keyGroup = 0;
  int64_t maskOps = 0;   ///< of its predicate (likewise)
  bool ordered = false;  ///< rows and keys walk over a grid, in boxes
  bool chosen = false;   ///< keys are chosen by lists or levels
  bool modified = false; ///< scores or weights have code of their own
  /// Queries, keys and values are rows of bf16 in tensors.
  bool plainBF16 = false;
};

/// How K and V are stored, as far as the tables care.
enum class StorageClass { F32, Half, Int8 };
StorageClass storageClass(fovea_dtype dtype);

/// The row for a stream of these traits. Every target and dim from 1 to 576
/// has one.
Schedule chooseSchedule(const TargetInfo &target, const StreamTraits &traits);

/// Whether the target's matrix unit can do the products of a stream.
bool fitsMatrix(const TargetInfo &target, const StreamTraits &traits);

/// Keys of a block where units of `unit` keys (0: none) are chosen: it lies
/// inside one, or on a GPU, whose tiles take rows from anywhere, holds several
/// of a list that are shorter.
int64_t fitToUnit(int64_t keys, const TargetInfo &target, int64_t unit,
                  bool listed);

/// Why `target` cannot run a schedule, "expected ..., got ..."; empty: it can.
std::string whyNot(const TargetInfo &target, const PrefillSchedule &schedule);
std::string whyNot(const TargetInfo &target, const DecodeSchedule &schedule);

/// "6x16 keys=96 rows=64 convert", deterministic.
std::string toString(const PrefillSchedule &schedule);
/// "v+next+far", or "none".
std::string prefetchText(const DecodeSchedule &schedule);
/// "lanes=8 acc=8 keys=32 max_rows=8 prefetch=v+next+far".
std::string toString(const DecodeSchedule &schedule);

/// All rows as text: part of the key of a compiled bundle, so that a changed
/// table never meets an old cache entry.
std::string scheduleTableText();

} // namespace fovea

#endif // FOVEA_CODEGEN_TARGET_SCHEDULE_H
