// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A temporary file beside the target, then a rename.
#include "tools/fovea/npy/WriteFile.h"

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

/// Why `bytes` could not be written, or 0.
static int writeBytes(const std::string &path, const std::string &bytes) {
  FILE *file = std::fopen(path.c_str(), "wb");
  if (!file)
    return errno;
  int reason = 0;
  if (std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size())
    reason = errno;
  if (std::fclose(file) != 0 && !reason)
    reason = errno;
  return reason;
}

std::string fovea::replaceFile(const std::string &path,
                               const std::string &bytes) {
  std::string target = path;
  struct stat known, link;
  int reason = 0;
  bool exists = stat(path.c_str(), &known) == 0;
  bool dangles = !exists && lstat(path.c_str(), &link) == 0;
  if (dangles || (exists && !S_ISREG(known.st_mode))) {
    reason = writeBytes(path, bytes);
  } else {
    char resolved[PATH_MAX];
    if (realpath(path.c_str(), resolved))
      target = resolved;
    std::string temporary = target + "." + std::to_string(getpid()) + ".tmp";
    reason = writeBytes(temporary, bytes);
    if (!reason && std::rename(temporary.c_str(), target.c_str()) != 0)
      reason = errno;
    if (reason)
      std::remove(temporary.c_str());
  }
  return reason ? std::strerror(reason) : "";
}
