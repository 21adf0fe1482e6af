/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * An inference engine in one file: compiles an attention kernel from text when
 * the "model" is loaded, plans it for a prefill and for a decode step, runs
 * both on threads of its own and on Fovea's, and compares the results with
 * loops written down here. Links libfovea-rt only.
 *
 *   embed-c [CACHE_DIRECTORY]
 */
#define _POSIX_C_SOURCE 200809L
#include <fovea/jit.h>
#include <fovea/runtime.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 3, KV_HEADS = 2, DIM = 64, WINDOW = 900, CAPACITY = 2048 };

/* H, the number of query heads, is set when the spec is compiled. */
static const char spec[] =
    "!q = tensor<?x${H}x?x64xf32>\n"
    "!k = tensor<?x2x?x64xf32>\n"
    "func.func @local(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} "
    "{\n"
    "  %o = attn.attention %q, %k, %v mask(causal and window(900))\n"
    "      : (!q, !k, !k) -> !q\n"
    "  return %o : !q\n"
    "}\n";

/* Every call of Fovea goes through here. */
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

/* --- tensors ------------------------------------------------------------- */

typedef struct Tensor {
  DLTensor dl;
  int64_t shape[4]; /* 1, heads, tokens, DIM; contiguous */
  float *data;
} Tensor;

static void make(Tensor *t, int64_t heads, int64_t tokens) {
  size_t n = (size_t)(heads * tokens * DIM);
  *t = (Tensor){.shape = {1, heads, tokens, DIM}};
  t->data = allocate(n * sizeof(float));
  for (size_t i = 0; i < n; ++i)
    t->data[i] = (float)rand() / (float)RAND_MAX * 4 - 2;
  t->dl.data = t->data;
  t->dl.device.device_type = kDLCPU;
  t->dl.ndim = 4;
  t->dl.dtype = (DLDataType){kDLFloat, 32, 1};
  t->dl.shape = t->shape;
}

static const float *row(const Tensor *t, int64_t head, int64_t token) {
  return t->data + (head * t->shape[2] + token) * DIM;
}

/* --- what the kernel must compute ---------------------------------------- */

/* The largest |o - expected|, over the largest |expected|. */
static double compare(const Tensor *q, const Tensor *k, const Tensor *v,
                      const Tensor *o) {
  int64_t heads = q->shape[1], sq = q->shape[2], sk = k->shape[2];
  double *p = allocate((size_t)sk * sizeof(double));
  double worst = 0, largest = 0;
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t i = 0; i < sq; ++i) {
      int64_t kv = h / (heads / KV_HEADS);
      int64_t position = sk - sq + i; /* the queries are the newest tokens */
      int64_t first = position - WINDOW + 1 > 0 ? position - WINDOW + 1 : 0;
      double max = -INFINITY, sum = 0;
      for (int64_t j = first; j <= position; ++j) {
        p[j] = 0;
        for (int d = 0; d < DIM; ++d)
          p[j] += (double)row(q, h, i)[d] * row(k, kv, j)[d];
        p[j] /= sqrt(DIM);
        max = fmax(max, p[j]);
      }
      for (int64_t j = first; j <= position; ++j)
        sum += p[j] = exp(p[j] - max);
      for (int d = 0; d < DIM; ++d) {
        double expected = 0;
        for (int64_t j = first; j <= position; ++j)
          expected += p[j] * row(v, kv, j)[d];
        expected /= sum;
        double error = fabs(row(o, h, i)[d] - expected);
        worst = error <= worst ? worst : error; /* a NaN stays */
        largest = fmax(largest, fabs(expected));
      }
    }
  free(p);
  return worst / largest;
}

/* --- the engine's own threads -------------------------------------------- */

typedef struct Step {
  fovea_plan *plan;
  const fovea_value *args;
  void *workspace;
  atomic_llong *next; /* of each phase: the first item that nobody has taken */
  pthread_barrier_t barrier;
} Step;

typedef struct Worker {
  Step *step;
  int number;
  pthread_t thread;
  fovea_status status;
  char message[256]; /* fovea_message() belongs to the thread that failed */
} Worker;

static void *work(void *user) {
  Worker *me = user;
  Step *step = me->step;
  for (int phase = 0; phase < fovea_plan_phases(step->plan); ++phase) {
    int64_t n = fovea_plan_items(step->plan, phase);
    int64_t i;
    while (!me->status && (i = atomic_fetch_add(&step->next[phase], 1)) < n)
      me->status = fovea_run_items(step->plan, 0, phase, i, i + 1, me->number,
                                   step->args, 4, step->workspace);
    if (me->status && !*me->message)
      snprintf(me->message, sizeof me->message, "%s", fovea_message());
    pthread_barrier_wait(&step->barrier);
  }
  return NULL;
}

static void run_on_own_threads(fovea_plan *plan, const fovea_value *args,
                               void *workspace) {
  Step step = {.plan = plan, .args = args, .workspace = workspace};
  size_t phases = (size_t)fovea_plan_phases(plan);
  step.next = allocate(phases * sizeof *step.next);
  for (size_t i = 0; i < phases; ++i)
    atomic_init(&step.next[i], 0);
  int failed = pthread_barrier_init(&step.barrier, NULL, THREADS);
  Worker workers[THREADS];
  for (int w = 0; w < THREADS; ++w)
    workers[w] = (Worker){.step = &step, .number = w};
  for (int w = 1; w < THREADS; ++w)
    failed |= pthread_create(&workers[w].thread, NULL, work, &workers[w]);
  if (failed) {
    fprintf(stderr, "cannot create threads\n");
    exit(1);
  }
  work(&workers[0]);
  for (int w = 1; w < THREADS; ++w)
    pthread_join(workers[w].thread, NULL);
  for (int w = 0; w < THREADS; ++w)
    if (workers[w].status) {
      fprintf(stderr, "worker %d: %s: %s\n", w,
              fovea_status_name(workers[w].status), workers[w].message);
      exit(1);
    }
  pthread_barrier_destroy(&step.barrier);
  free(step.next);
}

/* --- one step ------------------------------------------------------------ */

static int run_step(fovea_plan *plan, const char *name, int64_t heads,
                    int64_t sq, int64_t sk) {
  Tensor q, k, v, own, pool;
  make(&q, heads, sq);
  make(&k, KV_HEADS, sk);
  make(&v, KV_HEADS, sk);
  make(&own, heads, sq);
  make(&pool, heads, sq);
  fovea_value args[4] = {{FOVEA_TENSOR, {.tensor = &q.dl}},
                         {FOVEA_TENSOR, {.tensor = &k.dl}},
                         {FOVEA_TENSOR, {.tensor = &v.dl}},
                         {FOVEA_TENSOR, {.tensor = &own.dl}}};
  void *workspace = allocate(fovea_plan_workspace(plan));
  check(fovea_plan_update(plan, NULL, args, 4), "fovea_plan_update");
  fovea_stats stats = {.size = sizeof stats};
  check(fovea_plan_stats(plan, -1, &stats), "fovea_plan_stats");

  run_on_own_threads(plan, args, workspace);
  args[3].u.tensor = &pool.dl;
  check(fovea_run(plan, 0, args, 4, workspace, NULL), "fovea_run");

  size_t bytes = (size_t)(heads * sq * DIM) * sizeof(float);
  int same = memcmp(own.data, pool.data, bytes) == 0;
  double error = compare(&q, &k, &v, &own);
  int ok = same && error < 1e-5;
  printf("%-8s sq %4lld  sk %4lld: %lld items, %lld split, %lld tiles skipped; "
         "error %.1e, own threads and executor %s: %s\n",
         name, (long long)sq, (long long)sk, (long long)stats.items,
         (long long)stats.slots, (long long)stats.tiles_empty, error,
         same ? "agree" : "DIFFER", ok ? "ok" : "WRONG");
  free(workspace);
  free(q.data), free(k.data), free(v.data), free(own.data), free(pool.data);
  return ok;
}

/* --- load the model, serve two steps ------------------------------------- */

static void on_diagnostic(void *user, const fovea_diag *d) {
  (void)user;
  fprintf(stderr, "%s:%d:%d: %s\n", d->file, d->line, d->col, d->text);
}

int main(int argc, char **argv) {
  fovea_options options = {.size = sizeof options};
  check(fovea_executor_threads(THREADS, &options.exec),
        "fovea_executor_threads");
  fovea_ctx *ctx = NULL;
  check(fovea_open(FOVEA_API, &options, &ctx), "fovea_open");

  const int64_t heads = 4;
  const char *defines[] = {"H=4"};
  fovea_jit_info info = {.size = sizeof info};
  fovea_jit_options jit = {.size = sizeof jit,
                           .n_defines = 1,
                           .defines = defines,
                           .cache_dir = argc > 1 ? argv[1] : NULL,
                           .diag = on_diagnostic,
                           .info = &info};
  fovea_bundle *bundle = NULL;
  for (int i = 0; i < 2; ++i) { /* the second time the cache has it */
    fovea_bundle_close(bundle);
    check(
        fovea_jit_compile(ctx, "local.mlir", spec, strlen(spec), &jit, &bundle),
        "fovea_jit_compile");
    printf("%s local.mlir with %s in %.1f ms\n",
           info.cache_hit ? "loaded" : "compiled", defines[0], info.total_ms);
  }
  fovea_kernel *kernel = NULL;
  check(fovea_kernel_get(bundle, "local", FOVEA_CPU, &kernel),
        "fovea_kernel_get");
  fovea_bundle_close(bundle); /* the kernel keeps what it needs */
  printf("kernel %s for %s:", fovea_kernel_name(kernel),
         fovea_kernel_target(kernel));
  for (int i = 0; i < fovea_kernel_args(kernel); ++i) {
    fovea_arg_info arg = {.size = sizeof arg};
    check(fovea_kernel_arg(kernel, i, &arg), "fovea_kernel_arg");
    printf("%s %s[", arg.is_result ? " ->" : "", arg.name);
    for (int d = 0; d < arg.rank; ++d)
      arg.shape[d] < 0
          ? printf("%s%s", d ? ", " : "", arg.dims[d])
          : printf("%s%lld", d ? ", " : "", (long long)arg.shape[d]);
    printf("]");
  }
  printf("\n");
  check(fovea_seal(ctx), "fovea_seal"); /* nothing compiles while serving */

  fovea_plan_limits limits = {.size = sizeof limits,
                              .workers = THREADS,
                              .rows = CAPACITY,
                              .seqs = 1,
                              .max_len = CAPACITY};
  fovea_plan *plan = NULL;
  check(fovea_plan_create(kernel, &limits, &plan), "fovea_plan_create");
  int ok = run_step(plan, "prefill", heads, 1000, 1000);
  ok &= run_step(plan, "decode", heads, 1, 2000);

  fovea_plan_destroy(plan);
  fovea_kernel_release(kernel);
  fovea_close(ctx);
  return ok ? 0 : 1;
}
