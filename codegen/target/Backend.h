// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a back end does with one tile program: say whether it can, split it
// into units that compile independently, compile a unit, link the units. The
// compiler (codegen/jit) drives it and knows no back end by name.
#ifndef FOVEA_CODEGEN_TARGET_BACKEND_H
#define FOVEA_CODEGEN_TARGET_BACKEND_H

#include "codegen/target/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Support/LogicalResult.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <fovea/bundle.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fovea {

/// One stage variant as a module of its own: compiled by one thread, into one
/// object. Its public function is the fovea_stage_fn.
struct StageUnit {
  std::string kernel, stage; ///< symbols of the tile.program and tile.stage;
                             ///< of functions that stages share, no stage
  std::string symbol;        ///< the entry, unique in the bundle
  uint64_t scratchBytes = 0; ///< per worker, fovea_abi_counters included
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Where an entry ended up in the linked code of a target.
struct LinkedCode {
  struct Entry {
    std::string symbol;
    uint64_t offset;
    /// Of a GPU, whose kernel is called `symbol`: all but the name.
    std::optional<fovea_bundle_launch> launch = {};
  };
  std::string bytes;
  std::vector<Entry> entries; ///< in the order of the units
};

/// Text or object: what `fovea compile --emit` can stop at.
enum class UnitOutput { Object, Assembly, LLVMIR };

class TargetBackend {
public:
  virtual ~TargetBackend() = default;
  virtual llvm::StringRef getName() const = 0;
  virtual bool handles(const TargetInfo &target) const = 0;
  /// Dialects, interfaces and translations that lowering and compiling need.
  virtual void registerDialects(mlir::DialectRegistry &registry) const = 0;
  /// Why `program` (a module of tile.program ops) cannot be compiled; empty
  /// when it can.
  virtual std::string whyNotSupported(mlir::ModuleOp program,
                                      const TargetInfo &target) const = 0;
  /// Lowers every stage variant. Diagnostics on failure. The context may be
  /// shared by threads only if it has multithreading enabled.
  virtual mlir::LogicalResult
  lowerStages(mlir::ModuleOp program, const TargetInfo &target,
              std::vector<StageUnit> &units) const = 0;
  /// Compiles what units have in common once. `plan`, null if there is none,
  /// holds the host's plan code: functions that it has, too, may be left to it.
  /// Then they are made public there and true is returned: its object is to be
  /// linked with those of the units.
  virtual bool shareFunctions(std::vector<StageUnit> &units,
                              mlir::ModuleOp plan) const {
    return false;
  }
  /// Machine code (or text) of one unit. Safe to call from several threads on
  /// different units; the unit's module is consumed.
  virtual llvm::Expected<llvm::SmallVector<char, 0>>
  compileUnit(StageUnit &unit, const TargetInfo &target,
              UnitOutput output) const = 0;
  /// Objects of all units, in their order, and then that of the plan if it is
  /// shared -> the code section of the target.
  virtual llvm::Expected<LinkedCode>
  link(llvm::ArrayRef<StageUnit> units,
       llvm::ArrayRef<llvm::StringRef> objects) const = 0;
};

} // namespace fovea

#endif // FOVEA_CODEGEN_TARGET_BACKEND_H
