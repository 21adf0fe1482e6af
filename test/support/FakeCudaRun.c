/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Memory, modules and launches of the fake driver. Device memory faults unless
 * a call of the driver touches it, so that a runtime that reads it dies; and a
 * launch refuses what is no device memory. Functions are
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

/* --- contexts ------------------------------------------------------------ */

static int context;
static __thread int depth;

int fake_current(void) { return depth > 0 ? 0 : 201; }

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

int fake_lies(const void *p, size_t bytes, int pinned) {
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
  fake_finish(); /* as the driver does */
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
  fake_finish();
  return give(p, 1);
}

/* --- work ----------------------------------------------------------------- */

static int check_pointers(const fovea_abi_args *args,
                          const fovea_abi_plan *plan) {
  if (!fake_lies(args->views, args->n_views * sizeof *args->views, 0) ||
      !fake_lies(args->scalars, sizeof *args->scalars, 0) || args->summaries)
    return 700;
  for (uint32_t i = 0; i < args->n_views; ++i)
    /* An empty one may be at the end of a workspace. */
    if (args->views[i].data && !fake_lies(args->views[i].data, 0, 0))
      return 700;
  const void *tables[] = {plan->items, plan->symbols, plan->q_off,
                          plan->k_len, plan->row_off, plan->sources,
                          plan->rows,  plan->moves};
  for (int i = 0; i < 8; ++i)
    if (tables[i] && !fake_lies(tables[i], 1, 0))
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
  if (!fake_lies(w->values[0], sizeof(fovea_abi_args), 0) ||
      !fake_lies(w->values[1], sizeof(fovea_abi_plan), 0) ||
      !fake_lies(range, 16, 0) ||
      !fake_lies(scratch, sizeof(fovea_abi_counters) + 4, 0))
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

int fake_perform(const struct work *w) {
  open_memory(1);
  int result = 0;
  if (w->kind == FAKE_COPY)
    memcpy(w->to, w->from, w->bytes);
  else if (w->kind == FAKE_FILL)
    memset(w->to, w->value, w->bytes);
  else
    result = launch(w);
  open_memory(0);
  return result;
}

int cuMemcpyHtoDAsync_v2(pointer to, const void *from, size_t bytes,
                         void *stream) {
  CALL("cuMemcpyHtoDAsync_v2");
  struct work w = {
      .kind = FAKE_COPY, .to = (char *)to, .from = from, .bytes = bytes};
  return fake_lies(w.to, bytes, 0) && !fake_lies(from, 1, 0)
             ? fake_enqueue(stream, &w)
             : 1;
}
int cuMemcpyDtoHAsync_v2(void *to, pointer from, size_t bytes, void *stream) {
  CALL("cuMemcpyDtoHAsync_v2");
  struct work w = {
      .kind = FAKE_COPY, .to = to, .from = (char *)from, .bytes = bytes};
  return fake_lies(w.from, bytes, 0) && !fake_lies(to, 1, 0)
             ? fake_enqueue(stream, &w)
             : 1;
}
int cuMemcpyDtoDAsync_v2(pointer to, pointer from, size_t bytes, void *stream) {
  CALL("cuMemcpyDtoDAsync_v2");
  struct work w = {.kind = FAKE_COPY,
                   .to = (char *)to,
                   .from = (char *)from,
                   .bytes = bytes};
  return fake_lies(w.from, bytes, 0) && fake_lies(w.to, bytes, 0)
             ? fake_enqueue(stream, &w)
             : 1;
}
int cuMemsetD8Async(pointer to, unsigned char value, size_t bytes,
                    void *stream) {
  CALL("cuMemsetD8Async");
  struct work w = {
      .kind = FAKE_FILL, .to = (char *)to, .bytes = bytes, .value = value};
  return fake_lies(w.to, bytes, 0) ? fake_enqueue(stream, &w) : 1;
}

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
  fake_finish();
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
  struct work w = {.kind = FAKE_LAUNCH, .function = function};
  for (int i = 0; i < 4; ++i)
    memcpy(&w.values[i], parameters[i], sizeof(void *));
  return fake_enqueue(stream, &w);
}
