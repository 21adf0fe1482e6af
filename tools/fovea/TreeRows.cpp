// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parsing and checking of --tree.
#include "tools/fovea/TreeRows.h"
#include "tools/fovea/Random.h"
#include "tools/fovea/npy/Npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace fovea::cli {

TreeRows::TreeRows(const std::string &text) {
  if (text.empty())
    return;
  static const std::string ending = ".npy";
  if (text == "random")
    isRandom = true;
  else if (text.size() > ending.size() &&
           text.compare(text.size() - ending.size(), ending.size(), ending) ==
               0)
    readFile(text);
  else
    parseList(text);
}

void TreeRows::fail(const std::string &text) const {
  throw Failure(file.empty() ? ExitUsage : ExitRejected,
                (file.empty() ? "" : file + ": ") + text);
}

void TreeRows::parseList(const std::string &text) {
  for (size_t at = 0; at <= text.size();) {
    size_t comma = std::min(text.find(',', at), text.size());
    const char *end = text.data() + comma;
    int32_t parent = 0;
    auto [stop, error] = std::from_chars(text.data() + at, end, parent);
    if (error != std::errc() || stop != end)
      fail("expected --tree to be 'random', FILE.npy or whole numbers with "
           "commas between them, got '" +
           text.substr(at, comma - at) + "' as number " +
           std::to_string(parents.size()));
    parents.push_back(parent);
    at = comma + 1;
  }
  perSequence = int64_t(parents.size());
}

void TreeRows::readFile(const std::string &path) {
  file = path;
  npy::Array array;
  std::string error;
  std::vector<char> bytes;
  if (!npy::read(path, array, error))
    throw Failure(ExitRejected, error);
  if (array.shape.empty() || array.shape.size() > 2 || array.count() == 0) {
    std::string got;
    for (int64_t extent : array.shape)
      got += (got.empty() ? "" : ", ") + std::to_string(extent);
    fail("expected the parents of a tree to be (rows) or (b, rows), got (" +
         got + ")");
  }
  if (!npy::convert(array, FOVEA_DTYPE_I32, path, bytes, error))
    throw Failure(ExitRejected, error);
  parents.resize(size_t(array.count()));
  std::memcpy(parents.data(), bytes.data(), bytes.size());
  perSequence = array.shape.back();
  count = array.shape.size() == 2 ? array.shape[0] : 0;
}

/// Broad trees, deep ones and forests.
static std::vector<int32_t> randomParents(const Sequences &batch,
                                          uint64_t seed) {
  Random random(seed * 0x9e3779b97f4a7c15u + 0x20000);
  std::vector<int32_t> parents;
  for (int64_t n : batch.rows)
    for (int64_t row = 0; row < n; ++row)
      parents.push_back(
          int32_t(random.integer(0, 3)
                      ? random.integer(std::max<int64_t>(row - 4, -1), row - 1)
                      : random.integer(-1, row - 1)));
  return parents;
}

std::vector<int32_t> TreeRows::forBatch(const Sequences &batch,
                                        uint64_t seed) const {
  if (isRandom)
    return randomParents(batch, seed);
  const std::vector<int64_t> &rows = batch.rows;
  int64_t n = int64_t(parents.size());
  bool same =
      std::all_of(rows.begin(), rows.end(), [&](int64_t r) { return r == n; });
  std::vector<int32_t> all;
  if (same)
    for (size_t i = 0; i < rows.size(); ++i)
      all.insert(all.end(), parents.begin(), parents.end());
  else if (n == batch.totalRows())
    all = parents;
  else
    fail("expected " + std::to_string(batch.totalRows()) +
         " parents, one for every row of rows=" + toString(rows) + " and b=" +
         std::to_string(batch.count()) + ", got " + std::to_string(n));
  size_t at = 0;
  for (size_t i = 0; i < rows.size(); ++i)
    for (int64_t row = 0; row < rows[i]; ++row, ++at)
      if (all[at] < -1 || all[at] >= row)
        fail("expected the parent of row " + std::to_string(row) +
             " of sequence " + std::to_string(i) + " (number " +
             std::to_string(at % size_t(n)) +
             " of the tree) to be -1 or one of the " + std::to_string(row) +
             " rows before it, got " + std::to_string(all[at]));
  return all;
}

std::vector<int32_t> pathTo(const int32_t *parents, int64_t row) {
  std::vector<int32_t> path;
  for (; row >= 0; row = parents[row])
    path.push_back(int32_t(row));
  std::reverse(path.begin(), path.end());
  return path;
}

std::vector<int32_t> deepestPath(const int32_t *parents, int64_t n) {
  std::vector<int64_t> depth;
  int64_t deepest = -1;
  for (int64_t row = 0; row < n; ++row) {
    depth.push_back(parents[row] < 0 ? 0 : depth[size_t(parents[row])] + 1);
    if (deepest < 0 || depth[size_t(row)] > depth[size_t(deepest)])
      deepest = row;
  }
  return pathTo(parents, deepest);
}

} // namespace fovea::cli
