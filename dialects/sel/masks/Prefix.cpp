// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The masks that keep the first keys: `sink` and `prefix`.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

/// The first 0 keys are none.
static std::optional<bool> constantOf(Attribute count) {
  auto literal = dyn_cast<IntegerAttr>(count);
  if (literal && literal.getInt() == 0)
    return false;
  return std::nullopt;
}

// sink_c1
LogicalResult SinkAttr::verifyMask(EmitError emitError, TypeRange operandTypes,
                                   int64_t queryHeads) const {
  return verifyNumber(emitError, getCount(), operandTypes, queryHeads, 0,
                      "the number of sinks", "sink_c1");
}

Value SinkAttr::expand(MaskBuilder &builder) const {
  return builder.lessThan(builder.key, builder.number(getCount()));
}

std::optional<bool> SinkAttr::getConstant() const {
  return constantOf(getCount());
}

SmallVector<Attribute> SinkAttr::getArguments() const { return {getCount()}; }

// prefix_c1
LogicalResult PrefixAttr::verifyMask(EmitError emitError,
                                     TypeRange operandTypes,
                                     int64_t queryHeads) const {
  return verifyNumber(emitError, getCount(), operandTypes, queryHeads, 0,
                      "the length of the prefix", "prefix_c1");
}

Value PrefixAttr::expand(MaskBuilder &builder) const {
  return builder.lessThan(builder.key, builder.number(getCount()));
}

std::optional<bool> PrefixAttr::getConstant() const {
  return constantOf(getCount());
}

SmallVector<Attribute> PrefixAttr::getArguments() const { return {getCount()}; }

Attribute sel::buildSink(MLIRContext *context, ArrayRef<Attribute> arguments,
                         EmitError emitError) {
  if (arguments.size() == 1 && !isa<StringAttr>(arguments[0]))
    return SinkAttr::get(context, arguments[0]);
  emitError() << "expected sink(n) [sink_c1]";
  return {};
}

Attribute sel::buildPrefix(MLIRContext *context, ArrayRef<Attribute> arguments,
                           EmitError emitError) {
  if (arguments.size() == 1 && !isa<StringAttr>(arguments[0]))
    return PrefixAttr::get(context, arguments[0]);
  emitError() << "expected prefix(n) [prefix_c1]";
  return {};
}
