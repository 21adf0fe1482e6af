// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sel's types: spelling and verification.
#include "dialects/sel/SelTypes.h"

#include "dialects/kv/KVTypes.h"
#include "dialects/sel/SelDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

#define GET_TYPEDEF_CLASSES
#include "dialects/sel/SelTypes.cpp.inc"

void SelDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/sel/SelTypes.cpp.inc"
      >();
}

template <typename TypeT>
static Type parseBlocks(AsmParser &parser) {
  int64_t queryBlock = 0, unit = 0;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || kv::parseOwner(parser, queryBlock, unit) ||
      parser.parseGreater())
    return {};
  return parser.getChecked<TypeT>(loc, parser.getContext(), queryBlock, unit);
}

template <typename TypeT>
static void printBlocks(AsmPrinter &printer, TypeT type) {
  printer << "<";
  kv::printOwner(printer, type.getQueryBlock(), type.getUnit());
  printer << ">";
}

Type ScoresType::parse(AsmParser &parser) {
  return parseBlocks<ScoresType>(parser);
}
void ScoresType::print(AsmPrinter &printer) const {
  printBlocks(printer, *this);
}
LogicalResult ScoresType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t queryBlock, int64_t unit) {
  return kv::verifyOwner(emitError, queryBlock, unit, "scores_c1");
}

Type LevelsType::parse(AsmParser &parser) {
  return parseBlocks<LevelsType>(parser);
}
void LevelsType::print(AsmPrinter &printer) const {
  printBlocks(printer, *this);
}
LogicalResult LevelsType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t queryBlock, int64_t unit) {
  if (unit == kv::pageUnit)
    return emitError() << "expected a level map to have units of keys, got "
                          "pages [levels_c1]";
  return kv::verifyOwner(emitError, queryBlock, unit, "levels_c1");
}
