// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the stages of a launch return on several threads.
#ifndef FOVEA_RUNTIME_LOADER_STAGEERROR_H
#define FOVEA_RUNTIME_LOADER_STAGEERROR_H

#include "runtime/loader/Bundle.h"

#include <atomic>

namespace fovea::rt {

/// What stages for a GPU return for rows that its copies cannot read
/// (StageMisaligned of codegen/cpu/DecodeStream.h).
constexpr int32_t kStageMisaligned = 3;

/// The first error of a stage, and what the emulator says of it. All but
/// `code` may be read when the threads have been joined.
struct StageError {
  std::atomic<int32_t> code{0};
  int64_t item = 0;
  char text[1024] = {};

  /// Called by the thread that ran the stage, before its next launch.
  void note(const fovea_kernel &kernel, int32_t error, int64_t at);
  /// FOVEA_DEVICE with the emulator's words, FOVEA_INVALID for arguments that
  /// a GPU cannot read; FOVEA_OK for what CPUs have as well.
  fovea_status ofDevice(const fovea_kernel &kernel,
                        const fovea_bundle_stage &stage) const;
};

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_LOADER_STAGEERROR_H
