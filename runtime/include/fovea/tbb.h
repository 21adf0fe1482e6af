/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * fovea/tbb.h - the oneTBB executor, libfovea-tbb.so.
 *
 * fovea_open loads that library by itself when no executor is given. Link it
 * and call this to choose the number of workers without the loader.
 */
#ifndef FOVEA_TBB_H
#define FOVEA_TBB_H

#include <fovea/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An executor on an arena of `workers` threads, the caller being one of them.
 * Returns 0, or nonzero when the arena cannot be made. */
FOVEA_EXPORT int fovea_tbb_executor(int workers, fovea_executor *out);
typedef int (*fovea_tbb_executor_fn)(int workers, fovea_executor *out);

#ifdef __cplusplus
}
#endif
#endif /* FOVEA_TBB_H */
