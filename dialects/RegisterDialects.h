// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// All dialects that a spec or a later level of the compiler may contain.
// For the tools and the JIT.
#ifndef FOVEA_DIALECTS_REGISTERDIALECTS_H
#define FOVEA_DIALECTS_REGISTERDIALECTS_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace fovea {

/// Adds Fovea's dialects and the upstream ones that they live beside.
void registerDialects(mlir::DialectRegistry &registry);

} // namespace fovea

#endif // FOVEA_DIALECTS_REGISTERDIALECTS_H
