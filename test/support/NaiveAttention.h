// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The naive oracle: attention and everything around it in float64, written
// straight from the definitions, pair by pair. It includes nothing of ours and
// writes each mask's predicate itself, so that it can judge the rest. Slow by
// design; for tests only.
#ifndef FOVEA_TEST_SUPPORT_NAIVEATTENTION_H
#define FOVEA_TEST_SUPPORT_NAIVEATTENTION_H

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace naive {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A dense row-major array of float64.
struct Array {
  std::vector<int64_t> shape;
  std::vector<double> data;

  Array() = default;
  explicit Array(std::vector<int64_t> dims, double fill = 0)
      : shape(std::move(dims)) {
    int64_t n = 1;
    for (int64_t d : shape)
      n *= d;
    data.assign(n, fill);
  }
  template <typename... I>
  double &operator()(I... index) {
    return data[offset({int64_t(index)...})];
  }
  template <typename... I>
  double operator()(I... index) const {
    return data[offset({int64_t(index)...})];
  }
  int64_t offset(std::initializer_list<int64_t> index) const {
    assert(index.size() == shape.size());
    int64_t at = 0, dim = 0;
    for (int64_t i : index) {
      assert(i >= 0 && i < shape[dim]);
      at = at * shape[dim++] + i;
    }
    return at;
  }
};

/// Whether query token q of query head h sees key token k, and what becomes
/// of their score. Token indices in the sequence.
using Keep = std::function<bool(int64_t b, int64_t h, int64_t q, int64_t k)>;
using Score =
    std::function<double(double s, int64_t b, int64_t h, int64_t q, int64_t k)>;

// Masks, each by its definition.
inline Keep everything() {
  return [](int64_t, int64_t, int64_t, int64_t) { return true; };
}
/// Bottom-right or top-left is a matter of the query offset, not of this.
inline Keep causal() {
  return [](int64_t, int64_t, int64_t q, int64_t k) { return k <= q; };
}
inline Keep window(int64_t left, int64_t right) {
  return [=](int64_t, int64_t, int64_t q, int64_t k) {
    return k >= q - left && k <= q + right;
  };
}
/// window(n): n keys, the query's own included.
inline Keep window(int64_t n) { return window(n - 1, 0); }
inline Keep sink(int64_t n) {
  return [=](int64_t, int64_t, int64_t, int64_t k) { return k < n; };
}
/// The first n tokens see each other: as keys, whoever asks.
inline Keep prefix(int64_t n) { return sink(n); }
inline Keep prefix(std::vector<int64_t> perBatch) {
  return
      [=](int64_t b, int64_t, int64_t, int64_t k) { return k < perBatch[b]; };
}
/// Same document: ids[b][token].
inline Keep documents(std::vector<std::vector<int64_t>> ids) {
  return [=](int64_t b, int64_t, int64_t q, int64_t k) {
    return ids[b][q] == ids[b][k];
  };
}
/// One axis of a grid of tokens, the last one fastest.
struct GridAxis {
  int64_t extent, window, dilation = 1, stride = 1;
  bool causal = false;
};
/// Neighbourhood attention: NATTEN's rule, place by place. A window that is
/// larger than the axis keeps all of it.
inline Keep neighborhood(std::vector<GridAxis> axes) {
  auto sees = [](const GridAxis &a, int64_t x, int64_t y) {
    if (x % a.dilation != y % a.dilation)
      return false;
    int64_t group = x % a.dilation, n = 0;
    for (int64_t place = group; place < a.extent; place += a.dilation)
      ++n;
    x /= a.dilation, y /= a.dilation;
    int64_t within = a.causal ? a.stride - 1 : a.stride / 2;
    int64_t leader = std::min(x - x % a.stride + within, n - 1);
    if (a.causal)
      return y > leader - a.window && y <= x;
    if (a.window >= n)
      return true;
    int64_t start = leader - a.window / 2;
    while (start < 0)
      ++start;
    while (start + a.window > n)
      --start;
    return y >= start && y < start + a.window;
  };
  return [=](int64_t, int64_t, int64_t q, int64_t k) {
    bool keep = q >= 0;
    for (size_t i = axes.size(); i-- > 0 && keep;) {
      int64_t n = axes[i].extent;
      if (i == 0 && (q >= n || k >= n))
        return false;
      keep = sees(axes[i], q % n, k % n);
      q /= n, k /= n;
    }
    return keep;
  };
}
/// What `inner` says of blocks of n tokens.
inline Keep ofBlocks(int64_t n, Keep inner) {
  return [=](int64_t b, int64_t h, int64_t q, int64_t k) {
    return inner(b, h, q < 0 ? -((n - 1 - q) / n) : q / n, k / n);
  };
}
inline Keep both(Keep x, Keep y) {
  return [=](int64_t b, int64_t h, int64_t q, int64_t k) {
    return x(b, h, q, k) && y(b, h, q, k);
  };
}
inline Keep either(Keep x, Keep y) {
  return [=](int64_t b, int64_t h, int64_t q, int64_t k) {
    return x(b, h, q, k) || y(b, h, q, k);
  };
}
inline Keep negate(Keep x) {
  return [=](int64_t b, int64_t h, int64_t q, int64_t k) {
    return !x(b, h, q, k);
  };
}
/// Key blocks of `unit` tokens that lists[b][h][query / queries] names; the
/// head index is h / heads, the query counted from `offset[b]`.
using Lists = std::vector<std::vector<std::vector<std::vector<int64_t>>>>;
inline Keep chosen(Lists lists, int64_t unit, int64_t queries, int64_t heads,
                   std::vector<int64_t> offset) {
  return [=](int64_t b, int64_t h, int64_t q, int64_t k) {
    const auto &list = lists[b][h / heads][(q - offset[b]) / queries];
    return std::find(list.begin(), list.end(), k / unit) != list.end();
  };
}

// Score modifiers.
inline Score same() {
  return [](double s, int64_t, int64_t, int64_t, int64_t) { return s; };
}
inline Score softcap(double cap) {
  return [=](double s, int64_t, int64_t, int64_t, int64_t) {
    return cap * std::tanh(s / cap);
  };
}
inline Score alibi(std::vector<double> slopes) {
  return [=](double s, int64_t, int64_t h, int64_t q, int64_t k) {
    return s + slopes[h] * double(k - q);
  };
}
/// bias[b, h, query, key]; the query counted from `offset[b]`. Extents of 1
/// are broadcast.
inline Score bias(Array table, std::vector<int64_t> offset) {
  return [=](double s, int64_t b, int64_t h, int64_t q, int64_t k) {
    auto in = [&](int64_t i, int dim) { return table.shape[dim] == 1 ? 0 : i; };
    return s + table(in(b, 0), in(h, 1), in(q - offset[b], 2), in(k, 3));
  };
}
inline Score then(Score first, Score second) {
  return [=](double s, int64_t b, int64_t h, int64_t q, int64_t k) {
    return second(first(s, b, h, q, k), b, h, q, k);
  };
}

/// Queries [b, heads, sq, dk], keys [b, kv heads, sk, dk], values
/// [b, kv heads, sk, dv]. Tokens at or past length[b] do not exist.
struct Inputs {
  Array q, k, v;
  std::vector<int64_t> offset, length;
  double scale = 1;
  std::vector<double> sinks; ///< by query head; empty: none
  Score prob;                ///< what becomes of p; null: nothing
};

struct Outputs {
  Array o, lse; ///< [b, heads, sq, dv], [b, heads, sq]
  Array m, l;   ///< largest score and sum of exp(s - m); -inf and 0 if none
  double largest = 0; ///< largest |score| that was visible
};

/// One row's softmax over (score, value row) pairs.
class Row {
public:
  void see(double s, std::vector<double> v, int64_t token) {
    scores.push_back(s);
    values.push_back(std::move(v));
    tokens.push_back(token);
  }
  void finish(Outputs &out, const Inputs &in, int64_t b, int64_t h, int64_t i) {
    if (!in.sinks.empty()) // a key of that score and the value 0
      see(in.sinks[h], std::vector<double>(out.o.shape[3]), -1);
    int64_t dv = out.o.shape[3];
    double m = -infinity, l = 0;
    for (double s : scores) {
      m = std::isnan(s) ? s : std::max(m, s);
      if (std::isfinite(s))
        out.largest = std::max(out.largest, std::abs(s));
    }
    for (double s : scores)
      l += s == -infinity ? 0 : std::exp(s - m);
    out.m(b, h, i) = m;
    out.l(b, h, i) = l;
    out.lse(b, h, i) = l == 0 ? -infinity : m + std::log(l);
    for (int64_t d = 0; d < dv; ++d) {
      double sum = 0;
      for (size_t n = 0; n < scores.size(); ++n)
        if (scores[n] != -infinity) {
          double p = std::exp(scores[n] - m) / l;
          if (in.prob && tokens[n] >= 0)
            p = in.prob(p, b, h, in.offset[b] + i, tokens[n]);
          sum += p * values[n][d];
        }
      out.o(b, h, i, d) = l == 0 ? 0 : sum;
    }
  }

private:
  std::vector<double> scores;
  std::vector<std::vector<double>> values;
  std::vector<int64_t> tokens;
};

inline double dot(const Array &q, const Array &k, int64_t b, int64_t h,
                  int64_t i, int64_t hk, int64_t j) {
  double s = 0;
  for (int64_t d = 0; d < q.shape[3]; ++d)
    s += q(b, h, i, d) * k(b, hk, j, d);
  return s;
}

inline std::vector<double> rowOf(const Array &v, int64_t b, int64_t h,
                                 int64_t j) {
  auto first = v.data.begin() + v.offset({b, h, j, 0});
  return std::vector<double>(first, first + v.shape[3]);
}

inline Outputs emptyOutputs(const Inputs &in) {
  Outputs out;
  int64_t b = in.q.shape[0], h = in.q.shape[1], sq = in.q.shape[2];
  out.o = Array({b, h, sq, in.v.shape[3]});
  out.lse = out.m = out.l = Array({b, h, sq});
  return out;
}

inline Outputs attention(const Inputs &in, const Keep &keep = everything(),
                         const Score &score = same()) {
  Outputs out = emptyOutputs(in);
  int64_t heads = in.q.shape[1], share = heads / in.k.shape[1];
  for (int64_t b = 0; b < in.q.shape[0]; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < in.q.shape[2]; ++i) {
        Row row;
        int64_t token = in.offset[b] + i;
        for (int64_t j = 0; j < in.length[b]; ++j)
          if (keep(b, h, token, j))
            row.see(score(in.scale * dot(in.q, in.k, b, h, i, h / share, j), b,
                          h, token, j),
                    rowOf(in.v, b, h / share, j), j);
        row.finish(out, in, b, h, i);
      }
  return out;
}

/// Means of groups of n tokens from token 0 on; the last group of a sequence
/// has the tokens that it has. Rows past it are 0.
inline Array pool(const Array &x, int64_t n,
                  const std::vector<int64_t> &length) {
  Array out({x.shape[0], x.shape[1], (x.shape[2] + n - 1) / n, x.shape[3]});
  for (int64_t b = 0; b < x.shape[0]; ++b)
    for (int64_t h = 0; h < x.shape[1]; ++h)
      for (int64_t g = 0; g * n < length[b]; ++g) {
        int64_t end = std::min(length[b], (g + 1) * n);
        for (int64_t d = 0; d < x.shape[3]; ++d) {
          double sum = 0;
          for (int64_t t = g * n; t < end; ++t)
            sum += x(b, h, t, d);
          out(b, h, g, d) = sum / double(end - g * n);
        }
      }
  return out;
}

/// Attention with a level per key block of `unit` tokens:
/// level(b, h, query index, block) in {0, 1, 2, 4, ..}. A pooled row counts
/// for its tokens, ln(count), and lives when all of them do.
using Level =
    std::function<int64_t(int64_t b, int64_t h, int64_t i, int64_t block)>;
inline Outputs pyramid(const Inputs &in, const Level &level, int64_t unit,
                       const Keep &keep = everything(),
                       const Score &score = same()) {
  Outputs out = emptyOutputs(in);
  int64_t heads = in.q.shape[1], share = heads / in.k.shape[1];
  std::vector<Array> keys(65), values(65);
  auto pooled = [&](std::vector<Array> &cache, const Array &x,
                    int64_t n) -> Array & {
    if (cache[n].shape.empty())
      cache[n] = pool(x, n, in.length);
    return cache[n];
  };
  for (int64_t b = 0; b < in.q.shape[0]; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < in.q.shape[2]; ++i) {
        Row row;
        int64_t token = in.offset[b] + i, length = in.length[b];
        for (int64_t block = 0; block * unit < length; ++block) {
          int64_t n = level(b, h, i, block);
          if (n == 0)
            continue;
          const Array &k = pooled(keys, in.k, n), &v = pooled(values, in.v, n);
          int64_t end = std::min(length, (block + 1) * unit);
          for (int64_t t = block * unit; t < end; t += n) {
            int64_t last = std::min(t + n, end);
            bool all = true;
            for (int64_t j = t; j < last; ++j)
              all &= keep(b, h, token, j);
            if (!all)
              continue;
            double s = in.scale * dot(in.q, k, b, h, i, h / share, t / n);
            row.see(score(s, b, h, token, t) + std::log(double(last - t)),
                    rowOf(v, b, h / share, t / n), t);
          }
        }
        row.finish(out, in, b, h, i);
      }
  return out;
}

/// The same with a level per pair: a row of n tokens is seen by a query for
/// which all of those that exist have the level n.
using PairLevel =
    std::function<int64_t(int64_t b, int64_t h, int64_t q, int64_t k)>;
inline Outputs leveled(const Inputs &in, const std::vector<int64_t> &levels,
                       const PairLevel &level, const Score &score = same()) {
  Outputs out = emptyOutputs(in);
  int64_t heads = in.q.shape[1], share = heads / in.k.shape[1];
  std::vector<Array> keys, values;
  for (int64_t n : levels) {
    keys.push_back(pool(in.k, n, in.length));
    values.push_back(pool(in.v, n, in.length));
  }
  for (int64_t b = 0; b < in.q.shape[0]; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < in.q.shape[2]; ++i) {
        Row row;
        int64_t token = in.offset[b] + i, length = in.length[b];
        for (size_t x = 0; x < levels.size(); ++x)
          for (int64_t t = 0, n = levels[x]; t < length; t += n) {
            int64_t last = std::min(t + n, length);
            bool all = true;
            for (int64_t j = t; j < last; ++j)
              all &= level(b, h, token, j) == n;
            if (!all)
              continue;
            double s = in.scale * dot(in.q, keys[x], b, h, i, h / share, t / n);
            row.see(score(s, b, h, token, t) + std::log(double(last - t)),
                    rowOf(values[x], b, h / share, t / n), t);
          }
        row.finish(out, in, b, h, i);
      }
  return out;
}

/// Int8 codes, one scale per row: max|x| / 127, to nearest even. A row of
/// zeros has scale 0.
struct Coded {
  std::vector<int8_t> codes;
  float scale = 0;
};
inline Coded encode(const std::vector<float> &row) {
  Coded out;
  float largest = 0;
  for (float x : row)
    largest = std::max(largest, std::abs(x));
  out.scale = largest / 127.0f;
  for (float x : row) {
    // Half to even.
    double y = out.scale == 0 ? 0 : double(x) / double(out.scale);
    double down = std::floor(y), rest = y - down;
    bool up = rest > 0.5 || (rest == 0.5 && std::fmod(down, 2) != 0);
    out.codes.push_back(int8_t(std::max(-127.0, std::min(127.0, down + up))));
  }
  return out;
}

/// Softmax of one row; a row of only -inf gives zeros.
inline std::vector<double> normalize(const std::vector<double> &row) {
  double m = -infinity, sum = 0;
  for (double x : row)
    m = std::max(m, x);
  std::vector<double> out(row.size(), 0);
  if (m == -infinity)
    return out;
  for (size_t i = 0; i < row.size(); ++i)
    sum += out[i] = std::exp(row[i] - m);
  for (double &x : out)
    x /= sum;
  return out;
}

/// Units in the order in which selection looks at them: forced ones, ascending,
/// then by descending score, ties to the lower index. Units whose score is not
/// above `nothing` (-inf, or 0 for shares) or is NaN are never looked at.
inline std::vector<int64_t> ranked(const std::vector<double> &row,
                                   const std::vector<bool> &forced,
                                   double nothing) {
  std::vector<int64_t> order;
  for (size_t i = 0; i < row.size(); ++i)
    if (row[i] > nothing)
      order.push_back(i);
  std::sort(order.begin(), order.end(), [&](int64_t x, int64_t y) {
    if (forced[x] != forced[y])
      return bool(forced[x]);
    return !forced[x] && row[x] != row[y] ? row[x] > row[y] : x < y;
  });
  return order;
}

/// The n best, forced ones counted; all forced ones in any case. Ascending.
inline std::vector<int64_t> topK(const std::vector<double> &row,
                                 const std::vector<bool> &forced, int64_t n,
                                 double nothing = -infinity) {
  std::vector<int64_t> out;
  for (int64_t i : ranked(row, forced, nothing))
    if (forced[i] || int64_t(out.size()) < n)
      out.push_back(i);
  std::sort(out.begin(), out.end());
  return out;
}

/// Of shares: forced units, and as many of the best as bring the sum, in f32
/// and in that order, to p.
inline std::vector<int64_t> topP(const std::vector<double> &row,
                                 const std::vector<bool> &forced, float p) {
  float mass = 0;
  std::vector<int64_t> out;
  for (int64_t i : ranked(row, forced, 0)) {
    if (!forced[i] && mass >= p)
      break;
    out.push_back(i);
    mass += float(row[i]);
  }
  std::sort(out.begin(), out.end());
  return out;
}

/// A level per unit of a row of shares: by descending share, the first level
/// whose bound is above the sum of the shares before; 0 past the last bound.
/// Forced units get `forcedLevel` unless their share is 0.
inline std::vector<int64_t> assign(const std::vector<double> &row,
                                   const std::vector<int64_t> &level,
                                   const std::vector<float> &bound,
                                   const std::vector<bool> &forced,
                                   int64_t forcedLevel) {
  float before = 0;
  std::vector<int64_t> out(row.size(), 0);
  for (int64_t i : ranked(row, std::vector<bool>(row.size(), false), 0)) {
    size_t n = 0;
    while (n < bound.size() && before >= bound[n])
      ++n;
    out[i] = n < bound.size() ? level[n] : 0;
    if (forced[i])
      out[i] = forcedLevel;
    before += float(row[i]);
  }
  return out;
}

} // namespace naive

#endif // FOVEA_TEST_SUPPORT_NAIVEATTENTION_H
