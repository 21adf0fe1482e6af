// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stages that work on rows of tokens: encode and pool.
#include "codegen/cpu/CacheRows.h"
#include "codegen/cpu/LaneTools.h"
#include "codegen/cpu/SmallStages.h"

using namespace mlir;

namespace fovea::cpu {

using arith::CmpFPredicate;

/// Calls body(row) for the rows of a grid item.
static void forRows(Emitter &e, const Item &item, int64_t rows,
                    llvm::function_ref<void(Value)> body) {
  Value end = e.minS(e.add(item.row, rows), item.k1);
  e.forLoop(item.row, end, e.cI64(1), body);
}

/// Calls body(d, n) for the vectors of a row: whole ones in a loop, then the
/// rest.
static void forVectors(Emitter &e, int64_t dim, int64_t lanes,
                       llvm::function_ref<void(Value d, int64_t n)> body) {
  int64_t whole = dim / lanes * lanes;
  e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(lanes),
            [&](Value d) { body(d, lanes); });
  if (whole < dim)
    body(e.cI64(whole), dim - whole);
}

static Value loadVector(Emitter &e, Elem elem, Value row, Value d, int64_t n,
                        int64_t lanes) {
  return loadPartialAsF32(e, elem, e.at(row, d, sizeOf(elem)), n, lanes);
}

BuiltStage buildEncode(ModuleOp module, const EncodeParams &p) {
  auto b = OpBuilder::atBlockEnd(module.getBody());
  StageFunction f(b, module.getLoc(), p.name, p.isa);
  Emitter &e = f.e;
  View x = f.view(p.xSlot, 4), codes = f.view(p.codeSlot, 4);
  View scales = f.view(p.scaleSlot, 3);
  f.forEachItem([&](const Item &item) {
    forRows(e, item, p.rows, [&](Value t) {
      SmallVector<Value> at = {item.b, item.head, t};
      RowSource row{p.x, addressOf(e, x, at, sizeOf(p.x)), {}};
      Value scale = emitEncodeRow(e, row, addressOf(e, codes, at, 1), p.dim);
      e.store(scale, addressOf(e, scales, at, 4));
    });
  });
  f.finish();
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

BuiltStage buildPool(ModuleOp module, const PoolParams &p) {
  auto b = OpBuilder::atBlockEnd(module.getBody());
  StageFunction f(b, module.getLoc(), p.name, p.isa);
  Emitter &e = f.e;
  int64_t lanes = vectorLanes(p.isa);
  View x = f.view(p.xSlot, 4), out = f.view(p.outSlot, 4), lengths;
  if (p.lengthSlot >= 0)
    lengths = f.view(p.lengthSlot, 1);
  f.forEachItem([&](const Item &item) {
    Value tokens = x.shape[2];
    if (p.lengthSlot >= 0)
      tokens = e.minS(
          tokens,
          e.toInt(e.load(e.i32, addressOf(e, lengths, {item.b}, 4)), e.i64));
    forRows(e, item, p.rows, [&](Value g) {
      Value first = e.mul(g, p.level);
      Value count = e.minS(e.sub(tokens, first), e.cI64(p.level));
      count = e.maxS(count, e.cI64(0));
      Value from = addressOf(e, x, {item.b, item.head, first}, sizeOf(p.x));
      Value to = addressOf(e, out, {item.b, item.head, g}, sizeOf(p.out));
      Value divisor = e.toF32(e.maxS(count, e.cI64(1)));
      Value inverse = e.splat(e.fdiv(e.cF32(1), divisor), lanes);
      forVectors(e, p.dim, lanes, [&](Value d, int64_t n) {
        Value sum = e.forLoop(
            e.cI64(0), count, e.cI64(1), {e.splatF32(lanes, 0)},
            [&](Value t, ValueRange c) {
              Value row = e.at(from, e.mul(t, x.stride[2]), sizeOf(p.x));
              return Values{e.fadd(c[0], loadVector(e, p.x, row, d, n, lanes))};
            })[0];
        storePartial(e, e.narrow(p.out, e.fmul(sum, inverse)),
                     e.at(to, d, sizeOf(p.out)), n);
      });
    });
  });
  f.finish();
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

} // namespace fovea::cpu
