// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// tile programs -> stage functions -> objects -> one flat image.
#include "codegen/cpu/CpuBackend.h"

#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/cpu/SharedFunctions.h"
#include "codegen/cpu/StageLowering.h"
#include "codegen/cpu/image/FlatImage.h"

using namespace mlir;
using namespace fovea;

namespace {

class CpuBackend final : public TargetBackend {
public:
  StringRef getName() const override { return "cpu"; }

  bool handles(const TargetInfo &target) const override {
    return target.isa == IsaClass::AVX2 || target.isa == IsaClass::AVX512;
  }

  void registerDialects(DialectRegistry &registry) const override {
    cpu::registerCPUDialects(registry);
  }

  std::string whyNotSupported(ModuleOp, const TargetInfo &) const override {
    return {}; // what a stage cannot do is a diagnostic of lowerStages
  }

  LogicalResult lowerStages(ModuleOp module, const TargetInfo &target,
                            std::vector<StageUnit> &units) const override {
    return cpu::forEachStage(module, target, units, cpu::lowerStage);
  }

  bool shareFunctions(std::vector<StageUnit> &units,
                      ModuleOp plan) const override {
    return cpu::shareFunctions(units, plan);
  }

  llvm::Expected<llvm::SmallVector<char, 0>>
  compileUnit(StageUnit &unit, const TargetInfo &target,
              UnitOutput output) const override {
    return cpu::compileUnit(unit, target, output);
  }

  llvm::Expected<LinkedCode>
  link(llvm::ArrayRef<StageUnit> units,
       llvm::ArrayRef<llvm::StringRef> objects) const override {
    return cpu::linkUnits(units, objects);
  }
};

} // namespace

llvm::Expected<llvm::SmallVector<char, 0>>
cpu::compileUnit(StageUnit &unit, const TargetInfo &target, UnitOutput output) {
  cpu::MachineTarget machine{target.cpu, target.features};
  cpu::MachineOutput kind = cpu::MachineOutput::Object;
  if (output == UnitOutput::Assembly)
    kind = cpu::MachineOutput::Assembly;
  else if (output == UnitOutput::LLVMIR)
    kind = cpu::MachineOutput::LLVMIR;
  return cpu::compileModule(*unit.module, machine, kind);
}

llvm::Expected<LinkedCode>
cpu::linkUnits(llvm::ArrayRef<StageUnit> units,
               llvm::ArrayRef<llvm::StringRef> objects) {
  llvm::Expected<cpu::FlatImage> image = cpu::linkFlatImage(objects);
  if (!image)
    return image.takeError();
  LinkedCode code;
  for (const StageUnit &unit : units) {
    if (unit.stage.empty()) { // functions that the stages call
      code.entries.push_back({unit.symbol, 0});
      continue;
    }
    std::optional<uint64_t> offset = image->find(unit.symbol);
    if (!offset)
      return llvm::createStringError(
          "expected the objects to define '%s', got no such symbol",
          unit.symbol.c_str());
    code.entries.push_back({unit.symbol, *offset});
  }
  code.bytes.assign(image->bytes.begin(), image->bytes.end());
  return code;
}

const TargetBackend &fovea::cpuBackend() {
  static const CpuBackend backend;
  return backend;
}
