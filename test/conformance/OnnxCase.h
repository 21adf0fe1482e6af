// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One case of the ONNX attention operators, read from its folder and turned
// into a spec and arguments. The format is that of the cases' own README:
// case.json beside one .npy file per tensor.
#ifndef FOVEA_TEST_CONFORMANCE_ONNXCASE_H
#define FOVEA_TEST_CONFORMANCE_ONNXCASE_H

#include "tools/fovea/SpecArguments.h"

#include "llvm/Support/JSON.h"

namespace fovea::conformance {

/// A tensor as it lies in memory and as the kernel sees it.
struct View {
  HostTensor storage;
  std::vector<int64_t> shape, strides; ///< in elements

  /// The same elements, row-major.
  HostTensor contiguous() const;
};

struct OnnxCase {
  std::string name;
  std::string spec;
  /// Why the case cannot be expressed; empty if it can.
  std::string unsupported;
  /// Outputs that the runner does not produce, by name.
  std::vector<std::string> skippedOutputs;
  std::vector<std::string> argumentNames;
  std::vector<View> arguments;
  View result; ///< where Y goes
  Dims dims;
  /// The stored outputs: Y, and present_* with what the runner made of them.
  HostTensor want;
  std::vector<std::pair<std::string, bool>> presentIsCopy;
  double rtol = 0, atol = 0;
};

/// Reads and translates the case of a folder.
llvm::Expected<OnnxCase> readCase(const std::string &folder);

/// The region (x, b, h, q, k) of a FlexAttention modifier graph, as text;
/// fails on an operator that has no scalar meaning.
llvm::Expected<std::string> modifierRegion(const llvm::json::Object &graph);

} // namespace fovea::conformance

#endif // FOVEA_TEST_CONFORMANCE_ONNXCASE_H
