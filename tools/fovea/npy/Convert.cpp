// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// numpy's elements <-> the elements of kernel arguments.
#include "tools/fovea/npy/Npy.h"
#include "tools/fovea/npy/Scalars.h"

#include <cmath>
#include <cstdio>
#include <limits>

namespace fovea::npy {

size_t dtypeSize(fovea_dtype dtype) {
  switch (dtype) {
  case FOVEA_DTYPE_F64:
  case FOVEA_DTYPE_I64:
    return 8;
  case FOVEA_DTYPE_F32:
  case FOVEA_DTYPE_I32:
    return 4;
  case FOVEA_DTYPE_F16:
  case FOVEA_DTYPE_BF16:
    return 2;
  case FOVEA_DTYPE_I8:
  case FOVEA_DTYPE_U8:
  case FOVEA_DTYPE_BOOL:
    return 1;
  case FOVEA_DTYPE_NONE:
    break;
  }
  return 0;
}

const char *dtypeName(fovea_dtype dtype) {
  static const char *const names[] = {"none", "f32", "f16", "bf16", "f64",
                                      "i8",   "u8",  "i32", "i64",  "bool"};
  return size_t(dtype) < std::size(names) ? names[dtype] : "?";
}

template <typename T>
static T load(const char *from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <typename T>
static void store(char *to, T value) {
  std::memcpy(to, &value, sizeof(T));
}

static bool isFloat(Type type) {
  return type == Type::F16 || type == Type::F32 || type == Type::F64;
}

static bool isFloat(fovea_dtype dtype) {
  return dtype == FOVEA_DTYPE_F16 || dtype == FOVEA_DTYPE_BF16 ||
         dtype == FOVEA_DTYPE_F32 || dtype == FOVEA_DTYPE_F64;
}

static double loadFloat(Type type, const char *from) {
  if (type == Type::F16)
    return fromF16(load<uint16_t>(from));
  if (type == Type::F32)
    return load<float>(from);
  return load<double>(from);
}

static void storeFloat(fovea_dtype dtype, char *to, double value) {
  switch (dtype) {
  case FOVEA_DTYPE_F16:
    return store(to, toF16(toFloatForRounding(value)));
  case FOVEA_DTYPE_BF16:
    return store(to, toBF16(toFloatForRounding(value)));
  case FOVEA_DTYPE_F32:
    return store(to, float(value));
  default:
    return store(to, value);
  }
}

static double readFloat(fovea_dtype dtype, const char *from) {
  switch (dtype) {
  case FOVEA_DTYPE_F16:
    return fromF16(load<uint16_t>(from));
  case FOVEA_DTYPE_BF16:
    return fromBF16(load<uint16_t>(from));
  case FOVEA_DTYPE_F32:
    return load<float>(from);
  default:
    return load<double>(from);
  }
}

static int64_t loadInteger(Type type, const char *from) {
  switch (type) {
  case Type::I8:
    return load<int8_t>(from);
  case Type::U8:
  case Type::Bool:
    return load<uint8_t>(from);
  case Type::I16:
    return load<int16_t>(from);
  case Type::U16:
    return load<uint16_t>(from);
  case Type::I32:
    return load<int32_t>(from);
  default:
    return load<int64_t>(from);
  }
}

template <typename T>
static bool storeRanged(char *to, int64_t value) {
  if (value < int64_t(std::numeric_limits<T>::min()) ||
      value > int64_t(std::numeric_limits<T>::max()))
    return false;
  store(to, T(value));
  return true;
}

static bool storeInteger(fovea_dtype dtype, char *to, int64_t value) {
  switch (dtype) {
  case FOVEA_DTYPE_I8:
    return storeRanged<int8_t>(to, value);
  case FOVEA_DTYPE_U8:
    return storeRanged<uint8_t>(to, value);
  case FOVEA_DTYPE_I32:
    return storeRanged<int32_t>(to, value);
  case FOVEA_DTYPE_BOOL:
    store(to, uint8_t(value));
    return value == 0 || value == 1;
  default:
    store(to, value);
    return true;
  }
}

bool convert(const Array &array, fovea_dtype dtype, const std::string &name,
             std::vector<char> &out, std::string &error) {
  size_t n = size_t(array.count());
  size_t from = typeSize(array.type), to = dtypeSize(dtype);
  out.resize(n * to);
  bool bits = array.type == Type::U16 || array.type == Type::V2;
  if (bits && dtype == FOVEA_DTYPE_BF16) {
    out = array.data;
    return true;
  }
  bool integers = !isFloat(array.type) && array.type != Type::V2;
  if (isFloat(array.type) && isFloat(dtype)) {
    for (size_t i = 0; i < n; ++i) {
      double value = loadFloat(array.type, &array.data[i * from]);
      storeFloat(dtype, &out[i * to], value);
      if (std::isfinite(value) &&
          !std::isfinite(readFloat(dtype, &out[i * to]))) {
        char text[32];
        std::snprintf(text, sizeof(text), "%g", value);
        error = name + ": expected values of " + dtypeName(dtype) + ", got " +
                text + " at element " + std::to_string(i);
        return false;
      }
    }
    return true;
  }
  if (integers && !isFloat(dtype)) {
    for (size_t i = 0; i < n; ++i) {
      int64_t value = loadInteger(array.type, &array.data[i * from]);
      if (!storeInteger(dtype, &out[i * to], value)) {
        error = name + ": expected values of " + dtypeName(dtype) + ", got " +
                std::to_string(value) + " at element " + std::to_string(i);
        return false;
      }
    }
    return true;
  }
  error = name + ": expected elements that convert to " + dtypeName(dtype) +
          ", got " + typeName(array.type) + "; in numpy: np.save(path, " +
          (isFloat(dtype) ? "a.astype(np.float32))" : "a.astype(np.int64))");
  return false;
}

Array fromElements(const void *data, fovea_dtype dtype,
                   std::vector<int64_t> shape) {
  static const Type types[] = {Type::F32, Type::F32, Type::F16, Type::F32,
                               Type::F64, Type::I8,  Type::U8,  Type::I32,
                               Type::I64, Type::Bool};
  Array array;
  array.type = types[dtype];
  array.shape = std::move(shape);
  size_t n = size_t(array.count());
  const char *from = static_cast<const char *>(data);
  if (dtype == FOVEA_DTYPE_BF16) {
    array.data.resize(n * sizeof(float));
    for (size_t i = 0; i < n; ++i)
      store(&array.data[i * 4], fromBF16(load<uint16_t>(from + 2 * i)));
  } else {
    array.data.assign(from, from + n * dtypeSize(dtype));
  }
  return array;
}

} // namespace fovea::npy
