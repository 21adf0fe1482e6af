// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dialect sel: what it registers.
#include "dialects/sel/SelDialect.h"

#include "dialects/kv/KVDialect.h"
#include "dialects/sel/SelAttrs.h"
#include "dialects/sel/SelOps.h"
#include "dialects/sel/SelTypes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace fovea::sel;

#include "dialects/sel/SelDialect.cpp.inc"

void SelDialect::initialize() {
  registerMasks();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "dialects/sel/SelOps.cpp.inc"
      >();
}
