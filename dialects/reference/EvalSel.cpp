// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The ops of sel and kv: they gather what Select.h needs and name its results.
#include "dialects/reference/Environment.h"
#include "dialects/reference/Select.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::reference;

llvm::Error reference::evaluate(kv::EncodeOp op, Environment &env) {
  auto type = cast<RankedTensorType>(op.getOutput().getType());
  if (!isa<kv::Int8Attr>(type.getEncoding()))
    return llvm::createStringError(
        "expected a number format that the reference knows");
  env.set(op.getOutput(), encodeInt8(env.get<Tensor>(op.getInput())));
  return llvm::Error::success();
}

llvm::Error reference::evaluate(sel::PoolOp op, Environment &env) {
  auto type = cast<RankedTensorType>(op.getKey().getType());
  const Tensor &key = env.get<Tensor>(op.getKey());
  std::vector<int64_t> lengths(key.dim(0), key.dim(2)); // all of them
  env.set(op.getOutput(), pool(key, env.get<Tensor>(op.getValue()),
                               op.getLevels(), elementOf(type), lengths));
  return llvm::Error::success();
}

llvm::Error reference::evaluate(sel::ScoreOp op, Environment &env) {
  if (op.getCache())
    return evaluateScoreOverCache(op, env);
  ScoreInputs inputs;
  inputs.query = &env.get<Tensor>(op.getQuery());
  Tensor decoded;
  if (const auto *encoded = std::get_if<Encoded>(env.find(op.getKey()))) {
    decoded = decodeInt8(*encoded);
    inputs.key = &decoded;
  } else {
    inputs.key = &env.get<Tensor>(op.getKey());
  }
  inputs.scale = op.getScaleOrDefault();
  llvm::Expected<Extent> extent =
      extentOf(env, op.getOffset(), op.getLengths(), inputs.query->dim(0),
               inputs.query->dim(2), inputs.key->dim(2));
  if (!extent)
    return extent.takeError();
  sel::ScoresType type = op.getOutput().getType();
  inputs.blocks = {type.getQueryBlock(), type.getUnit(), inputs.query->dim(2),
                   extent->offsets, extent->lengths};
  llvm::Expected<std::optional<ScalarProgram>> mask =
      maskProgram(env, op.getQuery().getType().getDimSize(1), op.getMaskAttr(),
                  op.getMaskOperands(), nullptr);
  if (!mask)
    return mask.takeError();
  inputs.mask = std::move(*mask);
  llvm::Expected<Scores> scores = scoreBlocks(inputs, env.report.hidden);
  if (!scores)
    return scores.takeError();
  env.set(op.getOutput(), std::move(*scores));
  return llvm::Error::success();
}

llvm::Error reference::evaluate(sel::NormalizeOp op, Environment &env) {
  env.set(op.getOutput(), normalize(env.get<Scores>(op.getScores())));
  return llvm::Error::success();
}

/// A run-time number of a clause for query head `h`: a scalar, or a table by
/// head.
static double amountFor(const reference::Value &amount, int64_t h,
                        bool isInteger) {
  if (const auto *table = std::get_if<Tensor>(&amount))
    return table->data[h];
  const auto &scalar = *std::get_if<Scalar>(&amount);
  return isInteger ? static_cast<double>(scalar.i) : scalar.f;
}

llvm::Error reference::evaluate(sel::ChooseOp op, Environment &env) {
  const Scores &scores = env.get<Scores>(op.getScores());
  const reference::Value *amount =
      op.getAmount() ? env.find(op.getAmount()) : nullptr;
  if (amount) {
    if (const auto *table = std::get_if<Tensor>(amount))
      if (table->size() != scores.values.dim(1))
        return llvm::createStringError(
            "expected a number by query head to have as many entries as heads");
    const auto *scalar = std::get_if<Scalar>(amount);
    if (scalar && scalar->fault)
      return llvm::createStringError(
          llvm::Twine("expected a number of a choice to have a value, got a ") +
          scalar->fault);
  }
  Force force{op.getForceDiagonal(), static_cast<int64_t>(op.getForceFirst()),
              static_cast<int64_t>(op.getForceLast())};
  bool ascending =
      op.getOutput().getType().getOrder() == kv::ListOrder::ascending;
  if (op.isTopK()) {
    auto count = [&](int64_t h) {
      return amount ? static_cast<int64_t>(amountFor(*amount, h, true))
                    : static_cast<int64_t>(*op.getTopK());
    };
    env.set(op.getOutput(), chooseTopK(scores, count, force, ascending));
    return llvm::Error::success();
  }
  auto share = [&](int64_t h) {
    return amount ? amountFor(*amount, h, false)
                  : op.getTopP()->convertToDouble();
  };
  env.set(op.getOutput(), chooseTopP(scores, share, force, ascending));
  return llvm::Error::success();
}

llvm::Error reference::evaluate(sel::ChooseLevelsOp op, Environment &env) {
  Force force{op.getForceDiagonal(), static_cast<int64_t>(op.getForceFirst()),
              static_cast<int64_t>(op.getForceLast())};
  env.set(op.getOutput(),
          assignLevels(env.get<Scores>(op.getScores()), op.getLevels(),
                       op.getTopShare(), force));
  return llvm::Error::success();
}

llvm::Error reference::evaluate(sel::LevelsOp op, Environment &env) {
  sel::LevelsType type = op.getOutput().getType();
  env.set(op.getOutput(), Levels{type.getQueryBlock(), type.getUnit(),
                                 env.get<Tensor>(op.getMap())});
  return llvm::Error::success();
}
