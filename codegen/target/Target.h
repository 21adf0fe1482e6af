// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What code can be made for: one description per target, found by name. Used
// by the compiler, the driver and the back ends. A new target is one file
// that fills a TargetInfo and one line in Registry.cpp.
#ifndef FOVEA_CODEGEN_TARGET_TARGET_H
#define FOVEA_CODEGEN_TARGET_TARGET_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace fovea {

/// Families of instruction sets that share schedules and emitters.
enum class IsaClass { AVX2, AVX512, SM80, SM90 };
llvm::StringRef toString(IsaClass isa);

/// A target as the passes, the emitters and LLVM see it.
struct TargetInfo {
  /// The name in bundles and on the command line.
  std::string name;
  std::string summary;
  IsaClass isa = IsaClass::AVX2;
  /// A GPU's kernels as code for this CPU that runs through the emulator.
  bool emulated = false;
  /// Has a matrix unit for products of bf16 (MatrixUnit.h).
  bool matrix = false;
  /// Bits of a vector register, and how many there are.
  unsigned vectorBits = 256;
  unsigned vectorRegisters = 16;
  /// As LLVM spells them; `cpu` alone fixes the instruction set.
  std::string triple, cpu, features;
  /// LLVM feature names that a machine needs to run this target's code.
  std::vector<std::string> required;

  unsigned lanes() const { return vectorBits / 32; }
  bool isGpu() const { return isa == IsaClass::SM80 || isa == IsaClass::SM90; }
};

/// All targets: those of CPUs, the most capable last, then those of GPUs.
llvm::ArrayRef<TargetInfo> allTargets();
/// Those of CPUs, the most capable last.
llvm::ArrayRef<TargetInfo> cpuTargets();

/// Features of this machine that this process may use, as LLVM names them.
llvm::StringMap<bool> hostFeatures();

/// Why code for `target` cannot run on a machine with `features`: empty when
/// it can, else the missing features.
std::string whyNotRunnable(const TargetInfo &target,
                           const llvm::StringMap<bool> &features);

/// The target called `name`; "host" is the most capable CPU that runs here. An
/// unknown name is an error with the nearest one and the list.
llvm::Expected<const TargetInfo *> resolveTarget(llvm::StringRef name);
/// The same on a machine with the given features.
llvm::Expected<const TargetInfo *>
resolveTarget(llvm::StringRef name, const llvm::StringMap<bool> &features);

/// Comma-separated names -> targets, duplicates dropped, order kept.
llvm::Expected<std::vector<const TargetInfo *>>
resolveTargets(llvm::StringRef names);

/// The plan functions of every bundle are made for this: x86-64 baseline.
const TargetInfo &planTarget();

} // namespace fovea

#endif // FOVEA_CODEGEN_TARGET_TARGET_H
