// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the kit's programs read and write: arguments, whole files, JSON.
#ifndef FOVEA_BENCH_GPU_TEXT_H
#define FOVEA_BENCH_GPU_TEXT_H

#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

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

/// The cases of a program that takes FOLDER JSON, by `read` from FOLDER/list,
/// which `packer` wrote. False, and a message, where there are none.
template <typename Case>
bool readArguments(int argc, char **argv, const char *program,
                   const char *packer, const char *list,
                   bool (*read)(const std::string &, std::vector<Case> &),
                   std::vector<Case> &cases) {
  if (argc != 3) {
    fprintf(stderr, "%s: error: expected FOLDER JSON, got %d arguments\n",
            program, argc - 1);
    return false;
  }
  if (read(std::string(argv[1]) + "/" + list, cases))
    return true;
  fprintf(stderr,
          "%s: error: expected the kernels of %s in %s, got no %s that can be "
          "read\n",
          program, packer, argv[1], list);
  return false;
}

/// The rows of a program: each a line of a Markdown table on stdout, as soon as
/// it is known, and an object in a file of JSON.
class Results {
public:
  /// `head` is the JSON up to the first row: "{..\"rows\": [".
  Results(const char *program, const std::string &head)
      : program(program), json(head) {}

  void add(std::initializer_list<std::pair<const char *, std::string>> row) {
    json += count++ ? ",\n" : "\n";
    const char *separator = "{";
    for (const auto &[name, value] : row) {
      printf("| %s ", value.c_str());
      json += separator + quoted(name) + ": " + quoted(value);
      separator = ", ";
    }
    printf("|\n");
    json += "}";
    fflush(stdout); // what has been seen if the next one hangs
  }

  /// The program's exit code: 2, and a message, where the file cannot be
  /// written, else 1 where a row is bad.
  int write(const std::string &path) {
    std::ofstream stream(path);
    stream << json << "\n]}\n";
    if (stream.flush())
      return bad ? 1 : 0;
    fprintf(stderr,
            "%s: error: expected to write the results to %s, got no "
            "file that takes them\n",
            program, path.c_str());
    return 2;
  }

  int bad = 0;
  size_t count = 0;

private:
  const char *program;
  std::string json;
};

} // namespace fovea::gpu

#endif // FOVEA_BENCH_GPU_TEXT_H
