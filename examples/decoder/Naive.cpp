// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The naive decoder: loops, no library.
#include "examples/decoder/Naive.h"

#include <algorithm>
#include <cmath>

namespace decoder {

using Numbers = std::vector<double>;

/// weight [rows, columns] times x.
static Numbers times(const Numbers &weight, const Numbers &x) {
  size_t columns = x.size(), rows = weight.size() / columns;
  Numbers y(rows);
  for (size_t r = 0; r < rows; ++r) {
    // Four sums: one would be a chain of dependent additions.
    double sum[4] = {};
    const double *w = &weight[r * columns];
    for (size_t c = 0; c < columns; ++c)
      sum[c % 4] += w[c] * x[c];
    y[r] = sum[0] + sum[1] + sum[2] + sum[3];
  }
  return y;
}

static void add(Numbers &x, const Numbers &y) {
  for (size_t i = 0; i < x.size(); ++i)
    x[i] += y[i];
}

bool Naive::create(const Safetensors &file, const Config &config, Naive &out,
                   std::string &error) {
  auto get = [&](const std::string &name, std::vector<int64_t> shape,
                 Numbers &to) {
    std::vector<float> data;
    if (!file.load(name, shape, data, error))
      return false;
    to.assign(data.begin(), data.end());
    return true;
  };
  int64_t e = config.hidden, f = config.intermediate;
  int64_t q = config.heads * config.headDim;
  int64_t kv = config.kvHeads * config.headDim;
  Naive naive;
  naive.config = config;
  naive.layers.resize(size_t(config.layers));
  for (int64_t l = 0; l < config.layers; ++l) {
    Layer &to = naive.layers[size_t(l)];
    if (!get(layerName(l, "input_layernorm"), {e}, to.attentionNorm) ||
        !get(layerName(l, "self_attn.q_proj"), {q, e}, to.q) ||
        !get(layerName(l, "self_attn.k_proj"), {kv, e}, to.k) ||
        !get(layerName(l, "self_attn.v_proj"), {kv, e}, to.v) ||
        !get(layerName(l, "self_attn.o_proj"), {e, q}, to.o) ||
        !get(layerName(l, "post_attention_layernorm"), {e}, to.mlpNorm) ||
        !get(layerName(l, "mlp.gate_proj"), {f, e}, to.gate) ||
        !get(layerName(l, "mlp.up_proj"), {f, e}, to.up) ||
        !get(layerName(l, "mlp.down_proj"), {e, f}, to.down))
      return false;
  }
  bool tied = !file.tensors().count("lm_head.weight");
  const char *head = tied ? "model.embed_tokens.weight" : "lm_head.weight";
  if (!get("model.embed_tokens.weight", {config.vocabulary, e},
           naive.embedding) ||
      !get("model.norm.weight", {e}, naive.norm) ||
      !get(head, {config.vocabulary, e}, naive.head))
    return false;
  out = std::move(naive);
  return true;
}

Numbers Naive::normalized(const Numbers &x, const Numbers &weight) const {
  double squares = 0;
  for (double value : x)
    squares += value * value;
  double scale = 1 / std::sqrt(squares / double(x.size()) + config.epsilon);
  Numbers y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = x[i] * scale * weight[i];
  return y;
}

/// Channel i turns with channel i + headDim / 2.
void Naive::rotate(Numbers &heads, int64_t at) const {
  int64_t d = config.headDim, half = d / 2;
  for (size_t first = 0; first < heads.size(); first += size_t(d))
    for (int64_t i = 0; i < half; ++i) {
      double angle =
          double(at) * std::pow(config.theta, -2.0 * double(i) / double(d));
      double &x = heads[first + size_t(i)],
             &y = heads[first + size_t(i + half)];
      double turned = x * std::cos(angle) - y * std::sin(angle);
      y = x * std::sin(angle) + y * std::cos(angle);
      x = turned;
    }
}

Numbers Naive::attend(const Layer &layer, const Numbers &q) const {
  size_t d = size_t(config.headDim);
  Numbers o(q.size(), 0);
  for (int64_t h = 0; h < config.heads; ++h) {
    size_t from = size_t(h / (config.heads / config.kvHeads)) * d;
    size_t to = size_t(h) * d;
    Numbers p;
    for (const Numbers &key : layer.keys) {
      double score = 0;
      for (size_t i = 0; i < d; ++i)
        score += q[to + i] * key[from + i];
      p.push_back(score / std::sqrt(double(d)));
    }
    double largest = *std::max_element(p.begin(), p.end()), sum = 0;
    for (double &x : p)
      sum += x = std::exp(x - largest);
    for (size_t t = 0; t < p.size(); ++t)
      for (size_t i = 0; i < d; ++i)
        o[to + i] += p[t] / sum * layer.values[t][from + i];
  }
  return o;
}

Numbers Naive::step(int32_t token) {
  auto row = embedding.begin() + int64_t(token) * config.hidden;
  Numbers x(row, row + config.hidden);
  for (Layer &layer : layers) {
    Numbers h = normalized(x, layer.attentionNorm);
    Numbers q = times(layer.q, h), k = times(layer.k, h);
    rotate(q, position);
    rotate(k, position);
    layer.keys.push_back(std::move(k));
    layer.values.push_back(times(layer.v, h));
    add(x, times(layer.o, attend(layer, q)));
    h = normalized(x, layer.mlpNorm);
    Numbers gate = times(layer.gate, h), up = times(layer.up, h);
    for (size_t i = 0; i < gate.size(); ++i)
      gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
    add(x, times(layer.down, gate));
  }
  ++position;
  return times(head, normalized(x, norm));
}

} // namespace decoder
