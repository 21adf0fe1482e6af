// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// fovea/bundle.h as C++ values: strings and vectors instead of offsets and
// spans. Filled by the compiler, written by BundleWriter, read back by
// `fovea inspect` and by tests.
//
// Each struct holds the file's record for its numbers; the writer fills the
// record's strings and spans from the members beside it.
#ifndef FOVEA_CODEGEN_BUNDLE_MANIFEST_H
#define FOVEA_CODEGEN_BUNDLE_MANIFEST_H

#include <fovea/bundle.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fovea {

/// How a GPU launches the code of an entry.
struct LaunchManifest {
  std::string kernel;
  fovea_bundle_launch record{};
};

/// Code of one variant for one target: index into BundleManifest::targets.
struct EntryManifest {
  uint32_t target = 0;
  uint64_t offset = 0;
  std::optional<LaunchManifest> launch = {}; ///< of a GPU's
};

struct VariantManifest {
  std::string name, schedule;
  fovea_bundle_variant record{};
  std::vector<EntryManifest> entries;
};

/// The entry of a tuning table that the text of a variant's schedule names;
/// empty: the schedule is a built-in one.
std::string tunedBy(const std::string &schedule);

struct StageManifest {
  StageManifest();
  std::string name;
  fovea_bundle_stage record{};
  std::vector<VariantManifest> variants; ///< ascending max_rows
};

struct ArgManifest {
  ArgManifest();
  std::string name;
  fovea_bundle_arg record{};
};

struct BufferManifest {
  std::string name;
  fovea_bundle_buffer record{};
};

struct MaskManifest {
  std::string text;
  fovea_bundle_mask record{};
};

struct RemarkManifest {
  std::string text;
  uint32_t line = 0, column = 0;
};

struct PartManifest {
  std::string name;
  fovea_bundle_part record{};
};

struct SegmentManifest {
  std::string name;
  fovea_bundle_segment record{};
  std::vector<PartManifest> parts;
};

struct CacheManifest {
  CacheManifest();
  std::string name, type;
  fovea_bundle_cache record{};
  std::vector<SegmentManifest> segments; ///< in token order
};

struct KernelManifest {
  std::string name;
  std::vector<ArgManifest> args; ///< arguments, then results
  std::vector<std::string> symbols;
  std::vector<BufferManifest> buffers;
  std::vector<StageManifest> stages;
  std::vector<MaskManifest> masks;
  std::vector<RemarkManifest> remarks;
  std::vector<CacheManifest> caches;
  std::vector<fovea_bundle_table> tables;

  /// Index of a symbol, appended if it is new.
  int32_t symbol(const std::string &symbolName);
  uint32_t viewCount() const;
  uint32_t scalarCount() const;
};

struct TargetManifest {
  std::string name;
  std::string code; ///< the flat image, or a GPU's cubins and PTX
  fovea_bundle_target_kind kind = FOVEA_TARGET_CPU;
};

struct BundleManifest {
  uint64_t key = 0, compilerId = 0;
  std::string spec; ///< after substitution of the parameters
  std::vector<TargetManifest> targets;
  std::string planCode;
  std::vector<KernelManifest> kernels;
};

/// An extent of 1 * constant.
fovea_bundle_extent constantExtent(int64_t value);
/// mul * ceildiv(symbol + add, div).
fovea_bundle_extent symbolExtent(int32_t symbol, int64_t mul = 1,
                                 int64_t add = 0, int64_t div = 1);
/// mul * the number of split slots of stage `stage`.
fovea_bundle_extent slotsExtent(int32_t stage, int64_t mul = 1);

} // namespace fovea

#endif // FOVEA_CODEGEN_BUNDLE_MANIFEST_H
