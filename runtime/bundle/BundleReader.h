// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks a bundle's bytes and gives typed access to its records. Everything
// in the file is untrusted until readBundle has returned FOVEA_OK; afterwards
// every index, span, string and offset in the records may be used as it is.
#ifndef FOVEA_RUNTIME_BUNDLE_BUNDLEREADER_H
#define FOVEA_RUNTIME_BUNDLE_BUNDLEREADER_H

#include <fovea/bundle.h>
#include <fovea/runtime.h>

namespace fovea::rt {

/// A range of records of one section.
template <typename T>
struct Records {
  const T *items = nullptr;
  uint32_t count = 0;

  const T *begin() const { return items; }
  const T *end() const { return items + count; }
  const T &operator[](size_t i) const { return items[i]; }
  uint32_t size() const { return count; }
  Records slice(fovea_bundle_span span) const {
    return {items + span.first, span.count};
  }
};

/// A bundle in memory. Does not own the bytes.
struct BundleView {
  const uint8_t *base = nullptr;
  size_t size = 0;
  const fovea_bundle_header *header = nullptr;
  Records<fovea_bundle_section> sections;
  Records<char> strings;
  Records<fovea_bundle_kernel> kernels;
  Records<fovea_bundle_arg> args;
  Records<fovea_bundle_symbol> symbols;
  Records<fovea_bundle_buffer> buffers;
  Records<fovea_bundle_stage> stages;
  Records<fovea_bundle_variant> variants;
  Records<fovea_bundle_entry> entries;
  Records<fovea_bundle_mask> masks;
  Records<fovea_bundle_remark> remarks;
  Records<fovea_bundle_target> targets;
  Records<fovea_bundle_cache> caches;
  Records<fovea_bundle_segment> segments;
  Records<fovea_bundle_part> parts;
  Records<fovea_bundle_table> tables;
  Records<fovea_bundle_launch> launches;

  const char *string(uint32_t offset) const { return strings.items + offset; }
  /// The section of a target's code.
  const fovea_bundle_section *code(const fovea_bundle_target &target) const {
    return section(target.kind == FOVEA_TARGET_GPU ? FOVEA_SECTION_GPU_CODE
                                                   : FOVEA_SECTION_CODE,
                   target.code_section);
  }
  /// The section, or NULL.
  const fovea_bundle_section *section(uint32_t kind, uint32_t index) const;
};

/// `bytes` must be 64-byte aligned and outlive the view.
fovea_status readBundle(const void *bytes, size_t size, BundleView &out);

/// Bytes of one element; 0 for a code that does not exist.
uint32_t dtypeSize(uint32_t dtype);
/// "f32", ...
const char *dtypeName(uint32_t dtype);

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_BUNDLE_BUNDLEREADER_H
