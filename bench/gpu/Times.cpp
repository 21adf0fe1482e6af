// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// gpu_times FOLDER JSON: times the kernels that FOLDER/times.txt names on the
// first GPU, on random bf16 tensors: wall time of runs that are enqueued one
// behind the other. Three rows of each result are held against float64 first; a
// wrong one is not timed. Rows are those of peers.py, in Markdown on stdout and
// in JSON. Exit codes: those of gpu_runner.
#include "bench/gpu/Step.h"
#include "bench/gpu/Text.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

using namespace fovea::gpu;

namespace {
struct Case {
  std::string file, name;
  bool causal;
  std::vector<std::string> shapes; // of q, k, v, o
};

struct Row {
  std::string ms, rate, note;
  bool tooLarge = false; // for this GPU, which is no fault
};
} // namespace

/// Uniform in [-scale, scale], the same on every machine.
static void randomise(std::string &bytes, float scale, uint32_t state) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    state = state * 1664525u + 1013904223u;
    float value = float(int32_t(state)) * 0x1p-31f * scale;
    uint32_t word;
    memcpy(&word, &value, 4);
    uint16_t half = uint16_t(word >> 16);
    memcpy(bytes.data() + i, &half, 2);
  }
}

/// How far row (b, h, i) of the result is from float64, less what rounding
/// weights and result to bf16 explains: positive where it is wrong.
static double excess(const Step &step, bool causal, int64_t b, int64_t h,
                     int64_t i) {
  const Argument &q = step.arguments[0], &k = step.arguments[1],
                 &v = step.arguments[2], &o = step.arguments[3];
  int64_t heads = q.shape[1], kvHeads = k.shape[1], rows = q.shape[2],
          keys = k.shape[2], dim = q.shape[3];
  size_t queryAt = size_t(((b * heads + h) * rows + i) * dim);
  size_t keyAt = size_t((b * kvHeads + h / (heads / kvHeads)) * keys * dim);
  int64_t seen = causal ? keys - rows + i + 1 : keys;
  std::vector<double> weights, want(size_t(dim), 0.0);
  double sum = 0, most = -INFINITY, largest = 0, error = 0;
  for (int64_t j = 0; j < seen; ++j) {
    double score = 0;
    for (int64_t d = 0; d < dim; ++d)
      score += valueOf(q, queryAt + size_t(d)) *
               valueOf(k, keyAt + size_t(j * dim + d));
    weights.push_back(score / std::sqrt(double(dim)));
    most = std::max(most, weights.back());
  }
  for (int64_t j = 0; j < seen; ++j) {
    double weight = std::exp(weights[size_t(j)] - most);
    sum += weight;
    for (int64_t d = 0; d < dim; ++d)
      want[size_t(d)] += weight * valueOf(v, keyAt + size_t(j * dim + d));
  }
  for (int64_t d = 0; d < dim; ++d) {
    double wanted = want[size_t(d)] / sum;
    double apart = std::fabs(valueOf(o, queryAt + size_t(d)) - wanted);
    largest = std::max(largest, std::fabs(wanted));
    error = std::isnan(apart) ? INFINITY : std::max(error, apart);
  }
  return error - (0x1p-9 + 0x1p-8 * largest); // values are at most 1
}

static bool isRight(const Step &step, bool causal) {
  const std::vector<int64_t> &shape = step.arguments[3].shape;
  for (int64_t part : {0, 1, 2})
    if (excess(step, causal, (shape[0] - 1) * part / 2,
               (shape[1] - 1) * part / 2, (shape[2] - 1) * part / 2) > 0)
      return false;
  return true;
}

static double now() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Of one run among `count` enqueued ones; negative where one failed.
static double perRun(Step &step, int count) {
  double start = now();
  for (int i = 0; i < count; ++i)
    if (!step.run())
      return -1;
  return step.wait() ? (now() - start) / count : -1;
}

static Row measure(const Machine &machine, const Case &one,
                   const std::string &folder) {
  Row row;
  Step step(machine);
  bool ready = step.open(folder + "/" + one.file + ".fvb", one.shapes);
  for (size_t i = 0; ready && i < step.arguments.size(); ++i) {
    const fovea_arg_info &info = step.arguments[i].info;
    if (info.dtype != FOVEA_DTYPE_BF16 || info.rank != 4 ||
        step.arguments.size() != 4) {
      row.note = "expected q, k, v and o of bf16";
      return row;
    }
    // Queries that a few keys answer: o is large beside its error.
    if (!info.is_result)
      randomise(step.arguments[i].bytes, i ? 1 : 16, uint32_t(i + 1));
  }
  if (!ready || !step.plan() || !step.run() || !step.wait() || !step.fetch()) {
    row.note = step.detail;
    row.tooLarge = step.outOfMemory;
    return row;
  }
  if (!isRight(step, one.causal)) {
    row.note = "wrong: a row is not what float64 gives";
    return row;
  }
  perRun(step, 3); // warm
  double once = perRun(step, 1);
  int count = int(std::clamp(50 / std::max(once, 1e-3), 1.0, 1000.0));
  std::vector<double> times;
  for (int i = 0; i < 5; ++i)
    times.push_back(perRun(step, count));
  std::sort(times.begin(), times.end());
  if (once < 0 || times[0] < 0) {
    row.note = step.detail;
    return row;
  }
  double ms = times[2];
  const std::vector<int64_t> &q = step.arguments[0].shape,
                             &k = step.arguments[1].shape;
  char text[64];
  snprintf(text, sizeof text, "%.3f", ms);
  row.ms = text;
  if (q[2] == 1) // bound by the bytes of K and V
    snprintf(text, sizeof text, "%.2f TB/s",
             4.0 * double(k[0] * k[1] * k[2] * k[3]) / ms / 1e9);
  else
    snprintf(text, sizeof text, "%.0f TFLOP/s",
             4.0 * double(q[0] * q[1] * q[2]) * double(k[2] * k[3]) /
                 (one.causal ? 2 : 1) / ms / 1e9);
  row.rate = text;
  return row;
}

/// Lines "FILE causal|all Q K V O CASE..".
static bool readCases(const std::string &path, std::vector<Case> &cases) {
  std::ifstream stream(path);
  std::string line, visible;
  while (std::getline(stream, line)) {
    std::stringstream fields(line);
    Case one;
    one.shapes.resize(4);
    fields >> one.file >> visible;
    for (std::string &shape : one.shapes)
      fields >> shape;
    std::getline(fields >> std::ws, one.name);
    one.causal = visible == "causal";
    if (!fields || (!one.causal && visible != "all"))
      return false;
    cases.push_back(one);
  }
  return !cases.empty();
}

int main(int argc, char **argv) {
  std::vector<Case> cases;
  if (!readArguments(argc, argv, "gpu_times", "gpu_pack_attention", "times.txt",
                     readCases, cases))
    return 2;
  std::string folder = argv[1];
  Machine machine;
  if (!machine.open()) {
    fprintf(stderr, "gpu_times: no GPU: %s\n", fovea_message());
    return 3;
  }
  int bad = 0;
  std::string json = "{\"rows\": [";
  for (size_t i = 0; i < cases.size(); ++i) {
    Row row = measure(machine, cases[i], folder);
    bad += row.ms.empty() && !row.tooLarge;
    printf("| Fovea | %s | %s | %s | %s |\n", cases[i].name.c_str(),
           row.ms.c_str(), row.rate.c_str(), row.note.c_str());
    fflush(stdout); // what has been seen if the next one hangs
    json += (i ? ",\n" : "\n") +
            ("{\"peer\": \"Fovea\", \"case\": " + quoted(cases[i].name)) +
            ", \"ms\": " + quoted(row.ms) + ", \"rate\": " + quoted(row.rate) +
            ", \"note\": " + quoted(row.note) + "}";
  }
  bool written = writeResults("gpu_times", argv[2], json + "\n]}\n");
  return !written ? 2 : bad ? 1 : 0;
}
