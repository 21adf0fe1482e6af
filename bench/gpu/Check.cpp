// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bench/gpu/Check.h"
#include "bench/gpu/Text.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fovea::gpu {

bool Visible::read(const std::string &word, const std::string &folder,
                   std::string &detail) {
  causal = word == "causal";
  if (causal || word == "all" || readFile(folder + "/" + word, table))
    return true;
  detail = "expected all, causal or a file of rows, got " + word;
  return false;
}

bool Visible::sees(int part, int64_t i, int64_t rows, int64_t j,
                   int64_t keys) const {
  if (ofFile())
    return size_t(part * keys + j) < table.size() &&
           table[size_t(part * keys + j)];
  return !causal || j <= keys - rows + i;
}

double Visible::share(int64_t rows, int64_t keys) const {
  return causal ? 1 - double(rows - 1) / double(2 * keys) : 1;
}

/// Elements that repeat: a prime number, so that rows of tokens differ.
static constexpr size_t period = 1000003;

static void randomise(Tensor &tensor, float scale, uint32_t state) {
  size_t size = tensor.elementBytes();
  tensor.bytes.resize(std::min(period, tensor.elements()) * size);
  for (size_t i = 0; i + size <= tensor.bytes.size(); i += size) {
    state = state * 1664525u + 1013904223u;
    float value = float(int32_t(state)) * 0x1p-31f;
    char *to = tensor.bytes.data() + i;
    uint32_t word;
    float scaled = value * scale, positive = (1.5f + value) * scale;
    memcpy(&word, &scaled, 4);
    if (tensor.dtype == FOVEA_DTYPE_BF16)
      memcpy(to, reinterpret_cast<char *>(&word) + 2, 2);
    else if (tensor.dtype == FOVEA_DTYPE_F32) // of codes
      memcpy(to, &positive, 4);
    else
      *to = char(int(value * 127));
  }
}

bool randomise(Step &step) {
  uint32_t state = 1;
  for (Argument &argument : step.arguments)
    for (Tensor *tensor : argument.inputs()) {
      // Queries that a few keys answer: o is large beside its error.
      float scale = state == 1 ? 16 : 1;
      if (tensor->dtype == FOVEA_DTYPE_F32)
        scale = 1.0f / 127;
      if (tensor->dtype != FOVEA_DTYPE_I32)
        randomise(*tensor, scale, state);
      ++state;
    }
  const Argument *o = step.find("o");
  bool bf16 = o && o->isTensor() && o->tensor.dtype == FOVEA_DTYPE_BF16 &&
              step.arguments[0].tensor.dtype == FOVEA_DTYPE_BF16;
  if (!bf16)
    step.detail = "expected a kernel with queries and a result o of bf16";
  return bf16;
}

bool readTables(
    Step &step,
    const std::vector<std::pair<std::string, std::string>> &tables) {
  for (const auto &[name, path] : tables) {
    Argument *argument = const_cast<Argument *>(step.find(name));
    size_t wanted = argument ? argument->tensor.size() : 0;
    std::string bytes;
    if (!readFile(path, bytes) || bytes.size() != wanted) {
      step.detail = "expected " + std::to_string(wanted) + " bytes in " + path +
                    ", got " + std::to_string(bytes.size());
      return false;
    }
    argument->tensor.bytes = bytes;
  }
  return true;
}

namespace {

/// Keys or values of the sequence and head that a row reads.
class Stored {
public:
  /// `name` is "k" or "v".
  Stored(const Step &step, const char *name, int64_t b, int64_t kvHeads,
         int64_t head);
  double operator()(int64_t token, int64_t channel);
  int64_t tokens = 0, dim = 0;

private:
  const Tensor *plain = nullptr, *codes = nullptr, *scales = nullptr;
  const Tensor *fresh = nullptr; // rows of the step
  int64_t committed = 0, firstRow = 0, heads, head, slice = 0;
  bool rounded = false; // as int8, a scale per token
  int64_t seen = -1;
  double scale = 0;
};

} // namespace

Stored::Stored(const Step &step, const char *name, int64_t b, int64_t kvHeads,
               int64_t head)
    : heads(kvHeads), head(head) {
  const Argument *given = step.find(name), *cache = step.find("c"),
                 *coded = step.find(std::string(name) + ".codes"),
                 *scaled = step.find(std::string(name) + ".scale");
  const Tensor *whole = nullptr;
  if (cache) {
    const CacheContent &c = cache->cache;
    whole = plain = *name == 'k' ? &c.keys : &c.values;
    fresh = &given->tensor;
    committed = c.tokens[size_t(b)];
    firstRow = c.rows[size_t(b)];
    tokens = committed + c.rows[size_t(b) + 1] - firstRow;
    rounded = c.coded;
  } else if (coded) {
    whole = codes = &coded->tensor;
    scales = &scaled->tensor;
  } else {
    whole = plain = &given->tensor;
  }
  dim = whole->shape[3];
  if (!cache)
    committed = tokens = whole->shape[2];
  slice = (b * heads + head) * whole->shape[2];
}

double Stored::operator()(int64_t token, int64_t channel) {
  if (token >= committed)
    return fresh->value(size_t(
        ((firstRow + token - committed) * heads + head) * dim + channel));
  size_t row = size_t(slice + token), at = row * size_t(dim) + size_t(channel);
  if (codes)
    return codes->value(at) * scales->value(row);
  if (!rounded)
    return plain->value(at);
  if (seen != token) {
    double most = 0;
    for (int64_t d = 0; d < dim; ++d)
      most = std::max(most,
                      std::fabs(plain->value(row * size_t(dim) + size_t(d))));
    scale = most / 127;
    seen = token;
  }
  return scale ? std::nearbyint(plain->value(at) / scale) * scale : 0;
}

/// How far a row of the result is from float64, less what rounding weights and
/// result to bf16 explains: positive where it is wrong.
static double excess(const Step &step, const Visible &visible, int part,
                     int64_t b, int64_t h, int64_t i) {
  const Tensor &q = step.arguments[0].tensor, &o = step.find("o")->tensor;
  bool byToken = q.shape.size() == 3; // [rows, heads, dim]
  int64_t heads = q.shape[1], rows = byToken ? 1 : q.shape[2],
          dim = q.shape.back();
  const Argument *cache = step.find("c");
  const Argument *k = step.find("k"), *codes = step.find("k.codes");
  int64_t kvHeads = (k && !cache ? k->tensor
                     : cache     ? cache->cache.keys
                                 : codes->tensor)
                        .shape[1];
  Stored key(step, "k", b, kvHeads, h / (heads / kvHeads)),
      value(step, "v", b, kvHeads, h / (heads / kvHeads));
  int64_t row = byToken ? cache->cache.rows[size_t(b)] * heads + h
                        : (b * heads + h) * rows + i;
  size_t queryAt = size_t(row * dim), resultAt = size_t(row * value.dim);
  std::vector<double> scores, want(size_t(value.dim), 0.0);
  std::vector<int64_t> keys;
  double sum = 0, most = -INFINITY, largest = 0, error = 0;
  for (int64_t j = 0; j < key.tokens; ++j) {
    if (!visible.sees(part, i, rows, j, key.tokens))
      continue;
    double score = 0;
    for (int64_t d = 0; d < dim; ++d)
      score += q.value(queryAt + size_t(d)) * key(j, d);
    keys.push_back(j);
    scores.push_back(score / std::sqrt(double(dim)));
    most = std::max(most, scores.back());
  }
  for (size_t n = 0; n < keys.size(); ++n) {
    double weight = std::exp(scores[n] - most);
    sum += weight;
    for (int64_t d = 0; d < value.dim; ++d)
      want[size_t(d)] += weight * value(keys[n], d);
  }
  for (int64_t d = 0; d < value.dim; ++d) {
    double wanted = keys.empty() ? 0 : want[size_t(d)] / sum;
    double apart = std::fabs(o.value(resultAt + size_t(d)) - wanted);
    largest = std::max(largest, std::fabs(wanted));
    error = std::isnan(apart) ? INFINITY : std::max(error, apart);
  }
  return error - (0x1p-9 + 0x1p-8 * largest); // values are about 1 at most
}

std::string firstWrongRow(const Step &step, const Visible &visible) {
  const std::vector<int64_t> &q = step.arguments[0].tensor.shape;
  int64_t n =
      step.find("c") ? int64_t(step.find("c")->cache.tokens.size()) : q[0];
  int64_t rows = q.size() == 3 ? 1 : q[2];
  for (int part : {0, 1, 2}) {
    int64_t b = (n - 1) * part / 2, h = (q[1] - 1) * part / 2,
            i = (rows - 1) * part / 2;
    double beyond = excess(step, visible, part, b, h, i);
    if (beyond > 0) {
      char text[128];
      snprintf(text, sizeof text,
               "row (%lld, %lld, %lld) is %.3g further from float64 than "
               "rounding explains",
               (long long)b, (long long)h, (long long)i, beyond);
      return text;
    }
  }
  return "";
}

} // namespace fovea::gpu
