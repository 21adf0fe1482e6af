// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// tile.map regions on lane vectors: masks and score modifiers as the stream
// builders call them.
#ifndef FOVEA_CODEGEN_CPU_MAPLOWERING_H
#define FOVEA_CODEGEN_CPU_MAPLOWERING_H

#include "codegen/abi/ProgramLayout.h"
#include "codegen/cpu/Emitter.h"

#include <optional>

namespace fovea::cpu {

/// Where a map is applied: i64 scalars or i32 lanes each; b is a scalar. Of
/// these only k changes in a loop that `outside` is in front of.
struct MapPoint {
  mlir::Value b, h, q, k;
  std::optional<mlir::OpBuilder::InsertPoint> outside = {};
};

/// Emits maps inside a stage function (args, plan, ..). Remembers the first op
/// that has no code.
class MapLowering {
public:
  explicit MapLowering(const ProgramLayout &layout) : layout(layout) {}

  /// The predicate of a mask's `map` for `lanes` pairs, or 0 for one: i1 or i32
  /// levels, 0 where it has no value (mask_s3). On failure zeros, and `error`
  /// says why; the same below.
  mlir::Value mask(Emitter &e, tile::MapOp map, const MapPoint &at,
                   int64_t lanes);
  /// Scores `s` after the modifiers `maps` from left to right: -inf where one
  /// of them has no value, whatever those behind it make of that.
  mlir::Value score(Emitter &e, llvm::ArrayRef<tile::MapOp> maps, mlir::Value s,
                    const MapPoint &at, int64_t lanes);
  /// Weights after the probability region of `attend`: 0 where it has no value.
  mlir::Value prob(Emitter &e, tile::AttendOp attend, mlir::Value weights,
                   const MapPoint &at, int64_t lanes);

  /// Empty if all went well.
  std::string error;
  mlir::Operation *errorOp = nullptr;

private:
  /// What a region gives, and i1 lanes that say where it has a value; null:
  /// everywhere.
  struct Mapped {
    mlir::Value v, valid;
  };
  Mapped emit(Emitter &e, mlir::Operation *op, mlir::Region &body,
              mlir::Value s, const MapPoint &at, int64_t lanes);

  const ProgramLayout &layout;
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_MAPLOWERING_H
