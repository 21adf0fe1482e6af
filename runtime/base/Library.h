// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds the optional libraries that lie beside libfovea-rt.so.
#ifndef FOVEA_RUNTIME_BASE_LIBRARY_H
#define FOVEA_RUNTIME_BASE_LIBRARY_H

#include <cstddef>

namespace fovea::rt {

/// Where a library is: `variable` of the environment if it is set, otherwise
/// `name` in the directory of this library (or program, if linked in).
/// False: `path` is too short.
bool libraryPath(const char *variable, const char *name, char *path,
                 size_t size);

/// Loads it for the rest of the process. NULL: `reason` says why not.
void *openLibrary(const char *variable, const char *name, char *reason,
                  size_t size);
/// The same by path.
void *openLibraryAt(const char *path, char *reason, size_t size);

/// NULL without library or symbol.
void *findSymbol(void *library, const char *symbol);

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_BASE_LIBRARY_H
