// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Substitution of parameters in the text of a spec.
#include "passes/pipelines/Parameters.h"

#include "dialects/kv/Words.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

#include <algorithm>

using namespace llvm;

namespace fovea {

void PositionMap::add(int32_t line, int32_t newColumn, int32_t newLength,
                      int32_t oldColumn, int32_t oldLength) {
  edits.push_back({line, newColumn, newLength, oldColumn, oldLength});
}

int32_t PositionMap::originalColumn(int32_t line, int32_t column) const {
  int32_t result = column;
  for (const Edit &edit : edits) {
    if (edit.line != line || column < edit.newColumn)
      continue;
    if (column < edit.newColumn + edit.newLength)
      return edit.oldColumn; // inside a value: the place of its parameter
    result = column - (edit.newColumn + edit.newLength) + edit.oldColumn +
             edit.oldLength;
  }
  return result;
}

namespace {
struct Define {
  std::string value;
  bool used = false;
};

class Substitution {
public:
  Substitution(StringRef text, Substituted &result)
      : text(text), result(result) {}
  void define(StringRef name, StringRef value);
  void run();

private:
  /// At "${": replaces one parameter and moves past it.
  void parameter();
  /// Copies `n` characters.
  void copy(size_t n);
  void error(std::string message) {
    result.errors.push_back({std::move(message), line, oldColumn()});
  }
  int32_t oldColumn() const { return int32_t(at - lineStart) + 1; }
  int32_t newColumn() const {
    return int32_t(result.text.size() - newLineStart) + 1;
  }
  void reportUnused();

  StringRef text;
  Substituted &result;
  StringMap<Define> defines;
  std::vector<std::string> order; ///< of the defines, for messages
  size_t at = 0, lineStart = 0, newLineStart = 0;
  int32_t line = 1;
};
} // namespace

static bool isName(StringRef name) {
  return !name.empty() && !isDigit(name[0]) &&
         all_of(name, [](char c) { return isAlnum(c) || c == '_'; });
}

bool parseDefine(StringRef text, std::pair<std::string, std::string> &define) {
  auto [name, value] = text.split('=');
  define = {name.str(), value.str()};
  return isName(name) && text.contains('=');
}

void Substitution::define(StringRef name, StringRef value) {
  if (!isName(name)) {
    result.errors.push_back(
        {"expected a parameter to have a name, got '" + name.str() + "'"});
    return;
  }
  if (value.find_first_of("\n\r") != StringRef::npos) {
    result.errors.push_back({"expected parameter '" + name.str() +
                             "' to have a value without line breaks"});
    return;
  }
  if (!defines.try_emplace(name, Define{value.str()}).second) {
    result.errors.push_back(
        {"expected one value for parameter '" + name.str() + "', got two"});
    return;
  }
  order.push_back(name.str());
}

void Substitution::copy(size_t n) {
  for (; n && at < text.size(); --n) {
    char c = text[at++];
    result.text += c;
    if (c == '\n') {
      ++line;
      lineStart = at;
      newLineStart = result.text.size();
    }
  }
}

void Substitution::parameter() {
  size_t close = text.find_first_of("}\n", at);
  if (close == StringRef::npos || text[close] != '}') {
    error("expected '}' after '${'");
    copy(2);
    return;
  }
  auto [name, fallback] = text.slice(at + 2, close).split(':');
  bool hasFallback = text.slice(at + 2, close).contains(':');
  std::string value;
  if (!isName(name)) {
    error("expected a parameter name between '${' and '}', got '" + name.str() +
          "'");
  } else {
    if (!llvm::is_contained(result.parameters, name))
      result.parameters.push_back(name.str());
    auto found = defines.find(name);
    if (found != defines.end()) {
      found->second.used = true;
      value = found->second.value;
    } else if (hasFallback) {
      value = fallback.str();
    } else {
      error("parameter '" + name.str() + "' has no value: give " + name.str() +
            "=.. or write a default, ${" + name.str() + ":..}");
    }
  }
  result.positions.add(line, newColumn(), int32_t(value.size()), oldColumn(),
                       int32_t(close + 1 - at));
  result.text += value;
  at = close + 1;
}

void Substitution::reportUnused() {
  for (const std::string &name : order) {
    if (defines[name].used)
      continue;
    std::string message = "parameter '" + name + "' is not used by the spec";
    SmallVector<StringRef> legal(result.parameters.begin(),
                                 result.parameters.end());
    StringRef best = nearestWord(name, legal);
    if (!best.empty())
      message += ": did you mean '" + best.str() + "'?";
    result.errors.push_back({message});
  }
}

void Substitution::run() {
  bool inString = false;
  while (at < text.size()) {
    StringRef rest = text.drop_front(at);
    if (!inString && rest.starts_with("//")) {
      copy(std::min(rest.find('\n'), rest.size()));
      continue;
    }
    if (rest.starts_with("${")) {
      parameter();
      continue;
    }
    if (inString && rest.starts_with("\\")) {
      copy(2);
      continue;
    }
    if (rest[0] == '"')
      inString = !inString;
    if (rest[0] == '\n')
      inString = false; // strings end with their line
    copy(1);
  }
  reportUnused();
}

Substituted substituteParameters(StringRef text, Defines defines) {
  Substituted result;
  Substitution substitution(text, result);
  for (const auto &[name, value] : defines)
    substitution.define(name, value);
  substitution.run();
  return result;
}

} // namespace fovea
