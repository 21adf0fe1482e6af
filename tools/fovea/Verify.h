// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Holds the results of a kernel against the float64 reference, by the accuracy
// rule. For `fovea verify`, for bench, which refuses to time a wrong result,
// and for the end-to-end table.
#ifndef FOVEA_TOOLS_FOVEA_VERIFY_H
#define FOVEA_TOOLS_FOVEA_VERIFY_H

#include "tools/fovea/SpecArguments.h"

#include "dialects/reference/Interpreter.h"

#include <functional>

namespace fovea {

/// The worst of all results, by error relative to what is allowed.
struct Verification {
  bool ok = true;
  double maxAbsError = 0, maxRelError = 0, tolerance = 0;
  /// Which result, as the function returns them, and where in it. The part is
  /// "", "codes" or "scale".
  unsigned result = 0;
  std::string part;
  std::vector<int64_t> worst;
  double got = 0, want = 0;
  /// Why a mask hides pairs for which it has no value; empty if it has values
  /// for all.
  std::string hidden;
  double maxScore = 0; ///< the largest visible |score|, part of the tolerance
  /// What the row of the worst element sees; filled in on failure only.
  std::vector<reference::Sight> sights;

  /// "result 0 at [0, 3, 17, 5]: got 1, expected 2 (error 1, allowed 1e-06)",
  /// and on failure a line per attention with the visible keys.
  std::string describe() const;
};

/// What kernels round to the type of their queries: a matrix unit of a CPU the
/// weights of bf16 prefills over tensors; a GPU those of all kernels, and
/// queries and keys that it rotates.
enum class Rounding { None, BF16Weights, WeightsAndRotated };

/// Evaluates `kernel` on `arguments` (all arguments outside, in order) and
/// compares `results` (in order; one with a format is two tensors, a cache
/// none). With a `stride` attention is evaluated, and rows (b, head, query) of
/// results are compared, at every stride-th row only. A kernel with caches
/// needs the `batch`; `after` gets those that it returns. `weigh` gets what
/// attention makes of every row that is evaluated: see reference::Report.
/// `rounding` says what the target's kernels round.
llvm::Expected<Verification>
verify(mlir::func::FuncOp kernel, llvm::ArrayRef<HostValue> arguments,
       llvm::ArrayRef<HostTensor> results, int64_t stride = 1,
       const reference::Batch *batch = nullptr,
       std::vector<reference::Cache> *after = nullptr,
       std::function<void(const reference::WeighedRow &)> weigh = {},
       Rounding rounding = Rounding::None);

/// What an evaluation has to tell for allowedError, and how it rounds.
reference::Report reportFor(mlir::func::FuncOp kernel, Rounding rounding);

/// The bound that verify holds a result to, of which the reference gives `want`
/// and has told `report`.
double allowedError(mlir::func::FuncOp kernel, llvm::ArrayRef<double> want,
                    reference::Element element, reference::Role role,
                    const reference::Report &report, Rounding rounding);

/// What those of a target do; nothing for names that are none.
Rounding roundingOf(llvm::StringRef target);

/// "0-16 18 20+4" : single tokens, ranges of them, and pooled rows with their
/// number of tokens.
std::string describeKeys(const reference::Sight &sight);

} // namespace fovea

#endif // FOVEA_TOOLS_FOVEA_VERIFY_H
