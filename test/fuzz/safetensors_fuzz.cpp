// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuzzes the reader of safetensors files in examples/decoder.
#include "examples/decoder/Safetensors.h"

#include <cstdlib>

using namespace decoder;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Safetensors file;
  std::string error;
  if (!Safetensors::parse(
          std::string(reinterpret_cast<const char *>(bytes), size), file,
          error)) {
    if (error.empty())
      std::abort(); // a refusal has a reason
    return 0;
  }
  size_t covered = 0;
  for (const auto &[name, tensor] : file.tensors()) {
#ifdef FOVEA_PLANTED_FAULT
    // As if a tensor without bytes were read when its last extent is large.
    if (tensor.begin == tensor.end && tensor.shape.back() > 3)
      std::abort();
#endif
    covered += tensor.end - tensor.begin;
    std::vector<float> data;
    if (file.load(name, tensor.shape, data, error) &&
        data.size() != size_t(tensor.elements()))
      std::abort();
    // Every byte can be read.
    uint8_t sum = 0;
    for (size_t i = 0; i < tensor.end - tensor.begin; ++i)
      sum = uint8_t(sum + file.bytes(tensor)[i]);
    if (sum == 0 && covered > size)
      std::abort();
  }
  return covered <= size ? 0 : (std::abort(), 1);
}
