// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pieces shared by the stages that keep the head dim in lanes: rows whose
// length is no multiple of the vector, and sums and maxima across lanes.
#ifndef FOVEA_CODEGEN_CPU_LANETOOLS_H
#define FOVEA_CODEGEN_CPU_LANETOOLS_H

#include "codegen/cpu/Emitter.h"

namespace fovea::cpu {

/// n <= lanes elements of the storage type at p, the lanes past them zero.
/// Reads exactly those n: the row may end at an unmapped page.
mlir::Value loadPartial(Emitter &e, mlir::Type elem, mlir::Value p, int64_t n,
                        int64_t lanes);
/// The same as f32.
mlir::Value loadPartialAsF32(Emitter &e, Elem elem, mlir::Value p, int64_t n,
                             int64_t lanes);
/// Stores the first n lanes of v.
void storePartial(Emitter &e, mlir::Value v, mlir::Value p, int64_t n);

/// Lane j is the sum over the lanes of rows[j]; as many rows as lanes, a
/// power of two. Integers or f32.
mlir::Value sumRows(Emitter &e, llvm::ArrayRef<mlir::Value> rows);

/// Sum and maximum over all lanes, as a scalar.
mlir::Value sumLanes(Emitter &e, mlir::Value v);
mlir::Value maxLanes(Emitter &e, mlir::Value v);

/// x + y for f32 or integers.
mlir::Value addAny(Emitter &e, mlir::Value x, mlir::Value y);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_LANETOOLS_H
