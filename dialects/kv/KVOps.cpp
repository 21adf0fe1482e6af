// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// kv's ops: verification.
#include "dialects/kv/KVOps.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace fovea::kv;

#define GET_OP_CLASSES
#include "dialects/kv/KVOps.cpp.inc"

LogicalResult EncodeOp::verify() {
  RankedTensorType input = getInput().getType();
  RankedTensorType output = getOutput().getType();
  // encode_c1
  if (input.getEncoding() || !getFormat(output))
    return emitOpError() << "expected input to be plain and output to have a "
                            "number format, got "
                         << input << " and " << output << " [encode_c1]";
  // encode_c2
  if (input.getShape() != output.getShape() ||
      input.getElementType() != output.getElementType())
    return emitOpError() << "expected input and output to agree in shape and "
                            "element type, got "
                         << input << " and " << output << " [encode_c2]";
  return success();
}
