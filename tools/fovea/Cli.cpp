// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Helpers of the subcommands.
#include "tools/fovea/Cli.h"

#include <fovea/bundle.h>

#include "llvm/ADT/StringRef.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <unistd.h>

namespace fovea::cli {

std::string unknownWord(const std::string &what, const std::string &word,
                        const std::vector<std::string> &legal) {
  std::string text = "unknown " + what + " '" + word + "'";
  unsigned best = ~0u;
  std::string nearest, list;
  for (const std::string &candidate : legal) {
    unsigned distance = llvm::StringRef(word).edit_distance(candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
    list += (list.empty() ? "" : ", ") + candidate;
  }
  if (legal.empty())
    return text + ": there is none";
  return text + ", did you mean '" + nearest + "'? (" + what + "s: " + list +
         ")";
}

std::pair<std::string, std::string> splitDefinition(const std::string &text,
                                                    const std::string &option) {
  size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw Failure(ExitUsage,
                  "expected " + option + " NAME=VALUE, got '" + text + "'");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::string readFile(const std::string &path) {
  std::unique_ptr<FILE, int (*)(FILE *)> file(std::fopen(path.c_str(), "rb"),
                                              std::fclose);
  if (!file)
    throw Failure(ExitRejected, path + ": " + std::strerror(errno));
  std::string bytes;
  char chunk[1 << 16];
  while (size_t got = std::fread(chunk, 1, sizeof(chunk), file.get()))
    bytes.append(chunk, got);
  if (std::ferror(file.get()))
    throw Failure(ExitRejected, path + ": " + std::strerror(errno));
  return bytes;
}

void writeFile(const std::string &path, const std::string &bytes) {
  std::string temporary = path + "." + std::to_string(getpid()) + ".tmp";
  FILE *file = std::fopen(temporary.c_str(), "wb");
  if (!file)
    throw Failure(ExitMachine, path + ": " + std::strerror(errno));
  bool good = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  good = std::fclose(file) == 0 && good;
  if (!good || std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::string reason = std::strerror(errno);
    std::remove(temporary.c_str());
    throw Failure(ExitMachine, path + ": " + reason);
  }
}

bool isBundle(const std::string &bytes) {
  uint32_t magic = FOVEA_BUNDLE_MAGIC;
  return bytes.size() >= sizeof(magic) &&
         std::memcmp(bytes.data(), &magic, sizeof(magic)) == 0;
}

Progress::Progress(bool enabled) : active(enabled && isatty(STDERR_FILENO)) {}

Progress::~Progress() {
  if (active)
    std::fputs("\r\033[K", stderr);
}

void Progress::show(const std::string &text) {
  if (!active)
    return;
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
}

} // namespace fovea::cli
