// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Running two kernels and bringing their numbers together.
#include "tools/fovea/compare/Comparison.h"
#include "tools/fovea/Verify.h"

#include "dialects/attn/Attn.h"
#include "dialects/kv/KV.h"
#include "passes/pipelines/Parameters.h"

#include <algorithm>
#include <cmath>

namespace fovea::cli {

/// Pairs (row, token) that are kept of each kernel.
static constexpr int64_t kMaxPairs = int64_t(1) << 24;

std::vector<std::string> parametersOf(const std::string &path) {
  std::string text = readFile(path);
  return isBundle(text) ? std::vector<std::string>()
                        : substituteParameters(text, {}).parameters;
}

SpecOptions withDefines(SpecOptions spec,
                        const std::vector<std::string> &defines) {
  std::vector<std::string> names = parametersOf(spec.path);
  for (const auto &[name, value] : parseDefines(defines))
    if (std::find(names.begin(), names.end(), name) != names.end())
      spec.defines.push_back(name + "=" + value);
  return spec;
}

static std::string base(const std::string &name) {
  return name.substr(0, name.find('.'));
}

static bool hasInput(const Session &session, const std::string &name) {
  for (const fovea_arg_info &arg : session.args())
    if (!arg.is_result && (name == arg.name || name == base(arg.name)))
      return true;
  return false;
}

/// The words of --shape: those of the sequences, too, where there is a cache.
static std::vector<std::string> shapeNames(const Session &session) {
  std::vector<std::string> names = session.dims();
  if (!cachesOf(session).empty())
    for (const char *name : {"b", "rows", "sk", "prefix"})
      if (std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
  return names;
}

static bool hasDim(const Session &session, const std::string &name) {
  std::vector<std::string> dims = shapeNames(session);
  return std::find(dims.begin(), dims.end(), name) != dims.end();
}

/// The options that concern a kernel.
static CallOptions optionsFor(const Session &session, const CallOptions &all) {
  CallOptions own = all;
  own.inputs.clear();
  own.scalars.clear();
  own.shape.clear();
  for (const std::string &input : all.inputs)
    if (hasInput(session, splitDefinition(input, "--in").first))
      own.inputs.push_back(input);
  for (const std::string &scalar : all.scalars)
    if (hasInput(session, splitDefinition(scalar, "--arg").first))
      own.scalars.push_back(scalar);
  for (const auto &[name, extent] : parseExtents(all.shape)) {
    if (!hasDim(session, name))
      continue;
    std::string list;
    for (int64_t value : extent.values)
      list += (list.empty() ? "" : ",") + std::to_string(value);
    own.shape += (own.shape.empty() ? "" : ",") + name + "=" +
                 (extent.isList ? "[" + list + "]" : list);
  }
  return own;
}

Side::Side(std::unique_ptr<Session> session, const CompareOptions &compare,
           const Side *like)
    : theSession(std::move(session)), spec(*theSession),
      theArguments(*theSession, optionsFor(*theSession, compare.call),
                   spec.kernel(), {}, like ? &like->theArguments : nullptr),
      theCall(*theSession, theArguments, compare.call) {
  refuseOtherSources();
  refuseBadValues();
  theArguments.poisonResults();
  theCall.update();
  theWork = countWork(*theSession, theArguments, theCall);
  thePhases = phasesOf(*theSession, theCall);
}

std::string Side::nameOf(Use use) const {
  for (const SpecArgument &argument : argumentsOf(spec.kernel()))
    if (argument.use == use)
      return argument.name;
  return "";
}

const HostTensor &Side::argument(Use use) const {
  std::string name = nameOf(use);
  for (const HostValue &value : theArguments.inputs())
    if (!name.empty() && !value.isScalar &&
        (value.name == name || value.name == name + ".codes"))
      if (value.tensor.shape.size() == 4 ||
          (cache() && value.tensor.shape.size() == 3))
        return value.tensor;
  throw Failure(ExitRejected,
                theSession->options().path +
                    ": expected a kernel with queries, keys and values "
                    "[b, h, s, d] as arguments, got one without");
}

int64_t Side::queryRows() const {
  const HostTensor &q = argument(Use::Query);
  return q.shape.back() ? q.size() / q.shape.back() : 0;
}
int64_t Side::batches() const {
  return cache() ? theArguments.sequences().count()
                 : argument(Use::Query).shape[0];
}
int64_t Side::heads() const { return argument(Use::Query).shape[1]; }
int64_t Side::queries() const {
  if (!cache())
    return argument(Use::Query).shape[2];
  int64_t most = 0;
  for (int64_t rows : theArguments.sequences().rows)
    most = std::max(most, rows);
  return most;
}
std::vector<int64_t> Side::rowOffsets() const {
  std::vector<int64_t> offsets(1);
  for (int64_t rows : theArguments.sequences().rows)
    offsets.push_back(offsets.back() + rows);
  return offsets;
}
int64_t Side::tokens() const {
  return cache() ? theArguments.sequences().longest()
                 : argument(Use::Key).shape[2];
}
int64_t Side::keyDim() const {
  return cache() ? cache()->info().keyDim : argument(Use::Key).shape[3];
}
int64_t Side::valueDim() const {
  return cache() ? cache()->info().valueDim : argument(Use::Value).shape[3];
}

const HostCache *Side::cache() const {
  return theArguments.caches().empty() ? nullptr
                                       : theArguments.caches().front().get();
}

/// Their tokens would share the numbers that mass is told by.
void Side::refuseOtherSources() {
  if (!cache())
    return;
  const std::string &path = theSession->options().path;
  spec.kernel().walk([&](attn::AttentionOpInterface op) {
    if (!llvm::isa<kv::CacheType>(op.getSource().front().getType()))
      throw Failure(ExitRejected, path + ": expected every attention of a "
                                         "kernel with a cache to read the "
                                         "cache to compare, got one that "
                                         "reads tensors");
  });
}

/// A NaN spreads into everything that sees it, and then every number of the
/// comparison is one.
/// Of cached [b, heads, tokens, dim], sequence i has the first tokens[i].
static void refuseBadValues(const HostTensor &tensor, const std::string &what,
                            const std::vector<int64_t> &tokens = {}) {
  auto exists = [&](int64_t i) {
    if (tokens.empty())
      return true;
    int64_t token = i / tensor.shape[3];
    return token % tensor.shape[2] <
           tokens[size_t(token / tensor.shape[2] / tensor.shape[1])];
  };
  for (int64_t i = 0; i < tensor.size(); ++i)
    if (!std::isfinite(tensor.get(i)) && exists(i)) {
      std::string at;
      int64_t rest = i;
      for (size_t axis = tensor.shape.size(); axis-- > 0;) {
        at = std::to_string(rest % tensor.shape[axis]) +
             (at.empty() ? "" : ", ") + at;
        rest /= tensor.shape[axis];
      }
      throw Failure(
          ExitRejected,
          "expected " + what + " to hold finite numbers to compare with, got " +
              (std::isnan(tensor.get(i)) ? "nan" : "inf") + " at [" + at + "]");
    }
}

void Side::refuseBadValues() const {
  for (Use use : {Use::Query, Use::Key, Use::Value})
    // A kernel that only reads its cache is given no keys and values.
    if (use == Use::Query || !cache() || !nameOf(use).empty())
      cli::refuseBadValues(argument(use), "'" + nameOf(use) + "'");
  for (const HostValue &value : theArguments.inputs())
    if (value.isCache) {
      cli::refuseBadValues(
          value.tensor, "the keys of cache '" + value.name + "'", value.tokens);
      cli::refuseBadValues(value.cachedValues,
                           "the values of cache '" + value.name + "'",
                           value.tokens);
    }
}

void Side::evaluate(int64_t stride) {
  theCall.run();
  rows.emplace(queryRows(), tokens(), stride);
  auto verification =
      verify(spec.kernel(), theArguments.inputs(), theArguments.results(),
             stride, theArguments.referenceBatch(), nullptr,
             [&](const reference::WeighedRow &row) { rows->add(row); });
  if (!verification)
    throw Failure(ExitRejected,
                  "reference: " + llvm::toString(verification.takeError()));
  if (!verification->ok)
    throw Failure(ExitCheckFailed,
                  theSession->options().path +
                      ": expected a right result to compare, got " +
                      verification->describe());
}

int64_t Side::flops() const {
  return 2 * rows->pairs() * (keyDim() + valueDim());
}

std::optional<int64_t> Side::executedFlops() const {
  bool chosen = false;
  spec.kernel().walk([&](attn::AttentionOpInterface op) {
    chosen |= bool(op.getList()) || bool(op.getLevels());
  });
  if (chosen)
    return std::nullopt;
  return theWork.flopsExecuted;
}

StageWork Side::selectionWork() const {
  StageWork sum;
  for (size_t p = 0; p < thePhases.size(); ++p)
    if (thePhases[p].selection() && workOf(p))
      sum.add(*workOf(p));
  return sum;
}

StageWork Side::appendWork() const {
  StageWork sum;
  for (size_t p = 0; p < thePhases.size(); ++p)
    if (thePhases[p].append && workOf(p))
      sum.add(*workOf(p));
  return sum;
}

/// Bytes of one token and head of the argument, scales included.
static int64_t bytesPerKey(const Arguments &arguments,
                           const std::string &name) {
  int64_t bytes = 0, count = 1;
  for (const HostValue &value : arguments.inputs())
    if (!value.isScalar && base(value.name) == name) {
      bytes += int64_t(value.tensor.bytes.size());
      if (value.tensor.shape.size() == 4)
        count = value.tensor.shape[0] * value.tensor.shape[1] *
                value.tensor.shape[2];
    }
  return count ? bytes / count : 0;
}

/// Bytes of the keys and values that the rows see in a cache: each as the
/// segment stores it that it lies in.
static int64_t bytesInCache(const HostCache &cache, const RowTable &rows,
                            const Sequences &sequences) {
  std::vector<std::vector<fovea_segment>> segments;
  for (int64_t b = 0; b < sequences.count(); ++b)
    segments.push_back(cache.segments(b));
  int64_t bytes = 0;
  rows.distinctKeys(sequences.prefix, [&](int64_t batch, int64_t token) {
    for (const fovea_segment &segment : segments[size_t(batch)])
      if (segment.begin <= token && token < segment.end)
        if (const SegmentInfo *info = cache.info().segment(segment.segment))
          bytes += info->bytesPerToken / cache.info().heads;
  });
  return bytes;
}

int64_t Side::bytes() const {
  int64_t bytes = int64_t(argument(Use::Query).bytes.size());
  if (cache())
    bytes += bytesInCache(*cache(), *rows, theArguments.sequences());
  else
    bytes +=
        rows->distinctKeys() * (bytesPerKey(theArguments, nameOf(Use::Key)) +
                                bytesPerKey(theArguments, nameOf(Use::Value)));
  for (const HostTensor &result : theArguments.results())
    bytes += int64_t(result.bytes.size());
  return bytes;
}

static std::string extents(const HostTensor &tensor) {
  std::string text;
  for (int64_t extent : tensor.shape)
    text += (text.empty() ? "[" : ", ") + std::to_string(extent);
  return text + "]";
}

/// The words that either kernel knows, those of the first one first.
static std::vector<std::string> both(const std::vector<std::string> &a,
                                     const std::vector<std::string> &b) {
  std::vector<std::string> all = a;
  for (const std::string &word : b)
    if (std::find(a.begin(), a.end(), word) == a.end())
      all.push_back(word);
  return all;
}

static std::vector<std::string> inputNames(const Session &session) {
  std::vector<std::string> names;
  for (const fovea_arg_info &arg : session.args())
    if (!arg.is_result)
      names.push_back(arg.name);
  return names;
}

/// "'c'", or "none". The tokens of two caches would share the numbers that mass
/// is told by.
static std::string cacheName(const Session &session) {
  std::vector<CacheInfo> caches = cachesOf(session);
  if (caches.size() > 1)
    throw Failure(ExitRejected, session.options().path +
                                    ": expected a kernel with at most one "
                                    "cache to compare, got " +
                                    std::to_string(caches.size()));
  return caches.empty() ? "none" : "'" + caches.front().name + "'";
}

void checkNames(const Session &mine, const Session &dense,
                const CallOptions &call) {
  std::string myCache = cacheName(mine), denseCache = cacheName(dense);
  if (myCache != denseCache)
    throw Failure(ExitRejected, "expected both kernels to read the same cache, "
                                "or none, got " +
                                    myCache + " and " + denseCache);
  std::vector<std::string> inputs = both(inputNames(mine), inputNames(dense));
  auto check = [&](const std::vector<std::string> &options, const char *option,
                   const char *what) {
    for (const std::string &text : options) {
      std::string name = splitDefinition(text, option).first;
      if (!hasInput(mine, name) && !hasInput(dense, name))
        throw Failure(ExitUsage, unknownWord(what, name, inputs));
    }
  };
  check(call.inputs, "--in", "input");
  check(call.scalars, "--arg", "scalar");
  checkShapeNames(parseExtents(call.shape),
                  both(shapeNames(mine), shapeNames(dense)));
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
