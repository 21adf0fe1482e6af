// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a probability region does to p decides how attention runs: linear in p,
// it may be applied to exp(s - m) before that is divided by the sum, in the one
// pass that there is anyway; a constant factor moves behind the sum of values.
#include "passes/attn_to_tile/MaskFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace fovea;

namespace {

/// `value` is c * p, where c does not depend on p. A constant c is known.
struct Multiple {
  std::optional<double> c;
};

class LinearAnalysis {
public:
  explicit LinearAnalysis(Region &region)
      : p(region.front().getArgument(0)), region(region) {}

  std::optional<Multiple> multiple(Value value);

private:
  bool reads(Value value);
  std::optional<double> constant(Value value) {
    FloatAttr attr;
    if (matchPattern(value, m_Constant(&attr)))
      return attr.getValueAsDouble();
    return std::nullopt;
  }
  std::optional<Multiple> product(Value a, Value b);
  std::optional<Multiple> sum(std::optional<Multiple> a,
                              std::optional<Multiple> b, double sign);

  BlockArgument p;
  Region &region;
  llvm::DenseMap<Value, bool> dependence;
  llvm::DenseMap<Value, std::optional<Multiple>> known;
};

} // namespace

/// Whether `value` depends on p.
bool LinearAnalysis::reads(Value value) {
  if (value == p)
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || op->getParentRegion() != &region)
    return false;
  auto it = dependence.find(value);
  if (it != dependence.end())
    return it->second;
  bool result =
      llvm::any_of(op->getOperands(), [&](Value v) { return reads(v); });
  return dependence[value] = result;
}

std::optional<Multiple> LinearAnalysis::product(Value a, Value b) {
  if (reads(b))
    std::swap(a, b);
  if (reads(b))
    return std::nullopt;
  std::optional<Multiple> of = multiple(a);
  if (!of)
    return std::nullopt;
  std::optional<double> factor = constant(b);
  if (of->c && factor)
    return Multiple{*of->c * *factor};
  return Multiple{};
}

std::optional<Multiple> LinearAnalysis::sum(std::optional<Multiple> a,
                                            std::optional<Multiple> b,
                                            double sign) {
  if (!a || !b)
    return std::nullopt;
  if (a->c && b->c)
    return Multiple{*a->c + sign * *b->c};
  return Multiple{};
}

std::optional<Multiple> LinearAnalysis::multiple(Value value) {
  if (value == p)
    return Multiple{1.0};
  if (constant(value) == 0.0)
    return Multiple{0.0};
  auto it = known.find(value);
  if (it != known.end())
    return it->second;
  Operation *op = value.getDefiningOp();
  if (!op || op->getParentRegion() != &region)
    return std::nullopt;
  using Result = std::optional<Multiple>;
  Result result =
      llvm::TypeSwitch<Operation *, Result>(op)
          .Case(
              [&](arith::MulFOp o) { return product(o.getLhs(), o.getRhs()); })
          .Case([&](arith::DivFOp o) -> Result {
            Result of = multiple(o.getLhs());
            if (!of || reads(o.getRhs()))
              return std::nullopt;
            std::optional<double> by = constant(o.getRhs());
            return of->c && by ? Multiple{*of->c / *by} : Multiple{};
          })
          .Case([&](arith::NegFOp o) {
            return sum(Multiple{0.0}, multiple(o.getOperand()), -1);
          })
          .Case([&](arith::AddFOp o) {
            return sum(multiple(o.getLhs()), multiple(o.getRhs()), 1);
          })
          .Case([&](arith::SubFOp o) {
            return sum(multiple(o.getLhs()), multiple(o.getRhs()), -1);
          })
          .Case([&](math::FmaOp o) {
            return sum(product(o.getA(), o.getB()), multiple(o.getC()), 1);
          })
          .Case([&](arith::SelectOp o) -> Result {
            Result a = multiple(o.getTrueValue());
            Result b = multiple(o.getFalseValue());
            if (!a || !b || reads(o.getCondition()))
              return std::nullopt;
            return a->c && a->c == b->c ? a : Multiple{};
          })
          .Default(Result());
  known[value] = result;
  return result;
}

ProbRule fovea::classifyProb(Region &region) {
  if (region.empty())
    return {ProbRule::None, 1};
  Value yielded = region.front().getTerminator()->getOperand(0);
  std::optional<Multiple> multiple = LinearAnalysis(region).multiple(yielded);
  if (!multiple)
    return {ProbRule::General, 1};
  if (multiple->c && std::isfinite(static_cast<float>(*multiple->c)))
    return {ProbRule::Factor, *multiple->c};
  return {ProbRule::Linear, 1};
}
