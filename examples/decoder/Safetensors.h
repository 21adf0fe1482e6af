// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads and writes safetensors files: eight bytes with the size of a JSON
// header, the header, the data. For loading weights; a damaged file is refused
// with the reason, whatever its bytes are.
#ifndef FOVEA_EXAMPLES_DECODER_SAFETENSORS_H
#define FOVEA_EXAMPLES_DECODER_SAFETENSORS_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace decoder {

/// One tensor of a file, row-major, little-endian.
struct StoredTensor {
  std::string dtype; ///< as the format spells it: "F32", "BF16"
  std::vector<int64_t> shape;
  size_t begin = 0, end = 0; ///< bytes of the data section

  int64_t elements() const;
};

class Safetensors {
public:
  /// Both return false with the reason in `error`.
  static bool read(const std::string &path, Safetensors &out,
                   std::string &error);
  static bool parse(std::string bytes, Safetensors &out, std::string &error);

  const std::map<std::string, StoredTensor> &tensors() const { return index; }
  /// The strings of `__metadata__`.
  const std::map<std::string, std::string> &metadata() const { return strings; }
  const uint8_t *bytes(const StoredTensor &tensor) const {
    return reinterpret_cast<const uint8_t *>(file.data()) + dataAt +
           tensor.begin;
  }
  /// The elements as float; false with the reason if the tensor is missing,
  /// has another shape, or holds no floating-point numbers.
  bool load(const std::string &name, const std::vector<int64_t> &shape,
            std::vector<float> &out, std::string &error) const;

private:
  std::string file;
  size_t dataAt = 0;
  std::map<std::string, StoredTensor> index;
  std::map<std::string, std::string> strings;
};

/// A tensor of float to write.
struct NamedFloats {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> data;
};

/// The bytes of a file with these tensors, as F32.
std::string safetensorsOf(const std::map<std::string, std::string> &metadata,
                          const std::vector<NamedFloats> &tensors);

} // namespace decoder

#endif // FOVEA_EXAMPLES_DECODER_SAFETENSORS_H
