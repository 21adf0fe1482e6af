// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the interpreter knows while it evaluates a function, and the functions
// that evaluate one op each. Private to the interpreter.
#ifndef FOVEA_DIALECTS_REFERENCE_ENVIRONMENT_H
#define FOVEA_DIALECTS_REFERENCE_ENVIRONMENT_H

#include "dialects/attn/Attn.h"
#include "dialects/kv/KV.h"
#include "dialects/reference/Interpreter.h"
#include "dialects/reference/ScalarProgram.h"
#include "dialects/sel/Sel.h"

#include "llvm/ADT/DenseMap.h"

namespace fovea::reference {

/// Values by SSA name.
class Environment {
public:
  Environment(Report &report, const Batch *batch)
      : report(report), batch(batch) {}

  void set(mlir::Value name, Value value) { values[name] = std::move(value); }
  const Value *find(mlir::Value name) const {
    auto it = values.find(name);
    return it == values.end() ? nullptr : &it->second;
  }
  /// The value of `name`, which has the kind that its type implies.
  template <typename T>
  const T &get(mlir::Value name) const {
    return std::get<T>(*find(name));
  }
  /// An environment serves as the Lookup of scalar programs.
  const Value *operator()(mlir::Value name) const { return find(name); }

  Report &report;
  /// The rows of the call; null if it has no cache.
  const Batch *batch;

private:
  llvm::DenseMap<mlir::Value, Value> values;
};

/// Which tokens the rows of a call stand for.
struct Extent {
  std::vector<int64_t> offsets; ///< [b]: token index of query 0
  std::vector<int64_t> lengths; ///< [b]: keys of the sequence
};

/// From the clauses of an op over `queries` rows and `tokens` keys; an absent
/// one is null. Lengths default to `tokens`, offsets to length - queries.
llvm::Expected<Extent> extentOf(const Environment &env, mlir::Value offset,
                                mlir::Value lengths, int64_t batches,
                                int64_t queries, int64_t tokens);

/// The predicate (b, h, q, length, offset; k) of a mask, from its sugar
/// or its region; none if there is neither.
llvm::Expected<std::optional<ScalarProgram>>
maskProgram(const Environment &env, int64_t queryHeads,
            sel::MaskAttrInterface mask, mlir::ValueRange operands,
            mlir::Region *region);

/// The functions (b, h, q, length, offset; s, k) of a score's sugar or region,
/// in the order in which they apply.
llvm::Expected<std::vector<ScalarProgram>>
scorePrograms(const Environment &env, int64_t queryHeads, mlir::ArrayAttr score,
              mlir::ValueRange operands, mlir::Region &region);

/// The function (b, h, q, length, offset; p, k) of a probability region.
llvm::Expected<std::optional<ScalarProgram>> probProgram(const Environment &env,
                                                         mlir::Region &region);

/// The batch of the call, after a check against a cache and the rows of its
/// query: [rows, heads, dim] or [b, heads, rows, dim].
llvm::Expected<const Batch *> batchFor(const Environment &env,
                                       const Cache &cache, const Tensor &query);
/// The token of the first row of sequence `i`.
int64_t firstToken(const Batch &batch, const Cache &cache, int64_t i);

// One function per op; each sets the op's results.
llvm::Error evaluate(attn::AttentionOp op, Environment &env);
llvm::Error evaluate(attn::PartialOp op, Environment &env);
llvm::Error evaluate(attn::MergeOp op, Environment &env);
llvm::Error evaluate(sel::PoolOp op, Environment &env);
llvm::Error evaluate(sel::ScoreOp op, Environment &env);
llvm::Error evaluateScoreOverCache(sel::ScoreOp op, Environment &env);
llvm::Error evaluate(sel::NormalizeOp op, Environment &env);
llvm::Error evaluate(sel::ChooseOp op, Environment &env);
llvm::Error evaluate(sel::ChooseLevelsOp op, Environment &env);
llvm::Error evaluate(sel::LevelsOp op, Environment &env);
llvm::Error evaluate(kv::EncodeOp op, Environment &env);
llvm::Error evaluate(kv::AppendOp op, Environment &env);

} // namespace fovea::reference

#endif // FOVEA_DIALECTS_REFERENCE_ENVIRONMENT_H
