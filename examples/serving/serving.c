/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Continuous batching in one file: 64 steps over a paged int8 cache. Requests
 * share a system prompt, join, prefill in chunks beside the others' single
 * tokens, leave, and are preempted when pages run out. The "model" is a
 * hash of layer, request and position, so that every output can be checked
 * against naive.c. Links libfovea-rt only.
 *
 *   serving [SPEC [CACHE_DIRECTORY]]
 */
#define _POSIX_C_SOURCE 200809L
#include "examples/serving/naive.h"

#include <fovea/jit.h>
#include <fovea/runtime.h>

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
    out[i] = (float)(int32_t)(z >> 40 & 0xffff) / 16384.0f - 2.0f;
  }
}

/* --- the engine ---------------------------------------------------------- */

typedef struct Engine {
  fovea_ctx *ctx;
  fovea_kernel *kernel;
  fovea_kv *kv;
  fovea_plan *plan;
  void *workspace;
  float *q, *k, *v, *o; /* rows of one layer */
  double seconds;       /* in Fovea's calls */
  double worst, largest;
  int64_t rows, generated, preemptions, prefills, mixed, most_pages;
} Engine;

typedef struct Tensor {
  fovea_tensor dl;
  int64_t shape[3];
} Tensor;

static void describe(Tensor *t, float *data, int64_t rows, int64_t heads) {
  *t = (Tensor){.shape = {rows, heads, DIM}};
  t->dl.data = data;
  t->dl.device.device_type = kDLCPU;
  t->dl.ndim = 3;
  t->dl.dtype = (DLDataType){kDLFloat, 32, 1};
  t->dl.shape = t->shape;
}

static void on_diagnostic(void *user, const fovea_diag *d) {
  (void)user;
  fprintf(stderr, "%s:%d:%d: %s\n", d->file, d->line, d->col, d->text);
}

static void open_engine(Engine *e, const char *path, const char *cache_dir) {
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
  char words[3][16];
  snprintf(words[0], sizeof words[0], "H=%d", HEADS);
  snprintf(words[1], sizeof words[1], "KV=%d", KV_HEADS);
  snprintf(words[2], sizeof words[2], "D=%d", DIM);
  const char *defines[] = {words[0], words[1], words[2]};
  fovea_jit_info info = {.size = sizeof info};
  fovea_jit_options jit = {.size = sizeof jit,
                           .n_defines = 3,
                           .defines = defines,
                           .cache_dir = cache_dir,
                           .diag = on_diagnostic,
                           .info = &info};
  fovea_bundle *bundle = NULL;
  check(fovea_jit_compile(e->ctx, path, text, length, &jit, &bundle),
        "fovea_jit_compile");
  check(fovea_kernel_get(bundle, "step", FOVEA_CPU, &e->kernel),
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
                          .device = FOVEA_CPU};
  check(fovea_kv_create(e->kernel, 3, &room, &e->kv), "fovea_kv_create");
  fovea_plan_limits limits = {
      .size = sizeof limits, .rows = ROWS, .seqs = SEQS, .max_len = MAX_LEN};
  check(fovea_plan_create(e->kernel, &limits, &e->plan), "fovea_plan_create");
  e->workspace = allocate(fovea_plan_workspace(e->plan));
  e->q = allocate(sizeof(float) * ROWS * HEADS * DIM);
  e->k = allocate(sizeof(float) * ROWS * KV_HEADS * DIM);
  e->v = allocate(sizeof(float) * ROWS * KV_HEADS * DIM);
  e->o = allocate(sizeof(float) * ROWS * HEADS * DIM);
  check(fovea_seal(e->ctx), "fovea_seal");
}

static void close_engine(Engine *e) {
  free(e->q), free(e->k), free(e->v), free(e->o), free(e->workspace);
  fovea_plan_destroy(e->plan);
  fovea_kv_destroy(e->kv);
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
  describe(&q, e->q, rows[n], HEADS);
  describe(&k, e->k, rows[n], KV_HEADS);
  describe(&v, e->v, rows[n], KV_HEADS);
  describe(&o, e->o, rows[n], HEADS);
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
        model(layer, 0, seq[i], token, HEADS * DIM, e->q + row * HEADS * DIM);
        model(layer, 1, seq[i], token, KV_HEADS * DIM,
              e->k + row * KV_HEADS * DIM);
        model(layer, 2, seq[i], token, KV_HEADS * DIM,
              e->v + row * KV_HEADS * DIM);
      }
    start = now();
    check(fovea_run(e->plan, layer, args, 5, e->workspace, NULL), "fovea_run");
    e->seconds += now() - start;
    for (int i = 0; i < n; ++i) {
      naive_cache *naive = batch[i]->naive[layer];
      naive_append(naive, e->k + (int64_t)rows[i] * KV_HEADS * DIM,
                   e->v + (int64_t)rows[i] * KV_HEADS * DIM, batch[i]->rows);
      double error = naive_compare(
          naive, e->q + (int64_t)rows[i] * HEADS * DIM, HEADS, batch[i]->rows,
          e->o + (int64_t)rows[i] * HEADS * DIM, &e->largest);
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
  Engine e = {0};
  open_engine(&e, argc > 1 ? argv[1] : SERVING_SPEC, argc > 2 ? argv[2] : NULL);
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
  int ok = share < 1e-5 && e.preemptions > 0 && finished == REQUESTS &&
           e.mixed > 0 && shared > 0;
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
