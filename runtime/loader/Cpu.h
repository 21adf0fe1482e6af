// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What code this CPU can run.
#ifndef FOVEA_RUNTIME_LOADER_CPU_H
#define FOVEA_RUNTIME_LOADER_CPU_H

namespace fovea::rt {

/// How well this CPU runs code of a target: negative if it cannot, otherwise
/// the higher the better. Names are "x86-64", "x86-64-v2", "-v3", "-v4",
/// optionally followed by features: "x86-64-v4+avx512bf16+avx512vnni".
int targetRank(const char *name);

/// The best plain level: "x86-64-v4", ...; "unknown" on another architecture.
const char *hostTarget();

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_LOADER_CPU_H
