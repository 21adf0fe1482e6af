/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the fake driver share. */
#ifndef FOVEA_TEST_SUPPORT_FAKECUDACALLS_H
#define FOVEA_TEST_SUPPORT_FAKECUDACALLS_H

/* A number in the environment. */
int fake_number(const char *variable, int otherwise);
/* Counts a call; its CUresult, which the environment may set. */
int fake_result(const char *call);
/* How often a call was made. For tests. */
int fake_cuda_calls(const char *call);

#endif
