// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bench/gpu/Step.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace fovea::gpu {

Machine::~Machine() {
  if (stream)
    fovea_stream_destroy(ctx, device, stream);
  fovea_close(ctx);
}

bool Machine::open() {
  fovea_options options = {};
  options.size = sizeof options;
  return fovea_executor_serial(&options.exec) == FOVEA_OK &&
         fovea_open(FOVEA_API, &options, &ctx) == FOVEA_OK &&
         fovea_stream_create(ctx, device, &stream) == FOVEA_OK;
}

static DLDataType dataType(int32_t dtype) {
  switch (dtype) {
  case FOVEA_DTYPE_F32:
    return {kDLFloat, 32, 1};
  case FOVEA_DTYPE_F16:
    return {kDLFloat, 16, 1};
  case FOVEA_DTYPE_BF16:
    return {kDLBfloat, 16, 1};
  case FOVEA_DTYPE_I8:
    return {kDLInt, 8, 1};
  case FOVEA_DTYPE_I32:
    return {kDLInt, 32, 1};
  default:
    return {kDLFloat, 0, 1}; // no kernel of the kit has others
  }
}

Step::~Step() {
  fovea_plan_destroy(thePlan);
  for (Argument &argument : arguments)
    if (argument.there)
      fovea_device_free(machine.ctx, machine.device, argument.there);
  if (workspace)
    fovea_device_free(machine.ctx, machine.device, workspace);
  fovea_kernel_release(kernel);
  fovea_bundle_close(bundle);
}

bool Step::ok(fovea_status status) {
  if (status != FOVEA_OK)
    detail = fovea_message();
  outOfMemory = status == FOVEA_NO_MEMORY;
  return status == FOVEA_OK;
}

bool Step::shapeOf(Argument &argument, const std::string &text) {
  const fovea_arg_info &info = argument.info;
  argument.onHost.dtype = dataType(info.dtype);
  size_t bytes = argument.onHost.dtype.bits / 8;
  const char *at = text.c_str();
  for (char *end; *at; at = *end == 'x' ? end + 1 : end) {
    int64_t extent = strtoll(at, &end, 10);
    if (end == at || extent <= 0)
      break;
    argument.shape.push_back(extent);
    bytes *= size_t(extent);
  }
  bool fits = info.kind == FOVEA_TENSOR && bytes && !*at &&
              argument.shape.size() == size_t(info.rank);
  for (int d = 0; fits && d < info.rank; ++d)
    fits = info.shape[d] < 0 || info.shape[d] == argument.shape[size_t(d)];
  if (!fits) {
    detail = std::string("expected the shape of the kernel's '") + info.name +
             "', got " + text;
    return false;
  }
  argument.bytes.assign(bytes, '\xff');
  return true;
}

bool Step::open(const std::string &path,
                const std::vector<std::string> &shapes) {
  if (!ok(fovea_bundle_open(machine.ctx, path.c_str(), &bundle)) ||
      !ok(fovea_kernel_get(bundle, nullptr, machine.device, &kernel)))
    return false;
  arguments.resize(size_t(fovea_kernel_args(kernel)));
  if (arguments.size() != shapes.size()) {
    detail = "expected " + std::to_string(arguments.size()) + " shapes, got " +
             std::to_string(shapes.size());
    return false;
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    Argument &argument = arguments[i];
    argument.info.size = sizeof argument.info;
    if (!ok(fovea_kernel_arg(kernel, int(i), &argument.info)) ||
        !shapeOf(argument, shapes[i]) ||
        !ok(fovea_device_alloc(machine.ctx, machine.device,
                               argument.bytes.size(), &argument.there)))
      return false;
    argument.onHost.data = argument.bytes.data();
    argument.onHost.device = {kDLCPU, 0};
    argument.onHost.ndim = argument.info.rank;
    argument.onHost.shape = argument.shape.data();
    argument.onGpu = argument.onHost;
    argument.onGpu.data = argument.there;
    argument.onGpu.device = {kDLCUDA, machine.device.id};
  }
  for (Argument &argument : arguments) {
    here.push_back({FOVEA_TENSOR, {.tensor = &argument.onHost}});
    there.push_back({FOVEA_TENSOR, {.tensor = &argument.onGpu}});
  }
  return true;
}

bool Step::plan() {
  std::vector<fovea_dim_limit> dims;
  int64_t b = 1, sq = 1, longest = 0;
  for (const Argument &argument : arguments)
    for (size_t d = 0; d < argument.shape.size(); ++d) {
      const char *name = argument.info.dims[d];
      int64_t extent = argument.shape[d];
      if (!name ||
          std::any_of(dims.begin(), dims.end(), [&](const auto &limit) {
            return !strcmp(limit.name, name);
          }))
        continue;
      dims.push_back({name, extent});
      longest = std::max(longest, extent);
      b = strcmp(name, "b") ? b : extent;
      sq = strcmp(name, "sq") ? sq : extent;
    }
  fovea_plan_limits limits = {};
  limits.size = sizeof limits;
  limits.rows = b * sq;
  limits.seqs = b;
  limits.max_len = longest;
  limits.n_dims = int32_t(dims.size());
  limits.dims = dims.data();
  if (!ok(fovea_plan_create(kernel, &limits, &thePlan)) ||
      !ok(fovea_device_alloc(machine.ctx, machine.device,
                             std::max<size_t>(fovea_plan_workspace(thePlan), 1),
                             &workspace)))
    return false;
  for (const Argument &argument : arguments)
    if (!ok(fovea_device_copy(machine.ctx, machine.device, argument.there,
                              FOVEA_CPU, argument.bytes.data(),
                              argument.bytes.size(), machine.stream)))
      return false;
  return ok(fovea_plan_update(thePlan, nullptr, here.data(), int(here.size())));
}

bool Step::run() {
  return ok(fovea_run(thePlan, 0, there.data(), int(there.size()), workspace,
                      machine.stream));
}

bool Step::wait() {
  fovea_counters counters = {};
  counters.size = sizeof counters;
  return ok(fovea_plan_counters(thePlan, &counters, 0));
}

std::string Step::items() {
  fovea_stats stats = {};
  stats.size = sizeof stats;
  if (!ok(fovea_plan_stats(thePlan, -1, &stats)))
    return detail;
  return std::to_string(stats.items) + " items, " +
         std::to_string(stats.slots) + " pieces of split ones";
}

bool Step::fetch() {
  for (Argument &argument : arguments)
    if (argument.info.is_result &&
        !ok(fovea_device_copy(machine.ctx, FOVEA_CPU, argument.bytes.data(),
                              machine.device, argument.there,
                              argument.bytes.size(), machine.stream)))
      return false;
  return true;
}

static double fromF16(uint16_t bits) {
  int exponent = bits >> 10 & 31;
  double fraction = bits & 1023, sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 31)
    return fraction ? std::numeric_limits<double>::quiet_NaN()
                    : sign * std::numeric_limits<double>::infinity();
  return sign * (exponent ? std::ldexp(1024 + fraction, exponent - 25)
                          : std::ldexp(fraction, -24));
}

double valueOf(const Argument &argument, size_t index) {
  const char *data = argument.bytes.data();
  uint32_t word = 0;
  float value = std::numeric_limits<float>::quiet_NaN();
  uint16_t half = 0;
  switch (argument.info.dtype) {
  case FOVEA_DTYPE_F16:
    memcpy(&half, data + 2 * index, 2);
    return fromF16(half);
  case FOVEA_DTYPE_BF16:
    memcpy(&half, data + 2 * index, 2);
    word = uint32_t(half) << 16;
    memcpy(&value, &word, 4);
    return double(value);
  case FOVEA_DTYPE_F32:
    memcpy(&value, data + 4 * index, 4);
    return double(value);
  default:
    return double(value);
  }
}

} // namespace fovea::gpu
