// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// hw -> llvm dialect -> LLVM IR -> LLJIT -> emulator: see Conformance.h.
#include "test/unit/codegen/gpu/emulator/lowering/Conformance.h"
#include "codegen/gpu/emulator/Emulator.h"
#include "codegen/gpu/emulator/lowering/HwToEmulator.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/TargetSelect.h"

#include <gtest/gtest.h>

namespace fovea::gpu {

Outcome runKernel(const std::string &text, const std::vector<uint32_t> &in,
                  std::vector<uint32_t> &out) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  mlir::DialectRegistry registry;
  registerEmulatorDialects(registry);
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module || failed(lowerToEmulator(*module))) {
    ADD_FAILURE() << "expected a kernel that can be lowered, got\n" << text;
    return {-1, ""};
  }
  auto llvmContext = std::make_unique<llvm::LLVMContext>();
  auto code = mlir::translateModuleToLLVMIR(*module, *llvmContext);
  auto jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
  llvm::cantFail(jit->addIRModule(
      llvm::orc::ThreadSafeModule(std::move(code), std::move(llvmContext))));
  using Entry = int32_t(fovea_emulator_launch_t *,
                        const fovea_emulator_table_t *, const void *, void *);
  auto *entry = llvm::cantFail(jit->lookup("k")).toPtr<Entry *>();
  fovea_emulator_range_t ranges[] = {{in.data(), in.size() * 4, 0, 0},
                                     {out.data(), out.size() * 4, 1, 0}};
  fovea_emulator_launch_t launch = {};
  launch.size = sizeof launch;
  launch.ctas = 1;
  launch.ranges = ranges;
  launch.range_count = 2;
  int32_t error = entry(&launch, fovea_emulator_get(), in.data(), out.data());
  return {error, launch.message};
}

std::string warpKernel(const std::string &body) {
  return R"(
hw.kernel @k(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>)
    attributes {threads = 32 : i32, shared_bytes = 4096 : i32} {
  %t = hw.thread_id
  %s = hw.shared_memory
  %i0 = llvm.getelementptr %in[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  %i1 = llvm.getelementptr %i0[32] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
  %i2 = llvm.getelementptr %i0[64] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
  %v = hw.load %i0 : !llvm.ptr<1> -> i32
  %w = hw.load %i1 : !llvm.ptr<1> -> i32
  %x = hw.load %i2 : !llvm.ptr<1> -> i32
  %f = arith.bitcast %v : i32 to f32
  %g = arith.bitcast %w : i32 to f32
  %o = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
)" + body +
         R"(
  hw.store %r, %o : i32, !llvm.ptr<1>
  hw.return
}
)";
}

} // namespace fovea::gpu
