// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Interleaved timing.
#include "tools/fovea/Measure.h"
#include "tools/fovea/Ceilings.h"
#include "tools/fovea/Verify.h"

#include "codegen/target/Target.h"

#include <algorithm>
#include <ctime>
#include <optional>

namespace fovea::cli {

namespace {
/// A call, or some sequences of one.
struct Sample {
  std::vector<HostValue> inputs;
  std::vector<HostTensor> results;
  reference::Batch batch;
};
} // namespace

/// A stride that leaves about `rows` rows of the results, spread over all
/// heads. Rows are the leading `dims` dims.
static int64_t sampleStride(llvm::ArrayRef<HostTensor> results, size_t dims,
                            int64_t rows) {
  int64_t total = 0;
  for (const HostTensor &result : results) {
    int64_t n = 1;
    for (size_t d = 0; d < result.shape.size() && d < dims; ++d)
      n *= result.shape[d];
    total = std::max(total, n);
  }
  // Odd, so that the sample does not stay on one place of every tile.
  return total <= rows ? 1 : (total / rows) | 1;
}

/// The slices [first, first + n) of the leading dim, one behind the other.
static HostTensor slices(const HostTensor &from,
                         llvm::ArrayRef<std::pair<int64_t, int64_t>> ranges) {
  std::vector<int64_t> shape = from.shape;
  size_t bytes = shape[0] ? from.bytes.size() / size_t(shape[0]) : 0;
  shape[0] = 0;
  for (auto [first, n] : ranges)
    shape[0] += n;
  HostTensor to(from.dtype, shape);
  uint8_t *at = to.bytes.data();
  for (auto [first, n] : ranges) {
    std::copy_n(from.bytes.data() + size_t(first) * bytes, size_t(n) * bytes,
                at);
    at += size_t(n) * bytes;
  }
  return to;
}

/// Sequences of a call whose caches are too large to evaluate whole, as a call
/// of their own: the reference holds every number in eight bytes. Only where
/// nothing but rows and caches tells sequences apart.
static std::optional<Sample> someSequences(const Arguments &arguments,
                                           mlir::func::FuncOp spec) {
  constexpr int64_t kBudget = int64_t(64) << 20; // numbers
  const Sequences &sequences = arguments.sequences();
  int64_t perToken = 0, tokens = 0;
  for (const auto &cache : arguments.caches())
    perToken +=
        cache->info().heads * (cache->info().keyDim + cache->info().valueDim);
  for (int64_t length : sequences.lengths)
    tokens += length;
  if (tokens * perToken <= kBudget || !hasTokenMajorRows(spec))
    return std::nullopt;
  for (const fovea_arg_info &info : arguments.infos())
    for (int d = 0; d < info.rank && d < 8; ++d)
      if (info.dims[d] && (std::string(info.dims[d]) == "b" ||
                           (d > 0 && std::string(info.dims[d]) == "rows")))
        return std::nullopt;
  // The first, the last, and what fits between.
  std::vector<int64_t> chosen;
  int64_t left = kBudget, n = sequences.count();
  for (int64_t i = 0; i < n; ++i) {
    int64_t pick = i % 2 ? n - 1 - i / 2 : i / 2;
    left -= sequences.lengths[size_t(pick)] * perToken;
    if (left < 0 && !chosen.empty())
      break;
    chosen.push_back(pick);
  }
  std::sort(chosen.begin(), chosen.end());
  Sample sample;
  std::vector<std::pair<int64_t, int64_t>> rows, ones;
  sample.batch.rows.push_back(0);
  for (int64_t i : chosen) {
    int64_t first = arguments.batch()->rows[i];
    rows.emplace_back(first, sequences.rows[size_t(i)]);
    ones.emplace_back(i, 1);
    sample.batch.sequences.push_back(sample.batch.sequences.size() + 1);
    sample.batch.rows.push_back(sample.batch.rows.back() + rows.back().second);
  }
  auto pick = [&](const fovea_arg_info &info, const HostTensor &tensor) {
    bool byRow =
        info.rank > 0 && info.dims[0] && std::string(info.dims[0]) == "rows";
    return byRow ? slices(tensor, rows) : tensor;
  };
  for (size_t i = 0; i < arguments.infos().size(); ++i) {
    const fovea_arg_info &info = arguments.infos()[i];
    if (info.is_result) {
      sample.results.push_back(pick(info, arguments.tensor(i)));
      continue;
    }
    const HostValue &from = arguments.inputs()[i];
    HostValue value;
    value.name = from.name;
    value.isScalar = from.isScalar;
    value.isCache = from.isCache;
    value.i = from.i;
    value.f = from.f;
    if (from.isCache) {
      value.tensor = slices(from.tensor, ones);
      value.cachedValues = slices(from.cachedValues, ones);
      for (int64_t c : chosen)
        value.tokens.push_back(from.tokens[size_t(c)]);
    } else if (!from.isScalar) {
      value.tensor = pick(info, from.tensor);
    }
    sample.inputs.push_back(std::move(value));
  }
  return sample;
}

void insistOnRight(const Session &session, const Arguments &arguments,
                   mlir::func::FuncOp spec, Progress &progress) {
  progress.show("checking a sample of rows against the reference");
  std::optional<Sample> some;
  if (arguments.batch())
    some = someSequences(arguments, spec);
  llvm::ArrayRef<HostValue> inputs = some ? some->inputs : arguments.inputs();
  llvm::ArrayRef<HostTensor> results =
      some ? some->results : arguments.results();
  size_t rowDims = hasTokenMajorRows(spec) ? 2 : 3;
  auto verification =
      verify(spec, inputs, results, sampleStride(results, rowDims, 96),
             some ? &some->batch : arguments.referenceBatch(), nullptr, {},
             roundingOf(session.target()));
  if (!verification)
    throw Failure(ExitRejected,
                  "reference: " + llvm::toString(verification.takeError()));
  if (!verification->ok)
    throw Failure(ExitCheckFailed, "expected a right result to time, got " +
                                       verification->describe());
}

/// Whether the code of `target` uses 512-bit vectors.
static bool isWide(const std::string &target) {
  for (const TargetInfo &info : allTargets())
    if (info.name == target)
      return info.isa == IsaClass::AVX512;
  return false;
}

namespace {
/// Two buffers on the session's GPU, beyond its caches where there is room.
class CopyMeter {
public:
  explicit CopyMeter(const Session &session) : session(session) {
    for (bytes = size_t(1) << 30; bytes > 4096; bytes /= 2) {
      fovea_status status = allocate();
      if (status == FOVEA_OK)
        return;
      release();
      if (status != FOVEA_NO_MEMORY)
        throw runtimeFailure(status, "copy");
    }
    throw Failure(ExitMachine, "expected device memory to measure a copy with, "
                               "got none beside the call's");
  }
  ~CopyMeter() { release(); }
  CopyMeter(const CopyMeter &) = delete;
  CopyMeter &operator=(const CopyMeter &) = delete;

  /// GB/s of `count` copies, read and written.
  double measure(int count) {
    double start = secondsNow();
    for (int i = 0; i < count; ++i)
      check(fovea_device_copy(session.context(), session.device(), to,
                              session.device(), from, bytes, session.stream()));
    check(fovea_stream_wait(session.context(), session.device(),
                            session.stream()));
    return 2e-9 * double(bytes) * count / (secondsNow() - start);
  }

private:
  fovea_status allocate() {
    fovea_status status =
        fovea_device_alloc(session.context(), session.device(), bytes, &from);
    return status ? status
                  : fovea_device_alloc(session.context(), session.device(),
                                       bytes, &to);
  }
  void release() {
    for (void **memory : {&from, &to}) {
      fovea_device_free(session.context(), session.device(), *memory);
      *memory = nullptr;
    }
  }
  static void check(fovea_status status) {
    if (status != FOVEA_OK)
      throw runtimeFailure(status, "copy");
  }

  const Session &session;
  size_t bytes = 0;
  void *from = nullptr, *to = nullptr;
};
} // namespace

/// Seconds of one of `count` calls that are enqueued one behind the other.
static double enqueued(Call &call, int count) {
  double start = secondsNow();
  for (int i = 0; i < count; ++i)
    call.enqueue();
  call.wait();
  return (secondsNow() - start) / count;
}

/// CPU time of all threads of the process.
static double cpuSecondsNow() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

/// What the rounds took, seconds.
static Measurement summarize(const std::vector<double> &times) {
  Measurement m;
  m.rounds = int(times.size());
  m.medianMs = median(times) * 1e3;
  m.bestMs = *std::min_element(times.begin(), times.end()) * 1e3;
  return m;
}

static Measurement measureOnGpu(const Session &session, Call &call,
                                const Work &work, double seconds,
                                Progress &progress) {
  CopyMeter copy(session);
  copy.measure(1); // clocks
  enqueued(call, 3);
  double estimate = enqueued(call, 1);
  // Launches overlap with runs: a batch is what an engine does in a step.
  int batch = int(std::clamp(0.02 / std::max(estimate, 1e-9), 1.0, 1000.0));
  int rounds =
      int(std::clamp(seconds / (estimate * batch + 0.01), 5.0, 2000.0));
  std::vector<double> times, copies;
  for (int round = 0; round < rounds; ++round) {
    progress.show("measuring " + std::to_string(round + 1) + " of " +
                  std::to_string(rounds));
    copies.push_back(copy.measure(2));
    times.push_back(enqueued(call, batch));
  }
  progress.show("");
  Measurement m = summarize(times);
  m.copyGBs = median(copies);
  m.shareOfCopy = double(work.bytes) / m.bestMs * 1e-6 /
                  *std::max_element(copies.begin(), copies.end());
  return m;
}

Measurement measure(const Session &session, Call &call, const Work &work,
                    double seconds, Progress &progress) {
  if (session.onGpu())
    return measureOnGpu(session, call, work, seconds, progress);
  bool wide = isWide(session.target());
  bool matrix = work.matrix();
  auto peak = [matrix](CeilingMeter &meter, double seconds) {
    return matrix ? meter.matrix(seconds) : meter.fma(seconds);
  };
  CeilingMeter together(session.threads(), wide), alone(1, wide);
  call.run(); // pages, caches, frequencies
  double start = secondsNow();
  call.run();
  double estimate = secondsNow() - start;
  // A slice as long as the call meets the same interruptions.
  double slice = std::clamp(estimate, 0.004, 0.1);
  // Short calls are timed in batches, so that the clock does not show.
  int batch = std::max(1, int(0.002 / std::max(estimate, 1e-9)));
  int rounds =
      int(std::clamp(seconds / (estimate * batch + 4 * slice), 15.0, 2000.0));
  std::vector<double> times, cpuTimes, fma, read, fma1, read1;
  for (int round = 0; round < rounds; ++round) {
    progress.show("measuring " + std::to_string(round + 1) + " of " +
                  std::to_string(rounds));
    fma.push_back(peak(together, slice));
    read.push_back(together.read(slice));
    double cpu = cpuSecondsNow();
    start = secondsNow();
    for (int i = 0; i < batch; ++i)
      call.run();
    times.push_back((secondsNow() - start) / batch);
    cpuTimes.push_back((cpuSecondsNow() - cpu) / batch);
    if (session.threads() > 1) {
      fma1.push_back(peak(alone, slice));
      read1.push_back(alone.read(slice));
    }
  }
  progress.show("");
  Measurement m = summarize(times);
  m.cpuMs = *std::min_element(cpuTimes.begin(), cpuTimes.end()) * 1e3;
  m.fmaGflops = median(fma);
  m.readGBs = median(read);
  m.fmaGflops1 = session.threads() > 1 ? median(fma1) : m.fmaGflops;
  m.readGBs1 = session.threads() > 1 ? median(read1) : m.readGBs;
  // The least disturbed call against the least disturbed ceilings: on a busy
  // machine medians of short and long slices are not disturbed alike.
  m.shareOfFma = double(work.flopsUseful) / m.bestMs * 1e-6 /
                 *std::max_element(fma.begin(), fma.end());
  m.shareOfRead = double(work.bytes) / m.bestMs * 1e-6 /
                  std::max(*std::max_element(read.begin(), read.end()), 1e-9);
  m.fmaIsa = matrix ? "amx-bf16" : wide ? "avx512" : "avx2";
  return m;
}

} // namespace fovea::cli
