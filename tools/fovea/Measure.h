// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Times a call and the ceilings of the machine turn by turn, so that noise
// meets both. For bench and `explain --measure`.
#ifndef FOVEA_TOOLS_FOVEA_MEASURE_H
#define FOVEA_TOOLS_FOVEA_MEASURE_H

#include "tools/fovea/Arguments.h"
#include "tools/fovea/Work.h"

namespace fovea::cli {

struct Measurement {
  double medianMs = 0, bestMs = 0;
  /// The least CPU time of a call, all threads together: what others make it
  /// wait is not in it.
  double cpuMs = 0;
  int rounds = 0;
  /// Medians, on the call's threads; the peak is that of what the kernel's
  /// products are made of, fmaIsa.
  double fmaGflops = 0, readGBs = 0;
  double fmaGflops1 = 0, readGBs1 = 0; ///< on one thread
  /// The best call over the best ceilings of the same run.
  double shareOfFma = 0, shareOfRead = 0;
  std::string fmaIsa; ///< "amx-bf16", "avx512" or "avx2": as the measured code
  /// On a GPU, instead of the others: bytes that a copy reads and writes.
  double copyGBs = 0, shareOfCopy = 0;
};

/// Runs `call` for about `seconds`, at least five times. On a GPU calls are
/// enqueued one behind the other, and a copy on the same stream is the ceiling.
Measurement measure(const Session &session, Call &call, const Work &work,
                    double seconds, Progress &progress);

/// Checks a sample of rows against the reference; a Failure (1) if it is wrong.
void insistOnRight(const Session &session, const Arguments &arguments,
                   mlir::func::FuncOp spec, Progress &progress);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_MEASURE_H
