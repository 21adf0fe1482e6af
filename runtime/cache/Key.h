// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The content key of a compile: what the result depends on, as 128 bits.
#ifndef FOVEA_RUNTIME_CACHE_KEY_H
#define FOVEA_RUNTIME_CACHE_KEY_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace fovea::rt {

struct Key {
  uint64_t high = 0, low = 0; // low goes into the bundle's header, never 0

  /// 32 lower-case hexadecimal digits.
  std::string hex() const;
};

/// SHA-256 over parts, each preceded by its length, so that moving a byte from
/// one part to the next changes the key.
class KeyBuilder {
public:
  KeyBuilder();
  KeyBuilder &part(const void *bytes, size_t size);
  KeyBuilder &part(const std::string &text) {
    return part(text.data(), text.size());
  }
  Key finish();

private:
  void update(const void *bytes, size_t size);
  void block(const uint8_t *bytes);

  uint32_t state[8];
  uint8_t pending[64];
  size_t used = 0;
  uint64_t total = 0;
};

/// The GNU build id of an ELF file. False: `why` tells what is missing.
bool fileBuildId(const std::string &path, std::string &id, std::string &why);
/// The build id of the loaded library that `address` lies in.
bool loadedBuildId(const void *address, std::string &id);

/// Whether a list of targets has code that ptxas assembles.
bool needsAssembler(const std::string &targets);
/// Path, size and time of the ptxas that the compiler will find; "": none.
std::string assemblerIdentity();

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_CACHE_KEY_H
