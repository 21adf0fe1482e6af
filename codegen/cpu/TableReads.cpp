// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Splits the address of a table's element by what its terms change with, and
// picks the cheapest read that this allows.
#include "codegen/cpu/TableReads.h"

#include "codegen/abi/AbiEmit.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace fovea::cpu {

constexpr unsigned kWordBytes = 4;
/// What is read of a row at once, in bytes.
constexpr int64_t kStretch = 128, kLineBytes = 64;

static unsigned bytesOf(Type element) {
  return element.getIntOrFloatBitWidth() / 8;
}

void TableReader::Part::add(Emitter &e, Value term, Value ok) {
  offset = offset ? e.add(offset, term) : term;
  inside = inside ? e.andI(inside, ok) : ok;
}

Value TableReader::hoisted(llvm::function_ref<Value()> emit) {
  OpBuilder::InsertionGuard guard(e.b);
  if (outside)
    e.b.restoreInsertionPoint(*outside);
  return emit();
}

/// Loads of views do not change while a stage runs, so they go to the top of
/// the function, where every use sees them.
TableReader::Table &TableReader::tableOf(Value view) {
  Table &table = tables[view];
  if (table.data)
    return table;
  auto type = cast<tile::ViewType>(view.getType());
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(e.entryBlock());
  cabi::ViewValues loaded =
      cabi::loadView(e.b, e.loc, e.entryBlock()->getArgument(0),
                     layout.view(view), type.getRank());
  auto wide = [&](Value v) -> Value {
    return e.b.create<arith::IndexCastOp>(e.loc, e.i64, v);
  };
  table.data = loaded.data;
  for (unsigned i = 0; i != type.getRank(); ++i) {
    table.shape.push_back(wide(loaded.shape[i]));
    table.stride.push_back(wide(loaded.stride[i]));
  }
  return table;
}

/// A table that is shorter than a stretch is read from a copy.
void TableReader::findWords(Table &table, unsigned bytes) {
  // Without a loop there is no place that all reads see.
  if (table.words && outside)
    return;
  hoisted([&] {
    Value some = e.cBool(true), span = e.cI64(1), zero = e.cI64(0);
    for (auto [n, stride] : llvm::zip_equal(table.shape, table.stride)) {
      some = e.andI(some, e.cmp(arith::CmpIPredicate::sgt, n, zero));
      span = e.add(span, e.mul(e.sub(n, 1), stride));
    }
    span = e.select(some, e.mul(span, bytes), zero);
    Value copy = e.stackSlot(kStretch), least = e.cI64(kStretch);
    Value isShort = e.cmp(arith::CmpIPredicate::slt, span, least);
    e.ifThen(isShort, [&] {
      e.store(e.splatInt(kStretch, e.i8, 0), copy);
      e.forLoop(zero, span, e.cI64(1), [&](Value i) {
        e.store(e.loadAt(e.i8, table.data, i), e.at(copy, i, 1));
      });
    });
    table.words = e.select(isShort, copy, table.data);
    Value size = e.maxS(span, least);
    table.lastWord = e.sub(size, kWordBytes);
    table.lastStretch = e.sub(size, kStretch);
    return Value();
  });
}

Value TableReader::read(Value view, ArrayRef<LaneValue> indices,
                        Require require) {
  Type element = cast<tile::ViewType>(view.getType()).getElementType();
  Table &table = tableOf(view);
  auto likeRead = [&](Value v, Type type) -> Type {
    return Emitter::lanesOf(v) ? e.vec(lanes, type) : type;
  };
  if (element.isBF16()) {
    // Moved as bits: without instructions for bf16, LLVM takes lanes of it
    // apart through f32 and rounds them back in a library.
    Value bits = read(table, e.i16, indices, require);
    return e.b.create<arith::BitcastOp>(e.loc, likeRead(bits, element), bits);
  }
  // A boolean is a byte, a vector of them is not.
  if (element.isInteger(1))
    return e.toInt(read(table, e.i8, indices, require), element);
  return read(table, element, indices, require);
}

Value TableReader::read(Table &table, Type element, ArrayRef<LaneValue> indices,
                        Require require) {
  // What all lanes share; what is a lane's own, and of it what the loop moves.
  Part shared, rows, moving;
  bool looped = false;
  for (auto [d, index] : llvm::enumerate(indices)) {
    bool vector = Emitter::lanesOf(index.v) != 0;
    OpBuilder::InsertionGuard guard(e.b);
    if (vector && !index.looped && outside)
      e.b.restoreInsertionPoint(*outside);
    Value i = e.toInt(index.v, e.i64), n = table.shape[d], s = table.stride[d];
    if (vector)
      n = e.splat(n, lanes), s = e.splat(s, lanes);
    // One unsigned comparison is both bounds.
    Value ok = e.cmp(arith::CmpIPredicate::ult, i, n);
    (!vector ? shared : index.looped ? moving : rows).add(e, e.mul(i, s), ok);
    looped |= !vector && index.looped;
  }
  // Scalars are emitted where the read is; LLVM moves what it can.
  if (shared.inside)
    require(shared.inside, llvm::any_of(indices, [](const LaneValue &index) {
              return index.looped;
            }));
  if (rows.inside)
    require(rows.inside, false);
  if (moving.inside)
    require(moving.inside, true);
  if (!rows.offset && !moving.offset)
    return e.ifElse(
        shared.inside, {element},
        [&] { return Values{e.loadAt(element, table.data, shared.offset)}; },
        [&] { return Values{e.constant(e.b.getZeroAttr(element))}; })[0];
  if (!moving.offset)
    return readRows(table, element, rows, shared, looped);
  if (rows.offset)
    moving.add(e, rows.offset, rows.inside);
  if (shared.offset)
    moving.add(e, e.splat(shared.offset, lanes), e.splat(shared.inside, lanes));
  return readScattered(table, element, moving.offset, moving.inside);
}

/// The low bits of words as elements.
Value TableReader::narrow(Value words, Type element) {
  Type bits = e.b.getIntegerType(element.getIntOrFloatBitWidth());
  return e.bitcast(e.toInt(words, bits), e.vec(lanes, element));
}

/// The words whose low bits are what lies at `bytes` of the table. None reaches
/// past the table: the last elements are the high bits of its last word.
Value TableReader::gatherWords(Table &table, Value bytes, Value keep) {
  Value at = e.minS(bytes, e.splat(table.lastWord, lanes));
  Value words = e.gatherBytes(e.i32, table.words, at, keep);
  Value bits = e.shl(e.toInt(e.sub(bytes, at), e.i32), 3);
  // Where nothing is kept the offset can be anything.
  bits = e.andI(bits, e.like(bits, 31));
  return e.b.create<arith::ShRUIOp>(e.loc, words, bits);
}

/// Rows of lanes, and one column for all.
Value TableReader::readRows(Table &table, Type element, const Part &rows,
                            const Part &shared, bool looped) {
  unsigned bytes = bytesOf(element);
  if (bytes >= kWordBytes) {
    Value base = table.data, keep = rows.inside;
    if (shared.offset) {
      base = e.at(base, shared.offset, bytes);
      keep = e.andI(keep, e.splat(shared.inside, lanes));
    }
    return e.gather(element, base, rows.offset, keep);
  }
  findWords(table, bytes);
  Value offsets = hoisted([&] { return e.mul(rows.offset, bytes); });
  if (!shared.offset)
    return narrow(gatherWords(table, offsets, rows.inside), element);
  Value column = e.mul(shared.offset, bytes);
  auto wordsAt = [&] {
    return gatherWords(table, e.add(offsets, e.splat(column, lanes)),
                       rows.inside);
  };
  Type words = e.vec(lanes, e.i32);
  Value zero = e.splatInt(lanes, e.i32, 0), result;
  if (!looped || !outside) {
    result = e.ifElse(
        shared.inside, words, [&] { return Values{wordsAt()}; },
        [&] { return Values{zero}; })[0];
    return narrow(result, element);
  }
  // A word has the elements of a window of columns, or one element for long
  // while the column stays. Rows are apart, often by a power of two, so that
  // their lines are in one set of the cache: a stretch of each is copied.
  constexpr int64_t pitch = 2 * kStretch + 16;
  Value rowsCopied = e.stackSlot(lanes * pitch),
        starts = e.stackSlot(lanes * 8);
  Value copied = e.stackSlot(8), first = e.stackSlot(8);
  Value window = e.stackSlot(lanes * kWordBytes);
  hoisted([&] {
    e.store(e.cI64(INT64_MIN / 2), first);
    e.store(e.cI64(INT64_MIN / 2), copied);
    e.store(offsets, starts);
    return Value();
  });
  Value places = e.add(e.mul(e.iota(lanes, e.i64), pitch),
                       e.splat(e.cI64(kStretch), lanes));
  auto copy = [&] {
    e.store(column, copied);
    Type bytesType = e.vec(kStretch, e.i8);
    e.forLoop(e.cI64(0), e.cI64(lanes), e.cI64(1), [&](Value lane) {
      Value at = e.add(e.loadAt(e.i64, starts, lane), column);
      Value from = e.maxS(e.minS(at, table.lastStretch), e.cI64(0));
      // The last stretch of a table begins before the column.
      Value before =
          e.minS(e.maxS(e.sub(at, from), e.cI64(0)), e.cI64(kStretch));
      // Rows are too far apart for the processor to foresee the next stretch;
      // past the table it is nobody's, and not read.
      for (int64_t line = 0; line < kStretch; line += kLineBytes)
        e.prefetch(e.at(e.at(table.words, at, 1), kStretch + line),
                   /*write=*/false, /*locality=*/2);
      Value to = e.sub(e.add(e.mul(lane, pitch), kStretch), before);
      e.store(e.load(bytesType, e.at(table.words, from, 1)),
              e.at(rowsCopied, to, 1));
    });
  };
  auto changed = [&](Value since, int64_t most,
                     llvm::function_ref<void()> then) {
    Value behind = e.sub(column, e.load(e.i64, since));
    e.ifThen(e.cmp(arith::CmpIPredicate::ugt, behind, e.cI64(most)), then);
  };
  result = e.ifElse(
      shared.inside, words,
      [&]() -> Values {
        changed(first, kWordBytes - bytes, [&] {
          changed(copied, kStretch - kWordBytes, copy);
          Value in = e.sub(column, e.load(e.i64, copied));
          e.store(e.gatherBytes(e.i32, rowsCopied,
                                e.add(places, e.splat(in, lanes)), rows.inside),
                  window);
          e.store(column, first);
        });
        Value behind = e.sub(column, e.load(e.i64, first));
        Value bits = e.toInt(e.shl(behind, 3), e.i32);
        return {e.b.create<arith::ShRUIOp>(e.loc, e.load(words, window),
                                           e.splat(bits, lanes))};
      },
      [&] { return Values{zero}; })[0];
  return narrow(result, element);
}

/// Anywhere; neighbours where lanes are neighbours, as for an index that
/// follows the query.
Value TableReader::readScattered(Table &table, Type element, Value offset,
                                 Value inside) {
  unsigned bytes = bytesOf(element);
  auto gathered = [&] {
    if (bytes >= kWordBytes)
      return e.gather(element, table.data, offset, inside);
    findWords(table, bytes);
    return narrow(gatherWords(table, e.mul(offset, bytes), inside), element);
  };
  Value start = e.extract(offset, 0);
  Value close = e.cmp(arith::CmpIPredicate::eq, offset,
                      e.add(e.splat(start, lanes), e.iota(lanes, e.i64)));
  Type bits = e.b.getIntegerType(lanes);
  Value all =
      e.cmp(arith::CmpIPredicate::eq, e.bitcast(e.andI(close, inside), bits),
            e.constant(e.b.getIntegerAttr(bits, -1)));
  Type type = e.vec(lanes, element);
  return e.ifElse(
      all, type,
      [&] { return Values{e.load(type, e.at(table.data, start, bytes))}; },
      [&] { return Values{gathered()}; })[0];
}

} // namespace fovea::cpu
