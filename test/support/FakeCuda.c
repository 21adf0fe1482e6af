/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Stands in for libcuda.so.1: a machine with as many GPUs, of the driver
 * version, capability, memory and with the failures that the environment says:
 * FAKE_CUDA_VERSION, FAKE_CUDA_GPUS, FAKE_CUDA_CAPABILITY=90,
 * FAKE_CUDA_MEMORY=<bytes>, FAKE_CUDA_FAILS=<call>:<CUresult>. This file says
 * what there is; FakeCudaRun.c has memory and launches, FakeCudaStreams.c the
 * order of work (FAKE_CUDA_LAZY=1). */
#include "test/support/FakeCudaCalls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fake_number(const char *variable, int otherwise) {
  const char *text = getenv(variable);
  return text ? atoi(text) : otherwise;
}

static struct {
  char name[64];
  int count;
} calls[64];

int fake_result(const char *call) {
  int i = 0;
  while (i < 63 && *calls[i].name && strcmp(calls[i].name, call))
    ++i;
  snprintf(calls[i].name, sizeof calls[i].name, "%s", call);
  ++calls[i].count;
  const char *fails = getenv("FAKE_CUDA_FAILS");
  size_t n = strlen(call);
  return fails && !strncmp(fails, call, n) && fails[n] == ':'
             ? atoi(fails + n + 1)
             : 0;
}

int fake_cuda_calls(const char *call) {
  for (int i = 0; i < 64; ++i)
    if (!strcmp(calls[i].name, call))
      return calls[i].count;
  return 0;
}

int cuDriverGetVersion(int *version) {
  *version = fake_number("FAKE_CUDA_VERSION", 13000);
  return fake_result("cuDriverGetVersion");
}

int cuInit(unsigned flags) {
  (void)flags;
  return fake_number("FAKE_CUDA_GPUS", 1) ? fake_result("cuInit") : 100;
}

int cuDeviceGetCount(int *count) {
  *count = fake_number("FAKE_CUDA_GPUS", 1);
  return fake_result("cuDeviceGetCount");
}

int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal + 40; /* a handle is not the ordinal */
  return fake_result("cuDeviceGet");
}

int cuDeviceGetName(char *name, int size, int device) {
  snprintf(name, (size_t)size, "Fake H200 %d", device - 40);
  return fake_result("cuDeviceGetName");
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  int capability = fake_number("FAKE_CUDA_CAPABILITY", 90);
  switch (attribute) {
  case 16:
    *value = 3; /* multiprocessors */
    break;
  case 75:
    *value = capability / 10;
    break;
  case 76:
    *value = capability % 10;
    break;
  case 97:
    *value = 232448;
    break;
  default:
    return 1;
  }
  return fake_result("cuDeviceGetAttribute");
}

#ifndef FAKE_CUDA_LACKS_NAMES
static const struct {
  int number;
  const char *name, *text;
} errors[] = {
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {218, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static int text_of(int error, const char **text, int name) {
  *text = NULL;
  for (size_t i = 0; i < sizeof errors / sizeof *errors; ++i)
    if (errors[i].number == error)
      *text = name ? errors[i].name : errors[i].text;
  return *text ? 0 : 1;
}

int cuGetErrorName(int error, const char **text) {
  return text_of(error, text, 1);
}

int cuGetErrorString(int error, const char **text) {
  return text_of(error, text, 0);
}
#endif
