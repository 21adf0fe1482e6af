// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A kernel over a cache for tests of plans: append, attend with two variants,
// combine.
#ifndef FOVEA_TEST_SUPPORT_SERVINGKERNEL_H
#define FOVEA_TEST_SUPPORT_SERVINGKERNEL_H

#include "test/support/TestKernel.h"

namespace fovea::test {

struct ServingOptions {
  CacheKind kind = CacheKind::Plain; // or Rich
  CacheShape shape;
  int group = 2;       // query heads per head of the cache
  bool appends = true; // arguments k and v
  bool splittable = true;
  int flags = 0; // of the attend stage
};

enum { fewRows = 4, manyRows = 16, servingKeys = 16 };

/// Kernel "step": o[row, head, c] = sum over the visible keys of v + 2 k;
/// causal and a window. Arguments q, [v, k,] the cache c, w (scalar), the
/// result o. Phases: append, [pages,] attend (variants of fewRows and manyRows
/// packed rows), combine.
BundleBuilder servingKernel(const ServingOptions &options = {});

} // namespace fovea::test

#endif // FOVEA_TEST_SUPPORT_SERVINGKERNEL_H
