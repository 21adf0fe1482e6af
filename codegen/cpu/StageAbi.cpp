// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits the reads of fovea/abi.h's structs.
#include "codegen/cpu/StageAbi.h"

#include <fovea/abi.h>

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace fovea::cpu {

static FunctionType functionType(MLIRContext *ctx, StringRef args) {
  Builder b(ctx);
  SmallVector<Type> types;
  for (char c : args)
    types.push_back(c == 'p' ? Type(LLVM::LLVMPointerType::get(ctx))
                             : b.getI64Type());
  return b.getFunctionType(types, b.getI32Type());
}

FunctionType boundsType(MLIRContext *ctx) {
  return functionType(ctx, "piiiiip");
}
FunctionType classType(MLIRContext *ctx) {
  return functionType(ctx, "piiiiiii");
}
FunctionType keepType(MLIRContext *ctx) { return functionType(ctx, "piiiii"); }

StageFunction::StageFunction(OpBuilder &builder, Location loc, StringRef name,
                             Isa isa)
    : fn(builder.create<func::FuncOp>(
          loc, name, functionType(builder.getContext(), "ppiip"))),
      e(fn, isa), args(fn.getArgument(0)), plan(fn.getArgument(1)),
      begin(fn.getArgument(2)), end(fn.getArgument(3)),
      scratch(fn.getArgument(4)),
      used((sizeof(fovea_abi_counters) + 63) / 64 * 64) {}

View StageFunction::view(unsigned slot, unsigned rank) {
  return viewAt(e.cI64(slot), rank);
}

View StageFunction::viewAt(Value slot, unsigned rank) {
  Value table = e.load(e.ptr, e.at(args, offsetof(fovea_abi_args, views)));
  Value base = e.at(table, e.mul(slot, sizeof(fovea_abi_view)), 1);
  View view;
  view.data = e.load(e.ptr, e.at(base, offsetof(fovea_abi_view, data)));
  for (unsigned i = 0; i < rank; ++i) {
    view.shape.push_back(
        e.load(e.i64, e.at(base, offsetof(fovea_abi_view, shape) + 8 * i)));
    view.stride.push_back(
        e.load(e.i64, e.at(base, offsetof(fovea_abi_view, stride) + 8 * i)));
  }
  return view;
}

Value StageFunction::scalarInt(unsigned slot) {
  Value table = e.load(e.ptr, e.at(args, offsetof(fovea_abi_args, scalars)));
  return e.load(e.i64, e.at(table, slot * sizeof(fovea_abi_scalar)));
}

Value StageFunction::scalarF32(unsigned slot) {
  Value table = e.load(e.ptr, e.at(args, offsetof(fovea_abi_args, scalars)));
  Value wide =
      e.load(e.b.getF64Type(), e.at(table, slot * sizeof(fovea_abi_scalar)));
  return e.b.create<arith::TruncFOp>(e.loc, e.f32, wide);
}

Value StageFunction::symbol(unsigned slot) {
  Value table = e.load(e.ptr, e.at(plan, offsetof(fovea_abi_plan, symbols)));
  return e.load(e.i64, e.at(table, slot * sizeof(int64_t)));
}

Value StageFunction::qOffset(Value b) {
  Value table = e.load(e.ptr, e.at(plan, offsetof(fovea_abi_plan, q_off)));
  return e.loadAt(e.i64, table, b);
}

Value StageFunction::kLength(Value b) {
  Value table = e.load(e.ptr, e.at(plan, offsetof(fovea_abi_plan, k_len)));
  return e.loadAt(e.i64, table, b);
}

Value StageFunction::rowOffset(Value b) {
  Value table = e.load(e.ptr, e.at(plan, offsetof(fovea_abi_plan, row_off)));
  return e.loadAt(e.i64, table, b);
}

StageFunction::Record StageFunction::source(Value i) {
  Value table = e.load(e.ptr, e.at(plan, offsetof(fovea_abi_plan, sources)));
  Value at = e.at(table, i, sizeof(fovea_abi_source));
  auto field = [&](size_t offset) {
    return e.toInt(e.load(e.i32, e.at(at, offset)), e.i64);
  };
  return {field(offsetof(fovea_abi_source, slot)),
          field(offsetof(fovea_abi_source, row))};
}

Value StageFunction::rowCount(Value b) {
  return e.sub(rowOffset(e.add(b, 1)), rowOffset(b));
}

std::pair<Value, Value> StageFunction::sharedRow(Value i) {
  Value table = e.load(e.ptr, e.at(plan, offsetof(fovea_abi_plan, rows)));
  Value row = e.at(table, e.mul(i, sizeof(fovea_abi_row)), 1);
  auto field = [&](size_t offset) {
    return e.toInt(e.load(e.i32, e.at(row, offset)), e.i64);
  };
  return {field(offsetof(fovea_abi_row, b)),
          field(offsetof(fovea_abi_row, position))};
}

void StageFunction::count(Counter counter, Value n) {
  static const size_t offsets[] = {offsetof(fovea_abi_counters, tiles_full),
                                   offsetof(fovea_abi_counters, tiles_partial),
                                   offsetof(fovea_abi_counters, pairs),
                                   offsetof(fovea_abi_counters, items)};
  Value p = e.at(scratch, offsets[counter]);
  if (grid)
    return grid->add(p, n);
  e.store(e.add(e.load(e.i64, p), n), p);
}

Item StageFunction::itemAt(Value i) {
  Value items = e.load(e.ptr, e.at(plan, offsetof(fovea_abi_plan, items)));
  Value p = e.at(items, e.mul(i, sizeof(fovea_abi_item)), 1);
  auto narrow = [&](size_t offset) {
    return e.toInt(e.load(e.i32, e.at(p, offset)), e.i64);
  };
  Item item;
  item.index = i;
  item.b = narrow(offsetof(fovea_abi_item, b));
  item.head = narrow(offsetof(fovea_abi_item, head));
  item.row = narrow(offsetof(fovea_abi_item, row));
  item.slot = narrow(offsetof(fovea_abi_item, slot));
  item.k0 = e.load(e.i64, e.at(p, offsetof(fovea_abi_item, k0)));
  item.k1 = e.load(e.i64, e.at(p, offsetof(fovea_abi_item, k1)));
  item.count = narrow(offsetof(fovea_abi_item, count));
  item.flags = narrow(offsetof(fovea_abi_item, flags));
  return item;
}

void StageFunction::forEachItem(llvm::function_ref<void(const Item &)> body) {
  if (!grid) {
    count(Items, e.sub(end, begin));
    e.forLoop(begin, end, e.cI64(1), [&](Value i) { body(itemAt(i)); });
    return;
  }
  // In 32 bits, which a plan's items fit: registers are scarce there.
  auto narrow = [&](Value v) { return e.toInt(v, e.i32); };
  e.forLoop(narrow(e.add(begin, grid->cta)), narrow(end), narrow(grid->ctas),
            [&](Value i) {
              count(Items, e.cI64(1));
              body(itemAt(e.toInt(i, e.i64)));
            });
}

Value StageFunction::reserve(int64_t bytes) {
  Value p = e.at(scratch, used);
  used += (bytes + 63) / 64 * 64;
  return p;
}

void StageFunction::allowErrors() {
  error = reserve(sizeof(int32_t));
  if (!grid)
    e.store(e.cI32(0), error);
}

void StageFunction::fail(int32_t code) { e.store(e.cI32(code), error); }

void StageFunction::finish() {
  e.ret(error ? e.load(e.i32, error) : e.cI32(0));
}

Value addressOf(Emitter &e, const View &view, ArrayRef<Value> indices,
                unsigned bytes) {
  Value offset = e.cI64(0);
  for (auto [index, stride] : llvm::zip(indices, view.stride))
    offset = e.add(offset, e.mul(index, stride));
  return e.at(view.data, offset, bytes);
}

Value rowAddress(StageFunction &f, const View &view, bool tokenMajor, Value b,
                 Value head, Value position, unsigned bytes) {
  if (!tokenMajor)
    return addressOf(f.e, view, {b, head, position}, bytes);
  Value row = f.e.add(f.rowOffset(b), position);
  return addressOf(f.e, view, {row, head}, bytes);
}

Value classOfLevels(Emitter &e, Value levels, Value tokens) {
  using Predicate = arith::CmpIPredicate;
  Value n = e.toInt(tokens, e.i32), least = e.andI(levels, e.cI32(255));
  Value most = e.shrU(levels, 8);
  Value outside =
      e.orI(e.cmp(Predicate::slt, n, least), e.cmp(Predicate::sgt, n, most));
  Value kind = e.select(e.cmp(Predicate::eq, least, most),
                        e.cI32(FOVEA_TILE_FULL), e.cI32(FOVEA_TILE_PARTIAL));
  return e.select(outside, e.cI32(FOVEA_TILE_EMPTY), kind);
}

} // namespace fovea::cpu
