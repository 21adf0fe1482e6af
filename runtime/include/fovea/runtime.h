/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * fovea/runtime.h - load compiled attention kernels, plan a step, run it.
 *
 * For the author of an inference engine. C11, opaque handles. Needs glibc,
 * libstdc++ and libgcc_s; no compiler is in this library (see fovea/jit.h).
 *
 *   open -> bundle -> kernel -> plan -> (update -> run, run, ...)* -> close
 *
 * Rules that hold everywhere
 * - Every call that can fail returns a fovea_status; the reason is at
 *   fovea_message() of the calling thread. Nothing aborts, throws, or writes
 *   anything but through the log callback.
 * - Every struct starts with its size: set it to sizeof the struct. Zero in
 *   any other field means the default that its comment names.
 * - Tensors are DLPack's DLTensor: extents and strides in elements, NULL
 *   strides are row-major. The last stride is 1, inputs may repeat (stride
 *   0), results may not. Data is aligned to its element.
 * - Times are in milliseconds, sizes in bytes, lengths in tokens.
 * - Threads: a context, a bundle and a kernel may be used by any number of
 *   threads at once. A plan may be run by limits.concurrent threads at once,
 *   and is updated by one while none runs it. A graph belongs to one thread
 *   at a time. Handles may be closed in any order: what is made from a handle
 *   keeps it alive.
 *
 * Example: one kernel `o = attention(q, k, v)` on the library's own threads.
 *
 *   fovea_ctx *ctx = NULL;
 *   fovea_bundle *bundle = NULL;
 *   fovea_kernel *kernel = NULL;
 *   fovea_plan *plan = NULL;
 *   fovea_status st = fovea_open(FOVEA_API, NULL, &ctx);
 *   if (!st) st = fovea_bundle_open(ctx, "prefill.fvb", &bundle);
 *   if (!st) st = fovea_kernel_get(bundle, "prefill", FOVEA_CPU, &kernel);
 *   fovea_plan_limits limits = {0};
 *   limits.size = sizeof limits;
 *   limits.rows = 4096; limits.seqs = 1; limits.max_len = 4096;
 *   if (!st) st = fovea_plan_create(kernel, &limits, &plan);
 *   void *workspace = aligned_alloc(64, fovea_plan_workspace(plan));
 *   fovea_value args[4] = {{FOVEA_TENSOR, {.tensor = &q}},
 *                          {FOVEA_TENSOR, {.tensor = &k}},
 *                          {FOVEA_TENSOR, {.tensor = &v}},
 *                          {FOVEA_TENSOR, {.tensor = &o}}};
 *   if (!st) st = fovea_plan_update(plan, NULL, args, 4);  // once per step
 *   if (!st) st = fovea_run(plan, 0, args, 4, workspace, NULL); // per layer
 *   if (st) fprintf(stderr, "%s\n", fovea_message());
 */
#ifndef FOVEA_RUNTIME_H
#define FOVEA_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

/* DLPack: include <dlpack/dlpack.h> before this header to use its own
 * declarations; without it these, of the same layout, stand in. */
#ifndef DLPACK_DLPACK_H_
#define DLPACK_DLPACK_H_
typedef enum { kDLCPU = 1, kDLCUDA = 2 } DLDeviceType;
typedef struct {
  DLDeviceType device_type;
  int device_id;
} DLDevice;
typedef enum {
  kDLInt = 0U,
  kDLUInt = 1U,
  kDLFloat = 2U,
  kDLBfloat = 4U
} DLDataTypeCode;
typedef struct {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
} DLDataType;
typedef struct {
  void *data;
  DLDevice device;
  int ndim;
  DLDataType dtype;
  int64_t *shape;
  int64_t *strides;
  uint64_t byte_offset;
} DLTensor;
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FOVEA_EXPORT __attribute__((visibility("default")))
#else
#define FOVEA_EXPORT
#endif

/* The interface version, major << 16 | minor. fovea_open refuses another
 * major, and a minor newer than the library's. */
#define FOVEA_API ((1u << 16) | 3u)

typedef enum fovea_status {
  FOVEA_OK = 0,
  FOVEA_INVALID = 1,     /* an argument, shape or value is wrong */
  FOVEA_UNSUPPORTED = 2, /* right, but not by this build, CPU or bundle */
  FOVEA_NO_PAGES = 3,    /* a KV cache is full; nothing changed */
  FOVEA_NO_MEMORY = 4,
  FOVEA_BAD_BUNDLE = 5, /* the file is malformed, truncated or corrupted */
  FOVEA_DEVICE = 6,     /* the device or the system reported an error */
  FOVEA_STALE = 7,      /* the plan was made for other shapes; update it */
  FOVEA_SEALED = 8,     /* compiling after fovea_seal */
  FOVEA_CANCELLED = 9
} fovea_status;

typedef struct fovea_ctx fovea_ctx;
typedef struct fovea_bundle fovea_bundle;
typedef struct fovea_kernel fovea_kernel;
typedef struct fovea_kv fovea_kv;
typedef struct fovea_plan fovea_plan;
typedef struct fovea_graph fovea_graph;

typedef DLTensor fovea_tensor;
#define FOVEA_DL_BOOL 6 /* DLDataType code of one-byte bools (DLPack 0.7) */

typedef struct fovea_device {
  int32_t kind, id; /* DLDeviceType, DLDevice.device_id */
} fovea_device;
#ifdef __cplusplus
#define FOVEA_CPU (fovea_device{1, 0})
#else
#define FOVEA_CPU ((fovea_device){1, 0})
#endif
typedef void *fovea_stream; /* CUstream; NULL on the CPU */

/* --- messages ------------------------------------------------------------ */

/* Why the last call of this thread failed; valid until its next fovea call.
 * Never NULL. */
FOVEA_EXPORT const char *fovea_message(void);
/* "FOVEA_OK", "FOVEA_INVALID", ...; "unknown status" for other numbers. */
FOVEA_EXPORT const char *fovea_status_name(fovea_status);
/* The library's version, e.g. "0.1.0". */
FOVEA_EXPORT const char *fovea_version(void);
/* The code target of the CPU this runs on: "x86-64-v4+amx", "x86-64-v4",
 * "x86-64-v3", "x86-64-v2" or "x86-64". Whoever asks first, here or by
 * opening a bundle, asks Linux for leave to use AMX: signal frames of threads
 * that do are 8 KB longer. */
FOVEA_EXPORT const char *fovea_host_target(void);

typedef enum fovea_log_level {
  FOVEA_LOG_DEBUG = 0,
  FOVEA_LOG_INFO = 1,
  FOVEA_LOG_WARNING = 2,
  FOVEA_LOG_ERROR = 3
} fovea_log_level;

/* --- threads ------------------------------------------------------------- */

/* Who runs the items of a kernel. `parallel_for` calls fn over [0, n) in
 * pieces and returns when all are done; it may be called by several threads
 * at once, but not from inside fn. `worker` is in [0, workers) and no two
 * pieces of one parallel_for with the same number run at the same time. */
typedef struct fovea_executor {
  uint32_t size;
  int32_t workers;
  void *user;
  void (*parallel_for)(void *user, int64_t n,
                       void (*fn)(int64_t begin, int64_t end, int worker,
                                  void *arg),
                       void *arg);
  void (*destroy)(void *user); /* called when the context goes; may be NULL */
} fovea_executor;

/* The calling thread alone. */
FOVEA_EXPORT fovea_status fovea_executor_serial(fovea_executor *out);
/* `workers` threads of std::thread, the caller being one of them; 0: one per
 * CPU. Idle threads sleep. */
FOVEA_EXPORT fovea_status fovea_executor_threads(int workers,
                                                 fovea_executor *out);
/* oneTBB, from libfovea-tbb.so beside this library (or where FOVEA_TBB_LIBRARY
 * says); 0: one worker per CPU. FOVEA_UNSUPPORTED with the loader's reason if
 * it cannot be loaded. */
FOVEA_EXPORT fovea_status fovea_executor_tbb(int workers, fovea_executor *out);

/* --- context ------------------------------------------------------------- */

typedef struct fovea_options {
  uint32_t size;
  int32_t workers; /* of the default executor; 0: one per CPU */
  /* parallel_for == NULL: fovea_executor_tbb(workers). There is no silent
   * fall-back: without oneTBB choose one of the others here. The context takes
   * the executor over, whether or not fovea_open succeeds. */
  fovea_executor exec;
  void (*log)(void *user, int level, const char *text); /* any thread */
  void *log_user;
  /* Memory for plans and graphs; both or neither. NULL: the C library. */
  void *(*alloc)(void *user, fovea_device, size_t size, size_t align);
  void (*free)(void *user, fovea_device, void *);
  void *alloc_user;
  /* Run only code of this target, e.g. "x86-64-v3"; NULL: the best one that
   * the bundle holds and the CPU runs. Code of an emulated GPU, such as
   * "sm_80-emulated", is the last choice. */
  const char *target;
} fovea_options;

/* `options` may be NULL. */
FOVEA_EXPORT fovea_status fovea_open(uint32_t api, const fovea_options *options,
                                     fovea_ctx **out);
FOVEA_EXPORT void fovea_close(fovea_ctx *);
/* From here on fovea_jit_compile fails with FOVEA_SEALED, cached or not, so
 * that serving never waits for a compiler. */
FOVEA_EXPORT fovea_status fovea_seal(fovea_ctx *);
FOVEA_EXPORT int fovea_workers(const fovea_ctx *);

/* --- bundles and kernels ------------------------------------------------- */

/* Reads and checks a bundle; every table, range and offset is validated. It
 * is code all the same: load what you trust. The file is read whole, so it may
 * be replaced or deleted afterwards. */
FOVEA_EXPORT fovea_status fovea_bundle_open(fovea_ctx *, const char *path,
                                            fovea_bundle **out);
/* The same from memory, which is copied. */
FOVEA_EXPORT fovea_status fovea_bundle_memory(fovea_ctx *, const void *bytes,
                                              size_t size, fovea_bundle **out);
/* The bundle's bytes, e.g. to write them to a file; valid while it is open. */
FOVEA_EXPORT fovea_status fovea_bundle_bytes(const fovea_bundle *,
                                             const void **bytes, size_t *size);
FOVEA_EXPORT int fovea_bundle_kernels(const fovea_bundle *);
FOVEA_EXPORT const char *fovea_bundle_kernel_name(const fovea_bundle *, int);
FOVEA_EXPORT void fovea_bundle_close(fovea_bundle *);

/* A kernel by name; NULL names the only one. A kernel without code for this
 * CPU can still be described and planned; running it is FOVEA_UNSUPPORTED. On
 * a GPU (kind 2) it needs the driver, the GPU and code for it, else
 * FOVEA_UNSUPPORTED with what is missing; FOVEA_DEVICE: the driver failed. */
FOVEA_EXPORT fovea_status fovea_kernel_get(fovea_bundle *, const char *name,
                                           fovea_device, fovea_kernel **out);
FOVEA_EXPORT void fovea_kernel_release(fovea_kernel *);

typedef enum fovea_kind {
  FOVEA_TENSOR = 0,
  FOVEA_SCALAR = 1, /* i for integer, f for floating dtypes */
  FOVEA_CACHE = 2,
  FOVEA_LIST = 3
} fovea_kind;

typedef struct fovea_arg_info {
  uint32_t size;
  int32_t kind;  /* fovea_kind */
  int32_t dtype; /* fovea_dtype of fovea/abi.h */
  int32_t rank;
  int32_t is_result;
  const char *name;
  int64_t shape[8];    /* -1: known at run time */
  const char *dims[8]; /* the extent's name ("sq"); NULL if it has none */
} fovea_arg_info;

/* Arguments and results in the order of the `args` of update and run. */
FOVEA_EXPORT int fovea_kernel_args(const fovea_kernel *);
FOVEA_EXPORT fovea_status fovea_kernel_arg(const fovea_kernel *, int index,
                                           fovea_arg_info *out);
FOVEA_EXPORT const char *fovea_kernel_name(const fovea_kernel *);
/* The target whose code will run, or NULL if the bundle has none for here. */
FOVEA_EXPORT const char *fovea_kernel_target(const fovea_kernel *);
/* What the compiler could not do well ("all-partial: ..."). Returns the
 * number; *out is valid while the kernel lives. */
FOVEA_EXPORT int fovea_kernel_remarks(const fovea_kernel *,
                                      const char *const **out);

/* --- KV caches ------------------------------------------------------------
 * The keys and values of many sequences, in pages. What a cache looks like
 * (segments, formats, layout, kept metadata) is in the kernel's argument type
 * `!kv.cache`; every kernel whose cache argument has the same type can use it.
 * Sequence ids are the engine's own numbers.
 *
 * Rows enter a cache through a kernel that appends (fovea_plan_update reserves
 * their place, each fovea_run writes one layer) or through fovea_kv_extend and
 * fovea_kv_write. They are tentative until fovea_kv_commit: attention sees
 * them, fovea_kv_trim can take them back. Commit keeps some of them, and moves
 * tokens on to the next segment: encodes, evicts, drops.
 *
 * A call that fails changes nothing. A cache belongs to one thread at a time,
 * but for fovea_run, which may use it on several. Plans and graphs do not keep
 * a cache alive: destroy it after their last run. */

typedef struct fovea_kv_limits {
  uint32_t size;
  int32_t layers;  /* at least 1 */
  int64_t pages;   /* of the segment that grows (all, older), for all
                      sequences, shared ones counted once; 0: as many as `seqs`
                      sequences of max_len need */
  int64_t seqs;    /* sequences at the same time */
  int64_t max_len; /* tokens of one sequence */
  int64_t rows;    /* uncommitted rows of all sequences; 0: seqs */
  fovea_device device;
  /* Called when a reservation lacks pages: the engine may free, trim or save
   * sequences of this cache there and return 1 to try again, 0 to give up.
   * Sequences of the batch being reserved cannot be freed or trimmed. */
  int (*evict)(void *user, fovea_kv *, int64_t missing_pages);
  void *evict_user;
} fovea_kv_limits;

/* A cache for the kernel's argument `arg`; all memory is allocated here. */
FOVEA_EXPORT fovea_status fovea_kv_create(fovea_kernel *, int arg,
                                          const fovea_kv_limits *,
                                          fovea_kv **out);

/* One part of one segment in the host's memory, of a kernel of a GPU in that
 * GPU's memory: `pool` has one tensor per layer, [page, head, offset, chan]
 * with free strides, the last one 1 (without chan for scales, [page, head, ...]
 * for metadata). */
typedef struct fovea_kv_part {
  uint32_t size;
  uint32_t reserved;
  const char *segment; /* "all", "older", ... */
  const char *part;    /* "k", "k.scale", "v", "v.scale", "bounds", ... */
  const fovea_tensor *pool;
} fovea_kv_part;

/* A view of the host's own pools. They are checked against the type and the
 * device; the tables are given by fovea_kv_borrow_tables, in host memory
 * whatever the device. Only fovea_plan_update and
 * fovea_run take such a cache: the host manages it. Kernels may append to it
 * where new rows lie in their final page; else FOVEA_UNSUPPORTED. */
FOVEA_EXPORT fovea_status fovea_kv_borrow(fovea_kernel *, int arg, int layers,
                                          const fovea_kv_part *, int n,
                                          fovea_kv **out);
/* The tables of one segment for the sequences seq[0..n): the pages of seq[i]
 * are pages[indptr[i] .. indptr[i + 1]), it holds the tokens [begin[i],
 * end[i]) of the sequence (begin NULL: 0), those that the next update appends
 * included. Read at the next update, which checks every page id. */
FOVEA_EXPORT fovea_status fovea_kv_borrow_tables(
    fovea_kv *, const char *segment, int n, const uint64_t *seq,
    const int64_t *indptr, const int32_t *pages, const int64_t *begin,
    const int64_t *end);

/* An empty sequence. FOVEA_INVALID if the id exists, or beyond limits.seqs. */
FOVEA_EXPORT fovea_status fovea_kv_new(fovea_kv *, uint64_t seq);
/* `child` starts with the first `len` committed tokens of `parent`; whole pages
 * are shared until one of the two writes to them, open pages and windows are
 * copied. FOVEA_INVALID where tokens below len were dropped or encoded beyond
 * what `len` would have. */
FOVEA_EXPORT fovea_status fovea_kv_fork(fovea_kv *, uint64_t parent,
                                        int64_t len, uint64_t child);
/* Forgets all tokens from `len` on. FOVEA_INVALID if one below `len` would have
 * to come back from a coarser format or was dropped. FOVEA_NO_PAGES if it ends
 * in a shared page with metadata, which is copied first. */
FOVEA_EXPORT fovea_status fovea_kv_trim(fovea_kv *, uint64_t seq, int64_t len);
FOVEA_EXPORT fovea_status fovea_kv_free(fovea_kv *, uint64_t seq);
/* Of the uncommitted rows keeps keep[0..n), in this order, and forgets the
 * others; keep == NULL keeps the first n, n < 0 all. Then moves tokens between
 * segments, over all layers. Of a tree keep a path, ancestors before
 * descendants: the cache then is that of a sequence which appended just these.
 * Row keep[j] becomes the token committed + j, which was its position. */
FOVEA_EXPORT fovea_status fovea_kv_commit(fovea_kv *, uint64_t seq,
                                          const int32_t *keep, int n,
                                          fovea_stream);
/* How many pages of the growing segment lack for `add[i]` more rows of seq[i]
 * (*missing_pages <= 0: there is room, with so many to spare). Rows that lack
 * otherwise (limits.rows, max_len) are FOVEA_INVALID. */
FOVEA_EXPORT fovea_status fovea_kv_room(const fovea_kv *, const uint64_t *seq,
                                        const int32_t *add, int n,
                                        int64_t *missing_pages);

typedef struct fovea_batch fovea_batch;
/* Reserves the rows of a batch as fovea_plan_update of a kernel that appends
 * does: all or nothing. */
FOVEA_EXPORT fovea_status fovea_kv_extend(fovea_kv *, const fovea_batch *);
/* Writes k and v of one layer, [rows, head, dim], into the rows of the last
 * fovea_kv_extend or fovea_plan_update, whose batch this must be. */
FOVEA_EXPORT fovea_status fovea_kv_write(fovea_kv *, const fovea_batch *,
                                         int layer, const fovea_tensor *k,
                                         const fovea_tensor *v);

/* Length of a sequence: all tokens, and how many of them are uncommitted. */
FOVEA_EXPORT fovea_status fovea_kv_length(const fovea_kv *, uint64_t seq,
                                          int64_t *len, int64_t *uncommitted);

typedef struct fovea_segment {
  uint32_t size;
  uint32_t reserved;
  const char *segment;
  int64_t begin, end;   /* tokens */
  int64_t pages, bytes; /* of all layers; shared pages count whole */
  int64_t shared_pages; /* of these, used by another sequence too */
} fovea_segment;
/* The segments of a sequence, in token order; *n is their number, `cap` that of
 * records at `out`, whose sizes are set. */
FOVEA_EXPORT fovea_status fovea_kv_segments(const fovea_kv *, uint64_t seq,
                                            fovea_segment *out, int cap,
                                            int *n);

typedef struct fovea_kv_stats {
  uint32_t size;
  uint32_t reserved;
  int64_t sequences, tokens, uncommitted;
  int64_t pages, pages_free, pages_shared; /* of the growing segment */
  int64_t bytes;                           /* allocated */
  int64_t copies;    /* pages copied because they were shared */
  int64_t evictions; /* calls of the eviction callback that returned 1 */
} fovea_kv_stats;
FOVEA_EXPORT fovea_status fovea_kv_stats_get(const fovea_kv *,
                                             fovea_kv_stats *out);

/* Writes the committed tokens of a sequence to a file (through a temporary
 * beside it), and reads one as a new sequence. The file names the cache's type,
 * layers and version, and has checksums; a foreign, truncated or damaged file
 * is FOVEA_INVALID. */
FOVEA_EXPORT fovea_status fovea_kv_save(const fovea_kv *, uint64_t seq,
                                        const char *path);
FOVEA_EXPORT fovea_status fovea_kv_load(fovea_kv *, const char *path,
                                        uint64_t seq);
FOVEA_EXPORT void fovea_kv_destroy(fovea_kv *);

/* --- plan and run -------------------------------------------------------- */

/* One step of a kernel with cache arguments: which rows belong to which
 * sequence. NULL for kernels over plain tensors. A sequence appears once. */
struct fovea_batch {
  uint32_t size;
  int32_t n;
  const uint64_t *seq;
  const int32_t *rows; /* n + 1 offsets into the rows of q, from 0 */
  /* Token index of each row, consecutive within a sequence; NULL: its last
   * tokens. A kernel that appends takes no others; there, positions of rows
   * that are reserved and uncommitted (by another plan's update in this step)
   * reserve nothing. */
  const int64_t *pos;
  /* Trees of uncommitted rows, for kernels whose mask says `tree` (others
   * refuse them). Per row the number of its parent among the uncommitted rows
   * of its sequence, counted since the last commit as in fovea_kv_commit and
   * less than its own number, or -1: the last committed token. NULL: every row
   * follows the one before it. Rows see the committed tokens, their ancestors
   * and themselves, at the position committed + depth. A cache remembers the
   * parents until the commit, so a tree may be appended level by level; rows
   * that are reserved already repeat theirs or give NULL. */
  const int32_t *parent;
};

typedef struct fovea_value {
  int32_t kind; /* fovea_kind; a wrong one is refused */
  union {
    const fovea_tensor *tensor;
    fovea_kv *kv;
    int64_t i;
    double f;
  } u;
} fovea_value;

/* The capacity of one named dim, for dims that are neither the batch, the
 * rows nor the keys of an attention. Boundaries of segments (cu_seqlens) are
 * at most max_len + 1 without one. */
typedef struct fovea_dim_limit {
  const char *name;
  int64_t extent;
} fovea_dim_limit;

typedef struct fovea_plan_limits {
  uint32_t size;
  int32_t workers;       /* threads planned for; 0: the executor's */
  int64_t rows;          /* query rows of all sequences: b * sq <= rows */
  int64_t seqs;          /* sequences: b <= seqs */
  int64_t max_len;       /* keys of one sequence: sk <= max_len */
  int32_t deterministic; /* splits do not depend on the rest of the batch nor
                            on the number of workers */
  int32_t concurrent;    /* fovea_run calls at the same time; 0: 1 */
  int32_t n_dims;
  int32_t no_sharing;          /* 1: never read a shared prefix once for several
                                  sequences (a deterministic plan never does) */
  const fovea_dim_limit *dims; /* override the above, by name */
  int64_t tree_rows; /* uncommitted rows in the trees of a batch, those of
                        earlier steps included; 0: as many as `rows` */
} fovea_plan_limits;

/* Allocates everything that updates and runs within the limits need. Call it
 * at load time. */
FOVEA_EXPORT fovea_status fovea_plan_create(fovea_kernel *,
                                            const fovea_plan_limits *,
                                            fovea_plan **out);
FOVEA_EXPORT void fovea_plan_destroy(fovea_plan *);

/* Bytes of workspace that a run needs, for the capacity, not the step. The
 * caller provides them, aligned to 64, one workspace per run in flight. */
FOVEA_EXPORT size_t fovea_plan_workspace(const fovea_plan *);

/* Once per step, for all layers: checks the arguments, reads the lengths,
 * offsets and mask tables, chooses variants, splits and orders the work. With
 * caches also reserves the batch's rows in those that the kernel appends to,
 * all or nothing, and copies lengths and page tables. Allocates nothing. `args`
 * are the kernel's arguments and results, in order; only their shapes count,
 * except that integer tensors (lengths, offsets, tables) and the tensors that a
 * mask reads need data now: lengths and offsets are a snapshot, later changes
 * of that memory are not seen by run. Floating tensors may have NULL data here.
 * After a failure the plan is empty. */
FOVEA_EXPORT fovea_status fovea_plan_update(fovea_plan *, const fovea_batch *,
                                            const fovea_value *args, int n);

/* Runs the planned step on the context's executor and returns when it is done.
 * Pointers, strides and scalars may differ from the update's (other layers),
 * shapes may not: FOVEA_STALE; nor may caches, and none of the batch's
 * sequences may have been trimmed, freed or committed since. `layer` is the
 * layer coordinate of caches, 0 without. Allocates nothing. Results are
 * undefined after a failure. */
FOVEA_EXPORT fovea_status fovea_run(fovea_plan *, int layer,
                                    const fovea_value *args, int n,
                                    void *workspace, fovea_stream);

/* For engines that own their threads: for each phase in order run all of its
 * items, in any pieces, on any threads, then a barrier. `worker` is below
 * limits.workers and names the calling thread's scratch memory: no two calls at
 * the same time share one. Such a run counts as one of limits.concurrent and
 * must not overlap with fovea_run unless that is at least 2. */
FOVEA_EXPORT int fovea_plan_phases(const fovea_plan *);
FOVEA_EXPORT int64_t fovea_plan_items(const fovea_plan *, int phase);
FOVEA_EXPORT fovea_status fovea_run_items(fovea_plan *, int layer, int phase,
                                          int64_t begin, int64_t end,
                                          int worker, const fovea_value *args,
                                          int n, void *workspace);

/* What the last update decided, summed over `phase`, or all phases at -1.
 * Tiles, pairs, FLOPs and bytes are those of attention: phases that choose what
 * it reads, or write a cache, count their items alone. */
typedef struct fovea_stats {
  uint32_t size;
  uint32_t reserved;
  int64_t items, slots; /* slots: pieces of items that were split */
  /* Tiles (the rows that the chosen variant classifies together x its keys),
   * over all heads: skipped, run with mask code, run without. */
  int64_t tiles_empty, tiles_partial, tiles_full;
  int64_t pairs;          /* (row, key) pairs that the run will compute */
  int64_t flops_executed; /* of the two products of attention over them */
  /* Calls of the mask's functions by the last update... */
  int64_t bounds_calls, class_calls, keep_calls;
  /* ... and by this call, which classifies run boundaries only. */
  int64_t stats_class_calls;
  double update_ms;
  /* Of caches: bytes of keys and values that the items read, each item on its
   * own; groups of sequences that read a common prefix together, and the keys
   * per head that they so do not read again. */
  int64_t kv_bytes, shared_groups, shared_keys;
} fovea_stats;
FOVEA_EXPORT fovea_status fovea_plan_stats(const fovea_plan *, int phase,
                                           fovea_stats *out);

/* What the kernels really did since creation or the last reset, over all
 * workers. Not while a run is in flight; on a GPU this waits for all runs, and
 * fails with what an earlier one found wrong. */
typedef struct fovea_counters {
  uint32_t size;
  uint32_t reserved;
  int64_t tiles_full, tiles_partial, pairs, items;
} fovea_counters;
FOVEA_EXPORT fovea_status fovea_plan_counters(fovea_plan *, fovea_counters *out,
                                              int reset);

/* --- GPUs: memory and streams, for hosts without CUDA of their own -------
 * A kernel that was got for a GPU plans on the host and runs there: the tensors
 * of an update whose data is read are in memory of the CPU (or in CUDA's pinned
 * or managed memory), those of a run in that of the GPU, except lengths and
 * offsets, of which the update took a snapshot. The workspace of a run is
 * memory of the GPU. fovea_run only enqueues on its stream; on up to
 * limits.concurrent streams runs of a plan overlap. An error that a stage meets
 * there is the status of the plan's next update or run behind it.
 *
 * What is ordered with what, by events and without waits on the host:
 *  - a run comes behind earlier work on its stream, and behind the update of
 *    its plan; runs of a plan beyond limits.concurrent streams behind one
 *    before;
 *  - an update's copy comes behind the plan's runs on all streams;
 *  - runs of a graph come one behind the other, whatever their streams: they
 *    share its buffers;
 *  - what commit, fork, trim, load and updates do to the pools of a cache
 *    (moves, copies of pages) comes behind all runs over the cache enqueued
 *    before, and before all that are enqueued later, on any stream; so does a
 *    step behind a commit, trim, free or fork come behind all runs before it:
 *    pages may have changed hands. Later work of the host on the stream that a
 *    commit names comes behind the commit. Between such calls runs over a cache
 *    on different streams overlap.
 *
 * Calls that wait: fovea_kv_write, for all work on the GPU (k and v may come
 * from any stream) and for itself; fovea_kv_save, and a commit whose rows
 * change places in a circle, for the runs over the cache; fovea_plan_counters;
 * copies to memory of the CPU; whatever frees memory of the GPU; and a commit
 * behind some hundred others whose lists are not copied yet.
 *
 * On the CPU these functions are malloc, memcpy and nothing. */
FOVEA_EXPORT fovea_status fovea_device_alloc(fovea_ctx *, fovea_device,
                                             size_t bytes, void **out);
FOVEA_EXPORT fovea_status fovea_device_free(fovea_ctx *, fovea_device, void *);
/* Enqueues; waits where the destination is memory of the CPU. */
FOVEA_EXPORT fovea_status fovea_device_copy(fovea_ctx *, fovea_device to,
                                            void *dst, fovea_device from,
                                            const void *src, size_t bytes,
                                            fovea_stream);
FOVEA_EXPORT fovea_status fovea_stream_create(fovea_ctx *, fovea_device,
                                              fovea_stream *out);
FOVEA_EXPORT fovea_status fovea_stream_wait(fovea_ctx *, fovea_device,
                                            fovea_stream);
FOVEA_EXPORT fovea_status fovea_stream_destroy(fovea_ctx *, fovea_device,
                                               fovea_stream);

/* --- graph: a fixed list of nodes over planned buffers ------------------- */

/* Build: create, then buffers, scalars and nodes in order, then finish. The
 * functions that return an id return a negative number on failure. */
FOVEA_EXPORT fovea_status fovea_graph_create(fovea_ctx *, fovea_graph **out);
/* A tensor. max_shape gives dtype, rank and the largest extents (its data is
 * not looked at); `row_axis` is the axis whose extent is the `rows` of a run,
 * or -1. External tensors are given at each run, in the order of creation;
 * others live in memory that the graph shares between them. */
FOVEA_EXPORT int fovea_graph_buffer(fovea_graph *,
                                    const fovea_tensor *max_shape, int row_axis,
                                    int external);
/* A scalar argument or a cache, in the same numbering as buffers. The cache
 * must outlive the graph. */
FOVEA_EXPORT int fovea_graph_scalar(fovea_graph *, fovea_value);
/* Runs a plan on arguments by id. Nodes that share a plan bind the same
 * lengths, offsets, tables and caches: the first of them updates it, each run
 * (plans over caches: fovea_graph_run_batch). */
FOVEA_EXPORT fovea_status fovea_graph_kernel(fovea_graph *, fovea_plan *,
                                             int layer, const int *ids, int n);
/* Calls back to the host. `capturable`: it only enqueues on the stream. */
typedef fovea_status (*fovea_graph_fn)(void *user,
                                       const fovea_tensor *const *tensors,
                                       int n, fovea_stream);
FOVEA_EXPORT fovea_status fovea_graph_call(fovea_graph *, fovea_graph_fn,
                                           void *user, const int *ids, int n,
                                           int capturable);
/* Places the buffers and allocates; nothing can be added afterwards. */
FOVEA_EXPORT fovea_status fovea_graph_finish(fovea_graph *);
/* Bytes that finish allocated: buffers and workspace. */
FOVEA_EXPORT size_t fovea_graph_memory(const fovea_graph *);
/* Runs all nodes with `rows` <= the capacity. Allocates nothing. */
FOVEA_EXPORT fovea_status fovea_graph_run(fovea_graph *,
                                          const fovea_value *externals, int n,
                                          int64_t rows, fovea_stream);
/* The same with a batch for the kernels over caches: the first node of each of
 * their plans updates it. Plans that append to one cache reserve the rows once.
 * Without a batch such plans are the host's to update before the run. After a
 * failure rows may be reserved: fovea_kv_trim gives them back. */
FOVEA_EXPORT fovea_status fovea_graph_run_batch(fovea_graph *,
                                                const fovea_batch *,
                                                const fovea_value *externals,
                                                int n, int64_t rows,
                                                fovea_stream);
FOVEA_EXPORT void fovea_graph_destroy(fovea_graph *);

#ifdef __cplusplus
}
#endif
#endif /* FOVEA_RUNTIME_H */
