// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// x86-64-v4 with the matrix unit of Intel's Sapphire Rapids and later.
#include "codegen/target/Targets.h"

fovea::TargetInfo fovea::describeX86V4Amx() {
  TargetInfo info = describeX86V4();
  info.name = "x86-64-v4+amx";
  info.summary = "x86-64-v4 with AMX tiles of bf16 and AVX-512 VNNI";
  info.matrix = true;
  for (const char *feature : {"amx-tile", "amx-bf16", "avx512vnni"}) {
    info.required.push_back(feature);
    info.features += std::string(",+") + feature;
  }
  return info;
}
