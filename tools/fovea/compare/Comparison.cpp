// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Running two kernels and bringing their numbers together.
#include "tools/fovea/compare/Comparison.h"
#include "tools/fovea/Verify.h"

#include "dialects/attn/Attn.h"
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

static bool hasDim(const Session &session, const std::string &name) {
  std::vector<std::string> dims = session.dims();
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
  Shape shape;
  for (const auto &[name, extent] : numbersOf(parseExtents(all.shape)))
    if (hasDim(session, name))
      shape[name] = extent;
  own.shape = toString(shape);
  return own;
}

static const Session &withoutCaches(const Session &session) {
  for (const fovea_arg_info &arg : session.args())
    if (arg.kind == FOVEA_CACHE)
      throw Failure(ExitRejected,
                    session.options().path +
                        ": expected a kernel over tensors to compare, got one "
                        "with a cache, '" +
                        arg.name + "'");
  return session;
}

Side::Side(std::unique_ptr<Session> session, const CompareOptions &compare,
           const Side *like)
    : theSession(std::move(session)), spec(withoutCaches(*theSession)),
      theArguments(*theSession, optionsFor(*theSession, compare.call),
                   spec.kernel(), {}, like ? &like->theArguments : nullptr),
      theCall(*theSession, theArguments, compare.call) {
  refuseBadValues();
  theArguments.poisonResults();
  theCall.update();
  theWork = countWork(*theSession, theArguments, theCall);
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
      if (value.tensor.shape.size() == 4)
        return value.tensor;
  throw Failure(ExitRejected,
                theSession->options().path +
                    ": expected a kernel with queries, keys and values "
                    "[b, h, s, d] as arguments, got one without");
}

int64_t Side::queryRows() const {
  const HostTensor &q = argument(Use::Query);
  return q.shape[0] * q.shape[1] * q.shape[2];
}
int64_t Side::tokens() const { return argument(Use::Key).shape[2]; }
int64_t Side::keyDim() const { return argument(Use::Key).shape[3]; }
int64_t Side::valueDim() const { return argument(Use::Value).shape[3]; }

/// A NaN spreads into everything that sees it, and then every number of the
/// comparison is one.
void Side::refuseBadValues() const {
  for (Use use : {Use::Query, Use::Key, Use::Value}) {
    const HostTensor &tensor = argument(use);
    for (int64_t i = 0; i < tensor.size(); ++i)
      if (!std::isfinite(tensor.get(i))) {
        std::string at;
        int64_t rest = i;
        for (size_t axis = tensor.shape.size(); axis-- > 0;) {
          at = std::to_string(rest % tensor.shape[axis]) +
               (at.empty() ? "" : ", ") + at;
          rest /= tensor.shape[axis];
        }
        throw Failure(ExitRejected,
                      "expected '" + nameOf(use) +
                          "' to hold finite numbers to compare with, got " +
                          (std::isnan(tensor.get(i)) ? "nan" : "inf") +
                          " at [" + at + "]");
      }
  }
}

void Side::evaluate(int64_t stride) {
  theCall.run();
  rows.emplace(queryRows(), tokens(), stride);
  auto verification =
      verify(spec.kernel(), theArguments.inputs(), theArguments.results(),
             stride, nullptr, nullptr,
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
  int64_t flops = 0;
  std::vector<PhaseTime> phases = phasesOf(*theSession, theCall);
  for (size_t p = 0; p < phases.size(); ++p) {
    fovea_stats stats{};
    stats.size = sizeof(stats);
    if (fovea_status status = fovea_plan_stats(theCall.plan(), int(p), &stats))
      throw runtimeFailure(status, theSession->options().path);
    flops += phases[p].attention ? stats.flops_executed : 0;
  }
  return flops;
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

int64_t Side::bytes() const {
  int64_t perKey = bytesPerKey(theArguments, nameOf(Use::Key)) +
                   bytesPerKey(theArguments, nameOf(Use::Value));
  int64_t bytes = int64_t(argument(Use::Query).bytes.size()) +
                  rows->distinctKeys() * perKey;
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

void checkNames(const Session &mine, const Session &dense,
                const CallOptions &call) {
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
  checkShapeNames(parseExtents(call.shape), both(mine.dims(), dense.dims()));
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
      return list;
    };
    if (names(mine) != names(dense))
      throw Failure(ExitRejected, std::string("expected both kernels to call "
                                              "their ") +
                                      role + " the same, got " + names(mine) +
                                      " and " + names(dense));
    if (mine.argument(use).shape != dense.argument(use).shape)
      throw Failure(ExitRejected, "expected both kernels to take " +
                                      names(mine) + " of one shape, got " +
                                      extents(mine.argument(use)) + " and " +
                                      extents(dense.argument(use)));
  }
  const HostTensor &a = mine.arguments().results().front(),
                   &b = dense.arguments().results().front();
  if (a.shape != b.shape || a.shape.size() != 4)
    throw Failure(
        ExitRejected,
        "expected both kernels to give one [b, h, sq, d] result, got " +
            extents(a) + " and " + extents(b));
}

int64_t strideFor(const Side &dense) {
  int64_t pairs = dense.queryRows() * dense.tokens();
  // Odd, so that the sample does not stay on one place of every tile.
  return pairs <= kMaxPairs ? 1 : (pairs / kMaxPairs) | 1;
}

Comparison compare(Side &mine, Side &dense, double seconds) {
  Comparison c;
  const HostTensor &q = dense.argument(Use::Query);
  int64_t pairs = dense.table().pairs();
  c.density = pairs ? double(mine.table().pairs()) / double(pairs) : 0;
  c.mass = weigh(mine.table(), dense.table(), q.shape[0], q.shape[1]);
  c.error = compareOutputs(mine.arguments().results().front(),
                           dense.arguments().results().front());
  if (seconds > 0)
    std::tie(c.mine, c.dense) = timeInTurn(
        mine.session(), mine.call(), dense.session(), dense.call(), seconds);
  return c;
}

} // namespace fovea::cli
