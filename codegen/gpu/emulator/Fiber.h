// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fibers: stacks with a guard page and a switch between them in assembly. For
// the scheduler of a CTA (Cta.h). ucontext would ask the kernel for the signal
// mask at every switch, which costs more than all the rest of an emulated op.
#ifndef FOVEA_CODEGEN_GPU_EMULATOR_FIBER_H
#define FOVEA_CODEGEN_GPU_EMULATOR_FIBER_H

#include <cstddef>
#include <vector>

namespace fovea::emulator {

/// Where a fiber, or the thread that runs them, has been left, and its stack,
/// which the address sanitizer is told of.
struct Context {
  void *stack = nullptr; ///< the saved stack pointer
  const void *bottom = nullptr;
  size_t bytes = 0;
  void *fake = nullptr; ///< the sanitizer's
};

/// Leaves `from`, to come back later unless it is the last time, for `to`.
void switchFiber(Context &from, Context &to, bool last = false);

/// The first thing that a fiber does: `from` has switched to it.
void enterFiber(Context &from);

/// The stacks of one thread, kept for its next launch.
class StackPool {
public:
  StackPool() = default;
  StackPool(const StackPool &) = delete;
  StackPool &operator=(const StackPool &) = delete;
  ~StackPool();

  /// Has `count` stacks, or says false if there is no memory for them.
  bool reserve(size_t count);

  /// A context that calls `entry(argument)` on stack `index` when it is
  /// switched to. `entry` does not return.
  Context prepare(size_t index, void (*entry)(void *), void *argument);

private:
  std::vector<char *> stacks;
};

} // namespace fovea::emulator
#endif
