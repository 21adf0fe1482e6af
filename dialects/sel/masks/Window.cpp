// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The mask `window`.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

// window_c1
LogicalResult WindowAttr::verifyMask(EmitError emitError,
                                     TypeRange operandTypes,
                                     int64_t queryHeads) const {
  if (!getRight())
    return verifyNumber(emitError, getLeft(), operandTypes, queryHeads, 1,
                        "the length of the window", "window_c1");
  if (!isInfinite(getLeft()) &&
      failed(verifyNumber(emitError, getLeft(), operandTypes, queryHeads, 0,
                          "the left side of the window", "window_c1")))
    return failure();
  return isInfinite(getRight())
             ? success()
             : verifyNumber(emitError, getRight(), operandTypes, queryHeads, 0,
                            "the right side of the window", "window_c1");
}

Value WindowAttr::expand(MaskBuilder &builder) const {
  if (!getRight()) {
    // n keys that end with the query's own: q - n < k <= q.
    Value before = builder.sub(builder.query, builder.number(getLeft()));
    return builder.both(builder.lessThan(before, builder.key),
                        builder.lessEqual(builder.key, builder.query));
  }
  Value keep;
  if (!isInfinite(getLeft()))
    keep = builder.lessEqual(
        builder.sub(builder.query, builder.number(getLeft())), builder.key);
  if (!isInfinite(getRight())) {
    Value right = builder.lessEqual(
        builder.key, builder.add(builder.query, builder.number(getRight())));
    keep = keep ? builder.both(keep, right) : right;
  }
  return keep ? keep : builder.truth(true);
}

MaskAttrInterface WindowAttr::simplify() const {
  // window(inf, 0) hides the future and nothing else.
  auto right = dyn_cast_if_present<IntegerAttr>(getRight());
  if (isInfinite(getLeft()) && right && right.getInt() == 0)
    return CausalAttr::get(getContext(), Alignment::bottom_right);
  return *this;
}

std::optional<bool> WindowAttr::getConstant() const {
  if (isInfinite(getLeft()) && isInfinite(getRight()))
    return true;
  return std::nullopt;
}

SmallVector<Attribute> WindowAttr::getArguments() const {
  if (!getRight())
    return {getLeft()};
  return {getLeft(), getRight()};
}

Attribute sel::buildWindow(MLIRContext *context, ArrayRef<Attribute> arguments,
                           EmitError emitError) {
  if (arguments.size() == 1 && !isa<StringAttr>(arguments[0]))
    return WindowAttr::get(context, arguments[0], Attribute());
  bool sides = arguments.size() == 2;
  for (Attribute side : arguments)
    sides &= !isa<StringAttr>(side) || isInfinite(side);
  if (sides)
    return WindowAttr::get(context, arguments[0], arguments[1]);
  emitError() << "expected window(n) or window(l, r), where l and r are "
                 "numbers or inf [window_c1]";
  return {};
}
