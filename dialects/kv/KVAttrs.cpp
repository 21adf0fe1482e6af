// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The number formats: spelling, parts, what they may encode.
#include "dialects/kv/KVAttrs.h"

#include "dialects/kv/KVDialect.h"
#include "dialects/kv/Words.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::kv;

#include "dialects/kv/KVAttrInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/kv/KVAttrs.cpp.inc"

void KVDialect::registerFormats() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/kv/KVAttrs.cpp.inc"
      >();
}

FormatAttrInterface kv::getFormat(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? dyn_cast_if_present<FormatAttrInterface>(tensor.getEncoding())
                : FormatAttrInterface();
}

/// What every format demands of the tensor it encodes [format_c1].
static LogicalResult
verifyCodedTensor(ArrayRef<int64_t> shape, Type elementType,
                  function_ref<InFlightDiagnostic()> emitError) {
  // MLIR 19's parser asks about encodings before it looks whether the element
  // type, which it has refused with a message by now, could be read.
  if (!elementType)
    return failure();
  if (shape.size() != 4)
    return emitError() << "expected a coded tensor to have rank 4, got rank "
                       << shape.size() << " [format_c1]";
  if (ShapedType::isDynamic(shape[1]) || ShapedType::isDynamic(shape[3]))
    return emitError() << "expected heads and chan of a coded tensor to be "
                          "static [format_c1]";
  if (!isa<Float32Type, Float16Type, BFloat16Type>(elementType))
    return emitError() << "expected the element type of a coded tensor to be "
                          "f32, f16 or bf16, got "
                       << elementType << " [format_c1]";
  return success();
}

/// Parses `<per AXIS>` where only the axes in `axes` exist.
static ParseResult parseAxis(AsmParser &parser, ArrayRef<StringRef> axes) {
  StringRef axis;
  if (parser.parseLess() || parser.parseKeyword("per"))
    return failure();
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&axis))
    return failure();
  if (!llvm::is_contained(axes, axis))
    return parser.emitError(loc, unknownWord("axis", axis, axes, "axes"));
  return parser.parseGreater();
}

//===----------------------------------------------------------------------===//
// int8
//===----------------------------------------------------------------------===//

Attribute Int8Attr::parse(AsmParser &parser, Type) {
  if (parseAxis(parser, {"tok"}))
    return {};
  return Int8Attr::get(parser.getContext());
}

void Int8Attr::print(AsmPrinter &printer) const { printer << "<per tok>"; }

Type Int8Attr::getCodeType() const { return IntegerType::get(getContext(), 8); }

Type Int8Attr::getScaleType() const { return Float32Type::get(getContext()); }

SmallVector<FormatPart> Int8Attr::getParts(RankedTensorType type) const {
  ArrayRef<int64_t> shape = type.getShape();
  return {{"codes", getCodeType(), SmallVector<int64_t>(shape)},
          {"scale", getScaleType(), SmallVector<int64_t>(shape.drop_back())}};
}

std::string Int8Attr::getExpansion() const {
  return "element i8 in [-127, 127], scale f32 per token and head = "
         "max |x| / 127, zero 0, rounding to nearest even, no packing, "
         "codes [b, h, tok, chan] and scale [b, h, tok] in two tensors";
}

LogicalResult
Int8Attr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                         function_ref<InFlightDiagnostic()> emitError) const {
  return verifyCodedTensor(shape, elementType, emitError);
}
