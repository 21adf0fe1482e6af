// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels describe themselves and know which of their code runs here.
#include "runtime/cuda/Kernel.h"
#include "runtime/base/Status.h"
#include "runtime/loader/Bundle.h"
#include "runtime/loader/Cpu.h"
#include "runtime/loader/Emulator.h"

#include <cstdio>
#include <fovea/inspect.h>
#include <new>

using namespace fovea::rt;

fovea_kernel::~fovea_kernel() { delete gpu; }

// A bundle for several targets has variants of its own for each, so of every
// stage one of the last variants (they take the most rows) must have code.
bool fovea::rt::isComplete(const fovea_kernel &kernel, uint32_t target) {
  for (const fovea_bundle_stage &stage : kernel.stages) {
    Records<fovea_bundle_variant> variants = kernel.variants(stage);
    int64_t most = variants[variants.size() - 1].max_rows;
    bool found = false;
    for (const fovea_bundle_variant &variant : variants)
      for (const fovea_bundle_entry &e :
           kernel.view().entries.slice(variant.entries))
        found |= variant.max_rows == most && e.target == target;
    if (!found)
      return false;
  }
  return true;
}

static int32_t chooseTarget(const fovea_kernel &kernel) {
  const BundleView &view = kernel.view();
  const char *wanted = kernel.bundle->ctx->target;
  int32_t best = -1;
  int bestRank = -1;
  for (uint32_t i = 0; i < view.targets.size(); ++i) {
    if (view.targets[i].kind != FOVEA_TARGET_CPU)
      continue;
    const char *name = view.string(view.targets[i].name);
    int rank = targetRank(name);
    if (rank <= bestRank || (*wanted && strcmp(wanted, name)) ||
        !isComplete(kernel, i))
      continue;
    best = int32_t(i);
    bestRank = rank;
  }
  return best;
}

TargetNames::TargetNames(const BundleView &view) {
  size_t used = 0;
  for (const fovea_bundle_target &t : view.targets) {
    int n = std::snprintf(text + used, sizeof text - used, "%s%s",
                          used ? ", " : "", view.string(t.name));
    used += size_t(n);
    if (used >= sizeof text)
      break;
  }
}

fovea_status fovea_kernel::refuseToRun() const {
  const char *wanted = bundle->ctx->target;
  return fail(FOVEA_UNSUPPORTED,
              "kernel '%s': expected code for %s%s, got code for %s", name(),
              *wanted ? "the chosen target " : "this CPU, ",
              *wanted ? wanted : hostTarget(), TargetNames(view()).text);
}

const fovea_bundle_entry *
fovea_kernel::codeOf(const fovea_bundle_variant &variant) const {
  for (const fovea_bundle_entry &e : view().entries.slice(variant.entries))
    if (int64_t(e.target) == target)
      return &e;
  return nullptr;
}

fovea_stage_fn fovea_kernel::entry(const fovea_bundle_variant &variant) const {
  const fovea_bundle_entry *e = gpu ? nullptr : codeOf(variant);
  if (!e)
    return nullptr;
  const BundleView &b = view();
  const fovea_bundle_section *code = b.code(b.targets[e->target]);
  return reinterpret_cast<fovea_stage_fn>(
      reinterpret_cast<uintptr_t>(b.base + code->offset + e->offset));
}

bool fovea_kernel::runs(const fovea_bundle_variant &variant) const {
  return target < 0 || codeOf(variant);
}

const void *fovea_kernel::planCode(uint64_t offset) const {
#if defined(__x86_64__)
  const fovea_bundle_section *code = view().section(FOVEA_SECTION_PLAN_CODE, 0);
  return code ? view().base + code->offset + offset : nullptr;
#else
  return nullptr;
#endif
}

static fovea_status findKernel(const fovea_bundle &bundle, const char *name,
                               const fovea_bundle_kernel *&out) {
  const BundleView &view = bundle.view;
  char have[512] = "none";
  size_t used = 0;
  for (const fovea_bundle_kernel &k : view.kernels) {
    const char *its = view.string(k.name);
    if (name ? !strcmp(name, its) : view.kernels.size() == 1) {
      out = &k;
      return FOVEA_OK;
    }
    if (used < sizeof have)
      used += size_t(std::snprintf(have + used, sizeof have - used, "%s%s",
                                   used ? ", " : "", its));
  }
  if (!name)
    return fail(FOVEA_INVALID, "expected the name of one of the kernels %s",
                have);
  return fail(FOVEA_INVALID, "expected one of the kernels %s, got '%s'", have,
              name);
}

/// Chooses the code, and loads what it needs.
static fovea_status load(fovea_kernel &kernel, fovea_device device) {
  if (device.kind == kDLCUDA)
    return loadGpuKernel(kernel, device.id);
  kernel.target = chooseTarget(kernel);
  const char *target = fovea_kernel_target(&kernel);
  if (!target || !isEmulated(target))
    return FOVEA_OK;
  fovea_status st = emulatorTable(kernel.device);
  return st ? fail(st, "kernel '%s' for %s: %s", kernel.name(), target,
                   message())
            : FOVEA_OK;
}

fovea_status fovea_kernel_get(fovea_bundle *bundle, const char *name,
                              fovea_device device, fovea_kernel **out) {
  if (!bundle || !out)
    return fail(FOVEA_INVALID, "expected a %s, got NULL",
                !bundle ? "bundle" : "place for the kernel");
  *out = nullptr;
  const fovea_bundle_kernel *record = nullptr;
  if (fovea_status st = findKernel(*bundle, name, record))
    return st;
  if (device.kind != kDLCPU && device.kind != kDLCUDA)
    return fail(FOVEA_UNSUPPORTED,
                "expected a device of kind %d (CPU) or %d (CUDA), got kind %d",
                kDLCPU, kDLCUDA, device.kind);
  auto *kernel = new (std::nothrow) fovea_kernel(bundle);
  if (!kernel)
    return noMemory("a kernel", sizeof(fovea_kernel));
  const BundleView &view = bundle->view;
  kernel->record = record;
  kernel->args = view.args.slice(record->args);
  kernel->symbols = view.symbols.slice(record->symbols);
  kernel->buffers = view.buffers.slice(record->buffers);
  kernel->stages = view.stages.slice(record->stages);
  kernel->masks = view.masks.slice(record->masks);
  kernel->caches = view.caches.slice(record->caches);
  kernel->tables = view.tables.slice(record->tables);
  Records<fovea_bundle_remark> remarks = view.remarks.slice(record->remarks);
  if (!kernel->remarks.create(remarks.size())) {
    kernel->release();
    return noMemory("a kernel's remarks", remarks.size() * sizeof(char *));
  }
  for (uint32_t i = 0; i < remarks.size(); ++i)
    kernel->remarks[i] = view.string(remarks[i].text);
  if (fovea_status st = load(*kernel, device)) {
    kernel->release();
    return st;
  }
  *out = kernel;
  return FOVEA_OK;
}

void fovea_kernel_release(fovea_kernel *kernel) {
  if (kernel)
    kernel->release();
}

int fovea_kernel_args(const fovea_kernel *kernel) {
  return kernel ? int(kernel->args.size()) : 0;
}

fovea_status fovea_kernel_arg(const fovea_kernel *kernel, int index,
                              fovea_arg_info *out) {
  if (!kernel)
    return fail(FOVEA_INVALID, "expected a kernel, got NULL");
  if (index < 0 || index >= fovea_kernel_args(kernel))
    return fail(FOVEA_INVALID, "expected an argument below %d, got %d",
                fovea_kernel_args(kernel), index);
  const fovea_bundle_arg &a = kernel->args[size_t(index)];
  fovea_arg_info info{};
  info.kind = a.kind == FOVEA_ARG_SCALAR  ? FOVEA_SCALAR
              : a.kind == FOVEA_ARG_CACHE ? FOVEA_CACHE
                                          : FOVEA_TENSOR;
  info.dtype = int32_t(a.dtype);
  info.rank = int32_t(a.rank);
  info.is_result = int32_t(a.is_result);
  info.name = kernel->argName(size_t(index));
  for (uint32_t d = 0; d < a.rank; ++d) {
    info.shape[d] = a.shape[d];
    info.dims[d] =
        a.symbol[d] < 0 ? nullptr : kernel->symbolName(size_t(a.symbol[d]));
  }
  return writeStruct(info, out, offsetof(fovea_arg_info, shape),
                     "fovea_arg_info");
}

const char *fovea_kernel_name(const fovea_kernel *kernel) {
  return kernel ? kernel->name() : "";
}

const char *fovea_kernel_target(const fovea_kernel *kernel) {
  if (!kernel || kernel->target < 0)
    return nullptr;
  const BundleView &view = kernel->view();
  return view.string(view.targets[size_t(kernel->target)].name);
}

int fovea_kernel_remarks(const fovea_kernel *kernel, const char *const **out) {
  if (out)
    *out = kernel ? kernel->remarks.data() : nullptr;
  return kernel ? int(kernel->remarks.size()) : 0;
}

const fovea_bundle_kernel *fovea_kernel_record(const fovea_kernel *kernel) {
  return kernel ? kernel->record : nullptr;
}
