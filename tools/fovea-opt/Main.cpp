// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// fovea-opt: reads, verifies, transforms and prints IR of any level. For
// people who work on the compiler, and for its tests.
#include "codegen/gpu/emulator/lowering/HwToEmulator.h"
#include "codegen/gpu/ptx/Ptx.h"
#include "codegen/jit/Phases.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  fovea::registerSpecDialects(registry);
  mlir::registerTransformsPasses();
  fovea::registerFoveaPasses();
  fovea::registerPhasePasses();
  fovea::gpu::registerEmulatorPasses();
  fovea::gpu::registerPtxPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Fovea's optimiser driver\n", registry));
}
