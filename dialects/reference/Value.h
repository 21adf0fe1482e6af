// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the reference interpreter computes with: plain tensors of doubles and
// one struct per value type of the dialects. For the interpreter, and for
// whoever hands it arguments or reads its results (verify, tests).
#ifndef FOVEA_DIALECTS_REFERENCE_VALUE_H
#define FOVEA_DIALECTS_REFERENCE_VALUE_H

#include "dialects/reference/Cache.h"
#include "dialects/reference/Rounding.h"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

namespace fovea::reference {

/// A row-major tensor. Whatever the element type of the spec, the elements are
/// doubles: every f32, f16, bf16, i8, i32 and i1 value is one exactly.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<double> data;
  /// Of a table of i64 the elements as they are, for scalar code: a double
  /// holds no word of bits. Empty: `data` is exact.
  std::vector<int64_t> words;

  Tensor() = default;
  /// A tensor of `shape` filled with `value`.
  explicit Tensor(std::vector<int64_t> shape, double value = 0)
      : shape(std::move(shape)) {
    data.assign(static_cast<size_t>(size()), value);
  }

  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  int64_t dim(int64_t axis) const { return shape[axis]; }

  /// Number of elements.
  int64_t size() const {
    int64_t n = 1;
    for (int64_t extent : shape)
      n *= extent;
    return n;
  }

  /// Position of the element at the leading `index...`; indices that are not
  /// given are 0, so that offset(b, h, i) is where a row begins.
  template <typename... Index>
  int64_t offset(Index... index) const {
    int64_t position = 0;
    size_t axis = 0;
    ((position = position * shape[axis++] + static_cast<int64_t>(index)), ...);
    for (; axis < shape.size(); ++axis)
      position *= shape[axis];
    return position;
  }

  template <typename... Index>
  double &operator()(Index... index) {
    assert(sizeof...(index) == shape.size());
    return data[offset(index...)];
  }
  template <typename... Index>
  double operator()(Index... index) const {
    assert(sizeof...(index) == shape.size());
    return data[offset(index...)];
  }
};

/// A tensor with a kv format: codes, and one scale per token and head.
struct Encoded {
  Tensor codes;  ///< [b, h, s, d]
  Tensor scales; ///< [b, h, s]
};

/// Keys (and values) averaged over groups of consecutive tokens, anchored at
/// token 0. Row t of level L stands for the tokens [t * L, (t + 1) * L) that
/// exist; attention with lengths pools again over those below the length.
struct Pyramid {
  Element element = Element::F32; ///< the type that pooled rows are rounded to
  std::vector<int64_t> levels;
  std::vector<Tensor> keys;   ///< one per level, [b, h, ceildiv(s, L), d]
  std::vector<Tensor> values; ///< as keys; empty if only keys are pooled
};

/// Where the blocks of a score array lie in the sequences.
struct Blocks {
  int64_t queryBlock = 1, unit = 1;
  int64_t queries = 0;          ///< number of queries of the call
  std::vector<int64_t> offsets; ///< [b]: token index of query 0
  std::vector<int64_t> lengths; ///< [b]: number of keys
};

/// One score per (query block, key block); -inf where there is no live element.
/// Over a cache the units are pages: lengths and offsets are then counted from
/// the first token of its paged segment, and token-major rows are owners of
/// their own, [rows, query head, 1, page], with one length and offset each.
/// Behind `normalize` they are shares, and 0 stands for -inf.
struct Scores {
  Blocks blocks;
  bool shares = false;
  Tensor values; ///< [b, query head, query block, key block]
};

/// One level per (query block, key block): 0 skips the block, 1 is full
/// resolution, L > 1 reads level L of a pyramid.
struct Levels {
  int64_t queryBlock = 1, unit = 1;
  Tensor values; ///< [b, query head, query block, key block]
};

/// The key blocks, or the pages, that each query block attends to. Token-major
/// rows are owners of their own: [rows, query head, 1].
struct List {
  int64_t queryBlock = 1, unit = 1;
  std::vector<int64_t> shape;              ///< [b, query head, query block]
  std::vector<std::vector<int64_t>> units; ///< one list per owner, row-major
};

/// A scalar operand: `index` and integers in i, floats in f.
struct Scalar {
  int64_t i = 0;
  double f = 0;
  /// Why it is meaningless (computed by a division by 0, say); null if it is
  /// good.
  const char *fault = nullptr;
};

using Value =
    std::variant<Tensor, Encoded, Pyramid, Scores, Levels, List, Scalar, Cache>;

/// The smallest number of blocks of `unit` that cover `n`.
inline int64_t ceilDiv(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit;
}

} // namespace fovea::reference

#endif // FOVEA_DIALECTS_REFERENCE_VALUE_H
