/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * fovea/jit.h - compile a spec at model load.
 *
 * First part, for engines: fovea_jit_compile lives in libfovea-rt. It looks the
 * spec up in the disk cache and only on a miss loads libfovea-jit.so (which
 * needs LLVM), so engines never link a compiler and a hit touches none.
 *
 * Second part, for libfovea-jit: what that library exports.
 */
#ifndef FOVEA_JIT_H
#define FOVEA_JIT_H

#include <fovea/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fovea_severity {
  FOVEA_SEVERITY_REMARK = 0,
  FOVEA_SEVERITY_NOTE = 1,
  FOVEA_SEVERITY_WARNING = 2,
  FOVEA_SEVERITY_ERROR = 3
} fovea_severity;

/* Lines and columns count from 1; 0: unknown. */
typedef struct fovea_diag {
  uint32_t size;
  int32_t severity; /* fovea_severity */
  const char *file;
  int32_t line, col, end_line, end_col;
  const char *label; /* of docs/spec.md; "" if none */
  const char *text;
} fovea_diag;

/* What a compile did, for benchmarks and tests. */
typedef struct fovea_jit_info {
  uint32_t size;
  int32_t cache_hit;
  double total_ms;   /* the whole call */
  double compile_ms; /* inside the compiler; 0 on a hit */
  char key[33];      /* hexadecimal, the name of the cache entry */
} fovea_jit_info;

typedef struct fovea_jit_options {
  uint32_t size;
  int32_t n_defines;
  const char *const *defines; /* "H=32": spec parameters */
  const char *targets;        /* "x86-64-v3,x86-64-v4"; NULL or "host" */
  /* Text of a tuning table, which `fovea tune` writes. NULL: that of the file
   * which FOVEA_TUNING names, if it is set and not empty. "": the built-in
   * schedules. A file that cannot be read, or a table that cannot be used, is
   * an error. */
  const char *tuning;
  /* Where entries are kept. NULL: FOVEA_CACHE_DIR, else
   * $XDG_CACHE_HOME/fovea, else $HOME/.cache/fovea. "": no cache. A directory
   * that cannot be used is a warning (diag and log), not an error. */
  const char *cache_dir;
  /* The compiler's library. NULL: FOVEA_JIT_LIBRARY, else libfovea-jit.so
   * beside libfovea-rt.so. */
  const char *library;
  void (*diag)(void *user, const fovea_diag *);
  void *user;
  const volatile int *cancel; /* set to nonzero to stop: FOVEA_CANCELLED */
  fovea_jit_info *info;       /* may be NULL */
  const char *tuning_name;    /* in diagnostics; NULL: "tuning table" */
} fovea_jit_options;

/* Compiles `text` (`name` is its name in diagnostics) to an open bundle.
 * `options` may be NULL. Any number of threads and processes may compile the
 * same spec at once; they share the cache without locks. */
FOVEA_EXPORT fovea_status fovea_jit_compile(fovea_ctx *, const char *name,
                                            const char *text, size_t len,
                                            const fovea_jit_options *options,
                                            fovea_bundle **out);

/* --- exported by libfovea-jit.so ----------------------------------------- */

/* Version of the two functions below; the runtime refuses another. */
#define FOVEA_JIT_INTERFACE 2u

typedef struct fovea_jit_request {
  uint32_t size;
  int32_t n_defines;
  const char *const *defines;
  const char *targets;     /* comma-separated, resolved: never NULL or "host" */
  const char *tuning;      /* NULL: the built-in schedules */
  const char *tuning_name; /* in diagnostics; NULL: "tuning table" */
  const char *name, *text;
  size_t len;
  uint64_t key;         /* goes into the bundle's header */
  uint64_t compiler_id; /* goes into the bundle's header */
  void (*diag)(void *user, const fovea_diag *);
  void *user;
  const volatile int *cancel; /* may be NULL */
} fovea_jit_request;

typedef struct fovea_jit_result {
  uint32_t size;
  void *bytes; /* the bundle */
  size_t n_bytes;
  void (*release)(struct fovea_jit_result *); /* set by the compiler */
  char message[1024]; /* on failure: the first error, "file:line:col: text" */
} fovea_jit_result;

typedef uint32_t (*fovea_jit_interface_fn)(void);
typedef fovea_status (*fovea_jit_build_fn)(const fovea_jit_request *,
                                           fovea_jit_result *);
/* uint32_t fovea_jit_interface(void): FOVEA_JIT_INTERFACE it was built for.
 * fovea_status fovea_jit_build(const fovea_jit_request *, fovea_jit_result *):
 * thread-safe. The library is linked with --build-id: the id is the part of
 * the cache key that stands for the compiler. */
FOVEA_EXPORT uint32_t fovea_jit_interface(void);
FOVEA_EXPORT fovea_status fovea_jit_build(const fovea_jit_request *,
                                          fovea_jit_result *);

#ifdef __cplusplus
}
#endif
#endif /* FOVEA_JIT_H */
