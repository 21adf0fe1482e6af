// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// tile.program -> manifest: what the runtime must know of a kernel. Offsets of
// code are filled in by the caller once stages are linked.
#ifndef FOVEA_CODEGEN_JIT_MANIFESTBUILDER_H
#define FOVEA_CODEGEN_JIT_MANIFESTBUILDER_H

#include "codegen/abi/ProgramLayout.h"
#include "codegen/bundle/Manifest.h"

#include "mlir/Support/LogicalResult.h"

namespace fovea {

/// A manifest and the symbols that its code offsets belong to.
struct ProgramManifest {
  KernelManifest kernel;
  /// tile.stage symbol of stages[i].variants[j].
  std::vector<std::vector<std::string>> stageSymbols;
  /// Prefix of the functions of masks[i].
  std::vector<std::string> maskPrefixes;
};

/// Fails with a diagnostic where the program has no manifest (too many view
/// slots, a stage out of normal form).
mlir::FailureOr<ProgramManifest> buildManifest(tile::ProgramOp program,
                                               const ProgramLayout &layout);

} // namespace fovea

#endif // FOVEA_CODEGEN_JIT_MANIFESTBUILDER_H
