/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Memory, streams, graphs and launches of the fake driver. Work is done when it
 * is enqueued, or when the graph that it was captured into is launched. Device
 * memory faults unless a call of the driver touches it, so that a runtime that
 * reads it dies; and a launch refuses what is no device memory. Functions are
 * x86-64 code that runs through the emulator of FAKE_CUDA_EMULATOR: of a test's
 * own, or the emulated code that a compiled bundle has beside the GPU's. */
#define _GNU_SOURCE
#include "codegen/gpu/emulator/Emulator.h"
#include "test/support/FakeCuda.h"
#include "test/support/FakeCudaCalls.h"
#include "test/support/FakeCudaStages.h"

#include <dlfcn.h>
#include <fovea/abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef unsigned long long pointer;

/* --- contexts ------------------------------------------------------------ */

static int context;
static __thread int depth;

static int current(void) { return depth > 0 ? 0 : 201; }

#define CALL(name)                                                             \
  do {                                                                         \
    int result_ = fake_result(name);                                           \
    if (!result_)                                                              \
      result_ = current();                                                     \
    if (result_)                                                               \
      return result_;                                                          \
  } while (0)

int cuDevicePrimaryCtxRetain(void **out, int device) {
  *out = &context;
  return device >= 40 ? fake_result("cuDevicePrimaryCtxRetain") : 101;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
  (void)device;
  return fake_result("cuDevicePrimaryCtxRelease");
}
int cuCtxPushCurrent_v2(void *it) {
  int result = it == &context ? fake_result("cuCtxPushCurrent_v2") : 201;
  depth += !result;
  return result;
}
int cuCtxPopCurrent_v2(void **out) {
  *out = &context;
  --depth;
  return 0;
}
int cuCtxSynchronize(void) {
  CALL("cuCtxSynchronize");
  return 0;
}

/* --- memory -------------------------------------------------------------- */

static struct range {
  char *base;
  size_t bytes, mapped;
  int pinned;
} ranges[256];
static size_t used;

static void open_memory(int open) {
  for (int i = 0; i < 256; ++i)
    if (ranges[i].base && !ranges[i].pinned)
      mprotect(ranges[i].base, ranges[i].mapped,
               open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

static int lies(const void *p, size_t bytes, int pinned) {
  const char *at = p;
  for (int i = 0; i < 256; ++i)
    if (ranges[i].base && ranges[i].pinned == pinned && at >= ranges[i].base &&
        at + bytes <= ranges[i].base + ranges[i].bytes)
      return 1;
  return 0;
}

static int take(size_t bytes, int pinned, char **out) {
  size_t most = (size_t)fake_number("FAKE_CUDA_MEMORY", 1 << 30);
  size_t mapped = (bytes + 4095) / 4096 * 4096;
  if (!pinned && (bytes > most || used + bytes > most))
    return 2;
  for (int i = 0; i < 256; ++i)
    if (!ranges[i].base) {
      char *base =
          mmap(NULL, mapped, pinned ? PROT_READ | PROT_WRITE : PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (base == MAP_FAILED)
        return 2;
      ranges[i] = (struct range){base, bytes, mapped, pinned};
      used += pinned ? 0 : bytes;
      *out = base;
      /* Memory of a GPU is not zero. */
      open_memory(1);
      if (!pinned)
        memset(base, 0xa5, bytes);
      open_memory(0);
      return 0;
    }
  return 2;
}

static int give(char *base, int pinned) {
  for (int i = 0; i < 256; ++i)
    if (ranges[i].base == base && ranges[i].pinned == pinned) {
      munmap(base, ranges[i].mapped);
      used -= pinned ? 0 : ranges[i].bytes;
      ranges[i].base = NULL;
      return 0;
    }
  return 1;
}

/* What is allocated now. For tests. */
size_t fake_cuda_memory(void) { return used; }

int cuMemAlloc_v2(pointer *out, size_t bytes) {
  CALL("cuMemAlloc_v2");
  char *base = NULL;
  int result = bytes ? take(bytes, 0, &base) : 1;
  *out = (pointer)base;
  return result;
}
int cuMemFree_v2(pointer p) {
  CALL("cuMemFree_v2");
  return give((char *)p, 0);
}
int cuMemGetInfo_v2(size_t *available, size_t *total) {
  CALL("cuMemGetInfo_v2");
  *total = (size_t)fake_number("FAKE_CUDA_MEMORY", 1 << 30);
  *available = *total - used;
  return 0;
}
int cuMemHostAlloc(void **out, size_t bytes, unsigned flags) {
  (void)flags;
  CALL("cuMemHostAlloc");
  char *base = NULL;
  int result = take(bytes, 1, &base);
  *out = base;
  return result;
}
int cuMemFreeHost(void *p) {
  CALL("cuMemFreeHost");
  return give(p, 1);
}

/* --- streams and graphs -------------------------------------------------- */

struct function {
  fovea_stage_fn code;
};

struct work {
  enum { COPY, FILL, LAUNCH } kind;
  char *to;
  const char *from;
  size_t bytes;
  unsigned char value;
  struct function *function;
  void *values[4];
  struct work *next;
};

struct stream {
  int capturing;
  struct work *first, **last;
};

static int check_pointers(const fovea_abi_args *args,
                          const fovea_abi_plan *plan) {
  if (!lies(args->views, args->n_views * sizeof *args->views, 0) ||
      !lies(args->scalars, sizeof *args->scalars, 0) || args->summaries)
    return 700;
  for (uint32_t i = 0; i < args->n_views; ++i)
    /* An empty one may be at the end of a workspace. */
    if (args->views[i].data && !lies(args->views[i].data, 0, 0))
      return 700;
  const void *tables[] = {plan->items, plan->symbols, plan->q_off,
                          plan->k_len, plan->row_off, plan->sources,
                          plan->rows,  plan->moves};
  for (int i = 0; i < 8; ++i)
    if (tables[i] && !lies(tables[i], 1, 0))
      return 700;
  return 0;
}

static const void *emulator(void) {
  static const void *table;
  const char *path = getenv("FAKE_CUDA_EMULATOR");
  void *library = path && !table ? dlopen(path, RTLD_NOW) : NULL;
  const fovea_emulator_table_t *(*get)(void) = NULL;
  if (library)
    get = (const fovea_emulator_table_t *(*)(void))dlsym(library,
                                                         "fovea_emulator_get");
  if (get)
    table = get();
  return table;
}

static int launch(const struct work *w) {
  const int64_t *range = w->values[2];
  char *scratch = w->values[3];
  if (!lies(w->values[0], sizeof(fovea_abi_args), 0) ||
      !lies(w->values[1], sizeof(fovea_abi_plan), 0) || !lies(range, 16, 0) ||
      !lies(scratch, sizeof(fovea_abi_counters) + 4, 0))
    return 700;
  fovea_abi_args args;
  memcpy(&args, w->values[0], sizeof args);
  int result = check_pointers(&args, w->values[1]);
  if (result)
    return result;
  args.device = emulator();
  if (range[0] == range[1])
    return 0;
  int32_t code =
      w->function->code(&args, w->values[1], range[0], range[1], scratch);
  if (code)
    memcpy(scratch + sizeof(fovea_abi_counters), &code, sizeof code);
  return 0;
}

static int perform(const struct work *w) {
  open_memory(1);
  int result = 0;
  if (w->kind == COPY)
    memcpy(w->to, w->from, w->bytes);
  else if (w->kind == FILL)
    memset(w->to, w->value, w->bytes);
  else
    result = launch(w);
  open_memory(0);
  return result;
}

static int enqueue(void *on, const struct work *w) {
  struct stream *stream = on;
  if (!stream || !stream->capturing)
    return perform(w);
  if (w->kind == COPY && !lies(w->from, w->bytes, 0))
    return 900; /* of memory that may have changed by then */
  if (w->kind == COPY && !lies(w->to, w->bytes, 0) && !lies(w->to, w->bytes, 1))
    return 900;
  struct work *kept = malloc(sizeof *kept);
  *kept = *w;
  kept->next = NULL;
  *stream->last = kept;
  stream->last = &kept->next;
  return 0;
}

int cuStreamCreate(void **out, unsigned flags) {
  (void)flags;
  CALL("cuStreamCreate");
  struct stream *stream = calloc(1, sizeof *stream);
  stream->last = &stream->first;
  *out = stream;
  return 0;
}
int cuStreamDestroy_v2(void *stream) {
  CALL("cuStreamDestroy_v2");
  free(stream);
  return 0;
}
int cuStreamSynchronize(void *on) {
  CALL("cuStreamSynchronize");
  struct stream *stream = on;
  return stream && stream->capturing ? 900 : 0;
}
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
  (void)stream, (void)flags;
  CALL("cuStreamWaitEvent");
  return event ? 0 : 400;
}
int cuEventCreate(void **out, unsigned flags) {
  (void)flags;
  CALL("cuEventCreate");
  *out = malloc(1);
  return 0;
}
int cuEventDestroy_v2(void *event) {
  CALL("cuEventDestroy_v2");
  free(event);
  return 0;
}
int cuEventRecord(void *event, void *on) {
  CALL("cuEventRecord");
  struct stream *stream = on;
  return !event ? 400 : stream && stream->capturing ? 900 : 0;
}

int cuMemcpyHtoDAsync_v2(pointer to, const void *from, size_t bytes,
                         void *stream) {
  CALL("cuMemcpyHtoDAsync_v2");
  struct work w = {
      .kind = COPY, .to = (char *)to, .from = from, .bytes = bytes};
  return lies(w.to, bytes, 0) && !lies(from, 1, 0) ? enqueue(stream, &w) : 1;
}
int cuMemcpyDtoHAsync_v2(void *to, pointer from, size_t bytes, void *stream) {
  CALL("cuMemcpyDtoHAsync_v2");
  struct work w = {
      .kind = COPY, .to = to, .from = (char *)from, .bytes = bytes};
  return lies(w.from, bytes, 0) && !lies(to, 1, 0) ? enqueue(stream, &w) : 1;
}
int cuMemcpyDtoDAsync_v2(pointer to, pointer from, size_t bytes, void *stream) {
  CALL("cuMemcpyDtoDAsync_v2");
  struct work w = {
      .kind = COPY, .to = (char *)to, .from = (char *)from, .bytes = bytes};
  return lies(w.from, bytes, 0) && lies(w.to, bytes, 0) ? enqueue(stream, &w)
                                                        : 1;
}
int cuMemsetD8Async(pointer to, unsigned char value, size_t bytes,
                    void *stream) {
  CALL("cuMemsetD8Async");
  struct work w = {
      .kind = FILL, .to = (char *)to, .bytes = bytes, .value = value};
  return lies(w.to, bytes, 0) ? enqueue(stream, &w) : 1;
}

int cuStreamBeginCapture_v2(void *on, int mode) {
  (void)mode;
  CALL("cuStreamBeginCapture_v2");
  struct stream *stream = on;
  if (!stream || stream->capturing)
    return 900;
  stream->capturing = 1;
  return 0;
}
int cuStreamEndCapture(void *on, void **out) {
  struct stream *stream = on;
  stream->capturing = 0;
  *out = stream->first;
  stream->first = NULL;
  stream->last = &stream->first;
  CALL("cuStreamEndCapture");
  return 0;
}
int cuGraphInstantiateWithFlags(void **out, void *graph,
                                unsigned long long flags) {
  (void)flags;
  CALL("cuGraphInstantiateWithFlags");
  struct work *copy = NULL, **last = &copy;
  for (struct work *w = graph; w; w = w->next) {
    *last = malloc(sizeof *w);
    **last = *w;
    (*last)->next = NULL;
    last = &(*last)->next;
  }
  *out = copy;
  return 0;
}
int cuGraphLaunch(void *graph, void *stream) {
  (void)stream;
  CALL("cuGraphLaunch");
  for (struct work *w = graph; w; w = w->next) {
    int result = perform(w);
    if (result)
      return result;
  }
  return 0;
}
static int release(struct work *w) {
  while (w) {
    struct work *next = w->next;
    free(w);
    w = next;
  }
  return 0;
}
int cuGraphDestroy(void *graph) { return release(graph); }
int cuGraphExecDestroy(void *graph) { return release(graph); }

/* --- code ---------------------------------------------------------------- */

struct module {
  char *pages;
  size_t bytes, count;
  fake_cubin_function *names;
  struct function *functions;
  const void *bundle, *image; /* compiled: it has the code */
};

int cuModuleLoadDataEx(void **out, const void *image, unsigned n, int *options,
                       void **values) {
  CALL("cuModuleLoadDataEx");
  fake_cubin head;
  if (!memcmp(image, ".version", 8)) { /* PTX, which this driver cannot read */
    for (unsigned i = 0; i < n; ++i)
      if (options[i] == 5)
        strcpy(values[i], "ptxas fatal: this is a fake");
    return 218;
  }
  if (fake_is_compiled(image)) {
    int result = 0;
    const void *bundle = fake_bundle_around(
        image, fake_number("FAKE_CUDA_CAPABILITY", 90), &result);
    if (!bundle)
      return result;
    struct module *m = calloc(1, sizeof *m);
    m->bundle = bundle;
    m->image = image;
    m->functions = calloc(1, sizeof *m->functions);
    *out = m;
    return 0;
  }
  memcpy(&head, image, sizeof head);
  if (head.magic != FAKE_CUBIN_MAGIC)
    return 200;
  struct module *m = calloc(1, sizeof *m);
  size_t names = head.count * sizeof *m->names;
  m->count = head.count;
  m->names = malloc(names);
  m->functions = calloc(head.count, sizeof *m->functions);
  memcpy(m->names, (const char *)image + sizeof head, names);
  m->bytes = head.bytes;
  m->pages = mmap(NULL, head.bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(m->pages, (const char *)image + sizeof head + names, head.bytes);
  mprotect(m->pages, head.bytes, PROT_READ | PROT_EXEC);
  for (size_t i = 0; i < m->count; ++i)
    m->functions[i].code = (fovea_stage_fn)(m->pages + m->names[i].offset);
  *out = m;
  return 0;
}
int cuModuleUnload(void *module) {
  CALL("cuModuleUnload");
  struct module *m = module;
  if (m->pages)
    munmap(m->pages, m->bytes);
  free(m->names);
  free(m->functions);
  free(m);
  return 0;
}
int cuModuleGetFunction(void **out, void *module, const char *name) {
  CALL("cuModuleGetFunction");
  struct module *m = module;
  if (m->bundle) { /* one kernel, never linked with others */
    m->functions->code = fake_stage(m->bundle, m->image, name);
    *out = m->functions;
    return m->functions->code ? 0 : 500;
  }
  for (size_t i = 0; i < m->count; ++i)
    if (!strcmp(m->names[i].name, name)) {
      *out = &m->functions[i];
      return 0;
    }
  return 500;
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
  CALL("cuFuncSetAttribute");
  return function && attribute == 8 && value >= 0 ? 0 : 1;
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *out, void *function,
                                                int threads, size_t shared) {
  CALL("cuOccupancyMaxActiveBlocksPerMultiprocessor");
  *out = 232448 / (shared > 100000 ? (int)shared : 100000);
  return function && threads ? 0 : 1;
}
int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z,
                   unsigned threads, unsigned ty, unsigned tz, unsigned shared,
                   void *stream, void **parameters, void **extra) {
  (void)extra, (void)shared;
  CALL("cuLaunchKernel");
  if (!x || y != 1 || z != 1 || !threads || ty != 1 || tz != 1)
    return 1;
  struct work w = {.kind = LAUNCH, .function = function};
  for (int i = 0; i < 4; ++i)
    memcpy(&w.values[i], parameters[i], sizeof(void *));
  return enqueue(stream, &w);
}
