// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The table of calls, and the launch: checks the sizes and runs the CTAs.
#include "codegen/gpu/emulator/Calls.h"

#include <cstdio>
#include <cstring>

using namespace fovea::emulator;

static int32_t refuse(fovea_emulator_launch_t &launch, const char *what,
                      const char *wanted, uint64_t got) {
  snprintf(launch.message, sizeof launch.message,
           "kernel %s: expected %s %s, got %llu",
           launch.kernel ? launch.kernel : "?", what, wanted,
           static_cast<unsigned long long>(got));
  return FOVEA_EMULATOR_INVALID;
}

static thread_local char lastMessage[sizeof fovea_emulator_launch_t::message];
static thread_local bool isTold = false;

static int32_t run(fovea_emulator_launch_t *launch) {
  launch->message[0] = 0;
  if (!launch->body)
    return refuse(*launch, "a body", "that is a function", 0);
  if (!launch->threads || launch->threads > 1024 || launch->threads % 32)
    return refuse(*launch, "threads", "to be a multiple of 32 up to 1024",
                  launch->threads);
  // What sm_90 gives a CTA.
  if (launch->shared_bytes > 232448)
    return refuse(*launch, "shared memory", "of at most 232448 bytes",
                  launch->shared_bytes);
  thread_local StackPool stacks;
  if (!stacks.reserve(launch->threads)) {
    refuse(*launch, "memory", "for as many stacks as threads", launch->threads);
    return FOVEA_EMULATOR_RESOURCES;
  }
  Cta cta(*launch, stacks);
  for (uint32_t i = 0; i < launch->ctas; ++i)
    if (fovea_emulator_error_t error = cta.run(i))
      return error;
  return FOVEA_EMULATOR_OK;
}

int32_t calls::launch(fovea_emulator_launch_t *launch) {
  // An older caller's struct has no message where this library would put one.
  if (launch->size != sizeof *launch) {
    snprintf(lastMessage, sizeof lastMessage,
             "expected a launch of %zu bytes, got %llu", sizeof *launch,
             static_cast<unsigned long long>(launch->size));
    isTold = false;
    return FOVEA_EMULATOR_INVALID;
  }
  int32_t error = run(launch);
  memcpy(lastMessage, launch->message, sizeof lastMessage);
  isTold = false;
  return error;
}

static const fovea_emulator_table_t table = {
    sizeof(fovea_emulator_table_t),
    FOVEA_EMULATOR_VERSION,
#define FOVEA_EMULATOR_CALL(result, name, parameters) &calls::name,
#include "codegen/gpu/emulator/Calls.def"
#undef FOVEA_EMULATOR_CALL
};

const fovea_emulator_table_t *fovea_emulator_get(void) { return &table; }

const char *fovea_emulator_message(void) {
  const char *text = isTold ? "" : lastMessage;
  isTold = true;
  return text;
}
