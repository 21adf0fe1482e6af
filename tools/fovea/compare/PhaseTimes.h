// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How long two calls take, in turn, and how much of it is attention. For
// `fovea compare`.
#ifndef FOVEA_TOOLS_FOVEA_COMPARE_PHASETIMES_H
#define FOVEA_TOOLS_FOVEA_COMPARE_PHASETIMES_H

#include "tools/fovea/Arguments.h"

#include <string>
#include <vector>

namespace fovea::cli {

/// What a phase of a call belongs to, and its time.
struct PhaseTime {
  std::string stage;
  bool attention = false; ///< a stream over values, or what merges its parts
  bool append = false;    ///< stores the step's rows in a cache
  double ms = 0;
  bool selection() const { return !attention && !append; }
};

struct CallTime {
  double ms = 0; ///< median of whole runs
  /// Medians of the phases, run one by one: their sum is a little above `ms`,
  /// by what starting a phase costs.
  std::vector<PhaseTime> phases;
  double attentionMs() const;
  double appendMs() const;
  /// Everything else: pooling, scores, choice, encoding, metadata of pages.
  double selectionMs() const;
};

/// The phases of a planned call, without times.
std::vector<PhaseTime> phasesOf(const Session &session, const Call &call);

/// Runs both for about `seconds` in all, turn by turn.
std::pair<CallTime, CallTime> timeInTurn(const Session &first, Call &firstCall,
                                         const Session &second,
                                         Call &secondCall, double seconds);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_COMPARE_PHASETIMES_H
