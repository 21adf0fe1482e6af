// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One line per scalar op. Floats are computed in double whatever their type:
// scores are defined in exact arithmetic, and the tolerance covers f32. Only
// truncf, which the author of a spec writes on purpose, rounds.
#include "dialects/reference/ScalarOps.h"
#include "dialects/reference/Rounding.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include "llvm/ADT/StringSwitch.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace fovea::reference;

static Cell integer(int64_t value) {
  Cell cell;
  cell.i = value;
  return cell;
}
static Cell integer(uint64_t value) {
  return integer(static_cast<int64_t>(value));
}
static Cell real(double value) {
  Cell cell;
  cell.f = value;
  return cell;
}
/// The bits of an integer of `width` bits as an unsigned number.
static uint64_t bits(Cell a, unsigned width) {
  uint64_t value = static_cast<uint64_t>(a.i);
  return width >= 64 ? value : value & ((uint64_t(1) << width) - 1);
}
/// An integer as the signed number that its bits stand for: i1 holds 0 or -1.
static int64_t asSigned(Cell a, unsigned width) {
  return width == 1 ? -(a.i & 1) : a.i;
}

/// a / b rounded towards zero; b is not 0. Wraps for the smallest a over -1.
static int64_t quotient(int64_t a, int64_t b) {
  return b == -1 ? static_cast<int64_t>(-static_cast<uint64_t>(a)) : a / b;
}
static int64_t remainder(int64_t a, int64_t b) { return b == -1 ? 0 : a % b; }
static int64_t floorQuotient(int64_t a, int64_t b) {
  bool down = remainder(a, b) != 0 && (a < 0) != (b < 0);
  return quotient(a, b) - (down ? 1 : 0);
}
static int64_t ceilQuotient(int64_t a, int64_t b) {
  bool up = remainder(a, b) != 0 && (a < 0) == (b < 0);
  return quotient(a, b) + (up ? 1 : 0);
}

/// A float without its fraction. What 64 bits do not hold is undefined in arith
/// and gives 0 here.
static int64_t truncateToInteger(double a) {
  return std::fabs(a) < 0x1p63 ? static_cast<int64_t>(a) : 0;
}
static uint64_t truncateToUnsigned(double a) {
  return a > -1 && a < 0x1p64 ? static_cast<uint64_t>(std::fmax(a, 0)) : 0;
}

/// minimum and maximum hand NaN on; minnum and maxnum ignore it.
static double minimum(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? NAN : std::min(a, b);
}
static double maximum(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b);
}

// The functions are lambdas without captures; A, B and C are the operands, W
// the width of the first in bits.
#define FN(expression)                                                         \
  [](Cell a, Cell b, Cell c, unsigned w) -> Cell {                             \
    (void)a, (void)b, (void)c, (void)w; /* most use only some of them */       \
    return expression;                                                         \
  }

static ScalarFunction compareIntegers(arith::CmpIPredicate predicate) {
  using P = arith::CmpIPredicate;
  switch (predicate) {
  case P::eq:
    return FN(integer(int64_t(a.i == b.i)));
  case P::ne:
    return FN(integer(int64_t(a.i != b.i)));
  case P::slt:
    return FN(integer(int64_t(asSigned(a, w) < asSigned(b, w))));
  case P::sle:
    return FN(integer(int64_t(asSigned(a, w) <= asSigned(b, w))));
  case P::sgt:
    return FN(integer(int64_t(asSigned(a, w) > asSigned(b, w))));
  case P::sge:
    return FN(integer(int64_t(asSigned(a, w) >= asSigned(b, w))));
  case P::ult:
    return FN(integer(int64_t(bits(a, w) < bits(b, w))));
  case P::ule:
    return FN(integer(int64_t(bits(a, w) <= bits(b, w))));
  case P::ugt:
    return FN(integer(int64_t(bits(a, w) > bits(b, w))));
  case P::uge:
    return FN(integer(int64_t(bits(a, w) >= bits(b, w))));
  }
  return nullptr;
}

static ScalarFunction compareFloats(arith::CmpFPredicate predicate) {
  using P = arith::CmpFPredicate;
  switch (predicate) {
  case P::AlwaysFalse:
    return FN(integer(int64_t(0)));
  case P::OEQ:
    return FN(integer(int64_t(a.f == b.f)));
  case P::OGT:
    return FN(integer(int64_t(a.f > b.f)));
  case P::OGE:
    return FN(integer(int64_t(a.f >= b.f)));
  case P::OLT:
    return FN(integer(int64_t(a.f < b.f)));
  case P::OLE:
    return FN(integer(int64_t(a.f <= b.f)));
  case P::ONE:
    return FN(integer(int64_t(a.f < b.f || a.f > b.f)));
  case P::ORD:
    return FN(integer(int64_t(!std::isnan(a.f) && !std::isnan(b.f))));
  case P::UEQ:
    return FN(integer(int64_t(!(a.f < b.f || a.f > b.f))));
  case P::UGT:
    return FN(integer(int64_t(!(a.f <= b.f))));
  case P::UGE:
    return FN(integer(int64_t(!(a.f < b.f))));
  case P::ULT:
    return FN(integer(int64_t(!(a.f >= b.f))));
  case P::ULE:
    return FN(integer(int64_t(!(a.f > b.f))));
  case P::UNE:
    return FN(integer(int64_t(a.f != b.f)));
  case P::UNO:
    return FN(integer(int64_t(std::isnan(a.f) || std::isnan(b.f))));
  case P::AlwaysTrue:
    return FN(integer(int64_t(1)));
  }
  return nullptr;
}

static ScalarFunction truncate(Type type) {
  if (type.isF16())
    return FN(real(roundTo(Element::F16, a.f)));
  if (type.isBF16())
    return FN(real(roundTo(Element::BF16, a.f)));
  if (type.isF32())
    return FN(real(roundTo(Element::F32, a.f)));
  return nullptr;
}

static ScalarFunction integerFunction(StringRef name) {
  using U = uint64_t;
  return llvm::StringSwitch<ScalarFunction>(name)
      .Case("addi", FN(integer(U(a.i) + U(b.i))))
      .Case("subi", FN(integer(U(a.i) - U(b.i))))
      .Case("muli", FN(integer(U(a.i) * U(b.i))))
      .Case("divsi", FN(integer(quotient(asSigned(a, w), asSigned(b, w)))))
      .Case("divui", FN(integer(bits(a, w) / bits(b, w))))
      .Case("remsi", FN(integer(remainder(asSigned(a, w), asSigned(b, w)))))
      .Case("remui", FN(integer(bits(a, w) % bits(b, w))))
      .Case("floordivsi",
            FN(integer(floorQuotient(asSigned(a, w), asSigned(b, w)))))
      .Case("ceildivsi",
            FN(integer(ceilQuotient(asSigned(a, w), asSigned(b, w)))))
      .Case("ceildivui", FN(integer(bits(a, w) / bits(b, w) +
                                    (bits(a, w) % bits(b, w) ? 1 : 0))))
      .Case("andi", FN(integer(a.i & b.i)))
      .Case("ori", FN(integer(a.i | b.i)))
      .Case("xori", FN(integer(a.i ^ b.i)))
      // A shift by the width or more is poison in arith; it gives 0 here.
      .Case("shli", FN(integer(bits(b, w) >= w ? U(0) : U(a.i) << b.i)))
      .Case("shrui", FN(integer(bits(b, w) >= w ? U(0) : bits(a, w) >> b.i)))
      .Case("shrsi",
            FN(integer(bits(b, w) >= w ? int64_t(0) : asSigned(a, w) >> b.i)))
      .Case("maxsi", FN(integer(std::max(asSigned(a, w), asSigned(b, w)))))
      .Case("minsi", FN(integer(std::min(asSigned(a, w), asSigned(b, w)))))
      .Case("maxui", FN(integer(std::max(bits(a, w), bits(b, w)))))
      .Case("minui", FN(integer(std::min(bits(a, w), bits(b, w)))))
      .Cases("index_cast", "extsi", "trunci", FN(integer(asSigned(a, w))))
      .Cases("index_castui", "extui", FN(integer(bits(a, w))))
      .Case("sitofp", FN(real(double(asSigned(a, w)))))
      .Case("uitofp", FN(real(double(bits(a, w)))))
      .Default(nullptr);
}

static ScalarFunction floatFunction(StringRef name) {
  return llvm::StringSwitch<ScalarFunction>(name)
      .Case("addf", FN(real(a.f + b.f)))
      .Case("subf", FN(real(a.f - b.f)))
      .Case("mulf", FN(real(a.f * b.f)))
      .Case("divf", FN(real(a.f / b.f)))
      .Case("remf", FN(real(std::fmod(a.f, b.f))))
      .Case("negf", FN(real(-a.f)))
      .Case("maximumf", FN(real(maximum(a.f, b.f))))
      .Case("minimumf", FN(real(minimum(a.f, b.f))))
      .Case("maxnumf", FN(real(std::fmax(a.f, b.f))))
      .Case("minnumf", FN(real(std::fmin(a.f, b.f))))
      .Case("extf", FN(a))
      .Case("fptosi", FN(integer(truncateToInteger(a.f))))
      .Case("fptoui", FN(integer(truncateToUnsigned(a.f))))
      .Default(nullptr);
}

static ScalarFunction mathFunction(StringRef name) {
  return llvm::StringSwitch<ScalarFunction>(name)
      .Case("absf", FN(real(std::fabs(a.f))))
      .Case("absi", FN(integer(asSigned(a, w) < 0 ? -a.i : a.i)))
      .Case("ceil", FN(real(std::ceil(a.f))))
      .Case("copysign", FN(real(std::copysign(a.f, b.f))))
      .Case("cos", FN(real(std::cos(a.f))))
      .Case("erf", FN(real(std::erf(a.f))))
      .Case("exp", FN(real(std::exp(a.f))))
      .Case("exp2", FN(real(std::exp2(a.f))))
      .Case("expm1", FN(real(std::expm1(a.f))))
      .Case("floor", FN(real(std::floor(a.f))))
      .Case("fma", FN(real(a.f * b.f + c.f)))
      .Case("log", FN(real(std::log(a.f))))
      .Case("log1p", FN(real(std::log1p(a.f))))
      .Case("log2", FN(real(std::log2(a.f))))
      .Case("powf", FN(real(std::pow(a.f, b.f))))
      .Case("round", FN(real(std::round(a.f))))
      .Case("roundeven", FN(real(std::nearbyint(a.f))))
      .Case("rsqrt", FN(real(1 / std::sqrt(a.f))))
      .Case("sin", FN(real(std::sin(a.f))))
      .Case("sqrt", FN(real(std::sqrt(a.f))))
      .Case("tanh", FN(real(std::tanh(a.f))))
      .Case("trunc", FN(real(std::trunc(a.f))))
      .Default(nullptr);
}

ScalarFunction fovea::reference::scalarFunction(Operation &op) {
  if (auto compare = dyn_cast<arith::CmpIOp>(op))
    return compareIntegers(compare.getPredicate());
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    return compareFloats(compare.getPredicate());
  if (isa<arith::SelectOp>(op))
    return FN(a.i ? b : c);
  if (isa<arith::TruncFOp>(op))
    return truncate(op.getResult(0).getType());
  auto [dialect, name] = op.getName().getStringRef().split('.');
  if (dialect == "math")
    return mathFunction(name);
  if (dialect != "arith")
    return nullptr;
  if (ScalarFunction function = integerFunction(name))
    return function;
  return floatFunction(name);
}
