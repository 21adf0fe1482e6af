// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emits the interval evaluation of a mask graph over a box of (b, h, q, k) as
// arith, scf and memref ops. A box of one point is the predicate itself, so
// that keep, class and bounds come from one evaluator and cannot disagree.
#ifndef FOVEA_PASSES_ANALYSIS_MASKEMIT_H
#define FOVEA_PASSES_ANALYSIS_MASKEMIT_H

#include "passes/analysis/MaskImport.h"
#include "passes/analysis/MaskSections.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/DenseSet.h"

namespace fovea {

/// Most table entries one interval evaluation reads per load; a larger box is
/// answered with what the element type allows.
constexpr int64_t kMaskScanLimit = 4096;

class MaskEmitter {
public:
  /// An integer lies in [lo, hi] (i64); a point has lo == hi, the same value.
  struct Range {
    mlir::Value lo, hi;
    bool isPoint() const { return lo == hi; }
  };
  /// True for all (any) points of the box: `all` is a proof of all, the
  /// negation of `any` is a proof of none. A point has all == any.
  struct Truth {
    mlir::Value all, any;
    bool isPoint() const { return all == any; }
  };
  /// A term over the box: keys from lo.lo (lo.hi for every point) to hi.hi
  /// (hi.lo), and every `period` from `phase` for `width` if periodic.
  struct Section {
    Truth guard;
    Range lo, hi, phase, width;
    mlir::Value period;
  };

  /// `operands` are those of the mask function, in the function being
  /// emitted.
  MaskEmitter(mlir::OpBuilder &b, mlir::Location loc, const ImportedMask &mask,
              mlir::ValueRange operands)
      : b(b), loc(loc), mask(mask), operands(operands) {}

  void setOperands(mlir::ValueRange values) { operands = values; }
  /// Sets a variable of the box; values are i64, `hi` inclusive.
  void set(MaskVar var, mlir::Value lo, mlir::Value hi) {
    vars[var] = {lo, hi};
  }
  void set(MaskVar var, mlir::Value point) { set(var, point, point); }

  Range range(MaskId id);
  Truth truth(MaskId id);
  /// The same for a conjunction over a box, without reading tables where the
  /// rest of it is false already.
  Truth truthScanningLast(MaskId id);
  /// `v` of the mask function computed op by op, without the graph, and
  /// whether it has a meaning (ImportedMask::valid). For an emitter of a mask
  /// without nodes, whose operands are all arguments of the function.
  std::pair<mlir::Value, mlir::Value> asWritten(mlir::Value v);
  Section section(const MaskTerm &term);
  /// Evaluates what in `id` does not depend on k, so that a loop over k that
  /// is emitted next finds it done.
  void hoist(MaskId id);

  /// Runs `body` with the insertion point inside `block`; what it evaluates
  /// is forgotten afterwards.
  void inside(mlir::Block *block, llvm::function_ref<void()> body);

  // i64 and i1 arithmetic, folded.
  mlir::Value i64(int64_t value);
  mlir::Value i1(bool value);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value min(mlir::Value x, mlir::Value y);
  mlir::Value max(mlir::Value x, mlir::Value y);
  mlir::Value both(mlir::Value x, mlir::Value y);
  mlir::Value either(mlir::Value x, mlir::Value y);
  mlir::Value no(mlir::Value x);
  mlir::Value select(mlir::Value c, mlir::Value x, mlir::Value y);
  mlir::Value le(mlir::Value x, mlir::Value y);
  mlir::Value lt(mlir::Value x, mlir::Value y);
  mlir::Value equal(mlir::Value x, mlir::Value y);
  /// floor(x / d), d >= 1.
  mlir::Value floorDiv(mlir::Value x, mlir::Value d, bool nonNegative = false);
  mlir::Value toIndex(mlir::Value x);
  mlir::Value toI64(mlir::Value x);

private:
  Range computeRange(const MaskNode &n);
  Range linear(const MaskNode &n);
  Range load(const MaskNode &n);
  Range segment(const MaskNode &n);
  /// A part of the segment of a token (i64), in row `row` (i64 or null).
  mlir::Value segmentAt(unsigned operand, MaskPart part, mlir::Value row,
                        mlir::Value token);
  Range scan(const MaskNode &n, llvm::ArrayRef<Range> indices);
  /// The function over entries of tables of the type of `operand` that `emit`
  /// adds to this module under the name that it is given.
  mlir::func::FuncOp tableFunction(
      llvm::StringRef prefix, unsigned operand,
      llvm::function_ref<mlir::func::FuncOp(mlir::ModuleOp, llvm::StringRef,
                                            mlir::MemRefType)>
          emit);
  /// Whether every node of `ids` has one value in the box.
  bool arePoints(llvm::ArrayRef<MaskId> ids) const;
  Truth computeTruth(const MaskNode &n);
  Truth equalsZero(MaskId sum);
  Truth nary(bool isAnd, llvm::ArrayRef<MaskId> args);
  mlir::Value extent(unsigned table, unsigned axis);
  /// The element at `indices`, 0 outside the table.
  mlir::Value guardedLoad(mlir::Value table, llvm::ArrayRef<mlir::Value> at);
  /// A copy of the op behind `v` (and of the floats it needs), at a point.
  mlir::Value copy(mlir::Value v);
  void makeSafe(mlir::Operation *op, mlir::IRMapping &map);

  mlir::OpBuilder &b;
  mlir::Location loc;
  const ImportedMask &mask;
  mlir::ValueRange operands;
  std::map<int64_t, Range> vars;
  std::map<MaskId, Range> ranges;
  std::map<MaskId, Truth> truths;
  llvm::DenseMap<mlir::Value, mlir::Value> copies;
  llvm::DenseSet<MaskId> hoisted;
  /// Of what is copied, if it is asked for: everything so far has a meaning.
  mlir::Value valid;
};

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_MASKEMIT_H
