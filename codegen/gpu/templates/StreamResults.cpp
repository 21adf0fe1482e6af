// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Results: the states of the warps merged, o normalised, rows written.
#include "codegen/gpu/templates/StreamKernel.h"

#include <fovea/abi.h>

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <cmath>

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using namespace cpu::prefill;

static Value isZero(Emitter &e, Value x) {
  return e.cmp(arith::CmpFPredicate::OEQ, x, e.cF32(0));
}

/// The sums of a row lie in the four threads of a quad.
void StreamKernel::reduceSums(State &state) {
  for (Value &l : state.l)
    for (int64_t mask : {1, 2})
      l = e.fadd(l, h.shuffleXor(l, mask));
}

/// Offset of number `what` (m, l, factor) of row i for warp `along` the keys.
static Value stateAt(Emitter &e, const StreamShape &shape, int64_t what,
                     Value along, Value i) {
  Value place = e.add(e.mul(along, shape.rows), i);
  return e.add(e.mul(place, 4),
               shape.state + 4 * what * shape.warpKeys * shape.rows);
}

/// Lets all threads see m and l of the warp's rows.
void StreamKernel::shareSums(const State &state) {
  e.ifThen(e.andI(active, e.cmp(kEq, quadColumn, h.c32(0))), [&] {
    for (unsigned r = 0; r < ownRows(); ++r) {
      Value i = ownRow(r);
      h.storeShared(state.m[r], stateAt(e, shape, 0, warpAlong, i));
      h.storeShared(state.l[r], stateAt(e, shape, 1, warpAlong, i));
    }
  });
  h.barrier();
}

Value StreamKernel::sinkOf(Value ofHead) {
  return e.fmul(e.load(e.f32, addressOf(e, sink, {ofHead}, 4)), e.cF32(kLog2E));
}

std::pair<Value, Value> StreamKernel::mergedSums(Value i, Value sinkScore) {
  Value most = sinkScore ? sinkScore : e.cF32(kNoMax);
  most = e.fmax(most, e.cF32(kNoMax));
  SmallVector<std::pair<Value, Value>> parts;
  for (int64_t w = 0; w < shape.warpKeys; ++w) {
    Value m = h.loadShared(e.f32, stateAt(e, shape, 0, h.c32(w), i));
    Value l = h.loadShared(e.f32, stateAt(e, shape, 1, h.c32(w), i));
    parts.push_back({m, l});
    most = e.fmax(m, most);
  }
  Value sum = sinkScore ? h.exp2(e.fsub(sinkScore, most)) : e.cF32(0);
  for (auto [m, l] : parts)
    sum = e.fma(l, h.exp2(e.fsub(m, most)), sum);
  return {most, sum};
}

/// After the first of two walks: m and l of whole rows, in every thread.
void StreamKernel::closeSums(State &state) {
  reduceSums(state);
  shareSums(state);
  for (unsigned r = 0; r < ownRows(); ++r) {
    Value i = ownRow(r), score;
    if (p.sink)
      score = sinkOf(headOfRow(i));
    std::tie(state.m[r], state.l[r]) = mergedSums(i, score);
  }
  h.barrier();
}

void StreamKernel::emitResults(const Item &item, State state) {
  if (!p.twice)
    reduceSums(state);
  // All copies have arrived and all warps are done with the ring.
  e.ifThen(active, [&] {
    for (auto [i, x] : llvm::enumerate(state.o)) {
      if (i % 2)
        continue;
      Value row = ownRow(elementRow(i, state.o.size()));
      Value place = e.add(e.mul(warpAlong, shape.rows), row);
      Value at = e.add(e.mul(place, shape.oStride), e.mul(quadColumn, 4));
      Value pair = e.b.create<LLVM::UndefOp>(e.loc, e.vec(2, e.f32));
      pair = e.b.create<LLVM::InsertElementOp>(e.loc, pair, x, h.c32(0));
      pair = e.b.create<LLVM::InsertElementOp>(e.loc, pair, state.o[i + 1],
                                               h.c32(1));
      h.storeShared(
          pair, e.add(at, shape.ring + 32 * elementTile(i, state.o.size())));
    }
  });
  shareSums(state);
  e.ifThen(e.cmp(kSlt, h.wide(h.thread), rowCount),
           [&] { emitRowResults(item); });
  h.barrier();
  emitOutput(item);
}

/// A thread for each row: its numbers, and the factor of each warp's o.
void StreamKernel::emitRowResults(const Item &item) {
  Value i = h.thread, row = h.wide(i);
  RowPlace at = placeOf(row);
  auto store = [&](const View &view, Value v) {
    e.store(v, rowAddress(s, view, p.ragged, at.b, at.head, at.position, 4));
  };
  // Factors are those of o for the maximum `most`.
  auto factors = [&](Value most, Value by) {
    for (int64_t w = 0; w < shape.warpKeys; ++w) {
      Value f = by;
      if (!p.twice) {
        Value m = h.loadShared(e.f32, stateAt(e, shape, 0, h.c32(w), i));
        f = e.fmul(h.exp2(e.fsub(m, most)), by);
      }
      h.storeShared(f, stateAt(e, shape, 2, h.c32(w), i));
    }
  };
  auto naturalMax = [&](Value m, Value l, float nothing) {
    return e.select(isZero(e, l), e.cF32(nothing), e.fmul(m, e.cF32(kLn2)));
  };
  auto whole = [&] {
    Value m, l;
    if (p.twice) { // merged already, the same for all warps
      m = h.loadShared(e.f32, stateAt(e, shape, 0, h.c32(0), i));
      l = h.loadShared(e.f32, stateAt(e, shape, 1, h.c32(0), i));
    } else {
      std::tie(m, l) = mergedSums(i, p.sink ? sinkOf(at.head) : Value());
    }
    if (p.partial) {
      store(partM, naturalMax(m, l, -INFINITY));
      store(partL, l);
    }
    if (p.lse) {
      Value known = e.select(isZero(e, l), e.cF32(1), l);
      Value value = e.fma(m, e.cF32(kLn2), e.log(known));
      store(lse, e.select(isZero(e, l), e.cF32(-INFINITY), value));
    }
    if (p.partial || p.twice)
      return factors(m, e.cF32(1));
    Value known = e.select(isZero(e, l), e.cF32(1), l);
    Value by = e.fdiv(e.cF32(p.outFactor), known);
    factors(m, e.select(isZero(e, l), e.cF32(0), by));
  };
  auto part = [&] {
    auto [m, l] = mergedSums(i, {});
    e.store(naturalMax(m, l, kNoMax),
            addressOf(e, splitM, {item.slot, row}, 4));
    e.store(l, addressOf(e, splitL, {item.slot, row}, 4));
    factors(m, e.cF32(1));
  };
  if (!p.split)
    return whole();
  e.ifElse(
      e.cmp(kSge, item.slot, e.cI64(0)), TypeRange(),
      [&] {
        part();
        return Values();
      },
      [&] {
        whole();
        return Values();
      });
}

/// All threads: the rows of o, four channels at a time.
void StreamKernel::emitOutput(const Item &item) {
  int64_t pieces = p.valueDim / 4;
  auto rows = [&](Elem to, llvm::function_ref<Value(Value row)> address) {
    Value all = e.mul(rowCount, pieces);
    e.forLoop(h.wide(h.thread), all, e.cI64(kThreads), [&](Value c) {
      Value row = e.divU(c, e.cI64(pieces));
      Value column = e.mul(e.remU(c, e.cI64(pieces)), 4);
      Value i = e.toInt(row, e.i32);
      Type four = e.vec(4, e.f32);
      Values sums(4, e.cF32(0));
      for (int64_t w = 0; w < shape.warpKeys; ++w) {
        Value place = e.add(e.mul(e.add(i, w * shape.rows), shape.oStride),
                            e.mul(e.toInt(column, e.i32), 4));
        Value part = h.loadShared(four, e.add(place, shape.ring));
        Value f = h.loadShared(e.f32, stateAt(e, shape, 2, h.c32(w), i));
        for (int64_t j = 0; j < 4; ++j)
          sums[j] = e.fma(e.extract(part, j), f, sums[j]);
      }
      Values words = sums;
      if (to != Elem::F32)
        words = {h.pack(to, sums[0], sums[1]), h.pack(to, sums[2], sums[3])};
      Type type = e.vec(words.size(), words[0].getType());
      Value v = e.b.create<LLVM::UndefOp>(e.loc, type);
      for (auto [j, word] : llvm::enumerate(words))
        v = e.b.create<LLVM::InsertElementOp>(e.loc, v, word, h.c32(j));
      h.storeGlobal(v, e.at(address(row), column, sizeOf(to)));
    });
  };
  auto whole = [&] {
    rows(p.outElem, [&](Value row) -> Value {
      return e.b.create<LLVM::IntToPtrOp>(e.loc, e.ptr, outAddress(row));
    });
  };
  if (!p.split)
    return whole();
  e.ifElse(
      e.cmp(kSge, item.slot, e.cI64(0)), TypeRange(),
      [&] {
        rows(Elem::F32, [&](Value row) {
          return addressOf(e, splitO, {item.slot, row}, 4);
        });
        return Values();
      },
      [&] {
        whole();
        return Values();
      });
}

} // namespace fovea::gpu
