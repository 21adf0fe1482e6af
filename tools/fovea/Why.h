// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Why a plan runs the variants and tile shapes that it runs: read from the
// bundle's variants and the schedule table, by the rules that chose them.
#ifndef FOVEA_TOOLS_FOVEA_WHY_H
#define FOVEA_TOOLS_FOVEA_WHY_H

#include "tools/fovea/Work.h"

#include <string>
#include <vector>

namespace fovea::cli {

/// One line for each decision about `stream`, what was rejected included.
std::vector<std::string> whyScheduled(const Session &session,
                                      const StreamWork &stream);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_WHY_H
