/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Continuous batching in one file: 64 steps over a paged int8 cache. Requests
 * share a system prompt, join, prefill in chunks beside the others' single
 * tokens, leave, and are preempted when pages run out. The "model" is a
 * hash of layer, request and position, so that every output can be checked
 * against naive.c. Links libfovea-rt only.
 *
 *   serving [--device=cpu|cuda] [--target=NAMES] [SPEC [CACHE_DIRECTORY]]
 *
 * On a GPU the same calls are made; only rows are copied to it, results back,
 * and both are f16. */
#define _POSIX_C_SOURCE 200809L
#include "examples/serving/naive.h"

#include <fovea/jit.h>
#include <fovea/runtime.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  STEPS = 64,
  LAYERS = 2,
  HEADS = 8, /* of queries */
  KV_HEADS = 2,
  DIM = 64,
  PAGE = 16,    /* as in serving.mlir */
  PREFIX = 600, /* tokens of the system prompt; its last page is open */
  CHUNK = 512,  /* most rows of prompts in one step */
  SEQS = 16,    /* most requests at the same time */
  ROWS = CHUNK + SEQS,
  MAX_LEN = 2048,
  PAGES = 100, /* too few for all requests: some are preempted */
  PROMPT = 1   /* the sequence that owns the system prompt */
};

/* A request: when it comes, its own prompt, how many tokens it wants. */
typedef struct Request {
  uint64_t id;
  int arrives, prompt, wants;
  /* The scheduler's state. A preempted request starts again: what it had
   * generated is then part of what it has to prefill. */
  enum { WAITING, RUNNING, DONE } state;
  int done;      /* tokens of prompt and answer that are in the cache */
  int generated; /* tokens of the answer so far */
  int rows;      /* of the present step */
  naive_cache *naive[LAYERS];
} Request;

static Request requests[] = {
    {2, 2, 40, 30, WAITING, 0, 0, 0, {0}},
    {3, 2, 700, 20, WAITING, 0, 0, 0, {0}},
    {4, 3, 130, 24, WAITING, 0, 0, 0, {0}},
    {5, 5, 16, 40, WAITING, 0, 0, 0, {0}},
    {6, 9, 333, 12, WAITING, 0, 0, 0, {0}},
    {7, 12, 90, 33, WAITING, 0, 0, 0, {0}},
    {8, 14, 1, 30, WAITING, 0, 0, 0, {0}},
    {9, 30, 515, 16, WAITING, 0, 0, 0, {0}},
    {10, 34, 77, 9, WAITING, 0, 0, 0, {0}},
    {11, 44, 200, 10, WAITING, 0, 0, 0, {0}},
};
enum { REQUESTS = sizeof requests / sizeof *requests };

/* The system prompt is a request that wants nothing. */
static Request prompt = {PROMPT, 0, PREFIX, 0, RUNNING, 0, 0, 0, {0}};

static void check(fovea_status status, const char *what) {
  if (status == FOVEA_OK)
    return;
  fprintf(stderr, "%s: %s: %s\n", what, fovea_status_name(status),
          fovea_message());
  exit(1);
}

static void *allocate(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 64) / 64 * 64);
  if (!memory) {
    fprintf(stderr, "out of memory\n");
    exit(1);
  }
  return memory;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- the model: numbers from -2 to 2 ------------------------------------- */

/* `what`: 0 query, 1 key, 2 value. The first tokens are those of the prompt,
 * whoever asks. */
static void model(int layer, int what, uint64_t owner, int64_t token, int n,
                  float *out) {
  if (token < PREFIX)
    owner = PROMPT;
  uint64_t z =
      ((owner * LAYERS + (uint64_t)layer) * 3 + (uint64_t)what) * 1000003u +
      (uint64_t)token;
  for (int i = 0; i < n; ++i) {
    z = (z + (uint64_t)i + 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    z ^= z >> 31;
    /* 12 bits, which f16 holds too. */
    out[i] = (float)(int32_t)(z >> 40 & 0xfff) / 1024.0f - 2.0f;
  }
}

/* --- the engine ---------------------------------------------------------- */

/* One tensor of the step: floats here, and what the kernel takes. */
typedef struct Rows {
  float *data;
  uint16_t *halves; /* on a GPU: f16 on their way */
  void *there;      /* what the kernel takes; on the CPU that is `data` */
} Rows;

typedef struct Engine {
  fovea_ctx *ctx;
  fovea_device device;
  fovea_stream stream;
  fovea_kernel *kernel;
  fovea_kv *kv;
  fovea_plan *plan;
  void *workspace;
  Rows q, k, v, o; /* of one layer */
  double seconds;  /* in Fovea's calls */
  double worst, largest;
  int64_t rows, generated, preemptions, prefills, mixed, most_pages;
} Engine;

typedef struct Tensor {
  fovea_tensor dl;
  int64_t shape[3];
} Tensor;

static int on_gpu(const Engine *e) { return e->device.kind == kDLCUDA; }

static void describe(const Engine *e, Tensor *t, const Rows *of, int64_t rows,
                     int64_t heads) {
  *t = (Tensor){.shape = {rows, heads, DIM}};
  t->dl.data = of->there;
  t->dl.device.device_type = on_gpu(e) ? kDLCUDA : kDLCPU;
  t->dl.device.device_id = e->device.id;
  t->dl.ndim = 3;
  t->dl.dtype = (DLDataType){kDLFloat, on_gpu(e) ? 16 : 32, 1};
  t->dl.shape = t->shape;
}

static void allocate_rows(Engine *e, Rows *r, int heads) {
  size_t n = (size_t)ROWS * (size_t)heads * DIM;
  r->data = allocate(sizeof(float) * n);
  r->there = r->data;
  if (!on_gpu(e))
    return;
  r->halves = allocate(sizeof(uint16_t) * n);
  check(fovea_device_alloc(e->ctx, e->device, sizeof(uint16_t) * n, &r->there),
        "fovea_device_alloc");
}

static void free_rows(Engine *e, Rows *r) {
  if (on_gpu(e)) {
    check(fovea_device_free(e->ctx, e->device, r->there), "fovea_device_free");
    free(r->halves);
  }
  free(r->data);
}

/* f16 of a number that f16 holds and that is not tiny: the model's. */
static uint16_t half_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  uint32_t sign = bits >> 16 & 0x8000;
  if (x == 0)
    return (uint16_t)sign;
  return (uint16_t)(sign | ((bits >> 13 & 0x3ffff) - (112u << 10)));
}

static float float_of(uint16_t half) {
  int exponent = half >> 10 & 31;
  float mantissa = (float)(half & 1023);
  float x = exponent == 31  ? (mantissa ? NAN : INFINITY)
            : exponent == 0 ? ldexpf(mantissa, -24)
                            : ldexpf(mantissa + 1024, exponent - 25);
  return half >> 15 ? -x : x;
}

/* Rows to where the kernel reads them, and results back. */
static void send(Engine *e, Rows *r, int64_t n) {
  if (!on_gpu(e))
    return;
  for (int64_t i = 0; i < n; ++i)
    r->halves[i] = half_of(r->data[i]);
  check(fovea_device_copy(e->ctx, e->device, r->there, FOVEA_CPU, r->halves,
                          (size_t)n * sizeof *r->halves, e->stream),
        "fovea_device_copy");
}

static void fetch(Engine *e, Rows *r, int64_t n) {
  if (!on_gpu(e))
    return;
  check(fovea_device_copy(e->ctx, FOVEA_CPU, r->halves, e->device, r->there,
                          (size_t)n * sizeof *r->halves, e->stream),
        "fovea_device_copy"); /* waits for the stream */
  for (int64_t i = 0; i < n; ++i)
    r->data[i] = float_of(r->halves[i]);
}

static void on_diagnostic(void *user, const fovea_diag *d) {
  (void)user;
  fprintf(stderr, "%s:%d:%d: %s\n", d->file, d->line, d->col, d->text);
}

static void open_engine(Engine *e, const char *path, const char *targets,
                        const char *cache_dir) {
  char text[4096];
  FILE *file = fopen(path, "rb");
  size_t length = file ? fread(text, 1, sizeof text, file) : 0;
  if (!file || length == 0 || length == sizeof text) {
    fprintf(stderr, "%s: cannot be read\n", path);
    exit(1);
  }
  fclose(file);
  fovea_options options = {.size = sizeof options};
  check(fovea_executor_threads(0, &options.exec), "fovea_executor_threads");
  check(fovea_open(FOVEA_API, &options, &e->ctx), "fovea_open");
  /* Nothing for the CPU. */
  check(fovea_stream_create(e->ctx, e->device, &e->stream),
        "fovea_stream_create");
  char words[4][16];
  snprintf(words[0], sizeof words[0], "H=%d", HEADS);
  snprintf(words[1], sizeof words[1], "KV=%d", KV_HEADS);
  snprintf(words[2], sizeof words[2], "D=%d", DIM);
  snprintf(words[3], sizeof words[3], "T=%s", on_gpu(e) ? "f16" : "f32");
  const char *defines[] = {words[0], words[1], words[2], words[3]};
  fovea_jit_info info = {.size = sizeof info};
  fovea_jit_options jit = {.size = sizeof jit,
                           .n_defines = 4,
                           .defines = defines,
                           .targets = targets,
                           .cache_dir = cache_dir,
                           .diag = on_diagnostic,
                           .info = &info};
  fovea_bundle *bundle = NULL;
  check(fovea_jit_compile(e->ctx, path, text, length, &jit, &bundle),
        "fovea_jit_compile");
  check(fovea_kernel_get(bundle, "step", e->device, &e->kernel),
        "fovea_kernel_get");
  fovea_bundle_close(bundle);
  printf("%s %s in %.1f ms for %s\n", info.cache_hit ? "loaded" : "compiled",
         path, info.total_ms, fovea_kernel_target(e->kernel));

  /* All memory is allocated here; then nothing compiles any more. */
  fovea_kv_limits room = {.size = sizeof room,
                          .layers = LAYERS,
                          .pages = PAGES,
                          .seqs = SEQS + 1,
                          .max_len = MAX_LEN,
                          .rows = ROWS,
                          .device = e->device};
  check(fovea_kv_create(e->kernel, 3, &room, &e->kv), "fovea_kv_create");
  fovea_plan_limits limits = {
      .size = sizeof limits, .rows = ROWS, .seqs = SEQS, .max_len = MAX_LEN};
  check(fovea_plan_create(e->kernel, &limits, &e->plan), "fovea_plan_create");
  check(fovea_device_alloc(e->ctx, e->device,
                           fovea_plan_workspace(e->plan) + 64, &e->workspace),
        "fovea_device_alloc");
  allocate_rows(e, &e->q, HEADS);
  allocate_rows(e, &e->k, KV_HEADS);
  allocate_rows(e, &e->v, KV_HEADS);
  allocate_rows(e, &e->o, HEADS);
  check(fovea_seal(e->ctx), "fovea_seal");
}

static void close_engine(Engine *e) {
  fovea_plan_destroy(e->plan);
  fovea_kv_destroy(e->kv);
  free_rows(e, &e->q), free_rows(e, &e->k);
  free_rows(e, &e->v), free_rows(e, &e->o);
  check(fovea_device_free(e->ctx, e->device, e->workspace),
        "fovea_device_free");
  check(fovea_stream_destroy(e->ctx, e->device, e->stream),
        "fovea_stream_destroy");
  fovea_kernel_release(e->kernel);
  fovea_close(e->ctx);
}

/* One step of the requests of the batch: all layers, then commit. */
static void run_step(Engine *e, Request **batch, int n) {
  uint64_t seq[SEQS];
  int32_t rows[SEQS + 1] = {0};
  for (int i = 0; i < n; ++i) {
    seq[i] = batch[i]->id;
    rows[i + 1] = rows[i] + batch[i]->rows;
  }
  Tensor q, k, v, o;
  describe(e, &q, &e->q, rows[n], HEADS);
  describe(e, &k, &e->k, rows[n], KV_HEADS);
  describe(e, &v, &e->v, rows[n], KV_HEADS);
  describe(e, &o, &e->o, rows[n], HEADS);
  fovea_batch step = {.size = sizeof step, .n = n, .seq = seq, .rows = rows};
  fovea_value args[5] = {{FOVEA_TENSOR, {.tensor = &q.dl}},
                         {FOVEA_TENSOR, {.tensor = &k.dl}},
                         {FOVEA_TENSOR, {.tensor = &v.dl}},
                         {FOVEA_CACHE, {.kv = e->kv}},
                         {FOVEA_TENSOR, {.tensor = &o.dl}}};
  double start = now();
  check(fovea_plan_update(e->plan, &step, args, 5), "fovea_plan_update");
  e->seconds += now() - start;

  for (int layer = 0; layer < LAYERS; ++layer) {
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < batch[i]->rows; ++j) {
        int64_t token = batch[i]->done + j, row = rows[i] + j;
        model(layer, 0, seq[i], token, HEADS * DIM,
              e->q.data + row * HEADS * DIM);
        model(layer, 1, seq[i], token, KV_HEADS * DIM,
              e->k.data + row * KV_HEADS * DIM);
        model(layer, 2, seq[i], token, KV_HEADS * DIM,
              e->v.data + row * KV_HEADS * DIM);
      }
    start = now();
    send(e, &e->q, (int64_t)rows[n] * HEADS * DIM);
    send(e, &e->k, (int64_t)rows[n] * KV_HEADS * DIM);
    send(e, &e->v, (int64_t)rows[n] * KV_HEADS * DIM);
    check(fovea_run(e->plan, layer, args, 5, e->workspace, e->stream),
          "fovea_run");
    fetch(e, &e->o, (int64_t)rows[n] * HEADS * DIM);
    e->seconds += now() - start;
    for (int i = 0; i < n; ++i) {
      naive_cache *naive = batch[i]->naive[layer];
      naive_append(naive, e->k.data + (int64_t)rows[i] * KV_HEADS * DIM,
                   e->v.data + (int64_t)rows[i] * KV_HEADS * DIM,
                   batch[i]->rows);
      double error = naive_compare(
          naive, e->q.data + (int64_t)rows[i] * HEADS * DIM, HEADS,
          batch[i]->rows, e->o.data + (int64_t)rows[i] * HEADS * DIM,
          &e->largest);
      e->worst = error <= e->worst ? e->worst : error; /* a NaN stays */
      naive_commit(naive);
    }
  }
  start = now();
  for (int i = 0; i < n; ++i) /* only now are tokens encoded */
    check(fovea_kv_commit(e->kv, seq[i], NULL, -1, NULL), "fovea_kv_commit");
  e->seconds += now() - start;
}

/* --- the scheduler ------------------------------------------------------- */

/* Tokens that must be in the cache before the request generates again. */
static int target(const Request *r) {
  return (r->id == PROMPT ? 0 : PREFIX) + r->prompt + r->generated;
}

static void forget(Engine *e, Request *r) {
  check(fovea_kv_free(e->kv, r->id), "fovea_kv_free");
  for (int l = 0; l < LAYERS; ++l) {
    naive_free(r->naive[l]);
    r->naive[l] = NULL;
  }
}

/* A request joins if all that it brings fits beside the others' next tokens. */
static int admit(Engine *e, Request *r, int running) {
  int64_t missing = 0;
  fovea_status status = fovea_kv_fork(e->kv, PROMPT, PREFIX, r->id);
  if (status == FOVEA_NO_PAGES) /* its copy of the prompt's open page */
    return 0;
  check(status, "fovea_kv_fork");
  /* The rows of a whole prompt may be more than one step takes: ask by
   * chunks, the pages that they need add up. */
  int64_t needed = 0, left = target(r) - PREFIX;
  fovea_kv_stats stats = {.size = sizeof stats};
  check(fovea_kv_stats_get(e->kv, &stats), "fovea_kv_stats_get");
  needed = (PREFIX + left + PAGE - 1) / PAGE - PREFIX / PAGE;
  int32_t add = left < CHUNK ? (int32_t)left : CHUNK;
  check(fovea_kv_room(e->kv, &r->id, &add, 1, &missing), "fovea_kv_room");
  if (missing > 0 || needed > stats.pages_free) {
    check(fovea_kv_free(e->kv, r->id), "fovea_kv_free");
    return 0;
  }
  for (int l = 0; l < LAYERS; ++l)
    r->naive[l] = naive_fork(prompt.naive[l], PREFIX);
  r->done = PREFIX;
  r->state = RUNNING;
  return 1;
}

/* The requests of a step with their rows: one each for those that generate,
 * and chunks of prompts while there are rows for them. */
static int schedule(Engine *e, int step, Request **batch) {
  int n = 0, left = CHUNK, running = 0;
  if (prompt.done < PREFIX) {
    prompt.rows = PREFIX - prompt.done < CHUNK ? PREFIX - prompt.done : CHUNK;
    batch[0] = &prompt;
    return 1;
  }
  for (int i = 0; i < REQUESTS; ++i)
    running += requests[i].state == RUNNING;
  for (int i = 0; i < REQUESTS && running < SEQS; ++i) {
    Request *r = &requests[i];
    if (r->state != WAITING || r->arrives > step)
      continue;
    if (!admit(e, r, running))
      break; /* in the order in which they came */
    ++running;
    printf("step %2d: request %d joins with %d tokens of its own\n", step,
           (int)r->id, target(r) - PREFIX);
  }
  for (int i = 0; i < REQUESTS; ++i) {
    Request *r = &requests[i];
    if (r->state != RUNNING)
      continue;
    int rest = target(r) - r->done;
    r->rows = rest <= 1 ? 1 : rest < left ? rest : left;
    if (rest > 1)
      left -= r->rows;
    if (r->rows > 0)
      batch[n++] = r;
  }
  return n;
}

/* Takes requests out, the last to come first, until the step fits. */
static int make_room(Engine *e, int step, Request **batch, int n) {
  for (;;) {
    uint64_t seq[SEQS];
    int32_t add[SEQS];
    int64_t missing = 0;
    for (int i = 0; i < n; ++i) {
      seq[i] = batch[i]->id;
      add[i] = batch[i]->rows;
    }
    check(fovea_kv_room(e->kv, seq, add, n, &missing), "fovea_kv_room");
    if (missing <= 0)
      return n;
    if (n <= 1) {
      fprintf(stderr, "one request alone does not fit\n");
      exit(1);
    }
    Request *last = batch[--n];
    printf("step %2d: request %d is preempted after %d tokens, %d pages lack\n",
           step, (int)last->id, last->generated, (int)missing);
    forget(e, last);
    last->state = WAITING;
    last->arrives = step + 4;
    ++e->preemptions;
  }
}

int main(int argc, char **argv) {
  Engine e = {.device = FOVEA_CPU};
  const char *targets = NULL;
  for (; argc > 1 && !strncmp(argv[1], "--", 2); ++argv, --argc) {
    const char *device = "--device=", *target = "--target=";
    if (!strcmp(argv[1], "--device=cuda"))
      e.device = (fovea_device){kDLCUDA, 0};
    else if (!strncmp(argv[1], target, strlen(target)))
      targets = argv[1] + strlen(target);
    else if (strcmp(argv[1], "--device=cpu")) {
      fprintf(stderr, "expected %scpu, %scuda or %sNAMES, got %s\n", device,
              device, target, argv[1]);
      return 2;
    }
  }
  if (on_gpu(&e) && !targets)
    targets = "sm_80"; /* later GPUs take its PTX */
  open_engine(&e, argc > 1 ? argv[1] : SERVING_SPEC, targets,
              argc > 2 ? argv[2] : NULL);
  check(fovea_kv_new(e.kv, PROMPT), "fovea_kv_new");
  for (int l = 0; l < LAYERS; ++l)
    prompt.naive[l] = naive_new(KV_HEADS, DIM);

  int64_t finished = 0, shared = 0;
  for (int step = 0; step < STEPS; ++step) {
    Request *batch[SEQS];
    int n = schedule(&e, step, batch), chunks = 0;
    n = make_room(&e, step, batch, n);
    if (n == 0)
      continue;
    run_step(&e, batch, n);
    fovea_kv_stats stats = {.size = sizeof stats};
    check(fovea_kv_stats_get(e.kv, &stats), "fovea_kv_stats_get");
    if (stats.pages - stats.pages_free > e.most_pages)
      e.most_pages = stats.pages - stats.pages_free;
    if (stats.pages_shared > shared)
      shared = stats.pages_shared;
    for (int i = 0; i < n; ++i) {
      Request *r = batch[i];
      chunks += r->rows > 1;
      e.rows += r->rows;
      r->done += r->rows;
      if (r->done < target(r) || r == &prompt)
        continue;
      ++r->generated;
      ++e.generated;
      if (r->generated < r->wants)
        continue;
      printf("step %2d: request %d leaves with %d tokens\n", step, (int)r->id,
             r->generated);
      forget(&e, r);
      r->state = DONE;
      ++finished;
    }
    e.prefills += chunks;
    e.mixed += chunks > 0 && chunks < n;
  }

  fovea_kv_stats stats = {.size = sizeof stats};
  check(fovea_kv_stats_get(e.kv, &stats), "fovea_kv_stats_get");
  double share = e.worst / e.largest;
  /* f16 rounds weights and outputs to 11 bits. */
  int ok = share < (on_gpu(&e) ? 1e-3 : 1e-5) && e.preemptions > 0 &&
           finished == REQUESTS && e.mixed > 0 && shared > 0;
  printf("%d steps: %lld rows in %lld chunks and single tokens (%lld steps "
         "mixed both), %lld tokens generated, %lld of %d requests finished, "
         "%lld preempted\n",
         STEPS, (long long)e.rows, (long long)e.prefills, (long long)e.mixed,
         (long long)e.generated, (long long)finished, (int)REQUESTS,
         (long long)e.preemptions);
  printf("%.0f rows/s, %.0f tokens/s through %d layers of attention\n",
         (double)e.rows / e.seconds, (double)e.generated / e.seconds, LAYERS);
  printf("cache: %.2f MB, at most %lld of %lld pages in use, %lld shared at "
         "once, %lld copied\n",
         (double)stats.bytes * 1e-6, (long long)e.most_pages,
         (long long)stats.pages, (long long)shared, (long long)stats.copies);
  printf("largest error %.1e of the largest output: %s\n", share,
         ok ? "ok" : "WRONG");

  for (int i = 0; i < REQUESTS; ++i)
    if (requests[i].state == RUNNING)
      forget(&e, &requests[i]);
  forget(&e, &prompt);
  close_engine(&e);
  return ok ? 0 : 1;
}
