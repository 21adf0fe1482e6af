// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rotary positions (`rope = before | slot`): queries and keys are turned where
// they lie in shared memory, in f32, and rounded to the format of the products
// again. Rows of the tile that do not exist are zeros and stay so.
#include "codegen/gpu/templates/StreamKernel.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using namespace cpu::prefill;

/// Four pairs of channels at a time: of `halves` four channels and their four
/// partners, of `pairs` eight channels in a row. Every thread takes every
/// kThreads-th of them; the tile is read and written between two barriers.
void StreamKernel::rotateTile(Value tile, Value n, RowAddress position,
                              RowAddress scale) {
  int64_t units = p.keyDim / 8, half = p.keyDim / 2;
  Value count = e.cI64(units), step = e.cI64(kThreads);
  Type words = e.vec(2, e.i32), four = e.vec(4, e.f32);
  Value all = e.mul(n, count);
  e.forLoop(h.wide(h.thread), all, step, [&](Value c) {
    Value row = e.divU(c, count), unit = e.remU(c, count);
    Value angles = addressOf(e, rotation, {position(row)}, 4);
    angles = e.at(angles, e.mul(unit, 8), 4);
    Value at = e.add(e.mul(e.toInt(row, e.i32), shape.qStride), tile);
    at = e.add(at, e.mul(e.toInt(unit, e.i32), p.rope.halves ? 8 : 16));
    int64_t apart = p.rope.halves ? 2 * half : 8; // bytes from piece to piece
    Values x;                                     // the channels of both pieces
    for (int64_t piece : {0, 1}) {
      Value v = h.loadShared(words, e.add(at, piece * apart));
      for (int64_t i : {0, 1}) {
        auto [low, high] = h.unpack(elem, e.extract(v, i));
        x.append({low, high});
      }
    }
    if (scale) {
      Value by = scale(row);
      for (Value &v : x)
        v = e.fmul(v, by);
    }
    for (int64_t i : {0, 1}) {
      Value table = h.loadGlobal(four, e.at(angles, 16 * i));
      for (int64_t j : {0, 1}) {
        int64_t pair = 2 * i + j;
        Value &x0 = x[p.rope.halves ? pair : 2 * pair];
        Value &x1 = x[p.rope.halves ? pair + 4 : 2 * pair + 1];
        Value cosine = e.extract(table, 2 * j);
        Value sine = e.extract(table, 2 * j + 1);
        Value turned = e.fsub(e.fmul(x0, cosine), e.fmul(x1, sine));
        x1 = e.fma(x0, sine, e.fmul(x1, cosine));
        x0 = turned;
      }
    }
    for (int64_t piece : {0, 1}) {
      Value v = e.b.create<LLVM::UndefOp>(e.loc, words);
      for (int64_t i : {0, 1}) {
        Value pair =
            h.pack(elem, x[4 * piece + 2 * i], x[4 * piece + 2 * i + 1]);
        v = e.b.create<LLVM::InsertElementOp>(e.loc, v, pair, h.c32(i));
      }
      h.storeShared(v, e.add(at, piece * apart));
    }
  });
}

/// The keys of a block that has arrived; their scales go into them, so that
/// what is rounded is the key.
void StreamKernel::rotateKeys(const Block &block) {
  Value shift = e.cI64(0);
  if (p.rope.rule == RopeParams::Slot)
    shift =
        loadRange(e,
                  s.viewAt(pickMember(e, p.segments, allSegments, block.source,
                                      [](const CacheSource &c) -> int64_t {
                                        return c.ranges;
                                      }),
                           2),
                  itemB)
            .shift;
  View tree = treeView(s, p.rope);
  auto position = [&](Value row) {
    Value token = treePosition(e, tree, itemB, keyAt(block, row).first);
    return e.sub(token, shift);
  };
  auto scale = [&](Value row) {
    Value at = e.add(e.mul(e.toInt(row, e.i32), 4), shape.kScale);
    return h.loadShared(e.f32, e.add(at, block.stage));
  };
  rotateTile(e.add(block.stage, shape.kTile), block.n, position,
             coded[0] ? RowAddress(scale) : RowAddress());
  h.barrier();
}

} // namespace fovea::gpu
