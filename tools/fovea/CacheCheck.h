// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Holds what the caches of a call hold after its step against the reference's.
#ifndef FOVEA_TOOLS_FOVEA_CACHECHECK_H
#define FOVEA_TOOLS_FOVEA_CACHECHECK_H

#include "tools/fovea/Arguments.h"
#include "tools/fovea/SpecModule.h"

#include "dialects/reference/Cache.h"

namespace fovea::cli {

/// Commits the step in the runtime's caches and in `after`, those that the
/// reference returned, and compares the segments and every token in them.
/// Returns the first difference, or "" if there is none.
std::string checkCaches(Session &session, const SpecModule &spec,
                        const Arguments &arguments,
                        std::vector<reference::Cache> &after);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_CACHECHECK_H
