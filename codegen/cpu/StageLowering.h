// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// tile.stage -> a module with its fovea_stage_fn: reads the roles and calls
// the builder for them. One function per role; see StageLowering.cpp.
#ifndef FOVEA_CODEGEN_CPU_STAGELOWERING_H
#define FOVEA_CODEGEN_CPU_STAGELOWERING_H

#include "codegen/abi/ProgramLayout.h"
#include "codegen/cpu/CacheSource.h"
#include "codegen/cpu/Emitter.h"
#include "codegen/cpu/StageBuilders.h"
#include "codegen/target/Backend.h"
#include "passes/analysis/StreamInfo.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace fovea::cpu {

/// Everything a role's lowering needs.
struct StageContext {
  StageInfo info;
  const ProgramLayout &layout;
  const TargetInfo &target;
  std::string symbol;    ///< of the function to build
  mlir::ModuleOp module; ///< where to build it
  StageBuilders builders = {};

  Isa isa() const {
    // On a GPU what a thread does alone is written for AVX2.
    if (target.isa == IsaClass::AVX2 || target.isGpu())
      return Isa::AVX2;
    return llvm::is_contained(target.required, "avx512f") ? Isa::AVX512
                                                          : Isa::Wide;
  }
  mlir::Location loc() { return info.stage.getLoc(); }
  /// The storage of a view's elements; codes for a view with a format.
  static Elem elemOf(mlir::Value view);
  /// Slot of the scales of a coded view, or -1.
  int scaleSlot(mlir::Value view) const;
  /// What the builders are told of a segment; of all of a chain.
  CacheSource cacheSource(tile::SegmentOp segment) const;
  std::vector<CacheSource> cacheSources();
  RopeParams rope();
  /// -1 for a null view.
  int slotOr(mlir::Value view) const;

  /// @bounds and @class, or of a mask of levels @levels, of the stage's mask
  /// with the ABI's signatures, copied into `module`; null without a mask. Not
  /// `searching`, a @class that leaves undecided what one evaluation does.
  struct MaskFunctions {
    mlir::func::FuncOp bounds, classify;
  };
  mlir::FailureOr<MaskFunctions> maskFunctions(bool searching = true);
};

/// Builds the stage into its module; returns the scratch bytes. Diagnostics on
/// failure.
mlir::FailureOr<uint64_t> lowerStage(StageContext &stage);

/// Analyses every stage of `module` and adds its unit; `lower` builds the stage
/// into the unit's module and returns its scratch bytes.
mlir::LogicalResult forEachStage(
    mlir::ModuleOp module, const TargetInfo &target,
    std::vector<StageUnit> &units,
    llvm::function_ref<mlir::FailureOr<uint64_t>(StageContext &)> lower);

/// Token-major rows, [rows, head, ..].
inline bool isRagged(mlir::Value view) {
  return llvm::cast<tile::ViewType>(view.getType()).getRank() == 3;
}

// The roles.
mlir::FailureOr<uint64_t> lowerAttend(StageContext &stage);
mlir::FailureOr<uint64_t> lowerScore(StageContext &stage);
mlir::FailureOr<uint64_t> lowerGrid(StageContext &stage);
mlir::FailureOr<uint64_t> lowerCombine(StageContext &stage);
mlir::FailureOr<uint64_t> lowerCache(StageContext &stage);
mlir::FailureOr<uint64_t> lowerMerge(StageContext &stage);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_STAGELOWERING_H
