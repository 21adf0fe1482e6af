// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// --sweep NAME=0.5:0.95:0.05 or NAME=4,8,16: the values of a parameter.
#ifndef FOVEA_TOOLS_FOVEA_COMPARE_SWEEP_H
#define FOVEA_TOOLS_FOVEA_COMPARE_SWEEP_H

#include <string>
#include <vector>

namespace fovea::cli {

struct Sweep {
  std::string name;
  std::vector<std::string> values;
};

/// Parses the option; a Failure of usage says what is wrong. A range holds its
/// end if a step meets it; a list may hold any words, with commas in brackets
/// and colons: `window(4, 4),causal` are two, `%n : index` is one.
Sweep parseSweep(const std::string &text);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_COMPARE_SWEEP_H
