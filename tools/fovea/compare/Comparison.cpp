// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Holding two kernels against each other and bringing their numbers together.
#include "tools/fovea/compare/Comparison.h"

#include <tuple>

namespace fovea::cli {

/// Pairs (row, token) that are kept of each kernel.
static constexpr int64_t kMaxPairs = int64_t(1) << 24;

static std::string extents(const HostTensor &tensor) {
  std::string text;
  for (int64_t extent : tensor.shape)
    text += (text.empty() ? "[" : ", ") + std::to_string(extent);
  return text + "]";
}

void checkComparable(const Side &mine, const Side &dense) {
  for (Use use : {Use::Query, Use::Key, Use::Value}) {
    const char *role = use == Use::Query ? "queries"
                       : use == Use::Key ? "keys"
                                         : "values";
    auto names = [use](const Side &side) {
      std::string list;
      for (const SpecArgument &argument : argumentsOf(side.kernel()))
        if (argument.use == use)
          list += (list.empty() ? "'" : ", '") + argument.name + "'";
      return list.empty() ? std::string("none") : list;
    };
    if (names(mine) != names(dense))
      throw Failure(ExitRejected, std::string("expected both kernels to call "
                                              "their ") +
                                      role + " the same, got " + names(mine) +
                                      " and " + names(dense));
    if (names(mine) == "none" && mine.cache())
      continue;
    if (mine.argument(use).shape != dense.argument(use).shape)
      throw Failure(ExitRejected, "expected both kernels to take " +
                                      names(mine) + " of one shape, got " +
                                      extents(mine.argument(use)) + " and " +
                                      extents(dense.argument(use)));
  }
  const Sequences &s = mine.arguments().sequences(),
                  &t = dense.arguments().sequences();
  if (s.rows != t.rows || s.lengths != t.lengths || s.prefix != t.prefix)
    throw Failure(ExitRejected, "expected both kernels to run over the same "
                                "sequences, got " +
                                    mine.arguments().shapeText() + " and " +
                                    dense.arguments().shapeText());
  const HostTensor &a = mine.arguments().results().front(),
                   &b = dense.arguments().results().front();
  bool ranked = a.shape.size() == 4 || (mine.cache() && a.shape.size() == 3);
  if (a.shape != b.shape || !ranked)
    throw Failure(
        ExitRejected,
        std::string("expected both kernels to give one [b, h, sq, d] ") +
            (mine.cache() ? "or [rows, h, d] " : "") + "result, got " +
            extents(a) + " and " + extents(b));
}

int64_t strideFor(const Side &dense) {
  int64_t pairs = dense.queryRows() * dense.tokens();
  // Odd, so that the sample does not stay on one place of every tile.
  return pairs <= kMaxPairs ? 1 : (pairs / kMaxPairs) | 1;
}

Comparison compare(Side &mine, Side &dense, double seconds) {
  Comparison c;
  int64_t pairs = dense.table().pairs();
  c.density = pairs ? double(mine.table().pairs()) / double(pairs) : 0;
  c.mass = weigh(mine.table(), dense.table(), dense.batches(), dense.heads());
  c.error =
      compareOutputs(mine.arguments().results().front(),
                     dense.arguments().results().front(), dense.rowOffsets());
  if (seconds > 0)
    std::tie(c.mine, c.dense) = timeInTurn(
        mine.session(), mine.call(), dense.session(), dense.call(), seconds);
  return c;
}

} // namespace fovea::cli
