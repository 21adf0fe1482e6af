// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The frame of a bundle: header, checksum, section table, record sections.
// What the records mean is checked in CheckRecords.cpp.
#include "runtime/bundle/BundleReader.h"
#include "runtime/base/Status.h"
#include "runtime/bundle/CheckRecords.h"

namespace fovea::rt {

uint32_t dtypeSize(uint32_t dtype) {
  switch (dtype) {
  case FOVEA_DTYPE_F32:
  case FOVEA_DTYPE_I32:
    return 4;
  case FOVEA_DTYPE_F16:
  case FOVEA_DTYPE_BF16:
    return 2;
  case FOVEA_DTYPE_F64:
  case FOVEA_DTYPE_I64:
    return 8;
  case FOVEA_DTYPE_I8:
  case FOVEA_DTYPE_U8:
  case FOVEA_DTYPE_BOOL:
    return 1;
  }
  return 0;
}

const char *dtypeName(uint32_t dtype) {
  static const char *const names[] = {"none", "f32", "f16", "bf16", "f64",
                                      "i8",   "u8",  "i32", "i64",  "bool"};
  return dtype < sizeof names / sizeof *names ? names[dtype] : "unknown";
}

const fovea_bundle_section *BundleView::section(uint32_t kind,
                                                uint32_t index) const {
  for (const fovea_bundle_section &s : sections)
    if (s.kind == kind && s.index == index)
      return &s;
  return nullptr;
}

static const char *const kindNames[] = {
    nullptr,  "STRINGS",  "KERNELS",   "ARGS",   "SYMBOLS",  "BUFFERS",
    "STAGES", "VARIANTS", "ENTRIES",   "MASKS",  "REMARKS",  "TARGETS",
    "SPEC",   "CODE",     "PLAN_CODE", "CACHES", "SEGMENTS", "PARTS",
    "TABLES", "GPU_CODE", "LAUNCHES"};
static constexpr uint32_t maxKind = FOVEA_SECTION_LAUNCHES;
static constexpr uint32_t maxSections = 64;

static fovea_status readHeader(BundleView &b) {
  if (b.size < sizeof(fovea_bundle_header))
    return fail(FOVEA_BAD_BUNDLE,
                "expected a bundle of at least %zu bytes, got %zu",
                sizeof(fovea_bundle_header), b.size);
  const fovea_bundle_header &h = *b.header;
  if (h.magic != FOVEA_BUNDLE_MAGIC)
    return fail(FOVEA_BAD_BUNDLE,
                "expected a bundle to start with 0x%08x (FOVB), got 0x%08x",
                FOVEA_BUNDLE_MAGIC, h.magic);
  if (h.version != FOVEA_BUNDLE_VERSION)
    return fail(FOVEA_UNSUPPORTED, "expected bundle version %d, got %u",
                FOVEA_BUNDLE_VERSION, h.version);
  if (h.abi_version != FOVEA_ABI_VERSION)
    return fail(FOVEA_UNSUPPORTED,
                "expected a bundle for ABI version %d, got %u",
                FOVEA_ABI_VERSION, h.abi_version);
  if (h.file_size != b.size)
    return fail(FOVEA_BAD_BUNDLE,
                "expected a bundle of %llu bytes (its header), got %zu",
                static_cast<unsigned long long>(h.file_size), b.size);
  uint64_t sum = fovea_bundle_checksum(b.base + sizeof h, b.size - sizeof h);
  if (sum != h.checksum)
    return fail(FOVEA_BAD_BUNDLE,
                "expected bundle checksum %016llx, got %016llx: the file is "
                "corrupted",
                static_cast<unsigned long long>(h.checksum),
                static_cast<unsigned long long>(sum));
  if (h.n_sections > maxSections)
    return fail(FOVEA_BAD_BUNDLE, "expected at most %u sections, got %u",
                maxSections, h.n_sections);
  size_t end = sizeof h + h.n_sections * sizeof(fovea_bundle_section);
  if (end > b.size)
    return fail(FOVEA_BAD_BUNDLE,
                "expected the table of %u sections to end inside the file of "
                "%zu bytes, got %zu",
                h.n_sections, b.size, end);
  b.sections = {
      reinterpret_cast<const fovea_bundle_section *>(b.base + sizeof h),
      h.n_sections};
  return FOVEA_OK;
}

static fovea_status checkSection(const BundleView &b, uint32_t i) {
  const fovea_bundle_section &s = b.sections[i];
  if (s.kind < 1 || s.kind > maxKind)
    return fail(FOVEA_BAD_BUNDLE,
                "expected section %u to have a kind between 1 and %u, got %u",
                i, maxKind, s.kind);
  bool code = s.kind == FOVEA_SECTION_CODE || s.kind == FOVEA_SECTION_PLAN_CODE;
  uint64_t align = code ? 4096 : 64;
  if (s.offset % align)
    return fail(FOVEA_BAD_BUNDLE,
                "expected section %s to start at a multiple of %llu, got %llu",
                kindNames[s.kind], static_cast<unsigned long long>(align),
                static_cast<unsigned long long>(s.offset));
  uint64_t table = sizeof(fovea_bundle_header) +
                   b.sections.size() * sizeof(fovea_bundle_section);
  if (s.offset > b.size || s.size > b.size - s.offset ||
      (s.size && s.offset < table))
    return fail(FOVEA_BAD_BUNDLE,
                "expected section %s to lie in [%llu, %zu), got offset %llu "
                "and size %llu",
                kindNames[s.kind], static_cast<unsigned long long>(table),
                b.size, static_cast<unsigned long long>(s.offset),
                static_cast<unsigned long long>(s.size));
  if (s.kind != FOVEA_SECTION_CODE && s.kind != FOVEA_SECTION_GPU_CODE &&
      s.index)
    return fail(FOVEA_BAD_BUNDLE, "expected section %s to have index 0, got %u",
                kindNames[s.kind], s.index);
  for (uint32_t j = 0; j < i; ++j)
    if (b.sections[j].kind == s.kind && b.sections[j].index == s.index)
      return fail(FOVEA_BAD_BUNDLE,
                  "expected one section %s of index %u, got two",
                  kindNames[s.kind], s.index);
  return FOVEA_OK;
}

template <typename T>
static fovea_status readRecords(const BundleView &b, uint32_t kind,
                                Records<T> &out) {
  const fovea_bundle_section *s = b.section(kind, 0);
  if (!s)
    return FOVEA_OK;
  if (s->size % sizeof(T) || s->size / sizeof(T) > UINT32_MAX / 2)
    return fail(FOVEA_BAD_BUNDLE,
                "expected the size of section %s to be a multiple of %zu, got "
                "%llu",
                kindNames[kind], sizeof(T),
                static_cast<unsigned long long>(s->size));
  out = {reinterpret_cast<const T *>(b.base + s->offset),
         static_cast<uint32_t>(s->size / sizeof(T))};
  return FOVEA_OK;
}

fovea_status readBundle(const void *bytes, size_t size, BundleView &out) {
  out = {};
  if (!bytes)
    return fail(FOVEA_INVALID, "expected the bytes of a bundle, got NULL");
  out.base = static_cast<const uint8_t *>(bytes);
  out.size = size;
  out.header = static_cast<const fovea_bundle_header *>(bytes);
  if (fovea_status st = readHeader(out))
    return st;
  for (uint32_t i = 0; i < out.sections.size(); ++i)
    if (fovea_status st = checkSection(out, i))
      return st;
  fovea_status st = readRecords(out, FOVEA_SECTION_STRINGS, out.strings);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_KERNELS, out.kernels);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_ARGS, out.args);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_SYMBOLS, out.symbols);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_BUFFERS, out.buffers);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_STAGES, out.stages);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_VARIANTS, out.variants);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_ENTRIES, out.entries);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_MASKS, out.masks);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_REMARKS, out.remarks);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_TARGETS, out.targets);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_CACHES, out.caches);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_SEGMENTS, out.segments);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_PARTS, out.parts);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_TABLES, out.tables);
  if (!st)
    st = readRecords(out, FOVEA_SECTION_LAUNCHES, out.launches);
  if (st)
    return st;
  return checkRecords(out);
}

} // namespace fovea::rt
