/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 * Plans a kernel (q, k, v) -> o of a bundle, which may hold no code for this
 * machine, in a process without a compiler, and tries to run it:
 *   plan-only BUNDLE SQ SK */
#include <fovea/runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char *what) {
  printf("%s: %s\n", what, fovea_message());
  return 1;
}

/* The names of libraries in this process that hold a compiler. */
static int compilers(void) {
  int found = 0;
  char line[4096];
  FILE *maps = fopen("/proc/self/maps", "r");
  while (maps && fgets(line, sizeof line, maps))
    found += strstr(line, "LLVM") || strstr(line, "MLIR") ||
             strstr(line, "fovea-jit");
  if (maps)
    fclose(maps);
  return found;
}

int main(int argc, char **argv) {
  if (argc != 4)
    return 2;
  int64_t sq = atoll(argv[2]), sk = atoll(argv[3]);
  fovea_options options = {0};
  options.size = sizeof options;
  fovea_ctx *ctx = NULL;
  fovea_bundle *bundle = NULL;
  fovea_kernel *kernel = NULL;
  fovea_plan *plan = NULL;
  if (fovea_executor_serial(&options.exec) ||
      fovea_open(FOVEA_API, &options, &ctx) ||
      fovea_bundle_open(ctx, argv[1], &bundle) ||
      fovea_kernel_get(bundle, NULL, FOVEA_CPU, &kernel))
    return failed("open");
  const char *target = fovea_kernel_target(kernel);
  printf("target %s\n", target ? target : "none");
  if (fovea_kernel_args(kernel) != 4)
    return 2;
  fovea_plan_limits limits = {0};
  limits.size = sizeof limits;
  limits.seqs = 1;
  limits.rows = sq;
  limits.max_len = sk;
  if (fovea_plan_create(kernel, &limits, &plan))
    return failed("create");
  fovea_tensor tensors[4] = {{0}};
  int64_t shapes[4][4];
  fovea_value args[4];
  for (int i = 0; i < 4; ++i) {
    fovea_arg_info info = {0};
    info.size = sizeof info;
    if (fovea_kernel_arg(kernel, i, &info) || info.rank != 4)
      return failed("arg");
    int64_t elements = 1;
    for (int d = 0; d < 4; ++d) {
      const char *dim = info.dims[d] ? info.dims[d] : "";
      shapes[i][d] = info.shape[d] >= 0   ? info.shape[d]
                     : !strcmp(dim, "sq") ? sq
                     : !strcmp(dim, "sk") ? sk
                                          : 1;
      elements *= shapes[i][d];
    }
    tensors[i].device.device_type = kDLCPU;
    tensors[i].dtype.code = kDLFloat;
    tensors[i].dtype.bits = 32;
    tensors[i].dtype.lanes = 1;
    tensors[i].ndim = 4;
    tensors[i].shape = shapes[i];
    tensors[i].data = calloc((size_t)elements, sizeof(float));
    args[i].kind = FOVEA_TENSOR;
    args[i].u.tensor = &tensors[i];
  }
  fovea_stats stats = {0};
  stats.size = sizeof stats;
  if (fovea_plan_update(plan, NULL, args, 4) ||
      fovea_plan_stats(plan, -1, &stats))
    return failed("plan");
  printf("planned %lld items, %lld pairs\n", (long long)stats.items,
         (long long)stats.pairs);
  void *workspace = aligned_alloc(64, (fovea_plan_workspace(plan) + 64) & ~63u);
  fovea_status status = fovea_run(plan, 0, args, 4, workspace, NULL);
  printf("run: %s%s%s\n", fovea_status_name(status), status ? ": " : "",
         status ? fovea_message() : "");
  printf("compilers in the process: %d\n", compilers());
  free(workspace);
  for (int i = 0; i < 4; ++i)
    free(tensors[i].data);
  fovea_plan_destroy(plan);
  fovea_kernel_release(kernel);
  fovea_bundle_close(bundle);
  fovea_close(ctx);
  return 0;
}
