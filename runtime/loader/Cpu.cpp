// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The compiler's own CPU detection (libgcc or compiler-rt) asks CPUID and
// whether the system saves the registers.
#include "runtime/loader/Cpu.h"

#include <cstring>
#include <fovea/runtime.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h> // Linux's, as the whole runtime
#include <unistd.h>
#endif

namespace fovea::rt {

bool isEmulated(const char *name) {
  static constexpr char prefix[] = "sm_", suffix[] = "-emulated";
  size_t n = std::strlen(name), tail = sizeof suffix - 1;
  return n > tail && !std::strncmp(name, prefix, sizeof prefix - 1) &&
         !std::strcmp(name + n - tail, suffix);
}

#if defined(__x86_64__)

static int hostLevel() {
  __builtin_cpu_init();
  bool v2 = __builtin_cpu_supports("sse4.2") &&
            __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("ssse3");
  bool v3 = v2 && __builtin_cpu_supports("avx2") &&
            __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
            __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") &&
            __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  return v4 ? 4 : v3 ? 3 : v2 ? 2 : 1;
}

/// Linux saves a thread's tiles, 8 KB, only for processes that have asked.
static bool mayUseTiles() {
  constexpr long requestPermission = 0x1023, tileData = 18;
  static const bool granted =
      syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
  return granted;
}

/// AMX with bf16, and the VNNI that every processor with it has. g++ 12 does
/// not know its name.
static bool hasTiles() {
  unsigned a, b, c, d = 0;
  constexpr unsigned bf16 = 1u << 22, tile = 1u << 24;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & bf16) && (d & tile) &&
         __builtin_cpu_supports("avx512vnni") && mayUseTiles();
}

static bool hasFeature(const char *name, size_t n) {
  auto is = [&](const char *feature) {
    return std::strlen(feature) == n && !std::memcmp(name, feature, n);
  };
  if (is("avx512vnni"))
    return __builtin_cpu_supports("avx512vnni");
  if (is("avx512bf16"))
    return __builtin_cpu_supports("avx512bf16");
  if (is("amx"))
    return hasTiles();
  return false;
}

static constexpr const char *levels[] = {"x86-64", "x86-64-v2", "x86-64-v3",
                                         "x86-64-v4"};

int targetRank(const char *name) {
  if (isEmulated(name))
    return hostLevel() >= 3 ? 0 : -1;
  const char *plus = std::strchr(name, '+');
  size_t base = plus ? size_t(plus - name) : std::strlen(name);
  int level = 0;
  for (int i = 0; i < 4; ++i)
    if (std::strlen(levels[i]) == base && !std::memcmp(levels[i], name, base))
      level = i + 1;
  if (!level || level > hostLevel())
    return -1;
  int rank = level * 100;
  while (plus) {
    const char *feature = plus + 1;
    plus = std::strchr(feature, '+');
    size_t n = plus ? size_t(plus - feature) : std::strlen(feature);
    if (!hasFeature(feature, n))
      return -1;
    ++rank;
  }
  return rank;
}

const char *hostTarget() {
  static constexpr char amx[] = "x86-64-v4+amx";
  return targetRank(amx) >= 0 ? amx : levels[hostLevel() - 1];
}

#else

int targetRank(const char *) { return -1; }
const char *hostTarget() { return "unknown"; }

#endif

} // namespace fovea::rt

const char *fovea_host_target(void) { return fovea::rt::hostTarget(); }
