// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "codegen/cpu/SharedFunctions.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OperationSupport.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace fovea;

namespace {

/// What a unit of its own costs, in ops of a copy saved: a context, a target
/// machine and the module's passes are a millisecond.
constexpr int64_t minSavedOps = 200;

/// The copies of a function, in the order of their units.
struct Copies {
  SmallVector<std::pair<size_t, func::FuncOp>> copies;
  func::FuncOp inPlan; ///< null if the plan has none
  int64_t ops = 0;
  bool same = true;

  bool shared() const { return same && (inPlan || copies.size() > 1); }
};

} // namespace

static int64_t countOps(func::FuncOp fn) {
  int64_t ops = 0;
  fn.walk([&](Operation *) { ++ops; });
  return ops;
}

/// Whether the bodies are the same, whoever else may call them.
static bool isSameFunction(func::FuncOp a, func::FuncOp b) {
  SymbolTable::Visibility visibility = a.getVisibility();
  a.setVisibility(b.getVisibility());
  bool same = OperationEquivalence::isEquivalentTo(
      a, b, OperationEquivalence::IgnoreLocations);
  a.setVisibility(visibility);
  return same;
}

static llvm::MapVector<StringRef, Copies> findCopies(ArrayRef<StageUnit> units,
                                                     ModuleOp plan) {
  llvm::MapVector<StringRef, Copies> found;
  for (size_t u = 0; u != units.size(); ++u)
    for (auto fn : units[u].module.get().getOps<func::FuncOp>()) {
      if (!fn.isPrivate() || fn.isExternal())
        continue;
      Copies &known = found[fn.getSymName()];
      if (known.copies.empty()) {
        known.ops = countOps(fn);
        if (plan)
          known.inPlan = plan.lookupSymbol<func::FuncOp>(fn.getSymName());
        known.same = !known.inPlan || isSameFunction(known.inPlan, fn);
      } else {
        known.same &= isSameFunction(known.copies.front().second, fn);
      }
      known.copies.push_back({u, fn});
    }
  // A body calls by name: with one that is not shared, its callers stay too.
  for (bool changed = true; changed;) {
    changed = false;
    for (auto &entry : found) {
      Copies &known = entry.second;
      if (!known.shared())
        continue;
      known.copies.front().second.walk([&](func::CallOp call) {
        auto callee = found.find(call.getCallee());
        if (callee != found.end() && !callee->second.shared())
          known.same = false;
      });
      changed |= !known.same;
    }
  }
  return found;
}

static void declareBefore(func::FuncOp fn) {
  OpBuilder b(fn);
  b.create<func::FuncOp>(fn.getLoc(), fn.getSymName(), fn.getFunctionType())
      .setPrivate();
}

/// What the unit's functions call and it has not.
static void declareCallees(ModuleOp module, ModuleOp plan) {
  SmallVector<func::CallOp> calls;
  module.walk([&](func::CallOp call) { calls.push_back(call); });
  for (func::CallOp call : calls)
    if (!module.lookupSymbol(call.getCallee())) {
      auto callee = plan.lookupSymbol<func::FuncOp>(call.getCallee());
      OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
      b.create<func::FuncOp>(callee.getLoc(), callee.getSymName(),
                             callee.getFunctionType())
          .setPrivate();
    }
}

bool cpu::shareFunctions(std::vector<StageUnit> &units, ModuleOp plan) {
  llvm::MapVector<StringRef, Copies> found = findCopies(units, plan);
  bool planned = false;
  int64_t saved = 0;
  size_t last = 0;
  for (auto &[name, known] : found)
    if (known.shared() && known.inPlan) {
      planned = true;
      known.inPlan.setPublic();
      for (auto [u, fn] : known.copies) {
        declareBefore(fn);
        fn.erase();
      }
    } else if (known.shared()) {
      saved += known.ops * (known.copies.size() - 1);
      last = std::max(last, known.copies.back().first);
    }
  if (saved < minSavedOps)
    return planned;

  StageUnit unit;
  unit.kernel = units[last].kernel;
  unit.symbol = unit.kernel + ".functions";
  unit.module = ModuleOp::create(units[last].module->getLoc(), unit.symbol);
  for (auto &[name, known] : found) {
    if (!known.shared() || known.inPlan)
      continue;
    for (auto [u, fn] : known.copies)
      declareBefore(fn);
    func::FuncOp kept = known.copies.front().second;
    kept->remove();
    unit.module->push_back(kept);
    kept.setPublic();
    for (auto [u, fn] : llvm::drop_begin(known.copies))
      fn.erase();
  }
  if (planned)
    declareCallees(*unit.module, plan);
  units.insert(units.begin() + last + 1, std::move(unit));
  return planned;
}
