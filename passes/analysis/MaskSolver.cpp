// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Import, solve, emit; see the header. Emits keep, class and level here and
// leaves bounds to MaskBounds.
#include "passes/analysis/MaskSolver.h"

#include "passes/analysis/MaskBounds.h"
#include "passes/analysis/MaskEmit.h"
#include "passes/analysis/MaskImport.h"
#include "passes/analysis/MaskRefine.h"
#include "passes/analysis/MaskSections.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <fovea/abi.h>

#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace fovea {
namespace {

/// Emits one function: creates it, sets the box, hands out its arguments.
class FunctionEmitter {
public:
  FunctionEmitter(ModuleOp module, func::FuncOp source,
                  const ImportedMask &mask, const Twine &name, unsigned indices,
                  TypeRange results);

  /// Argument `i` after the operands, as i64.
  Value arg(unsigned i) {
    return e.toI64(func.getArgument(mask.inputs.size() + i));
  }
  /// b, h, q0, q1, k0, k1, len are the arguments: sets the box, keys clipped
  /// to the length; returns whether it has a point.
  Value setTile();
  void finish(ValueRange results) { b.create<func::ReturnOp>(loc, results); }

  func::FuncOp func;
  const ImportedMask &mask;
  OpBuilder b;
  Location loc;
  MaskEmitter e;
};

FunctionEmitter::FunctionEmitter(ModuleOp module, func::FuncOp source,
                                 const ImportedMask &mask, const Twine &name,
                                 unsigned indices, TypeRange results)
    : mask(mask), b(module.getContext()), loc(source.getLoc()),
      e(b, loc, mask, {}) {
  SmallVector<Type> inputs(mask.inputs);
  inputs.append(indices, b.getIndexType());
  b.setInsertionPointToEnd(module.getBody());
  func = b.create<func::FuncOp>(loc, name.str(),
                                b.getFunctionType(inputs, results));
  func.setPrivate();
  b.setInsertionPointToEnd(func.addEntryBlock());
  e.setOperands(func.getArguments().take_front(mask.inputs.size()));
}

Value FunctionEmitter::setTile() {
  Value one = e.i64(1), len = arg(6);
  Value q0 = arg(2), qLast = e.sub(arg(3), one);
  Value k0 = e.max(arg(4), e.i64(0)), kLast = e.sub(e.min(arg(5), len), one);
  e.set(VarB, arg(0));
  e.set(VarH, arg(1));
  e.set(VarQ, q0, qLast);
  // Without a key, the box is still one of possible keys: divisors stay
  // positive.
  e.set(VarK, k0, e.max(k0, kLast));
  e.set(VarLen, len);
  return e.both(e.le(q0, qLast), e.le(k0, kLast));
}

/// The predicate (or level) at the point in the arguments of `f`, as the source
/// has it.
Value emitAsWritten(FunctionEmitter &f, func::FuncOp source) {
  const ImportedMask &mask = f.mask;
  auto args = f.func.getArguments();
  SmallVector<Value> inputs(args.take_front(mask.numOperands));
  llvm::append_range(inputs, args.drop_front(mask.inputs.size()));
  ImportedMask noNodes;
  MaskEmitter e(f.b, f.loc, noNodes, inputs);
  auto [value, valid] =
      e.asWritten(source.getBody().front().getTerminator()->getOperand(0));
  Value nothing = f.b.create<arith::ConstantOp>(
      f.loc, f.b.getIntegerAttr(value.getType(), 0));
  return e.select(valid, value, nothing);
}

func::FuncOp emitKeep(ModuleOp module, func::FuncOp source,
                      const ImportedMask &mask, StringRef prefix) {
  Builder types(module.getContext());
  Type result = mask.isLevel ? types.getI32Type() : types.getI1Type();
  FunctionEmitter f(module, source, mask, prefix + "_keep", 5, result);
  MaskEmitter &e = f.e;
  Value k = f.arg(3), len = f.arg(4);
  e.set(VarB, f.arg(0));
  e.set(VarH, f.arg(1));
  e.set(VarQ, f.arg(2));
  e.set(VarK, e.max(k, e.i64(0)));
  e.set(VarLen, len);
  Value inside = e.both(e.le(e.i64(0), k), e.lt(k, len));
  auto solved = [&]() -> Value {
    if (!mask.isLevel)
      return e.truth(mask.live).all;
    Value level =
        e.select(e.truth(mask.valid).all, e.range(mask.value).lo, e.i64(0));
    return f.b.create<arith::TruncIOp>(f.loc, result, level);
  };
  Value kept;
  if (mask.isAlwaysExact()) {
    kept = solved();
  } else {
    auto choice = f.b.create<scf::IfOp>(f.loc, TypeRange{result},
                                        e.truth(mask.exact).all, true);
    e.inside(&choice.getThenRegion().front(),
             [&] { f.b.create<scf::YieldOp>(f.loc, solved()); });
    e.inside(&choice.getElseRegion().front(), [&] {
      f.b.create<scf::YieldOp>(f.loc, emitAsWritten(f, source));
    });
    kept = choice.getResult(0);
  }
  if (mask.isLevel) {
    Value none =
        f.b.create<arith::ConstantOp>(f.loc, f.b.getIntegerAttr(result, 0));
    f.finish(e.select(inside, kept, none));
  } else {
    f.finish(e.both(inside, kept));
  }
  return f.func;
}

/// With more terms than this a tile is not asked of them.
constexpr size_t kMostTerms = 16;

/// Whether the terms can decide tiles that the predicate as written cannot:
/// something between k and a comparison is not linear.
bool termsSharpen(const ImportedMask &mask, const MaskSections &sections) {
  if (!sections.withinCap || sections.terms.size() > kMostTerms ||
      mask.graph[mask.live].scans)
    return false;
  // Nodes that the rewriting added do no harm here: they are cases of those
  // that the predicate has.
  for (size_t id = 0; id < mask.graph.size(); ++id) {
    const MaskNode &n = mask.graph[id];
    if (n.onK &&
        (n.op == MaskOp::Select || n.op == MaskOp::Div || n.op == MaskOp::Mod ||
         n.op == MaskOp::Min || n.op == MaskOp::Max))
      return true;
  }
  return false;
}

/// The tile in `vars` against the union of the terms.
MaskEmitter::Truth termTruth(MaskEmitter &e, const MaskSections &sections,
                             Value k0, Value kLast) {
  MaskEmitter::Truth t{e.i1(false), e.i1(false)};
  for (const MaskTerm &term : sections.terms) {
    MaskEmitter::Section s = e.section(term);
    Value from = e.max(k0, s.lo.lo), to = e.min(kLast, s.hi.hi);
    Value any = e.both(s.guard.any, e.le(from, to));
    Value all =
        e.both(s.guard.all, e.both(e.le(s.lo.hi, k0), e.le(kLast, s.hi.lo)));
    if (s.period) {
      Value width = e.add(e.sub(s.phase.hi, s.phase.lo), s.width.hi);
      Value j = e.floorDiv(e.sub(to, s.phase.lo), s.period);
      Value end = e.add(e.add(s.phase.lo, e.mul(j, s.period)), width);
      any = e.both(any, e.both(e.lt(e.i64(0), width), e.lt(from, end)));
      j = e.floorDiv(e.sub(k0, s.phase.hi), s.period);
      end = e.add(e.add(s.phase.lo, e.mul(j, s.period)), s.width.lo);
      all = e.both(all, e.lt(kLast, end));
    }
    t.any = e.either(t.any, any);
    if (term.exact)
      t.all = e.either(t.all, all);
  }
  return t;
}

/// @<prefix>_row(operands.., b, h, q, k0, k1, len) -> class of one query by the
/// terms, which must be exact; the keys lie in [0, len). Walks from key to key
/// that no term covers.
func::FuncOp emitRow(ModuleOp module, func::FuncOp source,
                     const ImportedMask &mask, const MaskSections &sections,
                     StringRef prefix) {
  Builder types(module.getContext());
  Type i32 = types.getI32Type(), i64 = types.getI64Type();
  FunctionEmitter f(module, source, mask, prefix + "_row", 6, i32);
  MaskEmitter &e = f.e;
  OpBuilder &b = f.b;
  Value k0 = f.arg(3), k1 = f.arg(4), one = e.i64(1), zero = e.i64(0);
  e.set(VarB, f.arg(0));
  e.set(VarH, f.arg(1));
  e.set(VarQ, f.arg(2));
  e.set(VarLen, f.arg(5));
  struct Piece {
    MaskEmitter::Section s;
    Value end; // of the term inside the keys
  };
  SmallVector<Piece, 4> pieces;
  Value live = e.i1(false);
  for (const MaskTerm &term : sections.terms) {
    MaskEmitter::Section s = e.section(term);
    Value from = e.max(k0, s.lo.lo), end = e.min(k1, e.add(s.hi.lo, one));
    Value any = e.both(s.guard.all, e.lt(from, end));
    if (s.period) {
      Value j = e.floorDiv(e.sub(e.sub(end, one), s.phase.lo), s.period);
      Value begin = e.add(s.phase.lo, e.mul(j, s.period));
      any = e.both(any, e.both(e.lt(zero, s.width.lo),
                               e.lt(from, e.add(begin, s.width.lo))));
    }
    live = e.either(live, any);
    pieces.push_back({s, end});
  }
  auto walk = b.create<scf::WhileOp>(f.loc, TypeRange{i64, i64},
                                     ValueRange{k0, e.sub(k0, one)});
  SmallVector<Location> locs(2, f.loc);
  Block *before =
      b.createBlock(&walk.getBefore(), {}, walk.getResultTypes(), locs);
  Value at = before->getArgument(0), last = before->getArgument(1);
  b.create<scf::ConditionOp>(f.loc, e.both(e.lt(at, k1), e.lt(last, at)),
                             before->getArguments());
  Block *after =
      b.createBlock(&walk.getAfter(), {}, walk.getResultTypes(), locs);
  e.inside(after, [&] {
    Value begin = after->getArgument(0), next = begin;
    for (auto &[s, termEnd] : pieces) {
      Value end = termEnd;
      Value inside = e.both(s.guard.all, e.le(s.lo.lo, next));
      if (s.period) {
        Value j = e.floorDiv(e.sub(next, s.phase.lo), s.period);
        Value first = e.add(s.phase.lo, e.mul(j, s.period));
        end = e.min(end, e.add(first, s.width.lo));
      }
      next = e.select(inside, e.max(next, end), next);
    }
    b.create<scf::YieldOp>(f.loc, ValueRange{next, begin});
  });
  b.setInsertionPointAfter(walk);
  Value full = e.le(k1, walk.getResult(0));
  Value c = e.select(full, e.i64(FOVEA_TILE_FULL), e.i64(FOVEA_TILE_PARTIAL));
  c = e.select(live, c, e.i64(FOVEA_TILE_EMPTY));
  f.finish(b.create<arith::TruncIOp>(f.loc, i32, c).getResult());
  return f.func;
}

/// @<name>(operands.., b, h, q0, q1, k0, k1, len) -> class by one evaluation.
func::FuncOp emitTile(ModuleOp module, func::FuncOp source,
                      const ImportedMask &mask, const MaskSections &sections,
                      const Twine &name) {
  Builder types(module.getContext());
  FunctionEmitter f(module, source, mask, name, 7, types.getI32Type());
  MaskEmitter &e = f.e;
  Value nonEmpty = f.setTile();
  MaskEmitter::Truth t = e.truthScanningLast(mask.live);
  if (termsSharpen(mask, sections)) {
    MaskEmitter::Truth s =
        termTruth(e, sections, e.max(f.arg(4), e.i64(0)),
                  e.sub(e.min(f.arg(5), f.arg(6)), e.i64(1)));
    t = {e.either(t.all, s.all), e.both(t.any, s.any)};
  }
  Value exact = e.truth(mask.exact).all;
  t = {e.both(t.all, exact), e.either(t.any, e.no(exact))};
  // Keys before 0 or past the length are never live.
  Value whole = e.both(e.le(e.i64(0), f.arg(4)), e.le(f.arg(5), f.arg(6)));
  Value empty = e.i64(FOVEA_TILE_EMPTY), partial = e.i64(FOVEA_TILE_PARTIAL);
  Value full = e.i64(FOVEA_TILE_FULL);
  Value c = e.select(e.both(t.all, whole), full, partial);
  c = e.select(e.both(nonEmpty, t.any), c, empty);
  f.finish(
      f.b.create<arith::TruncIOp>(f.loc, types.getI32Type(), c).getResult());
  return f.func;
}

func::FuncOp emitClass(ModuleOp module, func::FuncOp source,
                       const ImportedMask &mask, const MaskSections &sections,
                       func::FuncOp keep, StringRef prefix) {
  if (!refinementHelps(mask))
    return emitTile(module, source, mask, sections, prefix + "_class");
  func::FuncOp tile =
      emitTile(module, source, mask, sections, prefix + "_tile");
  func::FuncOp row;
  if (sections.isExact() && sections.terms.size() <= kMostTerms)
    row = emitRow(module, source, mask, sections, prefix);
  func::FuncOp refine = emitMaskRefine(module, tile, row, keep, prefix);
  Builder types(module.getContext());
  Type i32 = types.getI32Type();
  FunctionEmitter f(module, source, mask, prefix + "_class", 7, i32);
  auto constant = [&](int32_t c) -> Value {
    return f.b.create<arith::ConstantOp>(f.loc, types.getI32IntegerAttr(c));
  };
  Value partial = constant(FOVEA_TILE_PARTIAL);
  auto call = [&](func::FuncOp callee) {
    return f.b.create<func::CallOp>(f.loc, callee, f.func.getArguments())
        .getResult(0);
  };
  Value first = call(tile);
  Value open = f.b.create<arith::CmpIOp>(f.loc, arith::CmpIPredicate::eq, first,
                                         partial);
  if (!mask.isAlwaysExact()) {
    // The search relies on what the graph says.
    f.setTile();
    open = f.e.both(open, f.e.truth(mask.exact).all);
  }
  auto choice = f.b.create<scf::IfOp>(f.loc, TypeRange{i32}, open, true);
  f.e.inside(&choice.getThenRegion().front(), [&] {
    Value c = call(refine);
    // The search knows the keys that there are; a tile may stick out.
    Value sticks = f.e.no(
        f.e.both(f.e.le(f.e.i64(0), f.arg(4)), f.e.le(f.arg(5), f.arg(6))));
    Value isFull = f.b.create<arith::CmpIOp>(f.loc, arith::CmpIPredicate::eq, c,
                                             constant(FOVEA_TILE_FULL));
    f.b.create<scf::YieldOp>(f.loc,
                             f.e.select(f.e.both(sticks, isFull), partial, c));
  });
  f.e.inside(&choice.getElseRegion().front(),
             [&] { f.b.create<scf::YieldOp>(f.loc, first); });
  f.finish(choice.getResult(0));
  return f.func;
}

func::FuncOp emitLevel(ModuleOp module, func::FuncOp source,
                       const ImportedMask &mask, StringRef prefix) {
  Builder types(module.getContext());
  Type i32 = types.getI32Type();
  FunctionEmitter f(module, source, mask, prefix + "_level", 7,
                    TypeRange{i32, i32});
  MaskEmitter &e = f.e;
  Value nonEmpty = f.setTile(), zero = e.i64(0);
  MaskEmitter::Range level = e.range(mask.value);
  MaskEmitter::Truth live = e.truth(mask.live);
  if (!mask.isAlwaysExact()) {
    Value exact = e.truth(mask.exact).all;
    live = {e.both(live.all, exact), e.either(live.any, e.no(exact))};
    level = {e.select(exact, level.lo, e.i64(INT32_MIN)),
             e.select(exact, level.hi, e.i64(INT32_MAX))};
  }
  Value whole = e.both(e.le(zero, f.arg(4)), e.le(f.arg(5), f.arg(6)));
  // Pairs that are masked for another reason have level 0.
  Value all = e.both(live.all, whole), some = e.both(nonEmpty, live.any);
  Value lo = e.select(all, level.lo, e.min(level.lo, zero));
  Value hi = e.select(all, level.hi, e.max(level.hi, zero));
  lo = e.select(some, lo, zero);
  hi = e.select(some, hi, zero);
  f.finish({f.b.create<arith::TruncIOp>(f.loc, i32, lo).getResult(),
            f.b.create<arith::TruncIOp>(f.loc, i32, hi).getResult()});
  return f.func;
}

/// Whether some choice of what is known makes the predicate true (false)
/// whatever the opaque parts give.
struct Decidable {
  bool yes, no;
};
Decidable decidable(const MaskGraph &g, MaskId id) {
  // Predicates are trees of and, or, not over atoms: no need to remember.
  const MaskNode &n = g[id];
  if (!n.opaque)
    return {true, true};
  switch (n.op) {
  case MaskOp::And:
  case MaskOp::Or: {
    bool isAnd = n.op == MaskOp::And;
    bool every = true, some = false;
    for (MaskId arg : n.args) {
      Decidable d = decidable(g, arg);
      every &= isAnd ? d.yes : d.no;
      some |= isAnd ? d.no : d.yes;
    }
    return isAnd ? Decidable{every, some} : Decidable{some, every};
  }
  case MaskOp::Not: {
    Decidable d = decidable(g, n.args[0]);
    return {d.no, d.yes};
  }
  default:
    return {false, false};
  }
}

void describe(const ImportedMask &mask, MaskSolution &solution) {
  MaskId shown = mask.value;
  MaskGraph graph = mask.graph;
  if (mask.isLevel)
    shown = graph.negate(graph.eq0(shown));
  if (!graph[shown].opaque)
    return;
  Decidable d = decidable(graph, shown);
  solution.analysed = d.yes || d.no;
  std::string why = "'" + mask.opaqueOp + "' has no interval";
  solution.remark =
      solution.analysed
          ? "mask is analysed in part: tiles that depend on the rest run as "
            "partial: " +
                why
          : "mask is not analysable: every tile runs as partial: " + why;
}

/// Gaps between stripes from this width on are skipped by blocks of keys.
constexpr int64_t kLeastGap = 16;
/// So many first queries say nothing of what the others see.
constexpr int64_t kFewQueries = 64;

/// Most keys of a term; nothing if the lengths decide.
std::optional<int64_t> keysOf(MaskGraph &g, const MaskTerm &term) {
  SmallVector<MaskId> from(term.lo);
  from.push_back(g.constant(0)); // there are no keys before it
  std::optional<int64_t> least;
  for (MaskId lo : from)
    for (MaskId hi : term.hi) {
      MaskId room = g.sub(hi, lo);
      if (room >= 0 && g[room].hi < kMaskTokenLimit / 2)
        least = std::min(least.value_or(kMaskTokenLimit), g[room].hi + 1);
    }
  return least;
}

/// Whether a term is of the first few queries alone, whatever they see.
bool isOfFewQueries(MaskGraph &g, const MaskTerm &term) {
  return llvm::any_of(term.guards, [&](MaskId id) {
    const MaskNode &guard = g[id];
    if (guard.op != MaskOp::Ge0)
      return false;
    const MaskNode &sum = g[guard.args[0]];
    if (sum.op != MaskOp::Linear || sum.args.size() != 1 || sum.coefs[0] != -1)
      return false;
    const MaskNode &q = g[sum.args[0]];
    return q.op == MaskOp::Var && q.imm == VarQ && sum.imm < kFewQueries;
  });
}

/// What the terms say of the keys that a query sees.
void measureKeys(MaskGraph &g, const MaskSections &sections,
                 MaskTraits &traits) {
  int64_t reach = 0;
  bool bounded = true;
  for (const MaskTerm &term : sections.terms) {
    std::optional<int64_t> keys = keysOf(g, term);
    int64_t period = 0, width = 0;
    if (term.period >= 0 && g.isConst(term.period, period) &&
        g.isConst(term.width, width) && width < period) {
      if (keys)
        keys = std::min(*keys, (*keys / period + 1) * width);
      if (period - width >= kLeastGap && width > 0) {
        traits.stripe = traits.stripe ? std::min(traits.stripe, width) : width;
        traits.slanted |= g[term.phase].onQ;
      }
    }
    if (isOfFewQueries(g, term))
      continue;
    bounded &= keys.has_value();
    reach += std::max<int64_t>(0, keys.value_or(0));
  }
  if (bounded)
    traits.reach = reach;
}

/// The least number by which indices of tables divide the query, or the key; 0:
/// by none.
int64_t groupInTables(MaskGraph &g, bool ofKeys) {
  llvm::SetVector<MaskId> parts; // of indices
  for (MaskId id = 0; id != MaskId(g.size()); ++id)
    if (g[id].op == MaskOp::Load)
      parts.insert(g[id].args.begin(), g[id].args.end());
  int64_t least = 0;
  for (size_t i = 0; i != parts.size(); ++i) {
    const MaskNode &node = g[parts[i]];
    int64_t by = 0;
    if (node.onK != ofKeys || node.onQ == ofKeys)
      continue;
    if (node.op == MaskOp::Div && g.isConst(node.args[1], by))
      least = least ? std::min(least, by) : by;
    else
      parts.insert(node.args.begin(), node.args.end());
  }
  return least;
}

} // namespace

FailureOr<MaskSolution> solveMask(ModuleOp module, func::FuncOp keep,
                                  StringRef prefix,
                                  std::optional<unsigned> numOperands,
                                  unsigned planTables) {
  unsigned total = keep.getNumArguments();
  if (keep.isExternal())
    return keep.emitOpError("expected a mask to have a body, got a "
                            "declaration");
  if (!numOperands && total < 4)
    return keep.emitOpError("expected a mask to take b, h, q and k, got ")
           << total << " arguments";
  module.getContext()
      ->loadDialect<arith::ArithDialect, func::FuncDialect,
                    memref::MemRefDialect, scf::SCFDialect>();
  FailureOr<ImportedMask> imported =
      importMask(keep, numOperands ? *numOperands : total - 4, planTables);
  if (failed(imported))
    return failure();
  ImportedMask &mask = *imported;
  MaskSections sections = solveSections(mask.graph, mask.live);

  MaskSolution solution;
  describe(mask, solution);
  solution.terms = sections.terms.size();
  solution.closedForm = !sections.isScannable();
  measureKeys(mask.graph, sections, solution.traits);
  keep.walk([&](Operation *) { ++solution.traits.ops; });
  solution.traits.queryGroup = groupInTables(mask.graph, /*ofKeys=*/false);
  solution.traits.keyGroup = groupInTables(mask.graph, /*ofKeys=*/true);

  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  for (ImportedMask::Summary s : mask.summaries)
    solution.summaries.append({s.operand, s.axis});
  SmallVector<Type> inputs(mask.inputs);
  inputs.append(5, b.getIndexType());
  inputs.push_back(MemRefType::get({FOVEA_ABI_MAX_RUNS, 2}, b.getI64Type()));
  solution.bounds =
      b.create<func::FuncOp>(keep.getLoc(), (prefix + "_bounds").str(),
                             b.getFunctionType(inputs, b.getI32Type()));
  solution.bounds.setPrivate();
  emitMaskBounds(module, solution.bounds, mask, sections);
  solution.keep = emitKeep(module, keep, mask, prefix);
  solution.classify =
      emitClass(module, keep, mask, sections, solution.keep, prefix);
  if (mask.isLevel)
    solution.level = emitLevel(module, keep, mask, prefix);
  return solution;
}

} // namespace fovea
