// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The CPU back end behind codegen/target's interface.
#ifndef FOVEA_CODEGEN_CPU_CPUBACKEND_H
#define FOVEA_CODEGEN_CPU_CPUBACKEND_H

#include "codegen/target/Backend.h"

namespace fovea {

/// The back end of every x86-64 target.
const TargetBackend &cpuBackend();

namespace cpu {

/// x86-64 code of a unit, whatever back end built it, and of all of them.
llvm::Expected<llvm::SmallVector<char, 0>>
compileUnit(StageUnit &unit, const TargetInfo &target, UnitOutput output);
llvm::Expected<LinkedCode> linkUnits(llvm::ArrayRef<StageUnit> units,
                                     llvm::ArrayRef<llvm::StringRef> objects);

} // namespace cpu
} // namespace fovea

#endif // FOVEA_CODEGEN_CPU_CPUBACKEND_H
