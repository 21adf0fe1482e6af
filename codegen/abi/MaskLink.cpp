// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Links the functions of masks into the modules that call them.
#include "codegen/abi/MaskLink.h"

#include "codegen/abi/MaskAbi.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::cabi;

/// Copies `fn` and whatever it calls from its module into `module`.
static func::FuncOp importFunction(ModuleOp module, func::FuncOp fn) {
  if (auto known = module.lookupSymbol<func::FuncOp>(fn.getSymName()))
    return known;
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  auto copy = cast<func::FuncOp>(b.clone(*fn));
  copy.setPrivate();
  auto from = fn->getParentOfType<ModuleOp>();
  fn.walk([&](func::CallOp call) {
    if (auto callee = from.lookupSymbol<func::FuncOp>(call.getCallee()))
      importFunction(module, callee);
  });
  return copy;
}

FailureOr<func::FuncOp>
fovea::cabi::linkMaskFunction(ModuleOp module, tile::RunsOp runs,
                              StringRef suffix, const ProgramLayout &layout) {
  std::string inner = (runs.getMask()->str() + suffix).str();
  std::string name = inner + "_abi";
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;
  auto from = runs->getParentOfType<ModuleOp>();
  auto fn = from.lookupSymbol<func::FuncOp>(inner);
  if (!fn)
    return runs.emitOpError("expected the function @")
           << inner << " of its mask, got none";
  SmallVector<MaskOperandSlot> slots;
  for (Value operand : runs.getOperands_()) {
    if (isa<tile::ViewType>(operand.getType()))
      slots.push_back({MaskOperandSlot::View, layout.view(operand)});
    else
      slots.push_back({MaskOperandSlot::Scalar, layout.scalar(operand)});
  }
  // Verified: pairs of an operand that is a view, and an axis.
  ArrayRef<int64_t> summaries =
      runs.getSummaries().value_or(ArrayRef<int64_t>());
  for (size_t i = 0; i < summaries.size(); i += 2)
    slots.push_back({MaskOperandSlot::Summary, slots[summaries[i]].slot});
  return wrapMaskFunction(module, importFunction(module, fn), name, slots);
}

FailureOr<OwningOpRef<ModuleOp>>
fovea::cabi::buildPlanModule(ModuleOp programs) {
  OwningOpRef<ModuleOp> plan = ModuleOp::create(programs.getLoc());
  for (auto program : programs.getOps<tile::ProgramOp>()) {
    ProgramLayout layout(program);
    WalkResult result = program.walk([&](tile::RunsOp runs) {
      if (!runs.getMask())
        return WalkResult::advance();
      for (StringRef suffix : {"_bounds", "_class", "_keep"})
        if (failed(linkMaskFunction(*plan, runs, suffix, layout)))
          return WalkResult::interrupt();
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return failure();
  }
  return plan;
}
