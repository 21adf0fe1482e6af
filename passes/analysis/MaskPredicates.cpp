// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builders of the predicates of a mask expression graph, and substitution in
// it; see MaskExpr.h. They fold as those of the integers do.
#include "passes/analysis/MaskExpr.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <numeric>

using namespace mlir;

namespace fovea {

MaskId MaskGraph::boolean(bool value) {
  MaskNode n = makeNode(MaskOp::Bool, {});
  n.imm = value;
  return intern(std::move(n));
}

static int64_t gcdOf(const MaskSum &s) {
  int64_t g = 0;
  for (auto &[id, coef] : s.terms)
    g = std::gcd(g, coef);
  return g;
}

MaskId MaskGraph::ge0(MaskId a) {
  if (a < 0)
    return -1;
  if (nodes[a].lo >= 0)
    return boolean(true);
  if (nodes[a].hi < 0)
    return boolean(false);
  MaskSum s = asSum(a);
  if (int64_t g = gcdOf(s); g > 1) {
    for (auto &[id, coef] : s.terms)
      coef /= g;
    s.constant = maskFloorDiv(s.constant, g);
    return ge0(sum(s));
  }
  return intern(makeNode(MaskOp::Ge0, {a}));
}

MaskId MaskGraph::eq0(MaskId a) {
  if (a < 0)
    return -1;
  if (nodes[a].lo > 0 || nodes[a].hi < 0)
    return boolean(false);
  if (nodes[a].lo == 0 && nodes[a].hi == 0)
    return boolean(true);
  MaskSum s = asSum(a);
  int64_t g = gcdOf(s);
  if (s.terms.front().second < 0)
    g = -g;
  if (g != 1) {
    if (s.constant % g != 0)
      return boolean(false);
    for (auto &[id, coef] : s.terms)
      coef /= g;
    s.constant /= g;
    return eq0(sum(s));
  }
  // A chosen constant compared with a constant is the choice itself.
  if (s.terms.size() == 1) {
    MaskNode n = nodes[s.terms[0].first];
    int64_t value;
    if (n.op == MaskOp::Select &&
        (isConst(n.args[1], value) || isConst(n.args[2], value))) {
      MaskId yes = eq0(plus(n.args[1], s.constant));
      MaskId no = eq0(plus(n.args[2], s.constant));
      return disj({conj({n.args[0], yes}), conj({negate(n.args[0]), no})});
    }
  }
  return intern(makeNode(MaskOp::Eq0, {a}));
}

MaskId MaskGraph::less(MaskId a, MaskId b) {
  return intern(makeNode(MaskOp::Less, {a, b}));
}

MaskId MaskGraph::equal(MaskId a, MaskId b) {
  if (a > b)
    std::swap(a, b);
  return intern(makeNode(MaskOp::Equal, {a, b}));
}

static bool isSmall(const MaskNode &n) {
  return n.lo > -kMaskTermLimit && n.hi < kMaskTermLimit;
}

bool MaskGraph::saturationShows(MaskId a, MaskId b) const {
  const MaskNode &x = nodes[a], &y = nodes[b];
  return (x.isWide() && !isSmall(y)) || (y.isWide() && !isSmall(x));
}

MaskId MaskGraph::comparable(MaskId id, MaskId with) {
  MaskNode n = nodes[id];
  if (n.op != MaskOp::Select || isSmall(n) || !isSmall(nodes[with]))
    return id;
  for (MaskId &arg : llvm::drop_begin(n.args))
    if (nodes[arg].lo >= kMaskTermLimit || nodes[arg].hi <= -kMaskTermLimit)
      arg = saturate(arg, kMaskTermLimit);
  return select(n.args[0], n.args[1], n.args[2]);
}

MaskId MaskGraph::ge(MaskId a, MaskId b) {
  if (a < 0 || b < 0)
    return -1;
  if (a == b || nodes[a].lo >= nodes[b].hi)
    return boolean(true);
  if (nodes[a].hi < nodes[b].lo)
    return boolean(false);
  // Unbounded run-time values (hashed ids) are compared as they are; against
  // token indices saturation cannot change the answer.
  MaskId difference =
      saturationShows(a, b) ? -1 : sub(comparable(a, b), comparable(b, a));
  if (difference >= 0)
    return ge0(difference);
  return negate(less(a, b));
}

MaskId MaskGraph::eq(MaskId a, MaskId b) {
  if (a < 0 || b < 0)
    return -1;
  if (a == b)
    return boolean(true);
  if (nodes[a].hi < nodes[b].lo || nodes[b].hi < nodes[a].lo)
    return boolean(false);
  MaskId difference =
      saturationShows(a, b) ? -1 : sub(comparable(a, b), comparable(b, a));
  return difference >= 0 ? eq0(difference) : equal(a, b);
}

MaskId MaskGraph::within(MaskId a, int64_t limit) {
  if (a < 0)
    return -1;
  return conj(
      {negate(less(a, constant(-limit))), negate(less(constant(limit), a))});
}

MaskId MaskGraph::negate(MaskId a) {
  if (a < 0)
    return -1;
  MaskNode n = nodes[a];
  switch (n.op) {
  case MaskOp::Bool:
    return boolean(!n.imm);
  case MaskOp::Ge0:
    return ge0(plus(neg(n.args[0]), -1));
  case MaskOp::Not:
    return n.args[0];
  case MaskOp::And:
  case MaskOp::Or: {
    for (MaskId &arg : n.args)
      arg = negate(arg);
    return nary(n.op == MaskOp::And ? MaskOp::Or : MaskOp::And, n.args);
  }
  default:
    return intern(makeNode(MaskOp::Not, {a}));
  }
}

MaskId MaskGraph::nary(MaskOp op, ArrayRef<MaskId> args) {
  bool isAnd = op == MaskOp::And;
  SmallVector<MaskId> flat;
  for (MaskId arg : args) {
    if (arg < 0)
      return -1;
    const MaskNode &n = nodes[arg];
    if (n.op == MaskOp::Bool) {
      if (bool(n.imm) != isAnd)
        return boolean(!isAnd);
    } else if (n.op == op) {
      flat.append(n.args.begin(), n.args.end());
    } else {
      flat.push_back(arg);
    }
  }
  // Cheap tests first: the emitter skips the scans when they decide.
  llvm::sort(flat, [&](MaskId a, MaskId b) {
    return std::make_pair(nodes[a].scans, a) <
           std::make_pair(nodes[b].scans, b);
  });
  flat.erase(std::unique(flat.begin(), flat.end()), flat.end());
  // x and not x decide; x and (not x or y) is x and y.
  MaskOp other = isAnd ? MaskOp::Or : MaskOp::And;
  for (size_t i = 0; i < flat.size(); ++i) {
    MaskNode n = nodes[flat[i]];
    if (n.op != other) {
      if (llvm::is_contained(flat, negate(flat[i])))
        return boolean(!isAnd);
      continue;
    }
    if (llvm::any_of(n.args, [&](MaskId arg) {
          return llvm::is_contained(flat, arg);
        })) {
      flat.erase(flat.begin() + i);
      return nary(op, flat);
    }
    size_t before = n.args.size();
    llvm::erase_if(n.args, [&](MaskId arg) {
      return llvm::is_contained(flat, negate(arg));
    });
    if (n.args.size() != before) {
      flat[i] = nary(other, n.args);
      return nary(op, flat);
    }
  }
  if (flat.empty())
    return boolean(isAnd);
  if (flat.size() == 1)
    return flat[0];
  return intern(makeNode(op, flat));
}

MaskId MaskGraph::opaqueBool(Value result, ArrayRef<MaskId> operands) {
  if (llvm::any_of(operands, [](MaskId i) { return i < 0; }))
    return -1;
  MaskNode n = makeNode(MaskOp::OpaqueBool, operands);
  n.value = result;
  return intern(std::move(n));
}

//===--- substitution -----------------------------------------------------===//

MaskId MaskGraph::substitute(MaskId id, MaskId from, MaskId to) {
  if (id < 0 || to < 0)
    return -1;
  std::map<MaskId, MaskId> done{{from, to}};
  return substituteIn(id, from, to, done);
}

MaskId MaskGraph::substituteIn(MaskId id, MaskId from, MaskId to,
                               std::map<MaskId, MaskId> &done) {
  if (auto it = done.find(id); it != done.end())
    return it->second;
  MaskNode n = nodes[id];
  bool changed = false;
  for (MaskId &arg : n.args) {
    MaskId fresh = substituteIn(arg, from, to, done);
    changed |= fresh != arg;
    arg = fresh;
  }
  MaskId result = id;
  if (changed) {
    switch (n.op) {
    case MaskOp::Linear: {
      MaskSum s;
      s.constant = n.imm;
      for (auto [arg, coef] : llvm::zip_equal(n.args, n.coefs))
        s.terms.push_back({arg, coef});
      result = sum(s);
      break;
    }
    case MaskOp::Mul:
      result = mul(n.args[0], n.args[1]);
      break;
    case MaskOp::Div:
      result = div(n.args[0], n.args[1]);
      break;
    case MaskOp::Mod:
      result = mod(n.args[0], n.args[1]);
      break;
    case MaskOp::Min:
    case MaskOp::Max:
      result = minMax(n.op == MaskOp::Min, n.args[0], n.args[1]);
      break;
    case MaskOp::Select:
      result = select(n.args[0], n.args[1], n.args[2]);
      break;
    case MaskOp::Load:
      result = load(n.imm, n.args, n.lo, n.hi, n.value);
      break;
    case MaskOp::Segment:
      result = segment(n.imm, MaskPart(n.coefs[0]), n.args);
      break;
    case MaskOp::Ge0:
      result = ge0(n.args[0]);
      break;
    case MaskOp::Eq0:
      result = eq0(n.args[0]);
      break;
    case MaskOp::And:
    case MaskOp::Or:
      result = nary(n.op, n.args);
      break;
    case MaskOp::Not:
      result = negate(n.args[0]);
      break;
    default:
      // Opaque nodes, and comparisons of unbounded values: their operands
      // are copied by the machine, not rewritten.
      result = id;
      break;
    }
  }
  return done[id] = result;
}

} // namespace fovea
