// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From global to shared memory: where an item's rows lie, its queries, keys and
// values of a block.
#include "codegen/gpu/templates/StreamKernel.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <numeric>

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using namespace cpu::prefill;

/// Where rowInfo keeps what of row i.
static int64_t rowField(const StreamShape &shape, int64_t before) {
  return shape.rowInfo + 16 + before * shape.rows;
}
static constexpr int64_t kQueryAddress = 0, kOutAddress = 8, kToken = 16,
                         kHead = 20, kPosition = 24;

/// Notes where the item's rows lie and what they are.
void StreamKernel::loadRows() {
  auto field = [&](Value i, int64_t before, int64_t bytes) {
    return e.add(e.mul(i, bytes), rowField(shape, before));
  };
  auto number = [&](Value p) -> Value {
    return e.b.create<LLVM::PtrToIntOp>(e.loc, e.i64, p);
  };
  e.ifThen(e.cmp(kSlt, h.thread, h.c32(shape.rows)), [&] {
    RowPlace at = placeOf(h.wide(h.thread));
    auto addressIn = [&](const View &view, Elem elem) {
      return number(rowAddress(s, view, p.ragged, at.b, at.head, at.position,
                               sizeOf(elem)));
    };
    h.storeShared(addressIn(query, p.queryElem),
                  field(h.thread, kQueryAddress, 8));
    h.storeShared(addressIn(out, p.outElem), field(h.thread, kOutAddress, 8));
    Value token = e.add(s.qOffset(at.b), at.position);
    h.storeShared(e.toInt(token, e.i32), field(h.thread, kToken, 4));
    h.storeShared(e.toInt(at.head, e.i32), field(h.thread, kHead, 4));
    if (!p.rope.rule)
      return;
    Value position = queryPosition(s, p.rope, p.segments, at.b, token);
    h.storeShared(e.toInt(position, e.i32), field(h.thread, kPosition, 4));
  });
  h.barrier();
}

Value StreamKernel::tokenOfRow(Value row) {
  Value at = e.add(e.mul(row, 4), rowField(shape, kToken));
  return h.wide(h.loadShared(e.i32, at));
}

Value StreamKernel::headOfRow(Value row) {
  Value at = e.add(e.mul(row, 4), rowField(shape, kHead));
  return h.wide(h.loadShared(e.i32, at));
}

Value StreamKernel::outAddress(Value row) {
  Value at = e.add(e.mul(e.toInt(row, e.i32), 8), rowField(shape, kOutAddress));
  return h.loadShared(e.i64, at);
}

void StreamKernel::loadQueries() {
  loadTile(
      {elem, p.keyDim, shape.keyDim, shape.qStride, shape.rows}, h.c32(shape.q),
      [&](Value row) { return e.cmp(kSlt, row, rowCount); },
      [&](Value row) -> Value {
        row = e.minS(row, e.sub(rowCount, 1));
        Value at = e.add(e.mul(e.toInt(row, e.i32), 8),
                         rowField(shape, kQueryAddress));
        return e.b.create<LLVM::IntToPtrOp>(e.loc, e.ptr,
                                            h.loadShared(e.i64, at));
      });
  h.commitCopies();
  h.waitCopies(0);
  h.barrier();
  if (p.rope.rule) {
    auto position = [&](Value row) {
      Value at =
          e.add(e.mul(e.toInt(row, e.i32), 4), rowField(shape, kPosition));
      return h.wide(h.loadShared(e.i32, at));
    };
    rotateTile(h.c32(shape.q), rowCount, position, {});
    h.barrier();
  }
  q.clear();
  if (queriesInRegisters())
    for (int64_t step = 0; step < shape.keyDim / 16; ++step)
      for (int64_t t = 0; t < shape.rowTiles; ++t)
        llvm::append_range(q, queryFragment(step, t));
}

/// Starts the copies of a tile's rows to shared memory, those that are not
/// there and the columns that pad it as zeros; codes go to the second half of
/// their row's place (StreamCodes.cpp).
void StreamKernel::loadTile(const TileRows &tile, Value to, RowAddress there,
                            RowAddress address) {
  bool codes = tile.elem == Elem::I8;
  int64_t bytes = codes ? codePiece(tile.dim) : 16;
  int64_t each = codes ? bytes : 8; // columns of a piece
  int64_t pieces = tile.padded / each, all = tile.rows * pieces;
  Value thread = h.wide(h.thread);
  Value count = e.cI64(pieces), dim = e.cI64(tile.dim);
  // Piece `number` of a row, a few rows (`skip`) behind `row`: where the rows
  // of a thread are so far apart that its column stays, only the rows differ.
  auto copy = [&](Value row, int64_t skip, Value number) {
    Value column = e.mul(number, each);
    Value at = e.add(e.mul(e.toInt(row, e.i32), tile.stride), to);
    at = e.add(at, e.mul(e.toInt(number, e.i32), bytes));
    at = e.add(at, skip * tile.stride + (codes ? tile.padded : 0));
    row = e.add(row, skip);
    Value read = there(row);
    if (tile.dim < tile.padded) // whole pieces: dims are multiples of 8
      read = e.andI(read, e.cmp(kSlt, column, dim));
    // What is not read needs an address.
    column = e.minS(column, e.sub(dim, each));
    h.copyAsync(bytes, at, e.at(address(row), column, sizeOf(tile.elem)),
                e.select(read, h.c32(bytes), h.c32(0)));
  };
  bool straight = kThreads % pieces == 0;
  auto copies = [&](Value from, int64_t end) { // pieces from, from + kThreads..
    for (int64_t first = 0; first < end; first += kThreads) {
      Value c = e.add(from, first);
      auto piece = [&] {
        if (straight)
          copy(e.divU(from, count), first / pieces, e.remU(from, count));
        else
          copy(e.divU(c, count), 0, e.remU(c, count));
      };
      if (first + kThreads <= end)
        piece();
      else
        e.ifThen(e.cmp(kSlt, c, e.cI64(end)), piece);
    }
  };
  // The addresses of many copies at once would not fit beside the accumulators.
  int64_t few = 4 * kThreads;
  int64_t most = shape.runs > 1 ? few : 8 * kThreads;
  if (all > most && all % few == 0)
    e.forLoop(e.cI64(0), e.cI64(all), e.cI64(few),
              [&](Value base) { copies(e.add(thread, base), few); });
  else
    copies(thread, all);
}

/// The same for rows at equal distances. A thread's columns are the same in all
/// of its rows, so that only what is added to its address moves.
void StreamKernel::loadRun(const TileRows &tile, Value to, Value n,
                           const Run &run) {
  bool codes = tile.elem == Elem::I8;
  int64_t bytes = codes ? codePiece(tile.dim) : 16;
  int64_t pieces = tile.padded * sizeOf(tile.elem) / bytes;
  // So many threads lie along a row, and go over it.
  int64_t across = std::gcd(pieces, kThreads), skip = kThreads / across;
  Value row = e.divU(h.thread, h.c32(across));
  Value column = e.mul(e.remU(h.thread, h.c32(across)), bytes);
  Value at = e.add(e.add(e.mul(row, tile.stride), to), column);
  Value from = e.at(run.first, e.mul(h.wide(row), run.step), 1);
  from = e.at(from, h.wide(column), 1);
  Value far = e.mul(run.step, skip);
  Value left = e.sub(e.toInt(n, e.i32), row); // rows that exist from here on
  for (int64_t i = 0; i < tile.rows; i += skip) {
    auto copies = [&] {
      for (int64_t along = 0; along < pieces * bytes; along += across * bytes) {
        Value there = e.cmp(kSlt, h.c32(i), left);
        int64_t dim =
            tile.dim * sizeOf(tile.elem); // columns that pad are zeros
        if (along + across * bytes > dim)
          there = e.andI(there, e.cmp(kSlt, column, h.c32(dim - along)));
        int64_t place = i * tile.stride + along + (codes ? tile.padded : 0);
        h.copyAsync(bytes, e.add(at, place), e.at(from, along),
                    e.select(there, h.c32(bytes), h.c32(0)));
      }
    };
    if (i + skip <= tile.rows)
      copies();
    else
      e.ifThen(e.cmp(kSlt, row, h.c32(tile.rows - i)), copies);
    if (i + skip < tile.rows)
      from = e.at(from, far, 1);
  }
}

Value StreamKernel::placesOf(Value index) {
  Value slot = e.andI(e.toInt(index, e.i32), h.c32(StreamShape::kStages - 1));
  return e.add(e.mul(slot, 8 * shape.keys), shape.places);
}

/// The page and the offset in it, i32, of the thread's row of block number
/// `index` of a cache, if there is such a block.
Values StreamKernel::lookUp(Value index, Value count) {
  return e.ifElse(
      e.cmp(kSlt, index, count), {e.i32, e.i32},
      [&] {
        Block block = loadBlock(index);
        SegmentRows rows = loadSegment(s, p.segments, allSegments, block.source,
                                       itemB, kvHead);
        Value row = h.wide(e.minS(h.thread, h.c32(shape.keys - 1)));
        Value slot = e.sub(keyAt(block, row).first, rows.base);
        if (rows.wraps)
          slot = e.remU(slot, rows.ring);
        auto [page, offset] = locateSlot(e, rows, slot);
        return Values{e.loadAt(e.i32, rows.table, page),
                      e.toInt(offset, e.i32)};
      },
      [&] { return Values(2, h.c32(0)); });
}

/// Lets all threads see what lookUp found.
void StreamKernel::notePlaces(Value index, ValueRange place) {
  e.ifThen(e.cmp(kSlt, h.thread, h.c32(shape.keys)), [&] {
    Value pair = e.b.create<LLVM::UndefOp>(e.loc, e.vec(2, e.i32));
    for (int64_t i : {0, 1})
      pair = e.b.create<LLVM::InsertElementOp>(e.loc, pair, place[i], h.c32(i));
    h.storeShared(pair, e.add(placesOf(index), e.mul(h.thread, 8)));
  });
}

/// Starts the copies of a block's keys and values.
void StreamKernel::issue(const Block &block) {
  Value kTile = e.add(block.stage, shape.kTile);
  Value vTile = e.add(block.stage, shape.vTile);
  TileRows keys{elem, p.keyDim, shape.keyDim, shape.qStride, shape.keys};
  TileRows values{elem, p.valueDim, shape.valueDim, shape.vStride, shape.keys};
  auto load = [&](TileRows tile, Elem from, Value to,
                  llvm::function_ref<Value(Value)> address) {
    tile.elem = from;
    auto there = [&](Value row) { return keyAt(block, row).second; };
    loadTile(tile, to, there, address);
  };
  if (cached()) {
    SegmentRows rows =
        loadSegment(s, p.segments, allSegments, block.source, itemB, kvHead);
    auto rowOf = [&](const PartRows &part) {
      return [&](Value row) {
        Value at = e.add(e.mul(e.toInt(row, e.i32), 8), block.places);
        Value place = h.loadShared(e.vec(2, e.i32), at);
        Value page = h.wide(e.extract(place, 0));
        Value offset = h.wide(e.extract(place, 1));
        return e.at(part.data,
                    e.add(e.mul(page, part.page), e.mul(offset, part.row)), 1);
      };
    };
    // One copy of the code for each format.
    auto parts = [&](Elem CacheSource::*format, const TileRows &tile, Value to,
                     const PartRows &part, Value scales,
                     const PartRows &scalePart) {
      for (Elem from : {elem, Elem::I8}) {
        auto has = [&](const CacheSource &c) { return c.*format == from; };
        if (llvm::none_of(p.segments, has))
          continue;
        auto emit = [&] {
          load(tile, from, to, rowOf(part));
          if (!scalePart.data)
            return;
          if (from == Elem::I8)
            loadScales(block, scales, rowOf(scalePart));
          else
            loadScales(block, scales, {});
        };
        if (llvm::all_of(p.segments, has)) {
          emit();
          continue;
        }
        Value own = pickMember(e, p.segments, allSegments, block.source,
                               [&](const CacheSource &c) { return has(c); });
        e.ifThen(e.cmp(kEq, own, e.cI64(1)), emit);
      }
    };
    parts(&CacheSource::kElem, keys, kTile, rows.k,
          e.add(block.stage, shape.kScale), rows.kScale);
    if (pass != Pass::Sums)
      parts(&CacheSource::vElem, values, vTile, rows.v,
            e.add(block.stage, shape.vScale), rows.vScale);
    return;
  }
  for (unsigned i = 0; i < p.sources.size(); ++i) {
    const StreamSource &source = p.sources[i];
    SourceViews views = sources[i];
    if (shape.wide()) {
      // Read again: held beside wide accumulators they would be spilled.
      views.keys = s.view(source.keys, 4);
      views.values = s.view(source.values, 4);
    }
    bool apart = p.order || shape.runs > 1; // keys that are no one run
    auto rowOf = [&](const View &view, unsigned bytes) {
      return [&, bytes](Value row) {
        Value key = keyAt(block, row).first;
        if (p.order)
          key = tokenAt(key);
        return addressOf(e, view, {itemB, kvHead, key}, bytes);
      };
    };
    auto part = [&](TileRows tile, Elem from, Value to, const View &view,
                    int64_t scales, const View &scaleView, bool any) {
      unsigned bytes = sizeOf(from);
      if (apart) {
        load(tile, from, to, rowOf(view, bytes));
      } else {
        tile.elem = from;
        loadRun(tile, to, block.n,
                {addressOf(e, view, {itemB, kvHead, block.k}, bytes),
                 e.mul(view.stride[2], bytes)});
      }
      Value scaleAt = e.add(block.stage, scales);
      if (scaleView.data)
        loadScales(block, scaleAt, rowOf(scaleView, 4));
      else if (any)
        loadScales(block, scaleAt, {});
    };
    auto emit = [&] {
      part(keys, source.keyElem, kTile, views.keys, shape.kScale,
           views.keyScales, coded[0]);
      if (pass != Pass::Sums)
        part(values, source.valueElem, vTile, views.values, shape.vScale,
             views.valueScales, coded[1]);
    };
    if (p.sources.size() == 1)
      emit();
    else
      e.ifThen(e.cmp(kEq, block.source, e.cI64(i)), emit);
  }
}

} // namespace fovea::gpu
