// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A cache beside a model of it: sequences as plain vectors of tokens, a token
// as a number that its rows are computed from. What the cache holds is read
// back through what a plan would get.
#ifndef FOVEA_TEST_UNIT_RUNTIME_KVFIXTURE_H
#define FOVEA_TEST_UNIT_RUNTIME_KVFIXTURE_H

#include "runtime/kvcache/Cache.h"
#include "test/support/Halves.h"
#include "test/unit/runtime/Fixture.h"

#include <algorithm>
#include <map>

namespace fovea::test {

constexpr int64_t sinkTokens = 3, windowTokens = 5; // of cacheOptions

inline int cacheArg(fovea_kernel *kernel) {
  for (int i = 0; i < fovea_kernel_args(kernel); ++i) {
    fovea_arg_info info{};
    info.size = sizeof info;
    EXPECT_EQ(fovea_kernel_arg(kernel, i, &info), FOVEA_OK);
    if (info.kind == FOVEA_CACHE)
      return i;
  }
  return -1;
}

inline float rowValue(uint32_t token, int layer, int head, int chan, bool v) {
  uint32_t x = token * 2654435761u + uint32_t(layer) * 40503u +
               uint32_t(head) * 9176u + uint32_t(chan) * 131u + v * 77u;
  x ^= x >> 15;
  x *= 2246822519u;
  x ^= x >> 13;
  return float(int32_t(x % 20001u) - 10000) / 1237.0f;
}

using Row = std::vector<float>;

inline Row throughHalf(Row row) {
  for (float &x : row)
    x = halves::fromBF16(halves::toBF16(x));
  return row;
}

inline Row throughInt8(Row row) {
  float most = 0;
  for (float x : row)
    most = std::max(most, std::fabs(x));
  float step = most / 127, per = most > 0 ? 127 / most : 0;
  for (float &x : row)
    x = float(int8_t(int32_t(x * per + (x < 0 ? -0.5f : 0.5f)))) * step;
  return row;
}

struct KvLimits {
  int layers = 2;
  int64_t pages = 0, seqs = 4, maxLen = 64, rows = 24;
  int (*evict)(void *, fovea_kv *, int64_t) = nullptr;
  void *user = nullptr;
};

/// Rows of one step.
struct Batch {
  std::vector<uint64_t> seq;
  std::vector<int32_t> rows{0};
  fovea_batch b{};

  Batch() = default;
  Batch(std::initializer_list<std::pair<uint64_t, int>> list) {
    for (auto [id, n] : list)
      add(id, n);
  }
  void add(uint64_t id, int n) {
    seq.push_back(id);
    rows.push_back(rows.back() + n);
  }
  int count(size_t i) const { return rows[i + 1] - rows[i]; }
  const fovea_batch *get() {
    b.size = sizeof b;
    b.n = int32_t(seq.size());
    b.seq = seq.data();
    b.rows = rows.data();
    return &b;
  }
};

struct ModelSequence {
  std::vector<uint32_t> committed, rows;
};

/// A managed cache and its model.
struct KvPair {
  KvPair(CacheKind kind, const CacheShape &shape = {},
         const KvLimits &limits = {}, int workers = 1,
         const fovea_options &options = {})
      : KvPair(cacheKernel(cacheOptions(kind, shape)).build(), kind, shape,
               limits, workers, options) {}
  /// A compiled bundle, whose cache is as cacheOptions(kind, shape) says.
  KvPair(const std::vector<uint8_t> &bundle, CacheKind kind,
         const CacheShape &shape, const KvLimits &limits, int workers = 1,
         const fovea_options &options = {})
      : kind(kind), shape(shape), limits(limits),
        loaded(bundle, workers, options) {
    EXPECT_EQ(open(&kv), FOVEA_OK) << fovea_message();
  }
  ~KvPair() { fovea_kv_destroy(kv); }

  fovea_status open(fovea_kv **out) {
    fovea_kv_limits l{};
    l.size = sizeof l;
    l.layers = limits.layers;
    l.pages = limits.pages;
    l.seqs = limits.seqs;
    l.max_len = limits.maxLen;
    l.rows = limits.rows;
    l.evict = limits.evict;
    l.evict_user = limits.user;
    return fovea_kv_create(loaded.kernel, cacheArg(loaded.kernel), &l, out);
  }

  // Calls that do the same to both. The model follows where the cache agrees.
  fovea_status begin(uint64_t id) {
    fovea_status st = fovea_kv_new(kv, id);
    if (!st)
      model[id] = {};
    return st;
  }
  /// extend, then write of all layers, or only some.
  fovea_status append(Batch &batch, bool write = true) {
    fovea_status st = fovea_kv_extend(kv, batch.get());
    if (st)
      return st;
    std::vector<uint32_t> tokens;
    for (size_t i = 0; i < batch.seq.size(); ++i)
      for (int r = 0; r < batch.count(i); ++r) {
        tokens.push_back(++nextToken);
        model[batch.seq[i]].rows.push_back(nextToken);
      }
    for (int layer = 0; write && layer < limits.layers && !st; ++layer) {
      Tensor k({int64_t(tokens.size()), shape.heads, shape.dim});
      Tensor v({int64_t(tokens.size()), shape.heads, shape.dim});
      int64_t at = 0;
      for (uint32_t token : tokens)
        for (int h = 0; h < shape.heads; ++h)
          for (int c = 0; c < shape.dim; ++c, ++at) {
            k.at(at) = rowValue(token, layer, h, c, false);
            v.at(at) = rowValue(token, layer, h, c, true);
          }
      st = fovea_kv_write(kv, batch.get(), layer, &k.dl, &v.dl);
    }
    return st;
  }
  fovea_status append(uint64_t id, int rows) {
    Batch batch{{id, rows}};
    return append(batch);
  }
  fovea_status commit(uint64_t id, const int32_t *keep = nullptr, int n = -1) {
    fovea_status st = fovea_kv_commit(kv, id, keep, n, nullptr);
    if (!st) {
      ModelSequence &s = model[id];
      int count = keep ? n : n < 0 ? int(s.rows.size()) : n;
      for (int j = 0; j < count; ++j)
        s.committed.push_back(s.rows[size_t(keep ? keep[j] : j)]);
      s.rows.clear();
    }
    return st;
  }
  /// Rows written and committed at once.
  fovea_status grow(uint64_t id, int rows) {
    fovea_status st = append(id, rows);
    return st ? st : commit(id);
  }
  fovea_status trim(uint64_t id, int64_t len) {
    fovea_status st = fovea_kv_trim(kv, id, len);
    if (!st) {
      ModelSequence &s = model[id];
      size_t c = std::min(s.committed.size(), size_t(len));
      s.rows.resize(size_t(len) - c);
      s.committed.resize(c);
    }
    return st;
  }
  fovea_status fork(uint64_t parent, int64_t len, uint64_t child) {
    fovea_status st = fovea_kv_fork(kv, parent, len, child);
    if (!st) {
      model[child] = {};
      model[child].committed.assign(model[parent].committed.begin(),
                                    model[parent].committed.begin() + len);
    }
    return st;
  }
  fovea_status release(uint64_t id) {
    fovea_status st = fovea_kv_free(kv, id);
    if (!st)
      model.erase(id);
    return st;
  }

  bool windowed() const {
    return kind == CacheKind::Rich || kind == CacheKind::Chain ||
           kind == CacheKind::Sink;
  }
  /// Where `recent` begins, by the rules of the language.
  static int64_t recentBegin(int64_t c) {
    return std::max(std::min(sinkTokens, c), c - windowTokens);
  }
  /// Whether a sequence of c tokens can become one of len.
  bool canCut(int64_t c, int64_t len) const {
    if (!windowed() || len <= sinkTokens)
      return true;
    return recentBegin(len) >= recentBegin(c) || recentBegin(len) >= len;
  }

  /// Differences between cache and model, everything compared.
  int differences() const {
    int bad = 0;
    for (const auto &[id, s] : model)
      bad += differencesOf(id, s);
    return bad + bookkeeping();
  }

  int differencesOf(uint64_t id, const ModelSequence &s) const {
    const int64_t c = int64_t(s.committed.size());
    const int64_t len = c + int64_t(s.rows.size());
    int64_t length = -1, fresh = -1;
    if (fovea_kv_length(kv, id, &length, &fresh) || length != len ||
        fresh != len - c)
      return 1;
    int bad = 0;
    int64_t next = 0; // the token that the next segment should begin with
    fovea_batch one{};
    int32_t rows[2] = {0, 0};
    one.size = sizeof one;
    one.n = 1;
    one.seq = &id;
    one.rows = rows;
    for (uint32_t g = 0; g < kv->nSegments(); ++g) {
      const auto &plan = kv->storage.segments[g];
      fovea_abi_range range{};
      std::vector<int32_t> pages(
          size_t(fovea_kv::tableCapacity(kv->records(), g, 1, limits.maxLen)) +
          1);
      int64_t used = 0;
      if (kv->snapshot(one, g, &range, pages.data(), int64_t(pages.size()) - 1,
                       &used))
        return bad + 1;
      if (plan.kind == FOVEA_SEGMENT_RECENT && kind == CacheKind::Sink) {
        bad += range.shift != range.begin - std::min(sinkTokens, c);
        next = range.begin; // the others were dropped
        bad += next != recentBegin(c);
      }
      bad += range.begin != next;
      next = range.end;
      int64_t P = kv->view(0, g, 0).shape[2], ring = plan.record->ring;
      for (int64_t t = range.begin; t < range.end; ++t) {
        int64_t slot = t - range.base;
        slot = ring ? slot % ring : slot;
        if (slot < 0 || slot / P >= used)
          return bad + 1;
        bad +=
            wrongRows(g, pages[size_t(slot / P)], slot % P,
                      t < c ? s.committed[size_t(t)] : s.rows[size_t(t - c)]);
      }
      if (plan.kept)
        bad += wrongMetadata(g, range, pages);
    }
    return bad + (next != len);
  }

  /// A row as the segment should hold it.
  Row expected(uint32_t g, uint32_t token, int layer, int head, bool v) const {
    Row row;
    for (int c = 0; c < shape.dim; ++c)
      row.push_back(rowValue(token, layer, head, c, v));
    const uint32_t segment = kv->storage.segments[g].kind;
    bool older = segment == FOVEA_SEGMENT_OLDER;
    if (kind == CacheKind::Chain && (older || segment == FOVEA_SEGMENT_RECENT))
      row = throughHalf(row);
    if (older || (kind == CacheKind::Coded && segment == FOVEA_SEGMENT_ALL))
      row = throughInt8(row);
    return row;
  }

  /// A row as the pool holds it.
  Row stored(uint32_t g, int layer, int64_t page, int64_t head, int64_t offset,
             bool v) const {
    const auto &plan = kv->storage.segments[g];
    const bool coded = !strcmp(plan.parts[1].name, "k.scale");
    const uint32_t part = v ? coded ? 2 : 1 : 0;
    const fovea_abi_view &view = kv->view(layer, g, part);
    auto at = [&](const fovea_abi_view &w, int64_t size) {
      return static_cast<const char *>(w.data) +
             (page * w.stride[0] + head * w.stride[1] + offset * w.stride[2]) *
                 size;
    };
    Row row;
    const uint32_t dtype = plan.parts[part].record->dtype;
    for (int c = 0; c < shape.dim; ++c) {
      if (dtype == FOVEA_DTYPE_I8) {
        float step;
        std::memcpy(&step, at(kv->view(layer, g, part + 1), 4), 4);
        row.push_back(float(reinterpret_cast<const int8_t *>(at(view, 1))[c]) *
                      step);
      } else if (dtype == FOVEA_DTYPE_BF16) {
        row.push_back(halves::fromBF16(
            reinterpret_cast<const uint16_t *>(at(view, 2))[c]));
      } else {
        row.push_back(reinterpret_cast<const float *>(at(view, 4))[c]);
      }
    }
    return row;
  }

  /// Whether a row is what was expected: to the bit, or within `steps` of an
  /// int8 code.
  bool same(const Row &got, const Row &want) const {
    float most = 0;
    for (float x : want)
      most = std::max(most, std::fabs(x));
    for (size_t c = 0; c < want.size(); ++c)
      if (!(std::fabs(got[c] - want[c]) <= steps * most / 127))
        return false;
    return true;
  }

  int wrongRows(uint32_t g, int64_t page, int64_t offset,
                uint32_t token) const {
    int bad = 0;
    for (int layer = 0; layer < limits.layers; ++layer)
      for (int h = 0; h < shape.heads; ++h)
        for (bool v : {false, true})
          bad += !same(stored(g, layer, page, h, offset, v),
                       expected(g, token, layer, h, v));
    return bad;
  }

  int wrongMetadata(uint32_t g, const fovea_abi_range &range,
                    const std::vector<int32_t> &pages) const {
    const auto &plan = kv->storage.segments[g];
    int bad = 0;
    for (int64_t p = 0; p * plan.pageTokens < range.end - range.base; ++p) {
      int64_t n = std::min(plan.pageTokens,
                           range.end - range.base - p * plan.pageTokens);
      for (int layer = 0; layer < limits.layers; ++layer)
        for (int h = 0; h < shape.heads; ++h)
          for (int c = 0; c < shape.dim; ++c) {
            float low = 0, high = 0, sum = 0;
            for (int64_t o = 0; o < n; ++o) {
              float x =
                  stored(g, layer, pages[size_t(p)], h, o, false)[size_t(c)];
              low = o ? std::min(low, x) : x;
              high = o ? std::max(high, x) : x;
              sum = o ? sum + x : x;
            }
            const fovea_abi_view &b = kv->view(layer, g, plan.nParts - 2);
            const fovea_abi_view &m = kv->view(layer, g, plan.nParts - 1);
            const float *bounds = static_cast<const float *>(b.data) +
                                  pages[size_t(p)] * b.stride[0] +
                                  h * b.stride[1];
            const float *mean = static_cast<const float *>(m.data) +
                                pages[size_t(p)] * m.stride[0] +
                                h * m.stride[1];
            bad += bounds[c] != low || bounds[b.stride[2] + c] != high ||
                   !(std::fabs(mean[c] - sum / float(n)) <= meanError);
          }
    }
    return bad;
  }

  /// Owners of pages are the sequences that list them, and all others free.
  int bookkeeping() const {
    int bad = 0;
    int64_t rows = 0;
    for (const auto &[id, s] : model)
      rows += int64_t(s.rows.size());
    bad += rows != kv->uncommittedRows;
    for (uint32_t g = 0; g < kv->nSegments(); ++g) {
      const auto &pool = kv->stores[g].pool;
      std::vector<int32_t> refs(size_t(pool.count));
      for (const auto &[id, s] : model) {
        int32_t i = kv->find(id);
        if (i < 0)
          return bad + 1;
        for (int32_t p = 0; p < kv->seqs[i].nPages[g]; ++p)
          ++refs[size_t(kv->table(g, i)[p])];
      }
      int64_t unused = 0;
      for (int64_t p = 0; p < pool.count; ++p) {
        bad += refs[size_t(p)] != pool.refs[p];
        unused += !refs[size_t(p)];
      }
      bad += unused != pool.nFree;
      for (int64_t p = 0; p < pool.nFree; ++p)
        bad += refs[size_t(pool.free[p])] != 0;
    }
    return bad;
  }

  fovea_kv_stats stats() const {
    fovea_kv_stats s{};
    s.size = sizeof s;
    EXPECT_EQ(fovea_kv_stats_get(kv, &s), FOVEA_OK) << fovea_message();
    return s;
  }

  CacheKind kind;
  CacheShape shape;
  KvLimits limits;
  Loaded loaded;
  fovea_kv *kv = nullptr;
  std::map<uint64_t, ModelSequence> model;
  uint32_t nextToken = 0;
  // What compiled stages may round otherwise: half a code either way, and the
  // order of a sum.
  float steps = 0, meanError = 0;
};

} // namespace fovea::test

#endif // FOVEA_TEST_UNIT_RUNTIME_KVFIXTURE_H
