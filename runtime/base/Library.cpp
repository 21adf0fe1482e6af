// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// dlopen with the reason as text.
#include "runtime/base/Library.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

namespace fovea::rt {

bool libraryPath(const char *variable, const char *name, char *path,
                 size_t size) {
  const char *given = std::getenv(variable);
  if (given && *given)
    return size_t(std::snprintf(path, size, "%s", given)) < size;
  Dl_info self;
  const char *slash = nullptr;
  if (dladdr(reinterpret_cast<void *>(&libraryPath), &self) && self.dli_fname)
    slash = std::strrchr(self.dli_fname, '/');
  int folder = slash ? int(slash + 1 - self.dli_fname) : 0;
  return size_t(std::snprintf(path, size, "%.*s%s", folder,
                              slash ? self.dli_fname : "", name)) < size;
}

void *openLibraryAt(const char *path, char *reason, size_t size) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    std::snprintf(reason, size, "%s", why ? why : path);
  }
  return library;
}

void *openLibrary(const char *variable, const char *name, char *reason,
                  size_t size) {
  char path[4096];
  if (!libraryPath(variable, name, path, sizeof path)) {
    std::snprintf(reason, size, "the path of %s is too long", name);
    return nullptr;
  }
  return openLibraryAt(path, reason, size);
}

void *findSymbol(void *library, const char *symbol) {
  return library ? dlsym(library, symbol) : nullptr;
}

} // namespace fovea::rt
