// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// FLOPs and bytes of one kernel's call.
#include "tools/fovea/compare/Side.h"

#include "dialects/attn/Attn.h"

namespace fovea::cli {

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
    if (!value.isScalar && argumentOf(value.name) == name) {
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

} // namespace fovea::cli
