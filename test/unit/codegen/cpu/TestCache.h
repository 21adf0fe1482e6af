// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A KV cache as a cache manager would lay it out: segments with pages in a
// random order, rings, both orders of heads and tokens, NaN wherever no token
// lies. It knows what every token holds, so that an oracle can be asked.
#ifndef FOVEA_TEST_UNIT_CODEGEN_CPU_TESTCACHE_H
#define FOVEA_TEST_UNIT_CODEGEN_CPU_TESTCACHE_H

#include "codegen/cpu/CacheSource.h"
#include "test/unit/codegen/cpu/StageRunner.h"

#include <algorithm>

namespace fovea::cpu {

struct TestSegment {
  Elem k = Elem::F32, v = Elem::F32;
  int64_t pageTokens = 16, ring = 0;
  bool tokenMajor = false, listed = false;
  /// Tokens [begin, end) of each sequence.
  std::vector<std::pair<int64_t, int64_t>> tokens;
};

class TestCache {
public:
  /// The first `shared` tokens of all sequences are those of sequence 0, in
  /// the same pages (whole pages of the first segment).
  TestCache(StageRunner &runner, std::mt19937 &random, int64_t sequences,
            int64_t heads, int64_t dk, int64_t dv,
            const std::vector<TestSegment> &layout, int64_t shared = 0)
      : heads(heads), dk(dk), dv(dv), random(random) {
    int64_t longest = 1;
    for (const TestSegment &s : layout)
      for (auto [begin, end] : s.tokens)
        longest = std::max(longest, end);
    keys = naive::Array({sequences, heads, longest, dk}, NAN);
    values = naive::Array({sequences, heads, longest, dv}, NAN);
    stored.reserve(layout.size());
    for (const TestSegment &s : layout)
      add(runner, s, sequences, &s == &layout[0] ? shared : 0);
  }

  struct Place {
    int64_t page, offset;
  };
  /// Where token t of sequence b lies in segment i; the page is the pool's.
  Place place(int64_t i, int64_t b, int64_t t) const {
    const Segment &s = stored[i];
    int64_t slot = t - s.base[b];
    if (s.layout.ring)
      slot %= s.layout.ring;
    int64_t page = s.layout.pageTokens ? slot / s.layout.pageTokens : 0;
    return {s.table[s.first[b] + page],
            s.layout.pageTokens ? slot % s.layout.pageTokens : slot};
  }
  /// Index of an element of a part: [page, head, offset, chan].
  int64_t at(int64_t i, Place p, int64_t head, int64_t dim) const {
    const Segment &s = stored[i];
    int64_t major = s.layout.tokenMajor ? p.offset * heads + head
                                        : head * s.slots + p.offset;
    return (p.page * heads * s.slots + major) * dim;
  }
  /// What row of keys or values is stored.
  std::vector<double> read(int64_t i, Place p, int64_t head, bool isKey) {
    Segment &s = stored[i];
    int64_t dim = isKey ? dk : dv, from = at(i, p, head, dim);
    Elem elem = isKey ? s.layout.k : s.layout.v;
    std::vector<double> row(dim);
    for (int64_t d = 0; d < dim; ++d)
      row[d] = elem == Elem::I8
                   ? double((isKey ? s.k : s.v).as<int8_t>()[from + d]) *
                         (isKey ? s.ks : s.vs).as<float>()[from / dim]
                   : (isKey ? s.k : s.v).get(elem, from + d);
    return row;
  }
  void write(int64_t i, Place p, int64_t head, bool isKey,
             const std::vector<float> &row) {
    Segment &s = stored[i];
    int64_t dim = isKey ? dk : dv, to = at(i, p, head, dim);
    Elem elem = isKey ? s.layout.k : s.layout.v;
    Stored &part = isKey ? s.k : s.v;
    if (elem == Elem::I8) {
      naive::Coded coded = naive::encode(row);
      (isKey ? s.ks : s.vs).as<float>()[to / dim] = coded.scale;
      std::copy(coded.codes.begin(), coded.codes.end(), part.as<int8_t>() + to);
      return;
    }
    for (int64_t d = 0; d < dim; ++d)
      part.put(elem, to + d, row[d]);
  }

  struct Segment {
    TestSegment layout;
    CacheSource source;
    int64_t slots = 0, pages = 0; ///< of a page, of the pool
    Stored k, v, ks, vs, ranges;
    std::vector<int32_t> table;
    std::vector<int64_t> base, first;
    fovea_abi_range &range(int64_t b) {
      return ranges.as<fovea_abi_range>()[b];
    }
  };
  const int64_t heads, dk, dv;
  std::vector<Segment> stored;
  naive::Array keys, values; ///< [b, head, token, chan], decoded

  std::vector<CacheSource> sources() const {
    std::vector<CacheSource> all;
    for (const Segment &s : stored)
      all.push_back(s.source);
    return all;
  }

private:
  void add(StageRunner &runner, const TestSegment &layout, int64_t sequences,
           int64_t shared) {
    stored.emplace_back();
    int64_t index = int64_t(stored.size()) - 1;
    Segment &s = stored.back();
    s.layout = layout;
    // A sequence's slots, and the pages for them.
    std::vector<int64_t> slots, count;
    int64_t total = 0, most = 1;
    for (int64_t b = 0; b < sequences; ++b) {
      auto [begin, end] = layout.tokens[b];
      s.base.push_back(layout.ring || shared ? 0
                                             : std::max<int64_t>(0, begin - b));
      slots.push_back(layout.ring ? layout.ring
                                  : std::max<int64_t>(0, end - s.base[b]));
      most = std::max(most, slots[b]);
      count.push_back(layout.pageTokens ? (slots[b] + layout.pageTokens - 1) /
                                              layout.pageTokens
                                        : 1);
      total += count[b];
    }
    s.slots = layout.pageTokens ? layout.pageTokens
              : layout.ring     ? layout.ring
                                : most + 3;
    s.pages = total + 2;
    std::vector<int32_t> ids(s.pages);
    for (int64_t i = 0; i < s.pages; ++i)
      ids[i] = int32_t(i);
    std::shuffle(ids.begin(), ids.end(), random);
    s.table.push_back(-1); // never read
    s.ranges = Stored({sequences, 8}, 8);
    for (int64_t b = 0; b < sequences; ++b) {
      s.first.push_back(int64_t(s.table.size()));
      for (int64_t i = 0; i < count[b]; ++i) {
        bool same = shared && b > 0 && (i + 1) * layout.pageTokens <= shared;
        s.table.push_back(same ? s.table[s.first[0] + i] : ids.back());
        if (!same)
          ids.pop_back();
      }
      s.table.push_back(-1);
      fovea_abi_range &r = s.range(b);
      r = {layout.tokens[b].first,
           layout.tokens[b].second,
           s.base[b],
           s.first[b],
           layout.tokens[b].first / 2,
           {}};
    }
    int64_t rows = s.pages * heads * s.slots;
    s.k = Stored({rows, dk}, sizeOf(layout.k),
                 layout.k == Elem::I8 ? 0x7f : 0xff);
    s.v = Stored({rows, dv}, sizeOf(layout.v),
                 layout.v == Elem::I8 ? 0x7f : 0xff);
    s.ks = Stored({rows}, 4);
    s.vs = Stored({rows}, 4);
    for (int64_t b = 0; b < sequences; ++b)
      for (int64_t t = layout.tokens[b].first; t < layout.tokens[b].second; ++t)
        for (int64_t h = 0; h < heads; ++h)
          for (bool isKey : {true, false}) {
            Place p = place(index, b, t);
            if (b == 0 || t >= shared) {
              std::vector<float> row(isKey ? dk : dv);
              for (float &x : row)
                x = std::uniform_real_distribution<float>(-1, 1)(random);
              write(index, p, h, isKey, row);
            }
            std::vector<double> row = read(index, p, h, isKey);
            naive::Array &all = isKey ? keys : values;
            std::copy(row.begin(), row.end(),
                      all.data.begin() + all.offset({b, h, t, 0}));
          }
    auto view = [&](Stored &part, int64_t dim) {
      fovea_abi_view v = {};
      v.data = part.data();
      int64_t row = dim ? dim : 1;
      int64_t shape[] = {s.pages, heads, s.slots, dim};
      int64_t stride[] = {heads * s.slots * row,
                          layout.tokenMajor ? row : s.slots * row,
                          layout.tokenMajor ? heads * row : row, 1};
      std::copy(shape, shape + 4, v.shape);
      std::copy(stride, stride + 4, v.stride);
      return runner.add(v);
    };
    CacheSource &c = s.source;
    c.kElem = layout.k;
    c.vElem = layout.v;
    c.pageTokens = layout.pageTokens;
    c.ring = layout.ring;
    c.listed = layout.listed;
    c.k = view(s.k, dk);
    c.v = view(s.v, dv);
    if (layout.k == Elem::I8)
      c.kScale = int(view(s.ks, 0));
    if (layout.v == Elem::I8)
      c.vScale = int(view(s.vs, 0));
    c.ranges = runner.add(s.ranges);
    fovea_abi_view pages = {};
    pages.data = s.table.data();
    pages.shape[0] = int64_t(s.table.size());
    pages.stride[0] = 1;
    c.pages = runner.add(pages);
  }

  std::mt19937 &random;
};

} // namespace fovea::cpu

#endif // FOVEA_TEST_UNIT_CODEGEN_CPU_TESTCACHE_H
