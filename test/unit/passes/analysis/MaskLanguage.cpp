// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Evaluation and MLIR of the masks of the tests; see the header.
#include "test/unit/passes/analysis/MaskLanguage.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <algorithm>

using namespace mlir;

namespace fovea::masktest {

Program::Program(const X &root) : root(root) {
  visit(root.node.get());
  values.resize(order.size());
}

int Program::visit(const Node *n) {
  for (size_t i = 0; i < order.size(); ++i)
    if (order[i] == n)
      return int(i);
  std::vector<int> in;
  for (auto &arg : n->args)
    in.push_back(visit(arg.get()));
  order.push_back(n);
  inputs.push_back(std::move(in));
  return int(order.size()) - 1;
}

/// The ops of arith on integers of type T.
template <typename T, typename U>
static int64_t apply(Kind kind, int64_t wideA, int64_t wideB) {
  T a = T(wideA), b = T(wideB);
  U ua = U(a), ub = U(b);
  auto floorDiv = [](T a, T b) -> T {
    T q = a / b;
    return (a % b != 0 && ((a < 0) != (b < 0))) ? q - 1 : q;
  };
  switch (kind) {
  case Kind::Add:
    return T(ua + ub);
  case Kind::Sub:
    return T(ua - ub);
  case Kind::Mul:
    return T(ua * ub);
  case Kind::DivS:
    return a / b;
  case Kind::DivU:
    return T(ua / ub);
  case Kind::FloorDiv:
    return floorDiv(a, b);
  case Kind::CeilDiv:
    return -floorDiv(-a, b);
  case Kind::CeilDivU:
    return T(ua / ub + (ua % ub != 0));
  case Kind::RemS:
    return a % b;
  case Kind::RemU:
    return T(ua % ub);
  case Kind::MinS:
    return std::min(a, b);
  case Kind::MaxS:
    return std::max(a, b);
  case Kind::MinU:
    return T(std::min(ua, ub));
  case Kind::MaxU:
    return T(std::max(ua, ub));
  case Kind::AndI:
    return a & b;
  case Kind::OrI:
    return a | b;
  case Kind::XorI:
    return a ^ b;
  case Kind::Shl:
    return T(ua << ub);
  case Kind::ShrS:
    return a >> b;
  case Kind::ShrU:
    return T(ua >> ub);
  case Kind::Eq:
    return a == b;
  case Kind::Ne:
    return a != b;
  case Kind::Slt:
    return a < b;
  case Kind::Sle:
    return a <= b;
  case Kind::Sgt:
    return a > b;
  case Kind::Sge:
    return a >= b;
  case Kind::Ult:
    return ua < ub;
  case Kind::Ule:
    return ua <= ub;
  case Kind::Ugt:
    return ua > ub;
  case Kind::Uge:
    return ua >= ub;
  default:
    abort();
  }
}

int64_t Program::eval(const Point &p, const Operands &operands) {
  bool valid = true;
  for (size_t i = 0; i < order.size(); ++i) {
    const Node &n = *order[i];
    auto at = [&](int j) { return values[inputs[i][j]]; };
    int64_t &out = values[i];
    switch (n.kind) {
    case Kind::Const:
      out = n.c;
      break;
    case Kind::Var: {
      const int64_t all[] = {p.b, p.h, p.q, p.k, p.len};
      out = all[n.c];
      break;
    }
    case Kind::Scalar:
      out = operands.scalars[n.c];
      break;
    case Kind::Load: {
      const Table &t = operands.tables[n.c];
      int64_t offset = 0;
      bool inside = true;
      for (size_t d = 0; d < t.shape.size(); ++d) {
        inside &= at(d) >= 0 && at(d) < t.shape[d];
        offset = offset * t.shape[d] + at(d);
      }
      valid &= inside;
      out = inside ? t.data[offset] : 0;
      break;
    }
    case Kind::Select:
      out = at(0) ? at(1) : at(2);
      break;
    case Kind::FromBool:
      out = at(0);
      break;
    case Kind::And:
      out = at(0) & at(1);
      break;
    case Kind::Or:
      out = at(0) | at(1);
      break;
    case Kind::Xor:
      out = at(0) ^ at(1);
      break;
    case Kind::Not:
      out = !at(0);
      break;
    case Kind::FloatLess:
      out = float(at(0)) < float(at(1));
      break;
    case Kind::BitOf:
      out = uint64_t(at(0)) >> (at(1) & 63) & 1;
      break;
    default: {
      int64_t a = at(0), b = at(1);
      bool divides = n.kind >= Kind::DivS && n.kind <= Kind::RemU;
      if (divides && order[inputs[i][1]]->kind != Kind::Const && b < 1) {
        valid = false;
        b = 1;
      }
      out = n.narrow ? apply<int32_t, uint32_t>(n.kind, a, b)
                     : apply<int64_t, uint64_t>(n.kind, a, b);
    }
    }
  }
  return valid ? values.back() : 0;
}

func::FuncOp Program::build(ModuleOp module, const std::string &name,
                            const Operands &operands) const {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  Location loc = b.getUnknownLoc();
  Type index = b.getIndexType(), i32 = b.getI32Type();
  constexpr int64_t any = ShapedType::kDynamic;
  SmallVector<Type> types;
  for (const Table &t : operands.tables) {
    SmallVector<int64_t> dynamic(t.shape.size(), any);
    types.push_back(
        MemRefType::get(dynamic, b.getIntegerType(t.bits),
                        StridedLayoutAttr::get(b.getContext(), any, dynamic)));
  }
  types.append(operands.scalars.size() + 5, index);
  bool isMask = root.node->isBool();
  auto func = b.create<func::FuncOp>(
      loc, name,
      b.getFunctionType(types, isMask ? Type(b.getI1Type()) : Type(i32)));
  func.setPrivate();
  b.setInsertionPointToStart(func.addEntryBlock());
  size_t firstVar = operands.tables.size() + operands.scalars.size();
  SmallVector<Value> out;
  auto cast = [&](Value v, Type to) -> Value {
    return v.getType() == to ? v : b.create<arith::IndexCastOp>(loc, to, v);
  };
  for (size_t i = 0; i < order.size(); ++i) {
    const Node &n = *order[i];
    SmallVector<Value> in;
    for (int j : inputs[i])
      in.push_back(n.narrow ? cast(out[j], i32) : out[j]);
    auto compare = [&](arith::CmpIPredicate p) -> Value {
      return b.create<arith::CmpIOp>(loc, p, in[0], in[1]);
    };
    Value v;
    using P = arith::CmpIPredicate;
    switch (n.kind) {
    case Kind::Const:
      v = b.create<arith::ConstantIndexOp>(loc, n.c);
      break;
    case Kind::Var:
      v = func.getArgument(firstVar + n.c);
      break;
    case Kind::Scalar:
      v = func.getArgument(operands.tables.size() + n.c);
      break;
    case Kind::Load:
      v = cast(b.create<memref::LoadOp>(loc, func.getArgument(n.c), in), index);
      break;
#define FOVEA_TEST_OP(kind, op)                                                \
  case Kind::kind:                                                             \
    v = b.create<arith::op>(loc, in[0], in[1]);                                \
    break;
      FOVEA_TEST_OP(Add, AddIOp)
      FOVEA_TEST_OP(Sub, SubIOp)
      FOVEA_TEST_OP(Mul, MulIOp)
      FOVEA_TEST_OP(DivS, DivSIOp)
      FOVEA_TEST_OP(DivU, DivUIOp)
      FOVEA_TEST_OP(FloorDiv, FloorDivSIOp)
      FOVEA_TEST_OP(CeilDiv, CeilDivSIOp)
      FOVEA_TEST_OP(CeilDivU, CeilDivUIOp)
      FOVEA_TEST_OP(RemS, RemSIOp)
      FOVEA_TEST_OP(RemU, RemUIOp)
      FOVEA_TEST_OP(MinS, MinSIOp)
      FOVEA_TEST_OP(MaxS, MaxSIOp)
      FOVEA_TEST_OP(MinU, MinUIOp)
      FOVEA_TEST_OP(MaxU, MaxUIOp)
      FOVEA_TEST_OP(AndI, AndIOp)
      FOVEA_TEST_OP(OrI, OrIOp)
      FOVEA_TEST_OP(XorI, XOrIOp)
      FOVEA_TEST_OP(Shl, ShLIOp)
      FOVEA_TEST_OP(ShrS, ShRSIOp)
      FOVEA_TEST_OP(ShrU, ShRUIOp)
      FOVEA_TEST_OP(And, AndIOp)
      FOVEA_TEST_OP(Or, OrIOp)
      FOVEA_TEST_OP(Xor, XOrIOp)
#undef FOVEA_TEST_OP
    case Kind::Select:
      v = b.create<arith::SelectOp>(loc, in[0], in[1], in[2]);
      break;
    case Kind::FromBool:
      v = b.create<arith::IndexCastUIOp>(loc, index, in[0]);
      break;
    case Kind::Eq:
      v = compare(P::eq);
      break;
    case Kind::Ne:
      v = compare(P::ne);
      break;
    case Kind::Slt:
      v = compare(P::slt);
      break;
    case Kind::Sle:
      v = compare(P::sle);
      break;
    case Kind::Sgt:
      v = compare(P::sgt);
      break;
    case Kind::Sge:
      v = compare(P::sge);
      break;
    case Kind::Ult:
      v = compare(P::ult);
      break;
    case Kind::Ule:
      v = compare(P::ule);
      break;
    case Kind::Ugt:
      v = compare(P::ugt);
      break;
    case Kind::Uge:
      v = compare(P::uge);
      break;
    case Kind::Not:
      v = b.create<arith::XOrIOp>(
          loc, in[0], b.create<arith::ConstantOp>(loc, b.getBoolAttr(true)));
      break;
    case Kind::FloatLess: {
      Value x[2];
      for (int j : {0, 1})
        x[j] = b.create<arith::SIToFPOp>(loc, b.getF32Type(),
                                         cast(in[j], b.getI64Type()));
      v = b.create<arith::CmpFOp>(loc, arith::CmpFPredicate::OLT, x[0], x[1]);
      break;
    }
    case Kind::BitOf: {
      Value low = b.create<arith::AndIOp>(
          loc, in[1], b.create<arith::ConstantIndexOp>(loc, 63));
      Value bit = b.create<arith::ShRUIOp>(loc, in[0], low);
      v = b.create<arith::TruncIOp>(loc, b.getI1Type(),
                                    cast(bit, b.getI64Type()));
      break;
    }
    }
    if (n.narrow && !n.isBool())
      v = cast(v, index);
    out.push_back(v);
  }
  b.create<func::ReturnOp>(loc, isMask ? out.back() : cast(out.back(), i32));
  return func;
}

std::string Program::dump() const {
  std::string text;
  for (size_t i = 0; i < order.size(); ++i) {
    text += "%" + std::to_string(i) + " = op" +
            std::to_string(int(order[i]->kind)) +
            (order[i]->narrow ? ".i32 " : " ") + std::to_string(order[i]->c);
    for (int j : inputs[i])
      text += " %" + std::to_string(j);
    text += "; ";
  }
  return text;
}

} // namespace fovea::masktest
