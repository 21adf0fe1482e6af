// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// gpu_times FOLDER JSON: times the kernels that FOLDER/times.txt names on the
// first GPU, on random tensors: wall time of runs that are enqueued one behind
// the other, beside the bandwidth of a copy. Three rows of each result are held
// against float64 first (Check.cpp); a wrong one is not timed. Rows are those
// of peers.py, in Markdown on stdout and in JSON. Exit codes: those of
// gpu_runner.
//
// A line of times.txt: FILE VISIBLE WORDS.. : NAME. FILE is the bundle, without
// its ending; VISIBLE says what rows see: all, causal, or a file with a byte
// for each key of the three rows; words are those of Step::open, the integers
// of a tensor in a file behind them, "rows=32@FILE". With a file the plan is
// part of a second time, "NAME, mask build included".
#include "bench/gpu/Check.h"
#include "bench/gpu/Text.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <sstream>

using namespace fovea::gpu;

namespace {
struct Case {
  std::string file, visible, name;
  std::vector<std::string> words;
};

struct Row {
  std::string name, ms, rate, note;
  bool tooLarge = false; // for this GPU, which is no fault
};
} // namespace

static double now() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Of one of `count` calls that only enqueue; negative where one failed.
template <typename Enqueue, typename Wait>
static double perCall(int count, Enqueue enqueue, Wait wait) {
  double start = now();
  for (int i = 0; i < count; ++i)
    if (!enqueue())
      return -1;
  return wait() ? (now() - start) / count : -1;
}

/// The median of five batches of about 50 ms; of one where a call alone takes
/// half a second. Negative where one failed.
template <typename Enqueue, typename Wait>
static double median(Enqueue enqueue, Wait wait) {
  double once = perCall(1, enqueue, wait); // warms up
  if (once < 500)
    perCall(3, enqueue, wait), once = perCall(1, enqueue, wait);
  int count = int(std::clamp(50 / std::max(once, 1e-3), 1.0, 1000.0));
  std::vector<double> times;
  for (int i = 0; i < (once < 500 ? 5 : 1); ++i)
    times.push_back(perCall(count, enqueue, wait));
  std::sort(times.begin(), times.end());
  return once < 0 || times[0] < 0 ? -1 : times[times.size() / 2];
}

static std::string formatted(const char *format, double value) {
  char text[64];
  snprintf(text, sizeof text, format, value);
  return text;
}

/// GB/s that a copy reads and writes; negative where there is none.
static double copyBandwidth(const Machine &machine, Row &row) {
  size_t bytes = size_t(1) << 30;
  for (;; bytes /= 2) {
    GpuMemory from, to;
    fovea_status status = from.allocate(machine, bytes);
    if (!status)
      status = to.allocate(machine, bytes);
    if (status == FOVEA_NO_MEMORY && bytes > 4096)
      continue;
    double ms = -1;
    if (!status)
      ms = median(
          [&] {
            return !fovea_device_copy(machine.ctx, machine.device, to.data,
                                      machine.device, from.data, bytes,
                                      machine.stream);
          },
          [&] {
            return !fovea_stream_wait(machine.ctx, machine.device,
                                      machine.stream);
          });
    row.name = "copy of " + std::to_string(bytes >> 10) + " KiB";
    if (ms < 0) {
      row.note = fovea_message();
      return -1;
    }
    double rate = 2 * double(bytes) / ms / 1e6;
    row.ms = formatted("%.3f", ms);
    row.rate = formatted("%.2f TB/s", rate / 1e3);
    return rate;
  }
}

/// FLOPs of what a prefill's rows see; bytes of the keys and values that a
/// decode reads.
static std::string rateOf(Step &step, const Visible &visible, double ms,
                          double copy) {
  if (visible.ofFile())
    return "";
  const std::vector<int64_t> &q = step.arguments[0].tensor.shape;
  const Argument *k = step.find("k");
  if (q.size() == 4 && q[2] > 1) {
    const std::vector<int64_t> &keys = k->tensor.shape;
    double pairs = double(q[0] * q[1] * q[2]) * double(keys[2]) *
                   visible.share(q[2], keys[2]);
    return formatted("%.0f TFLOP/s", 4 * pairs * double(q[3]) / ms / 1e9);
  }
  double bytes = double(step.stats().kv_bytes);
  if (!bytes)
    for (size_t i = 1; i < step.arguments.size(); ++i)
      if (!step.arguments[i].info.is_result)
        bytes += double(step.arguments[i].tensor.size());
  double rate = bytes / ms / 1e6;
  std::string text = formatted("%.2f TB/s", rate / 1e3);
  return copy > 0
             ? text + formatted(" (%.0f %% of the copy)", 100 * rate / copy)
             : text;
}

/// The times of a case: one row, or two where it has a mask of its own.
static std::vector<Row> measure(const Machine &machine, const Case &one,
                                const std::string &folder, double copy) {
  Row row;
  row.name = one.name;
  Step step(machine);
  Visible visible;
  // A path of its own where it is one from the root.
  std::string file = one.file[0] == '/' ? one.file : folder + "/" + one.file;
  std::vector<std::string> words;
  std::vector<std::pair<std::string, std::string>> tables; // name, file
  for (const std::string &word : one.words) {
    size_t at = word.find('@');
    words.push_back(word.substr(0, at));
    if (at != word.npos)
      tables.emplace_back(word.substr(0, word.find('=')),
                          folder + "/" + word.substr(at + 1));
  }
  bool ready = visible.read(one.visible, folder, step.detail) &&
               step.open(file + ".fvb", words) && randomise(step) &&
               readTables(step, tables);
  if (!ready || !step.plan() || !step.run() || !step.wait() || !step.fetch()) {
    row.note = step.detail;
    row.tooLarge = step.outOfMemory;
    return {row};
  }
  std::string wrong = firstWrongRow(step, visible);
  if (!wrong.empty()) {
    row.note = "wrong: " + wrong;
    return {row};
  }
  auto timed = [&](auto enqueue) {
    double ms = median(enqueue, [&] { return step.wait(); });
    if (ms < 0) {
      row.note = step.detail;
      return;
    }
    row.ms = formatted("%.3f", ms);
    row.rate = rateOf(step, visible, ms, copy);
  };
  timed([&] { return step.run(); });
  if (!visible.ofFile() || row.ms.empty())
    return {row};
  Row alone = row;
  row.name += ", mask build included";
  // As for a mask that is not known before: one behind the other.
  timed([&] { return step.update() && step.run() && step.wait(); });
  return {alone, row};
}

static bool readCases(const std::string &path, std::vector<Case> &cases) {
  std::ifstream stream(path);
  std::string line, word;
  while (std::getline(stream, line)) {
    std::stringstream fields(line);
    Case one;
    fields >> one.file >> one.visible;
    while (fields >> word && word != ":")
      one.words.push_back(word);
    std::getline(fields >> std::ws, one.name);
    if (one.words.empty() || one.name.empty())
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
  Results results("gpu_times", "{\"rows\": [");
  auto add = [&](const char *who, const Row &row) {
    results.add({{"peer", who},
                 {"case", row.name},
                 {"ms", row.ms},
                 {"rate", row.rate},
                 {"note", row.note}});
    results.bad += row.ms.empty() && !row.tooLarge;
  };
  Row copied;
  double copy = copyBandwidth(machine, copied);
  add("the GPU", copied);
  for (const Case &one : cases)
    for (const Row &row : measure(machine, one, folder, copy))
      add("Fovea", row);
  return results.write(argv[2]);
}
