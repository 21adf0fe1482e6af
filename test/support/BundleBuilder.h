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

/// One segment of a cache, as a test writes it.
struct SegmentSpec {
  fovea_bundle_segment_kind kind = FOVEA_SEGMENT_ALL;
  int64_t tokens = 0;     // first(n), recent(n)
  int64_t pageTokens = 0; // 0: contiguous
  fovea_dtype key = FOVEA_DTYPE_F32, value = FOVEA_DTYPE_F32; // I8: and scales
  bool tokenMajor = false;
  std::vector<std::string> bounds = {}, means = {}; // per page
};

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
  std::vector<fovea_bundle_cache> caches;
  std::vector<fovea_bundle_segment> segments;
  std::vector<fovea_bundle_part> parts;
  std::vector<fovea_bundle_table> tables;
  std::vector<fovea_bundle_launch> launches;
  std::string spec;
  std::map<uint32_t, std::vector<uint8_t>> code; // by section index
  std::map<uint32_t, std::vector<uint8_t>> gpuCode;
  std::vector<uint8_t> planCode;
  uint64_t key = 0;

  /// Offset of a string, added once.
  uint32_t string(const std::string &text);
  uint32_t symbol(const std::string &name);
  /// A tensor argument; extents are symbols by index, or static as ~extent.
  fovea_bundle_arg &tensor(const std::string &name, fovea_dtype dtype,
                           uint32_t slot, const std::vector<int> &dims,
                           bool result = false);
  /// Adds a GPU target that has code for every entry of target 0: a cubin and
  /// PTX that say nothing, unless `image` is given as the cubin.
  void gpuTarget(const std::string &name, const std::string &image = "cubin");
  /// A cache argument. View slots are taken from `slot` on: of each segment k,
  /// k.scale, v, v.scale, metadata, pages, ranges; then those of the keys and
  /// values to append, unless `cache.key_slot` is changed afterwards. The
  /// stages are the test's to fill in.
  fovea_bundle_cache &cache(const std::string &name, uint32_t heads,
                            uint32_t keyDim, uint32_t valueDim,
                            const std::vector<SegmentSpec> &segments,
                            uint32_t &slot,
                            fovea_dtype input = FOVEA_DTYPE_F32);
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
