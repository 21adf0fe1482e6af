// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A spec compiled for one target and run through the public C interface, as an
// engine would. For the end-to-end table and the conformance cases.
#ifndef FOVEA_TEST_E2E_COMPILED_H
#define FOVEA_TEST_E2E_COMPILED_H

#include "tools/fovea/SpecArguments.h"

#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace fovea::e2e {

/// The targets whose code this machine runs, of those that Fovea compiles for,
/// without matrix units.
std::vector<std::string> runnableTargets();

/// Compiled::compile's name for x86-64-v4's schedules and vectors in the
/// instructions of x86-64-v3, which shows on any machine that only the choice
/// of instructions for AVX-512 is left to trust.
inline constexpr char kWide[] = "wide";

/// The same with a matrix unit in plain code.
inline constexpr char kWideMatrix[] = "wide_matrix";
/// This, and the target with a matrix unit if the machine has one.
std::vector<std::string> matrixTargets();

/// A GPU that every machine runs. Its tests are called Emulated*.
inline constexpr char kEmulated[] = "sm_80-emulated";

/// A spec, or part of one, with every f32 as the 16-bit type that it has
/// beside, or f16: what the matrix products of a GPU take.
std::string asHalf(std::string text);

/// What a call planned and what it did, over all phases.
struct Outcome {
  fovea_stats planned = {};
  fovea_counters done = {};
  size_t workspace = 0;
};

/// A tensor with the strides that a call hands over; none: row-major. Element 0
/// is `offset` bytes behind the tensor's first.
struct StridedTensor {
  HostTensor *tensor;
  std::vector<int64_t> shape, strides;
  uint64_t offset = 0;
};

class Compiled {
public:
  /// Compiles the only kernel of `text`; `name` is its name in diagnostics.
  /// It runs on `workers` threads, or on a GPU, for which `target` is a list
  /// with code for it.
  static llvm::Expected<Compiled> compile(const std::string &text,
                                          const std::string &name,
                                          const std::string &target,
                                          int workers = 2,
                                          fovea_device device = FOVEA_CPU);
  Compiled(Compiled &&other);
  ~Compiled();

  /// Plans for exactly these shapes and runs once. `dims` gives the plan's
  /// limits. Results are filled with NaN first.
  llvm::Error run(std::vector<HostValue> &arguments,
                  std::vector<HostTensor> &results, const Dims &dims,
                  Outcome *outcome = nullptr);

  /// The same with tensors as they lie in memory; `scalars` stand at the
  /// positions whose tensor is null.
  llvm::Error run(const std::vector<StridedTensor> &tensors,
                  const std::vector<HostValue> &scalars, const Dims &dims,
                  Outcome *outcome = nullptr);

  fovea_kernel *kernel() const;
  fovea_ctx *context() const;

private:
  Compiled() = default;
  struct State;
  State *state = nullptr;
};

} // namespace fovea::e2e

#endif // FOVEA_TEST_E2E_COMPILED_H
