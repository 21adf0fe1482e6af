/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The interface of libfovea-emulator: it runs the threads of a GPU kernel that
 * was compiled for x86-64, each as a fiber of the calling thread. For code
 * lowered from `hw` and for whoever loads such code. Needs no compiler. A table
 * is immutable; launches of different threads are independent. */
#ifndef FOVEA_CODEGEN_GPU_EMULATOR_EMULATOR_H
#define FOVEA_CODEGEN_GPU_EMULATOR_EMULATOR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A thread of a CTA; opaque to the kernel. */
typedef struct fovea_emulator_unit fovea_emulator_unit_t;

/** Global memory that a kernel may touch. */
typedef struct fovea_emulator_range {
  const void *base;
  uint64_t bytes;
  uint32_t writable;
  uint32_t reserved;
} fovea_emulator_range_t;

/** What `launch` returns: the first error of the launch. */
typedef enum fovea_emulator_error {
  FOVEA_EMULATOR_OK = 0,
  FOVEA_EMULATOR_INVALID = 1,       /**< operands that PTX does not allow */
  FOVEA_EMULATOR_DEADLOCK = 2,      /**< every thread waits, or spins */
  FOVEA_EMULATOR_BOUNDS = 3,        /**< outside of shared or global memory */
  FOVEA_EMULATOR_MISALIGNED = 4,    /**< an address that is not aligned */
  FOVEA_EMULATOR_UNINITIALISED = 5, /**< shared memory nobody has written */
  FOVEA_EMULATOR_IN_FLIGHT = 6,     /**< touched before an async copy's wait */
  FOVEA_EMULATOR_DIVERGED = 7,      /**< lanes of a warp in different calls */
  FOVEA_EMULATOR_RESOURCES = 8,     /**< no memory for the threads' stacks */
  FOVEA_EMULATOR_PROXY = 9,         /**< an async read without its fence */
  FOVEA_EMULATOR_RACE = 10          /**< accesses that nothing orders */
} fovea_emulator_error_t;

/** The formats of `pack` and `unpack`, and the operands of `mma`. */
enum {
  FOVEA_EMULATOR_F16 = 0,
  FOVEA_EMULATOR_BF16 = 1,
  FOVEA_EMULATOR_S8 = 2,
  FOVEA_EMULATOR_S4 = 3,
  FOVEA_EMULATOR_E4M3 = 4,
  FOVEA_EMULATOR_E5M2 = 5
};
/** The modes of `shuffle`. */
enum {
  FOVEA_EMULATOR_XOR = 0,
  FOVEA_EMULATOR_IDX = 1,
  FOVEA_EMULATOR_UP = 2,
  FOVEA_EMULATOR_DOWN = 3
};
/** The modes of `vote`. */
enum {
  FOVEA_EMULATOR_ANY = 0,
  FOVEA_EMULATOR_ALL = 1,
  FOVEA_EMULATOR_BALLOT = 2
};
/** The operations of an atomic. */
enum {
  FOVEA_EMULATOR_ADD = 0,
  FOVEA_EMULATOR_MAX = 1,
  FOVEA_EMULATOR_MIN = 2,
  FOVEA_EMULATOR_EXCH = 3,
  FOVEA_EMULATOR_CAS = 4
};
/** The types of an atomic; max and min compare as signed. */
enum { FOVEA_EMULATOR_I32 = 0, FOVEA_EMULATOR_I64 = 1, FOVEA_EMULATOR_F32 = 2 };
/** The orders of loads, stores and atomics. */
enum {
  FOVEA_EMULATOR_WEAK = 0,
  FOVEA_EMULATOR_RELAXED = 1,
  FOVEA_EMULATOR_ACQUIRE = 2,
  FOVEA_EMULATOR_RELEASE = 3,
  FOVEA_EMULATOR_ACQ_REL = 4
};

/** What stands for a CUtensorMap: a tensor and the boxes of it that are copied.
 * The innermost dimension is the first. */
typedef struct fovea_emulator_tensor_map {
  void *base;
  uint32_t rank;          /**< 1 to 5 */
  uint32_t element_bytes; /**< a power of two */
  uint64_t dims[5];
  uint64_t strides[5]; /**< in bytes, also of dimension 0 */
  uint32_t box[5];
  uint32_t swizzle; /**< 0: none; 1, 2, 3: 32, 64, 128 bytes */
} fovea_emulator_tensor_map_t;

/** One launch. The CTAs run one after the other on the calling thread, in the
 * order of their ids: a CTA may wait for an earlier one, not for a later one.
 * A seed other than 0 shuffles the threads and switches between them at
 * accesses of memory. Without ranges global addresses are not checked. Races
 * are looked for unless FOVEA_EMULATOR_RACES=off is in the environment. */
typedef struct fovea_emulator_launch {
  uint64_t size; /**< sizeof(fovea_emulator_launch_t) */
  const char *kernel;
  void (*body)(fovea_emulator_unit_t *unit, void *env);
  void *env;
  uint32_t ctas;
  uint32_t threads;
  uint32_t shared_bytes;
  uint32_t seed;
  const fovea_emulator_range_t *ranges;
  uint64_t range_count;
  char message[1024]; /**< what went wrong, "" otherwise */
} fovea_emulator_launch_t;

/** The version of the table. */
#define FOVEA_EMULATOR_VERSION 1

/** The calls. */
typedef struct fovea_emulator_table {
  uint64_t size;
  uint64_t version;
#define Unit fovea_emulator_unit_t *
#define FOVEA_EMULATOR_CALL(result, name, parameters) result(*name) parameters;
#include "codegen/gpu/emulator/Calls.def"
#undef FOVEA_EMULATOR_CALL
#undef Unit
} fovea_emulator_table_t;

/** The table of this library. Never NULL. */
__attribute__((visibility("default"))) const fovea_emulator_table_t *
fovea_emulator_get(void);

/** What went wrong in the calling thread's last launch, "" if nothing did. For
 * a host whose stages return the error and lose the text. Told once, and valid
 * until the thread's next launch. */
__attribute__((visibility("default"))) const char *fovea_emulator_message(void);

#ifdef __cplusplus
}
#endif
#endif
