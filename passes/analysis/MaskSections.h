// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Section analysis: solves a mask predicate for k. The result is a union of
// terms, each a range of keys whose ends are expressions in everything but k,
// optionally repeated with a period.
#ifndef FOVEA_PASSES_ANALYSIS_MASKSECTIONS_H
#define FOVEA_PASSES_ANALYSIS_MASKSECTIONS_H

#include "passes/analysis/MaskExpr.h"

namespace fovea {

/// Most terms a predicate is split into before the analysis gives up.
constexpr unsigned kMaskMaxTerms = 64;

/// The keys k with guard, lo <= k <= hi and, if periodic, k in
/// [phase + j * period, phase + j * period + width) for some j.
struct MaskTerm {
  /// Predicates that do not depend on k.
  llvm::SmallVector<MaskId> guards;
  /// k >= each lo, k <= each hi; integers that do not depend on k.
  llvm::SmallVector<MaskId> lo, hi;
  /// Differences hi - lo: where one is negative, the term has no key. They
  /// know what the ends share, which the intervals of the ends do not.
  llvm::SmallVector<MaskId> room;
  /// -1, or integers that do not depend on k; the period is positive.
  MaskId period = -1, phase = -1, width = -1;
  /// No part of the predicate was dropped: the term is exact.
  bool exact = true;
  /// A dropped part has an interval: scanning the term can sharpen it.
  bool scannable = false;
};

struct MaskSections {
  /// Their union contains every live key. Empty: nothing is live.
  std::vector<MaskTerm> terms;
  /// False: the predicate has more than kMaskMaxTerms terms; `terms` is then
  /// one unbounded term.
  bool withinCap = true;

  bool isExact() const;
  bool isScannable() const;
};

/// Solves `predicate` (which adds nodes to `graph`).
MaskSections solveSections(MaskGraph &graph, MaskId predicate);

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_MASKSECTIONS_H
