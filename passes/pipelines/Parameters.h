// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parameters of a spec: `${H}` or `${H:32}` in the text, H=32 from outside.
#ifndef FOVEA_PASSES_PIPELINES_PARAMETERS_H
#define FOVEA_PASSES_PIPELINES_PARAMETERS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace fovea {

/// Values of parameters by name.
using Defines = llvm::ArrayRef<std::pair<std::string, std::string>>;

/// Columns of substituted text -> columns of the text as written. Values have
/// no line breaks, so lines stay what they are.
class PositionMap {
public:
  /// On `line`, text that starts at `newColumn` and is `newLength` long
  /// replaced text at `oldColumn` of `oldLength`. In order of position.
  void add(int32_t line, int32_t newColumn, int32_t newLength,
           int32_t oldColumn, int32_t oldLength);
  int32_t originalColumn(int32_t line, int32_t column) const;

private:
  struct Edit {
    int32_t line, newColumn, newLength, oldColumn, oldLength;
  };
  std::vector<Edit> edits;
};

/// What is wrong with the parameters, and where.
struct ParameterError {
  std::string text;
  int32_t line = 0, column = 0; ///< 0: a define, not a place in the text
};

struct Substituted {
  std::string text;
  PositionMap positions;
  std::vector<ParameterError> errors;  ///< empty: text is good
  std::vector<std::string> parameters; ///< names in the text, as they come
};

/// Replaces parameters outside comments. A parameter without value or default,
/// a define that is not used, and a malformed one are errors.
Substituted substituteParameters(llvm::StringRef text, Defines defines);

/// "NAME=VALUE" -> both. False if that is not what `text` is.
bool parseDefine(llvm::StringRef text,
                 std::pair<std::string, std::string> &define);

} // namespace fovea

#endif // FOVEA_PASSES_PIPELINES_PARAMETERS_H
