// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// !kv.cache: how it is written. Keywords in any order, printed in one.
#include "dialects/kv/KVTypes.h"
#include "dialects/kv/Words.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::kv;

namespace {
/// What has been read of a cache's type.
class CacheParser {
public:
  explicit CacheParser(AsmParser &parser) : parser(parser) {}

  Type parse();

private:
  /// A word of `legal`, or an error that names the nearest one.
  FailureOr<StringRef> parseWord(StringRef kind, ArrayRef<StringRef> legal,
                                 StringRef plural = "");
  ParseResult parseKeyword();
  ParseResult parseDims();
  ParseResult parseLayout(CacheLayout &layout);
  ParseResult parseOneFormat(CacheFormat &format);
  ParseResult parseSegment();
  ParseResult parseKept();

  AsmParser &parser;
  SmallVector<StringRef> seen;
  int64_t heads = 0, keyDim = 0, valueDim = 0;
  CacheLayout layout;
  SmallVector<CacheSegment> segments;
  SmallVector<bool> hasLayout; ///< one per segment
  bool drop = false;
  Type newType;
  CacheRope rope = CacheRope::after;
  SmallVector<CacheKept> kept;
};
} // namespace

/// The default of `new`.
static Type defaultNewType(MLIRContext *context,
                           ArrayRef<CacheSegment> segments) {
  for (const CacheSegment &segment : segments)
    for (const CacheFormat &format : {segment.key, segment.value})
      if (Type plain = format.getPlain())
        return plain;
  return Float32Type::get(context);
}

FailureOr<StringRef> CacheParser::parseWord(StringRef kind,
                                            ArrayRef<StringRef> legal,
                                            StringRef plural) {
  StringRef word;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word))
    return failure();
  if (!llvm::is_contained(legal, word)) {
    parser.emitError(loc, unknownWord(kind, word, legal, plural));
    return failure();
  }
  return word;
}

ParseResult CacheParser::parseDims() {
  if (failed(parser.parseOptionalLParen())) {
    if (parser.parseInteger(keyDim))
      return failure();
    valueDim = keyDim;
    return success();
  }
  return failure(parser.parseInteger(keyDim) || parser.parseComma() ||
                 parser.parseInteger(valueDim) || parser.parseRParen());
}

ParseResult CacheParser::parseLayout(CacheLayout &result) {
  FailureOr<StringRef> word =
      parseWord("layout", {"contiguous", "paged", "ring", "token_major"});
  if (failed(word))
    return failure();
  result = CacheLayout();
  result.ring = *word == "ring";
  result.tokenMajor = *word == "token_major";
  if (*word != "paged")
    return success();
  SMLoc loc;
  if (parser.parseLess() || parser.getCurrentLocation(&loc) ||
      parser.parseInteger(result.pageTokens))
    return failure();
  // In the struct a page of 0 tokens means that there are none.
  if (result.pageTokens < 1)
    return parser.emitError(loc)
           << "expected a page to hold 1 to 65536 tokens, got "
           << result.pageTokens << " [cache_c3]";
  if (succeeded(parser.parseOptionalComma())) {
    if (failed(parseWord("order of a page", {"token_major"})))
      return failure();
    result.tokenMajor = true;
  }
  return parser.parseGreater();
}

ParseResult CacheParser::parseOneFormat(CacheFormat &format) {
  Attribute attribute;
  SMLoc loc = parser.getCurrentLocation();
  // A type alone is an attribute, the type's own.
  if (parser.parseAttribute(attribute))
    return failure();
  if (!isa<TypeAttr, FormatAttrInterface>(attribute))
    return parser.emitError(loc) << "expected a format to be f32, f16, bf16 or "
                                    "a number format, got "
                                 << attribute << " [cache_c7]";
  format = CacheFormat(attribute);
  return success();
}

ParseResult CacheParser::parseSegment() {
  FailureOr<StringRef> word =
      parseWord("segment", {"all", "first", "older", "recent"});
  if (failed(word))
    return failure();
  CacheSegment segment = {*symbolizeSegmentKind(*word), 0, {}, {}, {}};
  SMLoc loc = parser.getCurrentLocation();
  if (succeeded(parser.parseOptionalLParen()) &&
      (parser.parseInteger(segment.tokens) || parser.parseRParen()))
    return failure();
  bool counted = *word == "first" || *word == "recent";
  if (!counted && segment.tokens)
    return parser.emitError(loc)
           << "expected '" << *word << "' to have no count, got "
           << segment.tokens << " [cache_c5]";
  if (parser.parseColon())
    return failure();
  if (succeeded(parser.parseOptionalLParen())) {
    if (parseOneFormat(segment.key) || parser.parseComma() ||
        parseOneFormat(segment.value) || parser.parseRParen())
      return failure();
  } else {
    if (parseOneFormat(segment.key))
      return failure();
    segment.value = segment.key;
  }
  bool own = succeeded(parser.parseOptionalKeyword("in"));
  if (own && parseLayout(segment.layout))
    return failure();
  segments.push_back(segment);
  hasLayout.push_back(own);
  return success();
}

ParseResult CacheParser::parseKept() {
  std::string name;
  if (parser.parseKeywordOrString(&name) || parser.parseEqual())
    return failure();
  FailureOr<StringRef> kind =
      parseWord("metadata", {"mean", "minmax"}, "metadata");
  if (failed(kind) || parser.parseLParen() ||
      failed(parseWord("part", {"k"})) || parser.parseRParen() ||
      parser.parseKeyword("per") || failed(parseWord("unit", {"page"})))
    return failure();
  kept.push_back(
      {StringAttr::get(parser.getContext(), name), *symbolizeKeptKind(*kind)});
  return success();
}

ParseResult CacheParser::parseKeyword() {
  SMLoc loc = parser.getCurrentLocation();
  FailureOr<StringRef> word = parseWord(
      "keyword of a cache",
      {"dim", "else", "heads", "keep", "layout", "new", "rope", "segments"},
      "keywords of a cache");
  if (failed(word))
    return failure();
  if (llvm::is_contained(seen, *word))
    return parser.emitError(loc) << "expected '" << *word << "' once";
  seen.push_back(*word);
  if (parser.parseEqual())
    return failure();
  if (*word == "heads")
    return parser.parseInteger(heads);
  if (*word == "dim")
    return parseDims();
  if (*word == "layout")
    return parseLayout(layout);
  if (*word == "segments")
    return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                          [&] { return parseSegment(); });
  if (*word == "keep")
    return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                          [&] { return parseKept(); });
  if (*word == "new")
    return parser.parseType(newType);
  if (*word == "else") {
    drop = true;
    return failure(failed(parseWord("rule", {"drop"})));
  }
  FailureOr<StringRef> place = parseWord("rope", {"after", "before", "slot"});
  if (failed(place))
    return failure();
  rope = *symbolizeCacheRope(*place);
  return success();
}

Type CacheParser::parse() {
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater,
                                     [&] { return parseKeyword(); }))
    return {};
  for (StringRef word : {"heads", "dim", "segments"})
    if (!llvm::is_contained(seen, word)) {
      parser.emitError(loc)
          << "expected a cache to have '" << word << "' [cache_c1]";
      return {};
    }
  for (auto [segment, own] : llvm::zip_equal(segments, hasLayout)) {
    if (own)
      continue;
    segment.layout = layout;
    // The ring is that of `recent`; the others are as it is, but grow.
    segment.layout.ring &= segment.kind == SegmentKind::recent;
  }
  if (!newType)
    newType = defaultNewType(parser.getContext(), segments);
  return CacheType::getChecked([&] { return parser.emitError(loc); },
                               parser.getContext(), heads, keyDim, valueDim,
                               layout, ArrayRef(segments), drop, newType, rope,
                               ArrayRef(kept));
}

Type CacheType::parse(AsmParser &parser) { return CacheParser(parser).parse(); }

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

static void printLayout(AsmPrinter &printer, const CacheLayout &layout) {
  if (layout.pageTokens)
    printer << "paged<" << layout.pageTokens
            << (layout.tokenMajor ? ", token_major>" : ">");
  else
    printer << (layout.tokenMajor ? "token_major"
                : layout.ring     ? "ring"
                                  : "contiguous");
}

static void printFormat(AsmPrinter &printer, const CacheFormat &format) {
  if (Type plain = format.getPlain())
    printer << plain;
  else
    printer << format.getAttribute();
}

static void printSegment(AsmPrinter &printer, const CacheSegment &segment,
                         CacheLayout inherited) {
  printer << stringifySegmentKind(segment.kind);
  if (segment.tokens)
    printer << "(" << segment.tokens << ")";
  printer << " : ";
  if (segment.key == segment.value) {
    printFormat(printer, segment.key);
  } else {
    printer << "(";
    printFormat(printer, segment.key);
    printer << ", ";
    printFormat(printer, segment.value);
    printer << ")";
  }
  inherited.ring &= segment.kind == SegmentKind::recent;
  if (segment.layout != inherited) {
    printer << " in ";
    printLayout(printer, segment.layout);
  }
}

void CacheType::print(AsmPrinter &printer) const {
  printer << "<heads = " << getHeads() << ", dim = ";
  if (getKeyDim() == getValueDim())
    printer << getKeyDim();
  else
    printer << "(" << getKeyDim() << ", " << getValueDim() << ")";
  if (getLayout() != CacheLayout()) {
    printer << ", layout = ";
    printLayout(printer, getLayout());
  }
  printer << ", segments = [";
  llvm::interleaveComma(getSegments(), printer, [&](const CacheSegment &s) {
    printSegment(printer, s, getLayout());
  });
  printer << "]";
  if (getDrop())
    printer << ", else = drop";
  if (getNewType() != defaultNewType(getContext(), getSegments()))
    printer << ", new = " << getNewType();
  if (getRope() != CacheRope::after)
    printer << ", rope = " << stringifyCacheRope(getRope());
  if (!getKept().empty()) {
    printer << ", keep = [";
    llvm::interleaveComma(getKept(), printer, [&](const CacheKept &k) {
      printer << k.name.getValue() << " = " << stringifyKeptKind(k.kind)
              << "(k) per page";
    });
    printer << "]";
  }
  printer << ">";
}
