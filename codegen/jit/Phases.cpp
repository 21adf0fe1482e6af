// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The phases of the compiler up to tile.
#include "codegen/jit/Phases.h"

#include "codegen/cpu/CpuBackend.h"
#include "codegen/gpu/backend/GpuBackend.h"
#include "dialects/RegisterDialects.h"
#include "dialects/kv/KV.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace fovea;

void fovea::registerSpecDialects(DialectRegistry &registry) {
  registerDialects(registry);
  registry.insert<tile::TileDialect, memref::MemRefDialect, scf::SCFDialect>();
}

LogicalResult fovea::planSpec(ModuleOp module) {
  PassManager pm(module->getContext());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  return pm.run(module);
}

static fovea_dtype storageOf(const StreamShape &shape) {
  if (shape.format)
    return FOVEA_DTYPE_I8;
  if (shape.element.isF16())
    return FOVEA_DTYPE_F16;
  return shape.element.isBF16() ? FOVEA_DTYPE_BF16 : FOVEA_DTYPE_F32;
}

StreamTraits fovea::traitsOf(const StreamShape &shape) {
  StreamTraits traits;
  traits.keyDim = shape.keyDim;
  traits.valueDim = shape.valueDim;
  traits.dtype = storageOf(shape);
  traits.group = shape.group;
  traits.cached = shape.cached;
  traits.mask = shape.mask;
  traits.reach = shape.traits.reach;
  traits.stripe = shape.traits.stripe;
  traits.slanted = shape.traits.slanted;
  traits.queryGroup = shape.traits.queryGroup;
  traits.keyGroup = shape.traits.keyGroup;
  traits.maskOps = shape.traits.ops;
  traits.ordered = shape.ordered;
  traits.chosen = shape.unit != 0;
  traits.modified = shape.modified;
  traits.plainBF16 = shape.plainBF16;
  return traits;
}

ScheduleProvider fovea::scheduleProvider(const TargetInfo &target,
                                         const TuningTable *tuning) {
  return [&target, tuning](MLIRContext *context, const StreamShape &shape) {
    Schedule s = chooseSchedule(target, traitsOf(shape), tuning);
    auto origin = [&](const std::string &entry) {
      return entry.empty() ? StringAttr() : StringAttr::get(context, entry);
    };
    int64_t prefetch = (s.decode.prefetchValue ? 1 : 0) |
                       (s.decode.prefetchNext ? 2 : 0) |
                       (s.decode.prefetchFar ? 4 : 0);
    SmallVector<tile::ScheduleAttr> result;
    auto decode = [&](int64_t rows) {
      return tile::ScheduleAttr::get(
          context, "decode", s.decode.lanes, s.decode.accumulators,
          fitToUnit(s.decode.keys, target, shape.unit, shape.listed), rows,
          rows, prefetch, origin(s.decodeTuned), /*matrix=*/false);
    };
    // Rows past the last live one cost as much as the others, so the step of
    // one position, the common one, has its own variant.
    // Not on a GPU, whose products take 16 rows whatever is in them.
    if (shape.group < s.decode.maxRows && !target.isGpu())
      result.push_back(decode(shape.group));
    result.push_back(decode(s.decode.maxRows));
    result.push_back(tile::ScheduleAttr::get(
        context, "prefill", s.prefill.lanes, s.prefill.regRows,
        fitToUnit(s.prefill.keys, target, shape.unit, shape.listed),
        s.prefill.rows,
        /*maxRows=*/-1, s.prefill.convert ? 0 : 1, origin(s.prefillTuned),
        s.prefill.matrix));
    return result;
  };
}

LogicalResult fovea::lowerToTile(ModuleOp module, const TargetInfo &target,
                                 const TuningTable *tuning) {
  return convertAttnToTile(module, scheduleProvider(target, tuning));
}

ArrayRef<const TargetBackend *> fovea::allBackends() {
  // One line per back end.
  static const TargetBackend *const backends[] = {
      &cpuBackend(),
      &gpuBackend(),
  };
  return backends;
}

const TargetBackend *fovea::findBackend(const TargetInfo &target) {
  for (const TargetBackend *backend : allBackends())
    if (backend->handles(target))
      return backend;
  return nullptr;
}

std::string fovea::noBackendText(const TargetInfo &target) {
  std::string names;
  for (const TargetInfo &other : allTargets())
    if (findBackend(other))
      names += (names.empty() ? "" : ", ") + other.name;
  return "no back end for the target '" + target.name +
         "' in this compiler, expected one of " + names;
}

//===----------------------------------------------------------------------===//
// Passes for fovea-opt
//===----------------------------------------------------------------------===//

namespace {

/// A pass over the module with the option `target`.
template <typename Derived>
struct TargetPass : PassWrapper<Derived, OperationPass<ModuleOp>> {
  TargetPass() = default;
  TargetPass(const TargetPass &other)
      : PassWrapper<Derived, OperationPass<ModuleOp>>(other) {}

  void getDependentDialects(DialectRegistry &registry) const override {
    registerSpecDialects(registry);
    for (const TargetBackend *backend : allBackends())
      backend->registerDialects(registry);
  }
  void runOnOperation() override {
    llvm::Expected<const TargetInfo *> info = resolveTarget(target);
    if (!info) {
      this->getOperation().emitError() << llvm::toString(info.takeError());
      return this->signalPassFailure();
    }
    if (failed(static_cast<Derived *>(this)->run(**info)))
      this->signalPassFailure();
  }

  Pass::Option<std::string> target{*this, "target",
                                   llvm::cl::desc("name of the target"),
                                   llvm::cl::init("host")};
};

struct AttnToTilePass : TargetPass<AttnToTilePass> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(AttnToTilePass)
  StringRef getArgument() const final { return "attn-to-tile"; }
  StringRef getDescription() const final {
    return "Turn every kernel into a tile.program";
  }
  LogicalResult run(const TargetInfo &info) {
    return lowerToTile(getOperation(), info);
  }
};

struct LowerStagesPass : TargetPass<LowerStagesPass> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerStagesPass)
  StringRef getArgument() const final { return "lower-stages"; }
  StringRef getDescription() const final {
    return "Replace tile programs by one module per stage variant";
  }
  LogicalResult run(const TargetInfo &info) {
    ModuleOp module = getOperation();
    std::vector<StageUnit> units;
    const TargetBackend *backend = findBackend(info);
    if (!backend)
      return module.emitError() << noBackendText(info);
    if (failed(backend->lowerStages(module, info, units)))
      return failure();
    backend->shareFunctions(units, /*plan=*/{});
    module.getBody()->clear();
    for (StageUnit &unit : units)
      module.getBody()->push_back(unit.module.release());
    return success();
  }
};

} // namespace

void fovea::registerPhasePasses() {
  PassRegistration<AttnToTilePass>();
  PassRegistration<LowerStagesPass>();
}
