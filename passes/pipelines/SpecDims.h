// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Default names of the dims of a kernel's arguments. For loadSpec.
#ifndef FOVEA_PASSES_PIPELINES_SPECDIMS_H
#define FOVEA_PASSES_PIPELINES_SPECDIMS_H

#include "mlir/Interfaces/FunctionInterfaces.h"

namespace fovea {

/// Gives every tensor argument of `kernel` without `attn.dims` the names that
/// its use suggests: a query is "b h sq d", a key or value "b h sk d".
/// Arguments that need not agree get different names: the first keys are "sk",
/// the keys `other` of another attention "sk_other".
void nameDims(mlir::FunctionOpInterface kernel);

} // namespace fovea

#endif // FOVEA_PASSES_PIPELINES_SPECDIMS_H
