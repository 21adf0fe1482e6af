/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Code of a compiled bundle for the fake driver: a module of a GPU's code
 * becomes the emulated code of the same bundle. */
#ifndef FOVEA_TEST_SUPPORT_FAKECUDASTAGES_H
#define FOVEA_TEST_SUPPORT_FAKECUDASTAGES_H

#include <fovea/abi.h>

/* Whether an image has the looks of what the compiler makes: a cubin or PTX.
 * A hand-made one of a test has not. */
int fake_is_compiled(const void *image);

/* The bundle that an image lies in, which the runtime has in pages of its own,
 * if this GPU takes the code and there is emulated code beside it; else NULL.
 * *result is then the CUresult: an invalid image if it lies in no bundle. */
const void *fake_bundle_around(const void *image, int capability, int *result);

/* The emulated code of the stage whose kernel has a name and lies in an image;
 * NULL: none. */
fovea_stage_fn fake_stage(const void *bundle, const void *image,
                          const char *kernel);

#endif
