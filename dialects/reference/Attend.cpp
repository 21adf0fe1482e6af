// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention, row by row, in the order of the definition: which tokens are
// visible, their scores, the softmax, the weighted sum.
#include "dialects/reference/Attend.h"
#include "dialects/reference/Parallel.h"

#include <cmath>
#include <limits>
#include <mutex>

using namespace fovea::reference;

static constexpr double infinity = std::numeric_limits<double>::infinity();

static Cell integer(int64_t value) {
  Cell cell;
  cell.i = value;
  return cell;
}
static Cell real(double value) {
  Cell cell;
  cell.f = value;
  return cell;
}

int64_t AttentionInputs::tokens() const {
  if (!cachedHeads)
    return source.keys[0]->dim(2);
  int64_t most = 0;
  for (int64_t length : lengths)
    most = std::max(most, length);
  return most;
}

const double *AttentionInputs::key(int64_t b, int64_t h, int64_t index,
                                   size_t level) const {
  if (cachedHeads)
    return cached[b].keys + (index * cachedHeads + keyHead(h)) * keyDim();
  const Tensor &keys = *source.keys[level];
  return &keys.data[keys.offset(b, keyHead(h), index)];
}

const double *AttentionInputs::value(int64_t b, int64_t h, int64_t index,
                                     size_t level) const {
  if (cachedHeads)
    return cached[b].values + (index * cachedHeads + keyHead(h)) * valueDim();
  const Tensor &values = *source.values[level];
  return &values.data[values.offset(b, keyHead(h), index)];
}

RowReader::RowReader(const AttentionInputs &inputs) : inputs(inputs) {
  if (inputs.mask)
    mask = inputs.mask->frame();
  if (inputs.prob)
    prob = inputs.prob->frame();
  for (const ScalarProgram &program : inputs.score)
    score.push_back(program.frame());
  tokenLevels.resize(inputs.tokens());
}

void RowReader::begin(int64_t b, int64_t h, int64_t i) {
  this->b = b, this->h = h, this->i = i;
  int64_t offset = inputs.offsets[b];
  int64_t q = position(i + offset);
  Cell row[] = {integer(b), integer(h), integer(q), integer(inputs.lengths[b]),
                integer(q - i)};
  if (inputs.mask)
    inputs.mask->setRow(mask, row);
  if (inputs.prob)
    inputs.prob->setRow(prob, row);
  for (size_t n = 0; n < score.size(); ++n)
    inputs.score[n].setRow(score[n], row);

  if (!inputs.list)
    return;
  const List &list = *inputs.list;
  int64_t units = !inputs.cachedHeads ? ceilDiv(inputs.tokens(), list.unit)
                                      : inputs.cached[b].pageCount;
  chosenUnits.assign(units, false);
  int64_t owner = inputs.ragged() ? inputs.rowOf(b, h, i)
                                  : (b * list.shape[1] + h) * list.shape[2] +
                                        i / list.queryBlock;
  for (int64_t unit : list.units[owner]) {
    if (unit < 0 || unit >= units)
      fault = "chosen block out of range";
    else
      chosenUnits[unit] = true;
  }
}

bool RowReader::chosen(int64_t k) const {
  if (!inputs.list)
    return true;
  if (!inputs.cachedHeads)
    return chosenUnits[k / inputs.list->unit];
  // Only the tokens of pages are chosen; the others are always seen.
  int64_t page = inputs.cached[b].pages[k];
  return page == Cache::elsewhere || chosenUnits[page];
}

int64_t RowReader::levelOf(int64_t k) {
  if (inputs.cachedHeads && inputs.cached[b].pages[k] == Cache::gone)
    return 0;
  if (!chosen(k))
    return 0;
  int64_t level = 1;
  if (inputs.levels) {
    const Levels &map = *inputs.levels;
    level = map.values(b, h, i / map.queryBlock, k / map.unit);
  }
  if (level == 0 || !inputs.mask)
    return level;
  if (inputs.masksTree) {
    const CachedTokens &tokens = inputs.cached[b];
    mask.inTree =
        tokens.cache->inTree(tokens.sequence, i + inputs.offsets[b], k);
  }
  int64_t kept = inputs.mask->evaluate(mask, integer(position(k))).i;
  if (mask.refusal)
    fault = mask.refusal;
  if (mask.fault) {
    hidden = mask.fault;
    return 0;
  }
  if (inputs.mask->resultWidth() == 1)
    return kept ? level : 0;
  return kept; // a mask that yields levels
}

double RowReader::scoreOf(const double *query, const VisibleRow &row) {
  const double *key = inputs.key(b, h, row.index, row.level);
  double s = 0;
  for (int64_t d = 0, dim = inputs.keyDim(); d < dim; ++d)
    s += query[d] * key[d];
  s *= inputs.scale;
  if (std::isfinite(s))
    largest = std::max(largest, std::fabs(s));
  bool valued = true;
  for (size_t n = 0; n < score.size(); ++n) {
    s = inputs.score[n]
            .evaluate(score[n], {real(s), integer(position(row.token))})
            .f;
    if (score[n].fault) {
      hidden = score[n].fault;
      valued = false;
    }
  }
  if (!valued)
    return -infinity;
  if (std::isfinite(s))
    largest = std::max(largest, std::fabs(s));
  return s;
}

llvm::ArrayRef<VisibleRow> RowReader::visible() {
  rows.clear();
  int64_t tokens = inputs.lengths[b];
  for (int64_t k = 0; k < tokens; ++k)
    tokenLevels[k] = levelOf(k);
  const double *query =
      &inputs.query->data[inputs.rowOf(b, h, i) * inputs.keyDim()];
  for (size_t n = 0; n < inputs.source.levels.size(); ++n) {
    int64_t level = inputs.source.levels[n];
    for (int64_t first = 0; first < tokens; first += level) {
      // A pooled row is visible when all of its tokens are, at its level.
      int64_t end = std::min(first + level, tokens);
      bool seen = true;
      for (int64_t k = first; k < end; ++k)
        seen &= tokenLevels[k] == level;
      if (!seen)
        continue;
      VisibleRow row = {first, first / level, n, 0};
      // It stands for as many tokens as it really has.
      row.score = scoreOf(query, row) + std::log(double(end - first));
      if (row.score != -infinity)
        rows.push_back(row);
    }
  }
  return rows;
}

double RowReader::probability(double p, const VisibleRow &row) {
  if (!inputs.prob)
    return p;
  double result =
      inputs.prob->evaluate(prob, {real(p), integer(position(row.token))}).f;
  if (!prob.fault)
    return result;
  hidden = prob.fault;
  return 0;
}

double RowReader::sink() {
  if (!inputs.sinks)
    return -infinity;
  double s = inputs.sinks->data[h];
  if (std::isfinite(s))
    largest = std::max(largest, std::fabs(s));
  return s;
}

Softmax fovea::reference::softmax(llvm::ArrayRef<VisibleRow> rows,
                                  double sink) {
  Softmax result{sink, 0, {}};
  for (const VisibleRow &row : rows)
    if (std::isnan(row.score) || row.score > result.m)
      result.m = row.score; // once NaN, it stays NaN
  for (const VisibleRow &row : rows) {
    result.weights.push_back(std::exp(row.score - result.m));
    result.l += result.weights.back();
  }
  if (sink != -infinity)
    result.l += std::exp(sink - result.m);
  return result;
}

/// out += weight * the value of `row`.
static void accumulate(double *out, double weight,
                       const AttentionInputs &inputs, int64_t b, int64_t h,
                       const VisibleRow &row) {
  const double *value = inputs.value(b, h, row.index, row.level);
  for (int64_t d = 0, dim = inputs.valueDim(); d < dim; ++d)
    out[d] += weight * value[d];
}

namespace {
/// A row of the call, by sequence and index in it.
struct CallRow {
  int64_t b, h, i;
};
} // namespace

/// Tells who asked what row `at`, number `position` of the results, weighs.
static void tell(const AttentionInputs &inputs, CallRow at, int64_t position,
                 llvm::ArrayRef<VisibleRow> rows, double lse) {
  if (!inputs.weigh)
    return;
  std::vector<WeighedKeys> keys;
  keys.reserve(rows.size());
  for (const VisibleRow &row : rows) {
    int64_t level = inputs.source.levels[row.level];
    int64_t end = std::min(row.token + level, inputs.lengths[at.b]);
    keys.push_back({row.token, end - row.token, level, row.score});
  }
  (*inputs.weigh)({inputs.op,
                   {at.b, at.h, at.i},
                   position,
                   inputs.keyHead(at.h),
                   keys,
                   lse});
}

/// Row number `row` of the results; `sequences` gives the sequence of every
/// token-major row.
static CallRow callRow(const AttentionInputs &inputs,
                       llvm::ArrayRef<int64_t> sequences, int64_t row) {
  int64_t heads = inputs.heads();
  if (inputs.ragged()) {
    int64_t b = sequences[row / heads];
    return {b, row % heads, row / heads - inputs.cached[b].firstRow};
  }
  int64_t queries = inputs.query->dim(2);
  return {row / (heads * queries), row / queries % heads, row % queries};
}

/// Calls body(reader, row) for every row; fails if a reader does.
template <typename Body>
static llvm::Error forRows(const AttentionInputs &inputs, Report &report,
                           Body body) {
  std::mutex mutex;
  const char *fault = nullptr;
  std::vector<int64_t> sequences;
  for (size_t b = 0; inputs.ragged() && b < inputs.cached.size(); ++b)
    sequences.insert(sequences.end(), inputs.cached[b].rows, b);
  int64_t rows = inputs.query->size() / inputs.keyDim();
  forRanges(rows, [&](int64_t from, int64_t to) {
    RowReader reader(inputs);
    for (int64_t row = from; row < to; ++row) {
      if (row % inputs.stride)
        continue;
      CallRow at = callRow(inputs, sequences, row);
      reader.begin(at.b, at.h, at.i);
      body(reader, at, row);
    }
    std::lock_guard<std::mutex> lock(mutex);
    report.maxScore = std::max(report.maxScore, reader.maxScore());
    if (reader.hiddenBy())
      report.hidden = reader.hiddenBy();
    fault = fault ? fault : reader.faultOf();
  });
  if (fault)
    return llvm::createStringError(llvm::Twine("expected attention to read "
                                               "what is there, got a ") +
                                   fault);
  return llvm::Error::success();
}

static Tensor outputLike(const AttentionInputs &inputs) {
  std::vector<int64_t> shape = inputs.query->shape;
  shape.back() = inputs.valueDim();
  return Tensor(shape);
}
static Tensor rowsLike(const AttentionInputs &inputs) {
  std::vector<int64_t> shape = inputs.query->shape;
  shape.pop_back();
  return Tensor(shape);
}

/// Notes how large a value, times `sum`, may be.
static void noteValues(const AttentionInputs &inputs, double sum,
                       Report &report) {
  double largest = 0;
  int64_t step = inputs.heads() / inputs.keyHeads();
  for (int64_t b = 0; b < inputs.batches(); ++b)
    for (int64_t h = 0; h < inputs.heads(); h += step)
      for (auto [n, level] : llvm::enumerate(inputs.source.levels))
        for (int64_t k = 0; k * level < inputs.lengths[b]; ++k) {
          const double *value = inputs.value(b, h, k, n);
          for (int64_t d = 0; d < inputs.valueDim(); ++d)
            if (std::isfinite(value[d]))
              largest = std::max(largest, std::fabs(value[d]));
        }
  report.maxValue = std::max(report.maxValue, largest * sum);
}

llvm::Expected<Attended> fovea::reference::attend(const AttentionInputs &inputs,
                                                  Report &report) {
  Attended result{outputLike(inputs), rowsLike(inputs)};
  llvm::Error error =
      forRows(inputs, report, [&](RowReader &reader, CallRow at, int64_t row) {
        llvm::ArrayRef<VisibleRow> rows = reader.visible();
        Softmax weights = softmax(rows, reader.sink());
        double *out = &result.o.data[row * inputs.valueDim()];
        for (size_t n = 0; n < rows.size(); ++n) {
          double p = weights.weights[n] / weights.l;
          accumulate(out, reader.probability(p, rows[n]), inputs, at.b, at.h,
                     rows[n]);
        }
        // A row that sees nothing: o stays 0, lse is -inf + log 0 = -inf.
        result.lse.data[row] = weights.m + std::log(weights.l);
        tell(inputs, at, row, rows, result.lse.data[row]);
      });
  if (error)
    return std::move(error);
  noteValues(inputs, 1, report);
  return result;
}

llvm::Expected<State>
fovea::reference::attendPartially(const AttentionInputs &inputs,
                                  Report &report) {
  State state{outputLike(inputs), rowsLike(inputs), rowsLike(inputs)};
  llvm::Error error =
      forRows(inputs, report, [&](RowReader &reader, CallRow at, int64_t row) {
        llvm::ArrayRef<VisibleRow> rows = reader.visible();
        Softmax weights = softmax(rows, reader.sink());
        double *out = &state.o.data[row * inputs.valueDim()];
        for (size_t n = 0; n < rows.size(); ++n)
          accumulate(out, weights.weights[n], inputs, at.b, at.h, rows[n]);
        state.m.data[row] = weights.m;
        state.l.data[row] = weights.l;
        tell(inputs, at, row, rows, weights.m + std::log(weights.l));
      });
  if (error)
    return std::move(error);
  double sum = 0;
  for (double l : state.l.data)
    sum = std::max(sum, l);
  noteValues(inputs, sum, report);
  return state;
}

Attended fovea::reference::merge(llvm::ArrayRef<State> parts) {
  const State &first = parts.front();
  Attended result{Tensor(first.o.shape), Tensor(first.m.shape)};
  int64_t dim = first.o.shape.back();
  for (int64_t row = 0; row < first.m.size(); ++row) {
    double m = -infinity, l = 0;
    for (const State &part : parts)
      if (std::isnan(part.m.data[row]) || part.m.data[row] > m)
        m = part.m.data[row];
    for (const State &part : parts) {
      if (part.l.data[row] == 0)
        continue; // saw nothing
      double factor = std::exp(part.m.data[row] - m);
      l += factor * part.l.data[row];
      for (int64_t d = 0; d < dim; ++d)
        result.o.data[row * dim + d] += factor * part.o.data[row * dim + d];
    }
    for (int64_t d = 0; l != 0 && d < dim; ++d)
      result.o.data[row * dim + d] /= l;
    result.lse.data[row] = m + std::log(l);
  }
  return result;
}
