// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The mask `heads`: one of several masks for each query head.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

// heads_c1
LogicalResult HeadsAttr::verifyMask(EmitError emitError, TypeRange operandTypes,
                                    int64_t queryHeads) const {
  if (!llvm::isa<ArgAttr>(getChoice()))
    return emitError() << "expected the class of heads to be a run-time "
                          "number, got "
                       << getChoice() << " [heads_c1]";
  return failure(
      failed(verifyNumber(emitError, getChoice(), operandTypes, queryHeads, 0,
                          "the class of heads", "heads_c1")) ||
      failed(verifyMasks(emitError, getMasks(), 1, "heads", operandTypes,
                         queryHeads)));
}

Value HeadsAttr::expand(MaskBuilder &builder) const {
  Value choice = builder.number(getChoice()), keep;
  for (auto [number, mask] : llvm::enumerate(getMasks())) {
    Value chosen = builder.equal(choice, builder.constant(number));
    Value here = builder.both(
        chosen, llvm::cast<MaskAttrInterface>(mask).expand(builder));
    keep = keep ? builder.either(keep, here) : here;
  }
  return keep;
}

MaskAttrInterface HeadsAttr::simplify() const {
  SmallVector<Attribute> masks;
  for (Attribute mask : getMasks())
    masks.push_back(llvm::cast<MaskAttrInterface>(mask).simplify());
  return HeadsAttr::get(getContext(), getChoice(), masks);
}

std::optional<bool> HeadsAttr::getConstant() const {
  // Masks that keep everything are no constant: a class may be out of range.
  for (Attribute mask : getMasks())
    if (llvm::cast<MaskAttrInterface>(mask).getConstant() != false)
      return std::nullopt;
  return false;
}

SmallVector<Attribute> HeadsAttr::getArguments() const {
  SmallVector<Attribute> arguments{getChoice()};
  llvm::append_range(arguments, getMasks());
  return arguments;
}

Attribute sel::buildHeads(MLIRContext *context, ArrayRef<Attribute> arguments,
                          EmitError emitError) {
  if (arguments.size() >= 2 && !llvm::isa<StringAttr>(arguments[0]))
    return HeadsAttr::get(context, arguments[0], arguments.drop_front());
  emitError() << "expected heads(%class : tensor<32xi32>, mask, ..) [heads_c1]";
  return {};
}
