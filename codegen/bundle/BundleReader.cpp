// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads a bundle back into a manifest, for `fovea inspect` and tests. The
// runtime has its own reader, which needs no LLVM.
#include "codegen/bundle/BundleWriter.h"

#include "llvm/Support/FormatVariadic.h"

using namespace llvm;

namespace fovea {

template <typename... Args>
static Error failure(const char *format, Args &&...args) {
  return createStringError(inconvertibleErrorCode(),
                           formatv(format, std::forward<Args>(args)...).str());
}

namespace {
class Reader {
public:
  explicit Reader(StringRef file) : file(file) {}
  Expected<BundleManifest> run();

private:
  Error header(BundleManifest &bundle);
  StringRef find(uint32_t kind, uint32_t index = 0) const;
  /// Record `index` of a section; a zero record and a noted error past its end.
  template <typename Record>
  Record record(uint32_t kind, uint64_t index) {
    StringRef section = find(kind);
    Record result{};
    if (index >= section.size() / sizeof(Record))
      note("expected section {0} to have record {1}, got {2} bytes", kind,
           index, section.size());
    else
      memcpy(&result, section.data() + index * sizeof(Record), sizeof(Record));
    return result;
  }
  /// Calls `fn(record)` for every record of a span.
  template <typename Record, typename Fn>
  void each(uint32_t kind, fovea_bundle_span span, Fn fn) {
    for (uint64_t i = 0; i < span.count && message.empty(); ++i)
      fn(record<Record>(kind, uint64_t(span.first) + i));
  }
  std::string string(uint32_t offset);
  KernelManifest kernel(const fovea_bundle_kernel &record);
  StageManifest stage(const fovea_bundle_stage &record);
  std::optional<LaunchManifest> launch(const fovea_bundle_entry &entry);
  CacheManifest cache(const fovea_bundle_cache &record);

  template <typename... Args>
  void note(const char *format, Args &&...args) {
    if (message.empty())
      message = formatv(format, std::forward<Args>(args)...).str();
  }

  StringRef file;
  std::vector<fovea_bundle_section> sections;
  std::string message; ///< the first thing that was wrong
};
} // namespace

StringRef Reader::find(uint32_t kind, uint32_t index) const {
  for (const fovea_bundle_section &section : sections)
    if (section.kind == kind && section.index == index)
      return file.substr(section.offset, section.size);
  return StringRef();
}

std::string Reader::string(uint32_t offset) {
  StringRef strings = find(FOVEA_SECTION_STRINGS);
  size_t end = strings.find('\0', offset);
  if (offset >= strings.size() || end == StringRef::npos) {
    note("expected a string at offset {0} of {1} bytes", offset,
         strings.size());
    return "";
  }
  return strings.slice(offset, end).str();
}

Error Reader::header(BundleManifest &bundle) {
  fovea_bundle_header header;
  if (file.size() < sizeof(header))
    return failure("expected a bundle, got a file of {0} bytes", file.size());
  memcpy(&header, file.data(), sizeof(header));
  if (header.magic != FOVEA_BUNDLE_MAGIC)
    return failure("expected a bundle, got a file that starts otherwise");
  if (header.version != FOVEA_BUNDLE_VERSION)
    return failure("expected bundle version {0}, got {1}", FOVEA_BUNDLE_VERSION,
                   header.version);
  if (header.file_size != file.size())
    return failure("expected a bundle of {0} bytes, got {1}: truncated or "
                   "overlong",
                   header.file_size, file.size());
  StringRef rest = file.drop_front(sizeof(header));
  uint64_t checksum = fovea_bundle_checksum(rest.data(), rest.size());
  if (header.checksum != checksum)
    return failure("expected checksum {0:x}, got {1:x}: the bundle is damaged",
                   header.checksum, checksum);
  if (header.n_sections > rest.size() / sizeof(fovea_bundle_section))
    return failure("expected the section table to lie in the file, got {0} "
                   "sections",
                   header.n_sections);
  sections.resize(header.n_sections);
  memcpy(sections.data(), rest.data(),
         sections.size() * sizeof(fovea_bundle_section));
  for (const fovea_bundle_section &section : sections)
    if (section.offset > file.size() ||
        section.size > file.size() - section.offset)
      return failure("expected section {0} to lie in the file, got offset {1} "
                     "and size {2}",
                     section.kind, section.offset, section.size);
  bundle.key = header.key;
  bundle.compilerId = header.compiler_id;
  return Error::success();
}

std::optional<LaunchManifest> Reader::launch(const fovea_bundle_entry &entry) {
  auto target =
      record<fovea_bundle_target>(FOVEA_SECTION_TARGETS, entry.target);
  if (target.kind != FOVEA_TARGET_GPU)
    return std::nullopt;
  LaunchManifest launch;
  launch.record =
      record<fovea_bundle_launch>(FOVEA_SECTION_LAUNCHES, entry.launch);
  launch.kernel = string(launch.record.kernel);
  return launch;
}

StageManifest Reader::stage(const fovea_bundle_stage &record) {
  StageManifest stage;
  stage.record = record;
  stage.name = string(record.name);
  each<fovea_bundle_variant>(FOVEA_SECTION_VARIANTS, record.variants,
                             [&](const fovea_bundle_variant &v) {
                               VariantManifest variant;
                               variant.record = v;
                               variant.name = string(v.name);
                               variant.schedule = string(v.schedule);
                               each<fovea_bundle_entry>(
                                   FOVEA_SECTION_ENTRIES, v.entries,
                                   [&](const fovea_bundle_entry &entry) {
                                     variant.entries.push_back({entry.target,
                                                                entry.offset,
                                                                launch(entry)});
                                   });
                               stage.variants.push_back(std::move(variant));
                             });
  return stage;
}

CacheManifest Reader::cache(const fovea_bundle_cache &record) {
  CacheManifest cache;
  cache.record = record;
  cache.name = string(record.name);
  cache.type = string(record.type);
  each<fovea_bundle_segment>(
      FOVEA_SECTION_SEGMENTS, record.segments,
      [&](const fovea_bundle_segment &s) {
        SegmentManifest segment;
        segment.record = s;
        segment.name = string(s.name);
        each<fovea_bundle_part>(FOVEA_SECTION_PARTS, s.parts,
                                [&](const fovea_bundle_part &p) {
                                  segment.parts.push_back({string(p.name), p});
                                });
        cache.segments.push_back(std::move(segment));
      });
  return cache;
}

KernelManifest Reader::kernel(const fovea_bundle_kernel &record) {
  KernelManifest kernel;
  kernel.name = string(record.name);
  each<fovea_bundle_arg>(FOVEA_SECTION_ARGS, record.args,
                         [&](const fovea_bundle_arg &r) {
                           ArgManifest arg;
                           arg.record = r;
                           arg.name = string(r.name);
                           if (r.rank > FOVEA_ABI_MAX_RANK)
                             note("expected a rank of at most {0}, got {1}",
                                  FOVEA_ABI_MAX_RANK, r.rank);
                           kernel.args.push_back(std::move(arg));
                         });
  each<fovea_bundle_symbol>(FOVEA_SECTION_SYMBOLS, record.symbols,
                            [&](const fovea_bundle_symbol &r) {
                              kernel.symbols.push_back(string(r.name));
                            });
  each<fovea_bundle_buffer>(FOVEA_SECTION_BUFFERS, record.buffers,
                            [&](const fovea_bundle_buffer &r) {
                              if (r.rank > FOVEA_ABI_MAX_RANK)
                                note("expected a rank of at most {0}, got {1}",
                                     FOVEA_ABI_MAX_RANK, r.rank);
                              kernel.buffers.push_back({string(r.name), r});
                            });
  each<fovea_bundle_stage>(
      FOVEA_SECTION_STAGES, record.stages,
      [&](const fovea_bundle_stage &r) { kernel.stages.push_back(stage(r)); });
  each<fovea_bundle_mask>(FOVEA_SECTION_MASKS, record.masks,
                          [&](const fovea_bundle_mask &r) {
                            kernel.masks.push_back({string(r.text), r});
                          });
  each<fovea_bundle_remark>(
      FOVEA_SECTION_REMARKS, record.remarks, [&](const fovea_bundle_remark &r) {
        kernel.remarks.push_back({string(r.text), r.line, r.column});
      });
  each<fovea_bundle_cache>(
      FOVEA_SECTION_CACHES, record.caches,
      [&](const fovea_bundle_cache &r) { kernel.caches.push_back(cache(r)); });
  each<fovea_bundle_table>(
      FOVEA_SECTION_TABLES, record.tables,
      [&](const fovea_bundle_table &r) { kernel.tables.push_back(r); });
  return kernel;
}

Expected<BundleManifest> Reader::run() {
  BundleManifest bundle;
  if (Error error = header(bundle))
    return error;
  bundle.spec = find(FOVEA_SECTION_SPEC).str();
  bundle.planCode = find(FOVEA_SECTION_PLAN_CODE).str();
  uint64_t nTargets =
      find(FOVEA_SECTION_TARGETS).size() / sizeof(fovea_bundle_target);
  for (uint64_t i = 0; i < nTargets; ++i) {
    auto target = record<fovea_bundle_target>(FOVEA_SECTION_TARGETS, i);
    bundle.targets.push_back(
        {string(target.name),
         find(target.kind == FOVEA_TARGET_GPU ? FOVEA_SECTION_GPU_CODE
                                              : FOVEA_SECTION_CODE,
              target.code_section)
             .str(),
         fovea_bundle_target_kind(target.kind)});
  }
  uint64_t nKernels =
      find(FOVEA_SECTION_KERNELS).size() / sizeof(fovea_bundle_kernel);
  for (uint64_t i = 0; i < nKernels && message.empty(); ++i)
    bundle.kernels.push_back(
        kernel(record<fovea_bundle_kernel>(FOVEA_SECTION_KERNELS, i)));
  if (!message.empty())
    return failure("{0}", message);
  return bundle;
}

Expected<BundleManifest> readBundle(StringRef bytes) {
  return Reader(bytes).run();
}

} // namespace fovea
