// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Formats, pooling, block scores and choosing, by their definitions.
#include "dialects/reference/Select.h"
#include "dialects/reference/Rounding.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace fovea::reference;

static constexpr double infinity = std::numeric_limits<double>::infinity();

Encoded fovea::reference::encodeInt8(const Tensor &x) {
  int64_t dim = x.shape.back();
  Encoded result{Tensor(x.shape), Tensor({x.dim(0), x.dim(1), x.dim(2)})};
  for (int64_t row = 0; row < result.scales.size(); ++row) {
    const double *in = &x.data[row * dim];
    double largest = 0;
    for (int64_t d = 0; d < dim; ++d)
      if (std::isnan(in[d]) || std::fabs(in[d]) > largest)
        largest = std::fabs(in[d]); // once NaN, it stays NaN
    double scale = roundTo(Element::F32, largest / 127);
    result.scales.data[row] = scale;
    if (scale == 0)
      continue;
    for (int64_t d = 0; d < dim; ++d) {
      double code = roundTo(Element::I8, roundTo(Element::F32, in[d] / scale));
      result.codes.data[row * dim + d] = std::max(code, -127.0);
    }
  }
  return result;
}

Tensor fovea::reference::decodeInt8(const Encoded &x) {
  Tensor result = x.codes;
  int64_t dim = result.shape.back();
  for (int64_t n = 0; n < result.size(); ++n)
    result.data[n] *= x.scales.data[n / dim];
  return result;
}

/// The mean of the rows [from, to) of x[b, h].
static std::vector<double> meanOf(const Tensor &x, int64_t b, int64_t h,
                                  int64_t from, int64_t to) {
  std::vector<double> mean(x.shape.back(), 0);
  for (int64_t row = from; row < to; ++row)
    for (size_t d = 0; d < mean.size(); ++d)
      mean[d] += x(b, h, row, d) / static_cast<double>(to - from);
  return mean;
}

Tensor fovea::reference::poolMean(const Tensor &x, int64_t level,
                                  Element element,
                                  llvm::ArrayRef<int64_t> lengths) {
  Tensor result({x.dim(0), x.dim(1), ceilDiv(x.dim(2), level), x.dim(3)});
  for (int64_t b = 0; b < x.dim(0); ++b)
    for (int64_t h = 0; h < x.dim(1); ++h)
      for (int64_t t = 0; t * level < lengths[b]; ++t) {
        int64_t end = std::min((t + 1) * level, lengths[b]);
        std::vector<double> mean = meanOf(x, b, h, t * level, end);
        std::transform(mean.begin(), mean.end(),
                       result.data.begin() + result.offset(b, h, t),
                       [&](double x) { return roundTo(element, x); });
      }
  return result;
}

Pyramid fovea::reference::pool(const Tensor &key, const Tensor &value,
                               llvm::ArrayRef<int64_t> levels, Element element,
                               llvm::ArrayRef<int64_t> lengths) {
  Pyramid pyramid;
  pyramid.element = element;
  for (int64_t level : levels) {
    pyramid.levels.push_back(level);
    pyramid.keys.push_back(level == 1 ? key
                                      : poolMean(key, level, element, lengths));
    pyramid.values.push_back(
        level == 1 ? value : poolMean(value, level, element, lengths));
  }
  return pyramid;
}

/// True if some query of [q0, q1) sees some key of [k0, k1), token indices.
/// `hidden` becomes the reason if the mask has no meaning for a pair.
static bool anyLive(const ScoreInputs &inputs, ScalarProgram::Frame &frame,
                    int64_t b, int64_t h, int64_t q0, int64_t q1, int64_t k0,
                    int64_t k1, const char *&hidden) {
  if (!inputs.mask)
    return q0 < q1 && k0 < k1;
  auto cell = [](int64_t value) {
    Cell cell;
    cell.i = value;
    return cell;
  };
  for (int64_t q = q0; q < q1; ++q) {
    inputs.mask->setRow(frame, {cell(b), cell(h), cell(q),
                                cell(inputs.blocks.lengths[b]),
                                cell(inputs.blocks.offsets[b])});
    for (int64_t k = k0; k < k1; ++k) {
      bool live = inputs.mask->evaluate(frame, cell(k)).i;
      if (frame.fault)
        hidden = frame.fault;
      else if (live)
        return true;
    }
  }
  return false;
}

llvm::Expected<Scores> fovea::reference::scoreBlocks(const ScoreInputs &inputs,
                                                     const char *&hidden) {
  const Tensor &query = *inputs.query, &key = *inputs.key;
  const Blocks &blocks = inputs.blocks;
  int64_t heads = query.dim(1), group = heads / key.dim(1);
  int64_t queries = query.dim(2), tokens = key.dim(2);
  Scores scores{
      blocks, false,
      Tensor({query.dim(0), heads, ceilDiv(queries, blocks.queryBlock),
              ceilDiv(tokens, blocks.unit)},
             -infinity)};
  ScalarProgram::Frame frame;
  if (inputs.mask)
    frame = inputs.mask->frame();
  for (int64_t b = 0; b < query.dim(0); ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t p = 0; p < scores.values.dim(2); ++p) {
        int64_t q0 = p * blocks.queryBlock;
        int64_t q1 = std::min(q0 + blocks.queryBlock, queries);
        std::vector<double> queryMean = meanOf(query, b, h, q0, q1);
        for (int64_t c = 0; c < scores.values.dim(3); ++c) {
          int64_t k0 = c * blocks.unit;
          int64_t k1 = std::min(k0 + blocks.unit, blocks.lengths[b]);
          int64_t offset = blocks.offsets[b];
          if (k0 >= k1 || !anyLive(inputs, frame, b, h, q0 + offset,
                                   q1 + offset, k0, k1, hidden))
            continue;
          std::vector<double> keyMean = meanOf(key, b, h / group, k0, k1);
          double s = 0;
          for (size_t d = 0; d < queryMean.size(); ++d)
            s += queryMean[d] * keyMean[d];
          scores.values(b, h, p, c) = inputs.scale * s;
        }
      }
  if (frame.refusal)
    return llvm::createStringError(
        llvm::Twine("expected a mask to read what is there, got a ") +
        frame.refusal);
  return scores;
}

/// The greatest that q . k can be for a key between the bounds, or the product
/// with the mean. `kept` is the metadata of one page and head.
static double pageScore(const double *query, const double *kept, int64_t dim,
                        bool bound) {
  double s = 0;
  for (int64_t d = 0; d < dim; ++d)
    s += bound ? std::max(query[d] * kept[d], query[d] * kept[dim + d])
               : query[d] * kept[d];
  return s;
}

Scores fovea::reference::scorePages(const PageInputs &inputs) {
  const Tensor &query = *inputs.query;
  int64_t heads = query.dim(1), dim = query.shape.back();
  int64_t rows = static_cast<int64_t>(inputs.kept.size()), most = 0;
  int64_t width = (inputs.bound ? 2 : 1) * dim;
  auto pages = [&](int64_t row) {
    return static_cast<int64_t>(inputs.kept[row]->size()) /
           (inputs.keyHeads * width);
  };
  for (int64_t row = 0; row < rows; ++row)
    most = std::max(most, pages(row));
  Scores scores{inputs.blocks, false,
                Tensor({rows, heads, 1, most}, -infinity)};
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t page = 0; page < pages(row); ++page) {
        int64_t keyHead = h / (heads / inputs.keyHeads);
        const double *kept = inputs.kept[row]->data() +
                             (page * inputs.keyHeads + keyHead) * width;
        scores.values(row, h, 0, page) =
            inputs.scale * pageScore(&query.data[(row * heads + h) * dim], kept,
                                     dim, inputs.bound);
      }
  return scores;
}

/// Calls body(b, h, query block, the row's scores) for every row.
static void forRows(
    const Scores &scores,
    llvm::function_ref<void(int64_t, int64_t, int64_t, llvm::ArrayRef<double>)>
        body) {
  const Tensor &values = scores.values;
  for (int64_t b = 0; b < values.dim(0); ++b)
    for (int64_t h = 0; h < values.dim(1); ++h)
      for (int64_t p = 0; p < values.dim(2); ++p)
        body(b, h, p,
             llvm::ArrayRef<double>(values.data.data() + values.offset(b, h, p),
                                    values.dim(3)));
}

Scores fovea::reference::normalize(const Scores &scores) {
  Scores result = scores;
  result.shares = true;
  forRows(scores, [&](int64_t b, int64_t h, int64_t p,
                      llvm::ArrayRef<double> row) {
    double largest = -infinity, sum = 0;
    for (double s : row)
      if (std::isnan(s) || s > largest)
        largest = s; // once NaN, it stays NaN
    for (double s : row)
      sum += s == -infinity ? 0 : std::exp(s - largest);
    for (size_t c = 0; c < row.size(); ++c) {
      double share = row[c] == -infinity ? 0 : std::exp(row[c] - largest) / sum;
      result.values(b, h, p, c) = roundTo(Element::F32, share);
    }
  });
  return result;
}

bool Force::contains(const Blocks &blocks, int64_t b, int64_t queryBlock,
                     int64_t unit) const {
  int64_t units = ceilDiv(blocks.lengths[b], blocks.unit);
  if (unit < first || (unit < units && unit >= units - last))
    return true;
  if (!diagonal)
    return false;
  // The tokens of the block's queries, and those of the unit.
  int64_t q0 = queryBlock * blocks.queryBlock;
  int64_t q1 = std::min(q0 + blocks.queryBlock, blocks.queries);
  int64_t k0 = unit * blocks.unit, k1 = k0 + blocks.unit;
  return q0 + blocks.offsets[b] < k1 && k0 < q1 + blocks.offsets[b];
}

/// The units of a row in the order of choice.
struct Ranking {
  std::vector<int64_t> units;
  int64_t forced = 0; ///< so many of them come first
};

static Ranking rank(const Scores &scores, const Force &force, int64_t b,
                    int64_t p, llvm::ArrayRef<double> row) {
  Ranking ranking;
  std::vector<int64_t> rest;
  double nothing = scores.shares ? 0 : -infinity;
  for (int64_t c = 0; c < static_cast<int64_t>(row.size()); ++c) {
    if (!(row[c] > nothing))
      continue; // nothing live, or not a number
    bool forced = force.contains(scores.blocks, b, p, c);
    (forced ? ranking.units : rest).push_back(c);
  }
  ranking.forced = static_cast<int64_t>(ranking.units.size());
  std::sort(rest.begin(), rest.end(), [&](int64_t x, int64_t y) {
    return row[x] != row[y] ? row[x] > row[y] : x < y;
  });
  ranking.units.insert(ranking.units.end(), rest.begin(), rest.end());
  return ranking;
}

/// Keeps of every row the first `take(h, ranking, row)` units, but all that are
/// forced.
static List choose(const Scores &scores, const Force &force, bool ascending,
                   llvm::function_ref<int64_t(int64_t, const Ranking &,
                                              llvm::ArrayRef<double>)>
                       take) {
  const Tensor &values = scores.values;
  List list;
  list.queryBlock = scores.blocks.queryBlock;
  list.unit = scores.blocks.unit;
  list.shape = {values.dim(0), values.dim(1), values.dim(2)};
  forRows(scores,
          [&](int64_t b, int64_t h, int64_t p, llvm::ArrayRef<double> row) {
            Ranking ranking = rank(scores, force, b, p, row);
            std::vector<int64_t> &units = ranking.units;
            int64_t count = std::max(take(h, ranking, row), ranking.forced);
            if (count < static_cast<int64_t>(units.size()))
              units.resize(count);
            if (ascending)
              std::sort(units.begin(), units.end());
            list.units.push_back(units);
          });
  return list;
}

List fovea::reference::chooseTopK(const Scores &scores,
                                  llvm::function_ref<int64_t(int64_t h)> count,
                                  const Force &force, bool ascending) {
  return choose(scores, force, ascending,
                [&](int64_t h, const Ranking &, llvm::ArrayRef<double>) {
                  return count(h);
                });
}

List fovea::reference::chooseTopP(const Scores &scores,
                                  llvm::function_ref<double(int64_t h)> share,
                                  const Force &force, bool ascending) {
  return choose(
      scores, force, ascending,
      [&](int64_t h, const Ranking &ranking, llvm::ArrayRef<double> row) {
        int64_t count = 0, live = static_cast<int64_t>(ranking.units.size());
        float enough = static_cast<float>(share(h));
        for (float sum = 0; count < live && sum < enough; ++count)
          sum += static_cast<float>(row[ranking.units[count]]);
        return count;
      });
}

/// The first level whose bound is greater than `sum`; 0 if there is none.
static int64_t levelFor(float sum, llvm::ArrayRef<int64_t> levels,
                        llvm::ArrayRef<double> bounds) {
  for (auto [level, bound] : llvm::zip_equal(levels, bounds))
    if (static_cast<float>(bound) > sum)
      return level;
  return 0;
}

Levels fovea::reference::assignLevels(const Scores &scores,
                                      llvm::ArrayRef<int64_t> levels,
                                      llvm::ArrayRef<double> bounds,
                                      const Force &force) {
  Levels result{scores.blocks.queryBlock, scores.blocks.unit,
                Tensor(scores.values.shape)};
  forRows(scores,
          [&](int64_t b, int64_t h, int64_t p, llvm::ArrayRef<double> row) {
            // Forcing does not change the running sum.
            float before = 0;
            for (int64_t unit : rank(scores, Force(), b, p, row).units) {
              bool forced = force.contains(scores.blocks, b, p, unit);
              int64_t level = forced ? 1 : levelFor(before, levels, bounds);
              result.values(b, h, p, unit) = static_cast<double>(level);
              before += static_cast<float>(row[unit]);
            }
          });
  return result;
}
