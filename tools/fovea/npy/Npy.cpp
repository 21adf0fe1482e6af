// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The .npy format: magic, version, a Python dict as text, raw elements.
#include "tools/fovea/npy/Npy.h"

#include "tools/fovea/npy/WriteFile.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace fovea::npy {

static const char kMagic[] = "\x93NUMPY";
static constexpr size_t kMagicSize = 6;
static constexpr size_t kMaxHeader = 1 << 20;
static constexpr size_t kMaxRank = 32;

struct TypeRow {
  Type type;
  const char *code; ///< of the descr, without byte order
  const char *name;
  size_t size;
};
static const TypeRow kTypes[] = {
    {Type::F16, "f2", "float16", 2}, {Type::F32, "f4", "float32", 4},
    {Type::F64, "f8", "float64", 8}, {Type::I8, "i1", "int8", 1},
    {Type::U8, "u1", "uint8", 1},    {Type::I16, "i2", "int16", 2},
    {Type::U16, "u2", "uint16", 2},  {Type::I32, "i4", "int32", 4},
    {Type::I64, "i8", "int64", 8},   {Type::Bool, "b1", "bool", 1},
    {Type::V2, "V2", "V2", 2},
};

static const TypeRow &row(Type type) {
  for (const TypeRow &candidate : kTypes)
    if (candidate.type == type)
      return candidate;
  return kTypes[0];
}

const char *typeName(Type type) { return row(type).name; }
size_t typeSize(Type type) { return row(type).size; }

int64_t Array::count() const {
  int64_t n = 1;
  for (int64_t extent : shape)
    n *= extent;
  return n;
}

namespace {
/// The header's dict: a small subset of Python's literals.
class HeaderParser {
public:
  HeaderParser(const std::string &text, std::string &error)
      : text(text), error(error) {}
  bool run();

  std::string descr;
  bool objectDescr = false; ///< a list of fields: a structured dtype
  bool fortran = false;
  std::vector<int64_t> shape;

private:
  void space() {
    while (at < text.size() && std::strchr(" \t\r\n", text[at]))
      ++at;
  }
  bool accept(char c) {
    space();
    if (at < text.size() && text[at] == c) {
      ++at;
      return true;
    }
    return false;
  }
  bool fail(const char *what) {
    error = std::string("expected ") + what + " in the header at byte " +
            std::to_string(at);
    return false;
  }
  bool string(std::string &out);
  bool word(const char *expected);
  bool integer(int64_t &out);
  bool value(const std::string &key);
  bool tuple();

  const std::string &text;
  std::string &error;
  size_t at = 0;
  unsigned seen = 0;
};
} // namespace

bool HeaderParser::string(std::string &out) {
  space();
  if (at >= text.size() || (text[at] != '\'' && text[at] != '"'))
    return fail("a string");
  char quote = text[at++];
  size_t end = text.find(quote, at);
  if (end == std::string::npos)
    return fail("the end of a string");
  out = text.substr(at, end - at);
  at = end + 1;
  return true;
}

bool HeaderParser::word(const char *expected) {
  space();
  size_t n = std::strlen(expected);
  if (text.compare(at, n, expected) != 0)
    return false;
  at += n;
  return true;
}

bool HeaderParser::integer(int64_t &out) {
  space();
  size_t start = at;
  out = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    if (__builtin_mul_overflow(out, int64_t(10), &out) ||
        __builtin_add_overflow(out, int64_t(text[at] - '0'), &out))
      return fail("an extent below 2^63");
    ++at;
  }
  if (at == start)
    return fail("an extent");
  if (at < text.size() && text[at] == 'L') // written by Python 2
    ++at;
  return true;
}

bool HeaderParser::tuple() {
  if (!accept('('))
    return fail("a tuple of extents");
  while (!accept(')')) {
    int64_t extent;
    if (!integer(extent))
      return false;
    shape.push_back(extent);
    if (shape.size() > kMaxRank)
      return fail("at most 32 extents");
    if (!accept(',')) {
      if (!accept(')'))
        return fail("',' or ')'");
      break;
    }
  }
  return true;
}

bool HeaderParser::value(const std::string &key) {
  auto once = [&](unsigned bit) {
    bool first = !(seen & bit);
    seen |= bit;
    return first;
  };
  if (key == "descr" && once(1)) {
    space();
    if (at < text.size() && text[at] == '[') {
      objectDescr = true;
      return true; // refused by the caller; the rest does not matter
    }
    return string(descr);
  }
  if (key == "fortran_order" && once(2)) {
    fortran = word("True");
    return fortran || word("False") || fail("True or False");
  }
  if (key == "shape" && once(4))
    return tuple();
  return fail("descr, fortran_order and shape, each once,");
}

bool HeaderParser::run() {
  if (!accept('{'))
    return fail("'{'");
  while (!accept('}')) {
    std::string key;
    if (!string(key))
      return false;
    if (!accept(':'))
      return fail("':'");
    if (!value(key))
      return false;
    if (objectDescr)
      return true;
    if (!accept(',')) {
      if (!accept('}'))
        return fail("',' or '}'");
      break;
    }
  }
  space();
  if (at != text.size())
    return fail("nothing after '}'");
  return seen == 7 || fail("descr, fortran_order and shape, each once,");
}

/// numpy's type of a descr, or why it cannot be read.
static bool parseDescr(const std::string &descr, Type &type,
                       std::string &error) {
  char order = descr.empty() ? '?' : descr[0];
  std::string code = descr.substr(descr.empty() ? 0 : 1);
  const TypeRow *found = nullptr;
  for (const TypeRow &candidate : kTypes)
    if (code == candidate.code)
      found = &candidate;
  if (order == '>' && found) {
    error = "expected little-endian data, got '" + descr +
            "'; in numpy: np.save(path, a.astype('<" + code + "'))";
    return false;
  }
  if (found && (order == '<' || order == '=' ||
                (order == '|' && (found->size == 1 || code == "V2")))) {
    type = found->type;
    return true;
  }
  const char *advice = "np.save(path, a.astype(np.float32))";
  if (code[0] == 'O')
    error = "expected numbers, got Python objects ('" + descr + "')";
  else if (code[0] == 'c')
    error = "expected real numbers, got complex ones ('" + descr + "')";
  else if (code[0] == 'u' || code[0] == 'i') {
    error = "expected int8, int16, int32, int64, uint8 or uint16, got '" +
            descr + "'";
    advice = "np.save(path, a.astype(np.int64))";
  } else
    error = "expected float16, float32, float64, an integer type or bool, "
            "got '" +
            descr + "'";
  error += std::string("; in numpy: ") + advice;
  return false;
}

/// Column-major to row-major.
static void reorder(const char *from, Array &array) {
  size_t size = typeSize(array.type), rank = array.shape.size();
  std::vector<int64_t> index(rank, 0), stride(rank, 1);
  for (size_t d = 1; d < rank; ++d)
    stride[d] = stride[d - 1] * array.shape[d - 1];
  int64_t n = array.count();
  char *to = array.data.data();
  int64_t offset = 0;
  for (int64_t i = 0; i < n; ++i, to += size) {
    std::memcpy(to, from + offset * int64_t(size), size);
    for (size_t d = rank; d-- > 0;) {
      offset += stride[d];
      if (++index[d] < array.shape[d])
        break;
      offset -= stride[d] * array.shape[d];
      index[d] = 0;
    }
  }
}

static bool parseInner(const char *bytes, size_t size, Array &array,
                       std::string &error) {
  if (size < kMagicSize + 4 || std::memcmp(bytes, kMagic, kMagicSize) != 0) {
    error = "expected a .npy file, got something else; in numpy: np.save(path, "
            "a)";
    return false;
  }
  auto byte = [&](size_t i) { return size_t(uint8_t(bytes[i])); };
  size_t version = byte(6), at = kMagicSize + 2, length = 0;
  size_t lengthBytes = version == 1 ? 2 : 4;
  if (version < 1 || version > 3) {
    error = "expected .npy version 1, 2 or 3, got " + std::to_string(version);
    return false;
  }
  if (size < at + lengthBytes) {
    error = "expected a header, got a truncated file";
    return false;
  }
  for (size_t i = 0; i < lengthBytes; ++i)
    length |= byte(at + i) << (8 * i);
  at += lengthBytes;
  if (length > kMaxHeader || length > size - at) {
    error = "expected a header of " + std::to_string(length) +
            " bytes, got a file with " + std::to_string(size - at) +
            " more: truncated";
    return false;
  }
  std::string text(bytes + at, length);
  at += length;
  HeaderParser header(text, error);
  if (!header.run())
    return false;
  if (header.objectDescr) {
    error = "expected plain numbers, got a structured dtype; in numpy: "
            "np.save(path, a['field'])";
    return false;
  }
  if (!parseDescr(header.descr, array.type, error))
    return false;
  int64_t total = int64_t(typeSize(array.type));
  bool empty = false, overflow = false;
  for (int64_t extent : header.shape) {
    empty |= extent == 0;
    overflow |= __builtin_mul_overflow(total, extent ? extent : 1, &total);
  }
  total = empty ? 0 : total;
  if ((overflow && !empty) || uint64_t(total) != size - at) {
    error = "expected " +
            (overflow ? std::string("less than 2^63") : std::to_string(total)) +
            " bytes of data, got " + std::to_string(size - at) +
            ((overflow || size_t(total) > size - at) ? ": truncated" : "");
    return false;
  }
  array.shape = header.shape;
  array.data.resize(size_t(total));
  if (total == 0)
    return true;
  if (header.fortran && array.shape.size() > 1)
    reorder(bytes + at, array);
  else
    std::memcpy(array.data.data(), bytes + at, size_t(total));
  return true;
}

bool parse(const char *bytes, size_t size, const std::string &name,
           Array &array, std::string &error) {
  array = Array();
  if (parseInner(bytes, size, array, error))
    return true;
  error = name + ": " + error;
  return false;
}

bool read(const std::string &path, Array &array, std::string &error) {
  std::unique_ptr<FILE, int (*)(FILE *)> file(std::fopen(path.c_str(), "rb"),
                                              std::fclose);
  if (!file) {
    error = path + ": " + std::strerror(errno);
    return false;
  }
  std::vector<char> bytes;
  size_t used = 0, got;
  do {
    bytes.resize(std::max<size_t>(1 << 16, used * 2));
    got = std::fread(bytes.data() + used, 1, bytes.size() - used, file.get());
    used += got;
  } while (got);
  if (std::ferror(file.get())) {
    error = path + ": " + std::strerror(errno);
    return false;
  }
  return parse(bytes.data(), used, path, array, error);
}

std::string format(const Array &array) {
  const TypeRow &type = row(array.type);
  std::string header = std::string("{'descr': '") +
                       (type.size == 1 || array.type == Type::V2 ? "|" : "<") +
                       type.code + "', 'fortran_order': False, 'shape': (";
  for (size_t d = 0; d < array.shape.size(); ++d)
    header += (d ? ", " : "") + std::to_string(array.shape[d]);
  header += array.shape.size() == 1 ? ",), }" : "), }";
  // The data starts at a multiple of 64 bytes.
  size_t start = kMagicSize + 4 + header.size() + 1;
  header.append((64 - start % 64) % 64, ' ');
  header += '\n';
  std::string file(kMagic, kMagicSize);
  file += '\1';
  file += '\0';
  file += char(header.size() & 0xff);
  file += char(header.size() >> 8);
  file += header;
  file.append(array.data.data(), array.data.size());
  return file;
}

bool write(const std::string &path, const Array &array, std::string &error) {
  std::string reason = replaceFile(path, format(array));
  if (!reason.empty())
    error = path + ": " + reason;
  return reason.empty();
}

} // namespace fovea::npy
