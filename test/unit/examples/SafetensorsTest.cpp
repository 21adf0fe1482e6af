// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The decoder's reader of safetensors files: what is right is read, and every
// kind of damage is refused with its reason.
#include "examples/decoder/Safetensors.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>

using namespace decoder;

namespace {

std::string fileOf(const std::string &header, const std::string &data,
                   int64_t claim = -1) {
  uint64_t size = claim < 0 ? header.size() : uint64_t(claim);
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes += char(size >> (8 * i) & 0xff);
  return bytes + header + data;
}

/// The reason why the file is refused; "" if it is not.
std::string refusal(const std::string &bytes) {
  Safetensors file;
  std::string error;
  bool good = Safetensors::parse(bytes, file, error);
  EXPECT_EQ(good, error.empty());
  return error;
}
std::string refusalOf(const std::string &header, size_t data = 8) {
  return refusal(fileOf(header, std::string(data, '\1')));
}

std::string tensor(const std::string &name, const std::string &fields) {
  return "\"" + name + "\":{" + fields + "}";
}
const std::string two = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";

} // namespace

TEST(Safetensors, WritesAndReads) {
  std::map<std::string, std::string> metadata{{"a \"b\"\\\n", "c"}};
  std::string bytes =
      safetensorsOf(metadata, {{"x", {2, 3}, {1, 2, 3, 4, 5, 6}},
                               {"none", {0, 7}, {}},
                               {"one", {}, {-0.5f}}});
  Safetensors file;
  std::string error;
  ASSERT_TRUE(Safetensors::parse(bytes, file, error)) << error;
  EXPECT_EQ(file.metadata(), metadata);
  ASSERT_EQ(file.tensors().size(), 3u);
  std::vector<float> data;
  ASSERT_TRUE(file.load("x", {2, 3}, data, error)) << error;
  EXPECT_EQ(data, (std::vector<float>{1, 2, 3, 4, 5, 6}));
  ASSERT_TRUE(file.load("none", {0, 7}, data, error)) << error;
  EXPECT_TRUE(data.empty());
  ASSERT_TRUE(file.load("one", {}, data, error)) << error;
  EXPECT_EQ(data, std::vector<float>{-0.5f});
}

TEST(Safetensors, ReadsEveryFloat) {
  // 1.5, -2, the smallest half, infinity.
  const uint8_t half[] = {0x00, 0x3e, 0x00, 0xc0, 0x01, 0x00, 0x00, 0x7c};
  const uint8_t brain[] = {0xc0, 0x3f, 0x00, 0xc0};
  const double real[] = {0.25};
  std::string data(reinterpret_cast<const char *>(half), sizeof half);
  data.append(reinterpret_cast<const char *>(brain), sizeof brain);
  data.append(reinterpret_cast<const char *>(real), sizeof real);
  Safetensors file;
  std::string error;
  ASSERT_TRUE(Safetensors::parse(
      fileOf(
          "{" +
              tensor("h", R"("dtype":"F16","shape":[4],"data_offsets":[0,8])") +
              "," +
              tensor("b",
                     R"("data_offsets":[8,12],"shape":[2,1],"dtype":"BF16")") +
              " ,\n" +
              tensor("\\u00e9\\ud83d\\ude00",
                     R"("dtype":"F64","shape":[],"data_offsets":[12,20])") +
              "}   ",
          data),
      file, error))
      << error;
  std::vector<float> got;
  ASSERT_TRUE(file.load("h", {4}, got, error)) << error;
  EXPECT_EQ(got, (std::vector<float>{1.5f, -2, 0x1p-24f, INFINITY}));
  ASSERT_TRUE(file.load("b", {2, 1}, got, error)) << error;
  EXPECT_EQ(got, (std::vector<float>{1.5f, -2}));
  ASSERT_TRUE(file.load("\xc3\xa9\xf0\x9f\x98\x80", {}, got, error)) << error;
  EXPECT_EQ(got, std::vector<float>{0.25f});
}

TEST(Safetensors, RefusesWrongRequests) {
  Safetensors file;
  std::string error;
  ASSERT_TRUE(Safetensors::parse(
      fileOf(
          "{" +
              tensor("i", R"("dtype":"I32","shape":[2],"data_offsets":[0,8])") +
              "}",
          std::string(8, '\0')),
      file, error));
  std::vector<float> data;
  EXPECT_FALSE(file.load("x", {2}, data, error));
  EXPECT_EQ(error, "expected a tensor 'x', got none");
  EXPECT_FALSE(file.load("i", {1, 2}, data, error));
  EXPECT_EQ(error, "tensor 'i': expected shape [1, 2], got [2]");
  EXPECT_FALSE(file.load("i", {2}, data, error));
  EXPECT_EQ(error, "tensor 'i': expected dtype F64, F32, F16 or BF16, got I32");
  EXPECT_FALSE(Safetensors::read("no-such-file", file, error));
  EXPECT_EQ(error, "no-such-file: No such file or directory");
}

TEST(Safetensors, RefusesWrongSizes) {
  EXPECT_EQ(refusal(""), "expected at least 8 bytes, got 0");
  EXPECT_EQ(refusal("1234567"), "expected at least 8 bytes, got 7");
  EXPECT_EQ(refusal(fileOf("{}", "", 3)),
            "expected a header of at most 2 bytes, got 3");
  EXPECT_EQ(refusal(fileOf("{}", "", INT64_MAX)),
            "expected a header of at most 2 bytes, got 9223372036854775807");
  EXPECT_EQ(refusal(fileOf("", "", 0)),
            "expected '{' in the header, got its end");
  EXPECT_EQ(refusal(fileOf("{}", "")), "");
  EXPECT_EQ(refusal(fileOf("{}", "x")),
            "expected the tensors to have 1 bytes, as the file has, got 0");
}

TEST(Safetensors, RefusesDamagedHeaders) {
  EXPECT_EQ(refusalOf("[]"), "expected '{' in the header");
  EXPECT_EQ(refusalOf("{} x"), "expected nothing after the header's object");
  EXPECT_EQ(refusalOf("{,}"), "expected '\"' in the header");
  EXPECT_EQ(refusalOf("{" + tensor("x", two)),
            "expected '}' in the header, got its end");
  EXPECT_EQ(refusalOf("{\"x"),
            "expected a string to end before the header does");
  EXPECT_EQ(refusalOf("{\"x\\"),
            "expected a string to end before the header does");
  EXPECT_EQ(refusalOf("{\"x\" 1}"), "expected ':' in the header");
  EXPECT_EQ(refusalOf("{" + tensor("x", two) + ",}"),
            "expected '\"' in the header");
  EXPECT_EQ(refusalOf("{\"a\nb\":{}}"),
            "expected no control character in a string of the header");
  EXPECT_EQ(refusalOf("{\"\\x\":{}}"),
            "expected a known escape in a string of the header");
  EXPECT_EQ(refusalOf("{\"\\u12g4\":{}}"), "expected four digits after \\u");
  EXPECT_EQ(refusalOf("{\"\\u12"),
            "expected four digits after \\u, got the header's end");
  EXPECT_EQ(refusalOf("{\"\\ud800x\":{}}"),
            "expected the second half of a surrogate pair");
  EXPECT_EQ(refusalOf("{\"\\ud800\\u0041\":{}}"),
            "expected the second half of a surrogate pair");
  EXPECT_EQ(refusalOf("{\"\\udc00\":{}}"),
            "expected the first half of a surrogate pair");
  for (const char *wrong :
       {"\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xff", "\xc3", "\xe2\x82"})
    EXPECT_EQ(refusalOf(std::string("{\"") + wrong + "\":{}}"),
              "expected the header to be UTF-8");
}

TEST(Safetensors, RefusesDamagedTensors) {
  auto of = [](const std::string &fields, size_t data = 8) {
    return refusalOf("{" + tensor("x", fields) + "}", data);
  };
  EXPECT_EQ(of(two), "");
  EXPECT_EQ(of(""), "tensor 'x': expected dtype, shape and data_offsets, got "
                    "no dtype");
  EXPECT_EQ(of(R"("dtype":"F32","data_offsets":[0,8])"),
            "tensor 'x': expected dtype, shape and data_offsets, got no shape");
  EXPECT_EQ(of(R"("dtype":"F32","shape":[2])"),
            "tensor 'x': expected dtype, shape and data_offsets, got no "
            "data_offsets");
  EXPECT_EQ(of(two + R"(,"dtype":"F32")"),
            "tensor 'x': expected one 'dtype', got two");
  EXPECT_EQ(of(two + R"(,"shape":[2])"),
            "tensor 'x': expected one 'shape', got two");
  EXPECT_EQ(of(two + R"(,"data_offsets":[0,8])"),
            "tensor 'x': expected one 'data_offsets', got two");
  EXPECT_EQ(of(two + R"(,"strides":[1])"),
            "tensor 'x': expected dtype, shape or data_offsets, got 'strides'");
  EXPECT_EQ(of(R"("dtype":"F33","shape":[2],"data_offsets":[0,8])"),
            "tensor 'x': unknown dtype 'F33'");
  EXPECT_EQ(of(R"("dtype":4,"shape":[2],"data_offsets":[0,8])"),
            "expected '\"' in the header");
  for (const char *extent : {"-2", "2.0", "2e0", "02", "", "null"})
    EXPECT_EQ(of(std::string(R"("dtype":"F32","shape":[1,)") + extent +
                 R"(],"data_offsets":[0,8])"),
              "expected a whole number in the header")
        << extent;
  EXPECT_EQ(
      of(R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8])"),
      "expected a number of the header to fit into 63 bits");
  EXPECT_EQ(
      of(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"),
      "tensor 'x': expected its size to fit into 63 bits");
  EXPECT_EQ(
      of(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2],"data_offsets":[0,8])"),
      "tensor 'x': expected at most 16 dims, got more");
  EXPECT_EQ(of(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"),
            "tensor 'x': expected 12 bytes for its shape, got 8");
  EXPECT_EQ(
      of(R"("dtype":"F32","shape":[4294967296,0,4294967296],"data_offsets":[0,0])",
         0),
      "");
  EXPECT_EQ(of(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"),
            "tensor 'x': expected data_offsets to be a range in 8 bytes, got 8 "
            "and 0");
  EXPECT_EQ(of(R"("dtype":"F32","shape":[2],"data_offsets":[4,12])"),
            "tensor 'x': expected data_offsets to be a range in 8 bytes, got 4 "
            "and 12");
  EXPECT_EQ(of(R"("dtype":"F32","shape":[2],"data_offsets":[0])"),
            "tensor 'x': expected two data_offsets, got 1");
  EXPECT_EQ(of(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,8])"),
            "tensor 'x': expected two data_offsets, got more");
}

TEST(Safetensors, RefusesWrongCovers) {
  std::string low = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])",
              high = R"("dtype":"F32","shape":[1],"data_offsets":[4,8])";
  auto both = [](const std::string &x, const std::string &y) {
    return "{" + tensor("x", x) + "," + tensor("y", y) + "}";
  };
  EXPECT_EQ(refusalOf(both(high, low)), "");
  EXPECT_EQ(refusalOf(both(low, low), 8),
            "tensor 'y': expected its data to begin at 4, behind the one "
            "before, got 0");
  EXPECT_EQ(refusalOf("{" + tensor("x", high) + "}"),
            "tensor 'x': expected its data to begin at 0, behind the one "
            "before, got 4");
  EXPECT_EQ(refusalOf("{" + tensor("x", low) + "}"),
            "expected the tensors to have 8 bytes, as the file has, got 4");
  EXPECT_EQ(refusalOf("{" + tensor("x", low) + "," + tensor("x", high) + "}"),
            "expected one tensor 'x', got two");
}

TEST(Safetensors, RefusesDamagedMetadata) {
  EXPECT_EQ(refusalOf(R"({"__metadata__":{"a":"b"}})", 0), "");
  EXPECT_EQ(refusalOf(R"({"__metadata__":{"a":1}})", 0),
            "expected '\"' in the header");
  EXPECT_EQ(refusalOf(R"({"__metadata__":{"a":"b","a":"c"}})", 0),
            "expected 'a' once in '__metadata__', got two");
  EXPECT_EQ(refusalOf(R"({"__metadata__":{},"__metadata__":{}})", 0),
            "expected one '__metadata__', got two");
}

/// Whatever one changed or missing byte makes of a file, it is read or refused.
TEST(Safetensors, SurvivesEveryByte) {
  std::string bytes = safetensorsOf(
      {{"k", "v"}}, {{"x", {2, 2}, {1, 2, 3, 4}}, {"y", {1}, {5}}});
  size_t refused = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_NE(refusal(bytes.substr(0, i)), "") << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[i] = char(damaged[i] ^ (1 << bit));
      refused += !refusal(damaged).empty();
    }
  }
  EXPECT_GT(refused, 8u * 100);
}
