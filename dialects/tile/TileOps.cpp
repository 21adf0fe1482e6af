// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operations of the tile dialect: verifiers, program syntax.
#include "dialects/tile/Tile.h"

#include "dialects/kv/KV.h"

#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;
using namespace fovea;
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
    if (!isa<ViewType, kv::CacheType>(type) && !type.isIntOrIndexOrFloat())
      return emitOpError("expected argument ")
             << i << " to be a view, a scalar or a cache, got " << type;
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
  if (getSpace() == Space::Moves && !getService())
    return emitOpError("expected a stage of moves to be a service");
  if (getService() && getSpace() < Space::Append)
    return emitOpError("expected a service to write a cache, got space ")
           << stringifySpace(getSpace());
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
// Caches
//===----------------------------------------------------------------------===//

/// The type of `cache`, which is an argument of the program.
static FailureOr<kv::CacheType> cacheOf(Operation *op, Value cache) {
  auto type = dyn_cast<kv::CacheType>(cache.getType());
  if (!type || !isa<BlockArgument>(cache))
    return op->emitOpError("expected a cache that is an argument of the "
                           "program, got ")
           << cache.getType();
  return type;
}

/// `what` of a view must be `want`.
static LogicalResult expectView(Operation *op, StringRef what, ViewType got,
                                ViewType want) {
  if (got == want)
    return success();
  return op->emitOpError("expected ")
         << what << " to be " << want << ", got " << got;
}

SmallVector<ViewType> tile::segmentViews(MLIRContext *context,
                                         const kv::SegmentPlan &plan) {
  int64_t any = ShapedType::kDynamic;
  int64_t offsets = plan.pageTokens ? plan.pageTokens : any;
  auto view = [&](const kv::CacheFormat &format, int64_t dim) {
    int64_t shape[] = {any, plan.heads, offsets, dim};
    Type element = format.getPlain();
    return ViewType::get(context, shape,
                         element ? element : Float32Type::get(context),
                         format.getCoded());
  };
  return {view(plan.key, plan.keyDim), view(plan.value, plan.valueDim),
          ViewType::get(context, {any}, IntegerType::get(context, 32), {}),
          ViewType::get(context, {any, 8}, IntegerType::get(context, 64), {})};
}

kv::SegmentPlan SegmentOp::getPlan() {
  return cast<kv::CacheType>(getCache().getType())
      .getSegmentPlans()[getIndex()];
}

LogicalResult RunsOp::verify() {
  ArrayRef<int64_t> pairs = getSummaries().value_or(ArrayRef<int64_t>());
  if (pairs.size() % 2)
    return emitOpError("expected summaries to be pairs of an operand and an "
                       "axis, got ")
           << pairs.size() << " numbers";
  for (size_t i = 0; i < pairs.size(); i += 2) {
    int64_t operand = pairs[i], axis = pairs[i + 1];
    int64_t count = getOperands_().size();
    auto view = operand >= 0 && operand < count
                    ? dyn_cast<ViewType>(getOperands_()[operand].getType())
                    : ViewType();
    if (!view || axis < 0 || axis >= view.getRank())
      return emitOpError("expected a summary to be of an axis of a view among "
                         "the ")
             << count << " operands, got axis " << axis << " of operand "
             << operand;
  }
  return success();
}

LogicalResult SegmentOp::verify() {
  FailureOr<kv::CacheType> type = cacheOf(*this, getCache());
  if (failed(type))
    return failure();
  size_t count = type->getSegmentPlans().size();
  if (getIndex() >= count)
    return emitOpError("expected a segment below ")
           << count << ", got " << getIndex();
  SmallVector<ViewType> want = segmentViews(getContext(), getPlan());
  static constexpr StringLiteral names[] = {"keys", "values", "pages",
                                            "ranges"};
  for (auto [i, result] : llvm::enumerate(getResultTypes()))
    if (failed(expectView(*this, names[i], cast<ViewType>(result), want[i])))
      return failure();
  return success();
}

LogicalResult KeptOp::verify() {
  FailureOr<kv::CacheType> type = cacheOf(*this, getCache());
  if (failed(type))
    return failure();
  const kv::CacheKept *kept = type->findKept(getName());
  if (!kept)
    return emitOpError("expected the cache to keep '") << getName() << "'";
  int64_t any = ShapedType::kDynamic;
  SmallVector<int64_t> shape{any, type->getHeads()};
  if (kept->kind == kv::KeptKind::minmax)
    shape.push_back(2);
  shape.push_back(type->getKeyDim());
  return expectView(
      *this, "the view", getView().getType(),
      ViewType::get(getContext(), shape, Float32Type::get(getContext()), {}));
}

ViewType TableOp::getViewType(TableRule rule, Type source) {
  MLIRContext *context = source.getContext();
  auto i32 = IntegerType::get(context, 32);
  if (rule == TableRule::BatchTree)
    return isa<kv::CacheType>(source)
               ? ViewType::get(context, {ShapedType::kDynamic, 4}, i32, {})
               : ViewType();
  auto entries = dyn_cast<ViewType>(source);
  if (!entries || entries.getFormat() || entries.getElementType() != i32 ||
      entries.getRank() < 1 || entries.getRank() > 2)
    return {};
  Type element =
      rule == TableRule::LineageSize ? IntegerType::get(context, 8) : i32;
  return ViewType::get(context, entries.getShape(), element, {});
}

LogicalResult TableOp::verify() {
  ViewType want = getViewType(getRule(), getSource().getType());
  if (!want)
    return emitOpError("expected a source that '")
           << stringifyTableRule(getRule()) << "' is made of, got "
           << getSource().getType();
  return expectView(*this, "the view", getView().getType(), want);
}

LogicalResult SearchOp::verify() {
  Type type = getBoundaries().getType();
  auto view = dyn_cast<ViewType>(type);
  auto memref = dyn_cast<MemRefType>(type);
  Type element = view     ? view.getElementType()
                 : memref ? memref.getElementType()
                          : Type();
  int64_t rank = view ? view.getRank() : memref ? memref.getRank() : 0;
  if (!element || !element.isInteger(32) || rank != (getRow() ? 2 : 1))
    return emitOpError("expected a table of i32 of rank 1, or of rank 2 at a "
                       "row, got ")
           << type << (getRow() ? " at" : " without") << " a row";
  return success();
}

/// Rows that enter a cache: [row, head, chan] or [b, head, row, chan].
static LogicalResult verifyRows(Operation *op, StringRef what, ViewType rows,
                                kv::CacheType cache, int64_t dim) {
  bool ragged = rows.getRank() == 3;
  if ((ragged || rows.getRank() == 4) && !rows.getFormat() &&
      rows.getShape()[1] == cache.getHeads() && rows.getShape().back() == dim &&
      rows.getElementType() == cache.getNewType())
    return success();
  return op->emitOpError("expected ")
         << what << " to be rows of " << cache.getHeads() << " heads of " << dim
         << " x " << cache.getNewType() << ", got " << rows;
}

LogicalResult InputsOp::verify() {
  FailureOr<kv::CacheType> type = cacheOf(*this, getCache());
  if (failed(type) || failed(verifyRows(*this, "keys", getKeys().getType(),
                                        *type, type->getKeyDim())))
    return failure();
  return verifyRows(*this, "values", getValues().getType(), *type,
                    type->getValueDim());
}

LogicalResult AppendOp::verify() {
  FailureOr<kv::CacheType> type = cacheOf(*this, getCache());
  if (failed(type) ||
      failed(verifyRows(*this, "keys", getKeys().getType(), *type,
                        type->getKeyDim())) ||
      failed(verifyRows(*this, "values", getValues().getType(), *type,
                        type->getValueDim())))
    return failure();
  if (getKeys().getType().getRank() != getValues().getType().getRank())
    return emitOpError("expected keys and values of one rank, got ")
           << getKeys().getType() << " and " << getValues().getType();
  return success();
}

LogicalResult RefreshOp::verify() {
  FailureOr<kv::CacheType> type = cacheOf(*this, getCache());
  if (failed(type))
    return failure();
  if (type->getKept().empty())
    return emitOpError("expected a cache that keeps something of its pages");
  return success();
}

LogicalResult MovesOp::verify() {
  FailureOr<kv::CacheType> type = cacheOf(*this, getCache());
  if (failed(type))
    return failure();
  if (!type->hasNewSegment())
    return emitOpError("expected a cache with a segment for new rows");
  return success();
}

LogicalResult RotateOp::verify() {
  CodedType rows = getRows().getType(), result = getResult().getType();
  auto want = CodedType::get(getContext(), rows.getRows(), rows.getChan(),
                             Float32Type::get(getContext()), {});
  if (result != want)
    return emitOpError("expected the result to be ")
           << want << ", got " << result;
  ViewType table = getTable().getType();
  if (table.getRank() != 3 || table.getShape()[1] * 2 != rows.getChan() ||
      table.getShape()[2] != 2 || !table.getElementType().isF32())
    return emitOpError("expected a table of position x ")
           << rows.getChan() / 2 << " x 2 x f32, got " << table;
  return success();
}

//===----------------------------------------------------------------------===//
// MapOp
//===----------------------------------------------------------------------===//

/// The arguments of a region on one pair.
static LogicalResult verifyPairRegion(Operation *op, Block &body) {
  if (body.getNumArguments() != kMapArgs ||
      !body.getArgument(0).getType().isF32() ||
      !llvm::all_of(TypeRange(body.getArgumentTypes()).drop_front(),
                    [](Type t) { return t.isIndex(); }))
    return op->emitOpError("expected the region to take s: f32 and b, h, q, k, "
                           "offset and len: index, got ")
           << body.getNumArguments() << " arguments";
  return success();
}

LogicalResult MapOp::verifyRegions() {
  Block &body = getBody().front();
  if (failed(verifyPairRegion(*this, body)))
    return failure();
  auto yield = cast<YieldOp>(body.getTerminator());
  if (yield.getNumOperands() != 1 ||
      !(yield.getOperand(0).getType().isF32() ||
        yield.getOperand(0).getType().isInteger(1) ||
        yield.getOperand(0).getType().isInteger(32)))
    return emitOpError("expected the region to yield one f32, i1 or i32");
  return success();
}

//===----------------------------------------------------------------------===//
// AttendOp, SinkOp
//===----------------------------------------------------------------------===//

LogicalResult AttendOp::verifyRegions() {
  if (bool(getProb()) != !getBody().empty())
    return emitOpError("expected a region exactly where there is 'prob'");
  if (getBody().empty())
    return success();
  if (!getBody().hasOneBlock() || getBody().front().empty())
    return emitOpError("expected the region to be one block");
  Block &body = getBody().front();
  if (failed(verifyPairRegion(*this, body)))
    return failure();
  auto yield = dyn_cast<YieldOp>(body.back());
  if (!yield || yield.getNumOperands() != 1 ||
      !yield.getOperand(0).getType().isF32())
    return emitOpError("expected the region to yield one f32");
  return success();
}

LogicalResult SinkOp::verify() {
  ViewType logits = getLogits().getType();
  if (logits.getRank() != 1 || !logits.getElementType().isF32() ||
      logits.getFormat())
    return emitOpError("expected the logits to be a view of f32 by head, got ")
           << logits;
  return success();
}
