// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Messages: one fixed buffer per thread, so that reporting cannot fail.
#include "runtime/base/Status.h"

#include <cstdarg>
#include <cstdio>

namespace fovea::rt {

static thread_local char text[1024];

fovea_status fail(fovea_status status, const char *format, ...) {
  // Arguments may point into the present message.
  char next[sizeof text];
  va_list args;
  va_start(args, format);
  std::vsnprintf(next, sizeof next, format, args);
  va_end(args);
  std::memcpy(text, next, sizeof text);
  return status;
}

fovea_status noMemory(const char *what, size_t bytes) {
  return fail(FOVEA_NO_MEMORY, "cannot allocate %zu bytes for %s", bytes, what);
}

const char *message() { return text; }

fovea_status readSized(const void *in, uint32_t size, uint32_t least, void *out,
                       uint32_t full, const char *name) {
  if (size < least)
    return fail(FOVEA_INVALID, "expected %s.size to be at least %u, got %u",
                name, least, size);
  std::memset(out, 0, full);
  std::memcpy(out, in, size < full ? size : full);
  for (uint32_t i = full; i < size; ++i)
    if (static_cast<const unsigned char *>(in)[i])
      return fail(FOVEA_UNSUPPORTED,
                  "expected %s of at most %u bytes, got %u with a field that "
                  "this version does not know",
                  name, full, size);
  return FOVEA_OK;
}

} // namespace fovea::rt

using namespace fovea::rt;

const char *fovea_message(void) { return message(); }

const char *fovea_status_name(fovea_status status) {
  switch (status) {
  case FOVEA_OK:
    return "FOVEA_OK";
  case FOVEA_INVALID:
    return "FOVEA_INVALID";
  case FOVEA_UNSUPPORTED:
    return "FOVEA_UNSUPPORTED";
  case FOVEA_NO_PAGES:
    return "FOVEA_NO_PAGES";
  case FOVEA_NO_MEMORY:
    return "FOVEA_NO_MEMORY";
  case FOVEA_BAD_BUNDLE:
    return "FOVEA_BAD_BUNDLE";
  case FOVEA_DEVICE:
    return "FOVEA_DEVICE";
  case FOVEA_STALE:
    return "FOVEA_STALE";
  case FOVEA_SEALED:
    return "FOVEA_SEALED";
  case FOVEA_CANCELLED:
    return "FOVEA_CANCELLED";
  }
  return "unknown status";
}

const char *fovea_version(void) { return FOVEA_VERSION_STRING; }
