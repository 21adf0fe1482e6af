// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Registration of the hw dialect and the syntax of a kernel.
#include "dialects/hw/Hw.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fovea::hw;

#include "dialects/hw/HwDialect.cpp.inc"
#include "dialects/hw/HwEnums.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/hw/HwOps.cpp.inc"

void HwDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/hw/HwOps.cpp.inc"
      >();
}

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  auto buildType = [](Builder &b, ArrayRef<Type> args, ArrayRef<Type> results,
                      function_interface_impl::VariadicFlag, std::string &) {
    return b.getFunctionType(args, results);
  };
  return function_interface_impl::parseFunctionOp(
      parser, result, /*allowVariadic=*/false,
      getFunctionTypeAttrName(result.name), buildType,
      getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void KernelOp::print(OpAsmPrinter &p) {
  function_interface_impl::printFunctionOp(
      p, *this, /*isVariadic=*/false, getFunctionTypeAttrName(),
      getArgAttrsAttrName(), getResAttrsAttrName());
}
