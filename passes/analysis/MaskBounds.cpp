// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emits `bounds`: the terms of the section analysis lifted over a query tile,
// collected into at most FOVEA_ABI_MAX_RUNS sorted runs, and, where a term
// lost a part of the predicate, scanned with the interval evaluation.
#include "passes/analysis/MaskBounds.h"
#include "passes/analysis/MaskText.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <fovea/abi.h>

using namespace mlir;

namespace fovea {

/// Boxes of keys that a scan starts with, and those it does not split. After so
/// many undecided boxes of the smallest size, which are more than the ends of
/// all runs, or as many that are live although there are runs enough, smaller
/// boxes do not help this mask: the size grows.
static constexpr int64_t kLargestBox = 4096, kSmallestBox = 16;
static constexpr int64_t kMostUndecided = 2 * FOVEA_ABI_MAX_RUNS;

/// Blocks of keys that most kernels walk, from the start of each run. Runs in
/// which some of them are cut in two end at multiples of this.
static constexpr int64_t kBlock = 64;

static constexpr const char *kInsertName = "fovea_mask_insert_run";

/// Inserts [lo, hi) into `n` sorted disjoint runs, merging what touches; when
/// that makes one run too many, the two nearest become one.
static constexpr const char *kInsertText = R"mlir(
func.func private @fovea_mask_insert_run(%runs: memref<9x2xi64>, %n: index,
                                         %lo: i64, %hi: i64) -> index {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %most = arith.constant 8 : index
  %far = arith.constant 0x7fffffffffffffff : i64
  // Runs before i end below lo, runs from j on start above hi.
  %i, %j = scf.for %t = %c0 to %n step %c1
      iter_args(%ia = %c0, %ja = %c0) -> (index, index) {
    %s = memref.load %runs[%t, %c0] : memref<9x2xi64>
    %e = memref.load %runs[%t, %c1] : memref<9x2xi64>
    %before = arith.cmpi slt, %e, %lo : i64
    %reached = arith.cmpi sle, %s, %hi : i64
    %ib = arith.index_castui %before : i1 to index
    %jb = arith.index_castui %reached : i1 to index
    %i1 = arith.addi %ia, %ib : index
    %j1 = arith.addi %ja, %jb : index
    scf.yield %i1, %j1 : index, index
  }
  %touches = arith.cmpi ult, %i, %j : index
  %i1 = arith.addi %i, %c1 : index
  %newLo, %newHi = scf.if %touches -> (i64, i64) {
    %last = arith.subi %j, %c1 : index
    %s = memref.load %runs[%i, %c0] : memref<9x2xi64>
    %e = memref.load %runs[%last, %c1] : memref<9x2xi64>
    %s1 = arith.minsi %s, %lo : i64
    %e1 = arith.maxsi %e, %hi : i64
    %down = arith.subi %j, %i1 : index
    scf.for %t = %j to %n step %c1 {
      %to = arith.subi %t, %down : index
      %ts = memref.load %runs[%t, %c0] : memref<9x2xi64>
      %te = memref.load %runs[%t, %c1] : memref<9x2xi64>
      memref.store %ts, %runs[%to, %c0] : memref<9x2xi64>
      memref.store %te, %runs[%to, %c1] : memref<9x2xi64>
    }
    scf.yield %s1, %e1 : i64, i64
  } else {
    %count = arith.subi %n, %i : index
    scf.for %t = %c0 to %count step %c1 {
      %to = arith.subi %n, %t : index
      %from = arith.subi %to, %c1 : index
      %ts = memref.load %runs[%from, %c0] : memref<9x2xi64>
      %te = memref.load %runs[%from, %c1] : memref<9x2xi64>
      memref.store %ts, %runs[%to, %c0] : memref<9x2xi64>
      memref.store %te, %runs[%to, %c1] : memref<9x2xi64>
    }
    scf.yield %lo, %hi : i64, i64
  }
  memref.store %newLo, %runs[%i, %c0] : memref<9x2xi64>
  memref.store %newHi, %runs[%i, %c1] : memref<9x2xi64>
  %kept = arith.subi %n, %j : index
  %n1 = arith.addi %i1, %kept : index
  %over = arith.cmpi ugt, %n1, %most : index
  %n2 = scf.if %over -> index {
    %at, %gap = scf.for %t = %c0 to %most step %c1
        iter_args(%best = %c0, %least = %far) -> (index, i64) {
      %next = arith.addi %t, %c1 : index
      %e = memref.load %runs[%t, %c1] : memref<9x2xi64>
      %s = memref.load %runs[%next, %c0] : memref<9x2xi64>
      %between = arith.subi %s, %e : i64
      %less = arith.cmpi slt, %between, %least : i64
      %best1 = arith.select %less, %t, %best : index
      %least1 = arith.select %less, %between, %least : i64
      scf.yield %best1, %least1 : index, i64
    }
    %after = arith.addi %at, %c1 : index
    %end = memref.load %runs[%after, %c1] : memref<9x2xi64>
    memref.store %end, %runs[%at, %c1] : memref<9x2xi64>
    scf.for %t = %after to %most step %c1 {
      %from = arith.addi %t, %c1 : index
      %ts = memref.load %runs[%from, %c0] : memref<9x2xi64>
      %te = memref.load %runs[%from, %c1] : memref<9x2xi64>
      memref.store %ts, %runs[%t, %c0] : memref<9x2xi64>
      memref.store %te, %runs[%t, %c1] : memref<9x2xi64>
    }
    scf.yield %most : index
  } else {
    scf.yield %n1 : index
  }
  return %n2 : index
}
)mlir";
/// Inserts the pieces [phase + j * period, .. + width) of a live term within
/// [lo, hi]. More of them than runs: one run over all, whose tiles the
/// classifier sorts out.
static constexpr const char *kPiecesName = "fovea_mask_insert_pieces";
static constexpr const char *kPiecesText = R"mlir(
func.func private @fovea_mask_insert_pieces(
    %runs: memref<9x2xi64>, %n: index, %live: i1, %lo: i64, %hi: i64,
    %phase: i64, %width: i64, %period: i64) -> index {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %most = arith.constant 8 : i64
  %wide = arith.cmpi sgt, %width, %zero : i64
  %some = arith.andi %live, %wide : i1
  %result = scf.if %some -> index {
    %stop = arith.addi %hi, %one : i64
    %lo0 = arith.subi %lo, %phase : i64
    %hi0 = arith.subi %hi, %phase : i64
    %lo1 = arith.subi %lo0, %width : i64
    %before = arith.floordivsi %lo1, %period : i64
    %first = arith.addi %before, %one : i64
    %last = arith.floordivsi %hi0, %period : i64
    %less = arith.subi %last, %first : i64
    %count = arith.addi %less, %one : i64
    %crowd = arith.cmpi sgt, %count, %most : i64
    %dense = arith.cmpi sle, %period, %width : i64
    %many = arith.ori %crowd, %dense : i1
    %once = arith.minsi %count, %one : i64
    %wanted = arith.select %many, %once, %count : i64
    %made = arith.maxsi %wanted, %zero : i64
    %turns = arith.index_cast %made : i64 to index
    %n1 = scf.for %t = %c0 to %turns step %c1 iter_args(%nt = %n) -> (index) {
      %t64 = arith.index_cast %t : index to i64
      %j = arith.addi %first, %t64 : i64
      %at = arith.muli %j, %period : i64
      %from = arith.addi %phase, %at : i64
      %begin = arith.maxsi %lo, %from : i64
      %jEnd = arith.select %many, %last, %j : i64
      %atEnd = arith.muli %jEnd, %period : i64
      %fromEnd = arith.addi %phase, %atEnd : i64
      %to = arith.addi %fromEnd, %width : i64
      %end = arith.minsi %stop, %to : i64
      %nn = func.call @fovea_mask_insert_run(%runs, %nt, %begin, %end)
          : (memref<9x2xi64>, index, i64, i64) -> index
      scf.yield %nn : index
    }
    scf.yield %n1 : index
  } else {
    scf.yield %n : index
  }
  return %result : index
}
)mlir";
static_assert(FOVEA_ABI_MAX_RUNS == 8, "the texts above hold 8 runs and a "
                                       "spare one");

static func::FuncOp helper(ModuleOp module, StringRef name, StringRef text) {
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;
  return addFunctionText(module, text);
}

namespace {

class BoundsEmitter {
public:
  BoundsEmitter(OpBuilder &b, func::FuncOp func, func::FuncOp insert,
                const ImportedMask &mask, const MaskSections &sections)
      : b(b), loc(func.getLoc()), insert(insert), mask(mask),
        sections(sections), args(func.getArguments()),
        e(b, loc, mask, args.take_front(mask.inputs.size())) {}
  void run();

private:
  /// Stores the runs of the terms and returns their number.
  Value emitRuns();
  Value index(int64_t c) { return b.create<arith::ConstantIndexOp>(loc, c); }
  Value newRuns() {
    return b.create<memref::AllocaOp>(
        loc, MemRefType::get({FOVEA_ABI_MAX_RUNS + 1, 2}, b.getI64Type()));
  }
  Value insertRun(Value runs, Value n, Value lo, Value hi) {
    return b.create<func::CallOp>(loc, insert, ValueRange{runs, n, lo, hi})
        .getResult(0);
  }
  /// `n` after `body` where `condition` holds, else `n`.
  Value onlyIf(Value condition, Value n, function_ref<Value()> body);
  Value insertTerm(const MaskTerm &term, Value runs, Value n);
  Value insertPieces(const MaskEmitter::Section &s, Value runs, Value n,
                     Value live);
  /// Fills `out` with what of `runs` the interval evaluation cannot prove
  /// empty.
  Value scan(Value runs, Value n, Value out);
  /// Whether a remainder or quotient is taken of what a table has at the key: a
  /// pattern inside of the runs, whose blocks then do not tell what is
  /// executed.
  bool hasPattern() const;
  /// Moves the ends of runs outwards to multiples of kBlock where they then
  /// have fewer blocks, and where there is a pattern; returns the number of
  /// runs.
  Value align(Value runs, Value n);
  void finish(Value runs, Value n);

  OpBuilder &b;
  Location loc;
  func::FuncOp insert;
  /// Made for the first term with a period.
  func::FuncOp pieces;
  const ImportedMask &mask;
  const MaskSections &sections;
  Block::BlockArgListType args;
  MaskEmitter e;
  Value someQuery;
};

} // namespace

Value BoundsEmitter::onlyIf(Value condition, Value n,
                            function_ref<Value()> body) {
  auto choice = b.create<scf::IfOp>(loc, TypeRange{n.getType()}, condition,
                                    /*withElseRegion=*/true);
  e.inside(&choice.getThenRegion().front(),
           [&] { b.create<scf::YieldOp>(loc, body()); });
  e.inside(&choice.getElseRegion().front(),
           [&] { b.create<scf::YieldOp>(loc, n); });
  return choice.getResult(0);
}

Value BoundsEmitter::insertPieces(const MaskEmitter::Section &s, Value runs,
                                  Value n, Value live) {
  // Over the tile a piece slides by the spread of the phase.
  Value width = e.add(e.sub(s.phase.hi, s.phase.lo), s.width.hi);
  // A call, not its code: a mask may have dozens of such terms.
  if (!pieces)
    pieces =
        helper(insert->getParentOfType<ModuleOp>(), kPiecesName, kPiecesText);
  return b
      .create<func::CallOp>(loc, pieces,
                            ValueRange{runs, n, live, s.lo.lo, s.hi.hi,
                                       s.phase.lo, width, s.period})
      .getResult(0);
}

Value BoundsEmitter::insertTerm(const MaskTerm &term, Value runs, Value n) {
  MaskEmitter::Section s = e.section(term);
  Value live = e.both(e.both(someQuery, s.guard.any), e.le(s.lo.lo, s.hi.hi));
  if (s.period)
    return insertPieces(s, runs, n, live);
  return onlyIf(live, n, [&] {
    return insertRun(runs, n, s.lo.lo, e.add(s.hi.hi, e.i64(1)));
  });
}

Value BoundsEmitter::scan(Value runs, Value n, Value out) {
  e.hoist(mask.live);
  Value one = e.i64(1), zero = e.i64(0), largest = e.i64(kLargestBox);
  Type i64 = b.getI64Type();
  auto perRun =
      b.create<scf::ForOp>(loc, index(0), n, index(1),
                           ValueRange{index(0), e.i64(kSmallestBox), zero});
  e.inside(perRun.getBody(), [&] {
    Value t = perRun.getInductionVar();
    Value from = b.create<memref::LoadOp>(loc, runs, ValueRange{t, index(0)});
    Value to = b.create<memref::LoadOp>(loc, runs, ValueRange{t, index(1)});
    // State: the runs found so far, the size not to split, undecided boxes of
    // that size, the next key, the size of box to try.
    SmallVector<Value> begin(perRun.getRegionIterArgs());
    begin.append({from, largest});
    SmallVector<Location> locs(5, loc);
    auto walk = b.create<scf::WhileOp>(
        loc, TypeRange{b.getIndexType(), i64, i64, i64, i64}, begin);
    Block *before =
        b.createBlock(&walk.getBefore(), {}, walk.getResultTypes(), locs);
    b.create<scf::ConditionOp>(loc, e.lt(before->getArgument(3), to),
                               before->getArguments());
    Block *after =
        b.createBlock(&walk.getAfter(), {}, walk.getResultTypes(), locs);
    e.inside(after, [&] {
      Value found = after->getArgument(0), smallest = after->getArgument(1);
      Value undecided = after->getArgument(2);
      Value at = after->getArgument(3), size = after->getArgument(4);
      // Boxes end at multiples of their size.
      Value aligned = b.create<arith::AndIOp>(loc, at, e.sub(zero, size));
      Value end = e.min(e.add(aligned, size), to);
      e.set(VarK, at, e.sub(end, one));
      MaskEmitter::Truth t = e.truthScanningLast(mask.live);
      Value mixed = e.both(t.any, e.no(t.all));
      Value split = e.both(mixed, e.lt(smallest, size));
      Value next = onlyIf(e.both(t.any, e.no(split)), found,
                          [&] { return insertRun(out, found, at, end); });
      Value smaller = b.create<arith::ShRSIOp>(loc, size, e.i64(2));
      Value larger = e.min(e.mul(size, e.i64(4)), largest);
      Value fits =
          e.equal(b.create<arith::AndIOp>(loc, end, e.sub(larger, one)), zero);
      Value grow = e.both(e.both(e.no(split), fits),
                          e.either(e.no(mixed), e.lt(size, smallest)));
      Value nextSize = e.select(split, smaller, e.select(grow, larger, size));
      Value many = e.le(e.i64(FOVEA_ABI_MAX_RUNS), e.toI64(found));
      Value idle = e.both(e.both(many, t.any), e.lt(size, largest));
      undecided =
          e.add(undecided, e.toI64(e.both(e.either(mixed, idle), e.no(split))));
      Value enough = e.le(e.i64(kMostUndecided), undecided);
      Value coarser = e.min(e.mul(smallest, e.i64(4)), largest);
      b.create<scf::YieldOp>(
          loc, ValueRange{next, e.select(enough, coarser, smallest),
                          e.select(enough, zero, undecided),
                          e.select(split, at, end), nextSize});
    });
    b.setInsertionPointAfter(walk);
    b.create<scf::YieldOp>(loc, walk.getResults().take_front(3));
  });
  return perRun.getResult(0);
}

bool BoundsEmitter::hasPattern() const {
  for (size_t i = 0; i < mask.graph.size(); ++i) {
    const MaskNode &node = mask.graph[MaskId(i)];
    if (node.op != MaskOp::Mod && node.op != MaskOp::Div)
      continue;
    const MaskNode &of = mask.graph[node.args[0]];
    if (of.onK && of.scans)
      return true;
  }
  return false;
}

Value BoundsEmitter::align(Value runs, Value n) {
  Value aligned = newRuns(), len = e.toI64(args[mask.inputs.size() + 4]);
  auto down = [&](Value x) -> Value {
    return b.create<arith::AndIOp>(loc, x, e.i64(-kBlock));
  };
  auto end = [&](Value list, scf::ForOp loop, int64_t which) -> Value {
    return b.create<memref::LoadOp>(
        loc, list, ValueRange{loop.getInductionVar(), index(which)});
  };
  // kBlock times the blocks of [lo, hi).
  auto room = [&](Value lo, Value hi) {
    return down(e.add(e.sub(hi, lo), e.i64(kBlock - 1)));
  };
  auto move = b.create<scf::ForOp>(loc, index(0), n, index(1),
                                   ValueRange{index(0), e.i64(0)});
  e.inside(move.getBody(), [&] {
    Value lo = end(runs, move, 0), hi = end(runs, move, 1);
    Value up = e.min(down(e.add(hi, e.i64(kBlock - 1))), len);
    Value count = insertRun(aligned, move.getRegionIterArg(0), down(lo), up);
    b.create<scf::YieldOp>(
        loc, ValueRange{count, e.add(move.getRegionIterArg(1), room(lo, hi))});
  });
  Value count = move.getResult(0);
  auto copyAll = [&] {
    auto copy = b.create<scf::ForOp>(loc, index(0), count, index(1));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(copy.getBody());
    for (int64_t which : {0, 1})
      b.create<memref::StoreOp>(
          loc, end(aligned, copy, which), runs,
          ValueRange{copy.getInductionVar(), index(which)});
    return count;
  };
  if (hasPattern())
    return copyAll();
  auto sum = b.create<scf::ForOp>(loc, index(0), count, index(1),
                                  ValueRange{e.i64(0)});
  e.inside(sum.getBody(), [&] {
    Value lo = end(aligned, sum, 0), hi = end(aligned, sum, 1);
    b.create<scf::YieldOp>(loc, e.add(sum.getRegionIterArg(0), room(lo, hi)));
  });
  return onlyIf(e.lt(sum.getResult(0), move.getResult(1)), n, copyAll);
}

void BoundsEmitter::finish(Value runs, Value n) {
  Value out = args.back();
  auto loop = b.create<scf::ForOp>(loc, index(0), n, index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  for (int64_t end : {0, 1}) {
    SmallVector<Value> at{loop.getInductionVar(), index(end)};
    Value v = b.create<memref::LoadOp>(loc, runs, at);
    b.create<memref::StoreOp>(loc, v, out, at);
  }
}

Value BoundsEmitter::emitRuns() {
  ArrayRef<MaskTerm> terms = sections.terms;
  Value n = index(0);
  if (terms.size() == 1 && terms[0].period < 0 && !terms[0].scannable) {
    // The ordinary case needs no list.
    MaskEmitter::Section s = e.section(terms[0]);
    Value live = e.both(e.both(someQuery, s.guard.any), e.le(s.lo.lo, s.hi.hi));
    n = onlyIf(live, n, [&] {
      b.create<memref::StoreOp>(loc, s.lo.lo, args.back(),
                                ValueRange{index(0), index(0)});
      b.create<memref::StoreOp>(loc, e.add(s.hi.hi, e.i64(1)), args.back(),
                                ValueRange{index(0), index(1)});
      return index(1);
    });
  } else if (!terms.empty()) {
    Value runs = newRuns();
    for (const MaskTerm &term : terms)
      n = insertTerm(term, runs, n);
    if (sections.isScannable()) {
      Value out = newRuns();
      n = align(out, scan(runs, n, out));
      runs = out;
    }
    finish(runs, n);
  }
  return n;
}

void BoundsEmitter::run() {
  unsigned at = mask.inputs.size();
  auto arg = [&](unsigned i) { return e.toI64(args[at + i]); };
  Value q0 = arg(2), q1 = arg(3), len = arg(4);
  e.set(VarB, arg(0));
  e.set(VarH, arg(1));
  e.set(VarQ, q0, e.sub(q1, e.i64(1)));
  e.set(VarLen, len);
  someQuery = e.lt(q0, q1);
  Value n;
  if (mask.isAlwaysExact()) {
    n = emitRuns();
  } else {
    // Where the graph does not count, every key may be live.
    n = index(0);
    Value some = e.both(someQuery, e.lt(e.i64(0), len)), solved;
    e.inside(b.getInsertionBlock(), [&] {
      e.set(VarK, e.i64(0), e.max(e.sub(len, e.i64(1)), e.i64(0)));
      solved = e.truth(mask.exact).all;
    });
    auto choice = b.create<scf::IfOp>(loc, TypeRange{n.getType()}, solved,
                                      /*withElseRegion=*/true);
    e.inside(&choice.getThenRegion().front(),
             [&] { b.create<scf::YieldOp>(loc, emitRuns()); });
    e.inside(&choice.getElseRegion().front(), [&] {
      Value whole = onlyIf(some, n, [&] {
        b.create<memref::StoreOp>(loc, e.i64(0), args.back(),
                                  ValueRange{index(0), index(0)});
        b.create<memref::StoreOp>(loc, len, args.back(),
                                  ValueRange{index(0), index(1)});
        return index(1);
      });
      b.create<scf::YieldOp>(loc, whole);
    });
    n = choice.getResult(0);
  }
  Value n64 = e.toI64(n);
  Value result = b.create<arith::TruncIOp>(loc, b.getI32Type(), n64);
  b.create<func::ReturnOp>(loc, result);
}

void emitMaskBounds(ModuleOp module, func::FuncOp bounds,
                    const ImportedMask &mask, const MaskSections &sections) {
  func::FuncOp insert = helper(module, kInsertName, kInsertText);
  OpBuilder b = OpBuilder::atBlockBegin(bounds.addEntryBlock());
  BoundsEmitter(b, bounds, insert, mask, sections).run();
}

} // namespace fovea
