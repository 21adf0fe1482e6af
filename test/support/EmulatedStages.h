/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A stage of Stages.c in the shape of what is compiled for an emulated GPU: it
 * launches a CTA per item through the table in the arguments. */
#include "codegen/gpu/emulator/Emulator.h"

struct emulated_item {
  const fovea_emulator_table_t *table;
  const fovea_abi_view *o;
  const fovea_abi_item *item;
};

/* A row per warp, which its lane 0 sets in shared memory to 1 and all lanes
 * see: the lane that has the row adds it. */
static void count_body(fovea_emulator_unit_t *unit, void *env) {
  const struct emulated_item *e = env;
  const fovea_emulator_table_t *t = e->table;
  uint32_t thread = t->thread_id(unit);
  uint32_t at = t->shared_memory(unit) + thread / 32 * 4;
  float one = 1, seen, cell;
  if (thread % 32 == 0)
    t->store_shared(unit, at, &one, 4);
  t->barrier(unit, 0, ROWS * 32);
  t->load_shared(unit, at, &seen, 4);
  int64_t q = e->item->row + thread / 32;
  if (q >= e->item->k1 || thread % 32 != (uint32_t)(q % 32))
    return;
  float *o = (float *)e->o->data + e->item->b * e->o->stride[0] +
             e->item->head * e->o->stride[1] + q;
  t->load_global(unit, o, &cell, 4, FOVEA_EMULATOR_WEAK);
  cell += seen;
  t->store_global(unit, o, &cell, 4, FOVEA_EMULATOR_WEAK);
}

/* Half of the threads wait for the others, who do not come. */
static void stuck_body(fovea_emulator_unit_t *unit, void *env) {
  const struct emulated_item *e = env;
  if (e->table->thread_id(unit) < ROWS * 16)
    e->table->barrier(unit, 5, ROWS * 32);
}

static int32_t launch_items(const fovea_abi_args *a, const fovea_abi_plan *p,
                            int64_t begin, int64_t end, void *scratch,
                            void (*body)(fovea_emulator_unit_t *, void *)) {
  fovea_abi_counters *c = scratch;
  for (int64_t i = begin; i < end; ++i) {
    struct emulated_item env = {a->device, &a->views[O], &p->items[i]};
    fovea_emulator_launch_t launch;
    launch.size = sizeof launch;
    launch.kernel = 0;
    launch.body = body;
    launch.env = &env;
    launch.ctas = 1;
    launch.threads = ROWS * 32;
    launch.shared_bytes = ROWS * 4;
    launch.seed = (uint32_t)i;
    launch.ranges = 0;
    launch.range_count = 0;
    int32_t code = env.table->launch(&launch);
    if (code)
      return code;
    c->items++;
  }
  return 0;
}

/* grid: o[b, h, q] += 1 in every cell */
static int32_t count_emulated(const fovea_abi_args *a, const fovea_abi_plan *p,
                              int64_t begin, int64_t end, void *scratch) {
  return launch_items(a, p, begin, end, scratch, count_body);
}

static int32_t stuck_emulated(const fovea_abi_args *a, const fovea_abi_plan *p,
                              int64_t begin, int64_t end, void *scratch) {
  return launch_items(a, p, begin, end, scratch, stuck_body);
}
