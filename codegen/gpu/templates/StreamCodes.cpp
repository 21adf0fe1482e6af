// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// int8 codes on their way to 16-bit tiles. A row of codes is copied to the
// second half of the place that its 16-bit row will take; when it has arrived
// a warp reads it and writes the row. So codes come through the ring as
// everything else does, and take no room of their own.
#include "codegen/gpu/templates/StreamKernel.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using namespace cpu::prefill;

/// Four codes as two pairs of 16-bit floats, exactly. With its sign bit turned
/// a code is the low byte of 2^23 + 128 + code.
static std::pair<Value, Value> widen(HwEmitter &h, Elem to, Value codes) {
  Emitter &e = h.e;
  Value turned =
      e.b.create<arith::XOrIOp>(e.loc, codes, h.c32(int32_t(0x80808080)));
  auto number = [&](int64_t i) {
    Value bits = e.b.create<hw::BytePermuteOp>(
        e.loc, e.i32, turned, h.c32(0x4B000000), h.c32(0x7540 | i));
    return e.fsub(e.bitcast(bits, e.f32), e.cF32(8388608.0f + 128.0f));
  };
  return {h.pack(to, number(0), number(1)), h.pack(to, number(2), number(3))};
}

/// Emits `body` for the blocks whose keys (0) or values (1) are codes.
void StreamKernel::ifCodes(int part, Value source,
                           llvm::function_ref<void()> body) {
  SmallVector<bool> codes;
  for (const CacheSource &c : p.segments)
    codes.push_back((part ? c.vElem : c.kElem) == Elem::I8);
  for (const StreamSource &c : p.sources)
    codes.push_back((part ? c.valueElem : c.keyElem) == Elem::I8);
  if (llvm::is_contained(codes, false)) {
    Value any = e.cBool(false);
    for (auto [i, has] : llvm::enumerate(codes))
      if (has)
        any = e.orI(any, e.cmp(kEq, source, e.cI64(i)));
    if (llvm::is_contained(codes, true))
      e.ifThen(any, body);
    return;
  }
  body();
}

/// The codes of a block that has arrived become 16-bit floats.
void StreamKernel::expandCodes(const Block &block) {
  ifCodes(0, block.source, [&] {
    expandTile({elem, p.keyDim, shape.keyDim, shape.qStride, shape.keys},
               e.add(block.stage, shape.kTile));
  });
  if (pass != Pass::Sums)
    ifCodes(1, block.source, [&] {
      expandTile({elem, p.valueDim, shape.valueDim, shape.vStride, shape.keys},
                 e.add(block.stage, shape.vTile));
    });
  h.barrier();
}

/// A lane takes eight codes; a row's are all of one warp, which has read a few
/// rows before it writes them.
void StreamKernel::expandTile(const TileRows &tile, Value to) {
  int64_t pieces = tile.padded / 8, warpRows = 32 / pieces;
  int64_t step = kWarps * warpRows, batch = 4;
  while (batch > 1 && batch * step > tile.rows)
    batch /= 2;
  Value laneRow = e.divU(h.lane, h.c32(pieces));
  Value piece = e.remU(h.lane, h.c32(pieces));
  Value own = e.cmp(kSlt, laneRow, h.c32(warpRows));
  laneRow = e.add(laneRow, e.mul(h.warp, warpRows));
  Value zero = e.cI64(0), all = e.cI64(tile.rows);
  e.forLoop(zero, all, e.cI64(batch * step), [&](Value base) {
    Value first = e.add(e.toInt(base, e.i32), laneRow);
    SmallVector<std::pair<Value, Value>> there; // and where
    SmallVector<Values> codes;
    for (int64_t i = 0; i < batch; ++i) {
      Value row = e.add(first, i * step);
      Value has = own;
      if (tile.rows % (batch * step))
        has = e.andI(has, e.cmp(kSlt, row, h.c32(tile.rows)));
      Value at = e.add(e.mul(row, tile.stride), to);
      there.push_back({has, at});
      codes.push_back(e.ifElse(
          has, {e.i32, e.i32},
          [&] {
            Value from = e.add(at, e.add(e.mul(piece, 8), tile.padded));
            Value v = h.loadShared(e.vec(2, e.i32), from);
            return Values{e.extract(v, 0), e.extract(v, 1)};
          },
          [&] { return Values(2, h.c32(0)); }));
    }
    h.warpBarrier();
    for (int64_t row = 0; row < batch; ++row) {
      Value packed = e.b.create<LLVM::UndefOp>(e.loc, e.vec(4, e.i32));
      for (int64_t half : {0, 1}) {
        auto [low, high] = widen(h, elem, codes[row][half]);
        for (auto [i, v] : {std::pair(2 * half, low), {2 * half + 1, high}})
          packed =
              e.b.create<LLVM::InsertElementOp>(e.loc, packed, v, h.c32(i));
      }
      e.ifThen(there[row].first, [&] {
        h.storeShared(packed, e.add(there[row].second, e.mul(piece, 16)));
      });
    }
  });
}

/// The scales of a block, 1 without an address; rows that do not exist have 0.
void StreamKernel::loadScales(const Block &block, Value to,
                              RowAddress address) {
  e.ifThen(e.cmp(kSlt, h.thread, h.c32(shape.keys)), [&] {
    Value row = h.wide(h.thread), at = e.add(to, e.mul(h.thread, 4));
    if (!address)
      return h.storeShared(e.cF32(1), at);
    Value there = keyAt(block, row).second;
    h.copyAsync(4, at, address(row), e.select(there, h.c32(4), h.c32(0)));
  });
}

} // namespace fovea::gpu
