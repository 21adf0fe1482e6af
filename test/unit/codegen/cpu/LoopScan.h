// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds the innermost loops of x86 assembly (AT&T syntax) and counts what the
// guards of the hot loops care about.
#ifndef FOVEA_TEST_UNIT_CODEGEN_CPU_LOOPSCAN_H
#define FOVEA_TEST_UNIT_CODEGEN_CPU_LOOPSCAN_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <vector>

namespace fovea::cpu {

struct LoopCounts {
  int instructions = 0;
  int fma = 0;         ///< on vectors
  int integerDot = 0;  ///< vpmaddwd, vpdpwssd
  int vectorStack = 0; ///< vector registers moved to or from the stack
  int calls = 0;
  int prefetches = 0;
};

/// Blocks that jump to their own label.
inline std::vector<LoopCounts> innermostLoops(llvm::StringRef assembly) {
  std::vector<LoopCounts> loops;
  llvm::SmallVector<llvm::StringRef> lines;
  assembly.split(lines, '\n');
  llvm::StringRef label;
  LoopCounts block;
  for (llvm::StringRef line : lines) {
    if (line.starts_with(".LBB")) {
      label = line.take_until([](char c) { return c == ':'; });
      block = LoopCounts();
      continue;
    }
    if (!line.starts_with("\t") || line.starts_with("\t."))
      continue;
    ++block.instructions;
    bool vector = line.contains("%ymm") || line.contains("%zmm");
    block.fma += vector && line.contains("vfmadd");
    block.integerDot += line.contains("vpmaddwd") || line.contains("vpdpwssd");
    // %rbp is a general register here: frames are addressed by %rsp.
    block.vectorStack += vector && line.contains("(%rsp");
    block.calls += line.contains("call");
    block.prefetches += line.contains("prefetch");
    if (!label.empty() && line.starts_with("\tj") && line.ends_with(label)) {
      loops.push_back(block);
      label = "";
    }
  }
  return loops;
}

} // namespace fovea::cpu

#endif // FOVEA_TEST_UNIT_CODEGEN_CPU_LOOPSCAN_H
