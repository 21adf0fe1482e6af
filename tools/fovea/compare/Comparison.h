// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Two kernels on the same inputs: what the first leaves out, how far its output
// is off, what it saves. The numbers behind `fovea compare`.
#ifndef FOVEA_TOOLS_FOVEA_COMPARE_COMPARISON_H
#define FOVEA_TOOLS_FOVEA_COMPARE_COMPARISON_H

#include "tools/fovea/Arguments.h"
#include "tools/fovea/SpecModule.h"
#include "tools/fovea/Work.h"
#include "tools/fovea/compare/Mass.h"
#include "tools/fovea/compare/OutputError.h"
#include "tools/fovea/compare/PhaseTimes.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fovea::cli {

/// The kernels and how both are called.
struct CompareOptions {
  SpecOptions mine, dense;
  std::vector<std::string> defines; ///< each goes to the specs that have it
  CallOptions call;                 ///< likewise
  int threads = 1;
  double seconds = 1; ///< of measuring; 0: none
};

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

struct Comparison {
  double density = 0; ///< rows of keys attended to, of the dense kernel's
  MassReport mass;
  ErrorReport error;
  CallTime mine, dense;
  double speedUp() const { return mine.ms > 0 ? dense.ms / mine.ms : 0; }
  double attentionSpeedUp() const {
    double ms = mine.attentionMs();
    return ms > 0 ? dense.attentionMs() / ms : 0;
  }
};

/// "spec.mlir" with its defines: those of `defines` whose parameter it has.
SpecOptions withDefines(SpecOptions spec,
                        const std::vector<std::string> &defines);
/// Names of the parameters ${NAME} of a spec.
std::vector<std::string> parametersOf(const std::string &path);

/// A Failure if the kernels do not read the same cache, or an option of the
/// call names what neither has.
void checkNames(const Session &mine, const Session &dense,
                const CallOptions &call);

/// A Failure if the two cannot be compared.
void checkComparable(const Side &mine, const Side &dense);

/// Every how many rows are evaluated.
int64_t strideFor(const Side &dense);

/// Both are evaluated.
Comparison compare(Side &mine, Side &dense, double seconds);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_COMPARE_COMPARISON_H
