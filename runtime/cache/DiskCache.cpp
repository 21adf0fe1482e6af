// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Files and directories of the cache.
#include "runtime/cache/DiskCache.h"
#include "runtime/base/Status.h"
#include "runtime/loader/Bundle.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fovea::rt {

std::string cacheDirectory(const char *option) {
  if (option)
    return option;
  auto variable = [](const char *name) {
    const char *value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (std::string own = variable("FOVEA_CACHE_DIR"); !own.empty())
    return own;
  // The base directory specification ignores relative paths.
  if (std::string base = variable("XDG_CACHE_HOME"); base[0] == '/')
    return base + "/fovea";
  if (std::string home = variable("HOME"); !home.empty())
    return home + "/.cache/fovea";
  return "";
}

bool DiskCache::open(std::string &why) const {
  struct stat info;
  if (stat(directory.c_str(), &info)) {
    for (size_t at = 1; at <= directory.size(); ++at)
      if (at == directory.size() || directory[at] == '/')
        mkdir(directory.substr(0, at).c_str(), 0700);
    if (stat(directory.c_str(), &info)) {
      why = std::strerror(errno);
      return false;
    }
  }
  if (!S_ISDIR(info.st_mode)) {
    why = "not a directory";
    return false;
  }
  if ((info.st_mode & S_IWOTH) || (info.st_uid && info.st_uid != geteuid())) {
    why = "other users may write it";
    return false;
  }
  return true;
}

fovea_bundle *DiskCache::find(fovea_ctx *ctx, const Key &key,
                              std::string &note) const {
  std::string file = path(key);
  bool missing = false;
  fovea_bundle *bundle = nullptr;
  fovea_status st = openBundleFile(ctx, file.c_str(), &bundle, &missing);
  if (missing)
    return nullptr;
  if (!st && bundle->view.header->key == key.low)
    return bundle;
  note = "cache entry '" + file + "' is damaged (" +
         (st ? message() : "it was built for another key") +
         "); it is removed and built again";
  if (bundle)
    bundle->release();
  unlink(file.c_str());
  return nullptr;
}

static bool writeAll(int fd, const char *bytes, size_t size) {
  while (size) {
    ssize_t n = write(fd, bytes, size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    bytes += n;
    size -= size_t(n);
  }
  return true;
}

bool DiskCache::store(const Key &key, const void *bytes, size_t size,
                      std::string &why) const {
  static std::atomic<unsigned> serial{0};
  char name[96];
  std::snprintf(name, sizeof name, "/.%s.%ld.%u", key.hex().c_str(),
                long(getpid()), serial.fetch_add(1));
  std::string temporary = directory + name;
  // A file of this name can only be left over from a process that is gone.
  unlink(temporary.c_str());
  int fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    why = std::strerror(errno);
    return false;
  }
  bool ok = writeAll(fd, static_cast<const char *>(bytes), size);
  ok = close(fd) == 0 && ok;
  ok = ok && rename(temporary.c_str(), path(key).c_str()) == 0;
  if (!ok) {
    why = std::strerror(errno);
    unlink(temporary.c_str());
  }
  return ok;
}

} // namespace fovea::rt
