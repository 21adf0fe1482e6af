// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// x86-64-v3: AVX2, FMA and F16C, 16 vector registers of 8 floats.
#include "codegen/target/Targets.h"

fovea::TargetInfo fovea::describeX86V3() {
  TargetInfo info;
  info.name = "x86-64-v3";
  info.summary = "x86-64 with AVX2, FMA and F16C (2013 and later)";
  info.isa = IsaClass::AVX2;
  info.vectorBits = 256;
  info.vectorRegisters = 16;
  info.triple = "x86_64-unknown-linux-gnu";
  info.cpu = "x86-64-v3";
  info.required = {"avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe"};
  return info;
}
