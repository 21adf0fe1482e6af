// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lays the sections out: header, table, then each at its alignment.
#include "test/support/BundleBuilder.h"

#include <cstring>

namespace fovea::test {

uint32_t BundleBuilder::string(const std::string &text) {
  // Linear: bundles of tests are small.
  for (size_t i = 0; i < strings.size(); i += std::strlen(&strings[i]) + 1)
    if (text == &strings[i])
      return uint32_t(i);
  uint32_t offset = uint32_t(strings.size());
  strings.insert(strings.end(), text.c_str(), text.c_str() + text.size() + 1);
  return offset;
}

uint32_t BundleBuilder::symbol(const std::string &name) {
  symbols.push_back({string(name), 0});
  return uint32_t(symbols.size() - 1);
}

fovea_bundle_arg &BundleBuilder::tensor(const std::string &name,
                                        fovea_dtype dtype, uint32_t slot,
                                        const std::vector<int> &dims,
                                        bool result) {
  fovea_bundle_arg a{};
  a.name = string(name);
  a.kind = FOVEA_ARG_TENSOR;
  a.dtype = dtype;
  a.rank = uint32_t(dims.size());
  a.slot = slot;
  a.is_result = result;
  for (size_t d = 0; d < FOVEA_ABI_MAX_RANK; ++d) {
    a.symbol[d] = d < dims.size() && dims[d] >= 0 ? dims[d] : -1;
    a.shape[d] = d < dims.size() && dims[d] < 0 ? ~dims[d] : -1;
  }
  args.push_back(a);
  return args.back();
}

fovea_bundle_cache &BundleBuilder::cache(const std::string &name,
                                         uint32_t heads, uint32_t keyDim,
                                         uint32_t valueDim,
                                         const std::vector<SegmentSpec> &specs,
                                         uint32_t &slot, fovea_dtype input) {
  static const char *const kinds[] = {"all", "first", "older", "recent", "new"};
  fovea_bundle_arg a{};
  a.name = string(name);
  a.kind = FOVEA_ARG_CACHE;
  a.slot = uint32_t(caches.size());
  for (int32_t &symbol : a.symbol)
    symbol = -1;
  fovea_bundle_cache c{};
  c.name = a.name;
  c.type = string("!kv.cache<" + name + ">");
  c.arg = uint32_t(args.size());
  c.heads = heads;
  c.key_dim = keyDim;
  c.value_dim = valueDim;
  c.input_dtype = input;
  c.segments = {uint32_t(segments.size()), uint32_t(specs.size())};
  c.append_stage = c.moves_stage = c.pages_stage = -1;
  for (const SegmentSpec &spec : specs) {
    fovea_bundle_segment s{};
    s.name = string(kinds[spec.kind]);
    s.kind = spec.kind;
    s.token_major = spec.tokenMajor;
    s.tokens = spec.tokens;
    s.page_tokens = spec.pageTokens;
    s.ring = spec.kind == FOVEA_SEGMENT_RECENT ? spec.tokens : 0;
    s.parts.first = uint32_t(parts.size());
    auto part = [&](const std::string &what, fovea_dtype dtype, uint32_t rank,
                    int64_t extent, int64_t inner, bool perPage) {
      parts.push_back(
          {string(what), dtype, slot++, perPage, rank, 0, extent, inner});
    };
    for (bool value : {false, true}) {
      fovea_dtype dtype = value ? spec.value : spec.key;
      int64_t dim = value ? valueDim : keyDim;
      part(value ? "v" : "k", dtype, 4, dim, dim, false);
      if (dtype == FOVEA_DTYPE_I8)
        part(value ? "v.scale" : "k.scale", FOVEA_DTYPE_F32, 3, 1, 1, false);
    }
    for (const std::string &kept : spec.bounds)
      part(kept, FOVEA_DTYPE_F32, 4, 2 * keyDim, keyDim, true);
    for (const std::string &kept : spec.means)
      part(kept, FOVEA_DTYPE_F32, 3, keyDim, keyDim, true);
    s.parts.count = uint32_t(parts.size()) - s.parts.first;
    s.pages_slot = slot++;
    s.ranges_slot = slot++;
    segments.push_back(s);
  }
  c.key_slot = int32_t(slot++);
  c.value_slot = int32_t(slot++);
  args.push_back(a);
  caches.push_back(c);
  return caches.back();
}

void BundleBuilder::gpuTarget(const std::string &name,
                              const std::string &image) {
  uint32_t section = uint32_t(gpuCode.size()),
           target = uint32_t(targets.size());
  targets.push_back({string(name), FOVEA_TARGET_GPU, section, 0});
  std::vector<fovea_bundle_entry> all;
  const std::string ptx = ".version 8.5";
  for (fovea_bundle_variant &v : variants) {
    fovea_bundle_span entriesOf = v.entries;
    v.entries.first = uint32_t(all.size());
    v.entries.count = entriesOf.count + 1;
    for (uint32_t i = 0; i < entriesOf.count; ++i)
      all.push_back(entries[entriesOf.first + i]);
    all.push_back({target, uint32_t(launches.size()), 0});
    launches.push_back({string("kernel_" + std::to_string(launches.size())),
                        128, 1024, 40, 0, image.size(), image.size(),
                        ptx.size() + 1});
  }
  entries = std::move(all);
  gpuCode[section].assign(image.begin(), image.end());
  gpuCode[section].insert(gpuCode[section].end(), ptx.c_str(),
                          ptx.c_str() + ptx.size() + 1);
}

namespace {

struct Section {
  uint32_t kind, index;
  const void *data;
  size_t size;
};

} // namespace

std::vector<uint8_t> BundleBuilder::build() const {
  std::vector<Section> sections;
  auto add = [&](uint32_t kind, const auto &records, uint32_t index = 0) {
    if (!records.empty())
      sections.push_back({kind, index, records.data(),
                          records.size() * sizeof(*records.data())});
  };
  add(FOVEA_SECTION_STRINGS, strings);
  add(FOVEA_SECTION_KERNELS, kernels);
  add(FOVEA_SECTION_ARGS, args);
  add(FOVEA_SECTION_SYMBOLS, symbols);
  add(FOVEA_SECTION_BUFFERS, buffers);
  add(FOVEA_SECTION_STAGES, stages);
  add(FOVEA_SECTION_VARIANTS, variants);
  add(FOVEA_SECTION_ENTRIES, entries);
  add(FOVEA_SECTION_MASKS, masks);
  add(FOVEA_SECTION_REMARKS, remarks);
  add(FOVEA_SECTION_TARGETS, targets);
  add(FOVEA_SECTION_CACHES, caches);
  add(FOVEA_SECTION_SEGMENTS, segments);
  add(FOVEA_SECTION_PARTS, parts);
  add(FOVEA_SECTION_TABLES, tables);
  add(FOVEA_SECTION_LAUNCHES, launches);
  add(FOVEA_SECTION_SPEC, spec);
  for (const auto &[index, bytes] : code)
    add(FOVEA_SECTION_CODE, bytes, index);
  for (const auto &[index, bytes] : gpuCode)
    add(FOVEA_SECTION_GPU_CODE, bytes, index);
  add(FOVEA_SECTION_PLAN_CODE, planCode);

  size_t at = sizeof(fovea_bundle_header) +
              sections.size() * sizeof(fovea_bundle_section);
  std::vector<fovea_bundle_section> table;
  for (const Section &s : sections) {
    bool isCode =
        s.kind == FOVEA_SECTION_CODE || s.kind == FOVEA_SECTION_PLAN_CODE;
    size_t align = isCode ? 4096 : 64;
    at = (at + align - 1) / align * align;
    table.push_back({s.kind, s.index, at, s.size});
    at += s.size;
  }
  std::vector<uint8_t> out(at);
  fovea_bundle_header header{};
  header.magic = FOVEA_BUNDLE_MAGIC;
  header.version = FOVEA_BUNDLE_VERSION;
  header.abi_version = FOVEA_ABI_VERSION;
  header.n_sections = uint32_t(sections.size());
  header.file_size = out.size();
  header.key = key;
  std::memcpy(out.data(), &header, sizeof header);
  std::memcpy(out.data() + sizeof header, table.data(),
              table.size() * sizeof(fovea_bundle_section));
  for (size_t i = 0; i < sections.size(); ++i)
    std::memcpy(out.data() + table[i].offset, sections[i].data,
                sections[i].size);
  seal(out);
  return out;
}

void seal(std::vector<uint8_t> &bundle) {
  fovea_bundle_header header;
  std::memcpy(&header, bundle.data(), sizeof header);
  header.checksum = fovea_bundle_checksum(bundle.data() + sizeof header,
                                          bundle.size() - sizeof header);
  std::memcpy(bundle.data(), &header, sizeof header);
}

} // namespace fovea::test
