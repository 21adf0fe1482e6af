/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Speculative decoding with trees of drafts in one file: per step the draft
 * model proposes a tree behind each sequence's last token, one call per layer
 * attends with all rows of all trees, the path that the model agrees with is
 * committed, and the rest is forgotten. The same tokens are then generated one
 * by one, and the attention of both must agree. Links libfovea-rt only.
 *
 *   speculative [SPEC [CACHE_DIRECTORY]]
 */
#include "examples/speculative/model.h"

#include <fovea/jit.h>
#include <fovea/runtime.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  SEQS = 2,    /* sequences of a step */
  WANTS = 120, /* tokens that each is to generate */
  PROMPT = 150,
  MAX_LEN = 1024,
  DEPTH = 4,       /* levels of drafts */
  MOST_NODES = 32, /* rows of a tree, the last token's included */
  ROWS = SEQS * (PROMPT > MOST_NODES ? PROMPT : MOST_NODES)
};

/* How many drafts follow a node of each level: a tree of 1 + 3 + 6 + 6 + 6 rows
 * for one sequence, a chain for the other. */
static const int branches[SEQS][DEPTH] = {{3, 2, 1, 1}, {1, 1, 1, 1}};

/* One sequence's rows of a step. Row 0 is the token that the model said last
 * and that no cache has seen; the others are drafts. */
typedef struct Tree {
  int n;
  int token[PROMPT > MOST_NODES ? PROMPT : MOST_NODES];
  int32_t parent[PROMPT > MOST_NODES ? PROMPT : MOST_NODES];
  int next[PROMPT > MOST_NODES ? PROMPT : MOST_NODES]; /* the model's answer */
} Tree;

/* What a sequence has generated, and what the last layer's attention returned
 * for it. */
typedef struct Answer {
  int n, token[WANTS + DEPTH + 1];
  float o[WANTS + DEPTH + 1][WIDTH];
} Answer;

typedef struct Engine {
  fovea_ctx *ctx;
  fovea_kernel *kernel;
  fovea_kv *kv;
  fovea_plan *plan;
  void *workspace;
  float *x, *q, *k, *v, *o; /* rows of all sequences of a step */
} Engine;

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
  fovea_jit_options jit = {.size = sizeof jit,
                           .n_defines = 3,
                           .defines = defines,
                           .cache_dir = cache_dir,
                           .diag = on_diagnostic};
  fovea_bundle *bundle = NULL;
  check(fovea_jit_compile(e->ctx, path, text, length, &jit, &bundle),
        "fovea_jit_compile");
  check(fovea_kernel_get(bundle, "step", FOVEA_CPU, &e->kernel),
        "fovea_kernel_get");
  fovea_bundle_close(bundle);
  fovea_kv_limits room = {.size = sizeof room,
                          .layers = LAYERS,
                          .seqs = 2 * SEQS,
                          .max_len = MAX_LEN,
                          .rows = ROWS,
                          .device = FOVEA_CPU};
  check(fovea_kv_create(e->kernel, 3, &room, &e->kv), "fovea_kv_create");
  fovea_plan_limits limits = {.size = sizeof limits,
                              .rows = ROWS,
                              .seqs = SEQS,
                              .max_len = MAX_LEN,
                              .tree_rows = SEQS * MOST_NODES};
  check(fovea_plan_create(e->kernel, &limits, &e->plan), "fovea_plan_create");
  e->workspace = allocate(fovea_plan_workspace(e->plan));
  e->x = allocate(sizeof(float) * ROWS * WIDTH);
  e->q = allocate(sizeof(float) * ROWS * WIDTH);
  e->k = allocate(sizeof(float) * ROWS * KV_WIDTH);
  e->v = allocate(sizeof(float) * ROWS * KV_WIDTH);
  e->o = allocate(sizeof(float) * ROWS * WIDTH);
  check(fovea_seal(e->ctx), "fovea_seal");
}

static void close_engine(Engine *e) {
  free(e->x), free(e->q), free(e->k), free(e->v), free(e->o);
  free(e->workspace);
  fovea_plan_destroy(e->plan);
  fovea_kv_destroy(e->kv);
  fovea_kernel_release(e->kernel);
  fovea_close(e->ctx);
}

static fovea_tensor describe(float *data, int64_t shape[3], int64_t rows,
                             int64_t heads) {
  shape[0] = rows, shape[1] = heads, shape[2] = DIM;
  fovea_tensor t = {.data = data,
                    .device = {kDLCPU, 0},
                    .ndim = 3,
                    .dtype = {kDLFloat, 32, 1},
                    .shape = shape};
  return t;
}

/* All layers for the rows of all trees; fills in what the model says behind
 * every row. The rows stay uncommitted. */
static void run_step(Engine *e, const uint64_t *seq, Tree *trees) {
  int32_t rows[SEQS + 1] = {0}, parent[ROWS];
  for (int i = 0; i < SEQS; ++i) {
    rows[i + 1] = rows[i] + trees[i].n;
    for (int r = 0; r < trees[i].n; ++r) {
      parent[rows[i] + r] = trees[i].parent[r];
      model_embed(trees[i].token[r], e->x + (rows[i] + r) * WIDTH);
    }
  }
  const int total = rows[SEQS];
  int64_t shapes[4][3];
  fovea_tensor q = describe(e->q, shapes[0], total, HEADS);
  fovea_tensor k = describe(e->k, shapes[1], total, KV_HEADS);
  fovea_tensor v = describe(e->v, shapes[2], total, KV_HEADS);
  fovea_tensor o = describe(e->o, shapes[3], total, HEADS);
  fovea_value args[5] = {{FOVEA_TENSOR, {.tensor = &q}},
                         {FOVEA_TENSOR, {.tensor = &k}},
                         {FOVEA_TENSOR, {.tensor = &v}},
                         {FOVEA_CACHE, {.kv = e->kv}},
                         {FOVEA_TENSOR, {.tensor = &o}}};
  fovea_batch step = {.size = sizeof step,
                      .n = SEQS,
                      .seq = seq,
                      .rows = rows,
                      .parent = parent};
  check(fovea_plan_update(e->plan, &step, args, 5), "fovea_plan_update");
  for (int layer = 0; layer < LAYERS; ++layer) {
    for (int r = 0; r < total; ++r)
      model_project(layer, e->x + r * WIDTH, e->q + r * WIDTH,
                    e->k + r * KV_WIDTH, e->v + r * KV_WIDTH);
    check(fovea_run(e->plan, layer, args, 5, e->workspace, NULL), "fovea_run");
    for (int r = 0; r < total; ++r)
      model_add(layer, e->o + r * WIDTH, e->x + r * WIDTH);
  }
  for (int i = 0; i < SEQS; ++i)
    for (int r = 0; r < trees[i].n; ++r)
      trees[i].next[r] = model_next(e->x + (rows[i] + r) * WIDTH);
}

/* --- drafting and acceptance ---------------------------------------------- */

static void chain(Tree *tree, const int *tokens, int n) {
  tree->n = n;
  for (int r = 0; r < n; ++r) {
    tree->token[r] = tokens[r];
    tree->parent[r] = r - 1;
  }
}

/* Level by level, so that parents come before children. */
static void draft(Tree *tree, int last, const int *width) {
  chain(tree, &last, 1);
  for (int level = 0, begin = 0; level < DEPTH; ++level) {
    const int end = tree->n;
    for (int node = begin; node < end; ++node) {
      int tokens[MOST_NODES];
      draft_next(tree->token[node], width[level], tokens);
      for (int i = 0; i < width[level]; ++i) {
        tree->token[tree->n] = tokens[i];
        tree->parent[tree->n++] = node;
      }
    }
    begin = end;
  }
}

/* The longest path from row 0 on which every draft is what the model says. */
static int accept(const Tree *tree, int32_t *path) {
  int n = 1;
  path[0] = 0;
  for (int r = 1; r < tree->n; ++r)
    if (tree->parent[r] == path[n - 1] &&
        tree->token[r] == tree->next[path[n - 1]])
      path[n++] = r;
  return n;
}

/* Takes the rows of a path of tree i as the next of its answer. */
static void keep(Engine *e, const uint64_t *seq, const Tree *trees, int i,
                 const int32_t *path, int n, Answer *answer) {
  int first = 0;
  for (int before = 0; before < i; ++before)
    first += trees[before].n;
  for (int j = 0; j < n && answer->n < WANTS; ++j) {
    memcpy(answer->o[answer->n], e->o + (first + path[j]) * WIDTH,
           sizeof answer->o[0]);
    answer->token[answer->n++] = trees[i].next[path[j]];
  }
  check(fovea_kv_commit(e->kv, seq[i], path, n, NULL), "fovea_kv_commit");
}

/* The prompts into the cache; their last rows say the first tokens. */
static void prefill(Engine *e, const uint64_t *seq, Tree *trees,
                    Answer *answers) {
  for (int i = 0; i < SEQS; ++i) {
    int tokens[PROMPT];
    for (int t = 0; t < PROMPT; ++t)
      tokens[t] = (t * t * 7 + 31 * (i + 1) * t + 5 * i) % VOCABULARY;
    chain(&trees[i], tokens, PROMPT);
    check(fovea_kv_new(e->kv, seq[i]), "fovea_kv_new");
  }
  run_step(e, seq, trees);
  for (int i = 0; i < SEQS; ++i) {
    check(fovea_kv_commit(e->kv, seq[i], NULL, -1, NULL), "fovea_kv_commit");
    answers[i].token[0] = trees[i].next[PROMPT - 1];
    memset(answers[i].o[0], 0, sizeof answers[i].o[0]);
    answers[i].n = 1;
  }
}

/* Generates until all sequences have WANTS tokens; the number of steps. A
 * sequence that has them goes on, and what it says is not kept. */
static int generate(Engine *e, const uint64_t *seq, int speculate,
                    Answer *answers) {
  static Tree trees[SEQS];
  int steps = 0, last[SEQS];
  prefill(e, seq, trees, answers);
  for (int i = 0; i < SEQS; ++i)
    last[i] = answers[i].token[0];
  while (answers[0].n < WANTS || answers[1].n < WANTS) {
    for (int i = 0; i < SEQS; ++i)
      if (speculate)
        draft(&trees[i], last[i], branches[i]);
      else
        chain(&trees[i], &last[i], 1);
    run_step(e, seq, trees);
    if (speculate)
      printf("step %2d:", steps);
    for (int i = 0; i < SEQS; ++i) {
      int32_t path[DEPTH + 1];
      int n = accept(&trees[i], path);
      last[i] = trees[i].next[path[n - 1]];
      if (speculate) {
        printf("  sequence %d accepts %d of %2d drafts:", (int)seq[i], n - 1,
               trees[i].n - 1);
        for (int j = 0; j <= DEPTH; ++j)
          printf(j < n ? " %3d" : "    ", j < n ? trees[i].next[path[j]] : 0);
      }
      keep(e, seq, trees, i, path, n, &answers[i]);
    }
    if (speculate)
      printf("\n");
    ++steps;
  }
  return steps;
}

int main(int argc, char **argv) {
  Engine e = {0};
  static Answer fast[SEQS], plain[SEQS];
  const uint64_t trees[SEQS] = {1, 2}, singles[SEQS] = {11, 12};
  model_init();
  open_engine(&e, argc > 1 ? argv[1] : SPECULATIVE_SPEC,
              argc > 2 ? argv[2] : NULL);
  int steps = generate(&e, trees, 1, fast);
  int single_steps = generate(&e, singles, 0, plain);

  int wrong = 0;
  double worst = 0, largest = 0;
  for (int i = 0; i < SEQS; ++i)
    for (int t = 0; t < WANTS; ++t) {
      wrong += fast[i].token[t] != plain[i].token[t];
      for (int c = 0; c < WIDTH; ++c) {
        double error = fabs((double)fast[i].o[t][c] - plain[i].o[t][c]);
        worst = error <= worst ? worst : error; /* a NaN stays */
        largest = fmax(largest, fabs((double)plain[i].o[t][c]));
      }
    }
  int ok = wrong == 0 && worst < 1e-5 * largest && steps < single_steps;
  printf("%d tokens of %d sequences in %d steps with drafts, %d without\n",
         WANTS, SEQS, steps, single_steps);
  printf("%d tokens differ; largest difference %.1e of the largest output: "
         "%s\n",
         wrong, worst / largest, ok ? "ok" : "WRONG");
  close_engine(&e);
  return ok ? 0 : 1;
}
