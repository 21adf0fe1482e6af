// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Describing, making and filling caches.
#include "tools/fovea/Caches.h"

#include "tools/fovea/DeviceMemory.h"
#include "tools/fovea/npy/Npy.h"

#include <algorithm>

namespace fovea::cli {

namespace {
/// A section of the session's bundle.
template <typename Record>
const Record *records(const Session &session, uint32_t kind) {
  const void *data = nullptr;
  size_t size = 0;
  fovea_status status =
      fovea_bundle_section_get(session.bundle(), kind, 0, &data, &size);
  if (status != FOVEA_OK)
    throw runtimeFailure(status, session.options().path);
  return static_cast<const Record *>(data);
}

/// Whether there are masks over caches, and all of them say `tree`.
bool masksSayTree(const fovea_bundle_kernel &kernel,
                  const fovea_bundle_stage *stages) {
  bool any = false, all = true;
  for (uint32_t s = 0; s < kernel.stages.count; ++s) {
    const fovea_bundle_stage &stage = stages[kernel.stages.first + s];
    if (stage.space != FOVEA_SPACE_STREAM || stage.cache < 0)
      continue;
    any = true;
    all &= (stage.flags & FOVEA_STAGE_TREE) != 0;
  }
  return any && all;
}

/// The most tokens that are filled in between two commits.
constexpr int64_t kFillRows = 512;
} // namespace

const SegmentInfo *CacheInfo::segment(const std::string &name) const {
  for (const SegmentInfo &segment : segments)
    if (segment.name == name)
      return &segment;
  return nullptr;
}

std::vector<CacheInfo> cachesOf(const Session &session) {
  std::vector<CacheInfo> infos;
  const fovea_bundle_kernel *kernel = fovea_kernel_record(session.kernel());
  if (kernel->caches.count == 0)
    return infos;
  auto *caches = records<fovea_bundle_cache>(session, FOVEA_SECTION_CACHES);
  auto *segments =
      records<fovea_bundle_segment>(session, FOVEA_SECTION_SEGMENTS);
  auto *parts = records<fovea_bundle_part>(session, FOVEA_SECTION_PARTS);
  auto *stages = records<fovea_bundle_stage>(session, FOVEA_SECTION_STAGES);
  auto text = [&](uint32_t string) {
    const char *found = fovea_bundle_string(session.bundle(), string);
    return std::string(found ? found : "");
  };
  for (uint32_t c = 0; c < kernel->caches.count; ++c) {
    const fovea_bundle_cache &cache = caches[kernel->caches.first + c];
    CacheInfo info;
    info.name = text(cache.name);
    info.arg = cache.arg;
    info.heads = cache.heads;
    info.keyDim = cache.key_dim;
    info.valueDim = cache.value_dim;
    info.input = fovea_dtype(cache.input_dtype);
    const fovea_bundle_stage &append =
        stages[kernel->stages.first + uint32_t(cache.append_stage)];
    info.appends = !(append.flags & FOVEA_STAGE_SERVICE);
    info.takesTrees = masksSayTree(*kernel, stages);
    for (uint32_t s = 0; s < cache.segments.count; ++s) {
      const fovea_bundle_segment &segment = segments[cache.segments.first + s];
      SegmentInfo about{text(segment.name), segment.page_tokens, 0};
      for (uint32_t p = 0; p < segment.parts.count; ++p) {
        const fovea_bundle_part &part = parts[segment.parts.first + p];
        if (!part.per_page)
          about.bytesPerToken +=
              int64_t(cache.heads) * part.extent *
              int64_t(npy::dtypeSize(fovea_dtype(part.dtype)));
      }
      info.segments.push_back(about);
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

HostCache::HostCache(const Session &session, const CacheInfo &info,
                     const Sequences &sequences,
                     const std::vector<int64_t> &tokens, HostTensor &keys,
                     HostTensor &values)
    : about(info), count(sequences.count()) {
  fovea_kv_limits limits{};
  limits.size = sizeof(limits);
  limits.layers = 1;
  limits.seqs = std::max<int64_t>(count, 1);
  limits.max_len = std::max<int64_t>(sequences.longest(), 1);
  limits.rows = std::max(sequences.totalRows(), kFillRows);
  limits.device = session.device();
  // Pages for exactly these sequences: they differ in length.
  for (const SegmentInfo &segment : about.segments)
    if (segment.pageTokens > 0 &&
        (segment.name == "all" || segment.name == "older"))
      for (int64_t length : sequences.lengths)
        limits.pages += (length + segment.pageTokens - 1) / segment.pageTokens;
  check(fovea_kv_create(session.kernel(), int(about.arg), &limits, &kv));
  try {
    // Rows come from where the cache is.
    fovea_tensor there[2] = {keys.view(), values.view()};
    std::vector<DeviceMemory> copies;
    for (HostTensor *tensor : {&keys, &values})
      if (session.onGpu()) {
        copies.emplace_back(session, tensor->bytes.size());
        copies.back().write(tensor->bytes.data(), tensor->bytes.size());
        fovea_tensor &view = there[copies.size() - 1];
        view = copies.back().view(view);
      }
    check(fovea_stream_wait(session.context(), session.device(),
                            session.stream()));
    // What is shared is filled in once; then the others begin with it.
    int64_t prefix = sequences.prefix;
    if (count > 0)
      check(fovea_kv_new(kv, 1));
    if (prefix > 0 && count > 0)
      fill(0, {prefix}, keys, values, there);
    for (int64_t i = 1; i < count; ++i)
      check(prefix > 0 ? fovea_kv_fork(kv, 1, prefix, uint64_t(i) + 1)
                       : fovea_kv_new(kv, uint64_t(i) + 1));
    fill(prefix, tokens, keys, values, there);
  } catch (...) {
    fovea_kv_destroy(kv);
    throw;
  }
}

HostCache::~HostCache() { fovea_kv_destroy(kv); }

void HostCache::check(fovea_status status) const {
  if (status != FOVEA_OK)
    throw runtimeFailure(status, "cache '" + about.name + "'");
}

/// Rows [first, first + n) of sequence i of [b, heads, tokens, dim], as
/// [n, heads, dim]; `there` has its elements.
static fovea_tensor rowsOf(const HostTensor &tensor, fovea_tensor there,
                           int64_t i, int64_t first, int64_t shape[3],
                           int64_t strides[3]) {
  fovea_tensor view = there;
  int64_t heads = tensor.shape[1], tokens = tensor.shape[2],
          dim = tensor.shape[3];
  shape[1] = heads;
  shape[2] = dim;
  strides[0] = dim;
  strides[1] = tokens * dim;
  strides[2] = 1;
  view.ndim = 3;
  view.shape = shape;
  view.strides = strides;
  view.byte_offset = uint64_t((i * heads * tokens + first) * dim) *
                     npy::dtypeSize(tensor.dtype);
  return view;
}

/// The tokens [begin, end[i]) of sequence i.
void HostCache::fill(int64_t begin, const std::vector<int64_t> &end,
                     const HostTensor &keys, const HostTensor &values,
                     const fovea_tensor there[2]) {
  // In turns, a page or so at a time, so that the pages of a sequence lie as
  // far from each other as they do after a while of serving.
  int64_t turn = kFillRows;
  for (const SegmentInfo &segment : about.segments)
    if (segment.pageTokens > 0)
      turn = std::min(turn, segment.pageTokens);
  if (end.size() == 1)
    turn = kFillRows;
  int64_t longest = 0;
  for (int64_t n : end)
    longest = std::max(longest, n);
  for (int64_t first = begin; first < longest; first += turn)
    for (int64_t i = 0; i < int64_t(end.size()); ++i) {
      int64_t n = std::min(end[size_t(i)] - first, turn);
      if (n <= 0)
        continue;
      uint64_t seq = uint64_t(i) + 1;
      int32_t rows[2] = {0, int32_t(n)};
      fovea_batch batch{};
      batch.size = sizeof(batch);
      batch.n = 1;
      batch.seq = &seq;
      batch.rows = rows;
      int64_t shape[2][3] = {{n}, {n}}, strides[2][3];
      fovea_tensor k = rowsOf(keys, there[0], i, first, shape[0], strides[0]);
      fovea_tensor v = rowsOf(values, there[1], i, first, shape[1], strides[1]);
      check(fovea_kv_extend(kv, &batch));
      check(fovea_kv_write(kv, &batch, 0, &k, &v));
      check(fovea_kv_commit(kv, seq, nullptr, -1, nullptr));
    }
}

void HostCache::commit(int64_t i,
                       const std::optional<std::vector<int32_t>> &path) {
  check(fovea_kv_commit(kv, uint64_t(i) + 1, path ? path->data() : nullptr,
                        path ? int(path->size()) : -1, nullptr));
}

void HostCache::rewind() {
  for (int64_t i = 0; i < count; ++i) {
    int64_t length = 0, uncommitted = 0;
    uint64_t seq = uint64_t(i) + 1;
    check(fovea_kv_length(kv, seq, &length, &uncommitted));
    if (uncommitted)
      check(fovea_kv_trim(kv, seq, length - uncommitted));
  }
}

std::vector<fovea_segment> HostCache::segments(int64_t i) const {
  std::vector<fovea_segment> list(about.segments.size());
  for (fovea_segment &segment : list)
    segment.size = sizeof(segment);
  int n = 0;
  check(fovea_kv_segments(kv, uint64_t(i) + 1, list.data(), int(list.size()),
                          &n));
  list.resize(size_t(n));
  return list;
}

} // namespace fovea::cli
