// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What code this CPU can run: its own, and that of GPUs that are emulated.
#ifndef FOVEA_RUNTIME_LOADER_CPU_H
#define FOVEA_RUNTIME_LOADER_CPU_H

namespace fovea::rt {

/// How well this CPU runs code of a target: negative if it cannot, otherwise
/// the higher the better. Names are "x86-64", "x86-64-v2", "-v3", "-v4",
/// optionally followed by features: "x86-64-v4+amx", "+avx512vnni". The
/// code of an emulated target, such as "sm_80-emulated", is x86-64-v3 and ranks
/// below all others.
int targetRank(const char *name);

/// The best that the compiler knows: "x86-64-v4", ...; "unknown" on another
/// architecture.
const char *hostTarget();

/// Whether code of this target runs through the emulator.
bool isEmulated(const char *name);

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_LOADER_CPU_H
