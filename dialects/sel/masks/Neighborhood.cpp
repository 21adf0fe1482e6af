// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The mask `neighborhood`: windows on a grid of one to three axes.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

static constexpr size_t kMostAxes = 3;

ArrayRef<StringRef> sel::neighborhoodGroups() {
  static constexpr StringRef words[] = {"causal", "dilation", "grid", "stride",
                                        "window"};
  return words;
}

/// The arguments of the group `word`; none where it is not written.
static ArrayRef<Attribute> groupOf(NeighborhoodAttr mask, StringRef word) {
  for (Attribute attribute : mask.getGroups())
    if (auto group = llvm::dyn_cast<GroupAttr>(attribute))
      if (group.getWord() == word)
        return group.getArguments();
  return {};
}

/// The i64 literal `attribute`, or 0.
static int64_t literal(Attribute attribute) {
  auto number = llvm::dyn_cast<IntegerAttr>(attribute);
  return number && number.getType().isInteger(64) ? number.getInt() : 0;
}

/// Number `axis` of a group of literals, 1 where the group is not written.
static int64_t numberOf(ArrayRef<Attribute> group, size_t axis) {
  return group.empty() ? 1 : literal(group[axis]);
}

//===----------------------------------------------------------------------===//
// Verification
//===----------------------------------------------------------------------===//

// neighborhood_c1
static LogicalResult verifyGroups(EmitError emitError, NeighborhoodAttr mask) {
  SmallVector<StringRef> seen;
  for (Attribute attribute : mask.getGroups()) {
    auto group = llvm::dyn_cast<GroupAttr>(attribute);
    if (!group || !llvm::is_contained(neighborhoodGroups(), group.getWord()) ||
        llvm::is_contained(seen, group.getWord()))
      return emitError()
             << "expected grid, window, dilation, stride and causal "
                "of a neighborhood, each at most once, got "
             << attribute << " [neighborhood_c1]";
    seen.push_back(group.getWord());
  }
  size_t axes = groupOf(mask, "grid").size();
  if (axes < 1 || axes > kMostAxes)
    return emitError() << "expected the grid of a neighborhood to have 1 to "
                       << kMostAxes << " axes, got " << axes
                       << " [neighborhood_c1]";
  for (StringRef word : {"window", "dilation", "stride"}) {
    size_t count = groupOf(mask, word).size();
    if (count != axes && (count != 0 || word == "window"))
      return emitError() << "expected the " << word
                         << " of a neighborhood to have a number for each of "
                         << axes << " axes, got " << count
                         << " [neighborhood_c1]";
  }
  return success();
}

// neighborhood_c2
static LogicalResult verifySizes(EmitError emitError, NeighborhoodAttr mask,
                                 TypeRange operandTypes, int64_t queryHeads) {
  ArrayRef<Attribute> grid = groupOf(mask, "grid");
  for (StringRef word : {"window", "dilation", "stride"})
    for (Attribute number : groupOf(mask, word))
      if (literal(number) < 1 || literal(number) > INT32_MAX)
        return emitError() << "expected the " << word
                           << " of a neighborhood to be integers from 1 to "
                              "2147483647, got "
                           << number << " [neighborhood_c2]";
  for (size_t axis = 0; axis < grid.size(); ++axis) {
    if (failed(verifyNumber(emitError, grid[axis], operandTypes, queryHeads, 1,
                            "an extent of the grid", "neighborhood_c2")))
      return failure();
    int64_t window = numberOf(groupOf(mask, "window"), axis);
    int64_t stride = numberOf(groupOf(mask, "stride"), axis);
    if (stride > window)
      return emitError() << "expected the stride of axis " << axis
                         << " to be at most the window, got " << stride
                         << " and " << window << " [neighborhood_c2]";
    int64_t reach = window * numberOf(groupOf(mask, "dilation"), axis);
    int64_t extent = literal(grid[axis]);
    if (extent && reach > extent)
      return emitError() << "expected window times dilation of axis " << axis
                         << " to be at most its extent, got " << reach
                         << " and " << extent << " [neighborhood_c2]";
  }
  return success();
}

LogicalResult NeighborhoodAttr::verifyMask(EmitError emitError,
                                           TypeRange operandTypes,
                                           int64_t queryHeads) const {
  if (failed(verifyGroups(emitError, *this)) ||
      failed(verifySizes(emitError, *this, operandTypes, queryHeads)))
    return failure();
  // neighborhood_c3
  int64_t axes = groupOf(*this, "grid").size(), last = -1;
  for (Attribute attribute : groupOf(*this, "causal")) {
    auto number = llvm::dyn_cast<IntegerAttr>(attribute);
    int64_t axis =
        number && number.getType().isInteger(64) ? number.getInt() : -1;
    if (axis <= last || axis >= axes)
      return emitError() << "expected the causal axes of a neighborhood to "
                            "ascend from 0 to "
                         << axes - 1 << ", got " << attribute
                         << " [neighborhood_c3]";
    last = axis;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// The predicate
//===----------------------------------------------------------------------===//

namespace {

/// One axis of the mask.
struct Axis {
  /// Of the grid; query and key on it.
  Value extent, query, key;
  int64_t window, dilation, stride;
  bool causal;
};

/// floor(x / n) for x from 0.
Value divide(MaskBuilder &m, Value x, int64_t n) {
  return n == 1 ? x : m.b.create<arith::DivSIOp>(m.loc, x, m.constant(n));
}

/// The keys on the axis that the query sees: [first, second) by places of the
/// axis, of which those count that have the query's remainder by the dilation.
std::pair<Value, Value> rangeOf(MaskBuilder &m, const Axis &axis) {
  auto less = [&](Value x, Value y) {
    return m.b.create<arith::MinSIOp>(m.loc, x, y).getResult();
  };
  Value zero = m.constant(0), one = m.constant(1);
  Value places = axis.extent, query = axis.query, rest;
  Value dilation = m.constant(axis.dilation);
  if (axis.dilation != 1) {
    // The places with the query's remainder: its own grid.
    rest = m.remainder(axis.query, dilation);
    query = divide(m, axis.query, axis.dilation);
    places = m.floorDivide(
        m.sub(m.add(axis.extent, m.constant(axis.dilation - 1)), rest),
        dilation);
  }
  Value leader = query;
  if (axis.stride != 1) {
    int64_t within = axis.causal ? axis.stride - 1 : axis.stride / 2;
    leader = m.multiply(divide(m, query, axis.stride), m.constant(axis.stride));
    leader = less(m.add(leader, m.constant(within)), m.sub(places, one));
  }
  Value begin, end;
  if (axis.causal) {
    begin = m.sub(leader, m.constant(axis.window - 1));
    end = m.add(query, one);
  } else {
    // Shifted at the edges, never cut.
    begin = less(m.sub(leader, m.constant(axis.window / 2)),
                 m.sub(places, m.constant(axis.window)));
  }
  begin = m.b.create<arith::MaxSIOp>(m.loc, begin, zero);
  if (!axis.causal)
    end = m.add(begin, m.constant(axis.window));
  if (axis.dilation != 1) {
    begin = m.add(m.multiply(begin, dilation), rest);
    end = m.add(m.multiply(end, dilation), rest);
  }
  return {begin, end};
}

} // namespace

Value NeighborhoodAttr::expand(MaskBuilder &builder) const {
  MaskBuilder &m = builder;
  ArrayRef<Attribute> grid = groupOf(*this, "grid");
  ArrayRef<Attribute> causal = groupOf(*this, "causal");
  Value zero = m.constant(0);
  // Row-major: the rest of a token by the size of what follows an axis.
  Value query = m.b.create<arith::MaxSIOp>(m.loc, m.query, zero), key = m.key;
  Value keep = m.lessEqual(zero, m.query);
  Value queryRest = query, keyRest = key;
  for (size_t i = 0; i < grid.size(); ++i) {
    Axis axis{m.number(grid[i]),
              queryRest,
              keyRest,
              numberOf(groupOf(*this, "window"), i),
              numberOf(groupOf(*this, "dilation"), i),
              numberOf(groupOf(*this, "stride"), i),
              llvm::any_of(causal, [&](Attribute number) {
                return literal(number) == int64_t(i);
              })};
    if (i + 1 != grid.size()) {
      Value size;
      int64_t known = 1;
      for (Attribute extent : grid.drop_front(i + 1)) {
        if (int64_t n = literal(extent)) {
          known *= n;
          continue;
        }
        Value n = m.number(extent);
        size = size ? m.multiply(size, n) : n;
      }
      if (!size)
        size = m.constant(known);
      else if (known != 1)
        size = m.multiply(size, m.constant(known));
      axis.query = m.b.create<arith::DivSIOp>(m.loc, queryRest, size);
      axis.key = m.b.create<arith::DivSIOp>(m.loc, keyRest, size);
      queryRest = m.remainder(queryRest, size);
      keyRest = m.remainder(keyRest, size);
    }
    if (i == 0)
      keep = m.both(keep, m.lessThan(axis.query, axis.extent));
    auto [begin, end] = rangeOf(m, axis);
    keep = m.both(keep, m.lessEqual(begin, axis.key));
    keep = m.both(keep, m.lessThan(axis.key, end));
    // A literal grid holds every window; another may be smaller, and only its
    // first axis does not bound the key by a remainder.
    if (i == 0 && !literal(grid[i]))
      keep = m.both(keep, m.lessThan(axis.key, axis.extent));
    if (axis.dilation != 1) {
      Value distance = m.sub(axis.query, axis.key);
      Value rest = m.remainder(distance, m.constant(axis.dilation));
      keep = m.both(keep, m.equal(rest, zero));
    }
  }
  return keep;
}

SmallVector<Attribute> NeighborhoodAttr::getArguments() const {
  return SmallVector<Attribute>(getGroups());
}

Attribute sel::buildNeighborhood(MLIRContext *context,
                                 ArrayRef<Attribute> arguments,
                                 EmitError emitError) {
  if (!arguments.empty() && llvm::all_of(arguments, [](Attribute argument) {
        return llvm::isa<GroupAttr>(argument);
      }))
    return NeighborhoodAttr::get(context, arguments);
  emitError() << "expected neighborhood(grid(n, ..), window(w, ..)) and "
                 "dilation(d, ..), stride(s, ..) or causal(axis, ..) "
                 "[neighborhood_c1]";
  return {};
}
