// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention over plain data: what one query row sees, and what it makes of it.
// The heart of the reference; the ops of attn only gather its inputs. Private
// to the interpreter.
#ifndef FOVEA_DIALECTS_REFERENCE_ATTEND_H
#define FOVEA_DIALECTS_REFERENCE_ATTEND_H

#include "dialects/reference/Interpreter.h"
#include "dialects/reference/ScalarProgram.h"

#include <optional>

namespace fovea::reference {

/// Keys and values by level. Plain tensors are level 1 alone.
struct Source {
  std::vector<int64_t> levels;
  std::vector<const Tensor *> keys, values; ///< one per level
};

/// The tokens of one sequence of a cache.
struct CachedTokens {
  const Cache *cache = nullptr;
  uint64_t sequence = 0;
  bool tree = false; ///< its uncommitted rows are one, and the mask knows it
  const double *keys = nullptr, *values = nullptr; ///< [token][head][dim]
  std::vector<int64_t> pages;                      ///< Cache::pages
  int64_t pageCount = 0;
  int64_t rows = 0;     ///< of the call
  int64_t firstRow = 0; ///< where they begin; only of token-major rows
};

/// Everything that attention reads.
struct AttentionInputs {
  /// [b, query head, sq, d], or [rows, query head, d] over a cache.
  const Tensor *query = nullptr;
  Source source;
  /// One per sequence of the batch, instead of `source`; empty without a cache.
  std::vector<CachedTokens> cached;
  int64_t cachedHeads = 0, cachedValueDim = 0; ///< 0: no cache
  double scale = 1;
  std::vector<int64_t> offsets; ///< [b]: token index of query 0
  std::vector<int64_t> lengths; ///< [b]: keys of the sequence
  /// (b, h, q, length, offset; k) -> i1, or a level as an integer.
  std::optional<ScalarProgram> mask;
  bool masksTree = false; ///< the mask asks for the tree of the batch
  /// (b, h, q, length, offset; s, k) -> s, applied one after the other.
  std::vector<ScalarProgram> score;
  /// (b, h, q, length, offset; p, k) -> p.
  std::optional<ScalarProgram> prob;
  const Tensor *sinks = nullptr; ///< [query head]: score of a key of value 0
  const Levels *levels = nullptr;
  const List *list = nullptr;
  int64_t stride = 1; ///< only every stride-th row is evaluated
  /// Gets every evaluated row, and which attention this is. May be null.
  const std::function<void(const WeighedRow &)> *weigh = nullptr;
  int64_t op = 0;

  bool ragged() const { return query->rank() == 3; }
  int64_t batches() const {
    return ragged() ? static_cast<int64_t>(cached.size()) : query->dim(0);
  }
  int64_t heads() const { return query->dim(1); }
  /// Rows of sequence `b`.
  int64_t queries(int64_t b) const {
    return ragged() ? cached[b].rows : query->dim(2);
  }
  /// Number of rows of the tensors; the lengths are at most that.
  int64_t tokens() const;
  int64_t keyHeads() const {
    return !cachedHeads ? source.keys[0]->dim(1) : cachedHeads;
  }
  int64_t keyDim() const { return query->shape.back(); }
  int64_t valueDim() const {
    return !cachedHeads ? source.values[0]->dim(3) : cachedValueDim;
  }
  /// The key head that serves query head `h`: heads come in groups.
  int64_t keyHead(int64_t h) const { return h / (heads() / keyHeads()); }
  /// Where the numbers of row i of (b, h) are, counted in rows, in the query
  /// and in every result.
  int64_t rowOf(int64_t b, int64_t h, int64_t i) const {
    return ragged() ? (cached[b].firstRow + i) * heads() + h
                    : (b * heads() + h) * query->dim(2) + i;
  }
  const double *key(int64_t b, int64_t h, int64_t index, size_t level) const;
  const double *value(int64_t b, int64_t h, int64_t index, size_t level) const;
};

/// A key, or a pooled row of keys, that a query sees.
struct VisibleRow {
  int64_t token; ///< the first token that the row stands for
  int64_t index; ///< of the row in its level
  size_t level;  ///< which of the source's levels, not the pooling factor
  double score;
};

/// Finds what rows see; one per thread, for it holds the scalar programs'
/// registers.
class RowReader {
public:
  explicit RowReader(const AttentionInputs &inputs);

  /// Starts row (b, h, query i of the call).
  void begin(int64_t b, int64_t h, int64_t i);

  /// The level of token `k` below the length: 0 is invisible, and so is a level
  /// that the source does not have.
  int64_t levelOf(int64_t k);

  /// Everything that the row sees, level by level, with finished scores. Rows
  /// with a score of -inf are left out: they weigh nothing.
  llvm::ArrayRef<VisibleRow> visible();

  /// The score of the row's sink; -inf if it has none.
  double sink();

  /// The `prob` region's value for probability `p` of a visible row.
  double probability(double p, const VisibleRow &row);

  /// The largest finite |score| seen so far, before and after the score region.
  double maxScore() const { return largest; }
  /// Why the result is meaningless; null if it is good.
  const char *faultOf() const { return fault; }
  /// Why the mask or a modifier has no meaning for some pair, which is hidden
  /// then; null if there is none.
  const char *hiddenBy() const { return hidden; }

private:
  bool chosen(int64_t k) const;
  /// What masks and modifiers know as the index of token `t`.
  int64_t position(int64_t t) const {
    const CachedTokens *tokens =
        inputs.cachedHeads ? &inputs.cached[b] : nullptr;
    return tokens && tokens->tree
               ? tokens->cache->treePosition(tokens->sequence, t)
               : t;
  }
  double scoreOf(const double *query, const VisibleRow &row);

  const AttentionInputs &inputs;
  ScalarProgram::Frame mask, prob;
  std::vector<ScalarProgram::Frame> score;
  int64_t b = 0, h = 0, i = 0;
  std::vector<int64_t> tokenLevels;
  std::vector<bool> chosenUnits;
  std::vector<VisibleRow> rows;
  double largest = 0;
  const char *fault = nullptr, *hidden = nullptr;
};

/// A softmax over rows: weights exp(score - m) and their sum l.
struct Softmax {
  double m, l;
  std::vector<double> weights;
};
/// The sink counts in m and l and has no weight of its own. m = -inf and l = 0
/// if there is nothing; NaN scores make everything NaN.
Softmax softmax(llvm::ArrayRef<VisibleRow> rows, double sink);

/// Running state of attention: o is not divided by l; natural logarithms.
struct State {
  Tensor o; ///< [b, h, sq, dv], or [rows, h, dv]
  Tensor m; ///< [b, h, sq], or [rows, h]
  Tensor l; ///< as m
};
/// The finished result.
struct Attended {
  Tensor o;   ///< [b, h, sq, dv], or [rows, h, dv]
  Tensor lse; ///< [b, h, sq], or [rows, h]
};

llvm::Expected<Attended> attend(const AttentionInputs &inputs, Report &report);
llvm::Expected<State> attendPartially(const AttentionInputs &inputs,
                                      Report &report);
/// The result of attention over the union of disjoint parts.
Attended merge(llvm::ArrayRef<State> parts);

} // namespace fovea::reference

#endif // FOVEA_DIALECTS_REFERENCE_ATTEND_H
