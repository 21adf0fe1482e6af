// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// examples/masks/inputs.json: what the tables of published masks hold. The
// rules are described in the README beside it.
#ifndef FOVEA_TEST_ZOO_MASKINPUTS_H
#define FOVEA_TEST_ZOO_MASKINPUTS_H

#include "tools/fovea/SpecArguments.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace fovea::zoo {

class MaskInputs {
public:
  /// No rules.
  MaskInputs() = default;
  /// Reads the file; one that is not there has no rules.
  static llvm::Expected<MaskInputs> read(const std::string &path);
  static llvm::Expected<MaskInputs> parse(llvm::StringRef text);

  /// `call` and the dims that the tables of `kernel` have by their rules.
  llvm::Expected<Dims> dims(mlir::func::FuncOp kernel, const Dims &call) const;
  /// Overwrites the arguments of the kernel called `name` that have a rule.
  llvm::Error fill(llvm::StringRef name, std::vector<HostValue> &arguments,
                   const Dims &dims, uint64_t seed) const;

private:
  llvm::json::Object rules;
};

} // namespace fovea::zoo

#endif // FOVEA_TEST_ZOO_MASKINPUTS_H
