// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows in a warp from one format to another. Private to the stages of warps.
#ifndef FOVEA_CODEGEN_GPU_TEMPLATES_WARPROWS_H
#define FOVEA_CODEGEN_GPU_TEMPLATES_WARPROWS_H

#include "codegen/gpu/templates/WarpStage.h"

namespace fovea::gpu {

/// x * scale (f32).
void scaleRowBy(WarpStage &w, WarpStage::Row &x, mlir::Value scale);

/// Turns a row into its codes and returns their scale: max|x| / 127, codes to
/// nearest even. A row of zeros has scale 0, a row with a NaN or an inf a scale
/// of NaN.
mlir::Value encodeRow(WarpStage &w, const RowLanes &lanes, WarpStage::Row &x);

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_TEMPLATES_WARPROWS_H
