// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Interleaved timing.
#include "tools/fovea/Measure.h"
#include "tools/fovea/Ceilings.h"
#include "tools/fovea/Verify.h"

#include "codegen/target/Target.h"

#include <algorithm>

namespace fovea::cli {

/// A stride that leaves about `rows` rows of the call, spread over all heads.
static int64_t sampleStride(const Arguments &arguments, int64_t rows) {
  int64_t total = 0;
  for (const HostTensor &result : arguments.results()) {
    int64_t n = 1;
    for (size_t d = 0; d < result.shape.size() && d < 3; ++d)
      n *= result.shape[d];
    total = std::max(total, n);
  }
  // Odd, so that the sample does not stay on one place of every tile.
  return total <= rows ? 1 : (total / rows) | 1;
}

void insistOnRight(const Arguments &arguments, mlir::func::FuncOp spec,
                   Progress &progress) {
  progress.show("checking a sample of rows against the reference");
  auto verification = verify(spec, arguments.inputs(), arguments.results(),
                             sampleStride(arguments, 96));
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

Measurement measure(const Session &session, Call &call, const Work &work,
                    double seconds, Progress &progress) {
  bool wide = isWide(session.target());
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
  std::vector<double> times, fma, read, fma1, read1;
  for (int round = 0; round < rounds; ++round) {
    progress.show("measuring " + std::to_string(round + 1) + " of " +
                  std::to_string(rounds));
    fma.push_back(together.fma(slice));
    read.push_back(together.read(slice));
    start = secondsNow();
    for (int i = 0; i < batch; ++i)
      call.run();
    double time = (secondsNow() - start) / batch;
    times.push_back(time);
    if (session.threads() > 1) {
      fma1.push_back(alone.fma(slice));
      read1.push_back(alone.read(slice));
    }
  }
  progress.show("");
  Measurement m;
  m.rounds = rounds;
  m.medianMs = median(times) * 1e3;
  m.bestMs = *std::min_element(times.begin(), times.end()) * 1e3;
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
  m.fmaIsa = wide ? "avx512" : "avx2";
  return m;
}

} // namespace fovea::cli
