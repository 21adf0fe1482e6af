// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Masks and score modifiers for the stage tests: each as emitted lane code,
// as the plan functions a solver would make, and as the oracle's predicate.
#ifndef FOVEA_TEST_UNIT_CODEGEN_CPU_TESTMASKS_H
#define FOVEA_TEST_UNIT_CODEGEN_CPU_TESTMASKS_H

#include "codegen/cpu/DecodeStream.h"
#include "test/support/NaiveAttention.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <fovea/abi.h>

namespace fovea::cpu {

using Pred = mlir::arith::CmpIPredicate;

struct TestMask {
  naive::Keep oracle = naive::everything();
  KeepEmitter keep;
  mlir::func::FuncOp bounds, classify;
};

/// A private function with the given signature; `body` returns an i32.
inline mlir::func::FuncOp planFunction(
    mlir::ModuleOp module, llvm::StringRef name, mlir::FunctionType type,
    Isa isa,
    llvm::function_ref<mlir::Value(Emitter &, mlir::ValueRange)> body) {
  auto b = mlir::OpBuilder::atBlockEnd(module.getBody());
  auto fn = b.create<mlir::func::FuncOp>(module.getLoc(), name, type);
  fn.setPrivate();
  Emitter e(fn, isa);
  e.ret(body(e, fn.getArguments()));
  return fn;
}

inline void storeRun(Emitter &e, mlir::Value runs, int i, mlir::Value lo,
                     mlir::Value hi) {
  e.store(lo, e.at(runs, 16 * i));
  e.store(hi, e.at(runs, 16 * i + 8));
}

inline TestMask causalMask(mlir::ModuleOp module, Isa isa) {
  TestMask mask;
  auto *ctx = module.getContext();
  mask.oracle = naive::causal();
  mask.keep = [](Emitter &e, const PairLanes &at) {
    return e.cmp(Pred::sle, at.k, at.q);
  };
  mask.bounds = planFunction(module, "m_bounds", boundsType(ctx), isa,
                             [](Emitter &e, mlir::ValueRange a) {
                               storeRun(e, a[6], 0, e.cI64(0),
                                        e.maxS(e.minS(a[4], a[5]), e.cI64(0)));
                               return e.cI32(1);
                             });
  mask.classify =
      planFunction(module, "m_class", classType(ctx), isa,
                   [](Emitter &e, mlir::ValueRange a) {
                     mlir::Value full = e.cmp(Pred::sle, e.sub(a[6], 1), a[3]);
                     mlir::Value empty = e.cmp(Pred::sge, a[5], a[4]);
                     return e.select(full, e.cI32(FOVEA_TILE_FULL),
                                     e.select(empty, e.cI32(FOVEA_TILE_EMPTY),
                                              e.cI32(FOVEA_TILE_PARTIAL)));
                   });
  return mask;
}

/// causal and (window(w) or sink(n)), as two runs of partial blocks.
inline TestMask sinkWindowMask(mlir::ModuleOp module, Isa isa, int64_t w,
                               int64_t n) {
  TestMask mask;
  mask.oracle = naive::both(naive::causal(),
                            naive::either(naive::window(w), naive::sink(n)));
  mask.keep = [=](Emitter &e, const PairLanes &at) {
    auto lanes = Emitter::lanesOf(at.k);
    mlir::Value width = e.splatInt(lanes, e.i32, w);
    mlir::Value near = e.cmp(Pred::slt, e.sub(at.q, at.k), width);
    mlir::Value first = e.cmp(Pred::slt, at.k, e.splatInt(lanes, e.i32, n));
    return e.andI(e.cmp(Pred::sle, at.k, at.q), e.orI(near, first));
  };
  mask.bounds =
      planFunction(module, "m_bounds", boundsType(module.getContext()), isa,
                   [=](Emitter &e, mlir::ValueRange a) {
                     mlir::Value end = e.maxS(e.minS(a[4], a[5]), e.cI64(0));
                     mlir::Value first = e.minS(e.cI64(n), end);
                     mlir::Value lo = e.maxS(e.sub(a[3], w - 1), first);
                     storeRun(e, a[6], 0, e.cI64(0), first);
                     storeRun(e, a[6], 1, e.minS(lo, end), end);
                     return e.cI32(2);
                   });
  mask.classify = planFunction(
      module, "m_class", classType(module.getContext()), isa,
      [](Emitter &e, mlir::ValueRange) { return e.cI32(FOVEA_TILE_PARTIAL); });
  return mask;
}

/// Only head h sees keys of its own residue: k mod 3 == h mod 3. Not solved.
inline TestMask residueMask() {
  TestMask mask;
  mask.oracle = [](int64_t, int64_t h, int64_t, int64_t k) {
    return k % 3 == h % 3;
  };
  mask.keep = [](Emitter &e, const PairLanes &at) {
    mlir::Value three = e.splatInt(Emitter::lanesOf(at.k), e.i32, 3);
    return e.cmp(Pred::eq, e.remU(at.k, three), e.remU(at.h, three));
  };
  return mask;
}

/// Nothing is visible.
inline TestMask nothingMask() {
  TestMask mask;
  mask.oracle = [](int64_t, int64_t, int64_t, int64_t) { return false; };
  mask.keep = [](Emitter &e, const PairLanes &at) {
    return e.cmp(Pred::slt, at.k, e.splatInt(Emitter::lanesOf(at.k), e.i32, 0));
  };
  return mask;
}

/// softcap(5), then a slope of 1/16 per distance.
inline naive::Score capAndSlopeOracle(int64_t heads) {
  return naive::then(naive::softcap(5),
                     naive::alibi(std::vector<double>(heads, 0.0625)));
}
inline ScoreEmitter capAndSlope() {
  return [](Emitter &e, mlir::Value s, const PairLanes &at) -> mlir::Value {
    auto lanes = Emitter::lanesOf(s);
    mlir::Value cap = e.splatF32(lanes, 5);
    s = e.b.create<mlir::math::TanhOp>(e.loc,
                                       e.fmul(s, e.splatF32(lanes, 0.2f)));
    mlir::Value distance = e.toF32(e.sub(at.k, at.q));
    return e.fma(distance, e.splatF32(lanes, 0.0625f), e.fmul(s, cap));
  };
}

} // namespace fovea::cpu

#endif // FOVEA_TEST_UNIT_CODEGEN_CPU_TESTMASKS_H
