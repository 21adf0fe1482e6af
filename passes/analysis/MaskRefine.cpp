// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The search inside undecided tiles; see the header. It is the same for every
// mask but for the operands, so it is a text.
#include "passes/analysis/MaskRefine.h"
#include "passes/analysis/MaskText.h"

#include <fovea/abi.h>

using namespace mlir;

namespace fovea {

// A box on the stack is [q, q'), [k, k'). Halving the longer side of a box of
// 2^31 x 2^31 pairs leaves at most 63 on it.
static constexpr const char *kText = R"mlir(
func.func private @REFINE(OPERANDS%b: index, %h: index, %q0: index, %q1: index,
                          %k0: index, %k1: index, %len: index) -> i32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %steps = arith.constant STEPS : index
  %empty = arith.constant 0 : i32
  %partial = arith.constant 1 : i32
  %full = arith.constant 2 : i32
  %no = arith.constant false
  %yes = arith.constant true
  // The keys of the tile; without any it is empty.
  %ka = arith.maxsi %k0, %c0 : index
  %kb = arith.minsi %k1, %len : index
  %qLast = arith.subi %q1, %c1 : index
  %kLast = arith.subi %kb, %c1 : index
  %someQ = arith.cmpi sle, %q0, %qLast : index
  %someK = arith.cmpi sle, %ka, %kLast : index
  %some = arith.andi %someQ, %someK : i1
  %result = scf.if %some -> i32 {
    CORNERS
    %stack = memref.alloca() : memref<64x4xindex>
    memref.store %q0, %stack[%c0, %c0] : memref<64x4xindex>
    memref.store %q1, %stack[%c0, %c1] : memref<64x4xindex>
    memref.store %ka, %stack[%c0, %c2] : memref<64x4xindex>
    memref.store %kb, %stack[%c0, %c3] : memref<64x4xindex>
    %n9, %left9, %live9, %dead9 = scf.while
        (%n = %c1, %left = %steps, %live = %live0, %dead = %dead0)
        : (index, index, i1, i1) -> (index, index, i1, i1) {
      %both = arith.andi %live, %dead : i1
      %open = arith.xori %both, %yes : i1
      %more = arith.cmpi ne, %n, %c0 : index
      %rest = arith.cmpi ne, %left, %c0 : index
      %go0 = arith.andi %open, %more : i1
      %go = arith.andi %go0, %rest : i1
      scf.condition(%go) %n, %left, %live, %dead : index, index, i1, i1
    } do {
    ^bb0(%n: index, %left: index, %live: i1, %dead: i1):
      %left1 = arith.subi %left, %c1 : index
      %top = arith.subi %n, %c1 : index
      %qa = memref.load %stack[%top, %c0] : memref<64x4xindex>
      %qb = memref.load %stack[%top, %c1] : memref<64x4xindex>
      %kx = memref.load %stack[%top, %c2] : memref<64x4xindex>
      %ky = memref.load %stack[%top, %c3] : memref<64x4xindex>
      // Who asks has found the tile undecided.
      %first = arith.cmpi eq, %left, %steps : index
      %c = scf.if %first -> i32 {
        scf.yield %partial : i32
      } else {
        %x = func.call @TILE(ARGS%b, %h, %qa, %qb, %kx, %ky, %len) : TYPE
        scf.yield %x : i32
      }
      %isLive = arith.cmpi eq, %c, %full : i32
      %isDead = arith.cmpi eq, %c, %empty : i32
      %decided = arith.ori %isLive, %isDead : i1
      %n1, %live1, %dead1 = scf.if %decided -> (index, i1, i1) {
        %l = arith.ori %live, %isLive : i1
        %d = arith.ori %dead, %isDead : i1
        scf.yield %top, %l, %d : index, i1, i1
      } else {
        // The class of the first row, or, if that is undecided, of the first
        // key, tells along which axis the tile changes.
        %rows = arith.subi %qb, %qa : index
        %keys = arith.subi %ky, %kx : index
        %oneRow = arith.cmpi eq, %rows, %c1 : index
        %qSecond = arith.addi %qa, %c1 : index
        %kSecond = arith.addi %kx, %c1 : index
        CLASSIFY_ROW
        %rowLive = arith.cmpi eq, %row, %full : i32
        %rowDead = arith.cmpi eq, %row, %empty : i32
        %rowMixed = arith.cmpi eq, %row, %partial : i32
        %byRow = arith.ori %rowLive, %rowDead : i1
        %oneKey = arith.cmpi eq, %keys, %c1 : index
        %skip0 = arith.ori %byRow, %rowMixed : i1
        %skip1 = arith.ori %oneRow, %oneKey : i1
        %skip = arith.ori %skip0, %skip1 : i1
        %key = scf.if %skip -> i32 {
          scf.yield %partial : i32
        } else {
          %x = func.call @TILE(ARGS%b, %h, %qa, %qb, %kx, %kSecond, %len) : TYPE
          scf.yield %x : i32
        }
        %keyLive = arith.cmpi eq, %key, %full : i32
        %keyDead = arith.cmpi eq, %key, %empty : i32
        %byKey = arith.ori %keyLive, %keyDead : i1
        %l0 = arith.ori %rowLive, %keyLive : i1
        %l1 = arith.ori %l0, %rowMixed : i1
        %l = arith.ori %live, %l1 : i1
        %d0 = arith.ori %rowDead, %keyDead : i1
        %d1 = arith.ori %d0, %rowMixed : i1
        %d = arith.ori %dead, %d1 : i1
        // What is left, in halves along that axis, else along the longer one.
        %qRest = arith.select %byRow, %qSecond, %qa : index
        %kRest = arith.select %byKey, %kSecond, %kx : index
        %long = arith.cmpi sgt, %rows, %keys : index
        %notByKey = arith.xori %byKey, %yes : i1
        %longOnly = arith.andi %long, %notByKey : i1
        %tall = arith.ori %byRow, %longOnly : i1
        %restRows = arith.subi %qb, %qRest : index
        %restKeys = arith.subi %ky, %kRest : index
        %halfRows = arith.shrsi %restRows, %c1 : index
        %halfKeys = arith.shrsi %restKeys, %c1 : index
        %qMiddle = arith.addi %qRest, %halfRows : index
        %kMiddle = arith.addi %kRest, %halfKeys : index
        %qEnd = arith.select %tall, %qMiddle, %qb : index
        %kEnd = arith.select %tall, %ky, %kMiddle : index
        %qBegin = arith.select %tall, %qMiddle, %qRest : index
        %kBegin = arith.select %tall, %kRest, %kMiddle : index
        // The far half, which is the likelier to differ, comes first. Of one
        // row or key that is left it is the only one.
        %left2 = arith.select %tall, %restRows, %restKeys : index
        %half = arith.select %tall, %halfRows, %halfKeys : index
        %some2 = arith.cmpi ne, %left2, %c0 : index
        %two = arith.cmpi ne, %half, %c0 : index
        %one1 = arith.index_castui %some2 : i1 to index
        %two1 = arith.index_castui %two : i1 to index
        %far = arith.addi %top, %two1 : index
        memref.store %qRest, %stack[%top, %c0] : memref<64x4xindex>
        memref.store %qEnd, %stack[%top, %c1] : memref<64x4xindex>
        memref.store %kRest, %stack[%top, %c2] : memref<64x4xindex>
        memref.store %kEnd, %stack[%top, %c3] : memref<64x4xindex>
        memref.store %qBegin, %stack[%far, %c0] : memref<64x4xindex>
        memref.store %qb, %stack[%far, %c1] : memref<64x4xindex>
        memref.store %kBegin, %stack[%far, %c2] : memref<64x4xindex>
        memref.store %ky, %stack[%far, %c3] : memref<64x4xindex>
        %next = arith.addi %far, %one1 : index
        scf.yield %next, %l, %d : index, i1, i1
      }
      scf.yield %n1, %left1, %live1, %dead1 : index, index, i1, i1
    }
    // Of a tile for which the steps have not sufficed the pairs that are left.
    %rows0 = arith.subi %q1, %q0 : index
    %keys0 = arith.subi %kb, %ka : index
    %most = arith.constant PAIRS : index
    %fewRows = arith.cmpi sle, %rows0, %most : index
    %fewKeys = arith.cmpi sle, %keys0, %most : index
    %area = arith.muli %rows0, %keys0 : index
    %fewPairs = arith.cmpi sle, %area, %most : index
    %few0 = arith.andi %fewRows, %fewKeys : i1
    %few = arith.andi %few0, %fewPairs : i1
    %boxes = arith.select %few, %n9, %c0 : index
    %n8, %live8, %dead8 = scf.while
        (%n = %boxes, %live = %live9, %dead = %dead9)
        : (index, i1, i1) -> (index, i1, i1) {
      %both = arith.andi %live, %dead : i1
      %open = arith.xori %both, %yes : i1
      %more = arith.cmpi ne, %n, %c0 : index
      %go = arith.andi %open, %more : i1
      scf.condition(%go) %n, %live, %dead : index, i1, i1
    } do {
    ^bb0(%n: index, %live: i1, %dead: i1):
      %top = arith.subi %n, %c1 : index
      %qa = memref.load %stack[%top, %c0] : memref<64x4xindex>
      %qb = memref.load %stack[%top, %c1] : memref<64x4xindex>
      %kx = memref.load %stack[%top, %c2] : memref<64x4xindex>
      %ky = memref.load %stack[%top, %c3] : memref<64x4xindex>
      %q9, %live1, %dead1 = scf.while (%q = %qa, %l = %live, %d = %dead)
          : (index, i1, i1) -> (index, i1, i1) {
        %both = arith.andi %l, %d : i1
        %open = arith.xori %both, %yes : i1
        %more = arith.cmpi slt, %q, %qb : index
        %go = arith.andi %open, %more : i1
        scf.condition(%go) %q, %l, %d : index, i1, i1
      } do {
      ^bb0(%q: index, %l: i1, %d: i1):
        %l2, %d2 = scf.for %k = %kx to %ky step %c1
            iter_args(%lk = %l, %dk = %d) -> (i1, i1) {
          %x = func.call @KEEP(ARGS%b, %h, %q, %k, %len) : KEEPTYPE
          IS_LIVE
          %isDead = arith.xori %isLive, %yes : i1
          %lx = arith.ori %lk, %isLive : i1
          %dx = arith.ori %dk, %isDead : i1
          scf.yield %lx, %dx : i1, i1
        }
        %qn = arith.addi %q, %c1 : index
        scf.yield %qn, %l2, %d2 : index, i1, i1
      }
      scf.yield %top, %live1, %dead1 : index, i1, i1
    }
    %left8 = arith.select %few, %n8, %n9 : index
    %done = arith.cmpi eq, %left8, %c0 : index
    %alive = arith.select %dead8, %partial, %full : i32
    %either = arith.select %live8, %alive, %empty : i32
    %proved = arith.select %done, %either, %partial : i32
    scf.yield %proved : i32
  } else {
    scf.yield %empty : i32
  }
  return %result : i32
}
)mlir";

// Without exact rows most tiles that are partial are known by their corners.
static constexpr const char *kCorners = R"mlir(
    %i0, %live0, %dead0 = scf.while (%i = %c0, %live = %no, %dead = %no)
        : (index, i1, i1) -> (index, i1, i1) {
      %both = arith.andi %live, %dead : i1
      %open = arith.xori %both, %yes : i1
      %more = arith.cmpi ult, %i, %c4 : index
      %go = arith.andi %open, %more : i1
      scf.condition(%go) %i, %live, %dead : index, i1, i1
    } do {
    ^bb0(%i: index, %live: i1, %dead: i1):
      %right = arith.andi %i, %c1 : index
      %lower = arith.andi %i, %c2 : index
      %atRight = arith.cmpi ne, %right, %c0 : index
      %atLower = arith.cmpi ne, %lower, %c0 : index
      %k = arith.select %atRight, %kLast, %ka : index
      %q = arith.select %atLower, %qLast, %q0 : index
      %kn = arith.addi %k, %c1 : index
      %qn = arith.addi %q, %c1 : index
      %c = func.call @TILE(ARGS%b, %h, %q, %qn, %k, %kn, %len) : TYPE
      %isLive = arith.cmpi eq, %c, %full : i32
      %isDead = arith.cmpi eq, %c, %empty : i32
      %live1 = arith.ori %live, %isLive : i1
      %dead1 = arith.ori %dead, %isDead : i1
      %i1 = arith.addi %i, %c1 : index
      scf.yield %i1, %live1, %dead1 : index, i1, i1
    }
)mlir";
static constexpr const char *kNoCorners = R"mlir(
    %live0 = arith.constant false
    %dead0 = arith.constant false
)mlir";

// How the text classifies the row %qa: exactly, or by one evaluation, which
// leaves it undecided.
static constexpr const char *kRowByTerms = R"mlir(
        %row = func.call @ROW(ARGS%b, %h, %qa, %kx, %ky, %len) : ROWTYPE
)mlir";
static constexpr const char *kRowByTile = R"mlir(
        %undecided = arith.constant 3 : i32
        %row = scf.if %oneRow -> i32 {
          scf.yield %undecided : i32
        } else {
          %x = func.call @TILE(ARGS%b, %h, %qa, %qSecond, %kx, %ky, %len) : TYPE
          %open = arith.cmpi eq, %x, %partial : i32
          %y = arith.select %open, %undecided, %x : i32
          scf.yield %y : i32
        }
)mlir";

// Whether what @KEEP gives is a live pair: a predicate, or a level.
static constexpr const char *kLiveByPredicate = R"mlir(
          %isLive = arith.ori %x, %no : i1
)mlir";
static constexpr const char *kLiveByLevel = R"mlir(
          %isLive = arith.cmpi ne, %x, %empty : i32
)mlir";
static_assert(FOVEA_TILE_EMPTY == 0 && FOVEA_TILE_PARTIAL == 1 &&
                  FOVEA_TILE_FULL == 2,
              "the text above names the classes by their numbers");

bool refinementHelps(const ImportedMask &mask) {
  const MaskGraph &g = mask.graph;
  const MaskNode &live = g[mask.live];
  if (live.op == MaskOp::Bool || live.opaque)
    return false;
  if (live.op != MaskOp::Ge0)
    return true;
  // One linear comparison of variables is exact on every box.
  MaskSum sum = g.asSum(live.args[0]);
  return !llvm::all_of(
      sum.terms, [&](auto &term) { return g[term.first].op == MaskOp::Var; });
}

static std::string replaceAll(std::string text, StringRef from, StringRef to) {
  for (size_t at = 0; (at = text.find(from.str(), at)) != std::string::npos;
       at += to.size())
    text.replace(at, from.size(), to.str());
  return text;
}

func::FuncOp emitMaskRefine(ModuleOp module, func::FuncOp tile,
                            func::FuncOp row, func::FuncOp keep,
                            StringRef prefix) {
  std::string declared, passed, type, rowType, keepType;
  llvm::raw_string_ostream declaredTo(declared), passedTo(passed);
  llvm::raw_string_ostream(type) << tile.getFunctionType();
  for (auto [i, operand] :
       llvm::enumerate(tile.getArgumentTypes().drop_back(7))) {
    declaredTo << "%o" << i << ": " << operand << ", ";
    passedTo << "%o" << i << ", ";
  }
  std::string text =
      replaceAll(kText, "CLASSIFY_ROW", row ? kRowByTerms : kRowByTile);
  text = replaceAll(text, "CORNERS", row ? kNoCorners : kCorners);
  if (row) {
    llvm::raw_string_ostream(rowType) << row.getFunctionType();
    text = replaceAll(text, "ROWTYPE", rowType);
    text = replaceAll(text, "@ROW", "@\"" + row.getSymName().str() + "\"");
  }
  llvm::raw_string_ostream(keepType) << keep.getFunctionType();
  text = replaceAll(text, "KEEPTYPE", keepType);
  text = replaceAll(text, "@KEEP", "@\"" + keep.getSymName().str() + "\"");
  text = replaceAll(text, "IS_LIVE",
                    keep.getResultTypes()[0].isInteger(1) ? kLiveByPredicate
                                                          : kLiveByLevel);
  text = replaceAll(text, "PAIRS", std::to_string(kMaskRefinePairs));
  text = replaceAll(text, "OPERANDS", declared);
  text = replaceAll(text, "ARGS", passed);
  text = replaceAll(text, "TYPE", type);
  text = replaceAll(text, "STEPS", std::to_string(kMaskRefineSteps));
  // Prefixes may hold what a bare symbol name cannot.
  text = replaceAll(text, "@TILE", "@\"" + tile.getSymName().str() + "\"");
  text = replaceAll(text, "@REFINE", "@\"" + (prefix + "_refine").str() + "\"");
  return addFunctionText(module, text);
}

} // namespace fovea
