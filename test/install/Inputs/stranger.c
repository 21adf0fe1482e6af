/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 * A library that exports a name which is not Fovea's. */
int stranger(void) { return 1; }
