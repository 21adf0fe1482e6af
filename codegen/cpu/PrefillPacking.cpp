// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Moves of the prefill stream: rows of q into panels, panels of o into rows,
// keys and values into f32 tiles. All vectorised; a row's remainder is done by
// a vector that overlaps the one before it.
#include "codegen/cpu/PrefillTiles.h"

using namespace mlir;

namespace fovea::cpu {

/// Emits body(d, width) so that [0, dim) is covered by vectors of at most
/// `most` elements inside the row; up to `unroll` of them without a loop.
static void forChunks(Emitter &e, int64_t dim, int64_t most, int64_t unroll,
                      llvm::function_ref<void(Value d, int64_t width)> body) {
  if (dim < most) {
    for (int64_t d = 0, width = most / 2; width; width /= 2)
      if (dim & width) {
        body(e.cI64(d), width);
        d += width;
      }
    return;
  }
  int64_t whole = dim / most * most;
  if (whole / most <= unroll)
    for (int64_t d = 0; d < whole; d += most)
      body(e.cI64(d), most);
  else
    e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(most),
              [&](Value d) { body(d, most); });
  if (whole < dim)
    body(e.cI64(dim - most), most);
}

/// Rows [0, n) as f32.
static void convertRows(Emitter &e, Elem elem, int64_t dim, Value n, Value tile,
                        RowOf rowOf) {
  unsigned bytes = sizeOf(elem);
  e.forLoop(e.cI64(0), n, e.cI64(1), [&](Value i) {
    std::pair<Value, Value> row = rowOf(i);
    Value to = e.at(tile, e.mul(i, dim), 4);
    forChunks(e, dim, 16, 4, [&](Value d, int64_t width) {
      Value v = e.loadAsF32(elem, e.at(row.first, d, bytes), width);
      if (row.second)
        v = e.fmul(v, e.splat(row.second, width));
      e.store(v, e.at(to, d, 4));
    });
  });
}

void emitPadTile(Emitter &e, int64_t dim, Value n, int64_t pad, Value tile) {
  if (pad == 1)
    return;
  Value padded = e.mul(e.divU(e.add(n, pad - 1), e.cI64(pad)), pad);
  Value last = e.at(tile, e.mul(e.sub(n, 1), dim), 4);
  e.forLoop(n, padded, e.cI64(1), [&](Value i) {
    Value to = e.at(tile, e.mul(i, dim), 4);
    forChunks(e, dim, 16, 4, [&](Value d, int64_t width) {
      e.store(e.load(e.vec(width, e.f32), e.at(last, d, 4)), e.at(to, d, 4));
    });
  });
}

void emitTableTile(Emitter &e, Elem elem, int64_t dim, Value n, int64_t pad,
                   Value tile, RowOf rowOf) {
  convertRows(e, elem, dim, n, tile, rowOf);
  emitPadTile(e, dim, n, pad, tile);
}

static void convertRows(Emitter &e, const TileSource &source, int64_t dim,
                        Value n, int64_t pad, Value tile) {
  convertRows(e, source.elem, dim, n, tile, [&](Value i) {
    Value scale;
    if (source.scales)
      scale = e.loadAt(e.f32, source.scales, e.mul(i, source.scaleStride));
    Value offset = e.mul(i, source.stride);
    return std::pair(e.at(source.data, offset, sizeOf(source.elem)), scale);
  });
  emitPadTile(e, dim, n, pad, tile);
}

Value emitTile(Emitter &e, const TileSource &source, int64_t dim, Value n,
               int64_t pad, Value tile, bool inPlace) {
  if (source.elem != Elem::F32 || !inPlace) {
    convertRows(e, source, dim, n, pad, tile);
    return tile;
  }
  auto eq = arith::CmpIPredicate::eq;
  Value close = e.cmp(eq, source.stride, e.cI64(dim));
  if (pad > 1)
    close = e.andI(close, e.cmp(eq, e.remU(n, e.cI64(pad)), e.cI64(0)));
  return e.ifElse(
      close, e.ptr, [&] { return Values{source.data}; },
      [&] {
        convertRows(e, source, dim, n, pad, tile);
        return Values{tile};
      })[0];
}

/// Lanes that one transpose handles. Sixteen would halve the time of packing,
/// which is below a percent, and double that of compiling the stage.
constexpr int64_t kTranspose = 8;

/// body(group, panel element offset of the group's first lane) for each group
/// of `width` rows, whose pointers start at `group`.
static void
forGroups(Emitter &e, const PanelShape &shape, int64_t dim, int64_t width,
          Value pointers, Value rows,
          llvm::function_ref<void(Value group, Value offset, Value row)> body) {
  int64_t lanes = shape.lanes;
  e.forLoop(e.cI64(0), rows, e.cI64(width), [&](Value row) {
    Value panel = e.divU(row, e.cI64(lanes));
    Value offset = e.add(e.mul(panel, dim * lanes), e.remU(row, e.cI64(lanes)));
    body(e.at(pointers, row, 8), offset, row);
  });
}

void emitPack(Emitter &e, const PanelShape &shape, Elem elem, int64_t dim,
              Value pointers, Value rows, Value panels,
              std::optional<float> factor) {
  int64_t lanes = shape.lanes, width = kTranspose;
  unsigned bytes = sizeOf(elem);
  auto body = [&](Value group, Value offset, Value) {
    Value to = e.at(panels, offset, 4);
    forChunks(e, dim, width, 1, [&](Value d, int64_t chunk) {
      Values block;
      for (int64_t i = 0; i < width; ++i) {
        Value row = e.load(e.ptr, e.at(group, 8 * i));
        Value v = e.loadAsF32(elem, e.at(row, d, bytes), chunk);
        block.push_back(factor ? e.fmul(v, e.splatF32(chunk, *factor)) : v);
      }
      Value start = e.at(to, e.mul(d, lanes), 4);
      if (chunk == width) {
        for (auto [j, v] : llvm::enumerate(e.transpose(block)))
          e.store(v, e.at(start, j * lanes * 4));
        return;
      }
      for (int64_t j = 0; j < chunk; ++j)
        for (int64_t i = 0; i < width; ++i)
          e.store(e.extract(block[i], j), e.at(start, (j * lanes + i) * 4));
    });
  };
  forGroups(e, shape, dim, width, pointers, rows, body);
}

void emitUnpack(Emitter &e, const PanelShape &shape, Elem elem, int64_t dim,
                Value pointers, Value rows, Value panels, Value state,
                std::optional<float> factor) {
  int64_t lanes = shape.lanes, width = kTranspose;
  unsigned bytes = sizeOf(elem);
  Type type = e.vec(width, e.f32);
  auto body = [&](Value group, Value offset, Value row) {
    Value from = e.at(panels, offset, 4);
    Value empty, inverse;
    if (factor) {
      // State of panel p: m at 2 * p * lanes, l behind it.
      Value panel = e.divU(row, e.cI64(lanes));
      Value at = e.add(e.mul(panel, 2 * lanes),
                       e.add(e.remU(row, e.cI64(lanes)), lanes));
      Value l = e.load(type, e.at(state, at, 4));
      empty = e.cmp(arith::CmpFPredicate::OEQ, l, e.like(l, 0));
      inverse = e.fdiv(e.like(l, *factor), l);
    }
    auto column = [&](Value d, int64_t j) {
      Value v =
          e.load(type, e.at(e.at(from, e.mul(d, lanes), 4), j * lanes * 4));
      if (factor)
        v = e.select(empty, e.like(v, 0), e.fmul(v, inverse));
      return v;
    };
    forChunks(e, dim, width, 1, [&](Value d, int64_t chunk) {
      Values block;
      for (int64_t j = 0; j < chunk; ++j)
        block.push_back(column(d, j));
      for (int64_t j = chunk; j < width; ++j)
        block.push_back(block.back());
      block = e.transpose(block);
      for (int64_t i = 0; i < width; ++i) {
        Value to = e.at(e.load(e.ptr, e.at(group, 8 * i)), d, bytes);
        e.store(e.slice(e.narrow(elem, block[i]), 0, chunk), to);
      }
    });
  };
  forGroups(e, shape, dim, width, pointers, rows, body);
}

} // namespace fovea::cpu
