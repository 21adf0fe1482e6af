/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The naive cache and attention: loops, float64, no library.
 */
#include "examples/serving/naive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct naive_cache {
  int heads, dim;
  int64_t tokens, committed, capacity;
  float *k, *v; /* [token, head, dim], as attention sees them */
};

static void *grown(void *memory, size_t bytes) {
  void *more = realloc(memory, bytes ? bytes : 1);
  if (!more) {
    fprintf(stderr, "out of memory\n");
    exit(1);
  }
  return more;
}

naive_cache *naive_new(int heads, int dim) {
  naive_cache *c = grown(NULL, sizeof *c);
  *c = (naive_cache){.heads = heads, .dim = dim};
  return c;
}

void naive_free(naive_cache *c) {
  if (!c)
    return;
  free(c->k);
  free(c->v);
  free(c);
}

void naive_append(naive_cache *c, const float *k, const float *v, int n) {
  size_t row = (size_t)c->heads * (size_t)c->dim;
  if (c->tokens + n > c->capacity) {
    c->capacity = 2 * (c->tokens + n);
    c->k = grown(c->k, (size_t)c->capacity * row * sizeof(float));
    c->v = grown(c->v, (size_t)c->capacity * row * sizeof(float));
  }
  memcpy(c->k + (size_t)c->tokens * row, k, (size_t)n * row * sizeof(float));
  memcpy(c->v + (size_t)c->tokens * row, v, (size_t)n * row * sizeof(float));
  c->tokens += n;
}

naive_cache *naive_fork(const naive_cache *from, int64_t tokens) {
  naive_cache *c = naive_new(from->heads, from->dim);
  naive_append(c, from->k, from->v, (int)tokens);
  c->committed = tokens;
  return c;
}

/* Through codes of 8 bits and back: one scale for the row, its largest number
 * is 127; to nearest, ties to even. */
static void encode(float *row, int n) {
  float largest = 0;
  for (int i = 0; i < n; ++i)
    largest = fmaxf(largest, fabsf(row[i]));
  float scale = largest / 127;
  for (int i = 0; i < n; ++i)
    row[i] = scale == 0 ? 0 : nearbyintf(row[i] / scale) * scale;
}

void naive_commit(naive_cache *c) {
  for (int64_t r = c->committed * c->heads; r < c->tokens * c->heads; ++r) {
    encode(c->k + r * c->dim, c->dim);
    encode(c->v + r * c->dim, c->dim);
  }
  c->committed = c->tokens;
}

double naive_compare(const naive_cache *c, const float *q, int query_heads,
                     int n, const float *got, double *largest) {
  int d = c->dim, row = c->heads * d;
  double worst = 0;
  double *p = grown(NULL, (size_t)c->tokens * sizeof(double));
  double *o = grown(NULL, (size_t)d * sizeof(double));
  for (int i = 0; i < n; ++i)
    for (int h = 0; h < query_heads; ++h) {
      const float *x = q + ((int64_t)i * query_heads + h) * d;
      const float *y = got + ((int64_t)i * query_heads + h) * d;
      const float *k = c->k + h / (query_heads / c->heads) * d;
      const float *v = c->v + h / (query_heads / c->heads) * d;
      int64_t seen = c->tokens - n + i + 1; /* itself and all before */
      double most = -INFINITY, sum = 0;
      for (int64_t t = 0; t < seen; ++t) {
        double s[2] = {0, 0};
        for (int j = 0; j < d; ++j)
          s[j % 2] += (double)x[j] * (double)k[t * row + j];
        p[t] = (s[0] + s[1]) / sqrt(d);
        most = fmax(most, p[t]);
      }
      for (int j = 0; j < d; ++j)
        o[j] = 0;
      for (int64_t t = 0; t < seen; ++t) {
        double weight = exp(p[t] - most);
        sum += weight;
        for (int j = 0; j < d; ++j)
          o[j] += weight * (double)v[t * row + j];
      }
      for (int j = 0; j < d; ++j) {
        double error = fabs(o[j] / sum - (double)y[j]);
        worst = error <= worst ? worst : error; /* a NaN stays */
        *largest = fmax(*largest, fabs(o[j] / sum));
      }
    }
  free(p);
  free(o);
  return worst;
}
