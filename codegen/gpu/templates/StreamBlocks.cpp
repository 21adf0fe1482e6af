// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The live blocks of an item's keys: found by all threads at once and noted in
// shared memory, read again where they are computed. What is noted is a run of
// keys; where chosen units are shorter than a tile, several are a block.
#include "codegen/gpu/templates/StreamKernel.h"

#include <fovea/abi.h>

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using namespace cpu::prefill;

void StreamKernel::emitRows(const SegmentClass &members, Value index,
                            const SegmentRows &, Value lo, Value hi) {
  // Blocks of all classes lie in one list: number segments as the cache does.
  Value segment = e.cI64(members.members[0]);
  for (auto [i, m] : llvm::enumerate(members.members))
    if (i)
      segment = e.select(e.cmp(kEq, index, e.cI64(i)), e.cI64(m), segment);
  pushRun(segment, lo, hi);
}

/// Blocks that several lists have are computed once for each, for the rows of
/// that list alone.
void StreamKernel::forLists(llvm::function_ref<void(Value)> body) {
  int64_t heads = p.selection->heads, lists = p.group / heads;
  if (lists <= 1)
    return body(head);
  e.forLoop(e.cI64(0), e.cI64(lists), e.cI64(1), [&](Value i) {
    chooser = e.add(i, 1);
    body(e.add(head, e.mul(i, heads)));
    chooser = {};
  });
}

/// Each thread reads an entry of the list, or where a unit is several blocks
/// its share of one; `body` notes one run.
void StreamKernel::forEntries(Value first, Value last,
                              llvm::function_ref<void(Value)> body) {
  int64_t blocks = llvm::divideCeil(p.selection->unit, shape.runKeys);
  Value per = e.cI64(blocks), end = e.mul(last, per);
  Value own = h.wide(h.thread);
  e.forLoop(e.mul(first, per), end, e.cI64(kThreads), [&](Value base) {
    Value number = e.add(base, own);
    entry = e.cmp(kSlt, number, end);
    number = e.minS(number, e.sub(end, 1)); // can be read
    entryKey = e.mul(e.remU(number, per), shape.runKeys);
    body(e.divU(number, per));
    entry = {};
  });
  closeBlock();
}

/// Notes the live blocks among the rows [lo, hi) of a source; each thread looks
/// at one. Of an entry of a list [lo, hi) is the thread's own.
void StreamKernel::pushRun(Value source, Value lo, Value hi) {
  Value keys = e.cI64(shape.runKeys);
  auto look = [&](Value k, Value there) {
    note(source, k, e.minS(keys, e.sub(hi, k)),
         e.andI(there, e.cmp(kSlt, k, hi)));
  };
  if (entry)
    return look(e.add(lo, entryKey), entry);
  Value own = e.mul(h.wide(h.thread), keys);
  e.forLoop(lo, hi, e.cI64(shape.runKeys * kThreads),
            [&](Value base) { look(e.add(base, own), e.cBool(true)); });
  closeBlock();
}

/// Notes the thread's run [k, k + n), if it is there and lives, behind those of
/// the threads before it.
void StreamKernel::note(Value source, Value k, Value n, Value there) {
  Value kind = e.ifElse(
      there, e.i32,
      [&] {
        Value kind = classOfItem(source, k, n);
        return Values{kind ? kind : e.cI32(FOVEA_TILE_FULL)};
      },
      [&] { return Values{e.cI32(FOVEA_TILE_EMPTY)}; })[0];
  Value live = e.cmp(kNe, kind, e.cI32(FOVEA_TILE_EMPTY));
  Value bits = h.ballot(live);
  Value lower = e.sub(e.b.create<arith::ShLIOp>(e.loc, h.c32(1), h.lane), 1);
  Value place = h.popcount(e.andI(bits, lower));
  auto countAt = [&](Value warp) {
    return e.add(e.mul(warp, 4), shape.rowInfo);
  };
  e.ifThen(e.cmp(kEq, h.lane, h.c32(0)),
           [&] { h.storeShared(h.popcount(bits), countAt(h.warp)); });
  h.barrier();
  Value total = h.c32(0);
  for (int64_t w = 0; w < kWarps; ++w) {
    Value n = h.loadShared(e.i32, countAt(h.c32(w)));
    place = e.select(e.cmp(kSlt, h.c32(w), h.warp), e.add(place, n), place);
    total = e.add(total, n);
  }
  h.barrier();
  noteAt(h.wide(place), live, {k, n, source, kind});
  e.store(e.add(e.load(e.i64, found), h.wide(total)), found);
}

/// Notes k, n, source and kind as run `place` of those that come next.
void StreamKernel::noteAt(Value place, Value wanted, ArrayRef<Value> parts) {
  Value at = e.sub(e.add(e.load(e.i64, found), place), e.load(e.i64, skip));
  Value fits = e.cmp(arith::CmpIPredicate::ult, at, e.cI64(shape.noted));
  e.ifThen(e.andI(wanted, fits), [&] {
    Value to = e.add(e.mul(e.toInt(at, e.i32), 16), shape.blocks);
    // Sources and lists are few.
    Value from = chooser ? e.add(parts[2], e.shl(chooser, 16)) : parts[2];
    Value noted[] = {parts[0], parts[1], from, parts[3]};
    for (auto [i, part] : llvm::enumerate(noted))
      h.storeShared(e.toInt(part, e.i32), e.add(to, 4 * int64_t(i)));
  });
}

/// Empty runs to the end of a block: its runs are all of one source and list.
void StreamKernel::closeBlock() {
  if (shape.runs == 1)
    return;
  Value before = e.load(e.i64, found), runs = e.cI64(shape.runs);
  Value rest = e.remU(before, runs);
  Value some = e.cmp(kNe, rest, e.cI64(0));
  Value missing = e.select(some, e.sub(runs, rest), e.cI64(0));
  Value own = h.wide(h.thread), none = h.c32(0);
  noteAt(own, e.cmp(kSlt, own, missing),
         {none, none, none, e.cI32(FOVEA_TILE_EMPTY)});
  e.store(e.add(before, missing), found);
}

StreamKernel::Block StreamKernel::loadBlock(Value index) {
  Value at = e.add(e.mul(e.toInt(index, e.i32), 16 * shape.runs), shape.blocks);
  auto part = [&](int64_t i) { return h.loadShared(e.i32, e.add(at, 4 * i)); };
  Value stages = h.c32(StreamShape::kStages);
  Block block;
  block.runs = at;
  block.k = h.wide(part(0));
  Value from = part(2);
  block.source = h.wide(e.andI(from, h.c32(0xffff)));
  block.chooser = e.shrU(from, 16);
  block.stage = e.add(e.mul(e.remU(e.toInt(index, e.i32), stages), shape.stage),
                      shape.ring);
  block.places = placesOf(index);
  Value full = e.cI32(FOVEA_TILE_FULL);
  if (shape.runs == 1) {
    block.n = h.wide(part(1));
    block.kind = part(3);
    block.whole = e.cmp(kEq, block.n, e.cI64(shape.keys));
    if (p.keep)
      block.whole = e.andI(block.whole, e.cmp(kEq, block.kind, full));
    return block;
  }
  block.n = e.cI64(shape.runs * shape.runKeys);
  block.whole = e.cBool(shape.runs * shape.runKeys == shape.keys);
  forRunsOf(block, [&](Value, Value n, Value kind) {
    Value hides =
        e.orI(e.cmp(kNe, n, h.c32(shape.runKeys)), e.cmp(kNe, kind, full));
    block.whole = e.andI(block.whole, e.cmp(kEq, h.ballot(hides), h.c32(0)));
  });
  block.kind = e.select(block.whole, full, e.cI32(FOVEA_TILE_PARTIAL));
  return block;
}

/// Calls body once for every 32 runs of the block, a lane for each of them (n
/// and kind are i32); lanes without one of their own see the last.
void StreamKernel::forRunsOf(
    const Block &block,
    llvm::function_ref<void(Value mine, Value n, Value kind)> body) {
  Value last = h.c32(shape.runs - 1);
  for (int64_t first = 0; first < shape.runs; first += 32) {
    Value run = e.add(h.lane, first);
    Value at = e.add(block.runs, e.mul(e.minS(run, last), 16));
    body(e.cmp(arith::CmpIPredicate::sle, run, last),
         h.loadShared(e.i32, e.add(at, 4)), h.loadShared(e.i32, e.add(at, 12)));
  }
}

std::pair<Value, Value> StreamKernel::keyAt(const Block &block, Value column) {
  if (shape.runs == 1) {
    Value there = e.cmp(kSlt, column, block.n);
    Value own = e.minS(column, e.sub(block.n, 1));
    return {e.add(block.k, own), there};
  }
  Value run = e.divU(column, e.cI64(shape.runKeys));
  run = e.minS(run, e.cI64(shape.runs - 1));
  Value at = e.add(block.runs, e.mul(e.toInt(run, e.i32), 16));
  Value own = e.sub(column, e.mul(run, shape.runKeys));
  Value there = e.cmp(kSlt, own, h.wide(h.loadShared(e.i32, e.add(at, 4))));
  Value key = e.add(h.wide(h.loadShared(e.i32, at)), own);
  return {e.select(there, key, block.k), there};
}

} // namespace fovea::gpu
