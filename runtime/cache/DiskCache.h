// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled bundles on disk, one file per key.
//
// No locks: an entry is written under another name and renamed into place, so
// a reader sees a whole entry or none, writers of the same key replace each
// other's equal files, and a killed process leaves nothing behind that anyone
// waits for. An entry that is damaged in any way is removed and built again.
#ifndef FOVEA_RUNTIME_CACHE_DISKCACHE_H
#define FOVEA_RUNTIME_CACHE_DISKCACHE_H

#include "runtime/cache/Key.h"

#include <fovea/runtime.h>

namespace fovea::rt {

/// The directory: `option`, else FOVEA_CACHE_DIR, else XDG_CACHE_HOME/fovea,
/// else HOME/.cache/fovea. Empty: none ("" as the option, or no home).
std::string cacheDirectory(const char *option);

class DiskCache {
public:
  explicit DiskCache(std::string directory) : directory(std::move(directory)) {}

  /// Makes the directory. False: it cannot be used, and `why` tells the
  /// reason. Entries are code, so a directory that other users may write is
  /// refused.
  bool open(std::string &why) const;

  /// The entry, or NULL. `note` is set if a damaged one was removed.
  fovea_bundle *find(fovea_ctx *ctx, const Key &key, std::string &note) const;

  /// False: it could not be written, and `why` tells the reason.
  bool store(const Key &key, const void *bytes, size_t size,
             std::string &why) const;

  std::string path(const Key &key) const {
    return directory + "/" + key.hex() + ".fvb";
  }

private:
  std::string directory;
};

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_CACHE_DISKCACHE_H
