// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// x86-64-v4: AVX-512 F, BW, CD, DQ and VL, 32 vector registers of 16 floats.
#include "codegen/target/Targets.h"

fovea::TargetInfo fovea::describeX86V4() {
  TargetInfo info = describeX86V3();
  info.name = "x86-64-v4";
  info.summary = "x86-64 with AVX-512 F, BW, CD, DQ and VL";
  info.isa = IsaClass::AVX512;
  info.vectorBits = 512;
  info.vectorRegisters = 32;
  info.cpu = "x86-64-v4";
  // Without it LLVM splits 512-bit vectors on some processors.
  info.features = "-prefer-256-bit";
  for (const char *feature :
       {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})
    info.required.push_back(feature);
  return info;
}
