// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// kv's types: spelling and verification.
#include "dialects/kv/KVTypes.h"

#include "dialects/kv/KVDialect.h"
#include "dialects/kv/KVInterfaces.h"
#include "dialects/kv/Words.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::kv;

#include "dialects/kv/KVEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/kv/KVTypes.cpp.inc"

void KVDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/kv/KVTypes.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Owners and units
//===----------------------------------------------------------------------===//

ParseResult kv::parseOwner(AsmParser &parser, int64_t &queryBlock,
                           int64_t &unit) {
  if (parser.parseKeyword("per") || parser.parseEqual() ||
      parser.parseLParen() || parser.parseKeyword("b") || parser.parseComma() ||
      parser.parseKeyword("h") || parser.parseComma() ||
      parser.parseKeyword("q") || parser.parseColon() ||
      parser.parseInteger(queryBlock) || parser.parseRParen() ||
      parser.parseComma() || parser.parseKeyword("unit") || parser.parseEqual())
    return failure();
  StringRef word;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word))
    return failure();
  if (word == "page") {
    unit = pageUnit;
    return success();
  }
  if (word != "k")
    return parser.emitError(loc, unknownWord("unit", word, {"k", "page"}));
  if (parser.parseColon() || parser.parseInteger(unit))
    return failure();
  if (unit == pageUnit)
    unit = 0; // as wrong, and not a word
  return success();
}

void kv::printOwner(AsmPrinter &printer, int64_t queryBlock, int64_t unit) {
  printer << "per = (b, h, q : " << queryBlock << "), unit = ";
  if (unit == pageUnit)
    printer << "page";
  else
    printer << "k : " << unit;
}

LogicalResult kv::verifyOwner(function_ref<InFlightDiagnostic()> emitError,
                              int64_t queryBlock, int64_t unit,
                              StringRef label) {
  if (unit == pageUnit) {
    if (queryBlock != 1)
      return emitError() << "expected units of pages to come with q : 1, got q "
                            ": "
                         << queryBlock << " [" << label << "]";
    return success();
  }
  if (queryBlock < 1 || unit < 1)
    return emitError() << "expected the query block and the unit to be at "
                          "least 1, got "
                       << queryBlock << " and " << unit << " [" << label << "]";
  return success();
}

//===----------------------------------------------------------------------===//
// !kv.pyramid
//===----------------------------------------------------------------------===//

LogicalResult kv::verifyLevels(function_ref<InFlightDiagnostic()> emitError,
                               ArrayRef<int64_t> levels) {
  bool ascending = !levels.empty() && levels.front() == 1;
  for (size_t i = 0; i < levels.size(); ++i) {
    ascending &= levels[i] > 0 && llvm::isPowerOf2_64(levels[i]);
    ascending &= i == 0 || levels[i - 1] < levels[i];
    // A level is an i8 in a level map.
    ascending &= levels[i] <= 64;
  }
  if (!ascending)
    return emitError() << "expected levels to be ascending powers of two from "
                          "1 to at most 64, got ["
                       << levels << "] [pyramid_c1]";
  return success();
}

LogicalResult PyramidType::verify(function_ref<InFlightDiagnostic()> emitError,
                                  ArrayRef<int64_t> levels,
                                  RankedTensorType key,
                                  RankedTensorType value) {
  if (failed(verifyLevels(emitError, levels)))
    return failure();
  for (RankedTensorType type : {key, value}) {
    if (type.getRank() != 4 || getFormat(type) ||
        !llvm::isa<Float32Type, Float16Type, BFloat16Type>(
            type.getElementType()))
      return emitError() << "expected the pyramid to be of rank 4 tensors of "
                            "f32, f16 or bf16, got "
                         << type << " [pyramid_c2]";
    if (type.isDynamicDim(1) || type.isDynamicDim(3))
      return emitError() << "expected the pyramid's heads and dim to be "
                            "static, got "
                         << type << " [pyramid_c2]";
  }
  if (key.getShape().drop_back() != value.getShape().drop_back())
    return emitError() << "expected the pyramid's keys and values to agree in "
                          "batch, heads and length, got "
                       << key << " and " << value << " [pyramid_c2]";
  return success();
}

Type PyramidType::parse(AsmParser &parser) {
  SmallVector<int64_t> levels;
  RankedTensorType key, value;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseKeyword("levels") ||
      parser.parseEqual() ||
      parser.parseCommaSeparatedList(
          AsmParser::Delimiter::Square,
          [&] { return parser.parseInteger(levels.emplace_back()); }) ||
      parser.parseComma() || parser.parseKeyword("of") || parser.parseEqual())
    return {};
  if (succeeded(parser.parseOptionalLParen())) {
    if (parser.parseType(key) || parser.parseComma() ||
        parser.parseType(value) || parser.parseRParen())
      return {};
  } else {
    if (parser.parseType(key))
      return {};
    value = key;
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<PyramidType>(loc, parser.getContext(), levels, key,
                                        value);
}

void PyramidType::print(AsmPrinter &printer) const {
  printer << "<levels = [" << getLevels() << "], of = ";
  if (getKey() == getValue())
    printer << getKey() << ">";
  else
    printer << "(" << getKey() << ", " << getValue() << ")>";
}

//===----------------------------------------------------------------------===//
// !kv.list
//===----------------------------------------------------------------------===//

LogicalResult ListType::verify(function_ref<InFlightDiagnostic()> emitError,
                               int64_t queryBlock, int64_t unit, ListOrder) {
  return verifyOwner(emitError, queryBlock, unit, "list_c1");
}

Type ListType::parse(AsmParser &parser) {
  int64_t queryBlock = 0, unit = 0;
  StringRef word;
  SMLoc start = parser.getCurrentLocation();
  if (parser.parseLess() || parseOwner(parser, queryBlock, unit) ||
      parser.parseComma() || parser.parseKeyword("order") ||
      parser.parseEqual())
    return {};
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word))
    return {};
  std::optional<ListOrder> order = symbolizeListOrder(word);
  if (!order) {
    parser.emitError(loc, unknownWord("order", word, {"any", "ascending"}));
    return {};
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<ListType>(start, parser.getContext(), queryBlock,
                                     unit, *order);
}

void ListType::print(AsmPrinter &printer) const {
  printer << "<";
  printOwner(printer, getQueryBlock(), getUnit());
  printer << ", order = " << stringifyListOrder(getOrder()) << ">";
}
