// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parsing of --shape.
#include "tools/fovea/Shape.h"
#include "tools/fovea/Cli.h"

#include <algorithm>

namespace fovea::cli {

static int64_t parseExtent(const std::string &name, const std::string &text) {
  int64_t value = 0, scale = 1;
  std::string digits = text;
  if (!digits.empty() && (digits.back() == 'K' || digits.back() == 'M')) {
    scale = digits.back() == 'K' ? 1 << 10 : 1 << 20;
    digits.pop_back();
  }
  bool good = !digits.empty();
  for (char c : digits)
    good = good && c >= '0' && c <= '9' &&
           !__builtin_mul_overflow(value, int64_t(10), &value) &&
           !__builtin_add_overflow(value, int64_t(c - '0'), &value);
  if (!good || __builtin_mul_overflow(value, scale, &value))
    throw Failure(ExitUsage, "expected --shape to give dim '" + name +
                                 "' a number, got '" + text + "'");
  return value;
}

Shape parseShape(const std::string &text) {
  Shape shape;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find(',', at), text.size());
    auto [name, value] = splitDefinition(text.substr(at, end - at), "--shape=");
    if (!shape.emplace(name, parseExtent(name, value)).second)
      throw Failure(ExitUsage,
                    "expected --shape to name '" + name + "' once, got two");
    at = end + 1;
  }
  return shape;
}

void checkShapeNames(const Shape &shape,
                     const std::vector<std::string> &known) {
  for (const auto &[name, extent] : shape)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw Failure(ExitUsage, unknownWord("dim", name, known));
}

std::string toString(const Shape &shape) {
  std::string text;
  for (const auto &[name, extent] : shape)
    text += (text.empty() ? "" : ",") + name + "=" + std::to_string(extent);
  return text;
}

} // namespace fovea::cli
