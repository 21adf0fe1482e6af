// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Everything of the hw dialect: enumerations and operations.
#ifndef FOVEA_DIALECTS_HW_HW_H
#define FOVEA_DIALECTS_HW_HW_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/hw/HwDialect.h.inc"
#include "dialects/hw/HwEnums.h.inc"

#define GET_OP_CLASSES
#include "dialects/hw/HwOps.h.inc"

namespace fovea::hw {

/// Most threads of a CTA.
inline constexpr int32_t kMaxThreads = 1024;
/// Most dynamic shared memory of a CTA, on sm_90a; sm_80 has less.
inline constexpr int32_t kMaxSharedBytes = 232448;

} // namespace fovea::hw

#endif // FOVEA_DIALECTS_HW_HW_H
