// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The part of the arguments that only kernels with a cache have: sequences,
// the batch, tokens for the caches.
#include "tools/fovea/Arguments.h"

#include "tools/fovea/Random.h"
#include "tools/fovea/npy/Npy.h"

#include <algorithm>
#include <cstring>

namespace fovea::cli {

/// The words that --shape takes.
std::vector<std::string> Arguments::dimNames() const {
  std::vector<std::string> names = session.dims();
  if (!cacheInfos.empty())
    for (const char *name : {"b", "rows", "sk", "prefix"})
      if (std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
  return names;
}

/// What the kernel calls the rows of a call: `rows` of all sequences one behind
/// the other, or `sq` of each.
std::string Arguments::rowsName() const {
  std::vector<std::string> names = session.dims();
  for (const char *name : {"rows", "sq"})
    if (std::find(names.begin(), names.end(), name) != names.end())
      return name;
  return "rows";
}

std::string Arguments::shapeText() const {
  Shape rest = dims;
  if (!hasBatch)
    return toString(rest);
  for (const char *name : {"b", "rows", "sq", "sk"})
    rest.erase(name);
  std::string text = "b=" + std::to_string(theSequences.count()) +
                     ",rows=" + toString(theSequences.rows) +
                     ",sk=" + toString(theSequences.lengths);
  if (theSequences.prefix)
    text += ",prefix=" + std::to_string(theSequences.prefix);
  return rest.empty() ? text : text + "," + toString(rest);
}

void Arguments::bindDim(const std::string &name, int64_t extent,
                        const std::string &from) {
  auto [found, inserted] = dims.emplace(name, extent);
  if (inserted)
    dimOrigin[name] = from;
  else if (found->second != extent)
    throw Failure(ExitRejected, from + ": expected dim '" + name + "' to be " +
                                    std::to_string(found->second) + " as in " +
                                    dimOrigin[name] + ", got " +
                                    std::to_string(extent));
}

void Arguments::loadCache(const CacheInfo &info, const std::string &paths) {
  size_t comma = paths.find(',');
  if (comma == std::string::npos || paths.find(',', comma + 1) != paths.npos)
    throw Failure(ExitUsage, "expected --in " + info.name +
                                 "=KEYS.npy,VALUES.npy: it is a cache, got '" +
                                 paths + "'");
  HostValue &value = given[info.arg];
  for (bool isValue : {false, true}) {
    std::string path =
        isValue ? paths.substr(comma + 1) : paths.substr(0, comma);
    npy::Array array;
    std::string error;
    std::vector<char> bytes;
    if (!npy::read(path, array, error))
      throw Failure(ExitRejected, error);
    int64_t dim = isValue ? info.valueDim : info.keyDim;
    if (array.shape.size() != 4 || array.shape[1] != info.heads ||
        array.shape[3] != dim) {
      std::string got;
      for (int64_t extent : array.shape)
        got += (got.empty() ? "" : ", ") + std::to_string(extent);
      throw Failure(ExitRejected,
                    path + ": expected the " + (isValue ? "values" : "keys") +
                        " of cache '" + info.name + "' to be (b, " +
                        std::to_string(info.heads) + ", tokens, " +
                        std::to_string(dim) + "), got (" + got + ")");
    }
    if (!npy::convert(array, info.input, path, bytes, error))
      throw Failure(ExitRejected, error);
    HostTensor &to = isValue ? value.cachedValues : value.tensor;
    to = HostTensor(info.input, array.shape);
    std::memcpy(to.bytes.data(), bytes.data(), bytes.size());
    if (isValue && (array.shape[0] != value.tensor.shape[0] ||
                    array.shape[2] != value.tensor.shape[2]))
      throw Failure(ExitRejected, path + ": expected " +
                                      std::to_string(value.tensor.shape[0]) +
                                      " sequences of " +
                                      std::to_string(value.tensor.shape[2]) +
                                      " tokens as the keys have, got " +
                                      std::to_string(array.shape[0]) + " of " +
                                      std::to_string(array.shape[2]));
  }
  filled[info.arg] = true;
}

/// The tokens that `like` finds in its cache of the name, as this kernel's
/// cache takes them in.
void Arguments::copyCache(size_t index, const Arguments &like) {
  HostValue &value = given[index];
  int there = like.find(value.name);
  if (there < 0 || !like.given[size_t(there)].isCache)
    return;
  const HostValue &from = like.given[size_t(there)];
  for (const CacheInfo &info : cacheInfos) {
    if (info.arg != index)
      continue;
    auto text = [](int64_t heads, int64_t keyDim, int64_t valueDim) {
      return std::to_string(heads) + " heads of " + std::to_string(keyDim) +
             " and " + std::to_string(valueDim) + " channels";
    };
    const HostTensor &k = from.tensor, &v = from.cachedValues;
    if (k.shape[1] != info.heads || k.shape[3] != info.keyDim ||
        v.shape[3] != info.valueDim)
      throw Failure(ExitRejected,
                    "expected cache '" + info.name + "' to have " +
                        text(k.shape[1], k.shape[3], v.shape[3]) + " as in " +
                        like.session.options().path + ", got " +
                        text(info.heads, info.keyDim, info.valueDim));
    value.tensor = converted(k, info.input);
    value.cachedValues = converted(v, info.input);
    filled[index] = true;
  }
}

/// Trees are of rows that the kernel appends, and its masks must know of them.
void Arguments::checkTree() const {
  for (const CacheInfo &info : cacheInfos)
    if (info.appends && info.takesTrees)
      return;
  throw Failure(ExitUsage,
                "expected --tree with a kernel that appends rows to a cache "
                "and whose masks say 'tree', got one " +
                    std::string(cacheInfos.front().takesTrees
                                    ? "that appends none"
                                    : "whose masks do not"));
}

void Arguments::bindSequences(Extents &extents, const Extents &defaults,
                              const CallOptions &call) {
  TreeRows tree(call.tree);
  if (tree.given())
    checkTree();
  // What files say is a default; --shape must agree with it.
  Extents known = defaults;
  std::string rows = rowsName();
  if (auto found = defaults.find(rows); found != defaults.end())
    known["rows"] = found->second;
  auto give = [&](const std::string &name, int64_t value) {
    known[name] = Extent{{value}, false};
  };
  if (auto found = dims.find("b"); found != dims.end())
    give("b", found->second);
  if (tree.sequences())
    give("b", tree.sequences());
  if (tree.rows())
    give("rows", tree.rows());
  for (const CacheInfo &info : cacheInfos)
    if (filled[info.arg])
      give("b", given[info.arg].tensor.shape[0]);
  // The spec itself may say how many rows there are.
  for (const fovea_arg_info &arg : session.args())
    for (int d = 0; rows == "sq" && d < arg.rank; ++d)
      if (arg.dims[d] && rows == arg.dims[d] && arg.shape[d] >= 0)
        give("rows", arg.shape[d]);
  auto b = extents.count("b") ? extents["b"] : known["b"];
  bool one = b.values.size() == 1 && b.values[0] == 1;
  if (auto found = dims.find(rows);
      found != dims.end() && (rows == "sq" || one))
    give("rows", found->second);
  for (const CacheInfo &info : cacheInfos)
    if (filled[info.arg] && !extents.count("sk")) {
      Extent counts = extents.count("rows") ? extents["rows"]
                      : extents.count(rows) ? extents[rows]
                                            : known["rows"];
      for (int64_t &n : counts.values)
        n = (info.appends ? n : 0) + given[info.arg].tensor.shape[2];
      known["sk"] = counts;
    }
  for (const char *name : {"b", "rows", "sk"})
    if (auto found = known.find(name);
        found != known.end() && found->second.values.empty())
      known.erase(found);
  std::string missing;
  auto taken = takeSequences(extents, known, rows, missing);
  if (!taken)
    throw Failure(ExitUsage,
                  "expected --shape to give dim '" + missing +
                      "' (dims: " + CLI::detail::join(dimNames(), ", ") + ")");
  theSequences = std::move(*taken);
  const std::vector<int64_t> &list = theSequences.rows;
  for (int64_t n : list)
    if (rows == "sq" && n != list.front())
      throw Failure(ExitUsage, "expected as many rows in all sequences, the "
                               "queries are (b, heads, sq, dim); got " +
                                   toString(list));
  bindShape(numbersOf(extents), "--shape");
  bindDim("b", theSequences.count(), "--shape");
  bindDim("sk", theSequences.longest(), "--shape");
  bindDim(rows,
          rows == "rows" ? theSequences.totalRows()
          : list.empty() ? 0
                         : list.front(),
          "--shape");
  // The table of rotations reaches as far as the tokens do.
  std::vector<std::string> names = session.dims();
  if (!dims.count("positions") &&
      std::find(names.begin(), names.end(), "positions") != names.end())
    bindDim("positions", theSequences.longest(), "sk");
  makeBatch(tree, call.seed);
}

void Arguments::makeBatch(const TreeRows &tree, uint64_t seed) {
  rowOffsets.push_back(0);
  for (int64_t i = 0; i < theSequences.count(); ++i) {
    ids.push_back(uint64_t(i) + 1);
    int64_t end = rowOffsets.back() + theSequences.rows[size_t(i)];
    if (end > INT32_MAX)
      throw Failure(ExitUsage, "expected fewer than 2^31 rows, got more");
    rowOffsets.push_back(int32_t(end));
  }
  step.size = sizeof(step);
  step.n = int32_t(theSequences.count());
  step.seq = ids.data();
  step.rows = rowOffsets.data();
  reference.sequences = ids;
  reference.rows.assign(rowOffsets.begin(), rowOffsets.end());
  if (tree.given()) {
    parents = tree.forBatch(theSequences, seed);
    step.parent = parents.data();
    reference.parents.assign(parents.begin(), parents.end());
  }
  hasBatch = true;
}

std::optional<std::vector<int32_t>> Arguments::acceptedPath(int64_t i) const {
  if (parents.empty())
    return std::nullopt;
  return deepestPath(parents.data() + rowOffsets[size_t(i)],
                     theSequences.rows[size_t(i)]);
}

/// What all sequences share is that of the first; tokens from files (`given`)
/// must already be alike.
void Arguments::sharePrefix(HostValue &value, bool given) {
  for (HostTensor *tensor : {&value.tensor, &value.cachedValues}) {
    const std::vector<int64_t> &shape = tensor->shape;
    size_t row = size_t(shape[3]) * npy::dtypeSize(tensor->dtype);
    size_t head = size_t(shape[2]) * row;
    for (int64_t i = 1; i < shape[0]; ++i)
      for (int64_t h = 0; h < shape[1]; ++h) {
        uint8_t *to = tensor->bytes.data() + size_t(i * shape[1] + h) * head;
        const uint8_t *from = tensor->bytes.data() + size_t(h) * head;
        size_t shared = size_t(theSequences.prefix) * row;
        auto [at, other] = std::mismatch(from, from + shared, to);
        if (given && at != from + shared)
          throw Failure(ExitRejected,
                        "expected the sequences of cache '" + value.name +
                            "' to have the same first " +
                            std::to_string(theSequences.prefix) +
                            " tokens as prefix in --shape says, got other " +
                            (tensor == &value.tensor ? "keys" : "values") +
                            " in sequence " + std::to_string(i) +
                            " than in sequence 0" + " at head " +
                            std::to_string(h) + ", token " +
                            std::to_string(size_t(at - from) / row));
        std::memcpy(to, from, shared);
      }
  }
}

void Arguments::fillCaches(const CallOptions &call, bool mayBeRandom) {
  for (const CacheInfo &info : cacheInfos) {
    HostValue &value = given[info.arg];
    int64_t longest = 0;
    for (int64_t i = 0; i < theSequences.count(); ++i) {
      // The rows of a kernel that appends come with the call.
      value.tokens.push_back(theSequences.lengths[size_t(i)] -
                             (info.appends ? theSequences.rows[size_t(i)] : 0));
      longest = std::max(longest, value.tokens.back());
    }
    if (filled[info.arg]) {
      const std::vector<int64_t> &shape = value.tensor.shape;
      if (shape[0] != theSequences.count() || shape[2] < longest)
        throw Failure(ExitRejected,
                      "expected the files of cache '" + info.name +
                          "' to have " + std::to_string(theSequences.count()) +
                          " sequences of at least " + std::to_string(longest) +
                          " tokens as --shape says, got " +
                          std::to_string(shape[0]) + " of " +
                          std::to_string(shape[2]));
    } else {
      if (!mayBeRandom)
        throw Failure(ExitUsage, "expected --in " + info.name +
                                     "=KEYS.npy,VALUES.npy: the kernel has "
                                     "this cache");
      Random numbers(call.seed * 0x9e3779b97f4a7c15u + 0x10000 + info.arg);
      for (bool isValue : {false, true}) {
        HostTensor &to = isValue ? value.cachedValues : value.tensor;
        to = HostTensor(info.input, {theSequences.count(), info.heads, longest,
                                     isValue ? info.valueDim : info.keyDim});
        for (int64_t i = 0; i < to.size(); ++i)
          to.set(i, numbers.normal());
      }
      random.push_back(info.name);
    }
    sharePrefix(value, filled[info.arg]);
    hostCaches.push_back(
        std::make_unique<HostCache>(session, info, theSequences, value.tokens,
                                    value.tensor, value.cachedValues));
  }
}

} // namespace fovea::cli
