// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The values of a block of the decode stream, and the prefetches of what comes
// next.
#include "codegen/cpu/DecodeBlock.h"
#include "codegen/cpu/LaneTools.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace fovea::cpu {

void BlockBuilder::values(Value first, Value n, bool full) {
  // rows x chunks accumulators, as the registers allow.
  bool wide = s.lanes == 16;
  int64_t groups = llvm::divideCeil(s.rows, wide ? 8 : 4);
  int64_t perGroup = llvm::divideCeil(s.rows, groups);
  int64_t most = std::max<int64_t>(1, (wide ? 16 : 8) / perGroup);
  if (!wide) // as many vectors of values pass through the registers
    most = std::min<int64_t>(most, 6);
  int64_t vectors = s.valuePad / s.lanes;
  ValueChunk chunk;
  chunk.count = llvm::divideCeil(vectors, llvm::divideCeil(vectors, most));
  if (s.crossed)
    chunk.count = llvm::alignTo(chunk.count, 2);
  chunk.of = llvm::divideCeil(vectors, chunk.count);
  int64_t width = chunk.count * s.lanes;
  int64_t whole = p.valueDim / width * width;
  for (int64_t row0 = 0; row0 < s.rows; row0 += perGroup) {
    chunk.row0 = row0;
    chunk.rows = std::min(perGroup, s.rows - row0);
    chunk.tail = s.lanes;
    chunk.full = full;
    chunk.prefetch = full && p.prefetchNext && row0 == 0;
    if (whole)
      e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(width), [&](Value d) {
        valueChunk(first, n, d, e.divU(d, e.cI64(width)), chunk);
      });
    if (int64_t rest = p.valueDim - whole) {
      ValueChunk last = chunk;
      last.count = llvm::divideCeil(rest, s.lanes);
      last.tail = rest - (last.count - 1) * s.lanes;
      valueChunk(first, n, e.cI64(whole), e.cI64(whole / width), last);
    }
  }
}

void BlockBuilder::prefetchAhead(Part part, Value t, Value line,
                                 int64_t lines) {
  bool keys = part == Part::Keys;
  unsigned bytes = sizeOf(keys ? source.kElem : source.vElem);
  for (int n = 0; n < 1 + source.far; ++n) {
    const BlockAhead &block = source.ahead[n];
    Value rows = keys ? block.kRows : block.vRows;
    Value offset = rows ? e.loadAt(e.i64, rows, t)
                        : e.mul(e.mul(e.add(block.first, t),
                                      keys ? source.kStride : source.vStride),
                                bytes);
    Value row = e.at(e.at(keys ? block.k : block.v, offset, 1), line, 1);
    for (int64_t i = 0; i < lines; ++i)
      e.prefetch(e.at(row, 64 * i), /*write=*/false,
                 /*locality=*/n == 0 ? 3 : 0);
  }
}

/// Prefetches what chunk `index` takes of the blocks ahead, during the tokens
/// [t, t + 2): row after row, so that memory is read in order.
void BlockBuilder::prefetchBehind(Value index, Value t,
                                  const ValueChunk &chunk) {
  Part part = source.far ? Part::Values : Part::Keys;
  int64_t bytes = source.far ? p.valueDim * sizeOf(source.vElem)
                             : p.keyDim * sizeOf(source.kElem);
  int64_t lines = llvm::divideCeil(bytes, 64);
  // A row takes `turns` turns of two tokens; a turn, `rows` rows.
  int64_t turns = std::max<int64_t>(1, std::min(chunk.of / 2, lines));
  int64_t rows = chunk.of == 1 ? 2 : 1;
  int64_t perTurn = llvm::divideCeil(lines, turns);
  Value turn = e.shrU(t, 1);
  Value row = e.add(e.mul(index, llvm::divideCeil(s.keys, chunk.of)),
                    e.mul(e.divU(turn, e.cI64(turns)), rows));
  Value line = e.mul(e.remU(turn, e.cI64(turns)), perTurn * 64);
  for (int64_t r = 0; r < rows; ++r)
    prefetchAhead(part, e.minS(e.add(row, r), e.cI64(s.keys - 1)), line,
                  perTurn);
}

/// Values of some vectors from d on, for some rows.
void BlockBuilder::valueChunk(Value first, Value n, Value d, Value index,
                              const ValueChunk &chunk) {
  Type floats = e.vec(s.lanes, e.f32);
  auto output = [&](int64_t r, int64_t c) {
    Value row = e.at(m.o, 4 * ((chunk.row0 + r) * s.valuePad + c * s.lanes));
    return e.at(row, d, 4);
  };
  // The block has a sum of its own, so that no sum has more terms than a block
  // has keys, or a row blocks: one over all keys would round 16384 times.
  Values init(chunk.rows * chunk.count, e.splatF32(s.lanes, 0));
  unsigned bytes = sizeOf(source.vElem);
  Value start = source.vRows ? d : e.add(e.mul(first, source.vStride), d);
  Value base = e.at(source.v, start, bytes);
  auto token = [&](Value t, Values &acc) {
    Values v;
    Value row = source.vRows ? e.at(base, e.loadAt(e.i64, source.vRows, t), 1)
                             : e.at(base, e.mul(t, source.vStride), bytes);
    for (int64_t c = 0; c < chunk.count; c += 1 + s.crossed) {
      Value at = e.at(row, c * s.lanes * bytes);
      if (s.crossed) {
        auto [x, y] = loadCrossed(e, at);
        v.push_back(x);
        v.push_back(y);
      } else {
        int64_t n = c + 1 == chunk.count ? chunk.tail : s.lanes;
        v.push_back(loadPartialAsF32(e, source.vElem, at, n, s.lanes));
      }
    }
    for (int64_t r = 0; r < chunk.rows; ++r) {
      Value weight = e.splat(
          e.load(e.f32, e.at(scoreAt(t), 4 * (chunk.row0 + r))), s.lanes);
      for (int64_t c = 0; c < chunk.count; ++c)
        acc[r * chunk.count + c] =
            e.fma(v[c], weight, acc[r * chunk.count + c]);
    }
  };
  int64_t unroll = chunk.full && s.keys % 2 == 0 ? 2 : 1;
  Values acc = e.forLoop(e.cI64(0), n, e.cI64(unroll), init,
                         [&](Value t, ValueRange carried) {
                           Values next(carried.begin(), carried.end());
                           if (chunk.prefetch && unroll == 2)
                             prefetchBehind(index, t, chunk);
                           for (int64_t u = 0; u < unroll; ++u)
                             token(e.add(t, u), next);
                           return next;
                         });
  for (int64_t r = 0; r < chunk.rows; ++r) {
    Value alpha =
        e.splat(e.load(e.f32, e.at(m.alpha, 4 * (chunk.row0 + r))), s.lanes);
    for (int64_t c = 0; c < chunk.count; ++c)
      e.store(
          e.fma(e.load(floats, output(r, c)), alpha, acc[r * chunk.count + c]),
          output(r, c));
  }
}

} // namespace fovea::cpu
