/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The stages of KV caches for tests of the cache manager: append, moves and
 * pages over f32, bf16 and int8 (per token and head) segments, in plain loops.
 * Part of Stages.c, whose image may not call libraries.
 *
 * Where the slots of a cache are is BundleBuilder::cache's business: from slot
 * 2 on, of each segment k, [k.scale,] v, [v.scale,] metadata, pages, ranges;
 * then the rows to append.
 */
struct segment {
  int k, k_scale, v, v_scale; /* slots; scales -1: not coded */
  int half;                   /* bf16 */
  int bounds, means;          /* -1: none */
  int pages, ranges;
};

struct cache {
  int n; /* segments; rows enter the last one */
  struct segment seg[4];
  int key, value;
};

#define PLAIN(s) {s, -1, s + 1, -1, 0, -1, -1, s + 2, s + 3}
#define HALF(s) {s, -1, s + 1, -1, 1, -1, -1, s + 2, s + 3}
#define CODED(s) {s, s + 1, s + 2, s + 3, 0, -1, -1, s + 4, s + 5}
#define KEPT(s) {s, -1, s + 1, -1, 0, s + 2, s + 3, s + 4, s + 5}
#define CODED_KEPT(s) {s, s + 1, s + 2, s + 3, 0, s + 4, s + 5, s + 6, s + 7}

static const struct cache plain_cache = {1, {PLAIN(2)}, 6, 7};
static const struct cache kept_cache = {1, {KEPT(2)}, 8, 9};
static const struct cache coded_cache = {2, {CODED(2), PLAIN(8)}, 12, 13};
static const struct cache rich_cache = {
    4, {PLAIN(2), CODED_KEPT(6), PLAIN(14), PLAIN(18)}, 22, 23};
static const struct cache chain_cache = {
    4, {PLAIN(2), CODED_KEPT(6), HALF(14), PLAIN(18)}, 22, 23};
static const struct cache sink_cache = {
    3, {PLAIN(2), PLAIN(6), PLAIN(10)}, 14, 15};

static float half_up(uint16_t bits) {
  union {
    uint32_t u;
    float f;
  } x = {(uint32_t)bits << 16};
  return x.f;
}

static uint16_t half_down(float f) {
  union {
    float f;
    uint32_t u;
  } x = {f};
  return (uint16_t)((x.u + 0x7fff + ((x.u >> 16) & 1)) >> 16);
}

static char *place_of(const fovea_abi_view *v, int64_t page, int64_t head,
                      int64_t offset, int64_t size) {
  return (char *)v->data +
         (page * v->stride[0] + head * v->stride[1] + offset * v->stride[2]) *
             size;
}

/* One (token, head) of a part, in f32. */
static void load_row(const fovea_abi_args *a, const struct segment *s, int part,
                     int scale, int64_t page, int64_t head, int64_t offset,
                     float *out) {
  const fovea_abi_view *v = &a->views[part];
  int64_t n = v->shape[3];
  if (scale >= 0) {
    float step = *(float *)place_of(&a->views[scale], page, head, offset, 4);
    const int8_t *in = (int8_t *)place_of(v, page, head, offset, 1);
    for (int64_t i = 0; i < n; ++i)
      out[i] = (float)in[i] * step;
  } else if (s->half) {
    const uint16_t *in = (uint16_t *)place_of(v, page, head, offset, 2);
    for (int64_t i = 0; i < n; ++i)
      out[i] = half_up(in[i]);
  } else {
    const float *in = (float *)place_of(v, page, head, offset, 4);
    for (int64_t i = 0; i < n; ++i)
      out[i] = in[i];
  }
}

static void store_row(const fovea_abi_args *a, const struct segment *s,
                      int part, int scale, int64_t page, int64_t head,
                      int64_t offset, const float *in) {
  const fovea_abi_view *v = &a->views[part];
  int64_t n = v->shape[3];
  if (scale >= 0) {
    float most = 0;
    for (int64_t i = 0; i < n; ++i) {
      float x = in[i] < 0 ? -in[i] : in[i];
      most = x > most ? x : most;
    }
    *(float *)place_of(&a->views[scale], page, head, offset, 4) = most / 127;
    float per = most > 0 ? 127 / most : 0;
    int8_t *out = (int8_t *)place_of(v, page, head, offset, 1);
    for (int64_t i = 0; i < n; ++i)
      out[i] = (int8_t)(int32_t)(in[i] * per + (in[i] < 0 ? -0.5f : 0.5f));
  } else if (s->half) {
    uint16_t *out = (uint16_t *)place_of(v, page, head, offset, 2);
    for (int64_t i = 0; i < n; ++i)
      out[i] = half_down(in[i]);
  } else {
    float *out = (float *)place_of(v, page, head, offset, 4);
    for (int64_t i = 0; i < n; ++i)
      out[i] = in[i];
  }
}

enum { MAX_DIM = 256 };

static int32_t append_rows(const struct cache *c, const fovea_abi_args *a,
                           const fovea_abi_plan *p, int64_t begin,
                           int64_t end) {
  const struct segment *s = &c->seg[c->n - 1];
  const fovea_abi_range *ranges = a->views[s->ranges].data;
  const int32_t *pages = a->views[s->pages].data;
  const fovea_abi_view *in[] = {&a->views[c->key], &a->views[c->value]};
  int64_t heads = a->views[s->k].shape[1], P = a->views[s->k].shape[2];
  for (int64_t i = begin; i < end; ++i) {
    const fovea_abi_item *it = &p->items[i];
    for (int64_t r = 0; r < it->count; ++r) {
      const fovea_abi_range *range = &ranges[it->b];
      int64_t token = it->k0 + r, slot = token - range->base;
      if (token < range->begin || token >= range->end)
        return 3;
      int64_t at = range->table + slot / P;
      if (at < 0 || at >= a->views[s->pages].shape[0])
        return 4;
      int64_t row = p->row_off[it->b] + it->row + r;
      for (int64_t h = 0; h < heads; ++h)
        for (int v = 0; v < 2; ++v)
          store_row(a, s, v ? s->v : s->k, v ? s->v_scale : s->k_scale,
                    pages[at], h, slot % P,
                    (float *)in[v]->data + row * in[v]->stride[0] +
                        h * in[v]->stride[1]);
    }
  }
  return 0;
}

static int32_t move_rows(const struct cache *c, const fovea_abi_args *a,
                         const fovea_abi_plan *p, int64_t begin, int64_t end) {
  int64_t heads = a->views[c->seg[0].k].shape[1];
  for (int64_t i = begin; i < end; ++i) {
    const fovea_abi_move *m = &p->moves[i];
    const struct segment *s = &c->seg[m->from], *t = &c->seg[m->to];
    for (int64_t h = 0; h < heads; ++h)
      for (int v = 0; v < 2; ++v) {
        float row[MAX_DIM];
        load_row(a, s, v ? s->v : s->k, v ? s->v_scale : s->k_scale,
                 m->from_page, h, m->from_offset, row);
        store_row(a, t, v ? t->v : t->k, v ? t->v_scale : t->k_scale,
                  m->to_page, h, m->to_offset, row);
      }
  }
  return 0;
}

static int32_t keep_pages(const struct cache *c, const fovea_abi_args *a,
                          const fovea_abi_plan *p, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const fovea_abi_item *it = &p->items[i];
    const struct segment *s = &c->seg[it->head];
    int64_t heads = a->views[s->k].shape[1], dim = a->views[s->k].shape[3];
    const fovea_abi_view *bounds = &a->views[s->bounds];
    const fovea_abi_view *means = &a->views[s->means];
    for (int64_t h = 0; h < heads; ++h) {
      float *low = (float *)place_of(bounds, it->row, h, 0, 4);
      float *high = (float *)place_of(bounds, it->row, h, 1, 4);
      float *mean = (float *)means->data + it->row * means->stride[0] +
                    h * means->stride[1];
      for (int64_t o = 0; o < it->k1; ++o) {
        float row[MAX_DIM];
        load_row(a, s, s->k, s->k_scale, it->row, h, o, row);
        for (int64_t d = 0; d < dim; ++d) {
          low[d] = o == 0 || row[d] < low[d] ? row[d] : low[d];
          high[d] = o == 0 || row[d] > high[d] ? row[d] : high[d];
          mean[d] = o == 0 ? row[d] : mean[d] + row[d];
        }
      }
      for (int64_t d = 0; d < dim; ++d)
        mean[d] = mean[d] / (float)it->k1;
    }
  }
  return 0;
}

#define STAGE(name, work, cache)                                               \
  static int32_t name(const fovea_abi_args *a, const fovea_abi_plan *p,        \
                      int64_t begin, int64_t end, void *scratch) {             \
    return work(&cache, a, p, begin, end);                                     \
  }
STAGE(append_plain, append_rows, plain_cache)
STAGE(append_kept, append_rows, kept_cache)
STAGE(append_coded, append_rows, coded_cache)
STAGE(append_rich, append_rows, rich_cache)
STAGE(append_sink, append_rows, sink_cache)
STAGE(moves_coded, move_rows, coded_cache)
STAGE(moves_rich, move_rows, rich_cache)
STAGE(moves_chain, move_rows, chain_cache)
STAGE(moves_sink, move_rows, sink_cache)
STAGE(pages_kept, keep_pages, kept_cache)
STAGE(pages_rich, keep_pages, rich_cache)
