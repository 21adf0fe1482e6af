// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Clauses, arguments and mask expressions: reading and printing.
//
//   expression := conjunction ('or' conjunction)*
//   conjunction := factor ('and' factor)*
//   factor := 'not' factor | '(' expression ')' | word [arguments]
//           | word '(' argument (',' expression)* ')'
//   argument := number | word | operand ':' type | word arguments
#include "dialects/sel/Clauses.h"

#include "dialects/kv/Words.h"
#include "dialects/sel/masks/Masks.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>
#include <cstdlib>

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

//===----------------------------------------------------------------------===//
// Clauses
//===----------------------------------------------------------------------===//

ParseResult ClauseParser::parse() {
  while (true) {
    StringRef word;
    SMLoc loc = parser.getCurrentLocation();
    if (failed(parser.parseOptionalKeyword(&word)))
      return success();
    Clause *clause =
        llvm::find_if(clauses, [&](const Clause &c) { return c.word == word; });
    if (clause == clauses.end()) {
      SmallVector<StringRef> legal;
      for (const Clause &c : clauses)
        legal.push_back(c.word);
      llvm::sort(legal);
      return parser.emitError(loc, unknownWord("clause", word, legal));
    }
    if (clause->seen)
      return parser.emitError(loc)
             << "expected the clause '" << word << "' only once";
    clause->seen = true;
    if (clause->parse())
      return failure();
  }
}

bool ClauseParser::has(StringRef word) const {
  return llvm::any_of(
      clauses, [&](const Clause &c) { return c.seen && c.word == word; });
}

ParseResult sel::parseTypedOperand(OpAsmParser &parser,
                                   ClauseOperands &operands) {
  return failure(parser.parseLParen() ||
                 parser.parseOperand(operands.operands.emplace_back()) ||
                 parser.parseColonType(operands.types.emplace_back()) ||
                 parser.parseRParen());
}

void sel::printTypedOperand(OpAsmPrinter &printer, StringRef word,
                            Value operand) {
  printer << " " << word << "(" << operand << " : " << operand.getType() << ")";
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

ParseResult sel::parseDouble(AsmParser &parser, double &value) {
  SMLoc loc = parser.getCurrentLocation();
  Attribute literal;
  OptionalParseResult result = parser.parseOptionalAttribute(literal);
  if (result.has_value() && failed(*result))
    return failure();
  if (auto number = dyn_cast_if_present<FloatAttr>(literal)) {
    value = number.getValueAsDouble();
    return success();
  }
  if (auto number = dyn_cast_if_present<IntegerAttr>(literal)) {
    value = static_cast<double>(number.getInt());
    return success();
  }
  return parser.emitError(loc, "expected a number");
}

void sel::printDouble(raw_ostream &stream, double value) {
  // Infinities and NaN do not verify, but are printed when they are reported.
  if (!std::isfinite(value)) {
    stream << value;
    return;
  }
  char text[64];
  int digits = 1;
  for (; digits < 17; ++digits) {
    snprintf(text, sizeof(text), "%.*e", digits - 1, value);
    if (strtod(text, nullptr) == value)
      break;
  }
  snprintf(text, sizeof(text), "%.*e", digits - 1, value);
  auto [mantissa, exponent] = StringRef(text).split('e');
  int power = atoi(exponent.str().c_str());
  // Numbers of everyday size without an exponent, as people write them.
  if (power >= -5 && power < 16) {
    snprintf(text, sizeof(text), "%.*f", std::max(digits - 1 - power, 1),
             value);
    stream << text;
    return;
  }
  // MLIR's lexer wants a point in a floating-point literal.
  stream << mantissa << (mantissa.contains('.') ? "" : ".0") << "e" << power;
}

ParseResult sel::parseDoubleInParens(AsmParser &parser, FloatAttr &value) {
  double number = 0;
  if (parser.parseLParen() || parseDouble(parser, number) ||
      parser.parseRParen())
    return failure();
  value = parser.getBuilder().getF64FloatAttr(number);
  return success();
}

ParseResult sel::parseIntegers(AsmParser &parser,
                               SmallVectorImpl<int64_t> &values) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, [&] {
    return parser.parseInteger(values.emplace_back());
  });
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

static ParseResult parseArgument(OpAsmParser &parser, ClauseOperands &operands,
                                 Attribute &argument,
                                 ArrayRef<StringRef> groups = {}) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef word;
  if (succeeded(parser.parseOptionalKeyword(&word))) {
    SmallVector<Attribute> members;
    auto parseMember = [&] {
      // group_c1
      if (!llvm::is_contained(groups, word))
        return ParseResult(parser.emitError(loc)
                           << unknownWord("group", word, groups)
                           << " [group_c1]");
      return parseArgument(parser, operands, members.emplace_back());
    };
    if (parser.parseCommaSeparatedList(AsmParser::Delimiter::OptionalParen,
                                       parseMember))
      return failure();
    if (members.empty())
      argument = parser.getBuilder().getStringAttr(word);
    else
      argument = GroupAttr::get(parser.getContext(), word, members);
    return success();
  }
  OpAsmParser::UnresolvedOperand operand;
  OptionalParseResult isOperand = parser.parseOptionalOperand(operand);
  if (isOperand.has_value()) {
    if (failed(*isOperand) ||
        parser.parseColonType(operands.types.emplace_back()))
      return failure();
    argument = ArgAttr::get(parser.getContext(), operands.operands.size());
    operands.operands.push_back(operand);
    return success();
  }
  OptionalParseResult isLiteral = parser.parseOptionalAttribute(argument);
  if (isLiteral.has_value() && failed(*isLiteral))
    return failure();
  if (!isLiteral.has_value() || !isa<IntegerAttr, FloatAttr>(argument))
    return parser.emitError(loc,
                            "expected a number, a word or a run-time number "
                            "with its type, as in `%w : index`");
  return success();
}

ParseResult sel::parseArguments(OpAsmParser &parser, ClauseOperands &operands,
                                SmallVectorImpl<Attribute> &arguments,
                                ArrayRef<StringRef> groups) {
  return parser.parseCommaSeparatedList(
      AsmParser::Delimiter::OptionalParen, [&] {
        return parseArgument(parser, operands, arguments.emplace_back(),
                             groups);
      });
}

/// Writes `(arg, arg)` or nothing.
static void spellArguments(raw_ostream &stream, ArrayRef<Attribute> arguments,
                           function_ref<void(unsigned)> printOperand) {
  if (arguments.empty())
    return;
  stream << "(";
  llvm::interleaveComma(arguments, stream, [&](Attribute argument) {
    if (auto word = dyn_cast<StringAttr>(argument))
      stream << word.getValue();
    else if (auto number = dyn_cast<IntegerAttr>(argument))
      stream << number.getInt();
    else if (auto number = dyn_cast<FloatAttr>(argument))
      printDouble(stream, number.getValueAsDouble());
    else if (auto group = dyn_cast<GroupAttr>(argument)) {
      stream << group.getWord();
      spellArguments(stream, group.getArguments(), printOperand);
    } else if (auto mask = dyn_cast<MaskAttrInterface>(argument))
      sel::spellMask(stream, mask, printOperand);
    else
      printOperand(cast<ArgAttr>(argument).getIndex());
  });
  stream << ")";
}

/// Prints operand i with its type; an operand that is missing (in IR that does
/// not verify) is printed by its number.
static void printOperand(OpAsmPrinter &printer, OperandRange operands,
                         unsigned index) {
  if (index < operands.size())
    printer << operands[index] << " : " << operands[index].getType();
  else
    printer << "#sel.arg<" << index << ">";
}

void sel::printArguments(OpAsmPrinter &printer, ArrayRef<Attribute> arguments,
                         OperandRange operands) {
  spellArguments(printer.getStream(), arguments,
                 [&](unsigned i) { printOperand(printer, operands, i); });
}

//===----------------------------------------------------------------------===//
// Mask expressions
//===----------------------------------------------------------------------===//

namespace {
class MaskParser {
public:
  MaskParser(OpAsmParser &parser, ClauseOperands &operands)
      : parser(parser), operands(operands) {}

  ParseResult parseExpression(Attribute &mask) {
    return parseChain<OrAttr>("or", mask, [&](Attribute &next) {
      return parseChain<AndAttr>(
          "and", next, [&](Attribute &factor) { return parseFactor(factor); });
    });
  }

private:
  /// The input is untrusted: its nesting must not exhaust the stack.
  static constexpr unsigned maxDepth = 64;

  template <typename Connective, typename ParseNext>
  ParseResult parseChain(StringRef word, Attribute &mask, ParseNext next) {
    SmallVector<Attribute> masks;
    do {
      if (next(masks.emplace_back()))
        return failure();
    } while (succeeded(parser.parseOptionalKeyword(word)));
    mask = masks.size() == 1 ? masks.front()
                             : Connective::get(parser.getContext(), masks);
    return success();
  }

  ParseResult parseFactor(Attribute &mask) {
    SMLoc loc = parser.getCurrentLocation();
    if (++depth > maxDepth)
      return parser.emitError(loc)
             << "expected a mask nested at most " << maxDepth << " deep";
    ParseResult result = parseOpenFactor(loc, mask);
    --depth;
    return result;
  }

  ParseResult parseOpenFactor(SMLoc loc, Attribute &mask) {
    if (succeeded(parser.parseOptionalLParen()))
      return failure(parseExpression(mask) || parser.parseRParen());
    if (succeeded(parser.parseOptionalKeyword("not"))) {
      Attribute inner;
      if (parseFactor(inner))
        return failure();
      mask = NotAttr::get(parser.getContext(), inner);
      return success();
    }
    StringRef word;
    SmallVector<StringRef> legal;
    for (const MaskWord &entry : maskWords())
      legal.push_back(entry.word);
    if (failed(parser.parseOptionalKeyword(&word)))
      return parser.emitError(loc)
             << "expected a mask; masks are: " << llvm::join(legal, ", ");
    const MaskWord *entry = llvm::find_if(
        maskWords(), [&](const MaskWord &w) { return w.word == word; });
    if (entry == maskWords().end())
      return parser.emitError(loc, unknownWord("mask", word, legal));
    SmallVector<Attribute> arguments;
    if (entry->ofMasks
            ? parseMasks(arguments)
            : parseArguments(parser, operands, arguments, entry->groups))
      return failure();
    mask = entry->build(parser.getContext(), arguments,
                        [&] { return parser.emitError(loc); });
    return success(mask != nullptr);
  }

  /// A number, then masks.
  ParseResult parseMasks(SmallVectorImpl<Attribute> &arguments) {
    if (parser.parseOptionalLParen())
      return success();
    if (parseArgument(parser, operands, arguments.emplace_back()))
      return failure();
    while (succeeded(parser.parseOptionalComma()))
      if (parseExpression(arguments.emplace_back()))
        return failure();
    return parser.parseRParen();
  }

  OpAsmParser &parser;
  ClauseOperands &operands;
  unsigned depth = 0;
};
} // namespace

ParseResult sel::parseMask(OpAsmParser &parser, ClauseOperands &operands,
                           Attribute &mask) {
  return failure(parser.parseLParen() ||
                 MaskParser(parser, operands).parseExpression(mask) ||
                 parser.parseRParen());
}

/// How tightly a mask binds: a mask of a lower or equal strength inside another
/// is put in parentheses.
static unsigned strength(Attribute mask) {
  return isa<OrAttr>(mask) ? 1 : isa<AndAttr>(mask) ? 2 : 3;
}

static void spellWithin(raw_ostream &stream, Attribute inner, unsigned outer,
                        function_ref<void(unsigned)> printOperand) {
  bool parens = strength(inner) <= outer;
  if (parens)
    stream << "(";
  spellMask(stream, cast<MaskAttrInterface>(inner), printOperand);
  if (parens)
    stream << ")";
}

void sel::spellMask(raw_ostream &stream, MaskAttrInterface mask,
                    function_ref<void(unsigned)> printOperand) {
  if (auto inner = dyn_cast<NotAttr>(mask)) {
    stream << "not ";
    return spellWithin(stream, inner.getMask(), 2, printOperand);
  }
  if (isa<AndAttr, OrAttr>(mask))
    return llvm::interleave(
        mask.getArguments(), stream,
        [&](Attribute inner) {
          spellWithin(stream, inner, strength(mask), printOperand);
        },
        (" " + mask.getWord() + " ").str());
  stream << mask.getWord();
  spellArguments(stream, mask.getArguments(), printOperand);
}

void sel::printMask(OpAsmPrinter &printer, MaskAttrInterface mask,
                    OperandRange operands) {
  spellMask(printer.getStream(), mask,
            [&](unsigned i) { printOperand(printer, operands, i); });
}
