// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a stage that is no attention reads, computes and writes, in numbers that
// outlive the tile program. For counting its work.
#ifndef FOVEA_TOOLS_FOVEA_STAGEFACTS_H
#define FOVEA_TOOLS_FOVEA_STAGEFACTS_H

#include "passes/analysis/StreamInfo.h"
#include "tools/fovea/Session.h"

#include <optional>
#include <string>
#include <vector>

namespace fovea::cli {

/// A view of the program: an argument, or a buffer.
struct ViewFacts {
  /// mul * ceildiv(dim + add, div); a dim without a name is 1.
  struct Extent {
    std::string dim;
    int64_t mul = 1, add = 0, div = 1;
  };
  std::string argument;        ///< its name; "": a buffer
  std::vector<Extent> extents; ///< of a buffer
  /// Stored bytes of an element, and of what a row has besides (a scale).
  int64_t elementBytes = 0, rowBytes = 0;
};

/// The fields that a role does not have are empty.
struct StageFacts {
  StageRole role;
  ViewFacts in;           ///< rows, queries or scores that it reads
  ViewFacts keys;         ///< Score
  ViewFacts out;          ///< what it writes
  int64_t unit = 0;       ///< Score: keys of a block; Pool: tokens of a group
  int64_t queryBlock = 0; ///< Score
  int64_t kvGroup = 1;    ///< query heads per KV head
  std::string lengths;    ///< Pool: the argument
  // Choose: how many, as a number or an argument (a scalar, or one by head);
  // neither: what has enough mass.
  std::optional<int64_t> topK;
  std::string amount;
  std::string cache; ///< the argument, of a stage that reads or writes one
  // PageScore and Refresh: the segment whose pages these are, what is kept of a
  // page, and the stored bytes of one key.
  std::string segment;
  int64_t pageTokens = 0, keyBytes = 0, keyDim = 0, heads = 0;
  int64_t bounds = 0, means = 0;
};

/// Of a stage that has not the role Attend.
StageFacts stageFacts(StageInfo &info);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_STAGEFACTS_H
