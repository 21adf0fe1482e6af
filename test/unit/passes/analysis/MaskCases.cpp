// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The masks of the property test: the published ones that have a closed form,
// and those that read run-time tables.
#include "test/unit/passes/analysis/MaskCases.h"

#include <functional>
#include <random>

namespace fovea::masktest {

namespace {

const X b = var(B), h = var(H), q = var(Q), k = var(K), len = var(Len);
/// Scalar operand 0 of the masks that know the number of queries.
const X sq = scalar(0);

X between(X x, X lo, X hi) { return (x >= lo) & (x < hi); }
X window(X n) { return between(q - k, 0, n); }

X natten(int size, int dilation) {
  const int w = 17;
  auto dim = [&](X qi, X ki, X n) {
    if (dilation == 1) {
      X start = max(0, min(qi - size / 2, n - size));
      return between(ki, start, start + size);
    }
    X qg = fdiv(qi, dilation), kg = fdiv(ki, dilation);
    X groups = fdiv(n - (fmod(qi, dilation) + 1) + dilation, dilation);
    X start = max(0, min(qg - size / 2, groups - size));
    return (umod(qi, dilation) == umod(ki, dilation)) &
           between(kg, start, start + size);
  };
  return dim(fdiv(q, w), udiv(k, w), fdiv(sq, w)) &
         dim(fmod(q, w), umod(k, w), w);
}

X slidingTiles() {
  const int tokens = 16, columns = 4, rows = 4, keep = 3;
  X qh = fdiv(fdiv(q, tokens), columns), qw = fmod(fdiv(q, tokens), columns);
  X kh = fdiv(fdiv(k, tokens), columns), kw = fmod(fdiv(k, tokens), columns);
  auto clamp = [](X x, int lo, int hi) { return min(max(x, lo), hi); };
  X ch = clamp(qh, keep / 2, rows - 1 - keep / 2);
  X cw = clamp(qw, keep / 2, columns - 1 - keep / 2);
  auto near = [&](X x, X c) {
    return (x >= c - keep / 2) & (c + keep / 2 >= x);
  };
  int image = tokens * columns * rows;
  X both = (q < image) & (k < image);
  return (both & near(kh, ch) & near(kw, cw)) | ((q < image) & (k >= image)) |
         (q >= image);
}

X longlora() {
  auto shift = [](X x) { return select(x < 32, x + (sq - 32), x - 32); };
  return (q >= k) & (((h < 2) & (fdiv(q, 64) == fdiv(k, 64))) |
                     ((h >= 2) & (fdiv(shift(q), 64) == fdiv(shift(k), 64))));
}

/// Sorted documents of 20..140 tokens, and tables derived from them.
struct Documents {
  explicit Documents(int64_t n) {
    std::mt19937 random(7);
    for (int64_t at = 0, id = 0; at < n; ++id) {
      int64_t size = 20 + random() % 120, stop = std::min(n, at + size);
      for (int64_t i = at; i < stop; ++i) {
        ids.push_back(id);
        start.push_back(at);
        end.push_back(stop);
        prefix.push_back(std::min(n, at + 13));
      }
      at = stop;
    }
    // Every fourth document is shared by those that follow it.
    for (int64_t i = 0; i < n; ++i) {
      int64_t j = start[i];
      while (j > 0 && ids[j] % 4 != 0)
        j = start[j - 1];
      bool own = ids[i] % 4 == 0;
      sharedStart.push_back(own ? 0 : start[j]);
      sharedEnd.push_back(own ? 0 : end[j]);
    }
  }
  std::vector<int64_t> ids, start, end, prefix, sharedStart, sharedEnd;
};

Table table(std::vector<int64_t> data, int bits = 32, int step = 1) {
  int64_t n = data.size();
  return {{n}, std::move(data), bits, step};
}

std::vector<int64_t> randomTable(int64_t n, int64_t lo, int64_t hi, int seed) {
  std::mt19937_64 random(seed);
  std::vector<int64_t> out;
  for (int64_t i = 0; i < n; ++i)
    out.push_back(lo + int64_t(random() % uint64_t(hi - lo)));
  return out;
}

} // namespace

static void addClosedForm(std::vector<Case> &out) {
  X causal = q >= k;
  Operands none, one{{}, {0}};
  auto add = [&](std::string name, X mask, double extra = 0,
                 double missFull = 0) {
    out.push_back({std::move(name), mask, none, extra, missFull});
  };
  auto addSized = [&](std::string name, X mask, double extra = 0,
                      double missFull = 0) {
    out.push_back({std::move(name), mask, one, extra, missFull});
  };
  add("causal", causal);
  addSized("causal_off", q + (len - sq) >= k);
  add("window64", window(64));
  add("window_bi", (40 >= q - k) & (40 >= k - q));
  add("sink4_win64", causal & ((k < 4) | (q - k < 64)));
  add("prefixLM100", causal | (k < 100));
  add("blockcausal32", fdiv(q, 32) >= udiv(k, 32));
  add("blockcausal24", fdiv(q, 24) >= udiv(k, 24));
  add("blockdiffusion", (fdiv(q, 24) == fdiv(k, 24)) |
                            ((k >= 144) & (fdiv(k - 144, 24) < fdiv(q, 24))));
  add("dilated4", causal & (q - k < 100) & (fmod(q - k, 4) == 0));
  add("dilated100", causal & (fmod(q - k, 100) == 0));
  add("strided_sparse", causal & ((q - k < 32) | (fmod(q - k, 100) == 0)));
  add("fixed_sparse",
      causal & ((fdiv(q, 32) == fdiv(k, 32)) | (umod(k, 32) >= 28)));
  add("s2attn_b16s4",
      causal & ((q - k < 48) | (fmod(fdiv(k, 16) - h, 4) == 0)));
  add("s2attn_b64s4",
      causal & ((q - k < 64) | (fmod(fdiv(k, 64) - h, 4) == 0)));
  auto slash = [](int at, int n) { return between(q - k, at, at + n); };
  add("vertslash", causal & ((k == 0) | (k == 37) | (k == 150) | slash(0, 16) |
                             slash(64, 2) | slash(130, 5)));
  addSized("natten2d_k5", natten(5, 1));
  addSized("natten2d_k5_d2", natten(5, 2));
  X rung = umod(k, 128);
  add("lacache_ladder",
      causal & ((k < 4) | (q - k < 32) | between(rung, h * 24, h * 24 + 40)));
  addSized("longlora", longlora());
  addSized("trishape", causal & ((k < 4) | (q - k < 48) | (q >= sq - 48)));
  add("perhead_win", causal & (q - k < h * 50 + 16));
  add("sta2d_text", slidingTiles());
  X kb = k - 40;
  add("jetspec_train", (k < 40) | ((k >= 40) & (fdiv(q, 16) == fdiv(kb, 16)) &
                                   (fmod(q, 16) >= fmod(kb, 16))));
  add("frame_window",
      (fdiv(q, 48) >= fdiv(k, 48)) & (fdiv(q, 48) - fdiv(k, 48) < 2));
}

static void addTables(std::vector<Case> &out) {
  X causal = q >= k;
  Documents docs(320);
  auto add = [&](std::string name, X mask, std::vector<Table> tables,
                 double extra = 0, double missFull = 0) {
    out.push_back(
        {std::move(name), mask, {std::move(tables), {}}, extra, missFull});
  };
  add("doc_ids", load(0, {q}) == load(0, {k}), {table(docs.ids)});
  add("doc_ids_causal_i64", causal & (load(0, {q}) == load(0, {k})),
      {table(docs.ids, 64, 2)});
  add("doc_bounds", causal & between(k, load(0, {q}), load(1, {q})),
      {table(docs.start), table(docs.end, 64)});
  add("doc_prefixlm",
      between(k, load(0, {q}), load(1, {q})) & (causal | (k < load(2, {q}))),
      {table(docs.start), table(docs.end), table(docs.prefix)});
  add("shared_prefix",
      (causal & (k >= load(0, {q}))) | between(k, load(1, {q}), load(2, {q})),
      {table(docs.start), table(docs.sharedStart), table(docs.sharedEnd)});
  add("head_windows", causal & (q - k < load(0, {h})),
      {table({16, 1, 300, 0}, 32, 3)});
  add("head_windows_batch", causal & (q - k < load(0, {b, h})),
      {{{1, 4}, {5, 77, 1000000000000, -3}, 64, 1}});
  // Fewer heads than asked for: those outside the table see nothing.
  add("table_too_short", causal & (q - k < load(0, {h})),
      {table({16, 100}, 32)});
  add("table_empty", causal & (k >= load(0, {h})), {table({}, 32)});
  // Keys past the end of the table are masked.
  add("keys_past_table", load(0, {k}) >= 0,
      {table(std::vector<int64_t>(100, 1), 8)});
  add("block_mask", load(0, {udiv(q, 64), udiv(k, 64)}) == 1,
      {{{5, 5}, randomTable(25, 0, 2, 3), 8, 1}});
  add("bool_columns", causal & (load(0, {k}) != 0),
      {table(randomTable(320, 0, 2, 5), 1)});
  add("tree_bits", (k < 200) | (X::make(Kind::BitOf, {load(0, {q}), k - 200})),
      {table(randomTable(320, INT64_MIN / 2, INT64_MAX / 2, 9), 64)}, 100, 100);
  add("window_by_scale", (q - k) * load(0, {h}) < 120,
      {table({1, 2, 5, 1000000}, 32)});
  // Tokens permuted by their residue: the lines of a grid, and near pairs.
  std::vector<int64_t> places;
  for (int64_t residue = 0; residue < 8; ++residue)
    for (int64_t token = residue; token < 320; token += 8)
      places.push_back(token);
  X qp = load(0, {q}), kp = load(0, {k});
  add("grid_lines",
      (kp <= qp) & ((X::make(Kind::RemS, {qp, 8}) == 3) |
                    (X::make(Kind::RemS, {kp, 8}) == 3) | (qp - kp < 8)),
      {table(places)});
  // Nothing and everything, of which only the single pairs tell: even numbers
  // by query, odd ones by key.
  std::vector<int64_t> even = randomTable(320, 0, 100, 11);
  std::vector<int64_t> odd = randomTable(320, 0, 100, 12);
  for (size_t i = 0; i < even.size(); ++i) {
    even[i] *= 2;
    odd[i] = 2 * odd[i] + 1;
  }
  add("even_is_odd", load(0, {q}) == load(1, {k}), {table(even), table(odd)});
  add("even_is_not_odd", load(0, {q}) != load(1, {k}),
      {table(even), table(odd)});
  add("dilated_by_table", causal & (umod(k, load(0, {h})) == 0),
      {table({1, 3, 16, -2}, 32)});
}

static void addOthers(std::vector<Case> &out) {
  X causal = q >= k;
  // Levels: 1 near, 2 further, 4 beyond, 0 ahead.
  X level = select(q < k, 0, select(q - k < 32, 1, select(q - k < 128, 2, 4)));
  out.push_back({"levels", level, {}, 0, 0});
  out.push_back({"levels_by_table",
                 select(causal, load(0, {udiv(k, 64)}), 0),
                 {{table({1, 0, 2, 4, 0, 8}, 8)}, {}}});
  out.push_back({"float_distance",
                 X::make(Kind::FloatLess, {(q - k) * (q - k), 900}),
                 {},
                 100,
                 100});
  out.push_back({"xor_causal",
                 causal & (fmod(X::make(Kind::XorI, {q, k}), 2) == 0),
                 {},
                 100,
                 100});
  out.push_back(
      {"xor", fmod(X::make(Kind::XorI, {q, k}), 2) == 0, {}, 100, 100});
  out.push_back({"nothing", k < 0, {}, 0, 0});
  out.push_back({"everything", k >= 0, {}, 0, 0});
  out.push_back({"unsigned_window", X::make(Kind::Ult, {q - k, 50}), {}, 0, 0});
  out.push_back({"i32_window",
                 causal & (X::make(Kind::Sub, {q, k}, 0, true) <= 70),
                 {},
                 0,
                 0});
}

std::vector<Case> maskCases() {
  std::vector<Case> out;
  addClosedForm(out);
  addTables(out);
  addOthers(out);
  return out;
}

} // namespace fovea::masktest
