// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elements of host tensors as doubles, both ways.
#include "tools/fovea/HostTensor.h"
#include "dialects/reference/Rounding.h"
#include "tools/fovea/npy/Npy.h"
#include "tools/fovea/npy/Scalars.h"
#include "llvm/Support/ErrorHandling.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

using namespace fovea;
using reference::Element;
using reference::roundTo;

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

void *fovea::allocateHostBytes(size_t bytes) {
  constexpr size_t hugePage = size_t(2) << 20, line = 64;
  size_t align = bytes >= hugePage ? hugePage : line;
  size_t rounded = (bytes + align - 1) / align * align;
  void *p = std::aligned_alloc(align, rounded ? rounded : align);
  if (!p)
    llvm::report_bad_alloc_error("expected memory for a tensor");
  if (align == hugePage)
    (void)madvise(p, rounded, MADV_HUGEPAGE); // advice: small pages work, too
  return p;
}

void fovea::freeHostBytes(void *p) { std::free(p); }

HostTensor::HostTensor(fovea_dtype dtype, std::vector<int64_t> shape)
    : dtype(dtype), shape(std::move(shape)) {
  bytes.resize(static_cast<size_t>(size()) * npy::dtypeSize(dtype));
}

int64_t HostTensor::size() const {
  int64_t n = 1;
  for (int64_t extent : shape)
    n *= extent;
  return n;
}

double HostTensor::get(int64_t i) const {
  const uint8_t *from =
      bytes.data() + static_cast<size_t>(i) * npy::dtypeSize(dtype);
  switch (dtype) {
  case FOVEA_DTYPE_F64:
    return load<double>(from);
  case FOVEA_DTYPE_F32:
    return load<float>(from);
  case FOVEA_DTYPE_F16:
    return npy::fromF16(load<uint16_t>(from));
  case FOVEA_DTYPE_BF16:
    return npy::fromBF16(load<uint16_t>(from));
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
  uint8_t *to = bytes.data() + static_cast<size_t>(i) * npy::dtypeSize(dtype);
  switch (dtype) {
  case FOVEA_DTYPE_F64:
    return store(to, value);
  case FOVEA_DTYPE_F32:
    return store(to, static_cast<float>(value));
  case FOVEA_DTYPE_F16:
    return store(to, npy::toF16(npy::toFloatForRounding(value)));
  case FOVEA_DTYPE_BF16:
    return store(to, npy::toBF16(npy::toFloatForRounding(value)));
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
  uint8_t bits = static_cast<uint8_t>(8 * npy::dtypeSize(dtype));
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

HostTensor fovea::converted(const HostTensor &from, fovea_dtype dtype) {
  if (from.dtype == dtype)
    return from;
  HostTensor to(dtype, from.shape);
  for (int64_t i = 0; i < from.size(); ++i)
    to.set(i, from.get(i));
  return to;
}
