/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Attention over a cache for tests of plans: part of Stages.c, after
 * CacheStages.h. It sums instead of softmax: o[row, head, c] = sum of v[key, c]
 * + 2 k[key, c] over the visible keys, exact for small integers whatever the
 * order. Slots: q 0, o 1, the cache's from 2 on, then the rows to append, then
 * the records [slot, row, dim]. Scalar 0: the window of `keep`.
 */

/* One key of a sequence: k and v of a head, or 0 if no segment holds it. */
static int serve_key(const struct cache *c, const fovea_abi_args *a, int64_t b,
                     int64_t head, int64_t token, float *k, float *v) {
  for (int s = 0; s < c->n; ++s) {
    const struct segment *seg = &c->seg[s];
    const fovea_abi_view *ranges = &a->views[seg->ranges];
    const fovea_abi_range *r =
        (const fovea_abi_range *)((const int64_t *)ranges->data +
                                  b * ranges->stride[0]);
    if (token < r->begin || token >= r->end)
      continue;
    int64_t per = a->views[seg->k].shape[2];
    int64_t slot = token - r->base, at = r->table + slot / per;
    if (at >= a->views[seg->pages].shape[0])
      return -1;
    int64_t page = ((const int32_t *)a->views[seg->pages].data)[at];
    load_row(a, seg, seg->k, seg->k_scale, page, head, slot % per, k);
    load_row(a, seg, seg->v, seg->v_scale, page, head, slot % per, v);
    return 1;
  }
  return 0;
}

static int32_t serve_rows(const struct cache *c, int rows, int work_slot,
                          const fovea_abi_args *a, const fovea_abi_plan *p,
                          int64_t begin, int64_t end, void *scratch) {
  fovea_abi_counters *count = scratch;
  const fovea_abi_view *o = &a->views[1], *work = &a->views[work_slot];
  int64_t dim = o->shape[2], heads = a->views[c->seg[0].k].shape[1];
  int64_t group = o->shape[1] / heads;
  float k[MAX_DIM], v[MAX_DIM], sum[MAX_DIM];
  for (int64_t i = begin; i < end; ++i) {
    const fovea_abi_item *it = &p->items[i];
    int shared = it->flags & FOVEA_ITEM_SHARED;
    int64_t n =
        shared ? it->count * group
               : (p->row_off[it->b + 1] - p->row_off[it->b]) * group - it->row;
    n = n < rows ? n : rows;
    for (int64_t r = 0; r < n; ++r) {
      int64_t b = it->b, packed = shared ? r : it->row + r;
      int64_t position = packed / group;
      if (shared) {
        b = p->rows[it->row + position].b;
        position = p->rows[it->row + position].position;
      }
      int64_t q = p->q_off[b] + position;
      for (int64_t d = 0; d < dim; ++d)
        sum[d] = 0;
      for (int64_t key = it->k0; key < it->k1; ++key) {
        if (!shared && !keep(a, b, it->head, q, key, p->k_len[b]))
          continue;
        int found = serve_key(c, a, it->b, it->head, key, k, v);
        if (found < 0)
          return 3;
        for (int64_t d = 0; found && d < dim; ++d)
          sum[d] += v[d] + 2 * k[d];
        count->pairs++;
      }
      float *out = it->slot >= 0
                       ? (float *)work->data + it->slot * work->stride[0] +
                             r * work->stride[1]
                       : (float *)o->data +
                             (p->row_off[b] + position) * o->stride[0] +
                             (it->head * group + packed % group) * o->stride[1];
      for (int64_t d = 0; d < dim; ++d)
        out[d] = sum[d];
    }
    count->items++;
  }
  return 0;
}

static int32_t serve_merge(int heads_of, int rows, int work_slot,
                           const fovea_abi_args *a, const fovea_abi_plan *p,
                           int64_t begin, int64_t end) {
  const fovea_abi_view *o = &a->views[1], *work = &a->views[work_slot];
  int64_t group = o->shape[1] / a->views[heads_of].shape[1];
  for (int64_t i = begin; i < end; ++i) {
    const fovea_abi_item *it = &p->items[i];
    int64_t n = (p->row_off[it->b + 1] - p->row_off[it->b]) * group - it->row;
    for (int64_t r = 0; r < n && r < rows; ++r) {
      int64_t packed = it->row + r;
      float *out = (float *)o->data +
                   (p->row_off[it->b] + packed / group) * o->stride[0] +
                   (it->head * group + packed % group) * o->stride[1];
      for (int64_t d = 0; d < o->shape[2]; ++d) {
        float sum = 0;
        for (int64_t j = it->slot; j < it->slot + it->count; ++j)
          sum +=
              ((const float *)
                   work->data)[p->sources[j].slot * work->stride[0] +
                               (p->sources[j].row + r) * work->stride[1] + d];
        out[d] = sum;
      }
    }
  }
  return 0;
}

#define SERVE(suffix, cache, work_slot, rows)                                  \
  static int32_t serve_##suffix(const fovea_abi_args *a,                       \
                                const fovea_abi_plan *p, int64_t begin,        \
                                int64_t end, void *scratch) {                  \
    return serve_rows(&cache, rows, work_slot, a, p, begin, end, scratch);     \
  }                                                                            \
  static int32_t merge_##suffix(const fovea_abi_args *a,                       \
                                const fovea_abi_plan *p, int64_t begin,        \
                                int64_t end, void *scratch) {                  \
    return serve_merge(2, rows, work_slot, a, p, begin, end);                  \
  }
SERVE(plain_few, plain_cache, 8, 4)
SERVE(plain_many, plain_cache, 8, 16)
SERVE(rich_few, rich_cache, 24, 4)
SERVE(rich_many, rich_cache, 24, 16)
