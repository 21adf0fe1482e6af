/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * What the fake driver takes for machine code: this header, then `count`
 * functions, then the flat image of position-independent x86-64 code that their
 * offsets are in. A function is a fovea_stage_fn. */
#ifndef FOVEA_TEST_SUPPORT_FAKECUDA_H
#define FOVEA_TEST_SUPPORT_FAKECUDA_H

#include <stdint.h>

#define FAKE_CUBIN_MAGIC 0x4e4942554345u

typedef struct fake_cubin {
  uint64_t magic, count;
  uint64_t bytes; /* of the image */
} fake_cubin;

typedef struct fake_cubin_function {
  char name[48];
  uint64_t offset; /* in the image */
} fake_cubin_function;

#endif
