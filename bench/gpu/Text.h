// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the kit's programs read and write: whole files, strings of JSON.
#ifndef FOVEA_BENCH_GPU_TEXT_H
#define FOVEA_BENCH_GPU_TEXT_H

#include <fstream>
#include <iterator>
#include <string>

namespace fovea::gpu {

/// False where the file cannot be read or is empty.
inline bool readFile(const std::string &path, std::string &out) {
  std::ifstream stream(path, std::ios::binary);
  out.assign(std::istreambuf_iterator<char>(stream), {});
  return bool(stream) && !out.empty();
}

inline std::string quoted(const std::string &text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out + "\"";
}

} // namespace fovea::gpu

#endif // FOVEA_BENCH_GPU_TEXT_H
