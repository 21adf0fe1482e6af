// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// NVIDIA's GPUs from Ampere on, sm_80, and Hopper with wgmma and TMA, sm_90a.
// Emulated, a kernel is code for x86-64-v3.
#include "codegen/target/Targets.h"

using namespace fovea;

static TargetInfo describe(const char *name, const char *what, IsaClass isa,
                           bool emulated) {
  TargetInfo info;
  info.name = name;
  info.summary = what;
  info.isa = isa;
  info.emulated = emulated;
  // A register of a thread is one of 255, of 32 bits.
  info.vectorBits = 32;
  info.vectorRegisters = 255;
  info.triple = "nvptx64-nvidia-cuda";
  info.cpu = name;
  if (emulated) {
    info.name += "-emulated";
    info.summary += ", emulated on the CPU";
    info.triple = "x86_64-unknown-linux-gnu";
    // Floats of 16 bits have instructions there.
    TargetInfo host = describeX86V3();
    info.cpu = host.cpu;
    info.required = host.required;
  }
  return info;
}

TargetInfo fovea::describeSm80(bool emulated) {
  return describe("sm_80", "NVIDIA GPUs of compute capability 8.0 and later",
                  IsaClass::SM80, emulated);
}

TargetInfo fovea::describeSm90a(bool emulated) {
  return describe("sm_90a", "NVIDIA GPUs of compute capability 9.0",
                  IsaClass::SM90, emulated);
}
