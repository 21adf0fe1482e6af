// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lays a manifest out as the file of fovea/bundle.h.
#include "codegen/bundle/BundleWriter.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Alignment.h"
#include "llvm/Support/FormatVariadic.h"

#include <set>
#include <type_traits>

using namespace llvm;

namespace fovea {

static constexpr uint64_t kSectionAlign = 64;
static constexpr uint64_t kCodeAlign = 4096;

template <typename... Args>
static Error failure(const char *format, Args &&...args) {
  return createStringError(inconvertibleErrorCode(),
                           formatv(format, std::forward<Args>(args)...).str());
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

static Error checkSlots(const KernelManifest &kernel) {
  std::set<uint32_t> views, scalars;
  StringSet<> names;
  uint32_t nViews = kernel.viewCount(), nScalars = kernel.scalarCount();
  if (nViews > FOVEA_ABI_MAX_VIEWS)
    return failure("expected kernel '{0}' to have at most {1} views, got {2}",
                   kernel.name, FOVEA_ABI_MAX_VIEWS, nViews);
  auto claim = [&](std::set<uint32_t> &used, uint32_t slot, uint32_t count,
                   const std::string &name) -> Error {
    if (slot >= count || !used.insert(slot).second)
      return failure("expected '{0}' of kernel '{1}' to have a slot of its own "
                     "below {2}, got {3}",
                     name, kernel.name, count, slot);
    return Error::success();
  };
  for (const ArgManifest &arg : kernel.args) {
    bool tensor = arg.record.kind == FOVEA_ARG_TENSOR;
    if (!names.insert(arg.name).second)
      return failure("expected one argument '{0}' in kernel '{1}', got two",
                     arg.name, kernel.name);
    if (arg.record.kind == FOVEA_ARG_CACHE) {
      if (arg.record.slot >= kernel.caches.size())
        return failure("expected '{0}' to name one of {1} caches, got {2}",
                       arg.name, kernel.caches.size(), arg.record.slot);
      continue;
    }
    if (Error error = claim(tensor ? views : scalars, arg.record.slot,
                            tensor ? nViews : nScalars, arg.name))
      return error;
    if (arg.record.rank > FOVEA_ABI_MAX_RANK)
      return failure("expected '{0}' to have a rank of at most {1}, got {2}",
                     arg.name, FOVEA_ABI_MAX_RANK, arg.record.rank);
    for (uint32_t d = 0; d < arg.record.rank; ++d)
      if (arg.record.symbol[d] >= int32_t(kernel.symbols.size()) ||
          (arg.record.shape[d] < 0 && arg.record.symbol[d] < 0))
        return failure("expected dim {0} of '{1}' to be static or a symbol, "
                       "got symbol {2}",
                       d, arg.name, arg.record.symbol[d]);
  }
  for (const BufferManifest &buffer : kernel.buffers) {
    if (buffer.record.rank > FOVEA_ABI_MAX_RANK)
      return failure("expected '{0}' to have a rank of at most {1}, got {2}",
                     buffer.name, FOVEA_ABI_MAX_RANK, buffer.record.rank);
    if (Error error = claim(views, buffer.record.slot, nViews, buffer.name))
      return error;
  }
  for (const fovea_bundle_table &table : kernel.tables) {
    if (Error error = claim(views, table.slot, nViews, "table"))
      return error;
    if (table.source >= int32_t(nViews) ||
        table.cache >= int32_t(kernel.caches.size()))
      return failure("expected a table of one of {0} views or {1} caches, got "
                     "{2} and {3}",
                     nViews, kernel.caches.size(), table.source, table.cache);
  }
  for (const CacheManifest &cache : kernel.caches)
    for (const SegmentManifest &segment : cache.segments) {
      std::string prefix = cache.name + "." + segment.name;
      for (const PartManifest &part : segment.parts)
        if (Error error = claim(views, part.record.slot, nViews,
                                prefix + "." + part.name))
          return error;
      if (Error error = claim(views, segment.record.pages_slot, nViews,
                              prefix + ".pages"))
        return error;
      if (Error error = claim(views, segment.record.ranges_slot, nViews,
                              prefix + ".ranges"))
        return error;
    }
  // Several caches may read one argument.
  for (const CacheManifest &cache : kernel.caches)
    for (int32_t slot : {cache.record.key_slot, cache.record.value_slot})
      if (uint32_t(slot) >= nViews)
        return failure("expected what is appended to '{0}' to have a slot "
                       "below {1}, got {2}",
                       cache.name, nViews, slot);
  return Error::success();
}

static Error checkLaunch(const VariantManifest &variant,
                         const EntryManifest &entry, uint64_t size) {
  if (!entry.launch)
    return failure("expected the entry of variant '{0}' for a GPU to have a "
                   "launch",
                   variant.name);
  const fovea_bundle_launch &launch = entry.launch->record;
  for (auto [offset, bytes] : {std::pair(launch.cubin, launch.cubin_bytes),
                               std::pair(launch.ptx, launch.ptx_bytes)})
    if (offset > size || bytes > size - offset)
      return failure("expected the code of kernel '{0}' to lie in {1} bytes, "
                     "got {2} bytes at {3}",
                     entry.launch->kernel, size, bytes, offset);
  return Error::success();
}

static Error checkStages(const BundleManifest &bundle,
                         const KernelManifest &kernel) {
  for (const StageManifest &stage : kernel.stages) {
    if (stage.variants.empty())
      return failure("expected stage '{0}' of kernel '{1}' to have a variant",
                     stage.name, kernel.name);
    if (stage.record.cache >= int32_t(kernel.caches.size()))
      return failure("expected stage '{0}' to name one of {1} caches, got {2}",
                     stage.name, kernel.caches.size(), stage.record.cache);
    if (stage.record.mask >= int32_t(kernel.masks.size()))
      return failure("expected stage '{0}' to name one of {1} masks, got {2}",
                     stage.name, kernel.masks.size(), stage.record.mask);
    int64_t previous = 0;
    for (const VariantManifest &variant : stage.variants) {
      if (variant.record.max_rows < previous)
        return failure("expected the variants of stage '{0}' to be in "
                       "ascending order of max_rows, got {1} after {2}",
                       stage.name, variant.record.max_rows, previous);
      previous = variant.record.max_rows;
      for (const EntryManifest &entry : variant.entries) {
        if (entry.target >= bundle.targets.size())
          return failure("expected variant '{0}' to name one of {1} targets, "
                         "got {2}",
                         variant.name, bundle.targets.size(), entry.target);
        const TargetManifest &target = bundle.targets[entry.target];
        uint64_t size = target.code.size();
        if (target.kind == FOVEA_TARGET_GPU) {
          if (Error error = checkLaunch(variant, entry, size))
            return error;
          continue;
        }
        if (entry.offset >= size)
          return failure("expected the entry of variant '{0}' to lie in {1} "
                         "bytes of code, got offset {2}",
                         variant.name, size, entry.offset);
      }
    }
  }
  for (const MaskManifest &mask : kernel.masks)
    for (uint64_t offset :
         {mask.record.bounds, mask.record.classify, mask.record.keep})
      if (offset >= bundle.planCode.size())
        return failure("expected the functions of mask '{0}' to lie in {1} "
                       "bytes of plan code, got offset {2}",
                       mask.text, bundle.planCode.size(), offset);
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

namespace {
class Writer {
public:
  Writer();
  void add(const BundleManifest &bundle);
  std::string finish(const BundleManifest &bundle);

private:
  uint32_t string(StringRef text);
  void kernel(const KernelManifest &kernel);
  void stage(const StageManifest &stage);
  void cache(const CacheManifest &cache);

  template <typename Record>
  void section(fovea_bundle_section_kind kind,
               const std::vector<Record> &records) {
    static_assert(std::is_trivially_copyable_v<Record>, "records are bytes");
    bytes(kind, 0,
          StringRef(reinterpret_cast<const char *>(records.data()),
                    records.size() * sizeof(Record)),
          kSectionAlign);
  }
  void bytes(fovea_bundle_section_kind kind, uint32_t index, StringRef content,
             uint64_t align);

  StringMap<uint32_t> stringOffsets;
  std::string strings;
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

  struct Pending {
    fovea_bundle_section record;
    std::string content;
    uint64_t align;
  };
  std::vector<Pending> pending;
};
} // namespace

Writer::Writer() { string(""); }

uint32_t Writer::string(StringRef text) {
  auto [found, inserted] =
      stringOffsets.try_emplace(text, uint32_t(strings.size()));
  if (inserted) {
    strings += text;
    strings += '\0';
  }
  return found->second;
}

template <typename Record>
static fovea_bundle_span spanFrom(const std::vector<Record> &records,
                                  size_t first) {
  return {uint32_t(first), uint32_t(records.size() - first)};
}

void Writer::stage(const StageManifest &stage) {
  fovea_bundle_stage record = stage.record;
  record.name = string(stage.name);
  size_t firstVariant = variants.size();
  for (const VariantManifest &variant : stage.variants) {
    fovea_bundle_variant v = variant.record;
    v.name = string(variant.name);
    v.schedule = string(variant.schedule);
    size_t firstEntry = entries.size();
    for (const EntryManifest &entry : variant.entries) {
      entries.push_back({entry.target, uint32_t(launches.size()),
                         entry.launch ? 0 : entry.offset});
      if (!entry.launch) {
        entries.back().launch = 0;
        continue;
      }
      launches.push_back(entry.launch->record);
      launches.back().kernel = string(entry.launch->kernel);
    }
    v.entries = spanFrom(entries, firstEntry);
    variants.push_back(v);
  }
  record.variants = spanFrom(variants, firstVariant);
  stages.push_back(record);
}

void Writer::cache(const CacheManifest &cache) {
  fovea_bundle_cache record = cache.record;
  record.name = string(cache.name);
  record.type = string(cache.type);
  size_t firstSegment = segments.size();
  for (const SegmentManifest &segment : cache.segments) {
    fovea_bundle_segment s = segment.record;
    s.name = string(segment.name);
    size_t firstPart = parts.size();
    for (const PartManifest &part : segment.parts) {
      parts.push_back(part.record);
      parts.back().name = string(part.name);
    }
    s.parts = spanFrom(parts, firstPart);
    segments.push_back(s);
  }
  record.segments = spanFrom(segments, firstSegment);
  caches.push_back(record);
}

void Writer::kernel(const KernelManifest &kernel) {
  fovea_bundle_kernel record{};
  record.name = string(kernel.name);
  record.n_views = kernel.viewCount();
  record.n_scalars = kernel.scalarCount();
  size_t first = args.size();
  for (const ArgManifest &arg : kernel.args) {
    args.push_back(arg.record);
    args.back().name = string(arg.name);
  }
  record.args = spanFrom(args, first);
  first = symbols.size();
  for (const std::string &name : kernel.symbols)
    symbols.push_back({string(name), 0});
  record.symbols = spanFrom(symbols, first);
  first = buffers.size();
  for (const BufferManifest &buffer : kernel.buffers) {
    buffers.push_back(buffer.record);
    buffers.back().name = string(buffer.name);
    // Unused extents would otherwise be whatever the caller left there.
    for (uint32_t d = buffer.record.rank; d < FOVEA_ABI_MAX_RANK; ++d)
      buffers.back().extent[d] = constantExtent(1);
  }
  record.buffers = spanFrom(buffers, first);
  first = masks.size();
  for (const MaskManifest &mask : kernel.masks) {
    masks.push_back(mask.record);
    masks.back().text = string(mask.text);
  }
  record.masks = spanFrom(masks, first);
  first = remarks.size();
  for (const RemarkManifest &remark : kernel.remarks)
    remarks.push_back({string(remark.text), remark.line, remark.column, 0});
  record.remarks = spanFrom(remarks, first);
  first = stages.size();
  for (const StageManifest &s : kernel.stages)
    stage(s);
  record.stages = spanFrom(stages, first);
  first = caches.size();
  for (const CacheManifest &c : kernel.caches)
    cache(c);
  record.caches = spanFrom(caches, first);
  first = tables.size();
  llvm::append_range(tables, kernel.tables);
  record.tables = spanFrom(tables, first);
  kernels.push_back(record);
}

void Writer::add(const BundleManifest &bundle) {
  for (auto [index, target] : llvm::enumerate(bundle.targets))
    targets.push_back(
        {string(target.name), uint32_t(target.kind), uint32_t(index), 0});
  for (const KernelManifest &k : bundle.kernels)
    kernel(k);
}

void Writer::bytes(fovea_bundle_section_kind kind, uint32_t index,
                   StringRef content, uint64_t align) {
  if (!content.empty())
    pending.push_back({{uint32_t(kind), index, 0, 0}, content.str(), align});
}

std::string Writer::finish(const BundleManifest &bundle) {
  bytes(FOVEA_SECTION_STRINGS, 0, strings, kSectionAlign);
  section(FOVEA_SECTION_KERNELS, kernels);
  section(FOVEA_SECTION_ARGS, args);
  section(FOVEA_SECTION_SYMBOLS, symbols);
  section(FOVEA_SECTION_BUFFERS, buffers);
  section(FOVEA_SECTION_STAGES, stages);
  section(FOVEA_SECTION_VARIANTS, variants);
  section(FOVEA_SECTION_ENTRIES, entries);
  section(FOVEA_SECTION_MASKS, masks);
  section(FOVEA_SECTION_REMARKS, remarks);
  section(FOVEA_SECTION_TARGETS, targets);
  section(FOVEA_SECTION_CACHES, caches);
  section(FOVEA_SECTION_SEGMENTS, segments);
  section(FOVEA_SECTION_PARTS, parts);
  section(FOVEA_SECTION_TABLES, tables);
  section(FOVEA_SECTION_LAUNCHES, launches);
  bytes(FOVEA_SECTION_SPEC, 0, bundle.spec, kSectionAlign);
  for (auto [index, target] : llvm::enumerate(bundle.targets))
    if (target.kind == FOVEA_TARGET_GPU)
      bytes(FOVEA_SECTION_GPU_CODE, uint32_t(index), target.code,
            kSectionAlign);
    else
      bytes(FOVEA_SECTION_CODE, uint32_t(index), target.code, kCodeAlign);
  bytes(FOVEA_SECTION_PLAN_CODE, 0, bundle.planCode, kCodeAlign);

  uint64_t offset = sizeof(fovea_bundle_header) +
                    pending.size() * sizeof(fovea_bundle_section);
  for (Pending &section : pending) {
    offset = alignTo(offset, section.align);
    section.record.offset = offset;
    section.record.size = section.content.size();
    offset += section.content.size();
  }
  std::string file(offset, '\0');
  char *table = file.data() + sizeof(fovea_bundle_header);
  for (const Pending &section : pending) {
    memcpy(table, &section.record, sizeof(section.record));
    table += sizeof(section.record);
    memcpy(file.data() + section.record.offset, section.content.data(),
           section.content.size());
  }
  fovea_bundle_header header{};
  header.magic = FOVEA_BUNDLE_MAGIC;
  header.version = FOVEA_BUNDLE_VERSION;
  header.abi_version = FOVEA_ABI_VERSION;
  header.n_sections = uint32_t(pending.size());
  header.file_size = file.size();
  header.checksum = fovea_bundle_checksum(file.data() + sizeof(header),
                                          file.size() - sizeof(header));
  header.key = bundle.key;
  header.compiler_id = bundle.compilerId;
  memcpy(file.data(), &header, sizeof(header));
  return file;
}

Expected<std::string> writeBundle(const BundleManifest &manifest) {
  StringSet<> names;
  for (const KernelManifest &kernel : manifest.kernels) {
    if (!names.insert(kernel.name).second)
      return failure("expected one kernel '{0}', got two", kernel.name);
    if (Error error = checkSlots(kernel))
      return error;
    if (Error error = checkStages(manifest, kernel))
      return error;
  }
  Writer writer;
  writer.add(manifest);
  return writer.finish(manifest);
}

} // namespace fovea
