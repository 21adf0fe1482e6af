// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Turns a scalar region - a mask predicate, a score modifier - into code on
// lane vectors. What does not vary between lanes stays scalar; `index` lanes
// are i32 where interval analysis proves that they fit, else i64. What the loop
// around the code does not change is emitted in front of it.
#ifndef FOVEA_CODEGEN_CPU_REGIONVECTORISER_H
#define FOVEA_CODEGEN_CPU_REGIONVECTORISER_H

#include "codegen/cpu/Emitter.h"

#include "mlir/Interfaces/InferIntRangeInterface.h"

#include <functional>
#include <optional>
#include <string>

namespace fovea::cpu {

/// A value of the region as emitted: a scalar, or a vector of lanes. `index`
/// scalars are i64. `range` bounds integers (as signed 64-bit for index).
struct LaneValue {
  mlir::Value v;
  mlir::ConstantIntRanges range = mlir::ConstantIntRanges::maxRange(0);
  /// It changes in the loop that the code runs in.
  bool looped = false;

  /// An index (i64 scalar, or i32/i64 lanes) known to lie in [lo, hi].
  static LaneValue index(mlir::Value v, int64_t lo = 0, int64_t hi = INT32_MAX);
  /// Anything else, nothing known.
  static LaneValue any(mlir::Value v);
  /// The same value, changing in the loop.
  LaneValue inLoop() const { return {v, range, true}; }
};

class RegionVectoriser {
public:
  /// Emits an op that is not elementwise (a table load, kv.position): gets
  /// its operands as emitted, returns its only result, or failure.
  using Hook = std::function<mlir::FailureOr<LaneValue>(
      Emitter &, mlir::Operation *, llvm::ArrayRef<LaneValue>)>;
  using Place = mlir::OpBuilder::InsertPoint;

  /// `outside` is in front of the loop that the code runs in, if any. LLVM
  /// would not move table loads there, because the loop stores scores.
  RegionVectoriser(Emitter &e, int64_t lanes, Hook hook = {},
                   std::optional<Place> outside = {})
      : e(e), lanes(lanes), hook(std::move(hook)), outside(outside) {}

  /// Binds a value that the region captures from outside.
  void bind(mlir::Value outer, LaneValue emitted);

  /// Emits the block with its arguments bound to `args` and returns what its
  /// terminator yields: vectors, or scalars where nothing varies. On failure
  /// `reason` says which op has no code.
  mlir::FailureOr<llvm::SmallVector<LaneValue>>
  emit(mlir::Block &body, llvm::ArrayRef<LaneValue> args);

  std::string reason;

  /// Notes an i1, scalar or lanes, that has to hold for a pair to count. The
  /// vectoriser asks that no division has a run-time divisor below 1, and no
  /// shift an amount that its type does not have: they read as 1 and 0, so that
  /// nothing traps; a mask hides such a pair, as its solved functions do, and
  /// so does a modifier.
  void require(mlir::Value condition, bool looped);
  /// All that was required, i1 lanes; null where nothing was.
  mlir::Value valid();

private:
  mlir::FailureOr<LaneValue> emitPlaced(mlir::Operation *op,
                                        llvm::ArrayRef<LaneValue> args);
  mlir::FailureOr<LaneValue> emitOp(mlir::Operation *op);
  mlir::FailureOr<LaneValue> emitElementwise(mlir::Operation *op,
                                             llvm::ArrayRef<LaneValue> args);
  mlir::FailureOr<LaneValue> lookup(mlir::Value v);
  LaneValue guardSecond(mlir::Operation *op, LaneValue second);
  /// Division of i32 lanes through f64, which is exact and has no trap.
  mlir::Value divide(mlir::Operation *op, mlir::Value x, mlir::Value y);
  /// As `elem` with `lanes` lanes (or scalar when not `varying`).
  mlir::Value shape(mlir::Value v, mlir::Type elem, bool varying);
  mlir::Type elementFor(mlir::Type type, bool narrow) const;

  Emitter &e;
  int64_t lanes;
  Hook hook;
  std::optional<Place> outside;
  mlir::Value required[2][2]; ///< [in the loop][lanes]
  llvm::DenseMap<mlir::Value, LaneValue> map;
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_REGIONVECTORISER_H
