// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One of the two kernels that `fovea compare` holds against each other.
#ifndef FOVEA_TOOLS_FOVEA_COMPARE_SIDE_H
#define FOVEA_TOOLS_FOVEA_COMPARE_SIDE_H

#include "tools/fovea/SpecModule.h"
#include "tools/fovea/Work.h"
#include "tools/fovea/compare/Mass.h"
#include "tools/fovea/compare/Options.h"
#include "tools/fovea/compare/PhaseTimes.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fovea::cli {

/// One kernel, planned, with what its run gave.
class Side {
public:
  /// Makes inputs (those of `like` where it has them) and plans.
  Side(std::unique_ptr<Session> session, const CompareOptions &options,
       const Side *like);

  /// Runs, checks the result against the reference (a Failure if it is wrong)
  /// and notes what the rows see.
  void evaluate(int64_t stride);

  const Session &session() const { return *theSession; }
  const Arguments &arguments() const { return theArguments; }
  Call &call() { return theCall; }
  const Work &work() const { return theWork; }
  const RowTable &table() const { return *rows; }
  mlir::func::FuncOp kernel() const { return spec.kernel(); }

  /// The tensor of the first argument with this use; a Failure if none is.
  const HostTensor &argument(Use use) const;
  /// The cache that the keys and values are in; null: they are arguments.
  const HostCache *cache() const;
  int64_t queryRows() const;
  int64_t batches() const;
  int64_t heads() const;
  int64_t queries() const; ///< of one head, the most of all sequences
  /// Of the sequences over a cache: the first row of each, and how many in all.
  std::vector<int64_t> rowOffsets() const;
  int64_t tokens() const;
  int64_t keyDim() const;
  int64_t valueDim() const;
  /// Of attention over the evaluated rows; see docs/compare.md.
  int64_t flops() const;
  /// FLOPs of the tiles that attention computes; none where the data decides.
  std::optional<int64_t> executedFlops() const;
  int64_t bytes() const;
  /// The phases of the plan, without times, and the work of those that select
  /// or append; selectionWork is of all rows, not only those evaluated.
  const std::vector<PhaseTime> &phases() const { return thePhases; }
  const std::optional<StageWork> &workOf(size_t phase) const {
    return theWork.phases[phase].other;
  }
  StageWork selectionWork() const;
  StageWork appendWork() const;

private:
  std::string nameOf(Use use) const;
  void refuseOtherSources();
  void refuseBadValues() const;

  std::unique_ptr<Session> theSession;
  SpecModule spec;
  Arguments theArguments;
  Call theCall;
  Work theWork;
  std::vector<PhaseTime> thePhases;
  std::optional<RowTable> rows;
};

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_COMPARE_SIDE_H
