// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Section analysis; see the header. Three steps: disjunctive normal form
// (choices under an atom are expanded by case), one solved constraint per
// atom, periodic constraints last. Whatever cannot be solved is dropped from
// its conjunction, which only makes the term larger.
#include "passes/analysis/MaskSections.h"

#include "llvm/ADT/STLExtras.h"

#include <optional>

namespace fovea {

bool MaskSections::isExact() const {
  return withinCap &&
         llvm::all_of(terms, [](const MaskTerm &t) { return t.exact; });
}

bool MaskSections::isScannable() const {
  return llvm::any_of(terms, [](const MaskTerm &t) { return t.scannable; });
}

namespace {

/// Ends of terms stay this small, so that bounds can add three of them.
constexpr int64_t kEndLimit = kMaskSumLimit / 4;

/// The search for terms ends here: ordinary masks take tens of steps.
constexpr unsigned kMaxSteps = 1000, kMaxNodes = 4000;

using Conjunction = llvm::SmallVector<MaskId, 4>;
using Normal = std::vector<Conjunction>;

class Solver {
public:
  explicit Solver(MaskGraph &graph) : g(graph) {}
  MaskSections run(MaskId predicate);

private:
  /// nullopt: over the cap.
  std::optional<Normal> normalize(MaskId id);
  std::optional<Normal> normalizeAtom(MaskId id);
  std::optional<Normal> product(const Normal &a, const Normal &b);
  std::optional<Normal> unite(Normal a, const std::optional<Normal> &b);
  MaskId findChoice(MaskId id);

  /// lo <= f <= hi, either end -1 for none, as constraints on k in `term`.
  /// False: not solvable.
  bool bound(MaskTerm &term, MaskId f, MaskId lo, MaskId hi);
  MaskTerm solve(const Conjunction &atoms);
  bool solveAtom(MaskTerm &term, MaskId atom);
  bool solvePeriodic(MaskTerm &term, MaskId mod, llvm::ArrayRef<MaskId> lo,
                     llvm::ArrayRef<MaskId> hi);

  bool isEnd(MaskId id) const {
    return id >= 0 && g[id].lo >= -kEndLimit && g[id].hi <= kEndLimit;
  }

  struct Residue {
    llvm::SmallVector<MaskId, 2> lo, hi;
  };

  MaskGraph &g;
  unsigned steps = 0;
  std::map<MaskId, MaskId> choices;
  /// Bounds on the Mod nodes of the term that is being solved.
  std::map<MaskId, Residue> residues;
};

std::optional<Normal> Solver::product(const Normal &a, const Normal &b) {
  Normal out;
  for (const Conjunction &x : a)
    for (const Conjunction &y : b) {
      Conjunction both = x;
      both.append(y.begin(), y.end());
      llvm::sort(both);
      both.erase(std::unique(both.begin(), both.end()), both.end());
      bool contradiction = llvm::any_of(both, [&](MaskId id) {
        return g[id].op == MaskOp::Not &&
               llvm::is_contained(both, g[id].args[0]);
      });
      if (contradiction || llvm::is_contained(out, both))
        continue;
      out.push_back(std::move(both));
      if (out.size() > kMaskMaxTerms)
        return std::nullopt;
    }
  return out;
}

std::optional<Normal> Solver::unite(Normal a, const std::optional<Normal> &b) {
  if (!b)
    return std::nullopt;
  for (const Conjunction &c : *b)
    if (!llvm::is_contained(a, c))
      a.push_back(c);
  if (a.size() > kMaskMaxTerms)
    return std::nullopt;
  return a;
}

std::optional<Normal> Solver::normalize(MaskId id) {
  if (++steps > kMaxSteps || g.size() > kMaxNodes)
    return std::nullopt;
  MaskNode n = g[id];
  if (n.op == MaskOp::Bool)
    return n.imm ? Normal{{}} : Normal{};
  // What does not depend on k guards the term as a whole.
  if (!n.onK)
    return Normal{{id}};
  switch (n.op) {
  case MaskOp::And: {
    std::optional<Normal> all = Normal{{}};
    for (MaskId arg : n.args) {
      std::optional<Normal> part = normalize(arg);
      if (!all || !part)
        return std::nullopt;
      all = product(*all, *part);
    }
    return all;
  }
  case MaskOp::Or: {
    std::optional<Normal> any = Normal{};
    for (MaskId arg : n.args) {
      std::optional<Normal> part = normalize(arg);
      if (!any || !part)
        return std::nullopt;
      any = unite(*any, part);
    }
    return any;
  }
  case MaskOp::Ge0:
  case MaskOp::Eq0:
    return normalizeAtom(id);
  case MaskOp::Not:
    if (g[n.args[0]].op == MaskOp::Eq0) {
      MaskId e = g[n.args[0]].args[0];
      return normalize(
          g.disj({g.ge0(g.plus(e, -1)), g.ge0(g.plus(g.neg(e), -1))}));
    }
    return Normal{{id}};
  default:
    return Normal{{id}};
  }
}

/// A select, min or max that depends on k, below `id`; -1 if none.
MaskId Solver::findChoice(MaskId id) {
  const MaskNode &n = g[id];
  // The index of a load stays a load whatever case it is in.
  if (!n.onK || n.op == MaskOp::Load || n.op == MaskOp::Opaque)
    return -1;
  if (n.op == MaskOp::Select)
    return id;
  if (n.op == MaskOp::Min || n.op == MaskOp::Max) {
    // A saturated unbounded number is no choice: its condition would have to
    // saturate it again.
    bool bounded = llvm::all_of(n.args, [&](MaskId arg) {
      return g[arg].lo >= -kMaskSumLimit && g[arg].hi <= kMaskSumLimit;
    });
    return bounded ? id : -1;
  }
  bool fresh = choices.try_emplace(id, -1).second;
  if (fresh)
    for (MaskId arg : n.args)
      if (MaskId found = findChoice(arg); found >= 0) {
        choices[id] = found;
        break;
      }
  return choices[id];
}

std::optional<Normal> Solver::normalizeAtom(MaskId id) {
  MaskId choice = findChoice(g[id].args[0]);
  if (choice < 0)
    return Normal{{id}};
  MaskNode n = g[choice];
  MaskId condition, yes, no;
  if (n.op == MaskOp::Select) {
    condition = n.args[0];
    yes = n.args[1];
    no = n.args[2];
  } else {
    condition = g.ge(n.args[1], n.args[0]); // args[0] <= args[1]
    yes = n.args[n.op == MaskOp::Min ? 0 : 1];
    no = n.args[n.op == MaskOp::Min ? 1 : 0];
  }
  MaskId ifYes = g.substitute(id, choice, yes);
  MaskId ifNo = g.substitute(id, choice, no);
  MaskId cases =
      g.disj({g.conj({condition, ifYes}), g.conj({g.negate(condition), ifNo})});
  // A case out of the range of a node leaves the atom as it is.
  if (cases < 0)
    return Normal{{id}};
  return normalize(cases);
}

bool Solver::bound(MaskTerm &term, MaskId f, MaskId lo, MaskId hi) {
  MaskSum sum = g.asSum(f), rest;
  rest.constant = sum.constant;
  MaskId inner = -1;
  int64_t coef = 0;
  for (auto &[id, c] : sum.terms) {
    if (!g[id].onK) {
      rest.terms.push_back({id, c});
    } else if (inner >= 0) {
      return false;
    } else {
      inner = id;
      coef = c;
    }
  }
  if (inner < 0)
    return false;
  MaskId r = g.sum(rest);
  bool hasLo = lo >= 0, hasHi = hi >= 0;
  if (hasLo)
    lo = g.sub(lo, r);
  if (hasHi)
    hi = g.sub(hi, r);
  if (coef < 0) {
    std::swap(hasLo, hasHi);
    MaskId flipped = lo;
    lo = hasLo ? g.neg(hi) : -1;
    hi = hasHi ? g.neg(flipped) : -1;
    coef = -coef;
  }
  if (coef > 1) {
    MaskId by = g.constant(coef);
    if (hasLo)
      lo = g.neg(g.div(g.neg(lo), by)); // upwards
    if (hasHi)
      hi = g.div(hi, by);
  }
  if ((hasLo && lo < 0) || (hasHi && hi < 0))
    return false; // out of the range of a node
  MaskNode n = g[inner];
  switch (n.op) {
  case MaskOp::Var:
    if ((hasLo && !isEnd(lo)) || (hasHi && !isEnd(hi)))
      return false;
    if (hasLo)
      term.lo.push_back(lo);
    if (hasHi)
      term.hi.push_back(hi);
    return true;
  case MaskOp::Div: {
    MaskId d = n.args[1];
    if (g[d].onK)
      return false;
    // floor(x / d) >= s: x >= s * d; <= s: x <= s * d + d - 1.
    MaskId xLo = hasLo ? g.mul(lo, d) : -1;
    MaskId xHi = hasHi ? g.add(g.mul(hi, d), g.plus(d, -1)) : -1;
    if ((hasLo && xLo < 0) || (hasHi && xHi < 0))
      return false;
    return bound(term, n.args[0], xLo, xHi);
  }
  case MaskOp::Mod: {
    Residue &residue = residues[inner];
    if (hasLo)
      residue.lo.push_back(lo);
    if (hasHi)
      residue.hi.push_back(hi);
    return true;
  }
  case MaskOp::Segment: {
    if (MaskPart(n.coefs[0]) != MaskPart::Index ||
        llvm::any_of(llvm::ArrayRef<MaskId>(n.args).drop_back(),
                     [&](MaskId row) { return g[row].onK; }))
      return false;
    // index >= s: the token is at or past boundary s; <= s: before the next.
    auto edge = [&](MaskId number) {
      llvm::SmallVector<MaskId> at(n.args.begin(), n.args.end());
      at.back() = number;
      return g.segment(n.imm, MaskPart::Edge, at);
    };
    MaskId xLo = hasLo ? edge(lo) : -1;
    MaskId xHi = hasHi ? g.plus(edge(g.plus(hi, 1)), -1) : -1;
    if ((hasLo && xLo < 0) || (hasHi && xHi < 0))
      return false;
    return bound(term, n.args.back(), xLo, xHi);
  }
  default:
    return false;
  }
}

bool Solver::solveAtom(MaskTerm &term, MaskId atom) {
  const MaskNode &n = g[atom];
  if (n.op != MaskOp::Ge0 && n.op != MaskOp::Eq0)
    return false;
  bool equal = n.op == MaskOp::Eq0;
  MaskSum sum = g.asSum(n.args[0]), onK, rest;
  rest.constant = sum.constant;
  for (auto &term : sum.terms)
    (g[term.first].onK ? onK : rest).terms.push_back(term);
  MaskId f = g.sum(onK);
  MaskId limit = g.neg(g.sum(rest));
  if (f < 0 || limit < 0)
    return false;
  return bound(term, f, limit, equal ? limit : -1);
}

/// mod lies in [max lo, min hi]: turns it into period, phase and width.
bool Solver::solvePeriodic(MaskTerm &term, MaskId mod,
                           llvm::ArrayRef<MaskId> lo,
                           llvm::ArrayRef<MaskId> hi) {
  MaskNode n = g[mod];
  MaskId d = n.args[1];
  if (g[d].onK || g[d].onQ)
    return false;
  MaskId first = g.constant(0), last = g.plus(d, -1);
  for (MaskId id : lo)
    first = g.max(first, id);
  for (MaskId id : hi)
    last = g.min(last, id);
  MaskSum sum = g.asSum(n.args[0]), rest;
  rest.constant = sum.constant;
  MaskId inner = -1;
  int64_t coef = 0;
  for (auto &[id, c] : sum.terms) {
    if (!g[id].onK) {
      rest.terms.push_back({id, c});
    } else if (inner >= 0) {
      return false;
    } else {
      inner = id;
      coef = c;
    }
  }
  if (inner < 0 || (coef != 1 && coef != -1))
    return false;
  MaskId r = g.sum(rest);
  MaskId phase = coef > 0 ? g.sub(first, r) : g.sub(r, last);
  MaskId width = g.plus(g.sub(last, first), 1);
  MaskId period = d;
  MaskNode x = g[inner];
  if (x.op == MaskOp::Div) {
    // floor((k + r2) / b) in [phase, phase + width) + j * d.
    MaskId by = x.args[1];
    MaskSum y = g.asSum(x.args[0]), shift;
    shift.constant = y.constant;
    bool plain = !g[by].onK && !g[by].onQ;
    for (auto &[id, c] : y.terms) {
      if (!g[id].onK)
        shift.terms.push_back({id, c});
      else
        plain &= g[id].op == MaskOp::Var && c == 1;
    }
    if (!plain)
      return false;
    phase = g.sub(g.mul(phase, by), g.sum(shift));
    width = g.mul(width, by);
    period = g.mul(period, by);
  } else if (x.op != MaskOp::Var) {
    return false;
  }
  if (!isEnd(phase) || !isEnd(width) || !isEnd(period))
    return false;
  term.phase = phase;
  term.width = width;
  term.period = period;
  return true;
}

MaskTerm Solver::solve(const Conjunction &atoms) {
  MaskTerm term;
  residues.clear();
  auto drop = [&](bool scannable) {
    term.exact = false;
    term.scannable |= scannable;
  };
  for (MaskId atom : atoms) {
    if (!g[atom].onK)
      term.guards.push_back(atom);
    else if (!solveAtom(term, atom))
      drop(!g[atom].opaque);
  }
  for (auto &[mod, residue] : residues)
    if (term.period >= 0 || !solvePeriodic(term, mod, residue.lo, residue.hi))
      drop(!g[mod].opaque);
  for (MaskId lo : term.lo)
    for (MaskId hi : term.hi) {
      MaskId room = g.sub(hi, lo);
      if (room >= 0 && g[room].lo < 0 && !g[room].scans)
        term.room.push_back(room);
    }
  return term;
}

MaskSections Solver::run(MaskId predicate) {
  MaskSections out;
  std::optional<Normal> normal = normalize(predicate);
  if (!normal) {
    MaskTerm all;
    all.exact = false;
    all.scannable = true;
    out.terms.push_back(std::move(all));
    out.withinCap = false;
    return out;
  }
  for (const Conjunction &atoms : *normal)
    out.terms.push_back(solve(atoms));
  return out;
}

} // namespace

MaskSections solveSections(MaskGraph &graph, MaskId predicate) {
  return Solver(graph).run(predicate);
}

} // namespace fovea
