// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fibers: stacks with a guard page and a switch between them in assembly. For
// the scheduler of a CTA (Cta.h). ucontext would ask the kernel for the signal
// mask at every switch, which costs more than all the rest of an emulated op.
#ifndef FOVEA_CODEGEN_GPU_EMULATOR_FIBER_H
#define FOVEA_CODEGEN_GPU_EMULATOR_FIBER_H

#include <cstddef>
#include <vector>

namespace fovea::emulator {

/// Saves the callee-saved registers and the stack pointer at `*save`, continues
/// where `to` was saved.
extern "C" void fovea_emulator_switch(void **save, void *to);

/// The stacks of one thread, kept for its next launch.
class StackPool {
public:
  StackPool() = default;
  StackPool(const StackPool &) = delete;
  StackPool &operator=(const StackPool &) = delete;
  ~StackPool();

  /// Has `count` stacks, or says false if there is no memory for them.
  bool reserve(size_t count);

  /// A saved stack pointer that calls `entry(argument)` on stack `index` when
  /// it is switched to. `entry` does not return.
  void *prepare(size_t index, void (*entry)(void *), void *argument);

private:
  std::vector<char *> stacks;
};

} // namespace fovea::emulator
#endif
