// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// --tree=-1,0,0,1: the rows of a call as trees of drafts, for kernels whose
// mask says `tree`.
#ifndef FOVEA_TOOLS_FOVEA_TREEROWS_H
#define FOVEA_TOOLS_FOVEA_TREEROWS_H

#include "tools/fovea/Cli.h"
#include "tools/fovea/Shape.h"

#include <cstdint>
#include <string>
#include <vector>

namespace fovea::cli {

/// What --tree says: parents, from the command line or a file, or that they are
/// random.
class TreeRows {
public:
  /// Parses "" (chains), "random", "-1,0,0" or "FILE.npy"; a Failure says what
  /// is wrong.
  explicit TreeRows(const std::string &text);

  bool given() const { return isRandom || !parents.empty(); }
  /// How many sequences and rows of each the parents are for, as far as their
  /// shape says it: to be taken where --shape gives none. 0: it does not.
  int64_t sequences() const { return count; }
  int64_t rows() const { return isRandom ? 0 : perSequence; }

  /// For every row of the batch the number of its parent among the rows of its
  /// sequence, or -1. A Failure if the parents are too few or too many, or are
  /// no trees. Where all sequences have as many rows as there are parents, all
  /// are such a tree.
  std::vector<int32_t> forBatch(const Sequences &batch, uint64_t seed) const;

private:
  void parseList(const std::string &text);
  void readFile(const std::string &path);
  [[noreturn]] void fail(const std::string &text) const;

  bool isRandom = false;
  std::string file; ///< "": the command line
  std::vector<int32_t> parents;
  int64_t count = 0, perSequence = 0;
};

/// The numbers of the rows from a root to row `row`.
std::vector<int32_t> pathTo(const int32_t *parents, int64_t row);

/// The path to the deepest row of `n`, the first of these: what a verification
/// would accept at best.
std::vector<int32_t> deepestPath(const int32_t *parents, int64_t n);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_TREEROWS_H
