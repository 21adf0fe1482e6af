// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sel's ops: spelling and canonicalisation. Verification is in SelVerify.cpp.
#include "dialects/sel/SelOps.h"
#include "dialects/sel/FoldMaskPattern.h"

#include "dialects/kv/Words.h"
#include "dialects/sel/Clauses.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

#define GET_OP_CLASSES
#include "dialects/sel/SelOps.cpp.inc"

/// Reads `(word)` where only the words in `legal` exist.
static ParseResult parseWord(OpAsmParser &parser, StringRef kind,
                             ArrayRef<StringRef> legal) {
  StringRef word;
  if (parser.parseLParen())
    return failure();
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word))
    return failure();
  if (!llvm::is_contained(legal, word))
    return parser.emitError(loc, unknownWord(kind, word, legal));
  return parser.parseRParen();
}

/// Fails unless `clause` was there.
static ParseResult require(OpAsmParser &parser, const ClauseParser &clauses,
                           StringRef clause) {
  if (clauses.has(clause))
    return success();
  return parser.emitError(parser.getNameLoc())
         << "expected the clause '" << clause << "'";
}

//===----------------------------------------------------------------------===//
// sel.pool
//===----------------------------------------------------------------------===//

ParseResult PoolOp::parse(OpAsmParser &parser, OperationState &result) {
  OpAsmParser::UnresolvedOperand key, value;
  SmallVector<int64_t> levels;
  Type keyType, valueType, outputType;
  if (parser.parseOperand(key) || parser.parseComma() ||
      parser.parseOperand(value))
    return failure();
  ClauseParser clauses(parser);
  clauses.add("levels", [&] { return parseIntegers(parser, levels); });
  clauses.add("reduce",
              [&] { return parseWord(parser, "reduction", {"mean"}); });
  if (clauses.parse() || require(parser, clauses, "levels") ||
      require(parser, clauses, "reduce") ||
      parser.parseOptionalAttrDict(result.attributes) ||
      parser.parseColonType(keyType) || parser.parseComma() ||
      parser.parseType(valueType) || parser.parseArrow() ||
      parser.parseType(outputType))
    return failure();
  result.addAttribute("levels",
                      parser.getBuilder().getDenseI64ArrayAttr(levels));
  result.addTypes(outputType);
  return failure(parser.resolveOperand(key, keyType, result.operands) ||
                 parser.resolveOperand(value, valueType, result.operands));
}

void PoolOp::print(OpAsmPrinter &printer) {
  printer << " " << getKey() << ", " << getValue() << " levels(" << getLevels()
          << ") reduce(mean)";
  printer.printOptionalAttrDict(
      (*this)->getDiscardableAttrDictionary().getValue());
  printer << " : " << getKey().getType() << ", " << getValue().getType()
          << " -> " << getOutput().getType();
}

//===----------------------------------------------------------------------===//
// sel.score
//===----------------------------------------------------------------------===//

ParseResult ScoreOp::parse(OpAsmParser &parser, OperationState &result) {
  OpAsmParser::UnresolvedOperand query, key;
  ClauseOperands masks, offset, lengths;
  Attribute mask;
  FloatAttr scale;
  std::string kept;
  Type queryType, keyType, outputType;
  if (parser.parseOperand(query) || parser.parseComma() ||
      parser.parseOperand(key))
    return failure();
  ClauseParser clauses(parser);
  clauses.add("pooled", [&]() -> ParseResult {
    if (failed(parser.parseOptionalLParen()))
      return success();
    return failure(parser.parseKeywordOrString(&kept) || parser.parseRParen());
  });
  clauses.add("bound", [&] {
    return failure(parser.parseLParen() || parser.parseKeywordOrString(&kept) ||
                   parser.parseRParen());
  });
  clauses.add("mask", [&] { return parseMask(parser, masks, mask); });
  clauses.add("scale", [&] { return parseDoubleInParens(parser, scale); });
  clauses.add("offset", [&] { return parseTypedOperand(parser, offset); });
  clauses.add("lengths", [&] { return parseTypedOperand(parser, lengths); });
  SMLoc loc = parser.getCurrentLocation();
  if (clauses.parse())
    return failure();
  bool bound = clauses.has("bound");
  if (bound == clauses.has("pooled"))
    return parser.emitError(parser.getNameLoc(),
                            "expected exactly one of the clauses 'pooled' and "
                            "'bound'");
  if (parser.parseOptionalAttrDict(result.attributes) ||
      parser.parseColonType(queryType) || parser.parseComma() ||
      parser.parseType(keyType) || parser.parseArrow() ||
      parser.parseType(outputType))
    return failure();
  if (mask)
    result.addAttribute("mask", mask);
  if (scale)
    result.addAttribute("scale", scale);
  if (bound)
    result.addAttribute("bound", parser.getBuilder().getUnitAttr());
  if (!kept.empty())
    result.addAttribute("kept", parser.getBuilder().getStringAttr(kept));
  result.addTypes(outputType);
  auto resolve = [&](ClauseOperands &clause) {
    return parser.resolveOperands(clause.operands, clause.types, loc,
                                  result.operands);
  };
  if (parser.resolveOperand(query, queryType, result.operands) ||
      parser.resolveOperand(key, keyType, result.operands) || resolve(masks) ||
      resolve(offset) || resolve(lengths))
    return failure();
  auto count = [](ClauseOperands &clause) {
    return static_cast<int32_t>(clause.operands.size());
  };
  result.addAttribute(getOperandSegmentSizeAttr(),
                      parser.getBuilder().getDenseI32ArrayAttr(
                          {1, 1, count(masks), count(offset), count(lengths)}));
  return success();
}

void ScoreOp::print(OpAsmPrinter &printer) {
  printer << " " << getQuery() << ", " << getKey()
          << (getBound() ? " bound" : " pooled");
  if (std::optional<StringRef> kept = getKept())
    printer << "(" << *kept << ")";
  if (MaskAttrInterface mask = getMaskAttr()) {
    printer << " mask(";
    printMask(printer, mask, getMaskOperands());
    printer << ")";
  }
  if (FloatAttr scale = getScaleAttr()) {
    printer << " scale(";
    printDouble(printer.getStream(), scale.getValueAsDouble());
    printer << ")";
  }
  if (getOffset())
    printTypedOperand(printer, "offset", getOffset());
  if (getLengths())
    printTypedOperand(printer, "lengths", getLengths());
  printer.printOptionalAttrDict(
      (*this)->getDiscardableAttrDictionary().getValue());
  printer << " : " << getQuery().getType() << ", " << getKey().getType()
          << " -> " << getOutput().getType();
}

void ScoreOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                          MLIRContext *context) {
  patterns.add<FoldMaskPattern<ScoreOp>>(context);
}

//===----------------------------------------------------------------------===//
// sel.choose and sel.assign
//===----------------------------------------------------------------------===//

namespace {
/// What `force(..)` names.
struct Forced {
  bool diagonal = false;
  int64_t first = 0, last = 0;
};
} // namespace

/// Reads `diagonal, first(n), last(n))`.
static ParseResult parseForced(OpAsmParser &parser, Forced &forced) {
  auto parseOne = [&]() -> ParseResult {
    StringRef word;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&word))
      return failure();
    if (word == "diagonal") {
      forced.diagonal = true;
      return success();
    }
    if (word != "first" && word != "last")
      return parser.emitError(
          loc, unknownWord("unit", word, {"diagonal", "first", "last"}));
    int64_t &count = word == "first" ? forced.first : forced.last;
    SmallVector<int64_t> counts;
    if (parseIntegers(parser, counts))
      return failure();
    if (counts.size() != 1 || counts[0] < 1)
      return parser.emitError(loc)
             << "expected '" << word << "' to count at least 1 unit";
    count = counts[0];
    return success();
  };
  return failure(parser.parseCommaSeparatedList(parseOne) ||
                 parser.parseRParen());
}

static void addForced(OpAsmParser &parser, const Forced &forced,
                      OperationState &result) {
  Builder &b = parser.getBuilder();
  if (forced.diagonal)
    result.addAttribute("forceDiagonal", b.getUnitAttr());
  if (forced.first)
    result.addAttribute("forceFirst", b.getI64IntegerAttr(forced.first));
  if (forced.last)
    result.addAttribute("forceLast", b.getI64IntegerAttr(forced.last));
}

static void printForced(OpAsmPrinter &printer, StringRef level,
                        const Forced &forced) {
  if (!forced.diagonal && !forced.first && !forced.last)
    return;
  SmallVector<std::string> words;
  if (forced.diagonal)
    words.push_back("diagonal");
  if (forced.first)
    words.push_back("first(" + std::to_string(forced.first) + ")");
  if (forced.last)
    words.push_back("last(" + std::to_string(forced.last) + ")");
  printer << " force(" << level << llvm::join(words, ", ") << ")";
}

bool ChooseOp::isTopK() {
  if (Value amount = getAmount())
    return !isa<FloatType>(getElementTypeOrSelf(amount.getType()));
  return getTopKAttr() != nullptr;
}

ParseResult ChooseOp::parse(OpAsmParser &parser, OperationState &result) {
  OpAsmParser::UnresolvedOperand scores;
  ClauseOperands amount;
  Forced forced;
  Type scoresType, outputType;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseOperand(scores))
    return failure();
  auto parseAmount = [&](StringRef word) -> ParseResult {
    SMLoc loc = parser.getCurrentLocation();
    SmallVector<Attribute> arguments;
    if (parseArguments(parser, amount, arguments))
      return failure();
    bool top_k = word == "top_k";
    bool good = arguments.size() == 1;
    if (good && isa<ArgAttr>(arguments[0])) {
      // The type of a run-time number is what tells the two rules apart.
      bool real = isa<FloatType>(getElementTypeOrSelf(amount.types.back()));
      if (real == top_k)
        return parser.emitError(loc)
               << "expected the number of '" << word << "' to be "
               << (top_k ? "an integer" : "f32") << ", got "
               << amount.types.back() << " [choose_c5]";
      return success();
    }
    if (good && top_k && isa<IntegerAttr>(arguments[0])) {
      result.addAttribute("topK", arguments[0]);
      return success();
    }
    if (good && !top_k && isa<IntegerAttr, FloatAttr>(arguments[0])) {
      auto integer = dyn_cast<IntegerAttr>(arguments[0]);
      result.addAttribute("topP",
                          integer ? parser.getBuilder().getF64FloatAttr(
                                        static_cast<double>(integer.getInt()))
                                  : arguments[0]);
      return success();
    }
    return parser.emitError(loc) << "expected '" << word << "' to have one "
                                 << (top_k ? "integer" : "number");
  };
  ClauseParser clauses(parser);
  clauses.add("top_k", [&] { return parseAmount("top_k"); });
  clauses.add("top_p", [&] { return parseAmount("top_p"); });
  clauses.add("force", [&] {
    return failure(parser.parseLParen() || parseForced(parser, forced));
  });
  if (clauses.parse())
    return failure();
  // choose_c1
  if (clauses.has("top_k") == clauses.has("top_p"))
    return parser.emitError(loc, "expected exactly one of the clauses 'top_k' "
                                 "and 'top_p' [choose_c1]");
  if (parser.parseOptionalAttrDict(result.attributes) ||
      parser.parseColonType(scoresType) || parser.parseArrow() ||
      parser.parseType(outputType))
    return failure();
  addForced(parser, forced, result);
  result.addTypes(outputType);
  return failure(parser.resolveOperand(scores, scoresType, result.operands) ||
                 parser.resolveOperands(amount.operands, amount.types, loc,
                                        result.operands));
}

void ChooseOp::print(OpAsmPrinter &printer) {
  printer << " " << getScores() << (isTopK() ? " top_k(" : " top_p(");
  if (Value amount = getAmount())
    printer << amount << " : " << amount.getType();
  else if (IntegerAttr topK = getTopKAttr())
    printer << topK.getInt();
  else if (FloatAttr topP = getTopPAttr())
    printDouble(printer.getStream(), topP.getValueAsDouble());
  printer << ")";
  printForced(printer, "",
              {getForceDiagonal(), static_cast<int64_t>(getForceFirst()),
               static_cast<int64_t>(getForceLast())});
  printer.printOptionalAttrDict(
      (*this)->getDiscardableAttrDictionary().getValue());
  printer << " : " << getScores().getType() << " -> " << getOutput().getType();
}

ParseResult ChooseLevelsOp::parse(OpAsmParser &parser, OperationState &result) {
  OpAsmParser::UnresolvedOperand scores;
  SmallVector<int64_t> levels;
  SmallVector<double> topShare;
  Forced forced;
  Type scoresType, outputType;
  if (parser.parseOperand(scores))
    return failure();
  ClauseParser clauses(parser);
  clauses.add("levels", [&] { return parseIntegers(parser, levels); });
  clauses.add("top_share", [&] {
    return parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, [&] {
      return parseDouble(parser, topShare.emplace_back());
    });
  });
  clauses.add("force", [&]() -> ParseResult {
    int64_t level = 0;
    if (parser.parseLParen())
      return failure();
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseInteger(level) || parser.parseColon())
      return failure();
    if (level != 1)
      return parser.emitError(loc) << "expected units to be forced to level 1, "
                                      "got "
                                   << level << " [assign_c5]";
    return parseForced(parser, forced);
  });
  if (clauses.parse() || require(parser, clauses, "levels") ||
      require(parser, clauses, "top_share") ||
      parser.parseOptionalAttrDict(result.attributes) ||
      parser.parseColonType(scoresType) || parser.parseArrow() ||
      parser.parseType(outputType))
    return failure();
  Builder &b = parser.getBuilder();
  result.addAttribute("levels", b.getDenseI64ArrayAttr(levels));
  result.addAttribute("topShare", b.getDenseF64ArrayAttr(topShare));
  addForced(parser, forced, result);
  result.addTypes(outputType);
  return parser.resolveOperand(scores, scoresType, result.operands);
}

void ChooseLevelsOp::print(OpAsmPrinter &printer) {
  printer << " " << getScores() << " levels(" << getLevels() << ") top_share(";
  llvm::interleaveComma(getTopShare(), printer, [&](double share) {
    printDouble(printer.getStream(), share);
  });
  printer << ")";
  printForced(printer, "1 : ",
              {getForceDiagonal(), static_cast<int64_t>(getForceFirst()),
               static_cast<int64_t>(getForceLast())});
  printer.printOptionalAttrDict(
      (*this)->getDiscardableAttrDictionary().getValue());
  printer << " : " << getScores().getType() << " -> " << getOutput().getType();
}

//===----------------------------------------------------------------------===//
// sel.coordinates
//===----------------------------------------------------------------------===//

SmallVector<OpFoldResult> CoordinatesOp::getMixedSizes() {
  Builder b(getContext());
  SmallVector<OpFoldResult> sizes;
  unsigned next = 0;
  for (int64_t size : getStaticSizes())
    if (ShapedType::isDynamic(size))
      sizes.push_back(getSizes()[next++]);
    else
      sizes.push_back(b.getI64IntegerAttr(size));
  return sizes;
}

ParseResult CoordinatesOp::parse(OpAsmParser &parser, OperationState &result) {
  OpAsmParser::UnresolvedOperand token;
  ClauseOperands sizes;
  SmallVector<Attribute> arguments;
  if (parser.parseOperand(token) || parser.parseKeyword("grid"))
    return failure();
  SMLoc loc = parser.getCurrentLocation();
  if (parseArguments(parser, sizes, arguments) ||
      parser.parseOptionalAttrDict(result.attributes))
    return failure();
  Builder &b = parser.getBuilder();
  SmallVector<int64_t> numbers;
  for (Attribute argument : arguments) {
    auto literal = dyn_cast<IntegerAttr>(argument);
    if (!literal && !isa<ArgAttr>(argument))
      return parser.emitError(loc)
             << "expected the sizes of a grid to be integers or index values, "
                "got "
             << argument << " [coordinates_c2]";
    numbers.push_back(literal ? literal.getInt() : ShapedType::kDynamic);
  }
  result.addAttribute("staticSizes", b.getDenseI64ArrayAttr(numbers));
  result.addTypes(SmallVector<Type>(numbers.size(), b.getIndexType()));
  return failure(
      parser.resolveOperand(token, b.getIndexType(), result.operands) ||
      parser.resolveOperands(sizes.operands, sizes.types, loc,
                             result.operands));
}

void CoordinatesOp::print(OpAsmPrinter &printer) {
  Builder b(getContext());
  SmallVector<Attribute> arguments;
  unsigned next = 0;
  for (int64_t size : getStaticSizes())
    arguments.push_back(ShapedType::isDynamic(size)
                            ? Attribute(ArgAttr::get(getContext(), next++))
                            : b.getI64IntegerAttr(size));
  printer << " " << getToken() << " grid";
  printArguments(printer, arguments, getSizes());
  printer.printOptionalAttrDict(
      (*this)->getDiscardableAttrDictionary().getValue());
}
