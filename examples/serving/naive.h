/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * What every output of the serving example is held against: the keys and
 * values of each sequence in plain arrays, as an int8 cache stores them, and
 * attention in float64, pair by pair. Shares nothing with Fovea.
 */
#ifndef FOVEA_EXAMPLES_SERVING_NAIVE_H
#define FOVEA_EXAMPLES_SERVING_NAIVE_H

#include <stdint.h>

typedef struct naive_cache naive_cache; /* of one sequence and one layer */

naive_cache *naive_new(int heads, int dim);
void naive_free(naive_cache *);
/* The first `tokens` of another, which must be committed. */
naive_cache *naive_fork(const naive_cache *, int64_t tokens);
/* Rows [n, head, dim] that come after those that are there. */
void naive_append(naive_cache *, const float *k, const float *v, int n);
/* Stores what was appended: codes of 8 bits, a scale per token and head. */
void naive_commit(naive_cache *);
/* Causal attention of the last n tokens: q and o are [n, query head, dim].
 * Returns the largest |o - got|; *largest is that of |o|. */
double naive_compare(const naive_cache *, const float *q, int query_heads,
                     int n, const float *got, double *largest);

#endif /* FOVEA_EXAMPLES_SERVING_NAIVE_H */
