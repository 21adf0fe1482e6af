// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The interface of number formats and the description of a format's parts.
#ifndef FOVEA_DIALECTS_KV_KVINTERFACES_H
#define FOVEA_DIALECTS_KV_KVINTERFACES_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace fovea::kv {

/// One of the tensors that together hold a coded tensor in memory.
struct FormatPart {
  /// The name after the dot: `k.codes`.
  llvm::StringRef suffix;
  mlir::Type elementType;
  llvm::SmallVector<int64_t> shape;
};

} // namespace fovea::kv

#include "dialects/kv/KVAttrInterfaces.h.inc"

namespace fovea::kv {

/// The format that `type` is stored in, or null for plain numbers.
FormatAttrInterface getFormat(mlir::Type type);

} // namespace fovea::kv

#endif // FOVEA_DIALECTS_KV_KVINTERFACES_H
