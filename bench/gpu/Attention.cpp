// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// gpu_attention FOLDER JSON: runs the kernels that gpu_pack_attention wrote on
// the first GPU and compares what they give with the float64 reference, within
// the bound of `fovea verify`. It needs NVIDIA's driver and nothing else. A
// Markdown table goes to stdout. Exit codes: those of gpu_runner.
#include "bench/gpu/Step.h"
#include "bench/gpu/Text.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>

using namespace fovea::gpu;

namespace {
struct Case {
  std::string name;
  double tolerance;
  std::vector<std::string> words; // of Step::open
};

struct Verdict {
  std::string result = "failed", detail; // "agrees", "differs", "failed"
  double error = 0;
};
} // namespace

/// As the reference's comparison: what agrees without being finite is 0 apart.
static double distance(double got, double wanted) {
  if (got == wanted || (std::isnan(got) && std::isnan(wanted)))
    return 0;
  double error = std::fabs(got - wanted);
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

/// Fills the arguments, one behind the other in NAME.in.
static bool fill(Step &step, const std::string &path) {
  std::string bytes;
  bool read = readFile(path, bytes);
  size_t at = 0;
  for (Argument &argument : step.arguments)
    for (Tensor *tensor : argument.inputs()) {
      if (at + tensor->size() <= bytes.size())
        tensor->bytes = bytes.substr(at, tensor->size());
      at += tensor->size();
    }
  if (!read || at != bytes.size())
    step.detail = "expected " + std::to_string(at) + " bytes in " + path +
                  ", got " + std::to_string(bytes.size());
  return read && at == bytes.size();
}

static Verdict compare(const Case &one, const Tensor &result,
                       const std::string &expected) {
  Verdict verdict;
  size_t wrong = 0, worst = 0, count = expected.size() / 8;
  for (size_t i = 0; i < count; ++i) {
    double wanted;
    memcpy(&wanted, expected.data() + 8 * i, 8);
    double error = distance(result.value(i), wanted);
    wrong += error > one.tolerance;
    if (error > verdict.error)
      verdict.error = error, worst = i;
  }
  char text[160];
  snprintf(text, sizeof text, "error %.2e, allowed %.2e", verdict.error,
           one.tolerance);
  verdict.detail = text;
  verdict.result = wrong ? "differs" : "agrees";
  if (wrong) {
    double wanted;
    memcpy(&wanted, expected.data() + 8 * worst, 8);
    snprintf(text, sizeof text,
             "; %zu of %zu elements; element %zu: expected %.6g, got %.6g",
             wrong, count, worst, wanted, result.value(worst));
    verdict.detail += text;
  }
  return verdict;
}

static Verdict judge(const Machine &machine, const Case &one,
                     const std::string &folder) {
  Verdict verdict;
  Step step(machine);
  std::string base = folder + "/" + one.name, expected;
  bool ran = step.open(base + ".fvb", one.words) && fill(step, base + ".in") &&
             step.plan() && step.run() && step.wait() && step.fetch();
  verdict.detail = step.detail;
  if (!ran)
    return verdict;
  const Tensor &result = step.arguments.back().tensor;
  size_t count = result.elements();
  if (!readFile(base + ".expected", expected) || expected.size() != 8 * count) {
    verdict.detail = "expected " + std::to_string(8 * count) + " bytes in " +
                     base + ".expected, got " + std::to_string(expected.size());
    return verdict;
  }
  verdict = compare(one, result, expected);
  verdict.detail += "; " + step.items();
  return verdict;
}

static bool readIndex(const std::string &path, std::vector<Case> &cases) {
  std::ifstream stream(path);
  std::string line, word;
  while (std::getline(stream, line)) {
    std::stringstream fields(line);
    Case one;
    if (!(fields >> one.name >> one.tolerance))
      return false;
    while (fields >> word)
      one.words.push_back(word);
    if (one.words.empty())
      return false;
    cases.push_back(one);
  }
  return !cases.empty();
}

int main(int argc, char **argv) {
  std::vector<Case> cases;
  if (!readArguments(argc, argv, "gpu_attention", "gpu_pack_attention",
                     "index.txt", readIndex, cases))
    return 2;
  std::string folder = argv[1];
  Machine machine;
  if (!machine.open()) {
    fprintf(stderr, "gpu_attention: no GPU: %s\n", fovea_message());
    return 3;
  }
  Results results("gpu_attention", "{\"kernels\": [");
  printf("| attention | result | |\n|---|---|---|\n");
  for (const Case &one : cases) {
    Verdict verdict = judge(machine, one, folder);
    results.bad += verdict.result != "agrees";
    results.add({{"name", one.name},
                 {"result", verdict.result},
                 {"detail", verdict.detail}});
  }
  printf("\n%zu attention kernels, %d do not agree with the reference.\n",
         cases.size(), results.bad);
  return results.write(argv[2]);
}
