// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// .npy files as numpy writes them, and as it does not.
#include "tools/fovea/npy/Npy.h"
#include "tools/fovea/npy/Scalars.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace fovea::npy;

/// A file with the given header text and data.
static std::string file(const std::string &header, const std::string &data,
                        int version = 1) {
  std::string result("\x93NUMPY", 6);
  result += char(version);
  result += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
    result += char(header.size() >> (8 * i));
  return result + header + data;
}

static std::string dict(const std::string &descr, const std::string &shape,
                        bool fortran = false) {
  return "{'descr': '" + descr +
         "', 'fortran_order': " + (fortran ? "True" : "False") +
         ", 'shape': " + shape + ", }\n";
}

template <typename T>
static std::string raw(std::vector<T> values) {
  return std::string(reinterpret_cast<const char *>(values.data()),
                     values.size() * sizeof(T));
}

template <typename T>
static std::vector<T> values(const std::vector<char> &d) {
  std::vector<T> result(d.size() / sizeof(T));
  memcpy(result.data(), d.data(), d.size());
  return result;
}

static Array good(const std::string &bytes) {
  Array array;
  std::string error;
  EXPECT_TRUE(parse(bytes.data(), bytes.size(), "x.npy", array, error))
      << error;
  return array;
}

static std::string bad(const std::string &bytes) {
  Array array;
  std::string error;
  EXPECT_FALSE(parse(bytes.data(), bytes.size(), "x.npy", array, error));
  return error;
}

TEST(Npy, versionsAndSpellings) {
  std::string data = raw<float>({1, 2, 3});
  for (int version : {1, 2, 3}) {
    Array a = good(file(dict("<f4", "(3,)"), data, version));
    EXPECT_EQ(a.type, Type::F32);
    EXPECT_EQ(a.shape, std::vector<int64_t>{3});
    EXPECT_EQ(values<float>(a.data), (std::vector<float>{1, 2, 3}));
  }
  good(file("{\"shape\":(3L,),\"descr\":\"<f4\",\"fortran_order\":False}",
            data));
}

TEST(Npy, scalarsAndEmptyArrays) {
  Array scalar = good(file(dict("<f8", "()"), raw<double>({2.5})));
  EXPECT_TRUE(scalar.shape.empty());
  EXPECT_EQ(scalar.count(), 1);
  Array empty = good(file(dict("<f4", "(4, 0, 7)"), ""));
  EXPECT_EQ(empty.count(), 0);
}

TEST(Npy, fortranOrderBecomesRowMajor) {
  // a[i][j] = 10 i + j, columns first.
  Array a = good(
      file(dict("<i4", "(2, 3)", true), raw<int32_t>({0, 10, 1, 11, 2, 12})));
  EXPECT_EQ(values<int32_t>(a.data),
            (std::vector<int32_t>{0, 1, 2, 10, 11, 12}));
  // a[i][j][k] = 100 i + 10 j + k.
  Array b = good(file(dict("|i1", "(2, 1, 3)", true),
                      raw<int8_t>({0, 100, 1, 101, 2, 102})));
  EXPECT_EQ(values<int8_t>(b.data),
            (std::vector<int8_t>{0, 1, 2, 100, 101, 102}));
}

TEST(Npy, roundTrips) {
  Array a;
  a.type = Type::F16;
  a.shape = {2, 1, 2};
  a.data.assign(8, 'x');
  std::string bytes = format(a);
  EXPECT_EQ(bytes.size() % 64, 8u);
  Array b = good(bytes);
  EXPECT_EQ(b.type, a.type);
  EXPECT_EQ(b.shape, a.shape);
  EXPECT_EQ(b.data, a.data);
  a.shape = {4};
  EXPECT_EQ(good(format(a)).shape, a.shape);
  a.shape = {};
  a.data.resize(2);
  EXPECT_EQ(good(format(a)).shape, a.shape);
}

TEST(Npy, refusedTypesNameTheFix) {
  EXPECT_EQ(bad(file(dict(">f4", "(1,)"), "1234")),
            "x.npy: expected little-endian data, got '>f4'; in numpy: "
            "np.save(path, a.astype('<f4'))");
  EXPECT_EQ(bad(file(dict("|O", "(1,)"), "12345678")),
            "x.npy: expected numbers, got Python objects ('|O'); in numpy: "
            "np.save(path, a.astype(np.float32))");
  EXPECT_EQ(bad(file(dict("<c8", "(1,)"), "12345678")),
            "x.npy: expected real numbers, got complex ones ('<c8'); in numpy: "
            "np.save(path, a.astype(np.float32))");
  EXPECT_EQ(bad(file(dict("<u8", "(1,)"), "12345678")),
            "x.npy: expected int8, int16, int32, int64, uint8 or uint16, got "
            "'<u8'; in numpy: np.save(path, a.astype(np.int64))");
  EXPECT_EQ(bad(file(dict("<U3", "(1,)"), "123456789012")),
            "x.npy: expected float16, float32, float64, an integer type or "
            "bool, got '<U3'; in numpy: np.save(path, a.astype(np.float32))");
  EXPECT_EQ(bad(file("{'descr': [('a', '<f4')], 'fortran_order': False, "
                     "'shape': (1,), }",
                     "1234")),
            "x.npy: expected plain numbers, got a structured dtype; in numpy: "
            "np.save(path, a['field'])");
}

TEST(Npy, damagedFiles) {
  std::string whole = file(dict("<f4", "(3,)"), raw<float>({1, 2, 3}));
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_NE(bad(whole.substr(0, n)), "") << n;
  EXPECT_EQ(bad(whole.substr(0, whole.size() - 1)),
            "x.npy: expected 12 bytes of data, got 11: truncated");
  EXPECT_EQ(bad(whole + "y"), "x.npy: expected 12 bytes of data, got 13");
  EXPECT_EQ(bad("hello, world"), "x.npy: expected a .npy file, got something "
                                 "else; in numpy: np.save(path, a)");
  EXPECT_EQ(bad(file(dict("<f4", "(3,)"), "", 9)),
            "x.npy: expected .npy version 1, 2 or 3, got 9");
  EXPECT_EQ(bad(file(dict("<f4", "(4294967296, 4294967296)"), "")),
            "x.npy: expected less than 2^63 bytes of data, got 0: truncated");
  EXPECT_NE(bad(file(dict("<f4", "(99999999999999999999,)"), "")), "");
  EXPECT_NE(bad(file(dict("<f4", "(-1,)"), "")), "");
  EXPECT_NE(bad(file("{'descr': '<f4'}", "")), "");
  EXPECT_NE(bad(file("{'descr': '<f4', 'descr': '<f4'}", "")), "");
  EXPECT_NE(bad(file(dict("<f4", "(1,)") + "x", "1234")), "");
}

TEST(Npy, missingFileSaysWhy) {
  Array array;
  std::string error;
  EXPECT_FALSE(read("does/not/exist.npy", array, error));
  EXPECT_EQ(error, "does/not/exist.npy: No such file or directory");
  EXPECT_FALSE(write("does/not/exist.npy", array, error));
  EXPECT_EQ(error, "does/not/exist.npy: No such file or directory");
}

TEST(Npy, floatsConvert) {
  Array a = good(file(dict("<f8", "(3,)"), raw<double>({1.0, INFINITY, -2.5})));
  std::vector<char> out;
  std::string error;
  ASSERT_TRUE(convert(a, FOVEA_DTYPE_F16, "x", out, error));
  EXPECT_EQ(values<uint16_t>(out),
            (std::vector<uint16_t>{0x3c00, 0x7c00, 0xc100}));
  ASSERT_TRUE(convert(a, FOVEA_DTYPE_BF16, "x", out, error));
  EXPECT_EQ(values<uint16_t>(out)[2], 0xc020);
  // What becomes infinite is refused, as integers out of range are.
  Array wide = good(file(dict("<f8", "(2,)"), raw<double>({65504, -1e30})));
  ASSERT_TRUE(convert(wide, FOVEA_DTYPE_F32, "x", out, error));
  EXPECT_FALSE(convert(wide, FOVEA_DTYPE_F16, "q.npy", out, error));
  EXPECT_EQ(error, "q.npy: expected values of f16, got -1e+30 at element 1");
  ASSERT_TRUE(convert(a, FOVEA_DTYPE_BF16, "x", out, error));
  // bf16 results are written as f32, exactly.
  Array back = fromElements(out.data(), FOVEA_DTYPE_BF16, {3});
  EXPECT_EQ(back.type, Type::F32);
  EXPECT_EQ(values<float>(back.data)[2], -2.5f);
}

TEST(Npy, bitsOfBf16) {
  Array a = good(file(dict("<u2", "(1,)"), raw<uint16_t>({0x3f80})));
  std::vector<char> out;
  std::string error;
  ASSERT_TRUE(convert(a, FOVEA_DTYPE_BF16, "x", out, error));
  EXPECT_EQ(values<uint16_t>(out)[0], 0x3f80);
  a = good(file(dict("|V2", "(1,)"), raw<uint16_t>({0x3f80})));
  ASSERT_TRUE(convert(a, FOVEA_DTYPE_BF16, "x", out, error));
  EXPECT_FALSE(convert(a, FOVEA_DTYPE_F32, "x", out, error));
}

TEST(Npy, integersNarrowWithARangeCheck) {
  Array a = good(file(dict("<i8", "(2,)"), raw<int64_t>({7, 1LL << 40})));
  std::vector<char> out;
  std::string error;
  EXPECT_FALSE(convert(a, FOVEA_DTYPE_I32, "len.npy", out, error));
  EXPECT_EQ(error, "len.npy: expected values of i32, got 1099511627776 at "
                   "element 1");
  a = good(file(dict("<i8", "(2,)"), raw<int64_t>({7, -9})));
  ASSERT_TRUE(convert(a, FOVEA_DTYPE_I32, "x", out, error));
  EXPECT_EQ(values<int32_t>(out), (std::vector<int32_t>{7, -9}));
  EXPECT_FALSE(convert(a, FOVEA_DTYPE_U8, "x", out, error));
  EXPECT_FALSE(convert(a, FOVEA_DTYPE_BOOL, "x", out, error));
  EXPECT_FALSE(convert(a, FOVEA_DTYPE_F32, "q.npy", out, error));
  EXPECT_EQ(error, "q.npy: expected elements that convert to f32, got int64; "
                   "in numpy: np.save(path, a.astype(np.float32))");
}

// Every f16 value survives the way there and back, and halves round to even.
TEST(Scalars, f16) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = fromF16(uint16_t(bits));
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(fromF16(toF16(value))));
    else
      EXPECT_EQ(toF16(value), bits);
  }
  EXPECT_EQ(toF16(2049.0f), 0x6800); // between 2048 and 2050: even
  EXPECT_EQ(toF16(2051.0f), 0x6802);
  EXPECT_EQ(toF16(65519.0f), 0x7bff);
  EXPECT_EQ(toF16(65520.0f), 0x7c00);
  EXPECT_EQ(toF16(std::ldexp(1.0f, -25)), 0);
  EXPECT_EQ(toF16(std::ldexp(1.0f, -24)), 1);
}

TEST(Scalars, bf16) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = fromBF16(uint16_t(bits));
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(fromBF16(toBF16(value))));
    else
      EXPECT_EQ(toBF16(value), bits);
  }
  EXPECT_EQ(toBF16(std::numeric_limits<float>::max()), 0x7f80);
}

// A double just above a tie must not be rounded to it on the way.
TEST(Scalars, noDoubleRounding) {
  double tie = 2049.0;
  EXPECT_EQ(toF16(toFloatForRounding(tie)), 0x6800);
  EXPECT_EQ(toF16(toFloatForRounding(tie + 1e-12)), 0x6801);
  EXPECT_EQ(toF16(toFloatForRounding(tie - 1e-12)), 0x6800);
  EXPECT_EQ(toF16(toFloatForRounding(-tie - 1e-12)), 0xe801);
  EXPECT_EQ(toBF16(toFloatForRounding(1e300)), 0x7f80);
}
