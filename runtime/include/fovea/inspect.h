/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * fovea/inspect.h - look inside bundles and plans.
 *
 * For tools that explain, draw or check kernels; an engine does not need it.
 */
#ifndef FOVEA_INSPECT_H
#define FOVEA_INSPECT_H

#include <fovea/bundle.h>
#include <fovea/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Records of a section, checked when the bundle was opened. NULL and 0 if the
 * bundle has no such section. `index` tells CODE sections apart. */
FOVEA_EXPORT fovea_status fovea_bundle_section_get(const fovea_bundle *,
                                                   uint32_t kind,
                                                   uint32_t index,
                                                   const void **data,
                                                   size_t *size);
/* A string by its offset in STRINGS; NULL if out of range. */
FOVEA_EXPORT const char *fovea_bundle_string(const fovea_bundle *, uint32_t);
/* The kernel's record in the KERNELS section. */
FOVEA_EXPORT const fovea_bundle_kernel *
fovea_kernel_record(const fovea_kernel *);

/* One phase of a plan after an update. A phase may run several variants of its
 * stage, each over a part of the items; variant, schedule, rows, keys and
 * class_rows are those of the first part. */
typedef struct fovea_phase_info {
  uint32_t size;
  uint32_t space; /* fovea_bundle_space */
  const char *stage, *variant, *schedule;
  int32_t rows, keys; /* the variant's tile */
  int64_t n_items;
  const fovea_abi_item *items;     /* in the order of execution */
  double cost_total;               /* in (row, key) pairs, overheads included */
  double cost_longest;             /* of the most expensive item */
  int32_t class_rows, reserved;    /* a counted tile is class_rows x keys */
  const fovea_abi_source *sources; /* combine: of the items */
  const fovea_abi_row *shared_rows; /* of items with FOVEA_ITEM_SHARED */
  int32_t n_parts, reserved2;
  const int64_t *costs; /* predicted of each item, in (row, key) pairs */
} fovea_phase_info;
FOVEA_EXPORT fovea_status fovea_plan_phase(const fovea_plan *, int phase,
                                           fovea_phase_info *out);
/* One part of a phase, in the order of execution: its variant and its items
 * (cost_total is the phase's). */
FOVEA_EXPORT fovea_status fovea_plan_part(const fovea_plan *, int phase,
                                          int part, fovea_phase_info *out);

/* The mask of a stream phase: its functions, and what to call them with after
 * an update. `args` reads the tensors of that update, which must be alive. */
typedef struct fovea_mask_info {
  uint32_t size;
  int32_t analysed;
  const char *text; /* as written in the spec; "" without a mask */
  fovea_bounds_fn bounds;
  fovea_class_fn classify;
  fovea_keep_fn keep; /* all three NULL: every key is visible */
  const fovea_abi_args *args;
  int64_t batch, query_heads, sq, sk;
  const int64_t *q_off, *k_len; /* [batch] */
  int32_t group, kv_group;
  int32_t key_dim, value_dim;
  /* [batch + 1]: sequence b has the queries [row_off[b], row_off[b + 1]); sq is
   * the most that one has. */
  const int64_t *row_off;
} fovea_mask_info;
FOVEA_EXPORT fovea_status fovea_plan_mask(const fovea_plan *, int phase,
                                          fovea_mask_info *out);

/* Value of a named dim after an update; FOVEA_INVALID for an unknown name. */
FOVEA_EXPORT fovea_status fovea_plan_dim(const fovea_plan *, const char *name,
                                         int64_t *out);

#ifdef __cplusplus
}
#endif
#endif /* FOVEA_INSPECT_H */
