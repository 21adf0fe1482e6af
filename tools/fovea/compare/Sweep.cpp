// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reading --sweep.
#include "tools/fovea/compare/Sweep.h"
#include "tools/fovea/Cli.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace fovea::cli {

static std::vector<std::string> split(const std::string &text, char at) {
  std::vector<std::string> parts(1);
  for (char c : text)
    if (c == at)
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

static double number(const std::string &text, const std::string &option) {
  char *end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end || !std::isfinite(value))
    throw Failure(ExitUsage, "expected --sweep NAME=FROM:TO:STEP of numbers, "
                             "got '" +
                                 option + "'");
  return value;
}

Sweep parseSweep(const std::string &option) {
  constexpr double kMost = 1000;
  Sweep sweep;
  std::string values;
  std::tie(sweep.name, values) = splitDefinition(option, "--sweep");
  std::vector<std::string> range = split(values, ':');
  if (range.size() == 3) {
    double from = number(range[0], option), to = number(range[1], option),
           step = number(range[2], option);
    double steps = std::floor((to - from) / step + 1e-9);
    if (!(steps >= 0 && steps < kMost))
      throw Failure(ExitUsage, "expected --sweep to take 1 to 1000 steps from "
                               "its first value to its last, got '" +
                                   option + "'");
    for (int i = 0; i <= int(steps); ++i) {
      char text[32];
      std::snprintf(text, sizeof(text), "%.10g", from + i * step);
      sweep.values.push_back(text);
    }
    return sweep;
  }
  sweep.values = split(values, ',');
  for (const std::string &value : sweep.values)
    if (value.empty() || range.size() != 1)
      throw Failure(ExitUsage,
                    "expected --sweep NAME=FROM:TO:STEP or NAME=A,B,.., got '" +
                        option + "'");
  return sweep;
}

} // namespace fovea::cli
