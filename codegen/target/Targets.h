// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The descriptions that Registry.cpp lists; one function per target file.
#ifndef FOVEA_CODEGEN_TARGET_TARGETS_H
#define FOVEA_CODEGEN_TARGET_TARGETS_H

#include "codegen/target/Target.h"

namespace fovea {

TargetInfo describeX86V3();
TargetInfo describeX86V4();
TargetInfo describeX86V4Amx();
/// "sm_80" and "sm_90a", and the same for the emulator.
TargetInfo describeSm80(bool emulated);
TargetInfo describeSm90a(bool emulated);

} // namespace fovea

#endif // FOVEA_CODEGEN_TARGET_TARGETS_H
