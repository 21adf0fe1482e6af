/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Finds what stands in for a kernel. A bundle for `sm_80,sm_80-emulated` has
 * the variants of each stage twice, in the same order: those with a launch and
 * those with an entry for the emulator. Of one for several GPUs it is the code
 * for the emulated twin of what the loader has picked. */
#include "test/support/FakeCudaStages.h"

#include <fcntl.h>
#include <fovea/bundle.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int fake_is_compiled(const void *image) {
  return !memcmp(image, "\177ELF", 4) || !memcmp(image, "//", 2);
}

typedef struct records {
  const char *data;
  uint64_t bytes;
} records;

static records section(const char *bundle, uint32_t kind, int64_t index) {
  const fovea_bundle_header *head = (const void *)bundle;
  const fovea_bundle_section *all = (const void *)(head + 1);
  for (uint32_t i = 0; i < head->n_sections; ++i)
    if (all[i].kind == kind && (index < 0 || all[i].index == index))
      return (records){bundle + all[i].offset, all[i].size};
  return (records){bundle, 0};
}

/* The targets: of the GPU's code that has `at` in it, and of the emulator's
 * code of the same kernels; -1: there is none. */
typedef struct twins {
  int device, emulated;
} twins;

static twins find_targets(const char *bundle, const char *at) {
  twins found = {-1, -1};
  records targets = section(bundle, FOVEA_SECTION_TARGETS, -1);
  const fovea_bundle_target *t = (const void *)targets.data;
  int n = (int)(targets.bytes / sizeof *t);
  const char *strings = section(bundle, FOVEA_SECTION_STRINGS, -1).data;
  for (int i = 0; i < n; ++i) {
    if (t[i].kind != FOVEA_TARGET_GPU)
      continue;
    records code = section(bundle, FOVEA_SECTION_GPU_CODE, t[i].code_section);
    if (found.device < 0 && at >= code.data && at < code.data + code.bytes)
      found.device = i;
  }
  char wanted[64] = "";
  if (found.device >= 0)
    snprintf(wanted, sizeof wanted, "%s-emulated",
             strings + t[found.device].name);
  for (int i = 0; i < n; ++i)
    if (!strcmp(strings + t[i].name, wanted))
      found.emulated = i;
  return found;
}

/* The pages of a bundle are one mapping that begins with its header. Those
 * before an image are looked at through the kernel: a foreign one has no header
 * before it, and what is not mapped ends the search. NULL: there is none. */
static const char *header_before(const char *image) {
  enum { PAGE = 4096, MOST_PAGES = 1 << 16 };
  int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  uintptr_t at = (uintptr_t)image / PAGE * PAGE;
  const char *found = NULL;
  for (int i = 0; i < MOST_PAGES && !found; ++i, at -= PAGE) {
    fovea_bundle_header head;
    if (pread(memory, &head, sizeof head, (off_t)at) != sizeof head)
      break;
    if (head.magic == FOVEA_BUNDLE_MAGIC &&
        head.version == FOVEA_BUNDLE_VERSION &&
        (uintptr_t)image - at < head.file_size)
      found = (const char *)at;
  }
  if (memory >= 0)
    close(memory);
  return found;
}

const void *fake_bundle_around(const void *image, int capability, int *result) {
  enum { INVALID_IMAGE = 200, NO_BINARY = 209 };
  *result = INVALID_IMAGE;
  const char *base = header_before(image);
  if (!base)
    return NULL;
  twins t = find_targets(base, image);
  const fovea_bundle_target *targets =
      (const void *)section(base, FOVEA_SECTION_TARGETS, -1).data;
  int made_for = 0;
  char feature = 0;
  if (t.device < 0 || sscanf(section(base, FOVEA_SECTION_STRINGS, -1).data +
                                 targets[t.device].name,
                             "sm_%d%c", &made_for, &feature) < 1)
    return NULL;
  *result = NO_BINARY;
  int cubin = *(const char *)image == '\177';
  if (t.emulated < 0 || made_for > capability ||
      (feature == 'a' && made_for != capability) ||
      (cubin && made_for / 10 != capability / 10))
    return NULL;
  *result = 0;
  return base;
}

/* The entry of a variant for a target. */
static const fovea_bundle_entry *entry_of(const fovea_bundle_variant *v,
                                          const fovea_bundle_entry *entries,
                                          int target) {
  for (uint32_t i = 0; i < v->entries.count; ++i)
    if (entries[v->entries.first + i].target == (uint32_t)target)
      return &entries[v->entries.first + i];
  return NULL;
}

fovea_stage_fn fake_stage(const void *bundle, const void *image,
                          const char *kernel) {
  const char *strings = section(bundle, FOVEA_SECTION_STRINGS, -1).data;
  records stages = section(bundle, FOVEA_SECTION_STAGES, -1);
  const fovea_bundle_stage *stage = (const void *)stages.data;
  const fovea_bundle_variant *variants =
      (const void *)section(bundle, FOVEA_SECTION_VARIANTS, -1).data;
  const fovea_bundle_entry *entries =
      (const void *)section(bundle, FOVEA_SECTION_ENTRIES, -1).data;
  const fovea_bundle_launch *launches =
      (const void *)section(bundle, FOVEA_SECTION_LAUNCHES, -1).data;
  const fovea_bundle_target *targets =
      (const void *)section(bundle, FOVEA_SECTION_TARGETS, -1).data;
  twins t = find_targets(bundle, image);
  for (uint64_t s = 0; s < stages.bytes / sizeof *stage; ++s) {
    const fovea_bundle_variant *v = variants + stage[s].variants.first;
    int wanted = -1, device = 0, emulated = 0;
    for (uint32_t i = 0; i < stage[s].variants.count; ++i) {
      const fovea_bundle_entry *e = entry_of(v + i, entries, t.device);
      if (e && !strcmp(strings + launches[e->launch].kernel, kernel))
        wanted = device;
      device += e != NULL;
    }
    for (uint32_t i = 0; i < stage[s].variants.count && wanted >= 0; ++i) {
      const fovea_bundle_entry *e = entry_of(v + i, entries, t.emulated);
      if (e && emulated++ == wanted)
        return (fovea_stage_fn)(section(bundle, FOVEA_SECTION_CODE,
                                        targets[t.emulated].code_section)
                                    .data +
                                e->offset);
    }
  }
  return NULL;
}
