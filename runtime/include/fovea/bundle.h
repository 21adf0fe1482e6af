/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * fovea/bundle.h - the file that `fovea compile` writes and the runtime loads.
 *
 * A bundle is one little-endian file: a header, a table of sections, then the
 * sections, each 64-byte aligned (code sections: 4096). Offsets are 64-bit and
 * from the start of the file; strings are offsets into the STRINGS section and
 * end in NUL. Records are fixed-size structs in arrays; a fovea_bundle_span
 * names a range of records of another section. The reader treats the file as
 * untrusted and checks every range; but the code in it is code: load what you
 * trust. Same spec, target, tuning table and compiler -> byte-identical file:
 * no time stamps, no pointers, padding is zero.
 */
#ifndef FOVEA_BUNDLE_H
#define FOVEA_BUNDLE_H

#include <fovea/abi.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FOVEA_BUNDLE_MAGIC 0x42564f46u /* "FOVB" */
#define FOVEA_BUNDLE_VERSION 8

typedef enum fovea_bundle_section_kind {
  FOVEA_SECTION_STRINGS = 1,    /* bytes */
  FOVEA_SECTION_KERNELS = 2,    /* fovea_bundle_kernel[] */
  FOVEA_SECTION_ARGS = 3,       /* fovea_bundle_arg[] */
  FOVEA_SECTION_SYMBOLS = 4,    /* fovea_bundle_symbol[] */
  FOVEA_SECTION_BUFFERS = 5,    /* fovea_bundle_buffer[] */
  FOVEA_SECTION_STAGES = 6,     /* fovea_bundle_stage[] */
  FOVEA_SECTION_VARIANTS = 7,   /* fovea_bundle_variant[] */
  FOVEA_SECTION_ENTRIES = 8,    /* fovea_bundle_entry[]: code per target */
  FOVEA_SECTION_MASKS = 9,      /* fovea_bundle_mask[] */
  FOVEA_SECTION_REMARKS = 10,   /* fovea_bundle_remark[] */
  FOVEA_SECTION_TARGETS = 11,   /* fovea_bundle_target[] */
  FOVEA_SECTION_SPEC = 12,      /* the spec's text after substitution */
  FOVEA_SECTION_CODE = 13,      /* a flat image; one section per target */
  FOVEA_SECTION_PLAN_CODE = 14, /* the host plan image (x86-64 baseline) */
  FOVEA_SECTION_CACHES = 15,    /* fovea_bundle_cache[] */
  FOVEA_SECTION_SEGMENTS = 16,  /* fovea_bundle_segment[] */
  FOVEA_SECTION_PARTS = 17,     /* fovea_bundle_part[] */
  FOVEA_SECTION_TABLES = 18,    /* fovea_bundle_table[] */
  FOVEA_SECTION_GPU_CODE = 19,  /* cubins and PTX; one section per GPU target */
  FOVEA_SECTION_LAUNCHES = 20   /* fovea_bundle_launch[] */
} fovea_bundle_section_kind;

typedef struct fovea_bundle_header {
  uint32_t magic, version;
  uint32_t abi_version, n_sections;
  uint64_t file_size;
  uint64_t checksum;    /* fovea_bundle_checksum of all after this header */
  uint64_t key;         /* content key the file was built for; 0: none */
  uint64_t compiler_id; /* build id of the compiler */
  uint64_t reserved[2];
} fovea_bundle_header;

/* FNV-1a over 64-bit little-endian words, the last one padded with zero: any
 * change inside one word changes the result. */
static inline uint64_t fovea_bundle_checksum(const void *bytes, size_t n) {
  const unsigned char *p = (const unsigned char *)bytes;
  uint64_t h = 0xcbf29ce484222325u;
  for (; n; p += 8) {
    uint64_t w = 0;
    size_t take = n < 8 ? n : 8;
    memcpy(&w, p, take);
    h = (h ^ w) * 0x100000001b3u;
    n -= take;
  }
  return h;
}

typedef struct fovea_bundle_section {
  uint32_t kind, index; /* index tells code sections apart */
  uint64_t offset, size;
} fovea_bundle_section;

typedef struct fovea_bundle_span {
  uint32_t first, count;
} fovea_bundle_span;

typedef enum fovea_bundle_target_kind {
  FOVEA_TARGET_CPU = 0, /* also an emulated GPU */
  FOVEA_TARGET_GPU = 1
} fovea_bundle_target_kind;

/* A target that this bundle holds code for, e.g. "x86-64-v3". */
typedef struct fovea_bundle_target {
  uint32_t name;         /* string */
  uint32_t kind;         /* fovea_bundle_target_kind */
  uint32_t code_section; /* `index` of its CODE or GPU_CODE section */
  uint32_t reserved;
} fovea_bundle_target;

typedef struct fovea_bundle_kernel {
  uint32_t name;
  uint32_t n_views; /* arguments + results + buffers */
  uint32_t n_scalars;
  uint32_t reserved;
  fovea_bundle_span args, symbols, buffers, stages, masks, remarks, caches;
  fovea_bundle_span tables;
} fovea_bundle_kernel;

typedef enum fovea_bundle_arg_kind {
  FOVEA_ARG_TENSOR = 0,
  FOVEA_ARG_SCALAR = 1,
  FOVEA_ARG_CACHE = 2 /* slot: index into the kernel's caches; dtype and rank
                         are 0. A returned cache is its argument and not listed
                         again */
} fovea_bundle_arg_kind;

/* One argument or result as the caller sees it, in order. A tensor of an
 * encoded type is one argument per part: `k.codes`, `k.scale`. */
typedef struct fovea_bundle_arg {
  uint32_t name;
  uint32_t kind, dtype, rank;
  uint32_t slot; /* view slot, or scalar slot */
  uint32_t is_result;
  int64_t shape[FOVEA_ABI_MAX_RANK];  /* static extent, or -1 */
  int32_t symbol[FOVEA_ABI_MAX_RANK]; /* index into the kernel's symbols; -1:
                                         none. A dynamic extent has one; a
                                         static one may have one too (then the
                                         symbol's value is that extent), so
                                         that a stream's q_symbol and k_symbol
                                         always exist */
} fovea_bundle_arg;

/* A named run-time extent: "b", "sq", "sk". All dims that name it agree. */
typedef struct fovea_bundle_symbol {
  uint32_t name, reserved;
} fovea_bundle_symbol;

#define FOVEA_EXTENT_ONE (-1)
#define FOVEA_EXTENT_SLOTS (-2)

/* mul * ceildiv(base + add, div), where base is a symbol of the kernel,
 * FOVEA_EXTENT_ONE (base = 1), or FOVEA_EXTENT_SLOTS (the number of split
 * slots of stage `stage`; in a capacity, the most there can be). */
typedef struct fovea_bundle_extent {
  int32_t symbol, stage;
  int64_t mul, add, div;
} fovea_bundle_extent;

/* A workspace view, row-major, at a 64-byte aligned place that the plan
 * chooses. Where the first extent is FOVEA_EXTENT_SLOTS its stride may be less
 * than a slot's rows: a record then covers several slots. */
typedef struct fovea_bundle_buffer {
  uint32_t name, dtype, rank, slot;
  fovea_bundle_extent extent[FOVEA_ABI_MAX_RANK];
} fovea_bundle_buffer;

typedef enum fovea_bundle_space {
  FOVEA_SPACE_GRID = 0,    /* grid[0] x grid[1] x ceildiv(grid[2], rows) */
  FOVEA_SPACE_STREAM = 1,  /* grid[0] sequences x heads x row tiles of
                              ceildiv(sq * group, rows), split by keys; grid[1]
                              and grid[2] are unused */
  FOVEA_SPACE_COMBINE = 2, /* one item per split group of stage `of` */
  FOVEA_SPACE_APPEND = 3,  /* per sequence ceildiv(rows of it, variant rows) */
  FOVEA_SPACE_PAGES = 4,   /* one item per page whose metadata changes */
  FOVEA_SPACE_MOVES = 5    /* one index of plan->moves; run by the cache manager
                              alone, once per layer */
} fovea_bundle_space;

typedef struct fovea_bundle_stage {
  uint32_t name;
  uint32_t space;
  fovea_bundle_span variants; /* ascending max_rows; the first that fits and
                                 has code for the machine */
  fovea_bundle_extent grid[3];
  /* stream only: */
  int32_t group;        /* query heads packed into the rows of one item:
                           r = position * group + g, query head =
                           head * group + g; divides kv_group, and is 1 where
                           mask, list or levels differ by query head */
  int32_t kv_group;     /* query heads per KV head; KV head of an item =
                           head * group / kv_group */
  int32_t heads;        /* extent of the item's head = query heads / group */
  int32_t mask;         /* index into the kernel's masks, -1: all keys */
  int32_t q_symbol;     /* symbol of the number of queries */
  int32_t k_symbol;     /* symbol of the number of keys */
  int32_t offset_slot;  /* view slot of i32[b] query offsets, or -1: the
                           default k_len[b] - sq (bottom-right) */
  int32_t length_slot;  /* view slot of i32[b] lengths, or -1: k_symbol */
  int32_t splittable;   /* items may be split along the keys */
  int32_t list_slot;    /* chosen blocks: i32[b, h, q tile, capacity], -1:
                           none (then `k0, k1` cover all keys) */
  int32_t list_unit;    /* keys per chosen block */
  int32_t list_queries; /* query positions per list */
  int32_t of;           /* combine: the stage whose slots it merges */
  int32_t key_dim, value_dim; /* for FLOP counts */
  int32_t flags;              /* FOVEA_STAGE_* */
  int32_t cache;      /* stream: reads this cache of the kernel, append, pages,
                         moves: writes it; -1: plain tensors. With a cache k_len,
                         q_off and row_off come from the batch */
  int32_t rope_table; /* stream over a cache: 1 + the view slot of the table of
                         rotations, f32 [position, ...]; 0: none. The planner
                         refuses positions past it */
  /* Stream over plain tensors: rows and keys are positions of a walk over a
   * grid with this many points, which queries and keys must have; 0: tokens.
   * Item ranges, runs and mask functions then count positions. */
  int32_t order_points;
  int32_t reserved;
} fovea_bundle_stage;

#define FOVEA_STAGE_TOP_LEFT 1 /* default query offset is 0 */
#define FOVEA_STAGE_SERVICE 2  /* no phase of a run: the cache manager's */
#define FOVEA_STAGE_TREE                                                       \
  8 /* stream over a cache: its mask asks for the tree                         \
       of the batch. Others refuse one */
#define FOVEA_STAGE_READS_B                                                    \
  4 /* score or mask read the batch index otherwise                            \
       than through the cache: rows of different                               \
       sequences cannot be packed together */

/* One way to run a stage. A stream visits the runs of its item, clipped to
 * [k0, k1), in blocks of `keys` that start where the clipped run starts; the
 * last block of a run may be shorter. Planner, explain and kernels agree on
 * that partition, so predicted and counted tiles are comparable. */
typedef struct fovea_bundle_variant {
  uint32_t name;     /* "prefill", "decode", ... */
  uint32_t rows;     /* packed rows per item */
  uint32_t keys;     /* keys per block: the tile of explain and planning */
  uint32_t schedule; /* string: the schedule chosen, for explain */
  int64_t max_rows;  /* the largest number of packed rows per (b, head) that
                        this variant is chosen for; INT64_MAX: any */
  uint64_t scratch_bytes;    /* per worker, counters included */
  fovea_bundle_span entries; /* one per target */
  uint32_t class_rows; /* rows of the item that are classified together within a
                          block (the lanes of a prefill): what a counted tile
                          is; divides rows, 0: rows */
  uint32_t reserved;
} fovea_bundle_variant;

typedef struct fovea_bundle_entry {
  uint32_t target; /* index into the TARGETS section */
  uint32_t launch; /* GPU: index into the LAUNCHES section */
  uint64_t offset; /* CPU: of the fovea_stage_fn in the target's code section */
} fovea_bundle_entry;

/* A kernel for a GPU: fovea_stage_fn as four pointers to device memory, with
 * device pointers in it: args, plan, range and scratch. `range` is two i64, the
 * items [begin, end); in memory, so that a captured launch runs those of any
 * update. `scratch` has the variant's scratch_bytes, zero before the first run
 * and shared by all CTAs: counters are added to, behind them the i32 error is
 * stored. Any number of CTAs shares the items. The cubin is for the target
 * alone, the PTX for GPUs that came after it. */
typedef struct fovea_bundle_launch {
  uint32_t kernel;             /* string: its name in the code */
  uint32_t threads;            /* of a CTA: a multiple of 32, at most 1024 */
  uint32_t shared_bytes;       /* dynamic, of a CTA */
  uint32_t registers;          /* of a thread; 0: not known */
  uint64_t cubin, cubin_bytes; /* in the target's section; 0 bytes: none */
  uint64_t ptx, ptx_bytes;     /* text that ends in NUL; 0 bytes: none */
} fovea_bundle_launch;

/* A table that the functions of a mask read over stretches of one axis: they
 * are faster with a summary of it (fovea_abi_args). */
typedef struct fovea_bundle_summary {
  uint32_t slot; /* view slot of an integer argument, or of a table of lineages,
                    of rank below the most */
  uint32_t axis;
} fovea_bundle_summary;

#define FOVEA_MASK_MAX_SUMMARIES 4

typedef struct fovea_bundle_mask {
  uint32_t text;     /* as written in the spec, for diagnostics */
  uint32_t analysed; /* 0: all-partial, bounds returns one run of all keys */
  uint64_t bounds, classify, keep; /* offsets in the PLAN_CODE section */
  uint64_t reads; /* bit i: these functions read the memory of view slot i, so
                     the planner needs its data (at most 64 view slots) */
  fovea_bundle_summary summaries[FOVEA_MASK_MAX_SUMMARIES];
  uint32_t n_summaries, reserved;
} fovea_bundle_mask;

typedef enum fovea_bundle_table_rule {
  /* Of the parents in view `source`, i32 [token] or [b, token]: i32 of the same
   * shape. The leaves of a token's subtree, of those that a walk numbers, begin
   * at `enter` and are `size`: token k <= q is q or an ancestor of q if and
   * only if 0 <= enter[q] - enter[k] < size[k]. A parent that is negative or
   * not less than its own index makes a root. An entry is enter in 20 bits,
   * above it size without its low 8 bits, which are in the next record, of the
   * same source. An update refuses more than 2^19 - 1 leaves. */
  FOVEA_TABLE_LINEAGE = 0,
  /* Of the rows of the batch over cache `cache`: i32 [n, 4]. Row b < sequences
   * is (committed, base, end, 0): token t of sequence b has row
   * base + max(t - committed + 1, 0), which is (enter, exit, position, parent).
   * Row base, of all committed tokens, is an ancestor of every other; position
   * is committed + depth, less than end, parent the row's parent or -1. Of a
   * sequence whose rows are a chain committed is INT32_MAX and end 0. */
  FOVEA_TABLE_BATCH_TREE = 1,
  /* Of the ascending numbers in view `source`, i32 [n] or [row, n]: the same.
   * An update refuses numbers that do not ascend. */
  FOVEA_TABLE_BOUNDARIES = 2,
  /* The low 8 bits of the sizes, less 2^7: i8 [token] or [b, token]. */
  FOVEA_TABLE_LINEAGE_SIZE = 3
} fovea_bundle_table_rule;

/* A table that the plan computes at every update and keeps: masks, kernels and
 * the planner read it as they read an argument. */
typedef struct fovea_bundle_table {
  uint32_t rule;         /* fovea_bundle_table_rule */
  uint32_t slot;         /* view slot */
  int32_t source, cache; /* -1: none */
} fovea_bundle_table;

/* The storage plan of a cache argument. The cache manager uses only this. */
typedef struct fovea_bundle_cache {
  uint32_t name; /* of the argument */
  uint32_t type; /* the spec's type, for messages and files */
  uint32_t arg;  /* index into the kernel's args */
  uint32_t heads, key_dim, value_dim;
  uint32_t input_dtype;       /* of appended rows: fovea_dtype */
  uint32_t rope;              /* fovea_bundle_rope */
  fovea_bundle_span segments; /* in token order; new rows enter the last one */
  /* Stages of this kernel, or -1. `append` is a phase if the kernel appends,
   * else a service stage; both exist in every kernel with a cache. */
  int32_t append_stage, moves_stage, pages_stage;
  /* View slots of the keys and values that the append stage reads, rank 3
   * [rows, head, dim] or 4 [b, head, rows, dim]. */
  int32_t key_slot, value_slot;
  int32_t reserved;
} fovea_bundle_cache;

typedef enum fovea_bundle_rope {
  FOVEA_ROPE_AFTER = 0, /* keys are stored rotated, or have no rotation */
  FOVEA_ROPE_BEFORE = 1,
  FOVEA_ROPE_SLOT = 2
} fovea_bundle_rope;

typedef enum fovea_bundle_segment_kind {
  FOVEA_SEGMENT_ALL = 0,    /* every token; alone, or with NEW */
  FOVEA_SEGMENT_FIRST = 1,  /* the first `tokens` */
  FOVEA_SEGMENT_OLDER = 2,  /* those that left RECENT, or all before NEW */
  FOVEA_SEGMENT_RECENT = 3, /* the last `tokens` that were committed */
  FOVEA_SEGMENT_NEW = 4     /* appended since the last commit. Where the only
                               segment is ALL in the input's format there is
                               no NEW: new rows lie in their final page */
} fovea_bundle_segment_kind;

/* One segment: its tokens lie in pages of one pool per layer. A page of
 * page_tokens == 0 (contiguous) holds a sequence's whole segment: `tokens` of
 * them, or the cache's max_len where that is 0. Else a page's bytes are those
 * of its parts in order, each aligned to 64. */
typedef struct fovea_bundle_segment {
  uint32_t name;        /* "all", "first", "older", "recent", "new" */
  uint32_t kind;        /* fovea_bundle_segment_kind */
  uint32_t token_major; /* a part is [offset, head, chan], else
                           [head, offset, chan] */
  uint32_t pages_slot;  /* view slot, i32 [n] */
  uint32_t ranges_slot; /* view slot, i64 [b, 8]: fovea_abi_range */
  uint32_t reserved;
  int64_t tokens;      /* first(n), recent(n): n; else 0 */
  int64_t page_tokens; /* 0: contiguous */
  int64_t ring;        /* slots; 0: not a ring */
  fovea_bundle_span parts;
} fovea_bundle_segment;

/* One array of a page. per_page: extent elements per (page, head), the
 * metadata that append keeps; else per (page, head, offset). */
typedef struct fovea_bundle_part {
  uint32_t name; /* "k", "k.scale", "v", "v.scale", "bounds", "means" */
  uint32_t dtype;
  uint32_t slot; /* view slot */
  uint32_t per_page;
  uint32_t rank; /* of the view: [page, head, offset, chan], or without chan
                    (scales); per page [page, head, ...] */
  uint32_t reserved;
  int64_t extent; /* elements per (head, offset), or per (head, page) */
  int64_t inner;  /* extent of the last dim of the view */
} fovea_bundle_part;

typedef struct fovea_bundle_remark {
  uint32_t text; /* string */
  uint32_t line, column, reserved;
} fovea_bundle_remark;

#ifdef __cplusplus
}
#endif
#endif /* FOVEA_BUNDLE_H */
