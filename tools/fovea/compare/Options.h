// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The options of `fovea compare`, and which of them concern which kernel.
#ifndef FOVEA_TOOLS_FOVEA_COMPARE_OPTIONS_H
#define FOVEA_TOOLS_FOVEA_COMPARE_OPTIONS_H

#include "tools/fovea/Arguments.h"

#include <string>
#include <vector>

namespace fovea::cli {

/// The kernels and how both are called.
struct CompareOptions {
  SpecOptions mine, dense;
  std::vector<std::string> defines; ///< each goes to the specs that have it
  CallOptions call;                 ///< likewise
  int threads = 1;
  double seconds = 1; ///< of measuring; 0: none
};

/// "spec.mlir" with its defines: those of `defines` whose parameter it has.
SpecOptions withDefines(SpecOptions spec,
                        const std::vector<std::string> &defines);
/// Names of the parameters ${NAME} of a spec.
std::vector<std::string> parametersOf(const std::string &path);

/// The name of an argument without that of its part: "k" of "k.codes".
std::string argumentOf(const std::string &part);

/// The options of a call that concern a kernel.
CallOptions optionsFor(const Session &session, const CallOptions &all);

/// A Failure if the kernels do not read the same cache, or an option of the
/// call names what neither has.
void checkNames(const Session &mine, const Session &dense,
                const CallOptions &call);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_COMPARE_OPTIONS_H
