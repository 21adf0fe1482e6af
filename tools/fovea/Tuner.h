// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Measures candidate schedules of one call against the built-in ones. For
// `fovea tune`; compiles, checks and times through the same path as bench.
#ifndef FOVEA_TOOLS_FOVEA_TUNER_H
#define FOVEA_TOOLS_FOVEA_TUNER_H

#include "tools/fovea/Arguments.h"
#include "tools/fovea/SpecModule.h"

#include "codegen/target/Candidates.h"

#include <memory>
#include <string>
#include <vector>

namespace fovea::cli {

/// A gain below this share of the time is not worth an entry, whatever the
/// noise.
constexpr double kLeastGain = 0.03;

/// One measured candidate.
struct Trial {
  TuningAxis axis;
  TuningEntry entry;
  double ms = 0, ratio = 1; ///< best time, and over that of the default
};

/// What became of one kind of stream.
struct TuningResult {
  TuningEntry standard; ///< what the built-in table has
  double standardMs = 0;
  /// By which share of the time two copies of the default differ, and what a
  /// gain must exceed.
  double noise = 0, threshold = 0;
  std::vector<Trial> trials;
  TuningEntry best;
  double gain = 0;  ///< share of the default's time, measured again; 0: none
  bool kept = true; ///< the default, as the gain is below the threshold
};

class Tuner {
public:
  /// Compiles the spec with the built-in schedules and checks its result.
  /// `seconds` is about how long a candidate is measured.
  Tuner(const SpecOptions &spec, const CallOptions &call, int threads,
        double seconds, Progress &progress);
  ~Tuner();

  const Session &session() const { return *standard->session; }
  const Arguments &arguments() const { return *standard->arguments; }

  /// The streams that the call runs, each once, with the built-in schedules.
  std::vector<TuningEntry> subjects() const;
  TuningResult tune(const TuningEntry &subject);

private:
  /// A compiled kernel with arguments and a plan.
  struct Built {
    std::unique_ptr<Session> session;
    std::unique_ptr<Arguments> arguments;
    std::unique_ptr<Call> call;
  };

  std::unique_ptr<Built> build(const TuningTable &table);
  std::unique_ptr<Built> buildEntry(const TuningEntry &entry);
  std::pair<double, double> time(Built &candidate, double forSeconds);
  bool runs(const Built &built, StreamKind kind) const;

  SpecOptions spec;
  CallOptions call;
  int threads;
  double seconds;
  Progress &progress;
  std::unique_ptr<Built> standard;
  std::unique_ptr<SpecModule> module;
};

/// "AMD EPYC, family 26, model 2": what a table was measured on.
std::string processorName();

/// What distinguishes an entry from others of its key.
std::string scheduleText(const TuningEntry &entry);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_TUNER_H
