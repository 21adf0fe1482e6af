// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// hw -> llvm dialect -> LLVM IR -> LLJIT -> emulator: see Emulate.h.
#include "bench/gpu/conformance/Emulate.h"
#include "codegen/gpu/emulator/lowering/HwToEmulator.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/TargetSelect.h"

namespace fovea::gpu::conformance {

Outcome emulate(const std::string &text, const Words &in, Words &out,
                const Map *map, uint32_t seed) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  mlir::DialectRegistry registry;
  registerEmulatorDialects(registry);
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module || failed(lowerToEmulator(*module)))
    return {-1, "expected a kernel that can be lowered"};
  auto llvmContext = std::make_unique<llvm::LLVMContext>();
  auto code = mlir::translateModuleToLLVMIR(*module, *llvmContext);
  auto jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
  llvm::cantFail(jit->addIRModule(
      llvm::orc::ThreadSafeModule(std::move(code), std::move(llvmContext))));
  // A kernel without a map ignores the last argument.
  using Entry =
      int32_t(fovea_emulator_launch_t *, const fovea_emulator_table_t *,
              const void *, void *, const void *);
  auto *entry = llvm::cantFail(jit->lookup("k")).toPtr<Entry *>();
  fovea_emulator_range_t ranges[] = {{in.data(), in.size() * 4, 0, 0},
                                     {out.data(), out.size() * 4, 1, 0}};
  fovea_emulator_launch_t launch = {};
  launch.size = sizeof launch;
  launch.ctas = 1;
  launch.seed = seed;
  launch.ranges = ranges;
  launch.range_count = 2;
  fovea_emulator_tensor_map_t tensor = {};
  if (map) {
    tensor = map->map;
    tensor.base = map->onOutput ? static_cast<void *>(out.data())
                                : const_cast<uint32_t *>(in.data());
  }
  int32_t error =
      entry(&launch, fovea_emulator_get(), in.data(), out.data(), &tensor);
  return {error, launch.message};
}

} // namespace fovea::gpu::conformance
