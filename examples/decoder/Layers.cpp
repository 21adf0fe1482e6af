// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the host computes between two attentions: embedding, RMSNorm, rotary
// positions, SwiGLU, and matrix products through CBLAS.
#include "examples/decoder/Engine.h"

#include <algorithm>
#include <cblas.h>
#include <cmath>

namespace decoder {

namespace {
float *dataOf(const fovea_tensor *t) { return static_cast<float *>(t->data); }

/// y = x weight^T (+ y): x is [rows, in], weight [out, in].
void multiply(const float *x, const std::vector<float> &weight, float *y,
              int64_t rows, int64_t in, bool accumulate) {
  int out = int(int64_t(weight.size()) / in);
  float beta = accumulate ? 1 : 0;
  if (rows == 1)
    cblas_sgemv(CblasRowMajor, CblasNoTrans, out, int(in), 1, weight.data(),
                int(in), x, 1, beta, y, 1);
  else
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, int(rows), out,
                int(in), 1, x, int(in), weight.data(), int(in), beta, y, out);
}
} // namespace

void Engine::normalize(const float *x, const Floats &weight, float *y,
                       int64_t rows) const {
  int64_t e = config.hidden;
  for (int64_t r = 0; r < rows; ++r, x += e, y += e) {
    double squares = 0;
    for (int64_t i = 0; i < e; ++i)
      squares += double(x[i]) * x[i];
    float scale = float(1 / std::sqrt(squares / double(e) + config.epsilon));
    for (int64_t i = 0; i < e; ++i)
      y[i] = x[i] * scale * weight[size_t(i)];
  }
}

/// Channel i turns with channel i + headDim / 2 by the row's position.
void Engine::rotate(float *x, int64_t rows, int64_t heads) const {
  int64_t d = config.headDim, half = d / 2;
  for (int64_t r = 0; r < rows; ++r) {
    const float *turn = &turns[size_t((position + r) * d)];
    for (int64_t h = 0; h < heads; ++h, x += d)
      for (int64_t i = 0; i < half; ++i) {
        float c = turn[2 * i], s = turn[2 * i + 1], low = x[i],
              high = x[i + half];
        x[i] = low * c - high * s;
        x[i + half] = low * s + high * c;
      }
  }
}

/// tokens, x
fovea_status Engine::embed(void *user, const fovea_tensor *const *t, int,
                           fovea_stream) {
  const Engine &engine = *static_cast<Engine *>(user);
  const int32_t *tokens = static_cast<const int32_t *>(t[0]->data);
  float *x = dataOf(t[1]);
  int64_t e = engine.config.hidden;
  for (int64_t r = 0; r < t[0]->shape[0]; ++r, x += e) {
    if (tokens[r] < 0 || tokens[r] >= engine.config.vocabulary)
      return FOVEA_INVALID;
    std::copy_n(&engine.embedding[size_t(tokens[r] * e)], e, x);
  }
  return FOVEA_OK;
}

/// x, y, q, k, v
fovea_status Engine::beforeAttention(void *user, const fovea_tensor *const *t,
                                     int, fovea_stream) {
  const Layer &layer = *static_cast<Layer *>(user);
  const Engine &engine = *layer.engine;
  int64_t rows = t[0]->shape[0], e = engine.config.hidden;
  float *y = dataOf(t[1]);
  engine.normalize(dataOf(t[0]), layer.attentionNorm, y, rows);
  for (int i = 0; i < 3; ++i)
    multiply(y, layer.qkv[i], dataOf(t[2 + i]), rows, e, false);
  engine.rotate(dataOf(t[2]), rows, engine.config.heads);
  engine.rotate(dataOf(t[3]), rows, engine.config.kvHeads);
  return FOVEA_OK;
}

/// x, o, y, gate, up
fovea_status Engine::afterAttention(void *user, const fovea_tensor *const *t,
                                    int, fovea_stream) {
  const Layer &layer = *static_cast<Layer *>(user);
  const Engine &engine = *layer.engine;
  const Config &config = engine.config;
  int64_t rows = t[0]->shape[0], f = config.intermediate;
  float *x = dataOf(t[0]), *y = dataOf(t[2]), *gate = dataOf(t[3]),
        *up = dataOf(t[4]);
  multiply(dataOf(t[1]), layer.o, x, rows, config.heads * config.headDim, true);
  engine.normalize(x, layer.mlpNorm, y, rows);
  multiply(y, layer.gate, gate, rows, config.hidden, false);
  multiply(y, layer.up, up, rows, config.hidden, false);
  for (int64_t i = 0; i < rows * f; ++i)
    gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
  multiply(gate, layer.down, x, rows, f, true);
  return FOVEA_OK;
}

/// x, y, scores of the last row
fovea_status Engine::score(void *user, const fovea_tensor *const *t, int,
                           fovea_stream) {
  const Engine &engine = *static_cast<Engine *>(user);
  int64_t last = t[0]->shape[0] - 1, e = engine.config.hidden;
  float *y = dataOf(t[1]);
  engine.normalize(dataOf(t[0]) + last * e, engine.norm, y, 1);
  multiply(y, engine.head, dataOf(t[2]), 1, e, false);
  return FOVEA_OK;
}

} // namespace decoder
