// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the stages that choose among scores read of their arguments: rows,
// amounts, forced units. For all back ends.
#ifndef FOVEA_CODEGEN_CPU_SELECTROWS_H
#define FOVEA_CODEGEN_CPU_SELECTROWS_H

#include "codegen/cpu/SmallStages.h"

namespace fovea::cpu {

/// End of the rows of an item, and the address of one of them in a view.
mlir::Value rowsEnd(StageFunction &f, const GridParams &p, const Item &item);
mlir::Value rowOf(StageFunction &f, const GridParams &p, const View &view,
                  const Item &item, mlir::Value row, unsigned bytes);

/// The amount for a query head: a number of units (i64), or by mass a share
/// (f32). `table` is the view that it lies in, if it lies in one.
mlir::Value amountOf(StageFunction &f, const Amount &amount, bool mass,
                     const View &table, mlir::Value head);

/// Which units of a row are forced.
class ForcedTest {
public:
  using Value = mlir::Value;

  ForcedTest(StageFunction &f, const ForcedUnits &forced)
      : f(f), e(f.e), forced(forced) {}

  /// Of the row at `row` of the item.
  void begin(const Item &item, Value row, bool ragged);
  /// Whether units (scalar i64 or i32 lanes) are forced, if they are live.
  Value isForced(Value unit);

private:
  StageFunction &f;
  Emitter &e;
  const ForcedUnits &forced;
  Value firstEnd, lastBegin, lastEnd, diagonalBegin, diagonalEnd;
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_SELECTROWS_H
