// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Masks as attributes: registration, spelling, run-time arguments, folding.
#include "dialects/sel/SelAttrs.h"

#include "dialects/sel/Clauses.h"
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/SelDialect.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

#include "dialects/sel/SelAttrInterfaces.cpp.inc"
#include "dialects/sel/SelEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/sel/SelAttrs.cpp.inc"

void SelDialect::registerMasks() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/sel/SelAttrs.cpp.inc"
      >();
}

std::string sel::spellMask(MaskAttrInterface mask) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  spellMask(stream, mask, [&](unsigned index) { stream << "%" << index; });
  return text;
}

SmallVector<ArgAttr> sel::runtimeArguments(Attribute sugar) {
  SmallVector<ArgAttr> arguments;
  sugar.walk<WalkOrder::PreOrder>(
      [&](ArgAttr argument) { arguments.push_back(argument); });
  return arguments;
}

MaskAttrInterface sel::foldMask(MaskAttrInterface mask) {
  MaskAttrInterface simple = mask.simplify();
  return simple.getConstant() == true ? MaskAttrInterface() : simple;
}

bool sel::isTokenTable(Type type) {
  auto table = dyn_cast<RankedTensorType>(type);
  return table && !table.getEncoding() &&
         (table.getRank() == 1 || table.getRank() == 2) &&
         table.getElementType().isInteger(32);
}

Attribute sel::renumberArguments(Attribute sugar,
                                 SmallVectorImpl<unsigned> &kept) {
  for (ArgAttr argument : runtimeArguments(sugar))
    if (!llvm::is_contained(kept, argument.getIndex()))
      kept.push_back(argument.getIndex());
  AttrTypeReplacer replacer;
  replacer.addReplacement([&](ArgAttr argument) -> Attribute {
    const unsigned *place = llvm::find(kept, argument.getIndex());
    return ArgAttr::get(argument.getContext(), place - kept.begin());
  });
  return replacer.replace(sugar);
}
