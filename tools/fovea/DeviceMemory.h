// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memory of the GPU that a session's kernel runs on.
#ifndef FOVEA_TOOLS_FOVEA_DEVICEMEMORY_H
#define FOVEA_TOOLS_FOVEA_DEVICEMEMORY_H

#include "tools/fovea/Session.h"

#include <utility>

namespace fovea::cli {

/// A piece of it; what fails ends the command with the runtime's words.
class DeviceMemory {
public:
  DeviceMemory(const Session &session, size_t bytes) : session(&session) {
    check(fovea_device_alloc(session.context(), session.device(),
                             bytes ? bytes : 1, &memory),
          session);
  }
  DeviceMemory(DeviceMemory &&other)
      : session(other.session), memory(std::exchange(other.memory, nullptr)) {}
  ~DeviceMemory() {
    if (memory)
      fovea_device_free(session->context(), session->device(), memory);
  }

  void *data() const { return memory; }
  /// Later work of the session's stream sees it.
  void write(const void *from, size_t bytes) {
    check(fovea_device_copy(session->context(), session->device(), memory,
                            FOVEA_CPU, from, bytes, session->stream()),
          *session);
  }
  /// Behind the work of the session's stream.
  static void read(const Session &session, void *to, const void *from,
                   size_t bytes) {
    check(fovea_device_copy(session.context(), FOVEA_CPU, to, session.device(),
                            from, bytes, session.stream()),
          session);
  }
  /// A tensor of the host with its elements here.
  fovea_tensor view(const fovea_tensor &host) const {
    fovea_tensor here = host;
    here.data = memory;
    here.device = {DLDeviceType(kDLCUDA), session->device().id};
    return here;
  }

private:
  static void check(fovea_status status, const Session &session) {
    if (status != FOVEA_OK)
      throw runtimeFailure(status, session.options().path);
  }

  const Session *session;
  void *memory = nullptr;
};

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_DEVICEMEMORY_H
