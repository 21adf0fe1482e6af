// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A mask as one HTML page that needs nothing else: tiles to zoom into, counts
// under the pointer or the keyboard's cursor, heads side by side.
#ifndef FOVEA_TOOLS_FOVEA_VIEWPAGE_H
#define FOVEA_TOOLS_FOVEA_VIEWPAGE_H

#include "tools/fovea/ClassMap.h"

#include <string>
#include <vector>

namespace fovea::cli {

/// What one row sees where data decides: queries [q0, q1), keys [lo, hi)
/// pooled by `level`.
struct Sight {
  int64_t q0, q1, lo, hi, level;
};

/// One head of the page.
struct HeadView {
  int64_t head = 0;
  ClassMap map;
  std::vector<std::vector<fovea_abi_run>> rows; ///< per query; or empty
  std::vector<Sight> sights;
};

struct PageText {
  std::string title, subtitle, note;
};

std::string viewPage(const PageText &text, const Window &window,
                     const std::vector<HeadView> &heads);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_VIEWPAGE_H
