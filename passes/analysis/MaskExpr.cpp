// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builders of the integers of a mask expression graph, and its table of nodes;
// see the header. Every builder folds what static ranges decide, so that later
// steps see canonical nodes only.
#include "passes/analysis/MaskExpr.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>

using namespace mlir;

namespace fovea {

int64_t maskFloorDiv(int64_t a, int64_t b) {
  int64_t q = a / b;
  return a - q * b < 0 ? q - 1 : q;
}

MaskId MaskGraph::intern(MaskNode node) {
  std::vector<int64_t> parts(node.args.begin(), node.args.end());
  parts.insert(parts.end(), node.coefs.begin(), node.coefs.end());
  bool byValue = node.op == MaskOp::Opaque || node.op == MaskOp::OpaqueBool;
  Key key{node.op, node.imm, std::move(parts),
          byValue ? node.value.getAsOpaquePointer() : nullptr};
  auto [it, fresh] = known.try_emplace(std::move(key), nodes.size());
  if (!fresh)
    return it->second;
  for (MaskId arg : node.args) {
    const MaskNode &a = nodes[arg];
    node.onQ |= a.onQ;
    node.onK |= a.onK;
    node.opaque |= a.opaque;
    node.scans |= a.scans;
  }
  if (node.op == MaskOp::Var) {
    node.onQ = node.imm == VarQ;
    node.onK = node.imm == VarK;
  }
  node.opaque |= byValue;
  node.scans |= node.op == MaskOp::Load && (node.onQ || node.onK);
  nodes.push_back(std::move(node));
  return it->second;
}

MaskNode MaskGraph::makeNode(MaskOp op, ArrayRef<MaskId> args, int64_t lo,
                             int64_t hi) {
  MaskNode n;
  n.op = op;
  n.args.assign(args.begin(), args.end());
  n.lo = lo;
  n.hi = hi;
  return n;
}

MaskId MaskGraph::constant(int64_t value) {
  MaskNode n = makeNode(MaskOp::Const, {}, value, value);
  n.imm = value;
  return intern(std::move(n));
}

MaskId MaskGraph::var(int64_t which, int64_t lo, int64_t hi) {
  MaskNode n = makeNode(MaskOp::Var, {}, lo, hi);
  n.imm = which;
  return intern(std::move(n));
}

bool MaskGraph::isConst(MaskId id, int64_t &value) const {
  if (id < 0 || nodes[id].op != MaskOp::Const)
    return false;
  value = nodes[id].imm;
  return true;
}

MaskSum MaskGraph::asSum(MaskId id) const {
  MaskSum s;
  const MaskNode &n = nodes[id];
  if (n.op == MaskOp::Const) {
    s.constant = n.imm;
  } else if (n.op == MaskOp::Linear) {
    s.constant = n.imm;
    for (auto [arg, coef] : llvm::zip_equal(n.args, n.coefs))
      s.terms.push_back({arg, coef});
  } else {
    s.terms.push_back({id, 1});
  }
  return s;
}

/// c * d * (y div d) - c * y + ... becomes -c * (y mod d) + ...: users write
/// the remainder both ways, and as a difference it has no tight interval.
/// Returns the remainder node with `s` already rewritten, or -1.
MaskId MaskGraph::foldRemainder(MaskSum &s) {
  auto coefOf = [&](MaskId id) -> int64_t {
    for (auto &[arg, coef] : s.terms)
      if (arg == id)
        return coef;
    return 0;
  };
  for (auto &[arg, coef] : s.terms) {
    int64_t d;
    const MaskNode &n = nodes[arg];
    if (n.op != MaskOp::Div || !isConst(n.args[1], d) || coef % d != 0)
      continue;
    int64_t c = coef / d;
    MaskSum y = asSum(n.args[0]);
    if (y.terms.empty() || !llvm::all_of(y.terms, [&](auto &t) {
          return coefOf(t.first) == -c * t.second;
        }))
      continue;
    MaskId quotient = arg, dividend = n.args[0];
    llvm::erase_if(s.terms, [&](auto &t) {
      return t.first == quotient ||
             llvm::any_of(y.terms, [&](auto &u) { return u.first == t.first; });
    });
    s.constant += c * y.constant;
    MaskId rest = mod(dividend, constant(d));
    s.terms.push_back({rest, -c});
    return rest;
  }
  return -1;
}

MaskId MaskGraph::sum(const MaskSum &s) {
  std::map<MaskId, __int128> coefs;
  __int128 total = s.constant;
  auto addTerm = [&](auto &&self, MaskId id, __int128 coef) -> bool {
    if (nodes[id].isWide()) {
      MaskId narrow = saturate(id, kMaskTermLimit);
      return self(self, narrow, coef);
    }
    MaskSum inner = asSum(id);
    total += coef * inner.constant;
    for (auto &[arg, c] : inner.terms)
      coefs[arg] += coef * c;
    return true;
  };
  for (auto &[id, coef] : s.terms) {
    if (id < 0)
      return -1;
    addTerm(addTerm, id, coef);
  }
  auto fits = [](__int128 x) {
    return x >= -kMaskSumLimit && x <= kMaskSumLimit;
  };
  __int128 lo = total, hi = total;
  MaskSum out;
  for (auto &[id, coef] : coefs) {
    if (coef == 0)
      continue;
    const MaskNode &n = nodes[id];
    // Bounded coefficients keep the products below within 128 bits.
    if (!fits(coef))
      return -1;
    lo += coef * (coef > 0 ? n.lo : n.hi);
    hi += coef * (coef > 0 ? n.hi : n.lo);
    if (!fits(lo) || !fits(hi))
      return -1;
    out.terms.push_back({id, int64_t(coef)});
  }
  if (!fits(lo) || !fits(hi) || !fits(total))
    return -1;
  out.constant = int64_t(total);
  if (foldRemainder(out) >= 0)
    return sum(out);
  if (out.terms.empty())
    return constant(out.constant);
  if (out.terms.size() == 1 && out.constant == 0 && out.terms[0].second == 1)
    return out.terms[0].first;
  MaskNode n = makeNode(MaskOp::Linear, {}, int64_t(lo), int64_t(hi));
  n.imm = out.constant;
  for (auto &[id, coef] : out.terms) {
    n.args.push_back(id);
    n.coefs.push_back(coef);
  }
  return intern(std::move(n));
}

MaskId MaskGraph::add(MaskId a, MaskId b) {
  MaskSum s;
  s.terms = {{a, 1}, {b, 1}};
  return sum(s);
}

MaskId MaskGraph::scale(MaskId a, int64_t c) {
  MaskSum s;
  s.terms = {{a, c}};
  return sum(s);
}

MaskId MaskGraph::mul(MaskId a, MaskId b) {
  if (a < 0 || b < 0)
    return -1;
  int64_t c;
  if (isConst(b, c))
    return scale(a, c);
  if (isConst(a, c))
    return scale(b, c);
  if (nodes[a].isWide())
    a = saturate(a, kMaskFactorLimit);
  if (nodes[b].isWide())
    b = saturate(b, kMaskFactorLimit);
  if (a > b)
    std::swap(a, b);
  const MaskNode &x = nodes[a], &y = nodes[b];
  __int128 p[] = {(__int128)x.lo * y.lo, (__int128)x.lo * y.hi,
                  (__int128)x.hi * y.lo, (__int128)x.hi * y.hi};
  __int128 lo = *std::min_element(p, p + 4), hi = *std::max_element(p, p + 4);
  // floor(z / n) * n lies in (z - n, z], however large the product of their
  // ranges. Over a box its corners do as well, as long as n is one number.
  for (auto [quotient, n] : {std::pair(a, b), std::pair(b, a)}) {
    const MaskNode &by = nodes[n];
    if (nodes[quotient].op != MaskOp::Div || nodes[quotient].args[1] != n ||
        by.onQ || by.onK)
      continue;
    const MaskNode &z = nodes[nodes[quotient].args[0]];
    if (z.isWide())
      continue;
    lo = std::max<__int128>(lo, (__int128)z.lo - by.hi + 1);
    hi = std::min<__int128>(hi, z.hi);
  }
  if (lo < -kMaskSumLimit || hi > kMaskSumLimit)
    return -1;
  return intern(makeNode(MaskOp::Mul, {a, b}, int64_t(lo), int64_t(hi)));
}

MaskId MaskGraph::div(MaskId a, MaskId b) {
  if (a < 0 || b < 0)
    return -1;
  if (nodes[b].isWide())
    b = saturate(b, kMaskFactorLimit);
  if (nodes[b].lo < 1)
    b = max(b, constant(1));
  int64_t d;
  if (isConst(b, d) && d == 1)
    return a;
  if (isConst(b, d) && !nodes[a].isWide()) {
    // Multiples of the divisor leave the quotient.
    MaskSum in = asSum(a), inside, outside;
    for (auto &[id, coef] : in.terms) {
      if (coef % d == 0)
        outside.terms.push_back({id, coef / d});
      else
        inside.terms.push_back({id, coef});
    }
    outside.constant = maskFloorDiv(in.constant, d);
    inside.constant = in.constant - outside.constant * d;
    if (!outside.terms.empty() || outside.constant != 0) {
      MaskId rest = div(sum(inside), b);
      outside.terms.push_back({rest, 1});
      return sum(outside);
    }
  }
  const MaskNode &x = nodes[a], &y = nodes[b];
  int64_t lo = maskFloorDiv(x.lo, x.lo >= 0 ? y.hi : y.lo);
  int64_t hi = maskFloorDiv(x.hi, x.hi >= 0 ? y.lo : y.hi);
  if (lo == hi)
    return constant(lo);
  return intern(makeNode(MaskOp::Div, {a, b}, lo, hi));
}

MaskId MaskGraph::mod(MaskId a, MaskId b) {
  if (a < 0 || b < 0)
    return -1;
  if (nodes[b].isWide())
    b = saturate(b, kMaskFactorLimit);
  if (nodes[b].lo < 1)
    b = max(b, constant(1));
  int64_t d;
  if (isConst(b, d) && !nodes[a].isWide()) {
    MaskSum in = asSum(a), out;
    for (auto &[id, coef] : in.terms)
      if (coef % d != 0)
        out.terms.push_back({id, coef});
    out.constant = in.constant - maskFloorDiv(in.constant, d) * d;
    MaskId reduced = sum(out);
    if (reduced < 0)
      return -1;
    // A dividend that already lies in [0, d) stays as it was written.
    if (nodes[a].lo >= 0 && nodes[a].hi < d)
      return a;
    a = reduced;
    int64_t c;
    MaskNode n = nodes[a];
    if (n.op == MaskOp::Mod && isConst(n.args[1], c) && c % d == 0)
      return mod(n.args[0], b);
  }
  const MaskNode &x = nodes[a], &y = nodes[b];
  if (x.lo >= 0 && x.hi < y.lo)
    return a;
  int64_t hi = y.hi - 1;
  if (x.lo >= 0)
    hi = std::min(hi, x.hi);
  if (hi == 0)
    return constant(0);
  return intern(makeNode(MaskOp::Mod, {a, b}, 0, hi));
}

MaskId MaskGraph::saturate(MaskId a, int64_t limit) {
  return min(max(a, constant(-limit)), constant(limit));
}

MaskId MaskGraph::minMax(bool isMin, MaskId a, MaskId b) {
  if (a < 0 || b < 0)
    return -1;
  if (a == b)
    return a;
  if (a > b)
    std::swap(a, b);
  const MaskNode &x = nodes[a], &y = nodes[b];
  if (x.hi <= y.lo)
    return isMin ? a : b;
  if (y.hi <= x.lo)
    return isMin ? b : a;
  return intern(isMin ? makeNode(MaskOp::Min, {a, b}, std::min(x.lo, y.lo),
                                 std::min(x.hi, y.hi))
                      : makeNode(MaskOp::Max, {a, b}, std::max(x.lo, y.lo),
                                 std::max(x.hi, y.hi)));
}

MaskId MaskGraph::min(MaskId a, MaskId b) { return minMax(true, a, b); }
MaskId MaskGraph::max(MaskId a, MaskId b) { return minMax(false, a, b); }

MaskId MaskGraph::select(MaskId c, MaskId a, MaskId b) {
  if (c < 0 || a < 0 || b < 0)
    return -1;
  if (nodes[c].op == MaskOp::Bool)
    return nodes[c].imm ? a : b;
  if (a == b)
    return a;
  return intern(makeNode(MaskOp::Select, {c, a, b},
                         std::min(nodes[a].lo, nodes[b].lo),
                         std::max(nodes[a].hi, nodes[b].hi)));
}

MaskId MaskGraph::load(unsigned table, ArrayRef<MaskId> indices, int64_t lo,
                       int64_t hi, Value result) {
  if (llvm::any_of(indices, [](MaskId i) { return i < 0; }))
    return -1;
  // A table entry outside its extents reads as 0.
  MaskNode n = makeNode(MaskOp::Load, indices, std::min<int64_t>(lo, 0),
                        std::max<int64_t>(hi, 0));
  n.imm = table;
  n.value = result;
  return intern(std::move(n));
}

MaskId MaskGraph::segment(unsigned table, MaskPart part, ArrayRef<MaskId> at) {
  if (llvm::any_of(at, [](MaskId i) { return i < 0; }))
    return -1;
  int64_t lo = INT32_MIN, hi = INT32_MAX;
  if (part == MaskPart::Index)
    lo = -1;
  if (part == MaskPart::Edge) {
    lo = -kMaskTermLimit;
    hi = kMaskTermLimit;
  }
  MaskNode n = makeNode(MaskOp::Segment, at, lo, hi);
  n.imm = table;
  n.coefs = {int64_t(part)};
  return intern(std::move(n));
}

MaskId MaskGraph::opaque(Value result, ArrayRef<MaskId> operands, int64_t lo,
                         int64_t hi) {
  if (llvm::any_of(operands, [](MaskId i) { return i < 0; }))
    return -1;
  MaskNode n = makeNode(MaskOp::Opaque, operands, lo, hi);
  n.value = result;
  return intern(std::move(n));
}

} // namespace fovea
