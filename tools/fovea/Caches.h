// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Cache arguments of a call: what the bundle says of them, and a cache of the
// runtime with tokens in it.
#ifndef FOVEA_TOOLS_FOVEA_CACHES_H
#define FOVEA_TOOLS_FOVEA_CACHES_H

#include "tools/fovea/HostTensor.h"
#include "tools/fovea/Session.h"
#include "tools/fovea/Shape.h"

namespace fovea::cli {

/// One segment as the bundle describes it.
struct SegmentInfo {
  std::string name;
  int64_t pageTokens = 0;    ///< 0: contiguous
  int64_t bytesPerToken = 0; ///< of keys and values, all heads, one layer
};

/// One cache argument.
struct CacheInfo {
  std::string name;
  size_t arg = 0; ///< index into the kernel's arguments
  int64_t heads = 0, keyDim = 0, valueDim = 0;
  fovea_dtype input = FOVEA_DTYPE_NONE; ///< of appended rows
  bool appends = false;                 ///< whether the kernel appends to it
  bool takesTrees = false; ///< whether all of the kernel's masks say `tree`
  std::vector<SegmentInfo> segments;

  const SegmentInfo *segment(const std::string &name) const;
};
std::vector<CacheInfo> cachesOf(const Session &session);

/// A cache, where the session's kernel runs, with the tokens that a call finds
/// in it: sequence i, called i + 1, holds the first tokens[i] of keys and
/// values [b, heads, tokens, dim].
class HostCache {
public:
  /// Room for `sequences` beside the tokens.
  HostCache(const Session &session, const CacheInfo &info,
            const Sequences &sequences, const std::vector<int64_t> &tokens,
            HostTensor &keys, HostTensor &values);
  ~HostCache();
  HostCache(const HostCache &) = delete;
  HostCache &operator=(const HostCache &) = delete;

  fovea_kv *handle() const { return kv; }
  const CacheInfo &info() const { return about; }
  /// Makes the rows of the step of sequence `i` last: all, or a path of them.
  void commit(int64_t i, const std::optional<std::vector<int32_t>> &path);
  /// Takes back what the last update reserved.
  void rewind();
  /// The segments of sequence `i` as they are now.
  std::vector<fovea_segment> segments(int64_t i) const;

private:
  void check(fovea_status status) const;
  void fill(int64_t begin, const std::vector<int64_t> &end,
            const HostTensor &keys, const HostTensor &values,
            const fovea_tensor there[2]);

  CacheInfo about;
  int64_t count;
  fovea_kv *kv = nullptr;
};

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_CACHES_H
