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
  Tensor key, value;                     ///< decoded
  Pyramid pyramid;                       ///< pooled below the lengths
  Tensor query;                          ///< rotated
  std::vector<std::vector<double>> keys; ///< rotated, one per sequence
};

} // namespace

/// Rotates the pairs of channels of `row` by those of position `position`; with
/// a type as kernels do that round to it: in f32, with the same operations, for
/// a sum next to a tie would else be rounded the other way.
static void rotate(double *row, const Tensor &table, int64_t position,
                   attn::RopePairs rule, std::optional<Element> type) {
  int64_t pairs = table.dim(1);
  for (int64_t p = 0; p < pairs; ++p) {
    bool halves = rule == attn::RopePairs::halves;
    double &x0 = row[halves ? p : 2 * p];
    double &x1 = row[halves ? p + pairs : 2 * p + 1];
    double c = table(position, p, 0), s = table(position, p, 1);
    if (type) {
      float y0 = float(x0), y1 = float(x1), cosine = float(c), sine = float(s);
      float left = y0 * cosine, right = y1 * sine, sum = y1 * cosine;
      x0 = roundTo(*type, left - right);
      x1 = roundTo(*type, std::fma(y0, sine, sum));
      continue;
    }
    double rotated = x0 * c - x1 * s;
    x1 = x0 * s + x1 * c;
    x0 = rotated;
  }
}

/// Replaces queries and keys by what they are after the rotation.
static llvm::Error rotateAll(const Cache &cache, const Batch &batch,
                             const Tensor &table, attn::RopePairs rule,
                             std::optional<Element> type, Gathered &gathered) {
  AttentionInputs &inputs = gathered.inputs;
  gathered.query = *inputs.query;
  inputs.query = &gathered.query;
  int64_t dim = inputs.keyDim();
  auto position = [&](int64_t i, int64_t token) {
    return cache.position(batch.sequences[i], token);
  };
  for (int64_t i = 0; i < batch.size(); ++i) {
    int64_t length = inputs.lengths[i];
    int64_t end = std::max(length, inputs.offsets[i] + batch.rowsOf(i));
    int64_t most = -1; // rows of a tree share positions
    for (int64_t t = std::min(end, cache.committed(batch.sequences[i])) - 1;
         t < end; ++t)
      if (t >= 0)
        most = std::max(most, position(i, t));
    if (most >= table.dim(0))
      return llvm::createStringError(
          "expected positions below %lld, the table's, got %lld",
          (long long)table.dim(0), (long long)most);
    for (int64_t r = 0; r < batch.rowsOf(i); ++r)
      for (int64_t h = 0; h < inputs.heads(); ++h)
        rotate(&gathered.query.data[inputs.rowOf(i, h, r) * dim], table,
               position(i, inputs.offsets[i] + r), rule, type);
    CachedTokens &tokens = inputs.cached[i];
    std::vector<double> &keys = gathered.keys.emplace_back(
        tokens.keys, tokens.keys + length * inputs.cachedHeads * dim);
    tokens.keys = keys.data();
    for (int64_t t = 0; t < length; ++t)
      for (int64_t h = 0; h < inputs.cachedHeads; ++h)
        if (tokens.pages[t] != Cache::gone)
          rotate(&keys[(t * inputs.cachedHeads + h) * dim], table,
                 position(i, t), rule, type);
  }
  return llvm::Error::success();
}

/// The tokens of a cache as the source.
template <typename Op>
static llvm::Error gatherCache(Op op, const Environment &env,
                               Gathered &gathered) {
  AttentionInputs &inputs = gathered.inputs;
  const Cache &cache = env.get<Cache>(op.getSource()[0]);
  llvm::Expected<const Batch *> found = batchFor(env, cache, *inputs.query);
  if (!found)
    return found.takeError();
  const Batch &batch = **found;
  inputs.cachedHeads = cache.type().getHeads();
  inputs.cachedValueDim = cache.type().getValueDim();
  inputs.source.levels = {1};
  gathered.keys.reserve(batch.size());
  for (int64_t i = 0; i < batch.size(); ++i) {
    uint64_t sequence = batch.sequences[i];
    CachedTokens tokens;
    tokens.cache = &cache;
    tokens.sequence = sequence;
    tokens.tree = cache.isTree(sequence);
    if (tokens.tree &&
        !sel::readsBatchTree(op.getMaskAttr(), &op.getMaskRegion()))
      return llvm::createStringError(
          "expected the uncommitted rows of sequence %llu to be a chain, since "
          "the mask does not say 'tree'",
          (unsigned long long)sequence);
    tokens.keys = cache.keys(sequence).data();
    tokens.values = cache.values(sequence).data();
    tokens.pages = cache.pages(sequence);
    for (int64_t page : tokens.pages)
      tokens.pageCount = std::max(tokens.pageCount, page + 1);
    tokens.rows = batch.rowsOf(i);
    tokens.firstRow = batch.rows[i];
    inputs.cached.push_back(std::move(tokens));
    inputs.lengths.push_back(cache.length(sequence));
    inputs.offsets.push_back(firstToken(batch, cache, i));
  }
  if (!op.getRope())
    return llvm::Error::success();
  return rotateAll(cache, batch, env.get<Tensor>(op.getRope()),
                   *op.getRopePairs(), env.report.rotated, gathered);
}

/// Keys and values, or a pyramid, as the source.
template <typename Op>
static llvm::Error gatherTensors(Op op, const Environment &env,
                                 Gathered &gathered) {
  AttentionInputs &inputs = gathered.inputs;
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
  llvm::Expected<Extent> extent =
      extentOf(env, op.getOffset(), op.getLengths(), inputs.batches(),
               inputs.query->dim(2), inputs.tokens());
  if (!extent)
    return extent.takeError();
  inputs.offsets = extent->offsets;
  inputs.lengths = extent->lengths;
  if (pyramid) {
    gathered.pyramid = pool(pyramid->keys[0], pyramid->values[0],
                            pyramid->levels, pyramid->element, inputs.lengths);
    inputs.source = sourceOf(gathered.pyramid);
  }
  return llvm::Error::success();
}

template <typename Op>
static llvm::Error gather(Op op, const Environment &env, Gathered &gathered) {
  AttentionInputs &inputs = gathered.inputs;
  inputs.query = &env.get<Tensor>(op.getQuery());
  inputs.stride = env.report.stride;
  inputs.weigh = env.report.weigh ? &env.report.weigh : nullptr;
  inputs.op = env.report.attentions++;
  inputs.scale = op.getScaleOrDefault();
  bool cached = isa<kv::CacheType>(op.getSource()[0].getType());
  if (llvm::Error error = cached ? gatherCache(op, env, gathered)
                                 : gatherTensors(op, env, gathered))
    return error;

  llvm::Expected<std::optional<ScalarProgram>> mask =
      maskProgram(env, op.getQueryHeads(), op.getMaskAttr(),
                  op.getMaskOperands(), &op.getMaskRegion());
  if (!mask)
    return mask.takeError();
  inputs.mask = std::move(*mask);
  inputs.masksTree = sel::readsBatchTree(op.getMaskAttr(), &op.getMaskRegion());
  llvm::Expected<std::vector<ScalarProgram>> score =
      scorePrograms(env, op.getQueryHeads(), op.getScoreAttr(),
                    op.getScoreOperands(), op.getScoreRegion());
  if (!score)
    return score.takeError();
  inputs.score = std::move(*score);

  if (op.getList())
    inputs.list = &env.get<List>(op.getList());
  if (op.getSinkLogits())
    inputs.sinks = &env.get<Tensor>(op.getSinkLogits());
  if (op.getLevels())
    inputs.levels = &env.get<Levels>(op.getLevels());
  return llvm::Error::success();
}

/// Notes what the report's row sees.
static void reportSight(const AttentionInputs &inputs, StringRef name,
                        Report &report) {
  if (!report.row || report.row->batch >= inputs.batches() ||
      report.row->head >= inputs.heads() ||
      report.row->query >= inputs.queries(report.row->batch))
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
  env.report.prob |= prob.get().has_value();
  gathered.inputs.prob = std::move(*prob);
  llvm::Expected<Attended> result = attend(gathered.inputs, env.report);
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
  llvm::Expected<State> state = attendPartially(gathered.inputs, env.report);
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
