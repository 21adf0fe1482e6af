// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A linker for one purpose: it lays the code and constants of x86-64 objects
// out as one flat, position-independent image that a loader maps and calls.
// What would need a dynamic linker is refused by name.
#ifndef FOVEA_CODEGEN_CPU_IMAGE_FLATIMAGE_H
#define FOVEA_CODEGEN_CPU_IMAGE_FLATIMAGE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fovea::cpu {

/// Code first, constants after it; the start needs page alignment, nothing
/// else. The bytes are read and executed, never written.
struct FlatImage {
  struct Symbol {
    std::string name;
    uint64_t offset;
  };
  llvm::SmallVector<char, 0> bytes;
  /// Bytes of code at the start; constants follow on the next page.
  uint64_t codeSize = 0;
  /// Global functions, in the order of their offsets.
  std::vector<Symbol> symbols;

  std::optional<uint64_t> find(llvm::StringRef name) const;
};

/// Links ELF relocatable objects for x86-64. Accepted: executable sections,
/// read-only constants, PC32, PLT32 and relaxable GOTPCRELX relocations among
/// them. Dropped: unwind tables, notes, comments. Anything else, an undefined
/// symbol above all, is an error that names it.
llvm::Expected<FlatImage>
linkFlatImage(llvm::ArrayRef<llvm::StringRef> objects);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_IMAGE_FLATIMAGE_H
