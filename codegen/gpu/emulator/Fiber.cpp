// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fibers on x86-64, System V: see Fiber.h.
#include "codegen/gpu/emulator/Fiber.h"

#include <cstdint>
#include <sys/mman.h>

using namespace fovea::emulator;

// The control words of the FPU are not saved: no kernel changes them.
asm(R"(
  .text
  .p2align 4
  .hidden fovea_emulator_switch
  .globl fovea_emulator_switch
  .type fovea_emulator_switch, @function
fovea_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size fovea_emulator_switch, . - fovea_emulator_switch

  .p2align 4
  .hidden fovea_emulator_start
  .globl fovea_emulator_start
  .type fovea_emulator_start, @function
fovea_emulator_start:
  subq $8, %rsp
  movq %r12, %rdi
  callq *%r13
  ud2
  .size fovea_emulator_start, . - fovea_emulator_start
)");
extern "C" void fovea_emulator_start();

// Saves the callee-saved registers and the stack pointer at `*save`, continues
// where `to` was saved.
extern "C" void fovea_emulator_switch(void **save, void *to);

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FOVEA_ASAN
#endif
#endif
#ifdef FOVEA_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

void fovea::emulator::switchFiber(Context &from, Context &to, bool last) {
  __sanitizer_start_switch_fiber(last ? nullptr : &from.fake, to.bottom,
                                 to.bytes);
  fovea_emulator_switch(&from.stack, to.stack);
  __sanitizer_finish_switch_fiber(from.fake, nullptr, nullptr);
}

void fovea::emulator::enterFiber(Context &from) {
  __sanitizer_finish_switch_fiber(nullptr, &from.bottom, &from.bytes);
}

// What frames of a launch that was given up have left.
static void forget(char *stack, size_t bytes) {
  ASAN_UNPOISON_MEMORY_REGION(stack, bytes);
}
#else
void fovea::emulator::switchFiber(Context &from, Context &to, bool) {
  fovea_emulator_switch(&from.stack, to.stack);
}

void fovea::emulator::enterFiber(Context &) {}

static void forget(char *, size_t) {}
#endif

static constexpr size_t guardBytes = 4096;
static constexpr size_t stackBytes = 256 * 1024;

StackPool::~StackPool() {
  for (char *stack : stacks)
    munmap(stack, guardBytes + stackBytes);
}

bool StackPool::reserve(size_t count) {
  while (stacks.size() < count) {
    void *memory = mmap(nullptr, guardBytes + stackBytes, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
      return false;
    char *stack = static_cast<char *>(memory);
    if (mprotect(stack + guardBytes, stackBytes, PROT_READ | PROT_WRITE)) {
      munmap(memory, guardBytes + stackBytes);
      return false;
    }
    stacks.push_back(stack);
  }
  return true;
}

Context StackPool::prepare(size_t index, void (*entry)(void *),
                           void *argument) {
  // From the top: 8 unused bytes, so that the stack is 16-byte aligned at the
  // call, then what fovea_emulator_switch pops.
  char *bottom = stacks[index] + guardBytes, *top = bottom + stackBytes;
  forget(bottom, stackBytes);
  uint64_t *frame = reinterpret_cast<uint64_t *>(top - 16) - 6;
  for (int i = 0; i < 6; ++i)
    frame[i] = 0;
  frame[2] = reinterpret_cast<uint64_t>(entry);    // r13
  frame[3] = reinterpret_cast<uint64_t>(argument); // r12
  frame[6] = reinterpret_cast<uint64_t>(&fovea_emulator_start);
  Context context;
  context.stack = frame;
  context.bottom = bottom;
  context.bytes = stackBytes;
  return context;
}
