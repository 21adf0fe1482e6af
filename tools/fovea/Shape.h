// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// --shape=b=2,sq=257,sk=1031: the named dims of a call; and for kernels with a
// cache --shape=rows=[300,1x40],sk=1000: the rows of its sequences.
#ifndef FOVEA_TOOLS_FOVEA_SHAPE_H
#define FOVEA_TOOLS_FOVEA_SHAPE_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fovea::cli {

using Shape = std::map<std::string, int64_t>;

/// What --shape says of one dim.
struct Extent {
  std::vector<int64_t> values; ///< one per sequence if it is a list
  bool isList = false;
};
using Extents = std::map<std::string, Extent>;

/// Parses "b=2,rows=[300,1x40]"; a Failure of usage says what is wrong. Numbers
/// are 0 or more; a suffix K or M multiplies by 1024 or 1048576; in a list NxM
/// is M times N.
Extents parseExtents(const std::string &text);

/// The same where every dim must be a number.
Shape parseShape(const std::string &text);

/// A Failure if `extents` name a dim that is not in `known`.
void checkShapeNames(const Extents &extents,
                     const std::vector<std::string> &known);

/// The sequences of a call: how many rows each has, and how many tokens with
/// them.
struct Sequences {
  std::vector<int64_t> rows, lengths;
  /// The first tokens that all sequences share: forks of the first one.
  int64_t prefix = 0;

  int64_t count() const { return int64_t(rows.size()); }
  int64_t totalRows() const;
  int64_t longest() const;
};

/// Takes b, rows, sk and prefix out of `extents`; what they do not give comes
/// from `defaults`. Rows are called `rowsName` in the kernel ("rows", or "sq"
/// where all sequences have as many); `rows` always names them. Null if a
/// number is given nowhere: `missing` is its name.
std::optional<Sequences> takeSequences(Extents &extents,
                                       const Extents &defaults,
                                       const std::string &rowsName,
                                       std::string &missing);

/// The rest as numbers; a Failure for lists.
Shape numbersOf(const Extents &extents);

/// "b=2,sk=1031,sq=257".
std::string toString(const Shape &shape);

/// "[300,1x40]", or "5" if all are the same.
std::string toString(const std::vector<int64_t> &list);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_SHAPE_H
