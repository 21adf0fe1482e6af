// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One kernel of a bundle with tensors of given shapes on the first GPU, through
// the public interface alone: what an engine does. For gpu_attention, which has
// no compiler beside it.
#ifndef FOVEA_BENCH_GPU_STEP_H
#define FOVEA_BENCH_GPU_STEP_H

#include <fovea/abi.h>
#include <fovea/runtime.h>

#include <string>
#include <vector>

namespace fovea::gpu {

/// A context, the first GPU, and a stream of it.
struct Machine {
  fovea_ctx *ctx = nullptr;
  fovea_device device = {kDLCUDA, 0};
  fovea_stream stream = nullptr;

  Machine() = default;
  Machine(const Machine &) = delete;
  Machine &operator=(const Machine &) = delete;
  ~Machine();
  /// False: there is no GPU, as fovea_message() says.
  bool open();
};

/// An argument or a result: its bytes here and its place there.
struct Argument {
  fovea_arg_info info = {};
  std::vector<int64_t> shape;
  std::string bytes;
  void *there = nullptr;
  fovea_tensor onHost = {}, onGpu = {};
};

/// Functions that return false leave the reason in `detail`.
class Step {
public:
  explicit Step(const Machine &machine) : machine(machine) {}
  Step(const Step &) = delete;
  Step &operator=(const Step &) = delete;
  ~Step();

  /// The only kernel of the bundle in this file; `shapes` are those of its
  /// arguments and results, "2x4x70x64". All bytes are 0xff: NaN.
  bool open(const std::string &path, const std::vector<std::string> &shapes);
  /// Plans for the arguments as they are here, and copies them there.
  bool plan();
  /// Enqueues a run.
  bool run();
  /// Waits for all runs, and tells what one of them found wrong.
  bool wait();
  /// "6 items, 4 pieces of split ones": of the plan.
  std::string items();
  /// Copies the results here.
  bool fetch();

  std::vector<Argument> arguments;
  std::string detail;
  bool outOfMemory = false; ///< that is why

private:
  bool ok(fovea_status status);
  bool shapeOf(Argument &argument, const std::string &text);

  const Machine &machine;
  fovea_bundle *bundle = nullptr;
  fovea_kernel *kernel = nullptr;
  fovea_plan *thePlan = nullptr;
  void *workspace = nullptr;
  std::vector<fovea_value> here, there;
};

/// An element of a tensor of floats; NaN of another type.
double valueOf(const Argument &argument, size_t index);

} // namespace fovea::gpu

#endif // FOVEA_BENCH_GPU_STEP_H
