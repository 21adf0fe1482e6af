// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiles a kernel of the hw dialect and runs it on the emulator. For the
// conformance kernels, one per instruction.
#ifndef FOVEA_TEST_UNIT_CODEGEN_GPU_EMULATOR_LOWERING_CONFORMANCE_H
#define FOVEA_TEST_UNIT_CODEGEN_GPU_EMULATOR_LOWERING_CONFORMANCE_H

#include <cstdint>
#include <string>
#include <vector>

namespace fovea::gpu {

/// What a launch gave.
struct Outcome {
  int32_t error;
  std::string message;
};

/// Runs @k(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>) of `text` with one CTA.
/// Fails the test if it does not compile.
Outcome runKernel(const std::string &text, const std::vector<uint32_t> &in,
                  std::vector<uint32_t> &out);

/// A kernel of one warp around `body`. %t is the lane; %v, %w and %x are its
/// three inputs in[t], in[t + 32] and in[t + 64] as i32, %f is %v as f32 and
/// %s the start of 4096 bytes of shared memory. The body ends with a value %r,
/// an i32 that goes to out[t].
std::string warpKernel(const std::string &body);

} // namespace fovea::gpu
#endif
