// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which of a bundle's code a GPU runs, and the driver's modules of it.
#include "runtime/cuda/Kernel.h"
#include "runtime/base/Status.h"

#include <cstdio>
#include <new>

namespace fovea::rt {

GpuKernel::~GpuKernel() {
  UseGpu use(*device);
  if (use.status())
    return;
  for (GpuFunction &f : functions)
    if (f.module)
      device->driver->moduleUnload(f.module);
}

int gpuRank(const char *target, int major, int minor, bool cubin) {
  int level = 0, used = 0;
  if (std::sscanf(target, "sm_%d%n", &level, &used) != 1 || level < 10)
    return -1;
  const char *feature = target + used;
  bool exact = !std::strcmp(feature, "a");
  if (*feature && !exact)
    return -1;
  int here = major * 10 + minor;
  // What is made for one architecture runs on no other; machine code runs on
  // later ones of its generation, PTX on all later ones.
  bool runs = exact   ? level == here
              : cubin ? level / 10 == major && level <= here
                      : level <= here;
  return runs ? level * 4 + 2 * exact + cubin : -1;
}

static const fovea_bundle_launch *launchOf(const fovea_kernel &kernel,
                                           const fovea_bundle_variant &variant,
                                           uint32_t target) {
  const BundleView &view = kernel.view();
  for (const fovea_bundle_entry &e : view.entries.slice(variant.entries))
    if (e.target == target)
      return &view.launches[e.launch];
  return nullptr;
}

namespace {

class Loader {
public:
  Loader(fovea_kernel &kernel, GpuKernel &gpu)
      : kernel(kernel), gpu(gpu), device(*gpu.device) {}
  fovea_status run();

private:
  int rank(uint32_t target);
  fovea_status refuse();
  fovea_status load(const fovea_bundle_launch &launch, GpuFunction &out);
  fovea_status loadModule(const fovea_bundle_launch &launch, const char *name,
                          GpuFunction &out);

  fovea_kernel &kernel;
  GpuKernel &gpu;
  const GpuDevice &device;
};

} // namespace

/// Of a target that has code for the largest variant of every stage.
int Loader::rank(uint32_t target) {
  const BundleView &view = kernel.view();
  const fovea_bundle_target &t = view.targets[target];
  const char *wanted = kernel.bundle->ctx->target, *name = view.string(t.name);
  if (t.kind != FOVEA_TARGET_GPU || (*wanted && std::strcmp(wanted, name)) ||
      !isComplete(kernel, target))
    return -1;
  int least = INT32_MAX;
  for (const fovea_bundle_stage &stage : kernel.stages)
    for (const fovea_bundle_variant &variant : kernel.variants(stage)) {
      const fovea_bundle_launch *launch = launchOf(kernel, variant, target);
      if (!launch)
        continue;
      int asCode = launch->cubin_bytes
                       ? gpuRank(name, device.major, device.minor, true)
                       : -1;
      int asText = launch->ptx_bytes
                       ? gpuRank(name, device.major, device.minor, false)
                       : -1;
      int best = asCode > asText ? asCode : asText;
      least = best < least ? best : least;
    }
  return least;
}

fovea_status Loader::refuse() {
  const char *wanted = kernel.bundle->ctx->target;
  TargetNames names(kernel.view());
  return fail(FOVEA_UNSUPPORTED,
              "kernel '%s': expected code for sm_%d%d (%s)%s%s, got code for "
              "%s; compile with --target=sm_80, whose PTX later GPUs take, or "
              "for this one",
              kernel.name(), device.major, device.minor, device.name,
              *wanted ? " of the chosen target " : "", wanted, names.text);
}

fovea_status Loader::loadModule(const fovea_bundle_launch &launch,
                                const char *name, GpuFunction &out) {
  const fovea_bundle_target &t = kernel.view().targets[size_t(kernel.target)];
  const char *base = reinterpret_cast<const char *>(kernel.view().base) +
                     kernel.view().code(t)->offset;
  bool cubin =
      launch.cubin_bytes && gpuRank(kernel.view().string(t.name), device.major,
                                    device.minor, true) >= 0;
  // The driver compiles PTX here; its complaints go to the log.
  char log[2048] = {};
  int options[] = {cuJitErrorLog, cuJitErrorLogBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof log)};
  CuResult result = device.driver->moduleLoad(
      &out.module, base + (cubin ? launch.cubin : launch.ptx), 2, options,
      values);
  log[sizeof log - 1] = 0;
  fovea_status st = device.driver->check(result, "moduleLoad");
  if (st)
    return fail(st, "kernel '%s', %s of %s: %s%s%s", kernel.name(),
                cubin ? "machine code" : "PTX", name, message(),
                *log ? ": " : "", log);
  return FOVEA_OK;
}

fovea_status Loader::load(const fovea_bundle_launch &launch, GpuFunction &out) {
  const CudaDriver &driver = *device.driver;
  const char *name = kernel.view().string(launch.kernel);
  out.threads = launch.threads;
  out.sharedBytes = launch.shared_bytes;
  if (launch.shared_bytes > unsigned(device.sharedBytes))
    return fail(FOVEA_UNSUPPORTED,
                "kernel '%s': expected at most %d bytes of shared memory (%s), "
                "got %u for %s",
                kernel.name(), device.sharedBytes, device.name,
                launch.shared_bytes, name);
  if (fovea_status st = loadModule(launch, name, out))
    return st;
  if (fovea_status st = FOVEA_CUDA(driver, moduleGetFunction, &out.function,
                                   out.module, name))
    return fail(st, "kernel '%s', function %s: %s", kernel.name(), name,
                message());
  if (launch.shared_bytes)
    if (fovea_status st =
            FOVEA_CUDA(driver, functionSetAttribute, out.function,
                       cuMaxDynamicSharedBytes, int(launch.shared_bytes)))
      return st;
  int ctas = 0;
  if (fovea_status st =
          FOVEA_CUDA(driver, occupancy, &ctas, out.function,
                     int(launch.threads), size_t(launch.shared_bytes)))
    return st;
  if (ctas < 1)
    return fail(FOVEA_UNSUPPORTED,
                "kernel '%s': expected a CTA of %s with %u threads and %u "
                "bytes of shared memory to fit into a multiprocessor of %s, "
                "got one that does not",
                kernel.name(), name, launch.threads, launch.shared_bytes,
                device.name);
  out.ctas = unsigned(ctas) * unsigned(device.multiprocessors);
  return FOVEA_OK;
}

fovea_status Loader::run() {
  int best = -1;
  for (uint32_t i = 0; i < kernel.view().targets.size(); ++i)
    if (int r = rank(i); r > best) {
      best = r;
      kernel.target = int32_t(i);
    }
  if (best < 0)
    return refuse();
  if (!gpu.functions.create(kernel.view().variants.size()))
    return noMemory("a kernel's functions", sizeof(GpuFunction));
  UseGpu use(device);
  if (use.status())
    return use.status();
  for (const fovea_bundle_stage &stage : kernel.stages)
    for (const fovea_bundle_variant &variant : kernel.variants(stage))
      if (const fovea_bundle_launch *launch =
              launchOf(kernel, variant, uint32_t(kernel.target)))
        if (fovea_status st = load(
                *launch,
                gpu.functions[size_t(&variant - kernel.view().variants.items)]))
          return st;
  return FOVEA_OK;
}

fovea_status loadGpuKernel(fovea_kernel &kernel, int id) {
  const GpuDevice *device = nullptr;
  if (fovea_status st = openGpu(id, device))
    return st;
  kernel.gpu = new (std::nothrow) GpuKernel(device);
  if (!kernel.gpu)
    return noMemory("a kernel on a GPU", sizeof(GpuKernel));
  return Loader(kernel, *kernel.gpu).run();
}

} // namespace fovea::rt
