/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The model and the draft model; see model.h.
 */
#include "examples/speculative/model.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static float embedding[VOCABULARY][WIDTH], following[VOCABULARY][WIDTH];
static float wq[LAYERS][WIDTH][WIDTH], wo[LAYERS][WIDTH][WIDTH];
static float wk[LAYERS][KV_WIDTH][WIDTH], wv[LAYERS][KV_WIDTH][WIDTH];

/* Random numbers in [-scale, scale). */
static void fill(uint64_t seed, float *out, int n, float scale) {
  uint64_t z = seed;
  for (int i = 0; i < n; ++i) {
    z = z * 6364136223846793005u + 1442695040888963407u;
    out[i] = scale * ((float)(z >> 40) / (float)(1 << 23) - 1.0f);
  }
}

static void multiply(const float *matrix, int rows, const float *x,
                     float *out) {
  for (int r = 0; r < rows; ++r) {
    float sum = 0;
    for (int c = 0; c < WIDTH; ++c)
      sum += matrix[r * WIDTH + c] * x[c];
    out[r] = sum;
  }
}

void model_init(void) {
  const float even = sqrtf(3.0f / WIDTH); /* keeps the size of a vector */
  fill(1, &embedding[0][0], VOCABULARY * WIDTH, 1);
  fill(2, &following[0][0], VOCABULARY * WIDTH, 1);
  for (int l = 0; l < LAYERS; ++l) {
    uint64_t seed = 10 * (uint64_t)(l + 1);
    fill(seed + 1, &wq[l][0][0], WIDTH * WIDTH, 2 * even);
    fill(seed + 2, &wk[l][0][0], KV_WIDTH * WIDTH, 2 * even);
    fill(seed + 3, &wv[l][0][0], KV_WIDTH * WIDTH, even);
    fill(seed + 4, &wo[l][0][0], WIDTH * WIDTH, 0.6f * even);
  }
}

void model_embed(int token, float *x) {
  memcpy(x, embedding[token], sizeof embedding[token]);
}

void model_project(int layer, const float *x, float *q, float *k, float *v) {
  multiply(&wq[layer][0][0], WIDTH, x, q);
  multiply(&wk[layer][0][0], KV_WIDTH, x, k);
  multiply(&wv[layer][0][0], KV_WIDTH, x, v);
}

void model_add(int layer, const float *o, float *x) {
  float out[WIDTH];
  multiply(&wo[layer][0][0], WIDTH, o, out);
  for (int c = 0; c < WIDTH; ++c)
    x[c] += out[c];
}

/* The n tokens with the largest scores, the largest first. */
static void best(const float *x, int n, int *tokens) {
  float scores[VOCABULARY];
  multiply(&following[0][0], VOCABULARY, x, scores);
  for (int i = 0; i < n; ++i) {
    int top = 0;
    for (int t = 1; t < VOCABULARY; ++t)
      if (scores[t] > scores[top])
        top = t;
    tokens[i] = top;
    scores[top] = -INFINITY;
  }
}

int model_next(const float *x) {
  int token;
  best(x, 1, &token);
  return token;
}

void draft_next(int token, int n, int *tokens) {
  best(embedding[token], n, tokens);
}
