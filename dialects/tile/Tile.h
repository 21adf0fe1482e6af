// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Everything of the tile dialect: types, attributes and operations.
#ifndef FOVEA_DIALECTS_TILE_TILE_H
#define FOVEA_DIALECTS_TILE_TILE_H

#include "dialects/kv/KVCache.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/tile/TileDialect.h.inc"
#include "dialects/tile/TileEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/tile/TileAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/tile/TileTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/tile/TileOps.h.inc"

namespace fovea::tile {

/// Names of a program's argument attributes.
inline constexpr llvm::StringLiteral kNameAttr = "tile.name";
inline constexpr llvm::StringLiteral kDimsAttr = "tile.dims";
inline constexpr llvm::StringLiteral kResultAttr = "tile.result";

/// Types of what tile.segment gives: keys, values, pages, ranges.
llvm::SmallVector<ViewType> segmentViews(mlir::MLIRContext *context,
                                         const kv::SegmentPlan &plan);

/// Positions of a map's region arguments.
enum MapArg : unsigned {
  kScore,
  kMapBatch,
  kMapHead,
  kMapQuery,
  kMapKey,
  kMapOffset,
  kMapLength,
  kMapArgs
};

/// Positions of a stage's region arguments.
enum StageArg : unsigned { kBatch, kHead, kRow, kKey0, kKey1, kSlot };

} // namespace fovea::tile

#endif // FOVEA_DIALECTS_TILE_TILE_H
