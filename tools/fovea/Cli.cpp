// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Helpers of the subcommands.
#include "tools/fovea/Cli.h"
#include "tools/fovea/npy/WriteFile.h"

#include <fovea/bundle.h>

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

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
  std::string reason = replaceFile(path, bytes);
  if (!reason.empty())
    throw Failure(ExitMachine, path + ": " + reason);
}

void insistOnRoomFor(const std::string &path) {
  using namespace llvm::sys;
  llvm::SmallString<128> real; // what a link leads to
  bool exists = !fs::real_path(path, real);
  if (exists && !fs::is_regular_file(real))
    return; // written in place
  llvm::StringRef folder =
      path::parent_path(exists ? llvm::StringRef(real) : llvm::StringRef(path));
  if (folder.empty())
    folder = ".";
  if (std::error_code error = fs::access(folder, fs::AccessMode::Write))
    throw Failure(ExitMachine, path + ": expected a folder to write to, got " +
                                   folder.str() + ": " + error.message());
}

void insistOnce(const std::string &option, const std::string &name,
                std::vector<std::string> &seen) {
  if (llvm::is_contained(seen, name))
    throw Failure(ExitUsage, "expected " + option + " to name '" + name +
                                 "' once, got two");
  seen.push_back(name);
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
