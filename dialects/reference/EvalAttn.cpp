// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The ops of attn: they gather what Attend.h needs and name its results.
#include "dialects/reference/Attend.h"
#include "dialects/reference/Environment.h"
#include "dialects/reference/Select.h"

#include <cmath>

using namespace mlir;
using namespace fovea;
using namespace fovea::reference;

/// An argument of an op as a plain tensor: decoded if it has a format. `room`
/// holds what is decoded.
static const Tensor *plain(const Environment &env, mlir::Value name,
                           Tensor &room) {
  if (const auto *encoded = std::get_if<Encoded>(env.find(name))) {
    room = decodeInt8(*encoded);
    return &room;
  }
  return &env.get<Tensor>(name);
}

/// The extents that types leave open agree.
static llvm::Error checkDims(const AttentionInputs &inputs) {
  const Tensor &key = *inputs.source.keys[0], &value = *inputs.source.values[0];
  if (key.dim(0) != inputs.batches() || value.dim(0) != inputs.batches())
    return llvm::createStringError(
        "expected query, key and value to have one batch, got %lld, %lld and "
        "%lld",
        (long long)inputs.batches(), (long long)key.dim(0),
        (long long)value.dim(0));
  if (key.dim(2) != value.dim(2))
    return llvm::createStringError(
        "expected keys and values to be as many, got %lld and %lld",
        (long long)key.dim(2), (long long)value.dim(2));
  return llvm::Error::success();
}

static Source sourceOf(const Pyramid &pyramid) {
  Source source;
  source.levels = pyramid.levels;
  for (size_t n = 0; n < pyramid.levels.size(); ++n) {
    source.keys.push_back(&pyramid.keys[n]);
    source.values.push_back(&pyramid.values[n]);
  }
  return source;
}

namespace {

/// The inputs of attention, with what they point to.
struct Gathered {
  AttentionInputs inputs;
  Tensor key, value; ///< decoded
  Pyramid pyramid;   ///< pooled below the lengths
};

} // namespace

template <typename Op>
static llvm::Error gather(Op op, const Environment &env, Gathered &gathered) {
  AttentionInputs &inputs = gathered.inputs;
  inputs.query = &env.get<Tensor>(op.getQuery());
  inputs.stride = env.report.stride;
  OperandRange source = op.getSource();
  const auto *pyramid = std::get_if<Pyramid>(env.find(source[0]));
  if (pyramid) {
    inputs.source.levels = {1};
    inputs.source.keys = {&pyramid->keys[0]};
    inputs.source.values = {&pyramid->values[0]};
  } else {
    inputs.source.levels = {1};
    inputs.source.keys = {plain(env, source[0], gathered.key)};
    inputs.source.values = {plain(env, source[1], gathered.value)};
  }

  if (llvm::Error error = checkDims(inputs))
    return error;
  inputs.scale = op.getScaleOrDefault();
  llvm::Expected<Extent> extent =
      extentOf(env, op.getOffset(), op.getLengths(), inputs.batches(),
               inputs.queries(), inputs.tokens());
  if (!extent)
    return extent.takeError();
  inputs.offsets = extent->offsets;
  inputs.lengths = extent->lengths;
  if (pyramid) {
    gathered.pyramid = pool(pyramid->keys[0], pyramid->values[0],
                            pyramid->levels, pyramid->element, inputs.lengths);
    inputs.source = sourceOf(gathered.pyramid);
  }

  llvm::Expected<std::optional<ScalarProgram>> mask = maskProgram(
      env, op.getMaskAttr(), op.getMaskOperands(), &op.getMaskRegion());
  if (!mask)
    return mask.takeError();
  inputs.mask = std::move(*mask);
  llvm::Expected<std::vector<ScalarProgram>> score = scorePrograms(
      env, op.getScoreAttr(), op.getScoreOperands(), op.getScoreRegion());
  if (!score)
    return score.takeError();
  inputs.score = std::move(*score);

  if (op.getList())
    inputs.list = &env.get<List>(op.getList());
  if (op.getLevels())
    inputs.levels = &env.get<Levels>(op.getLevels());
  return llvm::Error::success();
}

/// Notes what the report's row sees.
static void reportSight(const AttentionInputs &inputs, StringRef name,
                        Report &report) {
  if (!report.row || report.row->batch >= inputs.batches() ||
      report.row->head >= inputs.heads() ||
      report.row->query >= inputs.queries())
    return;
  RowReader reader(inputs);
  reader.begin(report.row->batch, report.row->head, report.row->query);
  Sight sight{name.str(), {}};
  for (const VisibleRow &row : reader.visible()) {
    int64_t end = std::min(row.token + inputs.source.levels[row.level],
                           inputs.lengths[report.row->batch]);
    sight.keys.emplace_back(row.token, end - row.token);
  }
  report.sights.push_back(std::move(sight));
}

llvm::Error reference::evaluate(attn::AttentionOp op, Environment &env) {
  Gathered gathered;
  if (llvm::Error error = gather(op, env, gathered))
    return error;
  llvm::Expected<std::optional<ScalarProgram>> prob =
      probProgram(env, op.getProbRegion());
  if (!prob)
    return prob.takeError();
  gathered.inputs.prob = std::move(*prob);
  llvm::Expected<Attended> result =
      attend(gathered.inputs, env.report.maxScore);
  if (!result)
    return result.takeError();
  reportSight(gathered.inputs, op->getName().getStringRef(), env.report);
  env.set(op->getResult(0), std::move(result->o));
  if (op->getNumResults() > 1)
    env.set(op->getResult(1), std::move(result->lse));
  return llvm::Error::success();
}

llvm::Error reference::evaluate(attn::PartialOp op, Environment &env) {
  Gathered gathered;
  if (llvm::Error error = gather(op, env, gathered))
    return error;
  llvm::Expected<State> state =
      attendPartially(gathered.inputs, env.report.maxScore);
  if (!state)
    return state.takeError();
  reportSight(gathered.inputs, op->getName().getStringRef(), env.report);
  env.set(op->getResult(0), std::move(state->o));
  env.set(op->getResult(1), std::move(state->m));
  env.set(op->getResult(2), std::move(state->l));
  return llvm::Error::success();
}

llvm::Error reference::evaluate(attn::MergeOp op, Environment &env) {
  std::vector<State> parts;
  OperandRange operands = op->getOperands();
  for (unsigned i = 0; i < operands.size(); i += 3)
    parts.push_back({env.get<Tensor>(operands[i]),
                     env.get<Tensor>(operands[i + 1]),
                     env.get<Tensor>(operands[i + 2])});
  Attended result = merge(parts);
  env.set(op->getResult(0), std::move(result.o));
  if (op->getNumResults() > 1)
    env.set(op->getResult(1), std::move(result.lse));
  return llvm::Error::success();
}
