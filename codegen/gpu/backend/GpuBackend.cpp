// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// tile programs -> kernels -> code for a GPU or for the emulator.
#include "codegen/gpu/backend/GpuBackend.h"

#include "codegen/cpu/CpuBackend.h"
#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/cpu/StageLowering.h"
#include "codegen/cpu/StreamRoles.h"
#include "codegen/gpu/backend/StageKernel.h"
#include "codegen/gpu/emulator/lowering/HwToEmulator.h"
#include "codegen/gpu/ptx/Ptx.h"
#include "codegen/gpu/ptx/StageCode.h"
#include "codegen/gpu/templates/StreamKernel.h"
#include "codegen/gpu/templates/WarpStages.h"
#include "passes/analysis/MaskFlags.h"

using namespace mlir;
using namespace fovea;

namespace {

class GpuBackend final : public TargetBackend {
public:
  StringRef getName() const override { return "gpu"; }

  bool handles(const TargetInfo &target) const override {
    return target.isGpu();
  }

  void registerDialects(DialectRegistry &registry) const override {
    cpu::registerCPUDialects(registry);
    gpu::registerEmulatorDialects(registry);
    gpu::registerPtxDialects(registry);
  }

  std::string whyNotSupported(ModuleOp, const TargetInfo &) const override {
    return {}; // what a stage cannot do is a diagnostic of lowerStages
  }

  LogicalResult lowerStages(ModuleOp module, const TargetInfo &target,
                            std::vector<StageUnit> &units) const override {
    if (!target.emulated && failed(gpu::reportAssembler(module)))
      return failure();
    return cpu::forEachStage(module, target, units,
                             [&](cpu::StageContext &stage) {
                               FailureOr<uint64_t> scratch = lowerStage(stage);
                               narrowMaskFlags(stage.module, kFlagBytes);
                               return scratch;
                             });
  }

  llvm::Expected<llvm::SmallVector<char, 0>>
  compileUnit(StageUnit &unit, const TargetInfo &target,
              UnitOutput output) const override {
    if (!target.emulated)
      return compileDevice(unit, target, output);
    if (failed(gpu::makeEmulatedStage(*unit.module, unit.symbol)))
      return llvm::createStringError("expected every op of the kernel to have "
                                     "a lowering for the emulator");
    return cpu::compileUnit(unit, target, output);
  }

  llvm::Expected<LinkedCode>
  link(llvm::ArrayRef<StageUnit> units,
       llvm::ArrayRef<llvm::StringRef> objects) const override {
    bool device = !objects.empty() && gpu::isStageCode(objects.front());
    return device ? gpu::linkStages(units, objects)
                  : cpu::linkUnits(units, objects);
  }

private:
  /// A thread's registers hold no more flags at a time beside the rest.
  static constexpr int64_t kFlagBytes = 16;

  static llvm::Expected<llvm::SmallVector<char, 0>>
  compileDevice(StageUnit &unit, const TargetInfo &target, UnitOutput output) {
    auto arch = gpu::findArchitecture(target.name);
    if (!arch)
      return arch.takeError();
    return gpu::compileStage(*unit.module, unit.symbol, **arch, output);
  }

  static FailureOr<uint64_t> lowerStage(cpu::StageContext &stage) {
    if (stage.info.role == StageRole::Attend)
      return lowerStream(stage);
    stage.builders = gpu::stageBuilders();
    FailureOr<uint64_t> scratch = cpu::lowerStage(stage);
    if (failed(scratch))
      return failure();
    auto fn = stage.module.lookupSymbol<func::FuncOp>(stage.symbol);
    gpu::makeKernel(fn, gpu::kThreads, /*sharedBytes=*/0);
    return scratch;
  }

  static FailureOr<uint64_t> lowerStream(cpu::StageContext &stage) {
    cpu::StreamMaps maps(stage);
    FailureOr<cpu::StreamParams> params =
        cpu::streamParams(stage, maps, /*searching=*/true);
    if (failed(params))
      return failure();
    tile::ScheduleAttr schedule = stage.info.stage.getSchedule();
    params->schedule.keys = schedule.getKeys();
    params->schedule.rows = schedule.getRows();
    OpBuilder b = OpBuilder::atBlockEnd(stage.module.getBody());
    std::string reason;
    gpu::StreamKernel kernel(b, stage.loc(), *params);
    FailureOr<func::FuncOp> fn = kernel.build(reason);
    if (failed(maps.verify()))
      return failure();
    if (failed(fn))
      return stage.info.stage.emitOpError(reason);
    gpu::makeKernel(*fn, gpu::kThreads, kernel.sharedBytes());
    return kernel.scratchBytes();
  }
};

} // namespace

const TargetBackend &fovea::gpuBackend() {
  static const GpuBackend backend;
  return backend;
}
