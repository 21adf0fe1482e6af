// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Types of the tile dialect: printing and parsing of shapes with formats.
#include "dialects/tile/Tile.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fovea::tile;

#define GET_TYPEDEF_CLASSES
#include "dialects/tile/TileTypes.cpp.inc"

void TileDialect::registerTileTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/tile/TileTypes.cpp.inc"
      >();
}

/// `? x 8 x 128 x f32 (, format)?`
static ParseResult parseShaped(AsmParser &p, SmallVectorImpl<int64_t> &shape,
                               Type &element, Attribute &format,
                               bool allowDynamic) {
  if (p.parseLess() || p.parseDimensionList(shape, allowDynamic) ||
      p.parseType(element))
    return failure();
  if (succeeded(p.parseOptionalComma()) && p.parseAttribute(format))
    return failure();
  return p.parseGreater();
}

static void printShaped(AsmPrinter &p, ArrayRef<int64_t> shape, Type element,
                        Attribute format) {
  p << "<";
  p.printDimensionList(shape);
  if (!shape.empty())
    p << "x";
  p << element;
  if (format)
    p << ", " << format;
  p << ">";
}

Type ViewType::parse(AsmParser &p) {
  SmallVector<int64_t> shape;
  Type element;
  Attribute format;
  if (parseShaped(p, shape, element, format, /*allowDynamic=*/true))
    return {};
  return get(p.getContext(), shape, element, format);
}

void ViewType::print(AsmPrinter &p) const {
  printShaped(p, getShape(), getElementType(), getFormat());
}

Type CodedType::parse(AsmParser &p) {
  SmallVector<int64_t> shape;
  Type element;
  Attribute format;
  if (parseShaped(p, shape, element, format, /*allowDynamic=*/false))
    return {};
  if (shape.size() != 2) {
    p.emitError(p.getNameLoc())
        << "expected coded tile of rank 2, got rank " << shape.size();
    return {};
  }
  return get(p.getContext(), shape[0], shape[1], element, format);
}

void CodedType::print(AsmPrinter &p) const {
  printShaped(p, {getRows(), getChan()}, getElementType(), getFormat());
}

Type StateType::parse(AsmParser &p) {
  SmallVector<int64_t> shape;
  if (p.parseLess() ||
      p.parseDimensionList(shape, /*allowDynamic=*/false,
                           /*withTrailingX=*/false) ||
      p.parseGreater())
    return {};
  if (shape.size() != 2) {
    p.emitError(p.getNameLoc())
        << "expected state of rank 2, got rank " << shape.size();
    return {};
  }
  return get(p.getContext(), shape[0], shape[1]);
}

void StateType::print(AsmPrinter &p) const {
  p << "<" << getRows() << "x" << getChan() << ">";
}
