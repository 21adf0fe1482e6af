// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a module of func, scf, arith, math, memref (on the stack), vector and
// llvm ops to machine code: the last step of every CPU stage and of the host
// plan code. Used by the JIT, by `fovea compile` and by tests.
#ifndef FOVEA_CODEGEN_CPU_LOWERTOLLVM_H
#define FOVEA_CODEGEN_CPU_LOWERTOLLVM_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <string>

namespace fovea::cpu {

/// What code is made for: names as LLVM spells them. `cpu` may be a micro
/// architecture level (x86-64-v3) or a processor; `features` is a comma
/// separated list of +feature and -feature, or empty.
struct MachineTarget {
  std::string cpu = "x86-64-v3";
  std::string features;
};

enum class MachineOutput { Object, Assembly, LLVMIR };

/// Seconds spent, for benchmarks of the JIT.
struct LoweringTimes {
  double convert = 0, translate = 0, optimize = 0, codegen = 0;
};

/// Adds the dialects that stage builders emit, and their translation to LLVM
/// IR. Every context given to the functions below needs them.
void registerCPUDialects(mlir::DialectRegistry &registry);

/// Converts `module` in place to the llvm dialect with one dialect
/// conversion. Functions without a body become external symbols, which
/// compileModule then refuses by leaving them undefined in the object.
mlir::LogicalResult convertToLLVMDialect(mlir::ModuleOp module);

/// Makes machine code (or text) of `module`, which convertToLLVMDialect
/// changes in place. Functions that are public in MLIR keep external linkage,
/// private ones become internal. The object is position independent, and no
/// library function is ever introduced: neither memcpy idioms nor libm calls.
llvm::Expected<llvm::SmallVector<char, 0>>
compileModule(mlir::ModuleOp module, const MachineTarget &target,
              MachineOutput output = MachineOutput::Object,
              LoweringTimes *times = nullptr);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_LOWERTOLLVM_H
