// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads and writes numpy's .npy files, for the driver. Files are untrusted:
// whatever they hold, reading ends in an array or in a reason.
#ifndef FOVEA_TOOLS_FOVEA_NPY_NPY_H
#define FOVEA_TOOLS_FOVEA_NPY_NPY_H

#include <fovea/abi.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fovea::npy {

/// Element types as numpy spells them.
enum class Type { F16, F32, F64, I8, U8, I16, U16, I32, I64, Bool, V2 };

/// An array in memory, always row-major.
struct Array {
  Type type = Type::F32;
  std::vector<int64_t> shape; ///< empty: a scalar (0-d)
  std::vector<char> data;

  int64_t count() const;
};

/// "float32", "int64", ...
const char *typeName(Type type);
size_t typeSize(Type type);

/// Parses the bytes of a file. `name` is its name in errors. False: `error`
/// says why, with the numpy line that fixes it where there is one.
bool parse(const char *bytes, size_t size, const std::string &name,
           Array &array, std::string &error);
bool read(const std::string &path, Array &array, std::string &error);

/// The bytes of a version 1.0 file.
std::string format(const Array &array);
/// Writes `path` through a temporary file beside it, so that a failure leaves
/// no half of a file.
bool write(const std::string &path, const Array &array, std::string &error);

/// Elements as `dtype`, rounded to nearest even. Floating types convert to
/// each other; int64 narrows with a range check; uint16 and V2 are taken as the
/// bits of bf16 if that is asked for. Anything else is an error.
bool convert(const Array &array, fovea_dtype dtype, const std::string &name,
             std::vector<char> &out, std::string &error);

/// The reverse, for results: bf16 becomes f32 (exact), the rest keeps its type.
Array fromElements(const void *data, fovea_dtype dtype,
                   std::vector<int64_t> shape);

size_t dtypeSize(fovea_dtype dtype);
const char *dtypeName(fovea_dtype dtype);

} // namespace fovea::npy

#endif // FOVEA_TOOLS_FOVEA_NPY_NPY_H
