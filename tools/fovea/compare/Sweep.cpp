// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reading --sweep.
#include "tools/fovea/compare/Sweep.h"
#include "tools/fovea/Cli.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace fovea::cli {

/// Splits at the places that are in no brackets: a mask may be a value.
static std::vector<std::string> split(const std::string &text, char at) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (char c : text) {
    depth += std::strchr("([{<", c) ? 1 : std::strchr(")]}>", c) ? -1 : 0;
    if (c == at && depth <= 0)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

/// Infinities and NaN are numbers to strtod.
static bool looksLikeNumber(const std::string &text) {
  char *end = nullptr;
  std::strtod(text.c_str(), &end);
  return !text.empty() && !*end;
}

static bool isNumber(const std::string &text) {
  return looksLikeNumber(text) &&
         std::isfinite(std::strtod(text.c_str(), nullptr));
}

[[noreturn]] static void refuse(const std::string &option) {
  throw Failure(ExitUsage, "expected --sweep NAME=FROM:TO:STEP of numbers or "
                           "NAME=A,B,.., got '" +
                               option + "'");
}

/// Whether the parts between colons are meant as a range: other words may have
/// colons as well.
static bool isRange(const std::vector<std::string> &parts) {
  return parts.size() > 1 &&
         (looksLikeNumber(parts[0]) ||
          std::all_of(parts.begin(), parts.end(), [](const std::string &part) {
            return part.empty() || looksLikeNumber(part);
          }));
}

Sweep parseSweep(const std::string &option) {
  constexpr double kMost = 1000, kWhole = 9e15; // below 2^53
  Sweep sweep;
  std::string values;
  std::tie(sweep.name, values) = splitDefinition(option, "--sweep");
  std::vector<std::string> range = split(values, ':');
  if (isRange(range)) {
    if (range.size() != 3 || !std::all_of(range.begin(), range.end(), isNumber))
      refuse(option);
    double from = std::stod(range[0]), to = std::stod(range[1]),
           step = std::stod(range[2]);
    double steps = std::floor((to - from) / step + 1e-9);
    if (!(steps >= 0 && steps < kMost))
      throw Failure(ExitUsage, "expected --sweep to take 1 to 1000 steps from "
                               "its first value to its last, got '" +
                                   option + "'");
    for (int i = 0; i <= int(steps); ++i) {
      double value = from + i * step;
      bool whole = value == std::floor(value) && std::fabs(value) < kWhole;
      char text[32];
      std::snprintf(text, sizeof(text), whole ? "%.0f" : "%.10g", value);
      sweep.values.push_back(text);
    }
    return sweep;
  }
  sweep.values = split(values, ',');
  if (std::any_of(sweep.values.begin(), sweep.values.end(),
                  [](const std::string &value) { return value.empty(); }))
    refuse(option);
  return sweep;
}

} // namespace fovea::cli
