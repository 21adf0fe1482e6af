// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Keeps the first error, with the text that its thread has.
#include "runtime/loader/StageError.h"
#include "runtime/base/Status.h"
#include "runtime/loader/Emulator.h"

#include <cstdio>

using namespace fovea::rt;

void StageError::note(const fovea_kernel &kernel, int32_t error, int64_t at) {
  int32_t none = 0;
  if (!error || !code.compare_exchange_strong(none, error))
    return;
  item = at;
  if (kernel.device)
    std::snprintf(text, sizeof text, "%s", emulatorMessage());
}

fovea_status StageError::ofDevice(const fovea_kernel &kernel,
                                  const fovea_bundle_stage &stage) const {
  if (code.load() == kStageMisaligned)
    return fail(FOVEA_INVALID,
                "kernel '%s': stage '%s' expected the rows of its arguments "
                "and results to be aligned for a GPU, addresses and strides: "
                "rows to 16 bytes, int8 rows of dims that 16 does not divide "
                "and 16-bit results to 8",
                kernel.name(), kernel.view().string(stage.name));
  if (!*text)
    return FOVEA_OK;
  return fail(FOVEA_DEVICE, "kernel '%s': stage '%s' on the emulated GPU: %s",
              kernel.name(), kernel.view().string(stage.name), text);
}
