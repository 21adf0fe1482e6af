// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The message of the calling thread, and checks of versioned structs.
#ifndef FOVEA_RUNTIME_BASE_STATUS_H
#define FOVEA_RUNTIME_BASE_STATUS_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fovea/runtime.h>

namespace fovea::rt {

/// Records why the call fails and returns `status`. printf-like. Longer texts
/// are cut; nothing is allocated.
[[gnu::format(printf, 2, 3)]] fovea_status fail(fovea_status status,
                                                const char *format, ...);

/// Out of memory for `what`.
fovea_status noMemory(const char *what, size_t bytes);

/// The message of the calling thread.
const char *message();

/// Copies a struct of a caller that may be older (shorter: the rest is zero)
/// or newer (longer: the rest must be zero) than this library.
fovea_status readSized(const void *in, uint32_t size, uint32_t least, void *out,
                       uint32_t full, const char *name);

template <typename T>
fovea_status readStruct(const T *in, uint32_t least, T &out, const char *name) {
  if (!in)
    return fail(FOVEA_INVALID, "expected a %s, got NULL", name);
  uint32_t size = 0;
  std::memcpy(&size, in, sizeof size);
  return readSized(in, size, least, &out, sizeof(T), name);
}

/// Copies `from` to a caller's struct, as much of it as the caller knows.
template <typename T>
fovea_status writeStruct(const T &from, T *out, uint32_t least,
                         const char *name) {
  if (!out)
    return fail(FOVEA_INVALID, "expected a %s, got NULL", name);
  uint32_t size = out->size;
  if (size < least)
    return fail(FOVEA_INVALID, "expected %s.size to be at least %u, got %u",
                name, least, size);
  std::memcpy(static_cast<void *>(out), &from,
              size < sizeof(T) ? size : sizeof(T));
  out->size = size;
  return FOVEA_OK;
}

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_BASE_STATUS_H
