// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dialect kv: what it registers.
#include "dialects/kv/KVDialect.h"

#include "dialects/kv/KVAttrs.h"
#include "dialects/kv/KVOps.h"
#include "dialects/kv/KVTypes.h"

using namespace mlir;
using namespace fovea::kv;

#include "dialects/kv/KVDialect.cpp.inc"

void KVDialect::initialize() {
  registerFormats();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "dialects/kv/KVOps.cpp.inc"
      >();
}
