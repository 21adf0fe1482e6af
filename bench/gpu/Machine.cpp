// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The GPU, its memory, and tensors in it.
#include "bench/gpu/Step.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

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

GpuMemory::~GpuMemory() {
  if (data)
    fovea_device_free(machine->ctx, machine->device, data);
}

GpuMemory &GpuMemory::operator=(GpuMemory &&other) {
  std::swap(data, other.data);
  std::swap(machine, other.machine);
  return *this;
}

fovea_status GpuMemory::allocate(const Machine &of, size_t bytes) {
  machine = &of;
  return fovea_device_alloc(of.ctx, of.device, bytes ? bytes : 1, &data);
}

fovea_status GpuMemory::fill(const std::string &pattern, size_t bytes) {
  const Machine &m = *machine;
  size_t done = std::min(pattern.size(), bytes);
  fovea_status status = fovea_device_copy(m.ctx, m.device, data, FOVEA_CPU,
                                          pattern.data(), done, m.stream);
  // What is there repeats: twice as much each time.
  while (!status && done < bytes) {
    size_t n = std::min(done, bytes - done);
    status =
        fovea_device_copy(m.ctx, m.device, static_cast<char *>(data) + done,
                          m.device, data, n, m.stream);
    done += n;
  }
  return status;
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

size_t Tensor::elements() const {
  size_t count = 1;
  for (int64_t extent : shape)
    count *= size_t(extent);
  return shape.empty() ? 0 : count;
}

size_t Tensor::elementBytes() const { return dataType(dtype).bits / 8; }

fovea_tensor Tensor::onHost() const {
  fovea_tensor view = {};
  view.data = const_cast<char *>(bytes.data());
  view.device = {kDLCPU, 0};
  view.ndim = int32_t(shape.size());
  view.dtype = dataType(dtype);
  view.shape = const_cast<int64_t *>(shape.data());
  return view;
}

fovea_tensor Tensor::onGpu() const {
  fovea_tensor view = onHost();
  view.data = there.data;
  view.device = {kDLCUDA, 0};
  return view;
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

double Tensor::value(size_t index) const {
  size_t size = elementBytes();
  const char *data =
      size ? bytes.data() + index % (bytes.size() / size) * size : nullptr;
  uint32_t word = 0;
  float value = std::numeric_limits<float>::quiet_NaN();
  uint16_t half = 0;
  switch (dtype) {
  case FOVEA_DTYPE_F16:
    memcpy(&half, data, 2);
    return fromF16(half);
  case FOVEA_DTYPE_BF16:
    memcpy(&half, data, 2);
    word = uint32_t(half) << 16;
    memcpy(&value, &word, 4);
    return double(value);
  case FOVEA_DTYPE_F32:
    memcpy(&value, data, 4);
    return double(value);
  case FOVEA_DTYPE_I8:
    return double(static_cast<signed char>(*data));
  default:
    return double(value);
  }
}

} // namespace fovea::gpu
