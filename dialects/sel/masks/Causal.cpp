// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The mask `causal`.
#include "dialects/kv/Words.h"
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

LogicalResult CausalAttr::verifyMask(EmitError, TypeRange, int64_t) const {
  return success();
}

Value CausalAttr::expand(MaskBuilder &builder) const {
  Value query = builder.query;
  if (getAlignment() == Alignment::top_left)
    query = builder.sub(query, builder.offset());
  return builder.lessEqual(builder.key, query);
}

SmallVector<Attribute> CausalAttr::getArguments() const {
  if (getAlignment() == Alignment::bottom_right)
    return {};
  return {StringAttr::get(getContext(), stringifyAlignment(getAlignment()))};
}

Attribute sel::buildCausal(MLIRContext *context, ArrayRef<Attribute> arguments,
                           EmitError emitError) {
  if (arguments.empty())
    return CausalAttr::get(context, Alignment::bottom_right);
  auto word = dyn_cast<StringAttr>(arguments.front());
  if (arguments.size() > 1 || !word) {
    emitError() << "expected causal or causal(alignment) [causal_c1]";
    return {};
  }
  if (std::optional<Alignment> alignment = symbolizeAlignment(word.getValue()))
    return CausalAttr::get(context, *alignment);
  emitError() << unknownWord("alignment", word, {"bottom_right", "top_left"})
              << " [causal_c1]";
  return {};
}
