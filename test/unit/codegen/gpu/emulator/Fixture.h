// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of the emulator as C++ lambdas, for its tests.
#ifndef FOVEA_TEST_UNIT_CODEGEN_GPU_EMULATOR_FIXTURE_H
#define FOVEA_TEST_UNIT_CODEGEN_GPU_EMULATOR_FIXTURE_H

#include "codegen/gpu/emulator/Emulator.h"

#include <functional>
#include <string>
#include <vector>

namespace fovea::emulator {
using UnitPtr = fovea_emulator_unit_t *;
using Body = std::function<void(UnitPtr unit, uint32_t thread)>;

inline const fovea_emulator_table_t &calls() { return *fovea_emulator_get(); }

/// A launch and what came of it.
struct Kernel {
  uint32_t threads = 32, ctas = 1, sharedBytes = 4096, seed = 0;
  std::vector<fovea_emulator_range_t> ranges;
  std::string message;

  int32_t run(const Body &body) {
    fovea_emulator_launch_t launch = {};
    launch.size = sizeof launch;
    launch.kernel = "test";
    launch.body = [](UnitPtr unit, void *env) {
      (*static_cast<const Body *>(env))(unit, calls().thread_id(unit));
    };
    launch.env = const_cast<Body *>(&body);
    launch.ctas = ctas;
    launch.threads = threads;
    launch.shared_bytes = sharedBytes;
    launch.seed = seed;
    launch.ranges = ranges.data();
    launch.range_count = ranges.size();
    int32_t error = calls().launch(&launch);
    message = launch.message;
    return error;
  }
};

template <typename T>
void storeShared(UnitPtr unit, uint32_t offset, T value) {
  calls().store_shared(unit, calls().shared_memory(unit) + offset, &value,
                       sizeof value);
}
template <typename T>
T loadShared(UnitPtr unit, uint32_t offset) {
  T value;
  calls().load_shared(unit, calls().shared_memory(unit) + offset, &value,
                      sizeof value);
  return value;
}

} // namespace fovea::emulator
#endif
