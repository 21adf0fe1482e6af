// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How long a planned call should take, item by item, from the work that the
// plan counts and what the machine can do. docs/explain.md states the model.
#ifndef FOVEA_TOOLS_FOVEA_PREDICT_H
#define FOVEA_TOOLS_FOVEA_PREDICT_H

#include "tools/fovea/Work.h"

#include <string>
#include <vector>

namespace fovea::cli {

/// What the machine can do, measured in this process.
struct Ceilings {
  double fmaGflops = 0, readGBs = 0; ///< on the call's threads
  double fmaGflops1 = 0;             ///< on one
  double matrixGflops = 0; ///< of the matrix unit, if the work uses it
  double peakGflops() const { return matrixGflops ? matrixGflops : fmaGflops; }
  /// Reads of a buffer as large as what the call reads: caches may hold it.
  double footprintGBs = 0;
};
Ceilings measureCeilings(const Session &session, const Work &work);

/// Where the cycles of a stream go, in milliseconds of one thread.
struct TimeParts {
  double products = 0, softmax = 0, mask = 0, score = 0, tiles = 0, keys = 0,
         rows = 0;
  double sum() const {
    return products + softmax + mask + score + tiles + keys + rows;
  }
  void add(const TimeParts &other, double times = 1);
};

struct StreamTime {
  std::vector<double> items; ///< ms each, in the order of the plan
  TimeParts parts;           ///< of all items
  double longestMs = 0, meanMs = 0;
  /// Of the busiest thread where each takes the next item when it is free, and
  /// that over the mean of all threads: 1 is perfect balance.
  double spanMs = 0, balance = 1;
};

struct Prediction {
  Ceilings ceilings;
  std::vector<StreamTime> streams;
  double fmaMs = 0;     ///< executed FLOPs at the peak of products: a floor
  double readMs = 0;    ///< bytes at the read bandwidth from memory: a floor
  double computeMs = 0; ///< the model of the streams, threads and all
  double memoryMs = 0;  ///< bytes at the bandwidth for what they take
  double ms() const { return std::max(computeMs, memoryMs); }
  TimeParts parts() const;
};
Prediction predict(const Session &session, const Work &work);

/// Cycles to copy an element of keys or values into a tile of its own.
constexpr double kGatherCycles = 0.1;

/// Milliseconds of one item of `stream` at a tile of `classRows` x `keys`.
TimeParts timeOf(const StreamWork &stream, const ItemWork &item,
                 const PartWork &part, double cyclesPerMs, int vectorLanes);
/// Cycles of this machine per millisecond (two vector FMAs each), and floats
/// of a vector of the target's code.
double cyclesPerMs(const Session &session, const Ceilings &ceilings);
int vectorLanes(const Session &session);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_PREDICT_H
