// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The one place that sees both attn and tile: turns every kernel of a module
// into a tile.program. For the compiler driver and fovea-opt.
#ifndef FOVEA_PASSES_ATTN_TO_TILE_ATTNTOTILE_H
#define FOVEA_PASSES_ATTN_TO_TILE_ATTNTOTILE_H

#include "dialects/tile/Tile.h"
#include "passes/analysis/MaskSolver.h"

#include "mlir/IR/BuiltinOps.h"

#include <functional>
#include <string>

namespace fovea {

/// What the choice of a schedule depends on.
struct StreamShape {
  int64_t keyDim, valueDim;
  mlir::Type element;     ///< of the keys, as stored
  mlir::Attribute format; ///< of the keys, or null
  int64_t group;          ///< packed rows of one query position
  bool cached;            ///< keys lie in the segments of a cache
  /// What tells the mask from others: its words, or a hash of its region.
  /// Empty: there is none.
  std::string mask;
  MaskTraits traits; ///< of the mask
  bool ordered;      ///< rows and keys walk over a grid
  int64_t unit;      ///< keys of a chosen unit; 0: all are read
  bool listed;       ///< units are chosen by a list, not by levels
  bool modified;     ///< scores or weights have code of their own
  bool plainBF16;    ///< queries, keys and values are rows of bf16 in tensors
};

/// The variants of a stream in the order in which the plan tries them. Passes
/// may not see the targets' tables, so codegen/target hands them in.
using ScheduleProvider = std::function<llvm::SmallVector<tile::ScheduleAttr>(
    mlir::MLIRContext *, const StreamShape &)>;

/// Replaces every function marked `attn.kernel` by a tile.program of the same
/// name, followed by the functions of its masks. What a user should know (an
/// unanalysable mask) is a remark. Fails with diagnostics.
mlir::LogicalResult convertAttnToTile(mlir::ModuleOp module,
                                      const ScheduleProvider &schedules);

} // namespace fovea

#endif // FOVEA_PASSES_ATTN_TO_TILE_ATTNTOTILE_H
