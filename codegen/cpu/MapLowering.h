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

  /// The region of `map` for `lanes` elements whose scores are `s` (null for a
  /// mask). Gives lanes of f32 or i1; on failure zeros, and `error` says why.
  mlir::Value emit(Emitter &e, tile::MapOp map, mlir::Value s,
                   const MapPoint &at, int64_t lanes) {
    return emit(e, map, map.getBody(), map.getOn() == tile::On::Partial, s, at,
                lanes);
  }
  /// The probability region of `attend` for weights.
  mlir::Value emit(Emitter &e, tile::AttendOp attend, mlir::Value weights,
                   const MapPoint &at, int64_t lanes) {
    return emit(e, attend, attend.getBody(), false, weights, at, lanes);
  }

  /// Empty if all went well.
  std::string error;
  mlir::Operation *errorOp = nullptr;

private:
  mlir::Value emit(Emitter &e, mlir::Operation *op, mlir::Region &body,
                   bool isMask, mlir::Value s, const MapPoint &at,
                   int64_t lanes);

  const ProgramLayout &layout;
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_MAPLOWERING_H
