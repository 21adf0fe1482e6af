// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What stands in a key for the assembler of GPU code: a bundle of PTX alone is
// not what a machine with ptxas compiles, nor are the cubins of another ptxas.
// The places are those where the compiler looks (codegen/gpu/ptx/Ptxas.h).
#include "runtime/cache/Key.h"

#include <algorithm>
#include <cstdlib>
#include <sys/stat.h>
#include <unistd.h>

namespace fovea::rt {

bool needsAssembler(const std::string &targets) {
  for (size_t at = 0; at < targets.size();) {
    size_t comma = targets.find(',', at);
    std::string one = targets.substr(at, comma - at);
    const std::string tail = "-emulated";
    bool emulated = one.size() > tail.size() &&
                    !one.compare(one.size() - tail.size(), tail.size(), tail);
    if (!one.compare(0, 3, "sm_") && !emulated)
      return true;
    at = comma == std::string::npos ? targets.size() : comma + 1;
  }
  return false;
}

/// "" where there is no program.
static std::string identity(const std::string &path) {
  struct stat s;
  if (access(path.c_str(), X_OK) || stat(path.c_str(), &s) ||
      !S_ISREG(s.st_mode))
    return "";
  return path + " " + std::to_string(s.st_size) + " " +
         std::to_string(s.st_mtim.tv_sec) + "." +
         std::to_string(s.st_mtim.tv_nsec);
}

std::string assemblerIdentity() {
  if (const char *named = std::getenv("FOVEA_PTXAS"))
    return identity(named);
  if (const char *home = std::getenv("CUDA_HOME"); home && *home)
    return identity(std::string(home) + "/bin/ptxas");
  const char *path = std::getenv("PATH");
  std::string folders = path ? path : "";
  folders += ":/usr/local/cuda/bin";
  for (size_t at = 0; at <= folders.size();) {
    size_t colon = std::min(folders.find(':', at), folders.size());
    if (colon > at)
      if (std::string found =
              identity(folders.substr(at, colon - at) + "/ptxas");
          !found.empty())
        return found;
    at = colon + 1;
  }
  return "";
}

} // namespace fovea::rt
