// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Assembles a bundle by hand for tests of the runtime. Independent of the
// compiler's writer, and able to write nonsense.
#ifndef FOVEA_TEST_SUPPORT_BUNDLEBUILDER_H
#define FOVEA_TEST_SUPPORT_BUNDLEBUILDER_H

#include <fovea/bundle.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fovea::test {

/// Sections as plain vectors; tests change any of them before build().
struct BundleBuilder {
  std::vector<char> strings;
  std::vector<fovea_bundle_kernel> kernels;
  std::vector<fovea_bundle_arg> args;
  std::vector<fovea_bundle_symbol> symbols;
  std::vector<fovea_bundle_buffer> buffers;
  std::vector<fovea_bundle_stage> stages;
  std::vector<fovea_bundle_variant> variants;
  std::vector<fovea_bundle_entry> entries;
  std::vector<fovea_bundle_mask> masks;
  std::vector<fovea_bundle_remark> remarks;
  std::vector<fovea_bundle_target> targets;
  std::string spec;
  std::map<uint32_t, std::vector<uint8_t>> code; // by section index
  std::vector<uint8_t> planCode;
  uint64_t key = 0;

  /// Offset of a string, added once.
  uint32_t string(const std::string &text);
  uint32_t symbol(const std::string &name);
  /// A tensor argument; extents are symbols by index, or static as ~extent.
  fovea_bundle_arg &tensor(const std::string &name, fovea_dtype dtype,
                           uint32_t slot, const std::vector<int> &dims,
                           bool result = false);
  std::vector<uint8_t> build() const;
};

/// Corrects the checksum after a test has changed bytes.
void seal(std::vector<uint8_t> &bundle);

inline fovea_bundle_extent extentOf(int32_t symbol, int64_t mul = 1,
                                    int64_t add = 0, int64_t div = 1) {
  return {symbol, 0, mul, add, div};
}

} // namespace fovea::test

#endif // FOVEA_TEST_SUPPORT_BUNDLEBUILDER_H
