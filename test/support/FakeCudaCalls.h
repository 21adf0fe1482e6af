/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * What the files of the fake driver share. */
#ifndef FOVEA_TEST_SUPPORT_FAKECUDACALLS_H
#define FOVEA_TEST_SUPPORT_FAKECUDACALLS_H

#include <fovea/abi.h>
#include <stddef.h>

typedef unsigned long long pointer; /* CUdeviceptr */

/* An integer of the environment. */
int fake_number(const char *variable, int otherwise);

/* Counts a call; what FAKE_CUDA_FAILS makes of it, else 0. */
int fake_result(const char *call);

/* How often a call was made. For tests. */
int fake_cuda_calls(const char *call);

/* 0 where the thread has a context. */
int fake_current(void);

#define CALL(name)                                                             \
  do {                                                                         \
    int result_ = fake_result(name);                                           \
    if (!result_)                                                              \
      result_ = fake_current();                                                \
    if (result_)                                                               \
      return result_;                                                          \
  } while (0)

/* Whether bytes are of the device, or pinned. */
int fake_lies(const void *p, size_t bytes, int pinned);

struct function {
  fovea_stage_fn code;
};

struct stream;

struct work {
  enum { FAKE_COPY, FAKE_FILL, FAKE_LAUNCH, FAKE_WAIT } kind;
  char *to;
  const char *from;
  size_t bytes;
  unsigned char value;
  struct function *function;
  void *values[4];
  struct stream *before; /* what is waited for: its first `number` works */
  size_t number;
  char *held; /* a copy of pageable memory, to be freed */
  struct work *next;
};

/* Does a copy, a fill or a launch now. */
int fake_perform(const struct work *w);

/* Does it, notes it for a capture, or where FAKE_CUDA_LAZY is set keeps it
 * until somebody waits. */
int fake_enqueue(void *stream, const struct work *w);

/* Does all that is kept. */
int fake_finish(void);

#endif
