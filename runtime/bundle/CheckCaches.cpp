// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks what a bundle's records say of KV caches. For checkRecords.
#include "runtime/base/Status.h"
#include "runtime/bundle/CheckRecords.h"

#include <cstring>
#include <initializer_list>

namespace fovea::rt {
namespace {

class CacheCheck {
public:
  CacheCheck(const BundleView &b, const fovea_bundle_kernel &k, uint32_t index,
             uint64_t &takenViews)
      : b(b), k(k), index(index), c(b.caches.slice(k.caches)[index]),
        takenViews(takenViews) {}

  fovea_status run();

private:
  fovea_status bad(const char *what, const char *want, long long got) {
    return fail(FOVEA_BAD_BUNDLE,
                "kernel '%s': expected %s of a cache to be %s, got %lld",
                b.string(k.name), what, want, got);
  }
  fovea_status string(const char *what, uint32_t offset) {
    if (offset < b.strings.size())
      return FOVEA_OK;
    return bad(what, "a string", offset);
  }
  fovea_status span(const char *what, fovea_bundle_span s, uint32_t size,
                    uint32_t most) {
    if (s.first > size || s.count > size - s.first || s.count < 1 ||
        s.count > most)
      return bad(what, "a range of records, neither empty nor too long",
                 s.count);
    return FOVEA_OK;
  }
  fovea_status header();
  fovea_status segment(const fovea_bundle_segment &s, int before);
  fovea_status part(const fovea_bundle_segment &s, const fovea_bundle_part &p);
  fovea_status partNames(const fovea_bundle_segment &s);
  fovea_status takeSlot(const char *what, int64_t slot);
  fovea_status inputSlot(const char *what, int32_t slot);
  fovea_status service(const char *what, int32_t stage, uint32_t space,
                       bool wanted);

  const BundleView &b;
  const fovea_bundle_kernel &k;
  uint32_t index;
  const fovea_bundle_cache &c;
  uint64_t &takenViews;
  bool perPage = false;
};

fovea_status CacheCheck::takeSlot(const char *what, int64_t slot) {
  if (slot < 0 || slot >= int64_t(k.n_views))
    return bad(what, "below n_views", slot);
  if (takenViews >> slot & 1)
    return bad(what, "a view slot of its own", slot);
  takenViews |= uint64_t(1) << slot;
  return FOVEA_OK;
}

/// An argument that the kernel appends, or a slot of the cache's own that the
/// cache manager fills.
fovea_status CacheCheck::inputSlot(const char *what, int32_t slot) {
  if (slot < 0 || slot >= int64_t(k.n_views))
    return bad(what, "below n_views", slot);
  for (const fovea_bundle_arg &a : b.args.slice(k.args)) {
    if (a.kind != FOVEA_ARG_TENSOR || int64_t(a.slot) != slot)
      continue;
    if (a.is_result || (a.rank != 3 && a.rank != 4) || a.dtype != c.input_dtype)
      return bad(what,
                 "the slot of an argument of rank 3 or 4 and the "
                 "input's dtype",
                 slot);
    return FOVEA_OK;
  }
  return takeSlot(what, slot);
}

fovea_status CacheCheck::service(const char *what, int32_t stage,
                                 uint32_t space, bool wanted) {
  if (stage == -1 && !wanted)
    return FOVEA_OK;
  if (stage < 0 || stage >= int64_t(k.stages.count))
    return bad(what, "one of the kernel's", stage);
  const fovea_bundle_stage &s = b.stages.slice(k.stages)[stage];
  if (s.space != space || s.cache != int64_t(index))
    return bad(what, "a stage of this cache and of its item space", stage);
  return FOVEA_OK;
}

fovea_status CacheCheck::header() {
  if (fovea_status st = string("the name", c.name))
    return st;
  if (fovea_status st = string("the type", c.type))
    return st;
  if (c.arg >= k.args.count)
    return bad("arg", "one of the kernel's arguments", c.arg);
  const fovea_bundle_arg &a = b.args.slice(k.args)[c.arg];
  if (a.kind != FOVEA_ARG_CACHE || a.slot != index)
    return bad("arg", "the argument that names it", c.arg);
  if (c.heads < 1 || c.heads > 65536)
    return bad("heads", "between 1 and 65536", c.heads);
  if (c.key_dim < 1 || c.key_dim > 65536)
    return bad("key_dim", "between 1 and 65536", c.key_dim);
  if (c.value_dim < 1 || c.value_dim > 65536)
    return bad("value_dim", "between 1 and 65536", c.value_dim);
  if (c.input_dtype != FOVEA_DTYPE_F32 && c.input_dtype != FOVEA_DTYPE_F16 &&
      c.input_dtype != FOVEA_DTYPE_BF16)
    return bad("input_dtype", "f32, f16 or bf16", c.input_dtype);
  if (c.rope > FOVEA_ROPE_SLOT)
    return bad("rope", "0, 1 or 2", c.rope);
  return FOVEA_OK;
}

fovea_status CacheCheck::part(const fovea_bundle_segment &s,
                              const fovea_bundle_part &p) {
  if (fovea_status st = string("a part's name", p.name))
    return st;
  if (!dtypeSize(p.dtype))
    return bad("a part's dtype", "a known code", p.dtype);
  if (p.per_page > 1)
    return bad("a part's per_page", "0 or 1", p.per_page);
  if (p.per_page && !s.page_tokens)
    return bad("a part's per_page", "0 in a contiguous segment", p.per_page);
  uint32_t least = p.per_page ? 2 : 3,
           most = p.per_page ? FOVEA_ABI_MAX_RANK : 4;
  if (p.rank < least || p.rank > most)
    return bad("a part's rank", "3 or 4, or 2 to 6 per page", p.rank);
  if (p.extent < 1 || p.extent > (1 << 20))
    return bad("a part's extent", "between 1 and 2^20", p.extent);
  if (p.inner < 1 || p.extent % p.inner)
    return bad("a part's inner extent", "a divisor of its extent", p.inner);
  if (!p.per_page && p.inner != p.extent)
    return bad("a part's inner extent", "its extent per token", p.inner);
  if (!p.per_page && p.rank == 3 && p.extent != 1)
    return bad("a part's extent", "1 without a chan dim", p.extent);
  perPage |= p.per_page;
  return takeSlot("a part's slot", p.slot);
}

/// k [k.scale] v [v.scale], then metadata.
fovea_status CacheCheck::partNames(const fovea_bundle_segment &s) {
  Records<fovea_bundle_part> parts = b.parts.slice(s.parts);
  uint32_t at = 0;
  for (const char *want : {"k", "v"}) {
    if (at >= parts.size() || parts[at].per_page ||
        std::strcmp(b.string(parts[at].name), want))
      return bad("the parts", "k [k.scale] v [v.scale] first", at);
    ++at;
    char scale[8] = {want[0], '.', 's', 'c', 'a', 'l', 'e', 0};
    if (at < parts.size() && !parts[at].per_page &&
        !std::strcmp(b.string(parts[at].name), scale))
      ++at;
  }
  for (; at < parts.size(); ++at)
    if (!parts[at].per_page)
      return bad("the parts", "metadata after v [v.scale]", at);
  return FOVEA_OK;
}

fovea_status CacheCheck::segment(const fovea_bundle_segment &s, int before) {
  if (fovea_status st = string("a segment's name", s.name))
    return st;
  if (s.kind > FOVEA_SEGMENT_NEW || int(s.kind) <= before ||
      (before == FOVEA_SEGMENT_ALL && s.kind != FOVEA_SEGMENT_NEW))
    return bad("a segment's kind", "known, and after the one before", s.kind);
  if (s.token_major > 1)
    return bad("a segment's token_major", "0 or 1", s.token_major);
  bool sized = s.kind == FOVEA_SEGMENT_FIRST || s.kind == FOVEA_SEGMENT_RECENT;
  if (sized ? s.tokens < 1 || s.tokens > INT32_MAX : s.tokens != 0)
    return bad("a segment's tokens", "at least 1 for first and recent, else 0",
               s.tokens);
  if (s.page_tokens < 0 || s.page_tokens > (1 << 24))
    return bad("a segment's page_tokens", "between 0 and 2^24", s.page_tokens);
  if (s.ring != (s.kind == FOVEA_SEGMENT_RECENT ? s.tokens : 0))
    return bad("a segment's ring", "its tokens for recent, else 0", s.ring);
  if (fovea_status st =
          span("a segment's parts", s.parts, b.parts.size(), maxParts))
    return st;
  for (const fovea_bundle_part &p : b.parts.slice(s.parts))
    if (fovea_status st = part(s, p))
      return st;
  if (fovea_status st = partNames(s))
    return st;
  if (fovea_status st = takeSlot("a segment's pages_slot", s.pages_slot))
    return st;
  return takeSlot("a segment's ranges_slot", s.ranges_slot);
}

fovea_status CacheCheck::run() {
  if (fovea_status st = header())
    return st;
  if (fovea_status st =
          span("the segments", c.segments, b.segments.size(), maxSegments))
    return st;
  int before = -1;
  for (const fovea_bundle_segment &s : b.segments.slice(c.segments)) {
    if (fovea_status st = segment(s, before))
      return st;
    before = int(s.kind);
  }
  if (b.segments.slice(c.segments)[0].kind == FOVEA_SEGMENT_NEW)
    return bad("the first segment's kind", "another than new",
               FOVEA_SEGMENT_NEW);
  if (fovea_status st =
          service("append_stage", c.append_stage, FOVEA_SPACE_APPEND, true))
    return st;
  if (fovea_status st = service("moves_stage", c.moves_stage, FOVEA_SPACE_MOVES,
                                before == FOVEA_SEGMENT_NEW))
    return st;
  if (fovea_status st =
          service("pages_stage", c.pages_stage, FOVEA_SPACE_PAGES, perPage))
    return st;
  if (fovea_status st = inputSlot("key_slot", c.key_slot))
    return st;
  if (c.value_slot == c.key_slot && c.key_dim == c.value_dim)
    return FOVEA_OK;
  return inputSlot("value_slot", c.value_slot);
}

} // namespace

fovea_status checkCaches(const BundleView &b, const fovea_bundle_kernel &k,
                         uint64_t &takenViews) {
  for (uint32_t i = 0; i < k.caches.count; ++i)
    if (fovea_status st = CacheCheck(b, k, i, takenViews).run())
      return st;
  return FOVEA_OK;
}

} // namespace fovea::rt
