// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operations of the tile dialect: verifiers, program syntax.
#include "dialects/tile/Tile.h"

#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;
using namespace fovea::tile;

#define GET_OP_CLASSES
#include "dialects/tile/TileOps.cpp.inc"

//===----------------------------------------------------------------------===//
// ProgramOp
//===----------------------------------------------------------------------===//

ParseResult ProgramOp::parse(OpAsmParser &parser, OperationState &result) {
  auto buildType = [](Builder &b, ArrayRef<Type> args, ArrayRef<Type> results,
                      function_interface_impl::VariadicFlag, std::string &) {
    return b.getFunctionType(args, results);
  };
  return function_interface_impl::parseFunctionOp(
      parser, result, /*allowVariadic=*/false,
      getFunctionTypeAttrName(result.name), buildType,
      getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void ProgramOp::print(OpAsmPrinter &p) {
  function_interface_impl::printFunctionOp(
      p, *this, /*isVariadic=*/false, getFunctionTypeAttrName(),
      getArgAttrsAttrName(), getResAttrsAttrName());
}

LogicalResult ProgramOp::verifyRegions() {
  if (getFunctionType().getNumResults() != 0)
    return emitOpError("expected results to be arguments marked ")
           << kResultAttr << ", got " << getFunctionType().getNumResults()
           << " function results";
  for (auto [i, type] : llvm::enumerate(getFunctionType().getInputs())) {
    if (!isa<ViewType>(type) && !type.isIntOrIndexOrFloat())
      return emitOpError("expected argument ")
             << i << " to be a view or a scalar, got " << type;
    if (!getArgAttrOfType<StringAttr>(i, kNameAttr))
      return emitOpError("expected argument ")
             << i << " to carry " << kNameAttr;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// BufferOp
//===----------------------------------------------------------------------===//

LogicalResult BufferOp::verify() {
  ViewType type = getView().getType();
  if (static_cast<int64_t>(getExtents().size()) != type.getRank())
    return emitOpError("expected as many extents as dims, got ")
           << getExtents().size() << " and " << type.getRank();
  for (auto [extent, dim] : llvm::zip(getExtents(), type.getShape())) {
    auto e = dyn_cast<ExtentAttr>(extent);
    if (!e)
      return emitOpError("expected extents to be #tile.extent, got ") << extent;
    bool isStatic = e.getBase().empty();
    if (isStatic != !ShapedType::isDynamic(dim) ||
        (isStatic && e.getMul() != dim))
      return emitOpError("expected extent to agree with dim, got ")
             << e << " and " << type;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// StageOp
//===----------------------------------------------------------------------===//

LogicalResult StageOp::verifyRegions() {
  Block &body = getBody().front();
  if (body.getNumArguments() != 6 ||
      !llvm::all_of(body.getArgumentTypes(),
                    [](Type t) { return t.isIndex(); }))
    return emitOpError("expected the region to take b, head, row, k0, k1 and "
                       "slot of type index, got ")
           << body.getNumArguments() << " arguments";
  if (getSpace() == Space::Grid && (!getGrid() || getGrid()->size() != 3))
    return emitOpError("expected a grid stage to have 3 extents");
  if (getSpace() == Space::Combine && !getOf())
    return emitOpError("expected a combine stage to say which launch it is of");
  RowsAttr rows = getRows();
  if (rows.getGroup() < 1 || rows.getKvGroup() % rows.getGroup() != 0)
    return emitOpError("expected group to divide kv_group, got ")
           << rows.getGroup() << " and " << rows.getKvGroup();
  return success();
}

//===----------------------------------------------------------------------===//
// StreamOp
//===----------------------------------------------------------------------===//

LogicalResult StreamOp::verifyRegions() {
  Block &body = getBody().front();
  unsigned carried = getInits().size();
  if (getSources().size() % getLevels().size() != 0)
    return emitOpError("expected the same number of sources for each of ")
           << getLevels().size() << " levels, got " << getSources().size();
  unsigned tiles = getSources().size() / getLevels().size();
  if (body.getNumArguments() != 1 + tiles + carried)
    return emitOpError("expected the body to take a block, ")
           << tiles << " tiles and " << carried << " carried values, got "
           << body.getNumArguments() << " arguments";
  if (!isa<BlockType>(body.getArgument(0).getType()))
    return emitOpError("expected the first body argument to be a block, got ")
           << body.getArgument(0).getType();
  for (unsigned i = 0; i != tiles; ++i) {
    auto tile = dyn_cast<CodedType>(body.getArgument(1 + i).getType());
    if (!tile || tile.getRows() != static_cast<int64_t>(getKeys()))
      return emitOpError("expected body argument ")
             << 1 + i << " to be a coded tile of " << getKeys() << " keys, got "
             << body.getArgument(1 + i).getType();
  }
  auto yield = cast<YieldOp>(body.getTerminator());
  if (yield.getOperandTypes() != getInits().getTypes() ||
      getResultTypes() != getInits().getTypes())
    return emitOpError("expected the carried values to keep their types");
  return success();
}

//===----------------------------------------------------------------------===//
// MapOp
//===----------------------------------------------------------------------===//

LogicalResult MapOp::verifyRegions() {
  Block &body = getBody().front();
  if (body.getNumArguments() != 7 || !body.getArgument(0).getType().isF32())
    return emitOpError("expected the region to take s: f32 and b, h, q, k, "
                       "offset and len: index, got ")
           << body.getNumArguments() << " arguments";
  auto yield = cast<YieldOp>(body.getTerminator());
  if (yield.getNumOperands() != 1 ||
      !(yield.getOperand(0).getType().isF32() ||
        yield.getOperand(0).getType().isInteger(1)))
    return emitOpError("expected the region to yield one f32 or i1");
  return success();
}
