// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The named phases between spec text and tile programs, one function each, as
// the compiler, fovea-opt and tests run them.
#ifndef FOVEA_CODEGEN_JIT_PHASES_H
#define FOVEA_CODEGEN_JIT_PHASES_H

#include "codegen/target/Tuning.h"
#include "passes/attn_to_tile/AttnToTile.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

namespace fovea {

class TargetBackend;

/// All back ends. Registration of one is a line in Phases.cpp.
llvm::ArrayRef<const TargetBackend *> allBackends();
/// The back end of a target, or null.
const TargetBackend *findBackend(const TargetInfo &target);
/// What to say where there is none.
std::string noBackendText(const TargetInfo &target);

/// Every dialect from spec to tile.
void registerSpecDialects(mlir::DialectRegistry &registry);

/// Phase `planned`: canonical form of the spec.
mlir::LogicalResult planSpec(mlir::ModuleOp module);

/// Phase `tile`: a tile.program per kernel, schedules from the target's table
/// and from `tuning`, which may be null.
mlir::LogicalResult lowerToTile(mlir::ModuleOp module, const TargetInfo &target,
                                const TuningTable *tuning = nullptr);

/// Registers `attn-to-tile` and `lower-stages` for fovea-opt; both take
/// `target=NAME`. The latter replaces every tile.program by one module per
/// stage variant, what a back end makes of it before machine code.
void registerPhasePasses();

/// What schedules are chosen by.
StreamTraits traitsOf(const StreamShape &shape);

/// The schedules of `target` as attributes; both arguments outlive them.
ScheduleProvider scheduleProvider(const TargetInfo &target,
                                  const TuningTable *tuning = nullptr);

} // namespace fovea

#endif // FOVEA_CODEGEN_JIT_PHASES_H
