// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The meaning of a bundle's records: the second half of readBundle.
#ifndef FOVEA_RUNTIME_BUNDLE_CHECKRECORDS_H
#define FOVEA_RUNTIME_BUNDLE_CHECKRECORDS_H

#include "runtime/bundle/BundleReader.h"

namespace fovea::rt {

/// Most records of a kind that one kernel may have. They bound the work of the
/// checks and the sizes of tables on the stack.
enum : uint32_t {
  maxViews = FOVEA_ABI_MAX_VIEWS,
  maxScalars = 64,
  maxSymbols = 64,
  maxStages = 64,
  maxVariants = 16,
  maxMasks = 64,
  maxRemarks = 1024,
  maxCaches = 16,
  maxSegments = 4, // first, older, recent, new
  maxParts = 16
};

/// Checks the caches of a kernel whose other records have been checked, and
/// marks the view slots that belong to them.
fovea_status checkCaches(const BundleView &bundle,
                         const fovea_bundle_kernel &kernel,
                         uint64_t &takenViews);

/// The frame of `bundle` has been checked; checks what its records say.
fovea_status checkRecords(const BundleView &bundle);

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_BUNDLE_CHECKRECORDS_H
