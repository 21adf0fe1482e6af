// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuzzes the reader of bundles (cache entries are bundles) and what follows
// from an accepted one: kernels that describe themselves, plans that size
// themselves. Code of an accepted bundle is not run: bundles are code.
#include <fovea/bundle.h>
#include <fovea/inspect.h>

#include <cstdlib>
#include <cstring>
#include <vector>

static fovea_ctx *context() {
  static fovea_ctx *ctx = [] {
    fovea_options options{};
    options.size = sizeof options;
    fovea_executor_serial(&options.exec);
    // What a wild bundle asks for is refused, not allocated.
    options.alloc = [](void *, fovea_device, size_t size,
                       size_t align) -> void * {
      return size > (size_t(16) << 20) ? nullptr : aligned_alloc(align, size);
    };
    options.free = [](void *, fovea_device, void *p) { std::free(p); };
    fovea_ctx *made = nullptr;
    if (fovea_open(FOVEA_API, &options, &made))
      std::abort();
    return made;
  }();
  return ctx;
}

static void plan(fovea_kernel *kernel) {
  fovea_plan_limits limits{};
  limits.size = sizeof limits;
  limits.rows = 100;
  limits.seqs = 3;
  limits.max_len = 1000;
  limits.workers = 2;
  for (int deterministic = 0; deterministic < 2; ++deterministic) {
    limits.deterministic = deterministic;
    fovea_plan *made = nullptr;
    if (!fovea_plan_create(kernel, &limits, &made))
      fovea_plan_destroy(made);
    else if (!*fovea_message())
      std::abort(); // a refusal has a reason
  }
}

static void use(fovea_bundle *bundle) {
  for (int i = 0; i < fovea_bundle_kernels(bundle); ++i) {
    fovea_kernel *kernel = nullptr;
    fovea_status st = fovea_kernel_get(
        bundle, fovea_bundle_kernel_name(bundle, i), FOVEA_CPU, &kernel);
    if (st == FOVEA_UNSUPPORTED)
      continue; // for the emulator, which is not here
    if (st)
      std::abort(); // what is listed can be had
    for (int a = 0; a < fovea_kernel_args(kernel); ++a) {
      fovea_arg_info info{};
      info.size = sizeof info;
      if (fovea_kernel_arg(kernel, a, &info))
        std::abort();
      size_t total = std::strlen(info.name);
      for (int d = 0; d < info.rank; ++d)
        total += info.dims[d] ? std::strlen(info.dims[d]) : 0;
      if (total > (size_t(1) << 30))
        std::abort();
    }
    const char *const *remarks = nullptr;
    int n = fovea_kernel_remarks(kernel, &remarks);
    for (int r = 0; r < n; ++r)
      if (std::strlen(remarks[r]) > (size_t(1) << 30))
        std::abort();
#ifdef FOVEA_PLANTED_FAULT
    // As if a table held two heads and nobody had looked.
    const void *stages = nullptr;
    size_t size = 0;
    fovea_bundle_section_get(bundle, FOVEA_SECTION_STAGES, 0, &stages, &size);
    if (size && static_cast<const fovea_bundle_stage *>(stages)->heads > 2)
      std::abort();
#endif
    plan(kernel);
    fovea_kernel_release(kernel);
  }
}

static void open(const std::vector<uint8_t> &bytes) {
  fovea_bundle *bundle = nullptr;
  uint8_t none = 0;
  fovea_status st = fovea_bundle_memory(
      context(), bytes.empty() ? &none : bytes.data(), bytes.size(), &bundle);
  if (st && !*fovea_message())
    std::abort(); // a refusal has a reason
  if (!st)
    use(bundle);
  fovea_bundle_close(bundle);
}

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

/// Most bytes of a bundle are code and padding: half of the mutations go into
/// one section of records.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t most, unsigned seed) {
  fovea_bundle_header header;
  if (seed % 2 == 0 || size < sizeof header)
    return LLVMFuzzerMutate(data, size, most);
  std::memcpy(&header, data, sizeof header);
  fovea_bundle_section section;
  size_t count = header.n_sections;
  if (count == 0 || count > 64 || size < sizeof header + count * sizeof section)
    return LLVMFuzzerMutate(data, size, most);
  std::memcpy(&section,
              data + sizeof header + seed / 2 % count * sizeof section,
              sizeof section);
  if (section.size == 0 || section.offset > size ||
      section.size > size - section.offset)
    return LLVMFuzzerMutate(data, size, most);
  LLVMFuzzerMutate(data + section.offset, section.size, section.size);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  open(bytes);
  // Behind the checksum: the same with a correct frame.
  fovea_bundle_header header;
  if (size < sizeof header)
    return 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.magic = FOVEA_BUNDLE_MAGIC;
  header.version = FOVEA_BUNDLE_VERSION;
  header.abi_version = FOVEA_ABI_VERSION;
  header.file_size = size;
  header.checksum =
      fovea_bundle_checksum(bytes.data() + sizeof header, size - sizeof header);
  std::memcpy(bytes.data(), &header, sizeof header);
  open(bytes);
  return 0;
}
