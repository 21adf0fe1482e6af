// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the roles of an attend stage to the parameters of a stream's builder.
#ifndef FOVEA_CODEGEN_CPU_STREAMROLES_H
#define FOVEA_CODEGEN_CPU_STREAMROLES_H

#include "codegen/cpu/MapLowering.h"
#include "codegen/cpu/PrefillStream.h"
#include "codegen/cpu/StageLowering.h"

namespace fovea::cpu {

/// The maps of a stream as callbacks; collects their errors.
class StreamMaps {
public:
  explicit StreamMaps(StageContext &stage)
      : info(stage.info), lowering(stage.layout) {}

  bool hasMask() { return bool(info.mask); }
  bool hasScore() { return !info.scoreMaps.empty(); }
  bool hasProb() { return bool(info.attend.getProb()); }

  mlir::Value keep(Emitter &e, const MapPoint &at, int64_t lanes) {
    return lowering.mask(e, info.mask, at, lanes);
  }
  mlir::Value score(Emitter &e, mlir::Value s, const MapPoint &at,
                    int64_t lanes) {
    return lowering.score(e, info.scoreMaps, s, at, lanes);
  }
  mlir::Value prob(Emitter &e, mlir::Value weights, const MapPoint &at,
                   int64_t lanes) {
    return lowering.prob(e, info.attend, weights, at, lanes);
  }
  /// Fails with a diagnostic at the map that had no code.
  mlir::LogicalResult verify() {
    if (!lowering.errorOp)
      return mlir::success();
    return lowering.errorOp->emitOpError(lowering.error);
  }

private:
  StageInfo &info;
  MapLowering lowering;
};

/// The factor of the scores, and of o where it is divided by l.
float scaleOf(StageInfo &info);
float outFactorOf(StageInfo &info);

/// All of a prefill stream but its schedule. `maps` has to outlive the result;
/// the functions of the mask are linked into the stage's module, `searching` as
/// StageContext::maskFunctions has it.
mlir::FailureOr<StreamParams> streamParams(StageContext &stage,
                                           StreamMaps &maps, bool searching);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_STREAMROLES_H
