// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Registration of the tile dialect, and its attributes.
#include "dialects/tile/Tile.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fovea::tile;

#include "dialects/tile/TileDialect.cpp.inc"
#include "dialects/tile/TileEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/tile/TileAttrs.cpp.inc"

void TileDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/tile/TileAttrs.cpp.inc"
      >();
  registerTileTypes();
  addOperations<
#define GET_OP_LIST
#include "dialects/tile/TileOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// ExtentAttr
//===----------------------------------------------------------------------===//

// `<128>` | `<"sk" (of "launch")? (* 2)? (+ 1)? (, div = 64)?>`
Attribute ExtentAttr::parse(AsmParser &p, Type) {
  std::string base, launch;
  int64_t mul = 1, add = 0, div = 1;
  if (p.parseLess())
    return {};
  if (failed(p.parseOptionalString(&base))) {
    if (p.parseInteger(mul) || p.parseGreater())
      return {};
    return get(p.getContext(), "", mul, 0, 1, "");
  }
  if (succeeded(p.parseOptionalKeyword("of")) && p.parseString(&launch))
    return {};
  if (succeeded(p.parseOptionalStar()) && p.parseInteger(mul))
    return {};
  if (succeeded(p.parseOptionalPlus()) && p.parseInteger(add))
    return {};
  if (succeeded(p.parseOptionalComma()) &&
      (p.parseKeyword("div") || p.parseEqual() || p.parseInteger(div)))
    return {};
  if (p.parseGreater())
    return {};
  if (div <= 0) {
    p.emitError(p.getNameLoc()) << "expected div to be positive, got " << div;
    return {};
  }
  return get(p.getContext(), base, mul, add, div, launch);
}

void ExtentAttr::print(AsmPrinter &p) const {
  p << "<";
  if (getBase().empty()) {
    p << getMul() << ">";
    return;
  }
  p << '"' << getBase() << '"';
  if (!getLaunch().empty())
    p << " of \"" << getLaunch() << '"';
  if (getMul() != 1)
    p << " * " << getMul();
  if (getAdd() != 0)
    p << " + " << getAdd();
  if (getDiv() != 1)
    p << ", div = " << getDiv();
  p << ">";
}
