// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans over caches: batches, ragged rows, stale plans, shared prefixes.
#include "test/unit/runtime/Serving.h"
#include "test/support/Times.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <thread>

using namespace fovea::test;

namespace {

fovea_stats statsOf(fovea_plan *plan, int phase = -1) {
  fovea_stats stats{};
  stats.size = sizeof stats;
  EXPECT_EQ(fovea_plan_stats(plan, phase, &stats), FOVEA_OK) << fovea_message();
  return stats;
}

fovea_phase_info phaseOf(fovea_plan *plan, int phase) {
  fovea_phase_info info{};
  info.size = sizeof info;
  EXPECT_EQ(fovea_plan_phase(plan, phase, &info), FOVEA_OK) << fovea_message();
  return info;
}

fovea_phase_info partOf(fovea_plan *plan, int phase, int part) {
  fovea_phase_info info{};
  info.size = sizeof info;
  EXPECT_EQ(fovea_plan_part(plan, phase, part, &info), FOVEA_OK)
      << fovea_message();
  return info;
}

enum { Append = 0, Attend = 1, Combine = 2 }; // phases of servingKernel

TEST(Serving, PrefillsChunksAndDecodes) {
  for (CacheKind kind : {CacheKind::Plain, CacheKind::Rich})
    for (int64_t page : {0, 1, 4, 16}) {
      if (kind == CacheKind::Rich && page == 0)
        continue; // it keeps metadata per page
      SCOPED_TRACE(page);
      ServingOptions options;
      options.kind = kind;
      options.shape.page = page;
      Serving s(options);
      s.window = kind == CacheKind::Rich ? 1 << 20 : 100;
      s.begin(7);
      s.begin(3);
      s.begin(11);
      s.step({{7, 37}});
      s.step({{7, 1}, {3, 60}});
      s.step({{3, 1}, {7, 1}, {11, 5}});
      s.step({{11, 2}, {3, 30}, {7, 1}});
      if (kind == CacheKind::Plain) // sums are exact there only
        for (int i = 0; i < 5; ++i) {
          s.commit(3);
          s.step({{3, 1}, {7, 3}, {11, 1}});
        }
    }
}

TEST(Serving, RunsTwoVariantsInOnePhase) {
  Serving s;
  for (uint64_t seq = 0; seq < 6; ++seq) {
    s.begin(seq);
    s.step({{seq, 40}});
  }
  s.prepare({{0, 1}, {1, 1}, {2, 100}, {3, 2}, {4, 1}, {5, 1}});
  ASSERT_FOVEA(s.update());
  fovea_phase_info all = phaseOf(s.plan, Attend);
  ASSERT_EQ(all.n_parts, 2);
  fovea_phase_info many = partOf(s.plan, Attend, 0);
  fovea_phase_info few = partOf(s.plan, Attend, 1);
  // The part with the longest items first.
  EXPECT_STREQ(many.variant, "many");
  EXPECT_STREQ(few.variant, "few");
  EXPECT_EQ(many.n_items, 2 * 13); // heads x ceil(100 x 2 / 16)
  EXPECT_EQ(few.n_items, 2 * 5);
  EXPECT_EQ(many.n_items + few.n_items, all.n_items);
  EXPECT_EQ(many.items, all.items);
  EXPECT_EQ(few.items, all.items + many.n_items);
  EXPECT_GE(many.cost_longest, few.cost_longest);
  EXPECT_REFUSED(FOVEA_INVALID, "a part below 2, got 2",
                 fovea_plan_part(s.plan, Attend, 2, &all));
  for (int64_t i = 0; i < many.n_items; ++i)
    EXPECT_EQ(many.items[i].b, 2);
  fovea_stats stats = statsOf(s.plan, Attend);
  EXPECT_EQ(stats.items, all.n_items);
  ASSERT_FOVEA(fovea_plan_counters(s.plan, nullptr, 1));
  // Any pieces of the index space, also across the parts.
  for (int phase = 0; phase < fovea_plan_phases(s.plan); ++phase)
    for (int64_t n = fovea_plan_items(s.plan, phase), i = 0; i < n; i += 7)
      ASSERT_FOVEA(fovea_run_items(s.plan, 0, phase, i, std::min(i + 7, n), 0,
                                   s.args.data(), int(s.args.size()),
                                   s.workspace));
  EXPECT_EQ(s.wrong(), 0);
  fovea_counters counters{};
  counters.size = sizeof counters;
  ASSERT_FOVEA(fovea_plan_counters(s.plan, &counters, 0));
  EXPECT_EQ(counters.items, all.n_items);
  // With several workers.
  ServingLimits limits;
  limits.workers = 3;
  Serving t({}, limits);
  t.begin(1);
  t.begin(2);
  t.step({{1, 200}});
  t.step({{2, 1}, {1, 300}});
  t.step({{2, 100}, {1, 1}});
}

/// Every (query, head, key) is read exactly once: by an item of its own that
/// writes the result, or by one whose record is in its combine item.
class Coverage {
public:
  explicit Coverage(const Serving &s) {
    fovea_mask_info mask{};
    mask.size = sizeof mask;
    EXPECT_EQ(fovea_plan_mask(s.plan, Attend, &mask), FOVEA_OK);
    fovea_phase_info attend = phaseOf(s.plan, Attend);
    fovea_phase_info merge = phaseOf(s.plan, Combine);
    group = mask.group;
    for (int p = 0; p < attend.n_parts; ++p) {
      fovea_phase_info part = partOf(s.plan, Attend, p);
      for (int64_t i = 0; i < part.n_items; ++i)
        add(mask, attend, part.items[i], part.rows);
    }
    std::set<int32_t> used;
    for (int p = 0; p < merge.n_parts; ++p) {
      fovea_phase_info part = partOf(s.plan, Combine, p);
      for (int64_t i = 0; i < part.n_items; ++i) {
        const fovea_abi_item &item = part.items[i];
        int64_t rows =
            (mask.row_off[item.b + 1] - mask.row_off[item.b]) * group -
            item.row;
        rows = std::min<int64_t>(rows, part.rows);
        for (int64_t r = 0; r < rows; ++r)
          for (int32_t c = item.slot; c < item.slot + item.count; ++c)
            merged(mask, attend, item, part.sources[c], r, used);
      }
    }
    for (auto &[slot, item] : slots)
      unused += !used.count(slot);
    for (int64_t b = 0; b < mask.batch; ++b)
      for (int64_t packed = 0;
           packed < (mask.row_off[b + 1] - mask.row_off[b]) * group; ++packed)
        for (int h = 0; h < s.options.shape.heads; ++h) {
          const std::vector<int> &got = keys[{b, packed, h}];
          wrong += int64_t(got.size()) != mask.k_len[b] ||
                   std::count(got.begin(), got.end(), 1) != mask.k_len[b];
        }
  }

  int wrong = 0, unused = 0, shared = 0;

private:
  using Key = std::tuple<int64_t, int64_t, int>; // b, packed row, head
  void cover(const fovea_mask_info &mask, Key row, int64_t k0, int64_t k1) {
    std::vector<int> &got = keys[row];
    got.resize(size_t(mask.k_len[std::get<0>(row)]));
    for (int64_t k = k0; k < k1; ++k)
      ++got.at(size_t(k));
  }
  void add(const fovea_mask_info &mask, const fovea_phase_info &,
           const fovea_abi_item &item, int rows) {
    shared += item.flags & FOVEA_ITEM_SHARED;
    if (item.slot >= 0) {
      EXPECT_TRUE(slots.insert({item.slot, item}).second);
      return;
    }
    EXPECT_EQ(item.flags, 0);
    int64_t last = (mask.row_off[item.b + 1] - mask.row_off[item.b]) * group;
    for (int64_t r = item.row; r < item.row + rows && r < last; ++r)
      cover(mask, {item.b, r, item.head}, item.k0, item.k1);
  }
  void merged(const fovea_mask_info &mask, const fovea_phase_info &attend,
              const fovea_abi_item &item, fovea_abi_source source, int64_t r,
              std::set<int32_t> &used) {
    auto found = slots.find(source.slot);
    ASSERT_NE(found, slots.end());
    used.insert(source.slot);
    const fovea_abi_item &from = found->second;
    EXPECT_EQ(from.head, item.head);
    int64_t packed = item.row + r, at = source.row + r;
    if (from.flags & FOVEA_ITEM_SHARED) {
      ASSERT_LT(at / group, from.count);
      const fovea_abi_row &row = attend.shared_rows[from.row + at / group];
      EXPECT_EQ(row.b, item.b);
      EXPECT_EQ(row.position, packed / group);
      EXPECT_EQ(at % group, packed % group);
    } else {
      EXPECT_EQ(from.b, item.b);
      EXPECT_EQ(from.row + at, packed);
    }
    cover(mask, {item.b, packed, item.head}, from.k0, from.k1);
  }

  int64_t group = 1;
  std::map<int32_t, fovea_abi_item> slots;
  std::map<Key, std::vector<int>> keys;
};

TEST(Serving, RandomBatchesCoverEveryPairOnce) {
  std::mt19937 random(11);
  auto below = [&](int n) { return int(random() % unsigned(n)); };
  int sharedItems = 0, splits = 0;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    ServingOptions options;
    options.group = 1 + below(4);
    options.shape.heads = 1 + below(3);
    options.shape.dim = 2;
    options.shape.page = 1 << below(6);
    ServingLimits limits;
    limits.seqs = 10;
    limits.maxLen = 4096;
    limits.rows = 600;
    limits.workers = 1 + below(3) * 2;
    limits.deterministic = below(5) == 0;
    limits.noSharing = below(5) == 0;
    Serving s(options, limits);
    if (below(4) == 0)
      s.window = 1 + below(3000);
    s.begin(100);
    s.step({{100, 1 + below(500)}});
    uint64_t n = 1;
    for (; n < 8; ++n) {
      uint64_t parent = 100 + uint64_t(below(int(n)));
      int64_t len = int64_t(s.model[parent].size());
      s.commit(parent);
      if (below(4)) {
        s.fork(parent, below(4) ? len : below(int(len)), 100 + n);
      } else {
        s.begin(100 + n);
      }
      s.step({{100 + n, 1 + below(below(3) ? 300 : 20)}});
    }
    for (int step = 0; step < 3; ++step) {
      Rows rows;
      for (uint64_t i = 0; i < n; ++i)
        if (below(8))
          rows.push_back({100 + i, below(6) ? 1 + below(3) : 1 + below(60)});
      std::shuffle(rows.begin(), rows.end(), random);
      s.step(rows);
      Coverage c(s);
      EXPECT_EQ(c.wrong, 0);
      EXPECT_EQ(c.unused, 0);
      sharedItems += c.shared;
      splits += statsOf(s.plan).slots > 0;
      if (limits.deterministic || limits.noSharing)
        EXPECT_EQ(c.shared, 0);
    }
  }
  EXPECT_GT(sharedItems, 100);
  EXPECT_GT(splits, 20);
}

/// `n` sequences of a common prefix and a few tokens of their own.
void forkMany(Serving &s, int n, int prefix, int own) {
  s.begin(0);
  s.fill(0, prefix);
  s.commit(0);
  for (int i = 1; i <= n; ++i) {
    s.fork(0, prefix, uint64_t(i));
    if (own)
      s.fill(uint64_t(i), own);
  }
}

Rows decodes(int n) {
  Rows rows;
  for (int i = 1; i <= n; ++i)
    rows.push_back({uint64_t(i), 1});
  return rows;
}

TEST(Serving, ReadsASharedPrefixOnce) {
  constexpr int n = 32, prefix = 2048, own = 16;
  for (int group : {1, 2})
    for (int workers : {1, 3}) {
      SCOPED_TRACE(group);
      ServingOptions options;
      options.group = group;
      options.shape = {16, 2, false, 2, 4};
      ServingLimits limits;
      limits.seqs = n + 1;
      limits.maxLen = 2 * prefix;
      limits.workers = workers;
      Serving s(options, limits);
      forkMany(s, n, prefix, own);
      s.step(decodes(n));
      Coverage c(s);
      EXPECT_EQ(c.wrong, 0);
      EXPECT_GE(c.shared, 2);
      fovea_stats with = statsOf(s.plan, Attend);
      EXPECT_EQ(with.shared_groups, 1);
      EXPECT_EQ(with.shared_keys, int64_t(n - 1) * prefix);
      // 8 bytes per key and channel, 4 channels, 2 heads; tiles of 16 rows.
      int64_t token = 8 * 4 * 2;
      EXPECT_EQ(with.kv_bytes,
                (n * group / 16 * int64_t(prefix) + n * int64_t(own + 1)) *
                    token);
      // The counted pairs are those that the plan predicts.
      fovea_counters counters{};
      counters.size = sizeof counters;
      ASSERT_FOVEA(fovea_plan_counters(s.plan, nullptr, 1));
      ASSERT_FOVEA(s.run());
      ASSERT_FOVEA(fovea_plan_counters(s.plan, &counters, 0));
      EXPECT_EQ(counters.pairs, with.pairs);
      // A run of the same step without sharing.
      limits.noSharing = true;
      Serving t(options, limits);
      forkMany(t, n, prefix, own);
      t.step(decodes(n));
      fovea_stats without = statsOf(t.plan, Attend);
      EXPECT_EQ(without.shared_groups, 0);
      EXPECT_EQ(without.pairs, with.pairs);
      EXPECT_EQ(without.kv_bytes, n * int64_t(prefix + own + 1) * token);
      EXPECT_EQ(memcmp(s.o->bytes.data(), t.o->bytes.data(),
                       size_t(s.o->count()) * 4),
                0);
    }
}

TEST(Serving, SharesOnlyWhatPays) {
  ServingLimits limits;
  limits.seqs = 40;
  limits.maxLen = 4096;
  auto groups = [&](const ServingOptions &options, int n, int prefix,
                    int64_t window, int rows) {
    Serving s(options, limits);
    forkMany(s, n, prefix, 4);
    s.window = window;
    Rows step;
    for (int i = 1; i <= n; ++i)
      step.push_back({uint64_t(i), rows});
    s.step(step);
    return statsOf(s.plan).shared_groups;
  };
  ServingOptions options;
  EXPECT_EQ(groups(options, 8, 1024, 1 << 20, 1), 1);
  EXPECT_EQ(groups(options, 1, 1024, 1 << 20, 1), 0);
  EXPECT_EQ(groups(options, 8, 64, 1 << 20, 1), 0);    // too short
  EXPECT_EQ(groups(options, 8, 1024, 512, 1), 0);      // not all is visible
  EXPECT_EQ(groups(options, 8, 1024, 1 << 20, 20), 0); // enough rows each
  options.flags = FOVEA_STAGE_READS_B;
  EXPECT_EQ(groups(options, 8, 1024, 1 << 20, 1), 0);
  options.flags = 0;
  options.splittable = false;
  EXPECT_EQ(groups(options, 8, 1024, 1 << 20, 1), 0);
}

TEST(Serving, GroupsNest) {
  // A system prompt of 512 for all, a document of 512 more for each half.
  ServingLimits limits;
  limits.seqs = 32;
  limits.maxLen = 4096;
  ServingOptions options;
  options.shape.page = 16;
  Serving s(options, limits);
  s.begin(100);
  s.fill(100, 512);
  s.commit(100);
  Rows rows;
  for (uint64_t half : {1, 2}) {
    s.fork(100, 512, 100 + half);
    s.fill(100 + half, 512);
    s.commit(100 + half);
    for (uint64_t i = 0; i < 8; ++i) {
      s.fork(100 + half, 1024, half * 10 + i);
      rows.push_back({half * 10 + i, 1});
    }
  }
  std::mt19937 random(3);
  std::shuffle(rows.begin(), rows.end(), random);
  s.step(rows);
  fovea_stats stats = statsOf(s.plan, Attend);
  EXPECT_EQ(stats.shared_groups, 3);
  EXPECT_EQ(stats.shared_keys, 15 * 512 + 2 * 7 * 512);
  Coverage c(s);
  EXPECT_EQ(c.wrong, 0);
}

TEST(Serving, DeterministicPlansIgnoreTheRestOfTheBatch) {
  auto splits = [&](const Rows &rest, int workers) {
    ServingLimits limits;
    limits.maxLen = 8192;
    limits.workers = workers;
    limits.deterministic = true;
    Serving s({}, limits);
    forkMany(s, 4, 5000, 1);
    Rows rows = rest;
    rows.push_back({1, 1});
    s.step(rows);
    std::vector<std::pair<int64_t, int64_t>> cuts;
    fovea_phase_info info = phaseOf(s.plan, Attend);
    for (int64_t i = 0; i < info.n_items; ++i)
      if (info.items[i].b == int32_t(rows.size()) - 1)
        cuts.push_back({info.items[i].k0, info.items[i].k1});
    std::sort(cuts.begin(), cuts.end());
    EXPECT_EQ(statsOf(s.plan).shared_groups, 0);
    return cuts;
  };
  auto alone = splits({}, 1);
  EXPECT_GT(alone.size(), 2u); // it is split
  EXPECT_EQ(alone, splits({{2, 1}, {3, 30}}, 1));
  EXPECT_EQ(alone, splits({{4, 1}}, 4));
}

TEST(Serving, UpdatesOfLongBatchesAreFast) {
  ServingOptions options;
  options.shape = {16, 2, false, 8, 4};
  options.group = 4;
  ServingLimits limits;
  limits.seqs = 64;
  limits.rows = 64;
  limits.maxLen = 9000;
  limits.workers = 2;
  Serving s(options, limits);
  Rows rows;
  for (uint64_t seq = 0; seq < 64; ++seq) {
    s.begin(seq);
    s.fill(seq, 8000 + int(seq));
    s.commit(seq);
    rows.push_back({seq, 1});
  }
  constexpr double wanted = 0.05; // ms
  double best = times::fastest(20, wanted, [&] {
    s.prepare(rows);
    EXPECT_EQ(s.update(), FOVEA_OK) << fovea_message();
    return statsOf(s.plan, Append).update_ms;
  });
  std::printf("update of 64 sequences of 8K in pages of 16: %.1f us\n",
              best * 1e3);
  EXPECT_TIME_BELOW(best, wanted);
}

TEST(Serving, PositionsOfReadersMayLieBack) {
  ServingOptions options;
  options.appends = false;
  Serving s(options);
  s.begin(1);
  s.begin(2);
  s.fill(1, 50);
  s.fill(2, 20);
  s.prepare({{2, 2}, {1, 5}});
  ASSERT_FOVEA(s.update());
  ASSERT_FOVEA(s.run());
  EXPECT_EQ(s.wrong(), 0); // the last tokens
  std::vector<int64_t> pos = {3, 4, 10, 11, 12, 13, 14};
  s.batch.pos = pos.data();
  ASSERT_FOVEA(s.update());
  ASSERT_FOVEA(s.run());
  s.model[1].resize(15);
  s.model[2].resize(5);
  EXPECT_EQ(s.wrong(), 0);
  pos[1] = 5;
  EXPECT_REFUSED(FOVEA_INVALID, "argument 'c'", s.update());
  pos[1] = 4;
  pos[6] = 50; // past the end
  EXPECT_REFUSED(FOVEA_INVALID, "argument 'c'", s.update());
  // A reader reserves nothing.
  int64_t len = 0, uncommitted = 0;
  ASSERT_FOVEA(fovea_kv_length(s.kv, 1, &len, &uncommitted));
  EXPECT_EQ(len, 50);
}

TEST(Serving, RefreshesTheMetadataOfTouchedPages) {
  CacheOptions options = cacheOptions(CacheKind::Kept); // pages of 4
  options.appends = true;
  Loaded loaded(cacheKernel(options));
  fovea_kv_limits room{};
  room.size = sizeof room;
  room.layers = 1;
  room.seqs = 2;
  room.max_len = 64;
  room.rows = 128;
  fovea_kv *kv = nullptr;
  ASSERT_FOVEA(fovea_kv_create(loaded.kernel, 3, &room, &kv));
  ASSERT_FOVEA(fovea_kv_new(kv, 5));
  ASSERT_FOVEA(fovea_kv_new(kv, 6));
  Plan plan(loaded.kernel, 32, 2, 64);
  fovea_value cache{};
  cache.kind = FOVEA_CACHE;
  cache.u.kv = kv;
  auto pagesOf = [&](std::vector<int32_t> rows) {
    uint64_t ids[] = {5, 6};
    fovea_batch batch{};
    batch.size = sizeof batch;
    batch.n = int32_t(rows.size()) - 1;
    batch.seq = ids;
    batch.rows = rows.data();
    Tensor x({rows.back(), 2, 4});
    fovea_value args[] = {x.value(), x.value(), x.value(), cache, x.value()};
    std::vector<int64_t> tokens;
    EXPECT_EQ(fovea_plan_update(plan, &batch, args, 5), FOVEA_OK)
        << fovea_message();
    fovea_phase_info info = phaseOf(plan, 1);
    EXPECT_EQ(info.space, uint32_t(FOVEA_SPACE_PAGES));
    for (int64_t i = 0; i < info.n_items; ++i)
      tokens.push_back(info.items[i].k1);
    EXPECT_EQ(fovea_run(plan, 0, args, 5, plan.workspace, nullptr), FOVEA_OK)
        << fovea_message();
    return tokens;
  };
  EXPECT_EQ(pagesOf({0, 10}), (std::vector<int64_t>{4, 4, 2}));
  EXPECT_EQ(pagesOf({0, 3, 4}), (std::vector<int64_t>{4, 1, 1}));
  EXPECT_EQ(pagesOf({0, 0, 1}), (std::vector<int64_t>{2}));
  fovea_kv_destroy(kv);
}

} // namespace
