/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Stage and plan code for tests of the runtime, in place of what the compiler
 * emits: position-independent C, linked to a flat image that starts with the
 * table of its functions. The numbers are the Function enum of TestKernel.h.
 *
 * The attention here sums instead of softmax: o[b, h, q] = sum of v[b, k] over
 * the visible keys k. With small integers in v that is exact in any order, so
 * tests compare bits whatever the split.
 */
#include <fovea/abi.h>

/* View slots: q (b, h, sq), v (b, sk), o (b, h, sq), then work (slots, rows),
 * then ends (documents only): i32[sk], the end of the document of a token. */
enum { Q = 0, V = 1, O = 2, WORK = 3, ENDS = 4 };
/* Scalar slot 0: window, keys that a query sees, itself included. */

static int64_t lo_of(const fovea_abi_args *a, int64_t q) {
  int64_t lo = q - a->scalars[0].i + 1;
  return lo < 0 ? 0 : lo;
}

static int32_t keep(const fovea_abi_args *a, int64_t b, int64_t h, int64_t q,
                    int64_t k, int64_t len) {
  return k <= q && k >= lo_of(a, q) && k < len;
}

static int32_t bounds(const fovea_abi_args *a, int64_t b, int64_t h, int64_t q0,
                      int64_t q1, int64_t len, fovea_abi_run *runs) {
  int64_t lo = lo_of(a, q0), hi = q1 < len ? q1 : len;
  if (lo >= hi)
    return 0;
  runs[0].lo = lo;
  runs[0].hi = hi;
  return 1;
}

static int32_t classify(const fovea_abi_args *a, int64_t b, int64_t h,
                        int64_t q0, int64_t q1, int64_t k0, int64_t k1,
                        int64_t len) {
  if (k0 > q1 - 1 || k1 <= lo_of(a, q0) || k0 >= len)
    return FOVEA_TILE_EMPTY;
  if (k1 - 1 <= q0 && k0 >= lo_of(a, q1 - 1) && k1 <= len)
    return FOVEA_TILE_FULL;
  return FOVEA_TILE_PARTIAL;
}

/* A planner that evaluates the predicate dies here. */
static int32_t trap(const fovea_abi_args *a, int64_t b, int64_t h, int64_t q,
                    int64_t k, int64_t len) {
  __builtin_trap();
}

/* Bidirectional windows around documents given by a table of ends; an entry
 * outside [0, len] is refused. */
static int32_t bounds_ends(const fovea_abi_args *a, int64_t b, int64_t h,
                           int64_t q0, int64_t q1, int64_t len,
                           fovea_abi_run *runs) {
  const int32_t *ends = a->views[ENDS].data;
  int64_t hi = 0;
  for (int64_t q = q0 < 0 ? 0 : q0; q < q1 && q < len; ++q) {
    if (ends[q] < 0 || ends[q] > a->views[ENDS].shape[0])
      return -1;
    hi = ends[q] > hi ? ends[q] : hi;
  }
  hi = hi < len ? hi : len;
  runs[0].lo = 0;
  runs[0].hi = hi;
  return hi > 0;
}

static int32_t bounds_wild(const fovea_abi_args *a, int64_t b, int64_t h,
                           int64_t q0, int64_t q1, int64_t len,
                           fovea_abi_run *runs) {
  runs[0].lo = 0;
  runs[0].hi = len + 1; /* outside */
  return 1;
}

/* The tile of the test kernels: rows x KEYS, group 1. */
enum { ROWS = 8, KEYS = 16 };

static int32_t sum(const fovea_abi_args *a, const fovea_abi_plan *p,
                   int64_t begin, int64_t end, void *scratch) {
  fovea_abi_counters *c = scratch;
  const fovea_abi_view *v = &a->views[V], *o = &a->views[O];
  const fovea_abi_view *work = &a->views[WORK];
  int64_t sq = o->shape[2];
  for (int64_t i = begin; i < end; ++i) {
    const fovea_abi_item *it = &p->items[i];
    int64_t len = p->k_len[it->b], off = p->q_off[it->b];
    int64_t last = it->row + ROWS < sq ? it->row + ROWS : sq;
    double acc[ROWS];
    for (int r = 0; r < ROWS; ++r)
      acc[r] = 0;
    fovea_abi_run run[FOVEA_ABI_MAX_RUNS];
    int32_t n = bounds(a, it->b, it->head, off + it->row, off + last, len, run);
    for (int32_t j = 0; j < n; ++j) {
      int64_t lo = run[j].lo > it->k0 ? run[j].lo : it->k0;
      int64_t hi = run[j].hi < it->k1 ? run[j].hi : it->k1;
      for (int64_t k0 = lo; k0 < hi; k0 += KEYS) {
        int64_t k1 = k0 + KEYS < hi ? k0 + KEYS : hi;
        int32_t cls = classify(a, it->b, it->head, off + it->row, off + last,
                               k0, k1, len);
        if (cls == FOVEA_TILE_EMPTY)
          continue;
        if (cls == FOVEA_TILE_FULL)
          c->tiles_full++;
        else
          c->tiles_partial++;
        c->pairs += (last - it->row) * (k1 - k0);
        for (int64_t q = it->row; q < last; ++q)
          for (int64_t k = k0; k < k1; ++k)
            if (cls == FOVEA_TILE_FULL ||
                keep(a, it->b, it->head, off + q, k, len))
              acc[q - it->row] +=
                  ((const float *)v->data)[it->b * v->stride[0] + k];
      }
    }
    for (int64_t q = it->row; q < last; ++q)
      if (it->slot >= 0)
        ((float *)work->data)[it->slot * work->stride[0] + q - it->row] =
            (float)acc[q - it->row];
      else
        ((float *)o->data)[it->b * o->stride[0] + it->head * o->stride[1] + q] =
            (float)acc[q - it->row];
    c->items++;
  }
  return 0;
}

static int32_t combine(const fovea_abi_args *a, const fovea_abi_plan *p,
                       int64_t begin, int64_t end, void *scratch) {
  const fovea_abi_view *o = &a->views[O], *work = &a->views[WORK];
  for (int64_t i = begin; i < end; ++i) {
    const fovea_abi_item *it = &p->items[i];
    for (int64_t r = 0; r < ROWS && it->row + r < o->shape[2]; ++r) {
      float s = 0;
      for (int64_t j = it->slot; j < it->slot + it->count; ++j)
        s += ((const float *)work->data)[p->sources[j].slot * work->stride[0] +
                                         p->sources[j].row + r];
      ((float *)o->data)[it->b * o->stride[0] + it->head * o->stride[1] +
                         it->row + r] = s;
    }
  }
  return 0;
}

/* grid: o[b, h, q] += 1 in every cell */
static int32_t count(const fovea_abi_args *a, const fovea_abi_plan *p,
                     int64_t begin, int64_t end, void *scratch) {
  fovea_abi_counters *c = scratch;
  const fovea_abi_view *o = &a->views[O];
  for (int64_t i = begin; i < end; ++i) {
    const fovea_abi_item *it = &p->items[i];
    for (int64_t q = it->row; q < it->row + ROWS && q < it->k1; ++q)
      ((float *)o->data)[it->b * o->stride[0] + it->head * o->stride[1] + q] +=
          1;
    c->items++;
  }
  return 0;
}

static int32_t nothing(const fovea_abi_args *a, const fovea_abi_plan *p,
                       int64_t begin, int64_t end, void *scratch) {
  return 0;
}

/* Error 7 at the item of row 8. */
static int32_t failing(const fovea_abi_args *a, const fovea_abi_plan *p,
                       int64_t begin, int64_t end, void *scratch) {
  for (int64_t i = begin; i < end; ++i)
    if (p->items[i].row == 8)
      return 7;
  return 0;
}

/* Time in proportion to the visible pairs of an item, and nothing else. */
static int32_t busy(const fovea_abi_args *a, const fovea_abi_plan *p,
                    int64_t begin, int64_t end, void *scratch) {
  for (int64_t i = begin; i < end; ++i) {
    const fovea_abi_item *it = &p->items[i];
    fovea_abi_run run[FOVEA_ABI_MAX_RUNS];
    int64_t off = p->q_off[it->b];
    if (!bounds(a, it->b, it->head, off + it->row, off + it->row + ROWS,
                p->k_len[it->b], run))
      continue;
    int64_t lo = run[0].lo > it->k0 ? run[0].lo : it->k0;
    int64_t hi = run[0].hi < it->k1 ? run[0].hi : it->k1;
    for (int64_t n = 0; n < (hi - lo) * 4; ++n)
      __asm__ volatile("" ::: "memory");
  }
  return 0;
}

#include "test/support/EmulatedStages.h"

#include "test/support/CacheStages.h"

#include "test/support/ServingStages.h"

__attribute__((section(".table"), used)) void *const table[] = {
    (void *)bounds,
    (void *)classify,
    (void *)keep,
    (void *)trap,
    (void *)sum,
    (void *)combine,
    (void *)count,
    (void *)nothing,
    (void *)failing,
    (void *)bounds_ends,
    (void *)bounds_wild,
    (void *)busy,
    (void *)append_plain,
    (void *)append_kept,
    (void *)append_coded,
    (void *)append_rich,
    (void *)append_sink,
    (void *)moves_coded,
    (void *)moves_rich,
    (void *)moves_chain,
    (void *)moves_sink,
    (void *)pages_kept,
    (void *)pages_rich,
    (void *)serve_plain_few,
    (void *)serve_plain_many,
    (void *)serve_rich_few,
    (void *)serve_rich_many,
    (void *)merge_plain_few,
    (void *)merge_plain_many,
    (void *)merge_rich_few,
    (void *)merge_rich_many,
    (void *)count_emulated,
    (void *)stuck_emulated};
