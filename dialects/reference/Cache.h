// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A KV cache as the language defines it: what the tokens of each sequence hold
// after every rounding, without pages, slots or tables. For the interpreter,
// `fovea verify`, the end-to-end table, and tests of the runtime's caches.
//
// How to use it:
//
//   Cache cache(type);                     // a kernel's argument type
//   cache.create(7);                       // an empty sequence, id 7
//   Batch batch{{7}, {0, 300}};            // 300 rows of sequence 7
//   evaluate(kernel, {q, k, v, cache}, &report, &batch);  // Interpreter.h
//   Cache after = std::get<Cache>(results[1]);
//   after.commit(7);                       // moves tokens between segments
//
// or append(), which does what the kernel's kv.append does. A Cache is a value:
// copies share sequences until one of them changes, so that copying is cheap.
#ifndef FOVEA_DIALECTS_REFERENCE_CACHE_H
#define FOVEA_DIALECTS_REFERENCE_CACHE_H

#include "dialects/kv/KVTypes.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace fovea::reference {
struct Tensor;

/// Which rows of a call belong to which sequence.
struct Batch {
  std::vector<uint64_t> sequences;
  /// n + 1 offsets into the rows of the call, from 0. Where the rows are not
  /// token-major, every sequence has as many as there are positions.
  std::vector<int64_t> rows;
  /// Token index of the first row of each sequence; empty: its last tokens. A
  /// kernel that appends takes no others.
  std::vector<int64_t> first;
  /// For every row of the call the number of its parent among the uncommitted
  /// rows of its sequence, or -1; empty: chains. Only where rows are appended.
  std::vector<int64_t> parents;

  int64_t size() const { return static_cast<int64_t>(sequences.size()); }
  int64_t rowsOf(int64_t i) const { return rows[i + 1] - rows[i]; }
};

/// The tokens [begin, end) of a segment.
struct TokenRange {
  int64_t begin, end;
};

class Cache {
public:
  explicit Cache(kv::CacheType type);

  kv::CacheType type() const { return cacheType; }

  /// Adds an empty sequence.
  llvm::Error create(uint64_t sequence);
  /// `child` starts with the first `length` committed tokens of `parent`. Fails
  /// where those would have to come back from another segment.
  llvm::Error fork(uint64_t parent, int64_t length, uint64_t child);
  /// Forgets all tokens from `length` on. Fails as fork does.
  llvm::Error trim(uint64_t sequence, int64_t length);
  llvm::Error free(uint64_t sequence);

  /// Adds rows of every sequence of the batch, uncommitted: key and value are
  /// [rows, heads, dim] or [b, heads, rows, dim]. They are rounded to `new`.
  llvm::Error append(const Batch &batch, const Tensor &key,
                     const Tensor &value);
  /// Keeps of the uncommitted rows keep[0..], in this order, forgets the
  /// others, and moves tokens between segments. Without `keep` all rows stay.
  llvm::Error commit(uint64_t sequence,
                     std::optional<llvm::ArrayRef<int64_t>> keep = {});

  bool contains(uint64_t sequence) const;
  /// All tokens of a sequence, and those that are committed.
  int64_t length(uint64_t sequence) const;
  int64_t committed(uint64_t sequence) const;
  /// One per segment of the type's plan (`new` last where there is one). Tokens
  /// between two ranges are gone.
  std::vector<TokenRange> ranges(uint64_t sequence) const;
  /// How many tokens before `recent` are gone: `rope = slot` shifts by it.
  int64_t dropped(uint64_t sequence) const;
  /// Position of a token for the rotation: its index, or its rank; of an
  /// uncommitted row what that index is in treePosition.
  int64_t position(uint64_t sequence, int64_t token) const;
  /// Whether some uncommitted row does not follow the one before it.
  bool isTree(uint64_t sequence) const;
  /// Index that a token would have if the path to it was committed: the number
  /// of committed tokens plus the depth of an uncommitted row.
  int64_t treePosition(uint64_t sequence, int64_t token) const;
  /// Whether token q sees token k in the tree of uncommitted rows: k is
  /// committed and not later, or an ancestor of q, or q.
  bool inTree(uint64_t sequence, int64_t q, int64_t k) const;

  /// Tokens as they are stored, decoded: [token][head][dim]. NaN where a token
  /// is gone.
  const std::vector<double> &keys(uint64_t sequence) const;
  const std::vector<double> &values(uint64_t sequence) const;

  /// For each token the page of `all` or `older` that holds it, `elsewhere` for
  /// a token of another segment (or of one without pages), `gone` for none.
  static constexpr int64_t elsewhere = -1, gone = -2;
  std::vector<int64_t> pages(uint64_t sequence) const;
  /// The metadata `kept` of every page, in f32: for minmax
  /// [page][head][2][dim], for mean [page][head][dim].
  std::vector<double> metadata(uint64_t sequence,
                               const kv::CacheKept &kept) const;

private:
  struct Sequence {
    int64_t tokens = 0, committed = 0;
    std::vector<double> keys, values;
    std::vector<int64_t> parents; ///< of uncommitted rows
  };

  llvm::Expected<Sequence *> find(uint64_t sequence);
  const Sequence &at(uint64_t sequence) const;
  /// The ranges of a sequence of `tokens` tokens, `committed` of them so.
  std::vector<TokenRange> rangesOf(int64_t committed, int64_t tokens) const;
  /// Whether a sequence can become its first `length` committed tokens.
  llvm::Error checkCut(const Sequence &sequence, int64_t length) const;
  void cut(Sequence &sequence, int64_t length) const;
  void forget(std::vector<double> &rows, int64_t begin, int64_t end,
              int64_t dim) const;
  void move(Sequence &sequence, int64_t before) const;

  kv::CacheType cacheType;
  std::vector<kv::SegmentPlan> segments;
  std::map<uint64_t, std::shared_ptr<Sequence>> sequences;
};

} // namespace fovea::reference

#endif // FOVEA_DIALECTS_REFERENCE_CACHE_H
