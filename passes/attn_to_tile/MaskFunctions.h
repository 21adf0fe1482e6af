// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A spec's mask and modifiers as functions and regions of tile ops.
#ifndef FOVEA_PASSES_ATTN_TO_TILE_MASKFUNCTIONS_H
#define FOVEA_PASSES_ATTN_TO_TILE_MASKFUNCTIONS_H

#include "passes/analysis/MaskSolver.h"
#include "passes/attn_to_tile/ProgramBuilder.h"

namespace fovea {

/// A mask as it stands in the spec: sugar with its operands, or a region.
struct SpecMask {
  sel::MaskAttrInterface sugar; ///< or null
  mlir::ValueRange operands;
  mlir::Region *region = nullptr; ///< or null or empty

  bool present() const { return sugar || (region && !region->empty()); }
};

/// Whether `op` computes one number from others: outside of regions it is
/// copied to where masks and score modifiers read it.
bool isScalarOp(mlir::Operation *op);

/// What a stage needs of a mask.
struct TileMask {
  mlir::FlatSymbolRefAttr prefix; ///< null: everything is visible
  mlir::StringAttr text;          ///< the mask as a person would write it
  std::string identity;           ///< see StreamShape::mask
  MaskTraits traits;
  llvm::SmallVector<mlir::Value> operands; ///< program arguments
  mlir::DenseI64ArrayAttr summaries;       ///< of tile.runs; null: none
  bool byHead = false;                     ///< the predicate reads the head
  bool topLeft = false; ///< query indices are those of the call
};

/// Emits `@<prefix>_keep` behind the program and solves it into
/// `@<prefix>_bounds` and `@<prefix>_class`, for a mask of levels also
/// `@<prefix>_levels`. With an `order` these count positions of its walk.
mlir::FailureOr<TileMask> buildMask(ProgramBuilder &p, mlir::Operation *op,
                                    llvm::StringRef prefix,
                                    const SpecMask &mask,
                                    tile::OrderAttr order);

/// `tile.map on(partial)` with the predicate, or the level, inlined.
mlir::Value emitMask(ProgramBuilder &p, mlir::Operation *op,
                     const SpecMask &mask, mlir::Value scores,
                     mlir::Value block);

/// One `tile.map on(all)` per score modifier of the op.
mlir::FailureOr<mlir::Value> emitScoreMaps(ProgramBuilder &p,
                                           attn::AttentionOpInterface op,
                                           mlir::Value scores,
                                           mlir::Value block);

/// What a probability region makes of p.
struct ProbRule {
  enum Kind {
    None,
    Factor, ///< factor * p
    Linear, ///< c * p, where c depends on the pair alone
    General
  } kind;
  double factor;
};
ProbRule classifyProb(mlir::Region &region);

/// Gives the step the op's probability region, applied to `on`.
mlir::LogicalResult emitProb(ProgramBuilder &p, attn::AttentionOpInterface op,
                             tile::AttendOp attend, tile::Prob on);

} // namespace fovea

#endif // FOVEA_PASSES_ATTN_TO_TILE_MASKFUNCTIONS_H
