/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * fovea/abi.h - the contract between generated code and whoever calls it.
 *
 * Included by the compiler (which emits code that reads these structs), by the
 * runtime (which fills them) and by nobody else. Standalone C11: it includes
 * only standard headers. A change of any struct bumps FOVEA_ABI_VERSION and
 * the field table of codegen/abi, which a unit test compares with offsetof.
 */
#ifndef FOVEA_ABI_H
#define FOVEA_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FOVEA_ABI_VERSION 4

/* Element storage codes. Our own enum: MLIR 19 lacks several of the types to
 * come, and DLPack's (code, bits) pair cannot tell number formats apart. */
typedef enum fovea_dtype {
  FOVEA_DTYPE_NONE = 0,
  FOVEA_DTYPE_F32 = 1,
  FOVEA_DTYPE_F16 = 2,
  FOVEA_DTYPE_BF16 = 3,
  FOVEA_DTYPE_F64 = 4,
  FOVEA_DTYPE_I8 = 5,
  FOVEA_DTYPE_U8 = 6,
  FOVEA_DTYPE_I32 = 7,
  FOVEA_DTYPE_I64 = 8,
  FOVEA_DTYPE_BOOL = 9 /* one byte, 0 or 1 */
} fovea_dtype;

#define FOVEA_ABI_MAX_RANK 6
/* View slots of one kernel: arguments, results and workspace buffers. */
#define FOVEA_ABI_MAX_VIEWS 64
/* Entries of a table, or blocks of them, that one block of a summary covers. */
#define FOVEA_SUMMARY_BLOCK 64
/* Most rows and keys of a head in a call, and items along an axis of a grid:
 * kernels compute the distance of two positions in 32 bits. */
#define FOVEA_ABI_MAX_TOKENS (1 << 30)
/* A mask is solved into at most this many runs per query tile. */
#define FOVEA_ABI_MAX_RUNS 8

/* A strided tensor in memory. Strides are in elements; entries at and past
 * the tensor's rank are unspecified. */
typedef struct fovea_abi_view {
  void *data;
  int64_t shape[FOVEA_ABI_MAX_RANK];
  int64_t stride[FOVEA_ABI_MAX_RANK];
} fovea_abi_view;

/* A scalar operand of a kernel: `index` and integers in i, floats in f. */
typedef union fovea_abi_scalar {
  int64_t i;
  double f;
} fovea_abi_scalar;

/* Everything a kernel reads or writes. `views` is indexed by the manifest's
 * view slots: arguments, then results, then workspace buffers. */
typedef struct fovea_abi_args {
  uint32_t size; /* sizeof(fovea_abi_args) */
  uint32_t n_views;
  const fovea_abi_view *views;
  const fovea_abi_scalar *scalars;
  /* NULL, or [n_views]: summaries of the integer tables that masks read by key,
   * along the axis that the manifest names, i64 with one dim more than the
   * table. With n entries along the axis and B = FOVEA_SUMMARY_BLOCK there are
   * m = ceildiv(n, B) blocks of entries and then ceildiv(m, B) blocks of
   * blocks; the last dim is the least and the greatest entry of each. An extent
   * of 0: there is none, the table itself is read. */
  const fovea_abi_view *summaries;
  /* NULL for code of a CPU and of a GPU. For code of an emulated GPU the table
   * of functions of libfovea-emulator, which begins with a fovea_abi_device:
   * code in bundles has no symbols. */
  const void *device;
} fovea_abi_args;

/* The head of the emulator's table. */
typedef struct fovea_abi_device {
  uint64_t size;    /* of the table, in bytes */
  uint64_t version; /* FOVEA_ABI_DEVICE_VERSION */
} fovea_abi_device;

#define FOVEA_ABI_DEVICE_VERSION 1

/* One unit of work. What the fields mean is the stage's item space:
 *   stream   batch b, head group `head`, packed rows from `row` on (r =
 *            position * group + g, query head = head * group + g), the keys
 *            [k0, k1), result slot `slot` (-1: not split, write the output).
 *            With FOVEA_ITEM_SHARED the rows are those of plan->rows[row ..
 *            row + count), of several sequences that share the pages of these
 *            keys: every row sees every key, keys are read through sequence b
 *   combine  b, head, row as above; merges the records
 *            plan->sources[slot .. slot + count), in this order
 *   grid     b, head and `row` are the three coordinates; k0 = 0, k1 = extent
 *            of the row coordinate
 *   append   rows [row, row + count) of the call's sequence b become the
 *            tokens [k0, k0 + count) of the cache
 *   pages    page `row` of segment `head` of the cache holds tokens [0, k1) */
typedef struct fovea_abi_item {
  int32_t b, head;
  int32_t row, slot;
  int64_t k0, k1;
  int32_t count, flags;
} fovea_abi_item;

#define FOVEA_ITEM_SHARED 1

/* Where a record of a split item lies: [slot, row] of the slot buffers; the
 * rows of a combine item are at row, row + 1, ... A stage writes no more rows
 * of a record than its item has: the next slot may begin behind them (the
 * stride of the slots is the plan's choice). */
typedef struct fovea_abi_source {
  int32_t slot, row;
} fovea_abi_source;

/* A query of a shared item: `position` in the call's sequence b. Packed row r
 * of the item is query r / group and query head head * group + r % group. */
typedef struct fovea_abi_row {
  int32_t b, position;
} fovea_abi_row;

/* --- KV caches -----------------------------------------------------------
 * A cache argument is a group of view slots (bundle.h): for every segment its
 * parts, a table of pages (i32, rank 1) and the ranges (fovea_abi_range, one
 * per sequence, as i64 [b, 8]). Token t of sequence b is in the segment if
 * begin <= t < end, at
 *
 *   slot = t - base, modulo `ring` slots where the segment is a ring
 *   page = pages[table + slot / page_tokens], offset = slot % page_tokens
 *   page = pages[table],                      offset = slot   (contiguous)
 *
 * A part is a view [page, head, offset, chan] (scales: [page, head, offset];
 * kept metadata: [page, head, ...]), with the strides of its layout. */
typedef struct fovea_abi_range {
  int64_t begin, end; /* tokens */
  int64_t base;       /* token of slot 0 */
  int64_t table;      /* index of the sequence's first page in the table */
  int64_t shift;      /* `rope = slot`: token t has position t - shift */
  int64_t reserved[3];
} fovea_abi_range;

/* One row that moves between segments of a cache, all heads, keys and values:
 * row `from_offset` of page `from_page` of segment `from`, read in that
 * segment's format, is written as that of segment `to`. Moves run in order. */
typedef struct fovea_abi_move {
  int32_t from, to;
  int32_t from_page, from_offset, to_page, to_offset;
} fovea_abi_move;

/* What the plan decided for one launch of one stage variant. */
typedef struct fovea_abi_plan {
  uint32_t size; /* sizeof(fovea_abi_plan) */
  uint32_t reserved;
  const fovea_abi_item *items; /* NULL in a `moves` stage */
  int64_t n_items;
  const int64_t *symbols; /* values of the manifest's symbols */
  const int64_t *q_off;   /* [b]: token index of query 0 */
  const int64_t *k_len;   /* [b]: number of keys; those past it are masked */
  /* [b + 1]: sequence b has the rows [row_off[b], row_off[b + 1]) of the call.
   * Where the rows are token-major ([rows, head, dim]) they are these rows of
   * the tensor; else there are `row_off[b + 1] - row_off[b]` positions. */
  const int64_t *row_off;
  const fovea_abi_source *sources; /* combine */
  const fovea_abi_row *rows;       /* shared items */
  const fovea_abi_move *moves;     /* `moves` stage: items are indices */
} fovea_abi_plan;

/* The first bytes of a worker's scratch memory: what the stage really did.
 * Stages add to them once per block, so they cost nothing and explain's
 * prediction can be held against them. */
typedef struct fovea_abi_counters {
  int64_t tiles_full;    /* blocks run without mask code */
  int64_t tiles_partial; /* blocks run with mask code */
  int64_t pairs;         /* (row, key) pairs of the blocks run: rows that
                            exist x keys of the block */
  int64_t items;
  int64_t reserved[4];
} fovea_abi_counters;

/* Runs items [begin, end) of the plan on the calling thread. `scratch` holds
 * the stage's scratch_bytes (manifest), 64-byte aligned, private to the
 * worker, starting with fovea_abi_counters. Returns 0, or a stage-defined
 * error number (an out-of-range list or table entry). */
typedef int32_t (*fovea_stage_fn)(const fovea_abi_args *args,
                                  const fovea_abi_plan *plan, int64_t begin,
                                  int64_t end, void *scratch);

/* --- host plan code: x86-64 baseline, integer only, in every bundle -------
 * q and k are token indices; q1 and k1 are exclusive; h is the query head.
 * `len` is the number of keys of the sequence. */
typedef struct fovea_abi_run {
  int64_t lo, hi; /* keys [lo, hi) */
} fovea_abi_run;

/* Live keys of the queries [q0, q1): ascending, disjoint, inside [0, len).
 * Returns the number of runs, at most FOVEA_ABI_MAX_RUNS, or a negative number
 * if a table that the mask reads is out of range. Every live key of every
 * query is in a run. */
typedef int32_t (*fovea_bounds_fn)(const fovea_abi_args *args, int64_t b,
                                   int64_t h, int64_t q0, int64_t q1,
                                   int64_t len, fovea_abi_run *runs);

typedef enum fovea_tile_class {
  FOVEA_TILE_EMPTY = 0,
  FOVEA_TILE_PARTIAL = 1,
  FOVEA_TILE_FULL = 2
} fovea_tile_class;

/* Class of the tile [q0, q1) x [k0, k1). EMPTY and FULL are proofs. */
typedef int32_t (*fovea_class_fn)(const fovea_abi_args *args, int64_t b,
                                  int64_t h, int64_t q0, int64_t q1, int64_t k0,
                                  int64_t k1, int64_t len);

/* The predicate itself: 1 when query q of head h sees key k. */
typedef int32_t (*fovea_keep_fn)(const fovea_abi_args *args, int64_t b,
                                 int64_t h, int64_t q, int64_t k, int64_t len);

#ifdef __cplusplus
}
#endif
#endif /* FOVEA_ABI_H */
