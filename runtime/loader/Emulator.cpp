// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads the emulator and checks that its table is the one that code expects.
#include "runtime/loader/Emulator.h"
#include "runtime/base/Library.h"
#include "runtime/base/Status.h"

#include <cstdio>
#include <fovea/abi.h>

namespace fovea::rt {

namespace {
struct Emulator {
  const fovea_abi_device *table = nullptr;
  const char *(*message)() = nullptr;
  char path[4096] = "libfovea-emulator.so";
  char reason[512] = {}; // why there is no table

  // The library has names of its own for the types of its functions.
#ifdef __clang__
  __attribute__((no_sanitize("function")))
#endif
  Emulator();
  template <typename Function>
  bool find(void *library, const char *name, Function &out) {
    out = reinterpret_cast<Function>(
        reinterpret_cast<uintptr_t>(findSymbol(library, name)));
    if (!out)
      std::snprintf(reason, sizeof reason, "a library without %s", name);
    return out;
  }
};
} // namespace

Emulator::Emulator() {
  if (!libraryPath("FOVEA_EMULATOR_LIBRARY", "libfovea-emulator.so", path,
                   sizeof path)) {
    std::snprintf(reason, sizeof reason, "a path that is too long");
    return;
  }
  void *library = openLibraryAt(path, reason, sizeof reason);
  if (!library)
    return;
  const fovea_abi_device *(*get)();
  if (!find(library, "fovea_emulator_get", get) ||
      !find(library, "fovea_emulator_message", message))
    return;
  const fovea_abi_device *found = get();
  if (found->version != FOVEA_ABI_DEVICE_VERSION)
    std::snprintf(reason, sizeof reason,
                  "version %llu where code of this runtime needs version %d",
                  (unsigned long long)found->version, FOVEA_ABI_DEVICE_VERSION);
  else
    table = found;
}

static const Emulator &emulator() {
  static const Emulator the;
  return the;
}

const char *emulatorMessage() {
  return emulator().table ? emulator().message() : "";
}

fovea_status emulatorTable(const void *&out) {
  const Emulator &emulator = rt::emulator();
  out = emulator.table;
  if (out)
    return FOVEA_OK;
  return fail(FOVEA_UNSUPPORTED,
              "expected the emulator of GPUs at %s (beside the runtime, or "
              "where FOVEA_EMULATOR_LIBRARY says), got: %s",
              emulator.path, emulator.reason);
}

} // namespace fovea::rt
