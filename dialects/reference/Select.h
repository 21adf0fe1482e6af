// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pooling, block scores and choosing over plain data: the meaning of the ops of
// sel and of the number formats of kv. Private to the interpreter.
#ifndef FOVEA_DIALECTS_REFERENCE_SELECT_H
#define FOVEA_DIALECTS_REFERENCE_SELECT_H

#include "dialects/reference/Rounding.h"
#include "dialects/reference/ScalarProgram.h"

#include <optional>

namespace fovea::reference {

/// int8 codes with one scale per token and head: scale = max |x| / 127 in f32,
/// code = x / scale in f32, rounded to nearest, ties to even.
Encoded encodeInt8(const Tensor &x);
/// code * scale, exactly.
Tensor decodeInt8(const Encoded &x);

/// The means of `level` consecutive tokens of x [b, h, s, d], as values of type
/// `element`. The last group of a sequence has the tokens below its length;
/// groups without any are 0.
Tensor poolMean(const Tensor &x, int64_t level, Element element,
                llvm::ArrayRef<int64_t> lengths);
/// Level 1 is the tensor itself.
Pyramid pool(const Tensor &key, const Tensor &value,
             llvm::ArrayRef<int64_t> levels, Element element,
             llvm::ArrayRef<int64_t> lengths);

/// What `score` reads.
struct ScoreInputs {
  const Tensor *query = nullptr, *key = nullptr;
  double scale = 1;
  Blocks blocks;
  /// (b, h, q, length, offset; k) -> i1; none: everything is live.
  std::optional<ScalarProgram> mask;
};
/// What a score over a cache reads: the metadata of its pages.
struct PageInputs {
  const Tensor *query = nullptr; ///< [b, head, 1, d] or [rows, head, d]
  /// Of each row of the query: [page][head][2][dim] or [page][head][dim].
  std::vector<const std::vector<double> *> kept;
  int64_t keyHeads = 1;
  bool bound = false; ///< by minmax, else by mean
  double scale = 1;
  Blocks blocks;
};
/// [rows, head, 1, page]; -inf for a page without tokens.
Scores scorePages(const PageInputs &inputs);

/// scale * (mean of the query block . mean of the key block); -inf for a pair
/// of blocks without a live element. `hidden` becomes the reason if the mask
/// has no meaning for some pair, which is hidden then.
llvm::Expected<Scores> scoreBlocks(const ScoreInputs &inputs,
                                   const char *&hidden);

/// The softmax over the key blocks of each row, as f32; -inf becomes 0.
Scores normalize(const Scores &scores);

/// Units that are chosen whatever their score, unless it is -inf.
struct Force {
  bool diagonal = false; ///< key blocks that hold the queries' own tokens
  int64_t first = 0;     ///< the first units of the sequence
  int64_t last = 0;      ///< the last units of the sequence
  bool contains(const Blocks &blocks, int64_t b, int64_t queryBlock,
                int64_t unit) const;
};

/// Units in the order of choice: the forced ones, ascending, then the others by
/// falling score, ties to the lower index. What has no live element, and NaN,
/// is in no list. The first `count(h)` of them, but all that are forced.
List chooseTopK(const Scores &scores,
                llvm::function_ref<int64_t(int64_t h)> count,
                const Force &force, bool ascending);
/// The shortest beginning of that order whose shares sum, in f32, to `share(h)`
/// or more.
List chooseTopP(const Scores &scores,
                llvm::function_ref<double(int64_t h)> share, const Force &force,
                bool ascending);
/// The level of each unit: by falling share, the first level whose bound is
/// greater than the sum of the shares before it, in f32; 0 beyond the last
/// bound. Forced units get level 1.
Levels assignLevels(const Scores &scores, llvm::ArrayRef<int64_t> levels,
                    llvm::ArrayRef<double> bounds, const Force &force);

} // namespace fovea::reference

#endif // FOVEA_DIALECTS_REFERENCE_SELECT_H
