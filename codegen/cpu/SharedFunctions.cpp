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
  int64_t ops = 0;
  bool same = true;

  bool shared() const { return same && copies.size() > 1; }
};

} // namespace

static int64_t countOps(func::FuncOp fn) {
  int64_t ops = 0;
  fn.walk([&](Operation *) { ++ops; });
  return ops;
}

static llvm::MapVector<StringRef, Copies>
findCopies(ArrayRef<StageUnit> units) {
  llvm::MapVector<StringRef, Copies> found;
  for (size_t u = 0; u != units.size(); ++u)
    for (auto fn : units[u].module.get().getOps<func::FuncOp>()) {
      if (!fn.isPrivate() || fn.isExternal())
        continue;
      Copies &known = found[fn.getSymName()];
      if (known.copies.empty())
        known.ops = countOps(fn);
      else
        known.same &= OperationEquivalence::isEquivalentTo(
            known.copies.front().second, fn,
            OperationEquivalence::IgnoreLocations);
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

void cpu::shareFunctions(std::vector<StageUnit> &units) {
  llvm::MapVector<StringRef, Copies> found = findCopies(units);
  int64_t saved = 0;
  size_t last = 0;
  for (auto &[name, known] : found)
    if (known.shared()) {
      saved += known.ops * (known.copies.size() - 1);
      last = std::max(last, known.copies.back().first);
    }
  if (saved < minSavedOps)
    return;

  StageUnit unit;
  unit.kernel = units[last].kernel;
  unit.symbol = unit.kernel + ".functions";
  unit.module = ModuleOp::create(units[last].module->getLoc(), unit.symbol);
  for (auto &[name, known] : found) {
    if (!known.shared())
      continue;
    for (auto [u, fn] : known.copies) {
      OpBuilder b(fn);
      auto declaration = b.create<func::FuncOp>(fn.getLoc(), fn.getSymName(),
                                                fn.getFunctionType());
      declaration.setPrivate();
    }
    func::FuncOp kept = known.copies.front().second;
    kept->remove();
    unit.module->push_back(kept);
    kept.setPublic();
    for (auto [u, fn] : llvm::drop_begin(known.copies))
      fn.erase();
  }
  units.insert(units.begin() + last + 1, std::move(unit));
}
