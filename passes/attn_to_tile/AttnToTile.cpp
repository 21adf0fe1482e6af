// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels -> tile programs: walks the ops of each kernel in order.
#include "passes/attn_to_tile/AttnToTile.h"

#include "passes/attn_to_tile/MaskFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fovea;

/// Masks and score modifiers copy the numbers that they read; nothing else
/// takes a computed one.
static LogicalResult checkScalar(Operation &op) {
  for (OpOperand &use : op.getUses()) {
    Operation *user = use.getOwner();
    auto among = [&](OperandRange operands) {
      return !operands.empty() &&
             use.getOperandNumber() - operands.getBeginOperandIndex() <
                 operands.size();
    };
    auto attention = dyn_cast<attn::AttentionOpInterface>(user);
    auto score = dyn_cast<sel::ScoreOp>(user);
    bool read = isScalarOp(user) || user->getBlock() != op.getBlock() ||
                (attention && (among(attention.getMaskOperands()) ||
                               among(attention.getScoreOperands()))) ||
                (score && among(score.getMaskOperands()));
    if (read)
      continue;
    InFlightDiagnostic diagnostic = user->emitOpError(
        "a computed number outside of masks and score modifiers is not "
        "supported by this compiler");
    diagnostic.attachNote(op.getLoc()) << "it is computed here";
    return diagnostic;
  }
  return success();
}

static LogicalResult convertOp(ProgramBuilder &p, Operation &op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case([&](attn::AttentionOp o) { return convertAttention(p, o); })
      .Case([&](attn::PartialOp o) { return convertPartial(p, o); })
      .Case([&](attn::MergeOp o) { return convertMerge(p, o); })
      .Case([&](kv::EncodeOp o) { return convertEncode(p, o); })
      .Case([&](sel::PoolOp o) { return convertPool(p, o); })
      .Case([&](sel::ScoreOp o) { return convertScore(p, o); })
      .Case([&](sel::NormalizeOp o) { return convertNormalize(p, o); })
      .Case([&](sel::ChooseOp o) { return convertChoose(p, o); })
      .Case([&](sel::ChooseLevelsOp o) { return convertAssign(p, o); })
      .Case([&](sel::LevelsOp o) { return convertLevels(p, o); })
      .Case<arith::ConstantOp, func::ReturnOp, kv::AppendOp>([&](auto) {
        return success(); // read where they are used, or done
      })
      .Default([&](Operation *o) -> LogicalResult {
        if (isScalarOp(o))
          return checkScalar(*o);
        return o->emitOpError("expected an op of attn, sel or kv in a kernel");
      });
}

LogicalResult fovea::convertAttnToTile(ModuleOp module,
                                       const ScheduleProvider &schedules) {
  SmallVector<func::FuncOp> kernels;
  for (auto fn : module.getOps<func::FuncOp>())
    if (fn->hasAttr("attn.kernel"))
      kernels.push_back(fn);
  if (kernels.empty())
    return module.emitError("expected a function marked attn.kernel, got none");
  for (func::FuncOp kernel : kernels) {
    if (!kernel.getBody().hasOneBlock())
      return kernel.emitOpError(
          "expected a kernel to have a body of one block");
    ProgramBuilder p(kernel, schedules);
    if (failed(p.begin()))
      return failure();
    // What every other stage of the cache reads.
    for (auto append : kernel.getBody().front().getOps<kv::AppendOp>())
      if (failed(p.appendStage(append)))
        return failure();
    for (Operation &op : kernel.getBody().front())
      if (failed(convertOp(p, op)))
        return failure();
    p.serviceStages();
    p.finish();
  }
  return success();
}
