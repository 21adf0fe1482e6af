// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn's ops: spelling. Verification is in AttnVerify.cpp.
#include "dialects/attn/AttnOps.h"

#include "dialects/kv/Words.h"
#include "dialects/sel/Clauses.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::attn;
using namespace fovea::sel;

#include "dialects/attn/AttnEnums.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/attn/AttnOps.cpp.inc"

/// Reads `(softcap(50.0), alibi(%s : tensor<32xf32>))`.
static ParseResult parseModifiers(OpAsmParser &parser, ClauseOperands &operands,
                                  ArrayAttr &modifiers) {
  SmallVector<Attribute> list;
  auto parseOne = [&]() -> ParseResult {
    SMLoc loc = parser.getCurrentLocation();
    StringRef word;
    SmallVector<StringRef> legal;
    for (const ScoreWord &entry : scoreWords())
      legal.push_back(entry.word);
    if (parser.parseKeyword(&word))
      return failure();
    const ScoreWord *entry = llvm::find_if(
        scoreWords(), [&](const ScoreWord &w) { return w.word == word; });
    if (entry == scoreWords().end())
      return parser.emitError(loc, unknownWord("score modifier", word, legal));
    SmallVector<Attribute> arguments;
    if (parseArguments(parser, operands, arguments))
      return failure();
    if (arguments.size() != 1 || isa<StringAttr>(arguments[0]))
      return parser.emitError(loc)
             << "expected '" << word << "' to have one number or tensor";
    list.push_back(entry->build(arguments[0]));
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseOne))
    return failure();
  if (list.empty())
    return parser.emitError(parser.getNameLoc(),
                            "expected 'score' to have a modifier");
  modifiers = parser.getBuilder().getArrayAttr(list);
  return success();
}

/// Reads a region where a `{` follows, otherwise what `parseSugar` reads.
static ParseResult parseRegionOr(OpAsmParser &parser, Region &region,
                                 function_ref<ParseResult()> parseSugar) {
  OptionalParseResult result = parser.parseOptionalRegion(region);
  return result.has_value() ? *result : parseSugar();
}

/// Reads `(%t : type, halves)`.
static ParseResult parseRope(OpAsmParser &parser, ClauseOperands &table,
                             RopePairsAttr &pairs) {
  StringRef word;
  if (parser.parseLParen() ||
      parser.parseOperand(table.operands.emplace_back()) ||
      parser.parseColonType(table.types.emplace_back()) || parser.parseComma())
    return failure();
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word))
    return failure();
  std::optional<RopePairs> kind = symbolizeRopePairs(word);
  if (!kind)
    return parser.emitError(loc, unknownWord("rule of rotation", word,
                                             {"halves", "pairs"},
                                             "rules of rotation"));
  pairs = RopePairsAttr::get(parser.getContext(), *kind);
  return parser.parseRParen();
}

/// Reads `(grid(45, 80), box(8, 16))`.
static ParseResult parseOrder(OpAsmParser &parser, OrderAttr &order) {
  SmallVector<int64_t> grid, box;
  auto list = [&](StringRef wanted,
                  SmallVectorImpl<int64_t> &extents) -> ParseResult {
    SMLoc loc = parser.getCurrentLocation();
    StringRef word;
    if (parser.parseKeyword(&word))
      return failure();
    if (word != wanted)
      return parser.emitError(
          loc, unknownWord("part of an order", word, {wanted}, "parts"));
    return parseIntegers(parser, extents);
  };
  if (parser.parseLParen() || failed(list("grid", grid)))
    return failure();
  if (succeeded(parser.parseOptionalComma()) && failed(list("box", box)))
    return failure();
  order = OrderAttr::get(parser.getContext(), grid, box);
  return parser.parseRParen();
}

template <typename OpT>
static ParseResult parseAttention(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::UnresolvedOperand> main;
  ClauseOperands mask, score, list, levels, offset, lengths, rope, sink;
  Attribute maskAttr;
  ArrayAttr scoreAttr;
  FloatAttr scale;
  RopePairsAttr ropePairs;
  OrderAttr order;
  FunctionType type;
  Region &maskRegion = *result.addRegion();
  Region &scoreRegion = *result.addRegion();
  Region &probRegion = *result.addRegion();

  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseOperandList(main))
    return failure();
  ClauseParser clauses(parser);
  auto addOperand = [&](StringRef word, ClauseOperands &operands) {
    clauses.add(word, [&] { return parseTypedOperand(parser, operands); });
  };
  addOperand("over", list);
  addOperand("levels", levels);
  addOperand("offset", offset);
  addOperand("lengths", lengths);
  addOperand("sink_logits", sink);
  clauses.add("mask", [&] {
    return parseRegionOr(parser, maskRegion,
                         [&] { return parseMask(parser, mask, maskAttr); });
  });
  clauses.add("score", [&] {
    return parseRegionOr(parser, scoreRegion, [&] {
      return parseModifiers(parser, score, scoreAttr);
    });
  });
  clauses.add("prob", [&] { return parser.parseRegion(probRegion); });
  clauses.add("scale", [&] { return parseDoubleInParens(parser, scale); });
  clauses.add("rope", [&] { return parseRope(parser, rope, ropePairs); });
  clauses.add("order", [&] { return parseOrder(parser, order); });
  if (clauses.parse() || parser.parseOptionalAttrDict(result.attributes) ||
      parser.parseColonType(type))
    return failure();

  if (ropePairs)
    result.addAttribute("ropePairs", ropePairs);
  if (order)
    result.addAttribute("order", order);
  if (maskAttr)
    result.addAttribute("mask", maskAttr);
  if (scoreAttr)
    result.addAttribute("score", scoreAttr);
  if (scale)
    result.addAttribute("scale", scale);
  result.addTypes(type.getResults());
  if (parser.resolveOperands(main, type.getInputs(), loc, result.operands))
    return failure();
  SmallVector<int32_t> segments = {1, static_cast<int32_t>(main.size()) - 1};
  for (ClauseOperands *clause :
       {&mask, &score, &list, &levels, &offset, &lengths, &rope, &sink}) {
    if (parser.resolveOperands(clause->operands, clause->types, loc,
                               result.operands))
      return failure();
    segments.push_back(static_cast<int32_t>(clause->operands.size()));
  }
  result.addAttribute(OpT::getOperandSegmentSizeAttr(),
                      parser.getBuilder().getDenseI32ArrayAttr(segments));
  return success();
}

static void printModifiers(OpAsmPrinter &printer, ArrayAttr modifiers,
                           OperandRange operands) {
  printer << " score(";
  llvm::interleaveComma(modifiers, printer, [&](Attribute attribute) {
    auto modifier = cast<ScoreAttrInterface>(attribute);
    printer << modifier.getWord();
    printArguments(printer, modifier.getArguments(), operands);
  });
  printer << ")";
}

static void printRegion(OpAsmPrinter &printer, StringRef word, Region &region) {
  if (region.empty())
    return;
  printer << " " << word << " ";
  printer.printRegion(region);
}

static void printAttention(OpAsmPrinter &printer, AttentionOpInterface op) {
  printer << " " << op.getQuery();
  for (Value source : op.getSource())
    printer << ", " << source;
  if (op.getList())
    printTypedOperand(printer, "over", op.getList());
  if (op.getLevels())
    printTypedOperand(printer, "levels", op.getLevels());
  if (MaskAttrInterface mask = op.getMaskAttr()) {
    printer << " mask(";
    printMask(printer, mask, op.getMaskOperands());
    printer << ")";
  }
  printRegion(printer, "mask", op.getMaskRegion());
  if (ArrayAttr modifiers = op.getScoreAttr())
    printModifiers(printer, modifiers, op.getScoreOperands());
  printRegion(printer, "score", op.getScoreRegion());
  printRegion(printer, "prob", op.getProbRegion());
  if (FloatAttr scale = op.getScaleAttr()) {
    printer << " scale(";
    printDouble(printer.getStream(), scale.getValueAsDouble());
    printer << ")";
  }
  if (op.getOffset())
    printTypedOperand(printer, "offset", op.getOffset());
  if (op.getLengths())
    printTypedOperand(printer, "lengths", op.getLengths());
  if (Value rope = op.getRope())
    printer << " rope(" << rope << " : " << rope.getType() << ", "
            << stringifyRopePairs(*op.getRopePairs()) << ")";
  if (OrderAttr order = op.getOrderAttr()) {
    auto list = [&](StringRef word, ArrayRef<int64_t> extents) {
      printer << word << "(";
      llvm::interleaveComma(extents, printer);
      printer << ")";
    };
    printer << " order(";
    list("grid", order.getGrid());
    if (!order.getBox().empty())
      list(", box", order.getBox());
    printer << ")";
  }
  if (Value sink = op.getSinkLogits())
    printTypedOperand(printer, "sink_logits", sink);
  printer.printOptionalAttrDict(op->getDiscardableAttrDictionary().getValue());
  printer << " : (" << op.getQuery().getType();
  for (Value source : op.getSource())
    printer << ", " << source.getType();
  printer << ")";
  printer.printArrowTypeList(op->getResultTypes());
}

ParseResult AttentionOp::parse(OpAsmParser &parser, OperationState &result) {
  return parseAttention<AttentionOp>(parser, result);
}

void AttentionOp::print(OpAsmPrinter &printer) {
  printAttention(printer, *this);
}

ParseResult PartialOp::parse(OpAsmParser &parser, OperationState &result) {
  return parseAttention<PartialOp>(parser, result);
}

void PartialOp::print(OpAsmPrinter &printer) { printAttention(printer, *this); }

//===----------------------------------------------------------------------===//
// attn.merge
//===----------------------------------------------------------------------===//

ParseResult MergeOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::UnresolvedOperand> parts;
  SmallVector<Type> types;
  StringRef word;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word))
    return failure();
  if (word != "lse")
    return parser.emitError(loc, unknownWord("merge", word, {"lse"}));
  auto parseParts = [&] {
    return parser.parseOperandList(parts, AsmParser::Delimiter::Paren);
  };
  auto parseTypes = [&] {
    return parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, [&] {
      return parser.parseType(types.emplace_back());
    });
  };
  return failure(parser.parseCommaSeparatedList(parseParts) ||
                 parser.parseOptionalAttrDict(result.attributes) ||
                 parser.parseColon() ||
                 parser.parseCommaSeparatedList(parseTypes) ||
                 parser.parseArrowTypeList(result.types) ||
                 parser.resolveOperands(parts, types, loc, result.operands));
}

void MergeOp::print(OpAsmPrinter &printer) {
  printer << " lse";
  auto printGroups = [&](auto printOne) {
    for (unsigned i = 0; i < getParts().size(); ++i) {
      printer << (i % 3 == 0 ? "(" : "");
      printOne(getParts()[i]);
      bool last = i + 1 == getParts().size();
      printer << (i % 3 == 2 || last ? ")" : "") << (last ? "" : ", ");
    }
  };
  printGroups([&](Value part) { printer << part; });
  printer.printOptionalAttrDict(
      (*this)->getDiscardableAttrDictionary().getValue());
  printer << " : ";
  printGroups([&](Value part) { printer << part.getType(); });
  printer.printArrowTypeList(getResultTypes());
}
