// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parsing of --shape.
#include "tools/fovea/Shape.h"
#include "tools/fovea/Cli.h"

#include <algorithm>
#include <numeric>

namespace fovea::cli {

/// More sequences than any cache has.
static constexpr int64_t kMaxSequences = 1 << 20;

static int64_t parseNumber(const std::string &name, const std::string &text) {
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

/// The words between commas; commas between brackets do not part.
static std::vector<std::string> splitWords(const std::string &text) {
  std::vector<std::string> words(1);
  int depth = 0;
  for (char c : text) {
    depth += (c == '[') - (c == ']');
    if (c == ',' && depth <= 0)
      words.emplace_back();
    else
      words.back() += c;
  }
  return words;
}

static Extent parseExtent(const std::string &name, const std::string &text) {
  Extent extent;
  extent.isList = !text.empty() && text.front() == '[';
  if (!extent.isList) {
    extent.values.push_back(parseNumber(name, text));
    return extent;
  }
  if (text.back() != ']')
    throw Failure(ExitUsage, "expected --shape to end the list of dim '" +
                                 name + "' with ']', got '" + text + "'");
  for (const std::string &word : splitWords(text.substr(1, text.size() - 2))) {
    size_t times = word.find('x');
    int64_t value = parseNumber(name, word.substr(0, times));
    int64_t count = times == std::string::npos
                        ? 1
                        : parseNumber(name, word.substr(times + 1));
    if (count > kMaxSequences - int64_t(extent.values.size()))
      throw Failure(ExitUsage, "expected --shape to list at most " +
                                   std::to_string(kMaxSequences) +
                                   " sequences, got more for dim '" + name +
                                   "'");
    extent.values.insert(extent.values.end(), size_t(count), value);
  }
  return extent;
}

Extents parseExtents(const std::string &text) {
  Extents extents;
  if (text.empty())
    return extents;
  for (const std::string &word : splitWords(text)) {
    auto [name, value] = splitDefinition(word, "--shape=");
    if (!extents.emplace(name, parseExtent(name, value)).second)
      throw Failure(ExitUsage,
                    "expected --shape to name '" + name + "' once, got two");
  }
  return extents;
}

Shape numbersOf(const Extents &extents) {
  Shape shape;
  for (const auto &[name, extent] : extents) {
    if (extent.isList)
      throw Failure(ExitUsage, "expected --shape to give dim '" + name +
                                   "' a number, got a list: only rows and sk "
                                   "of a kernel with a cache have one");
    shape[name] = extent.values.front();
  }
  return shape;
}

Shape parseShape(const std::string &text) {
  return numbersOf(parseExtents(text));
}

void checkShapeNames(const Extents &extents,
                     const std::vector<std::string> &known) {
  for (const auto &[name, extent] : extents)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw Failure(ExitUsage, unknownWord("dim", name, known));
}

int64_t Sequences::totalRows() const {
  return std::accumulate(rows.begin(), rows.end(), int64_t(0));
}

int64_t Sequences::longest() const {
  return lengths.empty() ? 0
                         : *std::max_element(lengths.begin(), lengths.end());
}

std::optional<Sequences> takeSequences(Extents &extents,
                                       const Extents &defaults,
                                       const std::string &rowsName,
                                       std::string &missing) {
  if (rowsName != "rows" && extents.count("rows") && extents.count(rowsName))
    throw Failure(ExitUsage, "expected --shape to give rows or " + rowsName +
                                 ", got both: they are the same");
  auto take = [&](const std::string &name) -> std::optional<Extent> {
    auto found = extents.find(name);
    if (found == extents.end())
      return std::nullopt;
    Extent extent = std::move(found->second);
    extents.erase(found);
    return extent;
  };
  std::optional<Extent> b = take("b"), rows = take("rows"), sk = take("sk");
  if (!rows)
    rows = take(rowsName);
  if (b && b->isList)
    throw Failure(ExitUsage, "expected --shape to give dim 'b' a number, got a "
                             "list");
  // Any of the three says how many sequences there are.
  std::optional<int64_t> n;
  std::string from;
  auto count = [&](const std::optional<Extent> &extent, const char *name,
                   bool isCount) {
    if (!extent || (!extent->isList && !isCount))
      return;
    int64_t says =
        isCount ? extent->values.front() : int64_t(extent->values.size());
    if (n && *n != says)
      throw Failure(ExitUsage, "expected --shape to list " +
                                   std::to_string(*n) + " sequences for dim '" +
                                   name + "' as for '" + from + "', got " +
                                   std::to_string(says));
    n = says;
    from = name;
  };
  count(b, "b", true);
  count(rows, "rows", false);
  count(sk, "sk", false);
  auto orDefault = [&](std::optional<Extent> &extent, const char *name) {
    auto found = defaults.find(name);
    if (!extent && found != defaults.end())
      extent = found->second;
    if (!extent)
      missing = name;
    return bool(extent);
  };
  if (!n) {
    if (!orDefault(b, "b"))
      return std::nullopt;
    n = b->values.front();
  }
  if (*n > kMaxSequences)
    throw Failure(ExitUsage, "expected --shape to have at most " +
                                 std::to_string(kMaxSequences) +
                                 " sequences, got " + std::to_string(*n));
  if (!orDefault(rows, "rows") || !orDefault(sk, "sk"))
    return std::nullopt;
  Sequences sequences;
  if (std::optional<Extent> prefix = take("prefix"))
    sequences.prefix = numbersOf({{"prefix", *prefix}})["prefix"];
  for (int64_t i = 0; i < *n; ++i) {
    // A default list serves any number of sequences.
    auto at = [&](const Extent &extent) {
      return extent.values[size_t(i) % extent.values.size()];
    };
    sequences.rows.push_back(at(*rows));
    sequences.lengths.push_back(at(*sk));
    if (sequences.rows.back() > sequences.lengths.back())
      throw Failure(
          ExitUsage,
          "expected sk to count the rows too: sequence " + std::to_string(i) +
              " has " + std::to_string(sequences.rows.back()) +
              " rows and sk=" + std::to_string(sequences.lengths.back()));
    int64_t before = sequences.lengths.back() - sequences.rows.back();
    if (sequences.prefix > before)
      throw Failure(ExitUsage,
                    "expected prefix to be at most the tokens before the "
                    "rows, " +
                        std::to_string(before) + " of sequence " +
                        std::to_string(i) + ", got " +
                        std::to_string(sequences.prefix));
  }
  return sequences;
}

std::string toString(const Shape &shape) {
  std::string text;
  for (const auto &[name, extent] : shape)
    text += (text.empty() ? "" : ",") + name + "=" + std::to_string(extent);
  return text;
}

std::string toString(const std::vector<int64_t> &list) {
  if (list.empty())
    return "0";
  std::string text;
  for (size_t i = 0; i < list.size();) {
    size_t end = i;
    while (end < list.size() && list[end] == list[i])
      ++end;
    if (i == 0 && end == list.size())
      return std::to_string(list[0]);
    text += (text.empty() ? "" : ",") + std::to_string(list[i]);
    if (end - i > 1)
      text += "x" + std::to_string(end - i);
    i = end;
  }
  return "[" + text + "]";
}

} // namespace fovea::cli
