/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 * Opens the runtime with the calling thread and with oneTBB's, and says which
 * version it is. */
#include <fovea/runtime.h>

#include <stdio.h>

int main(void) {
  fovea_options options = {.size = sizeof options};
  fovea_ctx *ctx = NULL;
  for (int tbb = 0; tbb < 2; ++tbb) {
    fovea_status st = tbb ? fovea_executor_tbb(2, &options.exec)
                          : fovea_executor_serial(&options.exec);
    if (!st)
      st = fovea_open(FOVEA_API, &options, &ctx);
    if (st) {
      fprintf(stderr, "%s: %s\n", fovea_status_name(st), fovea_message());
      return 1;
    }
    fovea_close(ctx);
  }
  printf("fovea %s\n", fovea_version());
  return 0;
}
