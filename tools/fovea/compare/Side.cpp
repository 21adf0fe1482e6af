// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Calling one kernel, and refusing what cannot be compared.
#include "tools/fovea/compare/Side.h"
#include "tools/fovea/Verify.h"
#include "tools/fovea/npy/Npy.h"

#include "dialects/attn/Attn.h"
#include "dialects/kv/KV.h"

#include <algorithm>
#include <cmath>

namespace fovea::cli {

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
/// comparison is one. Of cached [b, heads, tokens, dim], sequence i has the
/// first tokens[i].
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
      throw Failure(ExitRejected,
                    "expected " + what +
                        " to hold finite numbers to compare with, got " +
                        (std::isnan(tensor.get(i)) ? "nan" : "inf") + " at [" +
                        at + "] as " + npy::dtypeName(tensor.dtype));
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
  auto verification = verify(
      spec.kernel(), theArguments.inputs(), theArguments.results(), stride,
      theArguments.referenceBatch(), nullptr,
      [&](const reference::WeighedRow &row) { rows->add(row); },
      roundingOf(theSession->target()));
  if (!verification)
    throw Failure(ExitRejected,
                  "reference: " + llvm::toString(verification.takeError()));
  if (!verification->ok)
    throw Failure(ExitCheckFailed,
                  theSession->options().path +
                      ": expected a right result to compare, got " +
                      verification->describe());
}

} // namespace fovea::cli
