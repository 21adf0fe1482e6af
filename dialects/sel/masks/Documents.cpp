// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The mask `documents`.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

// documents_c1
LogicalResult DocumentsAttr::verifyMask(EmitError emitError,
                                        TypeRange operandTypes, int64_t) const {
  auto argument = llvm::dyn_cast<ArgAttr>(getIds());
  if (!argument || argument.getIndex() >= operandTypes.size())
    return emitError() << "expected the ids of documents to be an operand, got "
                       << getIds() << " [documents_c1]";
  Type type = operandTypes[argument.getIndex()];
  auto table = llvm::dyn_cast<RankedTensorType>(type);
  if (!table || table.getEncoding() || table.getRank() < 1 ||
      table.getRank() > 2 || !table.getElementType().isInteger(32))
    return emitError() << "expected the ids of documents to be a tensor<?xi32> "
                          "by token or a tensor<?x?xi32> by batch and token, "
                          "got "
                       << type << " [documents_c1]";
  return success();
}

Value DocumentsAttr::expand(MaskBuilder &builder) const {
  unsigned ids = llvm::cast<ArgAttr>(getIds()).getIndex();
  bool perBatch =
      llvm::cast<ShapedType>(builder.operandType(ids)).getRank() == 2;
  auto idOf = [&](Value token) {
    return perBatch ? builder.load(ids, {builder.batch, token})
                    : builder.load(ids, token);
  };
  Value queryId = idOf(builder.query);
  return builder.equal(queryId, idOf(builder.key));
}

SmallVector<Attribute> DocumentsAttr::getArguments() const {
  return {getIds()};
}

Attribute sel::buildDocuments(MLIRContext *context,
                              ArrayRef<Attribute> arguments,
                              EmitError emitError) {
  if (arguments.size() == 1 && llvm::isa<ArgAttr>(arguments[0]))
    return DocumentsAttr::get(context, arguments[0]);
  emitError() << "expected documents(%ids : tensor<?xi32>) [documents_c1]";
  return {};
}
