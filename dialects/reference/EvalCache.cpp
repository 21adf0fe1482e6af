// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The ops over caches: they check the batch and name the results.
#include "dialects/reference/Environment.h"
#include "dialects/reference/Select.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::reference;

int64_t reference::firstToken(const Batch &batch, const Cache &cache,
                              int64_t i) {
  if (!batch.first.empty())
    return batch.first[i];
  return cache.length(batch.sequences[i]) - batch.rowsOf(i);
}

llvm::Expected<const Batch *> reference::batchFor(const Environment &env,
                                                  const Cache &cache,
                                                  const Tensor &query) {
  if (!env.batch)
    return llvm::createStringError("expected a call with a cache to have a "
                                   "batch");
  const Batch &batch = *env.batch;
  bool fits =
      batch.rows.size() == batch.sequences.size() + 1 && batch.rows[0] == 0 &&
      (batch.first.empty() || batch.first.size() == batch.sequences.size());
  for (int64_t i = 0; fits && i < batch.size(); ++i)
    fits = batch.rowsOf(i) >= 0 &&
           (query.rank() == 3 || batch.rowsOf(i) == query.dim(2));
  fits = fits && (query.rank() == 3 ? batch.rows.back() == query.dim(0)
                                    : batch.size() == query.dim(0));
  if (!fits)
    return llvm::createStringError("expected the batch to describe the rows of "
                                   "the query");
  for (int64_t i = 0; i < batch.size(); ++i) {
    uint64_t sequence = batch.sequences[i];
    if (!cache.contains(sequence))
      return llvm::createStringError("expected sequences of the cache, got "
                                     "%llu",
                                     (unsigned long long)sequence);
    int64_t first = firstToken(batch, cache, i);
    if (first < 0)
      return llvm::createStringError(
          "expected rows to be tokens of sequence %llu, got %lld",
          (unsigned long long)sequence, (long long)first);
  }
  return &batch;
}

llvm::Error reference::evaluate(kv::AppendOp op, Environment &env) {
  if (!env.batch || !env.batch->first.empty())
    return llvm::createStringError("expected a call that appends to have a "
                                   "batch whose rows are the last tokens");
  Cache cache = env.get<Cache>(op.getCache());
  if (llvm::Error error = cache.append(*env.batch, env.get<Tensor>(op.getKey()),
                                       env.get<Tensor>(op.getValue())))
    return error;
  env.set(op.getOutput(), std::move(cache));
  return llvm::Error::success();
}

llvm::Error reference::evaluateScoreOverCache(sel::ScoreOp op,
                                              Environment &env) {
  const Cache &cache = env.get<Cache>(op.getKey());
  PageInputs inputs;
  inputs.query = &env.get<Tensor>(op.getQuery());
  llvm::Expected<const Batch *> found = batchFor(env, cache, *inputs.query);
  if (!found)
    return found.takeError();
  const Batch &batch = **found;
  inputs.keyHeads = cache.type().getHeads();
  inputs.bound = op.getBound();
  inputs.scale = op.getScaleOrDefault();
  int64_t paged = cache.type().getPagedSegment();
  inputs.blocks.unit = cache.type().getSegmentPlans()[paged].pageTokens;
  inputs.blocks.queries = 1;
  std::vector<std::vector<double>> kept;
  for (uint64_t sequence : batch.sequences)
    kept.push_back(
        cache.metadata(sequence, *cache.type().findKept(*op.getKept())));
  for (int64_t i = 0; i < batch.size(); ++i) {
    TokenRange range = cache.ranges(batch.sequences[i])[paged];
    for (int64_t r = 0; r < batch.rowsOf(i); ++r) {
      inputs.kept.push_back(&kept[i]);
      inputs.blocks.offsets.push_back(firstToken(batch, cache, i) + r -
                                      range.begin);
      inputs.blocks.lengths.push_back(range.end - range.begin);
    }
  }
  env.set(op.getOutput(), scorePages(inputs));
  return llvm::Error::success();
}
