// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The emulator of GPUs, found at run time: bundles for a CPU never load it.
#ifndef FOVEA_RUNTIME_LOADER_EMULATOR_H
#define FOVEA_RUNTIME_LOADER_EMULATOR_H

#include <fovea/runtime.h>

namespace fovea::rt {

/// The emulator's table of functions, which stages get as
/// fovea_abi_args::device. It is immutable; stages on several threads may call
/// through it at once. The library is libfovea-emulator.so beside this one, or
/// what FOVEA_EMULATOR_LIBRARY names, and is loaded once for the process.
/// FOVEA_UNSUPPORTED says which library was looked for, and why it will not do.
fovea_status emulatorTable(const void *&out);

/// What went wrong in the calling thread's last launch, "" if nothing did or
/// there is no emulator.
const char *emulatorMessage();

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_LOADER_EMULATOR_H
