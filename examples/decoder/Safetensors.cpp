// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The reader trusts nothing: sizes are compared before they are used, numbers
// are checked for overflow, and the tensors must cover the data exactly, so
// that no two share bytes and none is hidden between them.
#include "examples/decoder/Safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace decoder {

namespace {

/// A header larger than this is no header (the format's own limit).
constexpr uint64_t kMaxHeader = 100000000;
constexpr size_t kMaxRank = 16;

struct Dtype {
  const char *name;
  unsigned bytes;
};
constexpr Dtype kDtypes[] = {
    {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1},
    {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},
    {"I32", 4},  {"F32", 4}, {"U64", 8}, {"I64", 8},     {"F64", 8}};

/// 0 for an unknown name.
unsigned sizeOf(const std::string &dtype) {
  for (const Dtype &known : kDtypes)
    if (dtype == known.name)
      return known.bytes;
  return 0;
}

/// The part of JSON that a header is made of: objects of strings, of whole
/// numbers in lists, and of such objects. No recursion, so no depth to limit.
class Header {
public:
  Header(const char *text, size_t size) : at(text), end(text + size) {}

  bool run(std::map<std::string, StoredTensor> &tensors,
           std::map<std::string, std::string> &metadata) {
    bool hasMetadata = false;
    return object([&](const std::string &name) {
             if (name == "__metadata__") {
               if (hasMetadata)
                 return fail("expected one '__metadata__', got two");
               hasMetadata = true;
               return object([&](const std::string &key) {
                 std::string value;
                 if (!string(value))
                   return false;
                 return metadata.emplace(key, std::move(value)).second ||
                        fail("expected '" + key +
                             "' once in '__metadata__', got two");
               });
             }
             StoredTensor stored;
             if (!tensor(name, stored))
               return false;
             return tensors.emplace(name, std::move(stored)).second ||
                    fail("expected one tensor '" + name + "', got two");
           }) &&
           atEnd();
  }

  const std::string &error() const { return reason; }

private:
  bool fail(const std::string &why) {
    if (reason.empty())
      reason = why;
    return false;
  }
  void skipSpace() {
    while (at < end &&
           (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
      ++at;
  }
  bool atEnd() {
    skipSpace();
    return at == end || fail("expected nothing after the header's object");
  }
  bool take(char c) {
    skipSpace();
    if (at == end || *at != c)
      return false;
    ++at;
    return true;
  }
  bool expect(char c) {
    return take(c) || fail(std::string("expected '") + c + "' in the header" +
                           (at == end ? ", got its end" : ""));
  }

  /// `member` reads the value of each name.
  template <typename Member>
  bool object(Member member) {
    if (!expect('{'))
      return false;
    if (take('}'))
      return true;
    do {
      std::string name;
      if (!string(name) || !expect(':') || !member(name))
        return false;
    } while (take(','));
    return expect('}');
  }

  template <typename Element>
  bool list(Element element) {
    if (!expect('['))
      return false;
    if (take(']'))
      return true;
    do
      if (!element())
        return false;
    while (take(','));
    return expect(']');
  }

  bool hex4(uint32_t &code) {
    code = 0;
    for (int i = 0; i < 4; ++i, ++at) {
      if (at == end)
        return fail("expected four digits after \\u, got the header's end");
      char c = *at;
      if (c >= '0' && c <= '9')
        code = code * 16 + uint32_t(c - '0');
      else if (c >= 'a' && c <= 'f')
        code = code * 16 + uint32_t(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F')
        code = code * 16 + uint32_t(c - 'A' + 10);
      else
        return fail("expected four digits after \\u");
    }
    return true;
  }

  static void append(std::string &out, uint32_t code) {
    if (code < 0x80) {
      out += char(code);
    } else if (code < 0x800) {
      out += char(0xc0 | code >> 6);
      out += char(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      out += char(0xe0 | code >> 12);
      out += char(0x80 | (code >> 6 & 0x3f));
      out += char(0x80 | (code & 0x3f));
    } else {
      out += char(0xf0 | code >> 18);
      out += char(0x80 | (code >> 12 & 0x3f));
      out += char(0x80 | (code >> 6 & 0x3f));
      out += char(0x80 | (code & 0x3f));
    }
  }

  bool unicode(std::string &out) {
    uint32_t code = 0, low = 0;
    if (!hex4(code))
      return false;
    if (code >= 0xd800 && code < 0xdc00) {
      if (end - at < 2 || at[0] != '\\' || at[1] != 'u')
        return fail("expected the second half of a surrogate pair");
      at += 2;
      if (!hex4(low))
        return false;
      if (low < 0xdc00 || low >= 0xe000)
        return fail("expected the second half of a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
      return fail("expected the first half of a surrogate pair");
    }
    append(out, code);
    return true;
  }

  /// The length of the UTF-8 sequence at `at`, 0 if it is none.
  size_t sequence() const {
    auto byte = [&](size_t i) { return uint8_t(at[i]); };
    uint8_t first = byte(0);
    size_t n = first < 0x80                     ? 1
               : first >= 0xc2 && first < 0xe0  ? 2
               : first >= 0xe0 && first < 0xf0  ? 3
               : first >= 0xf0 && first <= 0xf4 ? 4
                                                : 0;
    if (n == 0 || size_t(end - at) < n)
      return 0;
    for (size_t i = 1; i < n; ++i)
      if ((byte(i) & 0xc0) != 0x80)
        return 0;
    // Longer than needed, a surrogate, or past the last code point.
    if ((first == 0xe0 && byte(1) < 0xa0) ||
        (first == 0xed && byte(1) >= 0xa0) ||
        (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) >= 0x90))
      return 0;
    return n;
  }

  bool string(std::string &out) {
    if (!expect('"'))
      return false;
    while (at < end && *at != '"') {
      if (*at == '\\') {
        if (++at == end)
          break;
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        char c = *at++;
        if (c == 'u') {
          if (!unicode(out))
            return false;
          continue;
        }
        const char *known = c ? std::strchr(from, c) : nullptr;
        if (!known)
          return fail("expected a known escape in a string of the header");
        out += to[known - from];
        continue;
      }
      if (uint8_t(*at) < 0x20)
        return fail("expected no control character in a string of the header");
      size_t n = sequence();
      if (n == 0)
        return fail("expected the header to be UTF-8");
      out.append(at, n);
      at += n;
    }
    if (at == end)
      return fail("expected a string to end before the header does");
    ++at;
    return true;
  }

  /// A whole number that fits into 63 bits.
  bool number(int64_t &out) {
    skipSpace();
    const char *first = at;
    out = 0;
    for (; at < end && *at >= '0' && *at <= '9'; ++at)
      if (__builtin_mul_overflow(out, int64_t(10), &out) ||
          __builtin_add_overflow(out, int64_t(*at - '0'), &out))
        return fail("expected a number of the header to fit into 63 bits");
    if (at == first || (*first == '0' && at - first > 1) ||
        (at < end && (*at == '.' || *at == 'e' || *at == 'E')))
      return fail("expected a whole number in the header");
    return true;
  }

  bool tensor(const std::string &name, StoredTensor &out) {
    bool dtype = false, shape = false, offsets = false;
    auto once = [&](bool &seen, const std::string &field) {
      if (seen)
        return fail("tensor '" + name + "': expected one '" + field +
                    "', got two");
      return seen = true;
    };
    bool good = object([&](const std::string &field) {
      if (field == "dtype")
        return once(dtype, field) && string(out.dtype);
      if (field == "shape")
        return once(shape, field) && list([&] {
                 int64_t extent = 0;
                 if (!number(extent))
                   return false;
                 out.shape.push_back(extent);
                 return out.shape.size() <= kMaxRank ||
                        fail("tensor '" + name + "': expected at most " +
                             std::to_string(kMaxRank) + " dims, got more");
               });
      if (field == "data_offsets") {
        std::vector<int64_t> pair;
        if (!once(offsets, field) || !list([&] {
              pair.push_back(0);
              return number(pair.back()) &&
                     (pair.size() <= 2 ||
                      fail("tensor '" + name +
                           "': expected two data_offsets, got more"));
            }))
          return false;
        if (pair.size() != 2)
          return fail("tensor '" + name + "': expected two data_offsets, got " +
                      std::to_string(pair.size()));
        out.begin = size_t(pair[0]);
        out.end = size_t(pair[1]);
        return true;
      }
      return fail("tensor '" + name +
                  "': expected dtype, shape or data_offsets, got '" + field +
                  "'");
    });
    if (!good)
      return false;
    if (!dtype || !shape || !offsets)
      return fail("tensor '" + name +
                  "': expected dtype, shape and data_offsets, got no " +
                  (!dtype   ? "dtype"
                   : !shape ? "shape"
                            : "data_offsets"));
    return true;
  }

  const char *at, *end;
  std::string reason;
};

/// Checks what one tensor says about itself.
bool checkTensor(const std::string &name, const StoredTensor &tensor,
                 size_t dataSize, std::string &error) {
  unsigned size = sizeOf(tensor.dtype);
  if (size == 0) {
    error = "tensor '" + name + "': unknown dtype '" + tensor.dtype + "'";
    return false;
  }
  if (tensor.begin > tensor.end || tensor.end > dataSize) {
    error = "tensor '" + name + "': expected data_offsets to be a range in " +
            std::to_string(dataSize) + " bytes, got " +
            std::to_string(tensor.begin) + " and " + std::to_string(tensor.end);
    return false;
  }
  // A product with a zero in it is zero, whatever comes before the zero.
  bool empty = std::count(tensor.shape.begin(), tensor.shape.end(), 0) != 0;
  int64_t bytes = empty ? 0 : int64_t(size);
  for (int64_t extent : tensor.shape)
    if (__builtin_mul_overflow(bytes, extent, &bytes)) {
      error = "tensor '" + name + "': expected its size to fit into 63 bits";
      return false;
    }
  if (uint64_t(bytes) != tensor.end - tensor.begin) {
    error = "tensor '" + name + "': expected " + std::to_string(bytes) +
            " bytes for its shape, got " +
            std::to_string(tensor.end - tensor.begin);
    return false;
  }
  return true;
}

/// The tensors, in the order of their bytes, must be one behind the other.
bool checkCover(const std::map<std::string, StoredTensor> &tensors,
                size_t dataSize, std::string &error) {
  std::vector<std::pair<const std::string *, const StoredTensor *>> order;
  for (const auto &[name, tensor] : tensors)
    order.emplace_back(&name, &tensor);
  std::sort(order.begin(), order.end(), [](const auto &x, const auto &y) {
    return std::make_pair(x.second->begin, x.second->end) <
           std::make_pair(y.second->begin, y.second->end);
  });
  size_t at = 0;
  for (const auto &[name, tensor] : order) {
    if (tensor->begin != at) {
      error = "tensor '" + *name + "': expected its data to begin at " +
              std::to_string(at) + ", behind the one before, got " +
              std::to_string(tensor->begin);
      return false;
    }
    at = tensor->end;
  }
  if (at != dataSize) {
    error = "expected the tensors to have " + std::to_string(dataSize) +
            " bytes, as the file has, got " + std::to_string(at);
    return false;
  }
  return true;
}

float fromHalf(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = bits >> 10 & 0x1f,
           mantissa = bits & 0x3ff;
  float value;
  if (exponent == 0) { // zero and subnormal numbers
    value = float(mantissa) * 0x1p-24f;
    return sign ? -value : value;
  }
  uint32_t word =
      sign | (exponent == 31 ? 0xffu : exponent + 112) << 23 | mantissa << 13;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

} // namespace

int64_t StoredTensor::elements() const {
  unsigned size = sizeOf(dtype);
  return size ? int64_t((end - begin) / size) : 0;
}

bool Safetensors::parse(std::string bytes, Safetensors &out,
                        std::string &error) {
  uint64_t size = 0;
  if (bytes.size() < sizeof size) {
    error = "expected at least 8 bytes, got " + std::to_string(bytes.size());
    return false;
  }
  for (int i = 0; i < 8; ++i)
    size |= uint64_t(uint8_t(bytes[size_t(i)])) << (8 * i);
  if (size > kMaxHeader || size > bytes.size() - 8) {
    error = "expected a header of at most " +
            std::to_string(std::min(kMaxHeader, uint64_t(bytes.size() - 8))) +
            " bytes, got " + std::to_string(size);
    return false;
  }
  Safetensors result;
  Header header(bytes.data() + 8, size_t(size));
  if (!header.run(result.index, result.strings)) {
    error = header.error();
    return false;
  }
  result.dataAt = 8 + size_t(size);
  size_t dataSize = bytes.size() - result.dataAt;
  for (const auto &[name, tensor] : result.index)
    if (!checkTensor(name, tensor, dataSize, error))
      return false;
  if (!checkCover(result.index, dataSize, error))
    return false;
  result.file = std::move(bytes);
  out = std::move(result);
  return true;
}

bool Safetensors::read(const std::string &path, Safetensors &out,
                       std::string &error) {
  FILE *file = std::fopen(path.c_str(), "rb");
  if (!file) {
    error = path + ": " + std::strerror(errno);
    return false;
  }
  std::string bytes;
  std::vector<char> chunk(size_t(1) << 20);
  while (size_t n = std::fread(chunk.data(), 1, chunk.size(), file))
    bytes.append(chunk.data(), n);
  bool good = !std::ferror(file);
  if (!good)
    error = path + ": " + std::strerror(errno);
  std::fclose(file);
  if (!good)
    return false;
  if (parse(std::move(bytes), out, error))
    return true;
  error = path + ": " + error;
  return false;
}

bool Safetensors::load(const std::string &name,
                       const std::vector<int64_t> &shape,
                       std::vector<float> &out, std::string &error) const {
  auto text = [](const std::vector<int64_t> &dims) {
    std::string list;
    for (int64_t d : dims)
      list += (list.empty() ? "" : ", ") + std::to_string(d);
    return "[" + list + "]";
  };
  auto found = index.find(name);
  if (found == index.end()) {
    error = "expected a tensor '" + name + "', got none";
    return false;
  }
  const StoredTensor &tensor = found->second;
  if (tensor.shape != shape) {
    error = "tensor '" + name + "': expected shape " + text(shape) + ", got " +
            text(tensor.shape);
    return false;
  }
  const uint8_t *from = bytes(tensor);
  size_t n = size_t(tensor.elements());
  out.resize(n);
  if (tensor.dtype == "F32") {
    if (n)
      std::memcpy(out.data(), from, n * sizeof(float));
  } else if (tensor.dtype == "F64") {
    for (size_t i = 0; i < n; ++i) {
      double value;
      std::memcpy(&value, from + 8 * i, sizeof value);
      out[i] = float(value);
    }
  } else if (tensor.dtype == "F16" || tensor.dtype == "BF16") {
    bool half = tensor.dtype == "F16";
    for (size_t i = 0; i < n; ++i) {
      uint16_t bits;
      std::memcpy(&bits, from + 2 * i, sizeof bits);
      uint32_t word = uint32_t(bits) << 16;
      std::memcpy(&out[i], &word, sizeof word);
      if (half)
        out[i] = fromHalf(bits);
    }
  } else {
    error = "tensor '" + name +
            "': expected dtype F64, F32, F16 or BF16, got " + tensor.dtype;
    return false;
  }
  return true;
}

static std::string quoted(const std::string &text) {
  std::string out = "\"";
  for (char c : text) {
    char escape[8];
    if (c == '"' || c == '\\')
      out += '\\';
    if (uint8_t(c) < 0x20) {
      std::snprintf(escape, sizeof escape, "\\u%04x", unsigned(c));
      out += escape;
      continue;
    }
    out += c;
  }
  return out + '"';
}

std::string safetensorsOf(const std::map<std::string, std::string> &metadata,
                          const std::vector<NamedFloats> &tensors) {
  std::string header = "{\"__metadata__\":{";
  for (const auto &[key, value] : metadata)
    header +=
        (header.back() == '{' ? "" : ",") + quoted(key) + ":" + quoted(value);
  header += "}";
  std::string data;
  for (const NamedFloats &tensor : tensors) {
    size_t begin = data.size();
    data.append(reinterpret_cast<const char *>(tensor.data.data()),
                tensor.data.size() * sizeof(float));
    header += "," + quoted(tensor.name) + ":{\"dtype\":\"F32\",\"shape\":[";
    for (size_t d = 0; d < tensor.shape.size(); ++d)
      header += (d ? "," : "") + std::to_string(tensor.shape[d]);
    header += "],\"data_offsets\":[" + std::to_string(begin) + "," +
              std::to_string(data.size()) + "]}";
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' '); // the data is aligned
  std::string file;
  for (int i = 0; i < 8; ++i)
    file += char(header.size() >> (8 * i) & 0xff);
  return file + header + data;
}

} // namespace decoder
