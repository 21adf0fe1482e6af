// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writing a whole file, or none of it.
#ifndef FOVEA_TOOLS_FOVEA_NPY_WRITEFILE_H
#define FOVEA_TOOLS_FOVEA_NPY_WRITEFILE_H

#include <string>

namespace fovea {

/// Replaces the file at `path`, behind links too, at once: who reads it
/// meanwhile has the old one or the new one. What is no regular file (a device,
/// a pipe, a link to nothing) is written to. Returns why it could not, or "".
std::string replaceFile(const std::string &path, const std::string &bytes);

} // namespace fovea

#endif // FOVEA_TOOLS_FOVEA_NPY_WRITEFILE_H
