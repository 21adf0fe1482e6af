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
  /// Outputs that no kernel returns, by name; the others are compared.
  std::vector<std::string> refusedOutputs;
  std::vector<std::string> argumentNames;
  std::vector<View> arguments;
  View result; ///< where Y goes
  Dims dims;
  /// The stored outputs: Y, and present_* with what the runner made of them.
  HostTensor want;
  std::vector<std::pair<std::string, bool>> presentIsCopy;
  /// |got - want| <= atol + rtol * |want|. What is float64 in the case is
  /// computed in f32: there atol is at least the accuracy that spec.md states,
  /// 2e-6 of the greatest value.
  double rtol = 0, atol = 0;
};

/// A constant tensor of a modifier graph: an argument `name` of the kernel.
struct ModifierTable {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<double> values;
};

/// Reads and translates the case of a folder.
llvm::Expected<OnnxCase> readCase(const std::string &folder);

/// The region (x, b, h, q, k) of a FlexAttention modifier graph over scores of
/// `shape`, as text; its tables are named `prefix` and a number. Fails on what
/// has no meaning for one element.
llvm::Expected<std::string> modifierRegion(const llvm::json::Object &graph,
                                           const std::vector<int64_t> &shape,
                                           const std::string &prefix,
                                           std::vector<ModifierTable> &tables);

} // namespace fovea::conformance

#endif // FOVEA_TEST_CONFORMANCE_ONNXCASE_H
