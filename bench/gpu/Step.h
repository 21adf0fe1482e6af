// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One kernel of a bundle with arguments of given shapes on the first GPU,
// through the public interface alone: what an engine does. For gpu_attention
// and gpu_times, which have no compiler beside them.
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

/// Memory of the GPU.
class GpuMemory {
public:
  GpuMemory() = default;
  GpuMemory(const GpuMemory &) = delete;
  GpuMemory(GpuMemory &&other) { *this = static_cast<GpuMemory &&>(other); }
  GpuMemory &operator=(GpuMemory &&other);
  ~GpuMemory();
  fovea_status allocate(const Machine &of, size_t bytes);
  /// Writes `bytes` of it: `pattern` again and again.
  fovea_status fill(const std::string &pattern, size_t bytes);

  void *data = nullptr;

private:
  const Machine *machine = nullptr;
};

/// A tensor: its elements there, and here a whole number of them that repeats.
struct Tensor {
  int32_t dtype = FOVEA_DTYPE_NONE;
  std::vector<int64_t> shape;
  std::string bytes; ///< all of them, or those that repeat
  GpuMemory there;

  size_t elements() const;
  size_t elementBytes() const;
  size_t size() const { return elements() * elementBytes(); }
  /// An element of a tensor of floats or codes; NaN of another type.
  double value(size_t index) const;
  /// A view of all elements, for the C interface; of this object's memory.
  fovea_tensor onHost() const, onGpu() const;
};

/// What a cache holds before the step, and the rows of the step.
struct CacheContent {
  Tensor keys, values; ///< [sequence, head, token, channel], of rows' type
  std::vector<int64_t> tokens; ///< committed, by sequence
  std::vector<int32_t> rows;   ///< of the step: where each sequence's begin
  bool coded = false;          ///< as int8 with a scale per token and head
  fovea_kv *kv = nullptr;
};

/// An argument or a result.
struct Argument {
  fovea_arg_info info = {};
  Tensor tensor;
  int64_t scalar = 0;
  CacheContent cache;
  fovea_tensor here = {}, there = {};

  bool isTensor() const { return info.kind == FOVEA_TENSOR; }
  /// What .in files hold, in this order.
  std::vector<Tensor *> inputs();
};

/// Functions that return false leave the reason in `detail`.
class Step {
public:
  explicit Step(const Machine &machine) : machine(machine) {}
  Step(const Step &) = delete;
  Step &operator=(const Step &) = delete;
  ~Step();

  /// The only kernel of the bundle in this file. Of each argument and result a
  /// word, in their order or with "NAME=" before it: a tensor's shape
  /// "2x4x70x64", an integer, or what a cache holds,
  /// "3x8x300x128:270+30,156+1*2/int8": the shape of its keys and values, of
  /// each sequence (or of two) the committed tokens and the rows of the step,
  /// and the format if it has one. All bytes are 0xff: NaN.
  bool open(const std::string &path, const std::vector<std::string> &words);
  /// Copies the arguments there, and plans for them.
  bool plan();
  /// Plans again.
  bool update();
  /// Enqueues a run.
  bool run();
  /// Waits for all runs, and tells what one of them found wrong.
  bool wait();
  /// Of the plan; zeros where there is none.
  fovea_stats stats();
  /// "6 items, 4 pieces of split ones".
  std::string items();
  /// Copies the results here.
  bool fetch();
  /// The argument of a name, or null.
  const Argument *find(const std::string &name) const;

  std::vector<Argument> arguments;
  std::string detail;
  bool outOfMemory = false; ///< that is why

private:
  bool ok(fovea_status status);
  bool refuse(const Argument &argument, const std::string &word);
  bool take(Argument &argument, const std::string &word);
  bool takeTensor(Argument &argument, const std::string &word);
  bool takeCache(Argument &argument, const std::string &word);
  bool send(const Tensor &tensor);
  bool makeCache(size_t index);
  bool fillSequence(CacheContent &cache, size_t sequence);

  const Machine &machine;
  fovea_bundle *bundle = nullptr;
  fovea_kernel *kernel = nullptr;
  fovea_plan *thePlan = nullptr;
  GpuMemory workspace;
  fovea_batch batch = {};
  std::vector<uint64_t> ids;
  std::vector<fovea_value> here, there;
};

} // namespace fovea::gpu

#endif // FOVEA_BENCH_GPU_STEP_H
