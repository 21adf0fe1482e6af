// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The named masks of the property test, with the share of tiles on which the
// analysis may be less than exact.
#ifndef FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKCASES_H
#define FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKCASES_H

#include "test/unit/passes/analysis/MaskLanguage.h"

namespace fovea::masktest {

struct Case {
  std::string name;
  X mask;
  Operands operands;
  /// Per cent of all tiles of the checked shapes that may be looked at
  /// although empty, and run as partial although full.
  double extra = 0, missFull = 0;
};

std::vector<Case> maskCases();

} // namespace fovea::masktest
#endif // FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKCASES_H
