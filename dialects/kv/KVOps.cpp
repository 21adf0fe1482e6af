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

/// [rows, heads, dim] or [b, heads, rows, dim] as `cache` takes them.
static bool fitsCache(RankedTensorType rows, CacheType cache, int64_t dim) {
  int64_t rank = rows.getRank();
  return (rank == 3 || rank == 4) && !rows.getEncoding() &&
         rows.getElementType() == cache.getNewType() &&
         rows.getDimSize(1) == cache.getHeads() &&
         rows.getDimSize(rank - 1) == dim;
}

LogicalResult AppendOp::verify() {
  CacheType cache = getCache().getType();
  RankedTensorType key = getKey().getType(), value = getValue().getType();
  // append_c1
  if (!fitsCache(key, cache, cache.getKeyDim()) ||
      !fitsCache(value, cache, cache.getValueDim()) ||
      key.getShape().drop_back() != value.getShape().drop_back())
    return emitOpError() << "expected key and value to be [rows, "
                         << cache.getHeads() << ", dim] or [b, "
                         << cache.getHeads() << ", rows, dim] of "
                         << cache.getNewType() << " with dims "
                         << cache.getKeyDim() << " and " << cache.getValueDim()
                         << ", got " << key << " and " << value
                         << " [append_c1]";
  // append_c2
  if (!isa<BlockArgument>(getCache()))
    return emitOpError("expected the cache to be an argument of the kernel "
                       "[append_c2]");
  // append_c3
  if (!getCache().hasOneUse()) {
    InFlightDiagnostic diagnostic =
        emitOpError("expected nothing else to use the cache, which this op "
                    "consumes [append_c3]");
    for (Operation *user : getCache().getUsers())
      if (user != getOperation())
        diagnostic.attachNote(user->getLoc()) << "another use is here";
    return diagnostic;
  }
  // append_c4
  if (llvm::none_of(getOutput().getUsers(), [](Operation *user) {
        return user->hasTrait<OpTrait::IsTerminator>();
      }))
    return emitOpError("expected the kernel to return the cache [append_c4]");
  return success();
}
