// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// --shape=b=2,sq=257,sk=1031: the named dims of a call.
#ifndef FOVEA_TOOLS_FOVEA_SHAPE_H
#define FOVEA_TOOLS_FOVEA_SHAPE_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fovea::cli {

using Shape = std::map<std::string, int64_t>;

/// Parses "b=2,sq=257"; a Failure of usage says what is wrong. Extents are 0 or
/// more; a suffix K or M multiplies by 1024 or 1048576.
Shape parseShape(const std::string &text);

/// A Failure if `shape` names a dim that is not in `known`.
void checkShapeNames(const Shape &shape, const std::vector<std::string> &known);

/// "b=2,sk=1031,sq=257".
std::string toString(const Shape &shape);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_SHAPE_H
