// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The mask `tree`: a query sees its ancestors and itself.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

// tree_c1
LogicalResult TreeAttr::verifyMask(EmitError emitError, TypeRange operandTypes,
                                   int64_t) const {
  if (!getParents())
    return success();
  auto argument = llvm::dyn_cast<ArgAttr>(getParents());
  if (!argument || argument.getIndex() >= operandTypes.size())
    return emitError() << "expected the parents of a tree to be an operand, "
                          "got "
                       << getParents() << " [tree_c1]";
  Type type = operandTypes[argument.getIndex()];
  if (!isTokenTable(type))
    return emitError() << "expected the parents of a tree to be a "
                          "tensor<?xi32> by token or a tensor<?x?xi32> by "
                          "batch and token, got "
                       << type << " [tree_c1]";
  return success();
}

Value TreeAttr::expand(MaskBuilder &builder) const {
  if (!getParents())
    return builder.inTree();
  unsigned parents = llvm::cast<ArgAttr>(getParents()).getIndex();
  if (llvm::cast<ShapedType>(builder.operandType(parents)).getRank() == 2)
    return builder.ancestor(parents,
                            {builder.batch, builder.key, builder.query});
  return builder.ancestor(parents, {builder.key, builder.query});
}

SmallVector<Attribute> TreeAttr::getArguments() const {
  if (!getParents())
    return {};
  return {getParents()};
}

Attribute sel::buildTree(MLIRContext *context, ArrayRef<Attribute> arguments,
                         EmitError emitError) {
  if (arguments.empty())
    return TreeAttr::get(context, Attribute());
  if (arguments.size() == 1 && llvm::isa<ArgAttr>(arguments[0]))
    return TreeAttr::get(context, arguments[0]);
  emitError() << "expected tree, or tree(%parents : tensor<?xi32>) [tree_c1]";
  return {};
}
