// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arguments, results, buffers and stages of a tile.program.
#include "passes/attn_to_tile/ProgramBuilder.h"

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::tile;

ProgramBuilder::ProgramBuilder(func::FuncOp kernel,
                               const ScheduleProvider &schedules)
    : kernel(kernel), schedules(schedules), b(kernel.getContext()) {}

//===----------------------------------------------------------------------===//
// Extents
//===----------------------------------------------------------------------===//

ExtentAttr ProgramBuilder::fixed(int64_t n) {
  return ExtentAttr::get(b.getContext(), "", n, 0, 1, "");
}

ExtentAttr ProgramBuilder::ceilDiv(ExtentAttr e, int64_t div) {
  if (e.getBase().empty())
    return fixed((e.getMul() + div - 1) / div);
  return ExtentAttr::get(b.getContext(), e.getBase(), e.getMul(), e.getAdd(),
                         e.getDiv() * div, e.getLaunch());
}

ExtentAttr ProgramBuilder::slots(StringRef launch) {
  return ExtentAttr::get(b.getContext(), "slots", 1, 0, 1, launch);
}

static SmallVector<int64_t> staticShape(const Extents &extents) {
  SmallVector<int64_t> shape;
  for (ExtentAttr e : extents)
    shape.push_back(e.getBase().empty() ? e.getMul() : ShapedType::kDynamic);
  return shape;
}

//===----------------------------------------------------------------------===//
// Arguments and results
//===----------------------------------------------------------------------===//

/// What an argument is used as decides the names of its dims, unless the spec
/// gives them.
static StringRef defaultDims(BlockArgument arg) {
  for (OpOperand &use : arg.getUses()) {
    Operation *user = use.getOwner();
    bool isQuery = use.getOperandNumber() == 0;
    auto type = dyn_cast<RankedTensorType>(arg.getType());
    bool ragged = type && type.getRank() == 3;
    if (isa<attn::AttentionOp, attn::PartialOp, sel::ScoreOp>(user) && isQuery)
      return ragged ? "rows h d" : "b h sq d";
    if (isa<kv::AppendOp>(user))
      return ragged ? "rows h d" : "b h sq d";
  }
  for (OpOperand &use : arg.getUses()) {
    Operation *user = use.getOwner();
    if (auto type = dyn_cast<RankedTensorType>(arg.getType())) {
      if (type.getRank() == 4 &&
          isa<attn::AttentionOp, attn::PartialOp, sel::ScoreOp, sel::PoolOp,
              kv::EncodeOp>(user)) {
        auto iface = dyn_cast<attn::AttentionOpInterface>(user);
        if (iface && llvm::is_contained(iface.getScoreOperands(), arg))
          return "b h sq sk";
        return "b h sk d";
      }
      if (auto iface = dyn_cast<attn::AttentionOpInterface>(user))
        if (arg == iface.getOffset() || arg == iface.getLengths())
          return "b";
    }
  }
  return {};
}

FailureOr<SmallVector<StringRef>> ProgramBuilder::dimNames(unsigned argument) {
  BlockArgument arg = kernel.getArgument(argument);
  auto type = cast<RankedTensorType>(arg.getType());
  SmallVector<StringRef> names;
  StringRef text = defaultDims(arg);
  if (auto given = kernel.getArgAttrOfType<StringAttr>(argument, "attn.dims"))
    text = given.getValue();
  llvm::SplitString(text, names);
  if (names.empty()) {
    // A table: its dims are its own.
    auto name = kernel.getArgAttrOfType<StringAttr>(argument, "attn.name");
    for (int64_t i = 0; i != type.getRank(); ++i) {
      // An attribute owns the text.
      names.push_back(
          b.getStringAttr(name.getValue() + "." + Twine(i)).getValue());
    }
  }
  if (static_cast<int64_t>(names.size()) != type.getRank())
    return emitError(arg.getLoc())
           << "expected attn.dims to name " << type.getRank() << " dims, got \""
           << text << "\"";
  return names;
}

/// Names of the results of a kernel by the op that computes them.
static StringRef resultName(Value value) {
  auto result = cast<OpResult>(value);
  unsigned i = result.getResultNumber();
  if (isa<attn::PartialOp>(result.getOwner()))
    return ArrayRef<StringRef>{"o", "m", "l"}[i];
  return i == 0 ? "o" : "lse";
}

LogicalResult ProgramBuilder::begin() {
  SmallVector<Type> types;
  SmallVector<Attribute> attrs;
  SmallVector<Location> locs;
  SmallVector<Extents> extents;
  SmallVector<StringAttr> tokenNames;
  llvm::StringMap<unsigned> used;
  auto addArg = [&](Type type, StringRef name, ArrayRef<StringRef> dims,
                    bool isResult, Location loc) {
    NamedAttrList list;
    unsigned n = used[name]++;
    std::string unique = n ? (name + "_" + Twine(n)).str() : name.str();
    list.set(kNameAttr, b.getStringAttr(unique));
    if (!dims.empty())
      list.set(kDimsAttr, b.getStringAttr(llvm::join(dims, " ")));
    if (isResult)
      list.set(kResultAttr, b.getUnitAttr());
    types.push_back(type);
    attrs.push_back(list.getDictionary(b.getContext()));
    locs.push_back(loc);
  };

  for (BlockArgument arg : kernel.getArguments()) {
    auto name =
        kernel.getArgAttrOfType<StringAttr>(arg.getArgNumber(), "attn.name");
    std::string fallback = ("arg" + Twine(arg.getArgNumber())).str();
    StringRef text = name ? name.getValue() : StringRef(fallback);
    extents.emplace_back();
    tokenNames.emplace_back();
    auto type = dyn_cast<RankedTensorType>(arg.getType());
    if (isa<kv::CacheType>(arg.getType())) {
      addArg(arg.getType(), text, {}, false, arg.getLoc());
      continue;
    }
    if (!type) {
      if (!arg.getType().isIntOrIndexOrFloat())
        return emitError(arg.getLoc())
               << "expected a kernel argument to be a tensor or a scalar, got "
               << arg.getType();
      addArg(arg.getType(), text, {}, false, arg.getLoc());
      continue;
    }
    if (!name)
      kernel.setArgAttr(arg.getArgNumber(), "attn.name",
                        b.getStringAttr(fallback));
    FailureOr<SmallVector<StringRef>> dims = dimNames(arg.getArgNumber());
    if (failed(dims))
      return failure();
    if (dims->size() == 4)
      tokenNames.back() = b.getStringAttr((*dims)[2]);
    else if (dims->size() == 3) // token-major rows
      tokenNames.back() = b.getStringAttr((*dims)[0]);
    for (auto [dim, size] : llvm::zip(*dims, type.getShape()))
      extents.back().push_back(
          ShapedType::isDynamic(size)
              ? ExtentAttr::get(b.getContext(), dim, 1, 0, 1, "")
              : fixed(size));
    addArg(ViewType::get(b.getContext(), type.getShape(), type.getElementType(),
                         type.getEncoding()),
           text, *dims, false, arg.getLoc());
  }
  auto ret = cast<func::ReturnOp>(kernel.getBody().front().getTerminator());
  llvm::SmallPtrSet<Value, 4> returned;
  SmallVector<Value> results;
  for (Value value : ret.getOperands()) {
    // A returned cache is its argument.
    if (isa<kv::CacheType>(value.getType()))
      continue;
    results.push_back(value);
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || isa<BlockArgument>(value) || !returned.insert(value).second)
      return ret.emitOpError("expected every result to be a tensor computed by "
                             "an op and returned once, got ")
             << value.getType();
    addArg(ViewType::get(b.getContext(), type.getShape(), type.getElementType(),
                         type.getEncoding()),
           resultName(value), {}, true, value.getLoc());
  }

  b.setInsertionPoint(kernel);
  OperationState state(kernel.getLoc(), ProgramOp::getOperationName());
  state.addAttribute("sym_name", kernel.getSymNameAttr());
  state.addAttribute("function_type",
                     TypeAttr::get(b.getFunctionType(types, {})));
  state.addAttribute("arg_attrs", b.getArrayAttr(attrs));
  Region *region = state.addRegion();
  Block *body = new Block;
  region->push_back(body);
  for (auto [type, loc] : llvm::zip(types, locs))
    body->addArgument(type, loc);
  program = cast<ProgramOp>(b.create(state));
  b.setInsertionPointToEnd(body);

  unsigned n = kernel.getNumArguments();
  for (unsigned i = 0; i != n; ++i) {
    views[kernel.getArgument(i)] = body->getArgument(i);
    viewExtents[body->getArgument(i)] = extents[i];
    tokenDims[body->getArgument(i)] = tokenNames[i];
    if (isa<kv::CacheType>(body->getArgument(i).getType()))
      mapCache(kernel.getArgument(i), body->getArgument(i));
  }
  for (auto [i, value] : llvm::enumerate(results))
    views[value] = body->getArgument(n + i);
  return success();
}

void ProgramBuilder::finish() { kernel.erase(); }

Value ProgramBuilder::table(Location loc, TableRule rule, Value source) {
  Value &known = tables[{source, unsigned(rule)}];
  if (!known)
    known = b.create<TableOp>(loc, TableOp::getViewType(rule, source.getType()),
                              rule, source);
  return known;
}

Value ProgramBuilder::buffer(StringRef name, const Extents &extents,
                             Type element, Attribute format) {
  SmallVector<Attribute> attrs(extents.begin(), extents.end());
  auto type =
      ViewType::get(b.getContext(), staticShape(extents), element, format);
  Value view = b.create<BufferOp>(program.getLoc(), type, b.getStringAttr(name),
                                  b.getArrayAttr(attrs));
  viewExtents[view] = extents;
  return view;
}

Value ProgramBuilder::resultView(Value result, StringRef name,
                                 const Extents &extents, Type element,
                                 Attribute format) {
  Value view = views.lookup(result);
  if (!view) {
    view = buffer(name, extents, element, format);
    views[result] = view;
  }
  viewExtents[view] = extents;
  auto arg = dyn_cast<BlockArgument>(view);
  if (arg && !program.getArgAttr(arg.getArgNumber(), kDimsAttr)) {
    // A result's dynamic dims are dims of arguments, by name.
    SmallVector<StringRef> dims;
    for (ExtentAttr e : extents)
      dims.push_back(e.getBase().empty() ? "_" : e.getBase());
    program.setArgAttr(arg.getArgNumber(), kDimsAttr,
                       b.getStringAttr(llvm::join(dims, " ")));
  }
  return view;
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

std::string ProgramBuilder::launchName(StringRef base) {
  unsigned n = launches[base]++;
  return n ? (base + "_" + Twine(n)).str() : base.str();
}

StageOp ProgramBuilder::openStage(Location loc, StringRef symbol,
                                  StringRef launch, Space space, RowsAttr rows,
                                  ScheduleAttr schedule, const Extents *grid,
                                  StringRef of, bool service) {
  ArrayAttr gridAttr;
  if (grid) {
    SmallVector<Attribute> attrs(grid->begin(), grid->end());
    gridAttr = b.getArrayAttr(attrs);
  }
  auto stage = b.create<StageOp>(
      loc, b.getStringAttr(symbol), b.getStringAttr(launch),
      SpaceAttr::get(b.getContext(), space), rows, gridAttr,
      of.empty() ? StringAttr() : b.getStringAttr(of),
      service ? b.getUnitAttr() : UnitAttr(), schedule, OrderAttr());
  Block *body = new Block;
  stage.getBody().push_back(body);
  for (unsigned i = 0; i != 6; ++i)
    body->addArgument(b.getIndexType(), loc);
  b.setInsertionPointToEnd(body);
  return stage;
}

ScheduleAttr ProgramBuilder::gridSchedule(int64_t rows) {
  return ScheduleAttr::get(b.getContext(), "grid", /*lanes=*/0, /*reg=*/1,
                           /*keys=*/1, rows, /*maxRows=*/-1, /*prefetch=*/0);
}

RowsAttr ProgramBuilder::plainRows(int64_t heads) {
  return RowsAttr::get(b.getContext(), 1, 1, heads);
}

CodedType ProgramBuilder::coded(Value view, int64_t rows) {
  auto type = cast<ViewType>(view.getType());
  return CodedType::get(b.getContext(), rows, type.getShape().back(),
                        type.getElementType(), type.getFormat());
}

RankedTensorType ProgramBuilder::scores(int64_t rows, int64_t keys) {
  return RankedTensorType::get({rows, keys}, b.getF32Type());
}
