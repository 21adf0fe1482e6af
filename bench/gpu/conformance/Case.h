// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The conformance kernels: small kernels of the hw dialect, at least one for
// each op and each kind of it, with inputs and the outputs that the PTX manual
// asks for. For the tests of the emulator and for what carries them to a GPU.
#ifndef FOVEA_BENCH_GPU_CONFORMANCE_CASE_H
#define FOVEA_BENCH_GPU_CONFORMANCE_CASE_H

#include "codegen/gpu/emulator/Emulator.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace fovea::gpu::conformance {

using Words = std::vector<uint32_t>;

/// The tensor map a kernel takes as its third argument.
struct Map {
  bool onOutput = false; ///< of the output buffer, else of the input
  fovea_emulator_tensor_map_t map = {};
};

/// One kernel: @k(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>[, %map: !llvm.ptr]),
/// run by one CTA.
struct Case {
  std::string name; ///< letters, digits and underscores; unique
  std::string text;
  bool hopper = false; ///< needs sm_90a, else sm_80 is enough
  Words in;
  /// What `out` holds afterwards; before, every word is `untouched`.
  Words expected;
  /// 0: bit by bit. Else the outputs are f32, and a GPU may differ by so much
  /// of max(|x|, 1): what PTX allows an approximation.
  float tolerance = 0;
  std::optional<Map> map;
};

/// What `out` holds before a launch.
constexpr uint32_t untouched = 0xdeadbeef;

/// All cases, in a fixed order.
const std::vector<Case> &cases();

/// A kernel around `body`. %t is the thread, %s the start of shared memory,
/// %i0 and %o are in + t and out + t; @k takes %map if `map`.
std::string kernel(const std::string &body, uint32_t threads = 32,
                   uint32_t sharedBytes = 4096, bool map = false,
                   const std::string &attributes = "");

/// The same with one warp, where moreover %v, %w and %x are in[t], in[t + 32]
/// and in[t + 64], %f and %g are %v and %w as f32, and the body's %r, an i32,
/// goes to out[t].
std::string warpKernel(const std::string &body);

/// "%result = base + index words", for shared and for global memory.
std::string atShared(const std::string &result, const std::string &index,
                     const std::string &base = "%s");
std::string atGlobal(const std::string &result, const std::string &index,
                     const std::string &base);

/// The inputs of warpKernel: floats from 1 to 4.875 in the first two thirds,
/// bits in the last.
Words warpInputs();

/// A case of warpKernel: `expected(in, t)` is lane t's result.
Case warpCase(const std::string &name, const std::string &body,
              const std::function<uint32_t(const Words &in, uint32_t t)> &);

/// The parts of cases().
void addThreadCases(std::vector<Case> &cases);
void addMemoryCases(std::vector<Case> &cases);
void addAsyncCases(std::vector<Case> &cases);
void addTensorCases(std::vector<Case> &cases);
void addMatrixCases(std::vector<Case> &cases);
void addWgmmaCases(std::vector<Case> &cases);
void addMathCases(std::vector<Case> &cases);

} // namespace fovea::gpu::conformance
#endif
