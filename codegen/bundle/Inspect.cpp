// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Prints a bundle for people.
#include "codegen/bundle/BundleWriter.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

using namespace llvm;

namespace fovea {

StringRef dtypeName(uint32_t dtype) {
  switch (dtype) {
  case FOVEA_DTYPE_F32:
    return "f32";
  case FOVEA_DTYPE_F16:
    return "f16";
  case FOVEA_DTYPE_BF16:
    return "bf16";
  case FOVEA_DTYPE_F64:
    return "f64";
  case FOVEA_DTYPE_I8:
    return "i8";
  case FOVEA_DTYPE_U8:
    return "u8";
  case FOVEA_DTYPE_I32:
    return "i32";
  case FOVEA_DTYPE_I64:
    return "i64";
  case FOVEA_DTYPE_BOOL:
    return "bool";
  default:
    return "?";
  }
}

static StringRef spaceName(uint32_t space) {
  switch (space) {
  case FOVEA_SPACE_GRID:
    return "grid";
  case FOVEA_SPACE_STREAM:
    return "stream";
  case FOVEA_SPACE_COMBINE:
    return "combine";
  case FOVEA_SPACE_APPEND:
    return "append";
  case FOVEA_SPACE_PAGES:
    return "pages";
  case FOVEA_SPACE_MOVES:
    return "moves";
  default:
    return "?";
  }
}

static std::string symbolName(const KernelManifest &kernel, int32_t symbol) {
  if (symbol >= 0 && size_t(symbol) < kernel.symbols.size())
    return kernel.symbols[symbol];
  return "?";
}

/// "4 * ceildiv(sq + 3, 64)", with the trivial parts left out.
static std::string extentText(const KernelManifest &kernel,
                              const fovea_bundle_extent &extent) {
  std::string base;
  if (extent.symbol == FOVEA_EXTENT_ONE) {
    if (extent.add == 0 && extent.div == 1)
      return std::to_string(extent.mul);
    base = "1";
  } else if (extent.symbol == FOVEA_EXTENT_SLOTS) {
    base = extent.stage >= 0 && size_t(extent.stage) < kernel.stages.size()
               ? "slots(" + kernel.stages[extent.stage].name + ")"
               : "slots(?)";
  } else {
    base = symbolName(kernel, extent.symbol);
  }
  if (extent.add)
    base += " + " + std::to_string(extent.add);
  if (extent.div != 1)
    base = "ceildiv(" + base + ", " + std::to_string(extent.div) + ")";
  else if (extent.add && extent.mul != 1)
    base = "(" + base + ")";
  return extent.mul == 1 ? base : std::to_string(extent.mul) + " * " + base;
}

static const char *const ropeNames[] = {"after", "before", "slot"};

/// "k bf16[128]", "bounds f32[256] per page".
static void printPart(const PartManifest &part, raw_ostream &os) {
  const fovea_bundle_part &p = part.record;
  os << part.name << " " << dtypeName(p.dtype) << "[" << p.extent << "]"
     << (p.per_page ? " per page" : "");
}

static void printCache(const CacheManifest &cache, raw_ostream &os) {
  const fovea_bundle_cache &c = cache.record;
  os << "  cache  " << cache.name << ": " << c.heads << " heads, dims "
     << c.key_dim << " and " << c.value_dim << ", rows of "
     << dtypeName(c.input_dtype) << ", rope "
     << (c.rope < 3 ? ropeNames[c.rope] : "?") << "\n    type " << cache.type
     << "\n";
  for (const SegmentManifest &segment : cache.segments) {
    const fovea_bundle_segment &s = segment.record;
    os << "    segment " << segment.name;
    if (s.tokens)
      os << "(" << s.tokens << ")";
    os << ": ";
    if (s.page_tokens)
      os << "pages of " << s.page_tokens;
    else
      os << "contiguous";
    os << (s.token_major ? ", token-major" : ", head-major");
    if (s.ring)
      os << ", ring of " << s.ring;
    os << "; ";
    for (auto [i, part] : llvm::enumerate(segment.parts)) {
      os << (i ? ", " : "");
      printPart(part, os);
    }
    os << "\n";
  }
}

static void printArg(const KernelManifest &kernel, const ArgManifest &arg,
                     raw_ostream &os) {
  const fovea_bundle_arg &r = arg.record;
  os << "  " << (r.is_result ? "result " : "arg    ") << arg.name << ": "
     << (r.kind == FOVEA_ARG_CACHE ? "cache" : dtypeName(r.dtype));
  if (r.kind == FOVEA_ARG_CACHE) {
    os << "\n";
    return;
  }
  if (r.kind == FOVEA_ARG_SCALAR) {
    os << " scalar\n";
    return;
  }
  os << " [";
  for (uint32_t d = 0; d < r.rank; ++d) {
    os << (d ? ", " : "");
    bool named = r.symbol[d] >= 0;
    if (named)
      os << symbolName(kernel, r.symbol[d]);
    if (r.shape[d] >= 0)
      os << (named ? "=" : "") << r.shape[d];
    else if (!named)
      os << "?";
  }
  os << "]\n";
}

static void printLaunch(const LaunchManifest &launch, raw_ostream &os) {
  const fovea_bundle_launch &l = launch.record;
  os << " (" << launch.kernel << ", " << l.threads << " threads, "
     << l.shared_bytes << " bytes of shared memory";
  if (l.registers)
    os << ", " << l.registers << " registers";
  if (l.cubin_bytes)
    os << ", cubin of " << l.cubin_bytes << " bytes";
  if (l.ptx_bytes)
    os << ", PTX of " << l.ptx_bytes << " bytes";
  os << ")";
}

static void printStage(const BundleManifest &bundle,
                       const KernelManifest &kernel, const StageManifest &stage,
                       raw_ostream &os) {
  const fovea_bundle_stage &r = stage.record;
  os << "  stage  " << stage.name << ": " << spaceName(r.space);
  if (r.space == FOVEA_SPACE_GRID)
    os << " " << extentText(kernel, r.grid[0]) << " x "
       << extentText(kernel, r.grid[1]) << " x "
       << extentText(kernel, r.grid[2]);
  if (r.space == FOVEA_SPACE_STREAM) {
    os << " over " << extentText(kernel, r.grid[0]) << " sequences x "
       << r.heads << " head groups of " << r.group << ", dims " << r.key_dim
       << " and " << r.value_dim;
    if (r.splittable)
      os << ", splittable";
    if (r.flags & FOVEA_STAGE_READS_B)
      os << ", reads the batch index";
    if (r.list_slot >= 0)
      os << ", chosen blocks of " << r.list_unit;
    if (r.mask >= 0 && size_t(r.mask) < kernel.masks.size())
      os << ", mask " << r.mask;
  }
  if (r.space == FOVEA_SPACE_COMBINE && r.of >= 0 &&
      size_t(r.of) < kernel.stages.size())
    os << " of " << kernel.stages[r.of].name;
  if (r.cache >= 0 && size_t(r.cache) < kernel.caches.size())
    os << (r.space == FOVEA_SPACE_STREAM ? ", cache " : " of cache ")
       << kernel.caches[r.cache].name;
  if (r.flags & FOVEA_STAGE_SERVICE)
    os << ", service";
  os << "\n";
  for (const VariantManifest &variant : stage.variants) {
    const fovea_bundle_variant &v = variant.record;
    os << "    variant " << variant.name << ": rows " << v.rows << ", keys "
       << v.keys;
    if (v.max_rows != INT64_MAX)
      os << ", up to " << v.max_rows << " rows";
    os << ", scratch " << v.scratch_bytes << " bytes";
    if (!variant.schedule.empty())
      os << ", schedule " << variant.schedule;
    if (r.space == FOVEA_SPACE_STREAM && r.value_dim)
      os << (tunedBy(variant.schedule).empty() ? " (default)" : " (tuned)");
    os << "\n      code:";
    if (variant.entries.empty())
      os << " none";
    for (const EntryManifest &entry : variant.entries) {
      os << " "
         << (entry.target < bundle.targets.size()
                 ? bundle.targets[entry.target].name
                 : "?");
      if (entry.launch)
        printLaunch(*entry.launch, os);
      else
        os << "+0x" << utohexstr(entry.offset, /*LowerCase=*/true);
    }
    os << "\n";
  }
}

static void printKernel(const BundleManifest &bundle,
                        const KernelManifest &kernel, raw_ostream &os) {
  os << "kernel " << kernel.name << "\n";
  for (const ArgManifest &arg : kernel.args)
    printArg(kernel, arg, os);
  for (const CacheManifest &cache : kernel.caches)
    printCache(cache, os);
  for (const BufferManifest &buffer : kernel.buffers) {
    os << "  buffer " << buffer.name << ": " << dtypeName(buffer.record.dtype)
       << " [";
    for (uint32_t d = 0; d < buffer.record.rank; ++d)
      os << (d ? ", " : "") << extentText(kernel, buffer.record.extent[d]);
    os << "]\n";
  }
  static const char *const rules[] = {"lineage", "batch_tree", "boundaries",
                                      "lineage_size"};
  for (const fovea_bundle_table &table : kernel.tables)
    os << "  table  " << rules[table.rule] << " in view " << table.slot << "\n";
  for (const StageManifest &stage : kernel.stages)
    printStage(bundle, kernel, stage, os);
  for (auto [index, mask] : llvm::enumerate(kernel.masks))
    os << "  mask   " << index << ": " << mask.text
       << (mask.record.analysed ? "" : " (not analysed: all tiles are partial)")
       << "\n";
  for (const RemarkManifest &remark : kernel.remarks) {
    os << "  remark ";
    if (remark.line)
      os << "at " << remark.line << ":" << remark.column << ": ";
    os << remark.text << "\n";
  }
}

void printBundle(const BundleManifest &manifest, StringRef bytes,
                 raw_ostream &os) {
  fovea_bundle_header header{};
  if (bytes.size() >= sizeof(header))
    memcpy(&header, bytes.data(), sizeof(header));
  os << "bundle version " << header.version << ", ABI version "
     << header.abi_version << ", " << bytes.size() << " bytes\n";
  os << "checksum " << format_hex(header.checksum, 18) << ", key "
     << format_hex(manifest.key, 18) << ", compiler "
     << format_hex(manifest.compilerId, 18) << "\n";
  for (const TargetManifest &target : manifest.targets) {
    os << "target " << target.name << ": ";
    if (target.code.empty())
      os << "no code\n";
    else
      os << target.code.size() << " bytes of code"
         << (target.kind == FOVEA_TARGET_GPU ? " for a GPU" : "") << "\n";
  }
  os << "plan code: " << manifest.planCode.size() << " bytes\n";
  os << "spec: " << manifest.spec.size() << " bytes\n";
  for (const KernelManifest &kernel : manifest.kernels)
    printKernel(manifest, kernel, os);
}

} // namespace fovea
