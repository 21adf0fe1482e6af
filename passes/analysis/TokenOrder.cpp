// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/analysis/TokenOrder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace fovea {

/// What a box costs: the tokens that a neighbourhood of 16 drags in beside
/// those that it wants; more where boxes are not aligned with vectors of
/// queries and blocks of keys, because their points are no multiple of 32 or
/// the last one of a row of boxes is narrower (below the last row nothing
/// follows that matters).
static int64_t boxCost(ArrayRef<int64_t> grid, ArrayRef<int64_t> box,
                       int64_t most) {
  constexpr int64_t reach = 16, vector = 32;
  double touched = 1, wanted = 1, misfit = 1;
  int64_t points = 1;
  for (size_t i = 0; i != grid.size(); ++i) {
    double window = double(std::min(reach, grid[i]));
    touched *= window + 2 * double(box[i]);
    wanted *= window;
    points *= box[i];
    if (grid[i] % box[i])
      misfit += i ? 0.3 : 0.02;
  }
  if (points % vector)
    misfit += 0.2;
  // Small boxes drag in less, but each of them costs a block.
  double blocks = double(most) / double(points);
  return int64_t(touched / wanted * misfit * blocks * 1e6);
}

SmallVector<int64_t> chooseBox(ArrayRef<int64_t> grid, int64_t most) {
  SmallVector<int64_t> box(grid.size(), 1), best(box);
  int64_t least = INT64_MAX;
  auto visit = [&](auto &self, size_t dim, int64_t room) -> void {
    if (dim == grid.size()) {
      // Ties go to the box that is longer in the last dims: rows lie together.
      int64_t cost = boxCost(grid, box, most);
      if (cost < least) {
        least = cost;
        best = box;
      }
      return;
    }
    for (int64_t b = 1; b <= std::min(grid[dim], room); ++b) {
      box[dim] = b;
      self(self, dim + 1, room / b);
    }
  };
  visit(visit, 0, most);
  return best;
}

static int64_t product(ArrayRef<int64_t> extents) {
  int64_t points = 1;
  for (int64_t e : extents)
    points *= e;
  return points;
}

int64_t orderPoints(tile::OrderAttr order) { return product(order.getGrid()); }

int64_t orderKeys(tile::OrderAttr order, int64_t keys) {
  int64_t points = product(order.getBox());
  // A third more keys still lie in the first cache; half of them still pay for
  // the work that is done once per block.
  int64_t most = keys + keys / 3, least = (keys + 1) / 2;
  if (points >= least && points <= most)
    return points;
  for (int64_t k = most; k >= least; --k)
    if (points % k == 0 || k % points == 0)
      return k;
  return keys;
}

namespace {
/// Integer arithmetic on values of one type.
struct Math {
  OpBuilder &b;
  Location loc;
  Type type;
  bool nonNegative;

  Value number(int64_t v) {
    return b.create<arith::ConstantOp>(loc, b.getIntegerAttr(type, v));
  }
  Value add(Value x, Value y) { return b.create<arith::AddIOp>(loc, x, y); }
  Value sub(Value x, Value y) { return b.create<arith::SubIOp>(loc, x, y); }
  Value mul(Value x, Value y) { return b.create<arith::MulIOp>(loc, x, y); }
  Value min(Value x, Value y) { return b.create<arith::MinSIOp>(loc, x, y); }
  /// Quotient and remainder by a positive number.
  std::pair<Value, Value> divide(Value x, Value y) {
    Value quotient = nonNegative
                         ? b.create<arith::DivUIOp>(loc, x, y).getResult()
                         : b.create<arith::FloorDivSIOp>(loc, x, y).getResult();
    return {quotient, sub(x, mul(quotient, y))};
  }
};
} // namespace

Value emitTokenAt(OpBuilder &b, Location loc, tile::OrderAttr order,
                  Value position, bool nonNegative) {
  Math m{b, loc, position.getType(), nonNegative};
  ArrayRef<int64_t> grid = order.getGrid(), box = order.getBox();
  int64_t points = orderPoints(order);
  Value rest = m.min(position, m.number(points - 1));
  // From the outermost dim on: which layer of boxes, and how thick it is at
  // the edge; all layers before it are whole.
  SmallVector<Value> origin, extent;
  Value volume = m.number(1);
  for (size_t i = 0; i != grid.size(); ++i) {
    Value inner = m.number(product(grid.drop_front(i + 1)));
    Value layer = m.mul(m.mul(volume, m.number(box[i])), inner);
    auto [count, remainder] = m.divide(rest, layer);
    rest = remainder;
    origin.push_back(m.mul(count, m.number(box[i])));
    Value left = m.sub(m.number(grid[i]), origin.back());
    extent.push_back(grid[i] % box[i] ? m.min(m.number(box[i]), left)
                                      : m.number(box[i]));
    volume = m.mul(volume, extent.back());
  }
  // Inside the box, from the innermost dim on.
  Value token;
  int64_t stride = 1;
  for (size_t i = grid.size(); i-- > 0;) {
    Value at = rest;
    if (i) {
      auto [quotient, remainder] = m.divide(rest, extent[i]);
      at = remainder;
      rest = quotient;
    }
    Value part = m.mul(m.add(origin[i], at), m.number(stride));
    token = token ? m.add(token, part) : part;
    stride *= grid[i];
  }
  Value inside = b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::slt,
                                         position, m.number(points));
  return b.create<arith::SelectOp>(loc, inside, token, position);
}

} // namespace fovea
