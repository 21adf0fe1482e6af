// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The connectives of masks: `and`, `or`, `not`.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

// mask_c7
LogicalResult sel::verifyMasks(EmitError emitError, ArrayRef<Attribute> masks,
                               size_t least, StringRef word,
                               TypeRange operandTypes, int64_t queryHeads) {
  if (masks.size() < least)
    return emitError() << "expected '" << word << "' to have at least " << least
                       << " masks, got " << masks.size() << " [mask_c7]";
  for (Attribute attribute : masks) {
    auto mask = llvm::dyn_cast_if_present<MaskAttrInterface>(attribute);
    if (!mask)
      return emitError() << "expected '" << word << "' to be of masks, got "
                         << attribute << " [mask_c7]";
    if (failed(mask.verifyMask(emitError, operandTypes, queryHeads)))
      return failure();
  }
  return success();
}

LogicalResult AndAttr::verifyMask(EmitError emitError, TypeRange types,
                                  int64_t queryHeads) const {
  return verifyMasks(emitError, getMasks(), 2, "and", types, queryHeads);
}

Value AndAttr::expand(MaskBuilder &builder) const {
  Value keep;
  for (Attribute attribute : getMasks()) {
    Value next = llvm::cast<MaskAttrInterface>(attribute).expand(builder);
    keep = keep ? builder.both(keep, next) : next;
  }
  return keep;
}

SmallVector<Attribute> AndAttr::getArguments() const {
  return SmallVector<Attribute>(getMasks());
}

LogicalResult OrAttr::verifyMask(EmitError emitError, TypeRange types,
                                 int64_t queryHeads) const {
  return verifyMasks(emitError, getMasks(), 2, "or", types, queryHeads);
}

Value OrAttr::expand(MaskBuilder &builder) const {
  Value keep;
  for (Attribute attribute : getMasks()) {
    Value next = llvm::cast<MaskAttrInterface>(attribute).expand(builder);
    keep = keep ? builder.either(keep, next) : next;
  }
  return keep;
}

SmallVector<Attribute> OrAttr::getArguments() const {
  return SmallVector<Attribute>(getMasks());
}

LogicalResult NotAttr::verifyMask(EmitError emitError, TypeRange types,
                                  int64_t queryHeads) const {
  return verifyMasks(emitError, getMask(), 1, "not", types, queryHeads);
}

Value NotAttr::expand(MaskBuilder &builder) const {
  return builder.negate(
      llvm::cast<MaskAttrInterface>(getMask()).expand(builder));
}

SmallVector<Attribute> NotAttr::getArguments() const { return {getMask()}; }

//===----------------------------------------------------------------------===//
// Folds
//===----------------------------------------------------------------------===//

/// The constant of a connective: `absorbing` decides alone, its opposite only
/// if all masks have it.
static std::optional<bool> constantOf(ArrayRef<Attribute> masks,
                                      bool absorbing) {
  bool all = true;
  for (Attribute attribute : masks) {
    std::optional<bool> value =
        llvm::cast<MaskAttrInterface>(attribute).getConstant();
    if (value == absorbing)
      return absorbing;
    all &= value == !absorbing;
  }
  return all ? std::optional<bool>(!absorbing) : std::nullopt;
}

/// Flattens, drops repetitions and masks that do not change the result. A mask
/// that decides alone is all that remains.
template <typename Connective>
static MaskAttrInterface simplifyConnective(Connective connective,
                                            bool absorbing) {
  SmallVector<Attribute> kept;
  SmallVector<Attribute> pending(llvm::reverse(connective.getMasks()));
  Attribute last;
  while (!pending.empty()) {
    MaskAttrInterface mask =
        llvm::cast<MaskAttrInterface>(pending.pop_back_val()).simplify();
    if (auto nested = llvm::dyn_cast<Connective>(mask)) {
      for (Attribute inner : llvm::reverse(nested.getMasks()))
        pending.push_back(inner);
      continue;
    }
    last = mask;
    std::optional<bool> constant = mask.getConstant();
    if (constant == absorbing)
      return mask;
    // Two run-time numbers are never the same #sel.arg, so equal attributes
    // are equal masks.
    if (!constant && !llvm::is_contained(kept, mask))
      kept.push_back(mask);
  }
  if (kept.empty())
    return llvm::cast<MaskAttrInterface>(last);
  if (kept.size() == 1)
    return llvm::cast<MaskAttrInterface>(kept.front());
  return Connective::get(connective.getContext(), kept);
}

MaskAttrInterface AndAttr::simplify() const {
  return simplifyConnective(*this, /*absorbing=*/false);
}

std::optional<bool> AndAttr::getConstant() const {
  return constantOf(getMasks(), /*absorbing=*/false);
}

MaskAttrInterface OrAttr::simplify() const {
  return simplifyConnective(*this, /*absorbing=*/true);
}

std::optional<bool> OrAttr::getConstant() const {
  return constantOf(getMasks(), /*absorbing=*/true);
}

MaskAttrInterface NotAttr::simplify() const {
  MaskAttrInterface inner = llvm::cast<MaskAttrInterface>(getMask()).simplify();
  if (auto twice = llvm::dyn_cast<NotAttr>(inner))
    return llvm::cast<MaskAttrInterface>(twice.getMask());
  return NotAttr::get(getContext(), inner);
}

std::optional<bool> NotAttr::getConstant() const {
  std::optional<bool> inner =
      llvm::cast<MaskAttrInterface>(getMask()).getConstant();
  return inner ? std::optional<bool>(!*inner) : std::nullopt;
}
