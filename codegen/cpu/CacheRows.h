// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One row of keys or values from one format to another. Private to the stages
// that write caches and codes.
#ifndef FOVEA_CODEGEN_CPU_CACHEROWS_H
#define FOVEA_CODEGEN_CPU_CACHEROWS_H

#include "codegen/cpu/Emitter.h"

namespace fovea::cpu {

/// A row in memory; `scale` (f32) of codes, else null.
struct RowSource {
  Elem elem;
  mlir::Value data, scale;
};

/// Calls body(d, n) for the vectors of a row of `dim`: all of `lanes` elements
/// but the last, without a loop where there are few.
void forRowVectors(Emitter &e, int64_t dim, int64_t lanes,
                   llvm::function_ref<void(mlir::Value d, int64_t n)> body);

/// Elements [d, d + n) as f32 lanes, decoded.
mlir::Value loadRowVector(Emitter &e, const RowSource &row, mlir::Value d,
                          int64_t n, int64_t lanes);

/// Copies or rounds a row to a plain format; codes to codes as they are.
void emitConvertRow(Emitter &e, const RowSource &from, Elem elem,
                    mlir::Value to, int64_t dim);

/// Writes codes and returns their scale: max|x| / 127, codes to nearest even.
/// A row of zeros has scale 0, a row with a NaN or an inf a scale of NaN.
mlir::Value emitEncodeRow(Emitter &e, const RowSource &from, mlir::Value codes,
                          int64_t dim);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_CACHEROWS_H
