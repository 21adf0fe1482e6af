// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elements of host tensors as doubles, both ways.
#include "tools/fovea/HostTensor.h"
#include "dialects/reference/Rounding.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace fovea;
using reference::Element;
using reference::roundTo;

size_t fovea::bytesOf(fovea_dtype dtype) {
  switch (dtype) {
  case FOVEA_DTYPE_I8:
  case FOVEA_DTYPE_U8:
  case FOVEA_DTYPE_BOOL:
    return 1;
  case FOVEA_DTYPE_F16:
  case FOVEA_DTYPE_BF16:
    return 2;
  case FOVEA_DTYPE_F32:
  case FOVEA_DTYPE_I32:
    return 4;
  case FOVEA_DTYPE_F64:
  case FOVEA_DTYPE_I64:
    return 8;
  case FOVEA_DTYPE_NONE:
    break;
  }
  return 0;
}

template <typename T>
static T load(const uint8_t *from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
static void store(uint8_t *to, T value) {
  std::memcpy(to, &value, sizeof value);
}

static double fromHalf(uint16_t bits) {
  int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  double magnitude;
  if (exponent == 31)
    magnitude = fraction ? std::numeric_limits<double>::quiet_NaN()
                         : std::numeric_limits<double>::infinity();
  else if (exponent == 0)
    magnitude = std::ldexp(fraction, -24);
  else
    magnitude = std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/// The bits of a value that binary16 holds exactly.
static uint16_t toHalf(double value) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  double magnitude = std::fabs(value);
  if (std::isnan(value))
    return sign | 0x7e00;
  if (std::isinf(value))
    return sign | 0x7c00;
  if (magnitude < 0x1p-14) // zero or subnormal
    return sign | static_cast<uint16_t>(std::ldexp(magnitude, 24));
  int exponent; // magnitude is in [2^(exponent - 1), 2^exponent)
  double fraction = std::frexp(magnitude, &exponent);
  return sign | ((exponent + 14) << 10) |
         (static_cast<uint16_t>(std::ldexp(fraction, 11)) & 1023);
}

/// bfloat16 is the upper half of a float.
static double fromBfloat(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}
static uint16_t toBfloat(double value) {
  float narrow = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &narrow, sizeof bits);
  return std::isnan(value) ? 0x7fc0 : static_cast<uint16_t>(bits >> 16);
}

HostTensor::HostTensor(fovea_dtype dtype, std::vector<int64_t> shape)
    : dtype(dtype), shape(std::move(shape)) {
  bytes.resize(static_cast<size_t>(size()) * bytesOf(dtype));
}

int64_t HostTensor::size() const {
  int64_t n = 1;
  for (int64_t extent : shape)
    n *= extent;
  return n;
}

double HostTensor::get(int64_t i) const {
  const uint8_t *from = bytes.data() + static_cast<size_t>(i) * bytesOf(dtype);
  switch (dtype) {
  case FOVEA_DTYPE_F64:
    return load<double>(from);
  case FOVEA_DTYPE_F32:
    return load<float>(from);
  case FOVEA_DTYPE_F16:
    return fromHalf(load<uint16_t>(from));
  case FOVEA_DTYPE_BF16:
    return fromBfloat(load<uint16_t>(from));
  case FOVEA_DTYPE_I8:
    return load<int8_t>(from);
  case FOVEA_DTYPE_U8:
    return load<uint8_t>(from);
  case FOVEA_DTYPE_I32:
    return load<int32_t>(from);
  case FOVEA_DTYPE_I64:
    return static_cast<double>(load<int64_t>(from));
  case FOVEA_DTYPE_BOOL:
    return load<uint8_t>(from) != 0;
  case FOVEA_DTYPE_NONE:
    break;
  }
  return 0;
}

void HostTensor::set(int64_t i, double value) {
  uint8_t *to = bytes.data() + static_cast<size_t>(i) * bytesOf(dtype);
  switch (dtype) {
  case FOVEA_DTYPE_F64:
    return store(to, value);
  case FOVEA_DTYPE_F32:
    return store(to, static_cast<float>(value));
  case FOVEA_DTYPE_F16:
    return store(to, toHalf(roundTo(Element::F16, value)));
  case FOVEA_DTYPE_BF16:
    return store(to, toBfloat(roundTo(Element::BF16, value)));
  case FOVEA_DTYPE_I8:
    return store(to, static_cast<int8_t>(roundTo(Element::I8, value)));
  case FOVEA_DTYPE_U8:
    return store(to, static_cast<uint8_t>(
                         std::fmin(std::fmax(std::nearbyint(value), 0), 255)));
  case FOVEA_DTYPE_I32:
    return store(to, static_cast<int32_t>(roundTo(Element::I32, value)));
  case FOVEA_DTYPE_I64:
    return store(to, static_cast<int64_t>(std::nearbyint(value)));
  case FOVEA_DTYPE_BOOL:
    return store(to, static_cast<uint8_t>(value != 0));
  case FOVEA_DTYPE_NONE:
    return;
  }
}

std::vector<double> HostTensor::values() const {
  std::vector<double> result(static_cast<size_t>(size()));
  for (int64_t i = 0; i < size(); ++i)
    result[i] = get(i);
  return result;
}

/// How DLPack names an element type.
static DLDataType dataTypeOf(fovea_dtype dtype) {
  uint8_t bits = static_cast<uint8_t>(8 * bytesOf(dtype));
  switch (dtype) {
  case FOVEA_DTYPE_BF16:
    return {kDLBfloat, bits, 1};
  case FOVEA_DTYPE_I8:
  case FOVEA_DTYPE_I32:
  case FOVEA_DTYPE_I64:
    return {kDLInt, bits, 1};
  case FOVEA_DTYPE_U8:
    return {kDLUInt, bits, 1};
  case FOVEA_DTYPE_BOOL:
    return {FOVEA_DL_BOOL, bits, 1};
  default:
    return {kDLFloat, bits, 1};
  }
}

fovea_tensor HostTensor::view() {
  fovea_tensor tensor = {};
  tensor.data = bytes.data();
  tensor.device = {kDLCPU, 0};
  tensor.ndim = static_cast<int>(shape.size());
  tensor.dtype = dataTypeOf(dtype);
  tensor.shape = shape.data();
  return tensor;
}
