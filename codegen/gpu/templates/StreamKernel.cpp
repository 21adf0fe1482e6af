// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Items, the search for live blocks, and the ring of tiles.
#include "codegen/gpu/templates/StreamKernel.h"

#include "codegen/cpu/DecodeStream.h"

#include <fovea/abi.h>

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using namespace cpu::prefill;

/// Rows of an odd number of 16-byte pieces: eight rows then lie in different
/// banks, and ldmatrix reads them at once.
static int64_t rowStride(int64_t dim) { return (dim / 8 | 1) * 16; }

StreamShape::StreamShape(const StreamParams &p)
    : warpRows(p.schedule.rows <= 16   ? 1
               : p.schedule.rows <= 32 ? 2
                                       : 4),
      rowTiles(p.schedule.rows <= 64 ? 1 : 2), rows(16 * warpRows * rowTiles),
      keys(llvm::alignTo(p.schedule.keys, 16)),
      keyDim(llvm::alignTo(p.keyDim, 16)),
      valueDim(llvm::alignTo(p.valueDim, 16)), qStride(rowStride(keyDim)),
      vStride(rowStride(valueDim)), oStride(4 * valueDim + 32) {
  // What warps are left share the keys, whole fragments each.
  warpKeys = kWarps / warpRows;
  while (keys % (16 * warpKeys))
    warpKeys /= 2;
  ownKeys = keys / warpKeys;
  runKeys = p.schedule.keys;
  runs = 1;
  if (p.selection && p.selection->list && p.selection->unit < runKeys) {
    runs = runKeys / p.selection->unit;
    runKeys = p.selection->unit;
  }
  noted = std::max<int64_t>(256 / runs, 4) * runs;
  int64_t at = 0;
  auto take = [&](int64_t bytes) {
    int64_t offset = at;
    at += llvm::alignTo(bytes, 16);
    return offset;
  };
  q = take(rows * qStride);
  // A tile of the ring: keys, values, their scales.
  kTile = 0;
  vTile = keys * qStride;
  kScale = vTile + keys * vStride;
  vScale = kScale + 4 * keys;
  stage = llvm::alignTo(vScale + 4 * keys, 16);
  // The sums of o take the ring's place when the keys are done, the threads'
  // own o while blocks are searched.
  ring = take(std::max({kStages * stage, warpKeys * rows * oStride,
                        4 * kThreads * rowTiles * valueDim / 2}));
  blocks = take(16 * noted);
  // Counts of the warps in a search; of each row addresses of q and of the
  // result, token, head, position.
  rowInfo = take(16 + 28 * rows);
  // Of each row and warp along the keys: m, l, the factor of o.
  state = take(12 * warpKeys * rows);
  // Of each row of two blocks of a cache, its page and the offset in it.
  places = take(p.segments.empty() ? 0 : 8 * kStages * keys);
  total = at;
}

/// What the template cannot do, by name.
static std::string whyNot(const StreamParams &p) {
  auto is16 = [](Elem elem) { return elem == Elem::F16 || elem == Elem::BF16; };
  if (!is16(p.queryElem))
    return "expected queries of f16 or bf16 on a GPU, got f32: its matrix "
           "products take 16-bit operands; a CPU's target takes f32";
  for (auto [name, dim] : {std::pair("key", p.keyDim), {"value", p.valueDim}})
    if (dim < 8 || dim > 256 || dim % 8)
      return std::string("expected a ") + name +
             " dim that is a multiple of 8 up to 256 on a GPU, got " +
             std::to_string(dim) +
             (dim < 256 ? "; pad it with zeros, or take a CPU's target"
                        : "; a CPU's target takes it");
  auto known = [&](Elem elem) {
    return elem == p.queryElem || elem == Elem::I8;
  };
  for (const StreamSource &source : p.sources)
    if (!known(source.keyElem) || !known(source.valueElem))
      return "expected keys and values in the format of the queries, or int8, "
             "on a GPU; convert them, or take a CPU's target";
  for (const CacheSource &segment : p.segments)
    if (!known(segment.kElem) || !known(segment.vElem))
      return "expected segments of a cache in the format of the queries, or "
             "int8, on a GPU; say one of these, or take a CPU's target";
  const PrefillSchedule &s = p.schedule;
  // A thread's pairs are bits of a word.
  if (s.rows < 1 || s.rows > 128 || s.keys < 1 ||
      s.keys > (s.rows > 64 ? 64 : 128))
    return "expected at most 64 rows by 128 keys or 128 by 64 on a GPU, got " +
           std::to_string(s.rows) + " and " + std::to_string(s.keys);
  if (p.kvGroup % p.group)
    return "expected the heads that share keys to be a multiple of those in an "
           "item, got " +
           std::to_string(p.kvGroup) + " and " + std::to_string(p.group);
  return "";
}

StreamKernel::StreamKernel(OpBuilder &builder, Location loc,
                           const StreamParams &p)
    : StreamWalk(builder, loc, p, /*lanes=*/0), shape(p), h(e),
      elem(p.queryElem) {
  s.grid = {h.cta, h.ctas, [this](Value at, Value n) {
              e.ifThen(e.cmp(kEq, h.thread, e.cI32(0)),
                       [&] { h.atomicAdd(at, n); });
            }};
  for (const StreamSource &source : p.sources) {
    anyCodes |= source.keyElem == Elem::I8 || source.valueElem == Elem::I8;
    coded[0] |= source.keyScales.has_value();
    coded[1] |= source.valueScales.has_value();
  }
  for (const CacheSource &segment : p.segments) {
    anyCodes |= segment.kElem == Elem::I8 || segment.vElem == Elem::I8;
    coded[0] |= segment.kScale >= 0;
    coded[1] |= segment.vScale >= 0;
  }
  allSegments.kCoded = coded[0];
  allSegments.vCoded = coded[1];
  allSegments.members.resize(p.segments.size());
  std::iota(allSegments.members.begin(), allSegments.members.end(), 0);
}

FailureOr<func::FuncOp> StreamKernel::build(std::string &reason) {
  reason = whyNot(p);
  if (!reason.empty())
    return failure();
  s.allowErrors(); // of lists, and of rows that are misaligned
  readViews();
  checkAlignment();
  found = e.stackSlot(8);
  skip = e.stackSlot(8);
  s.forEachItem([&](const Item &item) { emitItem(item); });
  s.finish();
  if (refused) {
    s.fn.erase();
    reason = "expected the mask and the score modifier to have GPU code";
    return failure();
  }
  return s.fn;
}

void StreamKernel::findPlace() {
  Value warps = h.c32(shape.warpRows);
  warpRow = e.mul(e.remU(h.warp, warps), 16 * shape.rowTiles);
  // Short blocks leave warps without keys: they repeat what others do.
  warpAlong = e.remU(e.divU(h.warp, warps), h.c32(shape.warpKeys));
  warpKey = e.mul(warpAlong, shape.ownKeys);
  active = e.cmp(kSlt, h.warp, h.c32(shape.warpRows * shape.warpKeys));
  quadRow = e.shrU(h.lane, 2);
  quadColumn = e.shl(e.andI(h.lane, h.c32(3)), 1);
}

/// A part of the kernel that all threads come to: what follows from a thread's
/// number, from the arguments and from the item is found again in it. ptxas
/// would hold some sixty registers for it while others need theirs.
void StreamKernel::part(llvm::function_ref<void(const Item &)> body) {
  Value *own[] = {&h.thread,  &h.lane, &h.warp,  &warpRow,    &warpKey,
                  &warpAlong, &active, &quadRow, &quadColumn, &itemB,
                  &head,      &kvHead, &row,     &rows,       &rowCount,
                  &qOff,      &len,    &shared,  &sharedFirst};
  SmallVector<Value> before;
  for (Value *v : own)
    before.push_back(*v);
  h.renewThread();
  findPlace();
  readViews();
  Item again = s.itemAt(h.wide(itemIndex));
  beginItem(again);
  body(again);
  for (auto [v, old] : llvm::zip(own, before))
    *v = old;
}

/// Rows are read 16 bytes at a time (codes of some dims 8), o is written four
/// channels at a time: a stage whose arguments lie otherwise does nothing but
/// say so.
void StreamKernel::checkAlignment() {
  Value bits = e.cI64(0);
  auto look = [&](const View &view, Elem of, int64_t align) {
    Value at = e.b.create<LLVM::PtrToIntOp>(e.loc, e.i64, view.data);
    for (auto [extent, stride] :
         llvm::zip(ArrayRef<Value>(view.shape).drop_back(), view.stride)) {
      // Of one row no stride is taken.
      Value step = e.select(e.cmp(kSlt, e.cI64(1), extent), stride, e.cI64(0));
      at = e.orI(at, e.mul(step, sizeOf(of)));
    }
    bits = e.orI(bits, e.andI(at, e.cI64(align - 1)));
  };
  auto read = [&](const View &view, Elem of, int64_t dim) {
    look(view, of, of == Elem::I8 ? codePiece(dim) : 16);
  };
  if (p.rope.rule) { // pairs of cosine and sine, two at a time
    View positions = rotation;
    positions.shape.truncate(2);
    positions.stride.truncate(2);
    positions.stride[1] = Value();
    look(positions, Elem::F32, 16);
  }
  read(query, p.queryElem, p.keyDim);
  look(out, p.outElem, p.outElem == Elem::F32 ? 16 : 8);
  for (unsigned i = 0; i < sources.size(); ++i) {
    read(sources[i].keys, p.sources[i].keyElem, p.keyDim);
    read(sources[i].values, p.sources[i].valueElem, p.valueDim);
  }
  for (const CacheSource &segment : p.segments) {
    read(s.view(segment.k, 4), segment.kElem, p.keyDim);
    read(s.view(segment.v, 4), segment.vElem, p.valueDim);
  }
  Value bad = e.cmp(kNe, bits, e.cI64(0));
  e.ifThen(bad, [&] { s.fail(StageMisaligned); });
  s.end = e.select(bad, s.begin, s.end);
}

void StreamKernel::emitItem(const Item &item) {
  itemIndex = e.toInt(item.index, e.i32);
  h.barrier(); // the item before this one is done with shared memory
  part([&](const Item &) {
    loadRows();
    loadQueries();
  });
  pass = p.twice ? Pass::Sums : Pass::All;
  State state = emitKeys(emptyState());
  if (p.twice) {
    part([&](const Item &) { closeSums(state); });
    pass = Pass::Values;
    state = emitKeys(state);
  }
  part([&](const Item &again) { emitResults(again, state); });
}

/// Walks all blocks of the item's keys, so many as can be noted at a time: a
/// walk only notes which are live, and what it has noted is computed in one
/// loop, whatever order of runs, sources and segments it comes from.
StreamKernel::State StreamKernel::emitKeys(State state) {
  Values init = {e.cI64(0), e.cBool(true)};
  llvm::append_range(init, state.flat());
  Values result = e.whileLoop(
      init, [&](ValueRange c) { return c[1]; },
      [&](ValueRange c) {
        e.store(c[0], skip);
        e.store(e.cI64(0), found);
        part([&](const Item &again) {
          if (cached())
            emitSegments(again);
          else
            emitRuns(again, [&](const KeyRun &run) {
              pushRun(run.source, run.lo, run.hi);
            });
        });
        h.barrier();
        Value rest = e.sub(e.load(e.i64, found), c[0]);
        Value more =
            e.cmp(arith::CmpIPredicate::sgt, rest, e.cI64(shape.noted));
        State before = stateOf(c.drop_front(2));
        before.o = resumeOutputs(c[0]);
        State next;
        part([&](const Item &) {
          next = drain(e.minS(rest, e.cI64(shape.noted)), before);
          e.ifThen(more, [&] { parkOutputs(next.o); });
        });
        Values out = {e.add(c[0], shape.noted), more};
        llvm::append_range(out, next.flat());
        return out;
      });
  return stateOf(ValueRange(result).drop_front(2));
}

/// Where a thread keeps number i of its o during a walk: in the ring, which is
/// empty then. In registers they would stand in the way of the code of @class.
Value StreamKernel::parkedAt(int64_t i) {
  return e.add(e.mul(h.thread, 4), shape.ring + 4 * kThreads * i);
}

void StreamKernel::parkOutputs(const Values &o) {
  if (pass == Pass::Sums)
    return;
  for (auto [i, x] : llvm::enumerate(o))
    h.storeShared(x, parkedAt(int64_t(i)));
}

/// o when `done` blocks (i64) of the item have been computed.
Values StreamKernel::resumeOutputs(Value done) {
  Values none = emptyState().o;
  if (pass == Pass::Sums)
    return none;
  return e.ifElse(
      e.cmp(kEq, done, e.cI64(0)), TypeRange(ValueRange(none)),
      [&] { return none; },
      [&] {
        Values o;
        for (size_t i = 0; i < none.size(); ++i)
          o.push_back(h.loadShared(e.f32, parkedAt(int64_t(i))));
        h.barrier(); // the ring is filled next
        return o;
      });
}

/// Computes the noted blocks; while one is computed the next is copied.
StreamKernel::State StreamKernel::drain(Value count, State state) {
  Value zero = e.cI64(0), one = e.cI64(1);
  count = e.divU(count, e.cI64(shape.runs));
  // Where rows of a cache lie is looked up two blocks ahead, so that nobody
  // waits for the pages' numbers.
  Values ahead;
  if (cached()) {
    notePlaces(zero, lookUp(zero, count));
    ahead = lookUp(one, count);
    h.barrier();
  }
  e.ifThen(e.cmp(kSlt, zero, count), [&] { issue(loadBlock(zero)); });
  h.commitCopies();
  // What is counted of the blocks is added to memory once: how many are full,
  // and their keys.
  Values carried = {h.c32(0), h.c32(0)};
  llvm::append_range(carried, ahead);
  llvm::append_range(carried, state.flat());
  size_t before = 2 + ahead.size();
  Values result =
      e.forLoop(zero, count, one, carried, [&](Value i, ValueRange c) {
        Value next = e.add(i, one);
        if (cached())
          notePlaces(next, c.slice(2, ahead.size()));
        h.waitCopies(0);
        // The block is there for all threads, and all are done with the one
        // before it, whose place the next one takes.
        h.barrier();
        e.ifThen(e.cmp(kSlt, next, count), [&] { issue(loadBlock(next)); });
        h.commitCopies();
        Block block = loadBlock(i);
        if (anyCodes)
          expandCodes(block);
        if (p.rope.rule)
          rotateKeys(block);
        Value full = e.cmp(kEq, block.kind, e.cI32(FOVEA_TILE_FULL));
        Values out = {e.add(c[0], e.toInt(full, e.i32)),
                      e.add(c[1], keysOf(block))};
        if (cached())
          llvm::append_range(out, lookUp(e.add(next, one), count));
        State own = stateOf(c.drop_front(before));
        llvm::append_range(out, compute(block, own).flat());
        return out;
      });
  h.barrier();
  if (pass != Pass::Sums) // the second walk counts
    countBlocks(count, h.wide(result[0]), h.wide(result[1]));
  return stateOf(ValueRange(result).drop_front(before));
}

/// How many keys of a block there are, i32.
Value StreamKernel::keysOf(const Block &block) {
  if (shape.runs == 1)
    return e.toInt(block.n, e.i32);
  Value keys = h.c32(0);
  forRunsOf(block, [&](Value mine, Value n, Value) {
    keys = e.add(keys, e.select(mine, n, h.c32(0)));
  });
  for (int64_t mask = 1; mask < 32; mask *= 2)
    keys = e.add(keys, h.shuffleXor(keys, mask));
  return keys;
}

void StreamKernel::countBlocks(Value blocks, Value full, Value keys) {
  if (!p.keep)
    full = blocks;
  s.count(StageFunction::TilesFull, full);
  if (p.keep)
    s.count(StageFunction::TilesPartial, e.sub(blocks, full));
  s.count(StageFunction::Pairs, e.mul(rowCount, keys));
}

Values StreamKernel::State::flat() const {
  Values all = o;
  llvm::append_range(all, m);
  llvm::append_range(all, l);
  return all;
}

StreamKernel::State StreamKernel::stateOf(ValueRange flat) {
  size_t n = flat.size() - 2 * ownRows();
  return {Values(flat.take_front(n)), Values(flat.slice(n, ownRows())),
          Values(flat.drop_front(n + ownRows()))};
}

} // namespace fovea::gpu
