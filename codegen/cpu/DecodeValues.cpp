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

/// Row t of a block ahead.
Value BlockBuilder::rowAhead(Part part, const BlockAhead &block, Value t) {
  bool keys = part == Part::Keys;
  unsigned bytes = sizeOf(keys ? source.kElem : source.vElem);
  Value base = keys ? block.k : block.v,
        rows = keys ? block.kRows : block.vRows;
  if (rows)
    return e.at(base, e.loadAt(e.i64, rows, t), 1);
  Value stride = keys ? source.kStride : source.vStride;
  return e.at(base, e.mul(e.mul(e.add(block.first, t), stride), bytes), 1);
}

/// Prefetches `lines` lines of a row of the n-th block ahead.
void BlockBuilder::prefetchLines(int n, Value from, int64_t lines) {
  for (int64_t i = 0; i < lines; ++i)
    e.prefetch(e.at(from, 64 * i), /*write=*/false,
               /*locality=*/n == 0 ? 3 : 0);
}

void BlockBuilder::prefetchAhead(Part part, Value t, Value line,
                                 int64_t lines) {
  for (int n = 0; n < 1 + source.far; ++n)
    prefetchLines(n, e.at(rowAhead(part, source.ahead[n], t), line, 1), lines);
}

BlockBuilder::BehindPlan BlockBuilder::planBehind(const ValueChunk &chunk) {
  BehindPlan plan;
  if (!chunk.prefetch || s.keys % 2)
    return plan;
  plan.part = source.far ? Part::Values : Part::Keys;
  int64_t bytes = source.far ? p.valueDim * sizeOf(source.vElem)
                             : p.keyDim * sizeOf(source.kElem);
  int64_t lines = llvm::divideCeil(bytes, 64);
  // A row takes `turns` turns of two tokens; a turn, `rows` rows.
  plan.turns = std::max<int64_t>(1, std::min(chunk.of / 2, lines));
  plan.rows = chunk.of == 1 ? 2 : 1;
  plan.perTurn = llvm::divideCeil(lines, plan.turns);
  plan.share = llvm::divideCeil(s.keys, chunk.of);
  int64_t last = plan.share * (chunk.of - 1) +
                 (s.keys / 2 - 1) / plan.turns * plan.rows + plan.rows - 1;
  const BlockAhead &next = source.ahead[0];
  bool table = bool(plan.part == Part::Keys ? next.kRows : next.vRows);
  plan.linear = plan.turns == 1 && last < s.keys && !table;
  return plan;
}

/// Prefetches what chunk `index` takes of the blocks ahead, during the tokens
/// [t, t + 2): row after row, so that memory is read in order.
void BlockBuilder::prefetchBehind(const BehindPlan &plan, Value index,
                                  Value t) {
  Value turn = e.shrU(t, 1);
  Value row = e.add(e.mul(index, plan.share),
                    e.mul(e.divU(turn, e.cI64(plan.turns)), plan.rows));
  Value line = e.mul(e.remU(turn, e.cI64(plan.turns)), plan.perTurn * 64);
  for (int64_t r = 0; r < plan.rows; ++r)
    prefetchAhead(plan.part, e.minS(e.add(row, r), e.cI64(s.keys - 1)), line,
                  plan.perTurn);
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
  const size_t sums = init.size();
  // Addresses are carried, so that nothing is multiplied in the loop: LLVM's
  // loop strength reduction, which would find them, does not run.
  unsigned bytes = sizeOf(source.vElem);
  Value start = source.vRows ? d : e.add(e.mul(first, source.vStride), d);
  Value base = e.at(source.v, start, bytes), rowBytes;
  int64_t weightBytes = 4 * s.padded;
  init.push_back(scoreAt(e.cI64(0)));
  if (!source.vRows) {
    rowBytes = e.mul(source.vStride, bytes);
    init.push_back(base);
  }
  const size_t addresses = init.size();
  BehindPlan behind = planBehind(chunk);
  Value aheadBytes;
  if (behind.linear) {
    bool keys = behind.part == Part::Keys;
    aheadBytes = e.mul(keys ? source.kStride : source.vStride,
                       sizeOf(keys ? source.kElem : source.vElem));
    for (int n = 0; n < 1 + source.far; ++n)
      init.push_back(
          rowAhead(behind.part, source.ahead[n], e.mul(index, behind.share)));
  }
  auto token = [&](Value row, Value weights, MutableArrayRef<Value> acc) {
    Values v;
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
      Value weight =
          e.splat(e.load(e.f32, e.at(weights, 4 * (chunk.row0 + r))), s.lanes);
      for (int64_t c = 0; c < chunk.count; ++c)
        acc[r * chunk.count + c] =
            e.fma(v[c], weight, acc[r * chunk.count + c]);
    }
  };
  int64_t unroll = chunk.full && s.keys % 2 == 0 ? 2 : 1;
  auto body = [&](Value t, ValueRange carried) {
    Values next(carried.begin(), carried.end());
    if (behind.linear)
      for (size_t n = addresses; n < next.size(); ++n)
        for (int64_t r = 0; r < behind.rows; ++r) {
          prefetchLines(n - addresses, next[n], behind.perTurn);
          next[n] = e.at(next[n], aheadBytes, 1);
        }
    else if (behind.rows)
      prefetchBehind(behind, index, t);
    for (int64_t u = 0; u < unroll; ++u) {
      Value row =
          source.vRows
              ? e.at(base, e.loadAt(e.i64, source.vRows, e.add(t, u)), 1)
              : next[sums + 1];
      token(row, next[sums], MutableArrayRef(next).take_front(sums));
      next[sums] = e.at(next[sums], weightBytes);
      if (!source.vRows)
        next[sums + 1] = e.at(next[sums + 1], rowBytes, 1);
    }
    return next;
  };
  Values acc = e.forLoop(e.cI64(0), n, e.cI64(unroll), init, body);
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
