// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pictures of `fovea compare`: dropped mass by tile, curves of a sweep.
#ifndef FOVEA_TOOLS_FOVEA_COMPARE_CHARTS_H
#define FOVEA_TOOLS_FOVEA_COMPARE_CHARTS_H

#include "tools/fovea/compare/Mass.h"

#include <string>
#include <vector>

namespace fovea::cli {

/// A heat map with a logarithmic scale of colours over six decades, down from
/// the largest tile; white: nothing is dropped.
std::string drawDropped(const DroppedMap &map, const std::string &title,
                        const std::string &subtitle);

/// A value of the swept parameter with what came out.
struct CurvePoint {
  std::string value;
  double density, speedUp; ///< speed-up 0: not measured
  double error, mass;
};

/// Error and mass kept against density, and against the speed-up if it was
/// measured.
std::string drawCurves(const std::vector<CurvePoint> &points,
                       const std::string &title, const std::string &subtitle);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_COMPARE_CHARTS_H
