// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a score modifier's `expand` builds with: all of MaskBuilder, and f32.
#ifndef FOVEA_DIALECTS_ATTN_SCOREBUILDER_H
#define FOVEA_DIALECTS_ATTN_SCOREBUILDER_H

#include "dialects/sel/MaskBuilder.h"

namespace fovea::attn {

class ScoreBuilder : public sel::MaskBuilder {
public:
  using MaskBuilder::MaskBuilder;

  /// A number of the modifier in f32: a literal, a scalar operand, or the
  /// entry of a table for the current head.
  mlir::Value real(mlir::Attribute n);

  /// Whatever floating-point number `value` is, in f32.
  mlir::Value asF32(mlir::Value value);

  /// An index as f32: exact up to 2^24.
  mlir::Value toF32(mlir::Value index);

  mlir::Value constantF32(double value);
};

} // namespace fovea::attn

#endif // FOVEA_DIALECTS_ATTN_SCOREBUILDER_H
