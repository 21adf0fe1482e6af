// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The reference interpreter: what a kernel means, in float64. For verify, the
// end-to-end table and everybody who wonders what an op does. Inputs are the
// stored values; nothing is rounded on the way except where the language says
// so (encode, pooled rows, shares, truncf).
#ifndef FOVEA_DIALECTS_REFERENCE_INTERPRETER_H
#define FOVEA_DIALECTS_REFERENCE_INTERPRETER_H

#include "dialects/reference/Tolerance.h"
#include "dialects/reference/Value.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/Support/Error.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace fovea::reference {

/// One query row of the call; over a cache `batch` is the index in the batch
/// and `query` that of the row among those of its sequence.
struct Row {
  int64_t batch, head, query;
};

/// What one op lets a row see.
struct Sight {
  std::string op; ///< "attn.attention"
  /// First token and number of tokens of every visible row of keys.
  std::vector<std::pair<int64_t, int64_t>> keys;
};

/// A row of keys that a query sees, and what it weighs.
struct WeighedKeys {
  int64_t token, count; ///< the tokens that it stands for
  int64_t level;        ///< 1, or the pooling factor
  double score;         ///< finished, with the logarithm of `count`
};
/// What attention number `op` of the kernel (from 0, in program order) makes of
/// one row of the call. A key's probability is exp(score - lse).
struct WeighedRow {
  int64_t op;
  Row row;
  int64_t position; ///< of the row among those of the result
  int64_t keyHead;
  llvm::ArrayRef<WeighedKeys> keys;
  double lse; ///< -inf where the row sees nothing
};

/// What an evaluation tells besides the results.
struct Report {
  /// In: the row whose visible keys are wanted.
  std::optional<Row> row;
  /// In: attention evaluates only every `stride`-th row of (b, head, query),
  /// or of (row, head) where rows are token-major;
  /// the others are 0. For a sample of a call too large to evaluate whole.
  int64_t stride = 1;
  /// In: what queries and keys are rounded to once they are rotated, as GPUs
  /// have it; nothing on a CPU.
  std::optional<Element> rotated;
  /// The largest finite magnitude of a visible score: the accuracy rule's s.
  double maxScore = 0;
  /// The largest |o| that weights of at most 1 give: of a value, or where o is
  /// not divided by the sum of its weights, of a value times that sum.
  double maxValue = 0;
  /// Why a mask or modifier has no meaning for a pair, which is hidden then
  /// (mask_s3, modifier_s1): one reason of those there are, null if there is
  /// none.
  const char *hidden = nullptr;
  /// Some attention changes probabilities by a region.
  bool prob = false;
  /// What `row` sees, one entry per attention, in program order.
  std::vector<Sight> sights;
  /// In: gets every row that attention evaluates; called by several threads at
  /// once, by each with other rows. May be empty.
  std::function<void(const WeighedRow &)> weigh;
  /// How many attentions the kernel has.
  int64_t attentions = 0;
};

/// Evaluates `kernel` on `arguments`, one value per argument of the function
/// (a tensor with a format is one `Encoded`). A kernel with a cache needs the
/// `batch` of the call; what it appends is in the cache that it returns, and
/// the argument stays as it was. Fails on arguments of the wrong kind or shape,
/// on lengths, tables and lists out of range, and on ops that have no place in
/// a kernel.
llvm::Expected<std::vector<Value>> evaluate(mlir::func::FuncOp kernel,
                                            llvm::ArrayRef<Value> arguments,
                                            Report *report = nullptr,
                                            const Batch *batch = nullptr);

/// Which bound of the accuracy rule holds for a value that a kernel returns.
Role roleOf(mlir::Value result);

/// The storage type of a tensor's or scalar's element; `index` is I64.
Element elementOf(mlir::Type type);

} // namespace fovea::reference

#endif // FOVEA_DIALECTS_REFERENCE_INTERPRETER_H
