// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sequences whose caches start with the same pages - a system prompt, a
// conversation that was forked - read those keys once: their rows are packed
// into the items of a shared tile, and the records of the tile are merged with
// those of each sequence's own keys.
//
// Sequences are sorted by their tables, so that those that share a prefix are
// neighbours; a group is a range of them, and ranges nest.
#include "runtime/base/Status.h"
#include "runtime/plan/Plan.h"

#include <algorithm>

namespace fovea::rt {
namespace {

/// Shorter prefixes are not worth their records.
constexpr int64_t leastShared = 128;
/// A group must cost at most this share of what its members cost apart.
constexpr double worth = 0.9;
/// Groups inside groups are looked for so deep.
constexpr int deepest = 32;

/// Compares the leading tokens of sequences by the pages that hold them.
class Prefixes {
public:
  explicit Prefixes(const CacheStep &cache) : cache(cache) {}

  /// Leading tokens of two sequences that lie in the same pages; *order is
  /// negative if a comes before b.
  int64_t common(int32_t a, int32_t b, int *order) const;

private:
  const CacheStep &cache;
};

int64_t Prefixes::common(int32_t a, int32_t b, int *order) const {
  int64_t end = 0;
  *order = 0;
  for (uint32_t s = 0; s < cache.records.segments.size(); ++s) {
    const fovea_bundle_segment &segment = cache.records.segments[s];
    const SegmentTables &t = cache.segments[s];
    const fovea_abi_range &x = t.ranges[a], &y = t.ranges[b];
    // A ring and uncommitted rows are a sequence's own.
    if (segment.ring || segment.kind == FOVEA_SEGMENT_NEW ||
        segment.kind == FOVEA_SEGMENT_RECENT)
      return end;
    if (x.begin != y.begin || x.base != y.base) {
      *order =
          (x.begin != y.begin ? x.begin < y.begin : x.base < y.base) ? -1 : 1;
      return end;
    }
    int64_t both = std::min(x.end, y.end), page = segment.page_tokens;
    int64_t n = both <= x.begin ? 0 : page ? ceilDiv(both - x.base, page) : 1;
    const int32_t *p = t.pages + x.table, *q = t.pages + y.table;
    int64_t i = std::mismatch(p, p + n, q).first - p;
    if (i < n) {
      *order = p[i] < q[i] ? -1 : 1;
      return std::max(end, page ? x.base + i * page : x.begin);
    }
    end = std::max(end, both);
    if (x.end != y.end) {
      *order = x.end < y.end ? -1 : 1;
      return end;
    }
  }
  return end;
}

class Sharer {
public:
  Sharer(fovea_plan &plan, Phase &phase)
      : plan(plan), phase(phase), cache(*cacheOf(plan, *phase.stage)),
        prefixes(cache) {}

  void run();

private:
  bool eligible(int64_t b) const;
  bool sees(int32_t b, int64_t k0, int64_t k1) const;
  void divide(int32_t lo, int32_t hi, int64_t from, int depth);
  bool group(int32_t lo, int32_t hi, int64_t k0, int64_t k1);

  fovea_plan &plan;
  Phase &phase;
  const CacheStep &cache;
  Prefixes prefixes;
  int64_t slots = 0; // taken by records of groups
};

/// Few rows: the others read keys often enough themselves.
bool Sharer::eligible(int64_t b) const {
  int64_t rows = phase.packed(b);
  const fovea_bundle_variant &v = *phase.parts[phase.partOf[b]].variant;
  return rows && rows <= shareRows && v.rows <= shareRows;
}

/// Whether the mask proves that each query sees all of these keys.
bool Sharer::sees(int32_t b, int64_t k0, int64_t k1) const {
  if (!phase.mask.classify)
    return true;
  int64_t off = phase.qOff[b];
  for (int32_t h = 0; h < phase.stage->heads; ++h)
    if (phase.mask.classify(
            &plan.planned.abi, b, int64_t(h) * phase.stage->group, off,
            off + phase.queries(b), k0, k1, phase.kLen[b]) != FOVEA_TILE_FULL)
      return false;
  return true;
}

/// Tries the sequences sorted[lo .. hi) as one group that reads the keys
/// [k0, k1) together.
bool Sharer::group(int32_t lo, int32_t hi, int64_t k0, int64_t k1) {
  int64_t queries = 0, apart = 0, members = 0;
  int32_t *sorted = phase.sorted;
  int64_t links = phase.nLinks;
  for (int32_t i = lo; i < hi; ++i) {
    int32_t b = sorted[i];
    if (phase.ownBegin[b] != k0 || links == phase.maxLinks || !sees(b, k0, k1))
      continue;
    const fovea_bundle_variant &v = *phase.parts[phase.partOf[b]].variant;
    for (int64_t row = 0; row < phase.packed(b); row += v.rows)
      apart +=
          keyCost(phase, v, std::min<int64_t>(phase.packed(b) - row, v.rows));
    phase.links[links++] = {b, -1, 0};
    queries += phase.queries(b);
    ++members;
  }
  int64_t size = phase.stage->group;
  int32_t part = members > 1 ? partFor(phase, queries * size) : -1;
  if (part < 0)
    return false;
  const fovea_bundle_variant &v = *phase.parts[part].variant;
  int64_t perTile = v.rows / size, tiles = phase.nTiles, rows = phase.nRows;
  int64_t records = 0, together = 0, needed = slots;
  SharedTile *tile = nullptr;
  auto close = [&] {
    if (!tile)
      return;
    int64_t packed = int64_t(tile->count) * size;
    together += keyCost(phase, v, packed);
    needed += phase.stage->heads * ceilDiv(packed, phase.slotRows);
  };
  for (int64_t l = phase.nLinks; l < links; ++l) {
    SharedLink &link = phase.links[l];
    int64_t n = phase.queries(link.b);
    const fovea_bundle_variant &own =
        *phase.parts[phase.partOf[link.b]].variant;
    if (n > perTile)
      return false;
    if (!tile || tile->count + n > perTile) {
      close();
      if (tiles == phase.maxTiles)
        return false;
      tile = &phase.tiles[tiles];
      *tile = {k0, k1, link.b, part, int32_t(rows), 0, 0};
      ++tiles;
    }
    link.tile = int32_t(tiles - 1);
    link.row = int32_t(tile->count * size);
    for (int64_t q = 0; q < n; ++q)
      phase.rows[rows++] = {link.b, int32_t(q)};
    tile->count += int32_t(n);
    int64_t ownTiles = ceilDiv(n * size, own.rows);
    tile->merges += int32_t(ownTiles);
    records += n * size;
    for (int64_t row = 0; row < n * size && !phase.ownBegin[link.b];
         row += own.rows)
      needed +=
          phase.stage->heads *
          ceilDiv(std::min<int64_t>(n * size - row, own.rows), phase.slotRows);
  }
  close();
  double cost =
      double(together * (k1 - k0)) + 2.0 * double(overheadKeys * records);
  if (needed > phase.maxSlots - phase.plainSlots ||
      cost > worth * double(apart * (k1 - k0)))
    return false;
  for (int64_t l = phase.nLinks; l < links; ++l)
    phase.ownBegin[phase.links[l].b] = k1;
  phase.nLinks = links;
  phase.nTiles = tiles;
  phase.nRows = rows;
  slots = needed;
  ++phase.sharedGroups;
  phase.sharedKeys += (members - 1) * (k1 - k0);
  return true;
}

/// Groups among sorted[lo .. hi), whose keys before `from` are settled.
void Sharer::divide(int32_t lo, int32_t hi, int64_t from, int depth) {
  if (hi - lo < 2 || depth == deepest)
    return;
  int64_t least = phase.common[lo + 1];
  for (int32_t i = lo + 2; i < hi; ++i)
    least = std::min(least, phase.common[i]);
  int64_t next = from;
  if (least >= from + leastShared && group(lo, hi, from, least))
    next = least;
  for (int32_t begin = lo, i = lo + 1; i <= hi; ++i)
    if (i == hi || phase.common[i] == least) {
      divide(begin, i, next, depth + 1);
      begin = i;
    }
}

void Sharer::run() {
  int32_t n = 0;
  for (int64_t b = 0; b < phase.batch; ++b) {
    phase.ownBegin[b] = 0;
    if (eligible(b))
      phase.sorted[n++] = int32_t(b);
  }
  std::sort(phase.sorted, phase.sorted + n, [&](int32_t a, int32_t b) {
    int order = 0;
    prefixes.common(a, b, &order);
    return order ? order < 0 : a < b;
  });
  for (int32_t i = 1; i < n; ++i) {
    int order = 0;
    int32_t a = phase.sorted[i - 1], b = phase.sorted[i];
    phase.common[i] =
        std::min({prefixes.common(a, b, &order), phase.kLen[a], phase.kLen[b]});
  }
  divide(0, n, 0, 0);
  // By sequence, each one's in the order of its keys.
  std::sort(phase.links, phase.links + phase.nLinks,
            [&](const SharedLink &x, const SharedLink &y) {
              return x.b != y.b
                         ? x.b < y.b
                         : phase.tiles[x.tile].k0 < phase.tiles[y.tile].k0;
            });
}

} // namespace

bool canShare(const fovea_plan &plan, const Phase &phase) {
  const fovea_bundle_stage &s = *phase.stage;
  return s.space == FOVEA_SPACE_STREAM && s.cache >= 0 && phase.hasCombine &&
         s.splittable && s.list_slot < 0 &&
         !(s.flags & (FOVEA_STAGE_READS_B | FOVEA_STAGE_TOP_LEFT)) &&
         !plan.limits.deterministic && !plan.limits.no_sharing &&
         plan.limits.seqs > 1;
}

void planSharing(fovea_plan &plan, Phase &phase) { Sharer(plan, phase).run(); }

} // namespace fovea::rt
