/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Stands in for libcuda.so.1 in tests of the loader: a machine with as many
 * GPUs, of the driver version and with the failures that the environment says:
 * FAKE_CUDA_VERSION, FAKE_CUDA_GPUS, FAKE_CUDA_FAILS=<call>:<CUresult>. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int number(const char *variable, int otherwise) {
  const char *text = getenv(variable);
  return text ? atoi(text) : otherwise;
}

static int result(const char *call) {
  const char *fails = getenv("FAKE_CUDA_FAILS");
  size_t n = strlen(call);
  return fails && !strncmp(fails, call, n) && fails[n] == ':'
             ? atoi(fails + n + 1)
             : 0;
}

int cuDriverGetVersion(int *version) {
  *version = number("FAKE_CUDA_VERSION", 13000);
  return result("cuDriverGetVersion");
}

int cuInit(unsigned flags) {
  (void)flags;
  return number("FAKE_CUDA_GPUS", 1) ? result("cuInit") : 100;
}

int cuDeviceGetCount(int *count) {
  *count = number("FAKE_CUDA_GPUS", 1);
  return result("cuDeviceGetCount");
}

int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal + 40; /* a handle is not the ordinal */
  return result("cuDeviceGet");
}

int cuDeviceGetName(char *name, int size, int device) {
  snprintf(name, (size_t)size, "Fake H200 %d", device - 40);
  return result("cuDeviceGetName");
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  *value = attribute == 75 ? 9 : attribute == 76 ? 0 : -1;
  return result("cuDeviceGetAttribute");
}

#ifndef FAKE_CUDA_LACKS_NAMES
int cuGetErrorName(int error, const char **text) {
  *text = error == 999 ? "CUDA_ERROR_UNKNOWN" : NULL;
  return *text ? 0 : 1;
}
#endif

int cuGetErrorString(int error, const char **text) {
  *text = error == 999 ? "unknown error" : NULL;
  return *text ? 0 : 1;
}
