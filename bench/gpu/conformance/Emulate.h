// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiles a conformance kernel for this CPU and runs it on the emulator.
#ifndef FOVEA_BENCH_GPU_CONFORMANCE_EMULATE_H
#define FOVEA_BENCH_GPU_CONFORMANCE_EMULATE_H

#include "bench/gpu/conformance/Case.h"

namespace fovea::gpu::conformance {

/// What a launch gave; an error of -1 stands for code that did not compile.
struct Outcome {
  int32_t error = 0;
  std::string message;
};

/// Runs `text`'s @k with one CTA: see Case. `seed` is the launch's.
Outcome emulate(const std::string &text, const Words &in, Words &out,
                const Map *map = nullptr, uint32_t seed = 0);

} // namespace fovea::gpu::conformance
#endif
