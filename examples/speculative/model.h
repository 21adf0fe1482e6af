/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * A model that is small enough to read: random weights, two layers of
 * attention, tied embeddings. Its drafts come from the same weights without
 * attention, so they are often right and sometimes not.
 */
#ifndef FOVEA_EXAMPLES_SPECULATIVE_MODEL_H
#define FOVEA_EXAMPLES_SPECULATIVE_MODEL_H

enum {
  LAYERS = 2,
  HEADS = 4, /* of queries */
  KV_HEADS = 2,
  DIM = 32,
  WIDTH = HEADS * DIM,
  KV_WIDTH = KV_HEADS * DIM,
  VOCABULARY = 512
};

void model_init(void);

/* What a token starts with: x is [WIDTH]. */
void model_embed(int token, float *x);
/* q is [WIDTH], k and v are [KV_WIDTH]. */
void model_project(int layer, const float *x, float *q, float *k, float *v);
/* Adds the attention's output o, [WIDTH], to x. */
void model_add(int layer, const float *o, float *x);
/* The token that the model says next. */
int model_next(const float *x);

/* The `n` tokens that the draft model finds most likely after `token`. */
void draft_next(int token, int n, int *tokens);

#endif /* FOVEA_EXAMPLES_SPECULATIVE_MODEL_H */
