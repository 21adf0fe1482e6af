// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuzzes the reader of .npy files and the conversions behind it.
#include "tools/fovea/npy/Npy.h"

#include <cstdlib>

using namespace fovea;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  npy::Array array;
  std::string error;
  if (!npy::parse(reinterpret_cast<const char *>(bytes), size, "fuzz", array,
                  error)) {
    if (error.empty())
      std::abort(); // a refusal has a reason
    return 0;
  }
#ifdef FOVEA_PLANTED_FAULT
  // As if an extent of 5 were trusted without looking at the data.
  if (!array.shape.empty() && array.shape[0] == 5)
    std::abort();
#endif
  if (array.data.size() != size_t(array.count()) * npy::typeSize(array.type))
    std::abort();
  std::vector<char> out;
  for (fovea_dtype dtype : {FOVEA_DTYPE_F32, FOVEA_DTYPE_F16, FOVEA_DTYPE_BF16,
                            FOVEA_DTYPE_F64, FOVEA_DTYPE_I8, FOVEA_DTYPE_U8,
                            FOVEA_DTYPE_I32, FOVEA_DTYPE_I64, FOVEA_DTYPE_BOOL})
    npy::convert(array, dtype, "fuzz", out, error);
  // What was read can be written and read again.
  std::string again = npy::format(array);
  npy::Array second;
  if (!npy::parse(again.data(), again.size(), "again", second, error) ||
      second.shape != array.shape || second.data != array.data)
    std::abort();
  return 0;
}
