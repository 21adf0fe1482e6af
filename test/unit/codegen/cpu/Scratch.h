// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A stage's scratch memory, with a guard behind it. No sanitizer sees what
// generated code writes.
#ifndef FOVEA_TEST_UNIT_CODEGEN_CPU_SCRATCH_H
#define FOVEA_TEST_UNIT_CODEGEN_CPU_SCRATCH_H

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace fovea::cpu {

/// Poisoned: what a stage reads of it, it has written. Ends the program if the
/// guard was written.
class Scratch {
public:
  explicit Scratch(int64_t bytes) : end(bytes) {
    size_t all = (bytes + kGuard + 63) / 64 * 64;
    memory = static_cast<char *>(aligned_alloc(64, all));
    memset(memory, kPoison, all);
  }
  Scratch(const Scratch &) = delete;
  ~Scratch() {
    const char *guard = memory + end;
    const char *bad = std::find_if(guard, guard + kGuard,
                                   [](char byte) { return byte != kPoison; });
    if (bad != guard + kGuard) {
      fprintf(stderr,
              "expected a stage to keep to its %zd bytes of scratch "
              "memory, got a write of byte %zd\n",
              ssize_t(end), ssize_t(bad - memory));
      abort();
    }
    free(memory);
  }

  void *get() const { return memory; }

private:
  static constexpr int64_t kGuard = 1024;
  static constexpr char kPoison = -1;
  char *memory;
  int64_t end;
};

} // namespace fovea::cpu

#endif // FOVEA_TEST_UNIT_CODEGEN_CPU_SCRATCH_H
