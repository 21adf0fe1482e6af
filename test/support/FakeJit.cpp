// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Stands in for libfovea-jit in tests of the cache: "compiles" any spec to the
// hand-made kernel "sum" with as many heads as the spec has bytes. A spec that
// starts with '!' is an error.
#include "test/support/TestKernel.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fovea/jit.h>

static std::atomic<int> builds{0};

extern "C" {

FOVEA_EXPORT int fake_jit_builds(void) { return builds; }

uint32_t fovea_jit_interface(void) { return FAKE_JIT_INTERFACE; }

fovea_status fovea_jit_build(const fovea_jit_request *request,
                             fovea_jit_result *result) {
  ++builds;
  if (request->cancel && *request->cancel)
    return FOVEA_CANCELLED;
  if (request->len && request->text[0] == '!') {
    fovea_diag diag{};
    diag.size = sizeof diag;
    diag.severity = FOVEA_SEVERITY_ERROR;
    diag.file = request->name;
    diag.line = diag.col = 1;
    diag.label = "";
    diag.text = "expected a spec, got '!'";
    if (request->diag)
      request->diag(request->user, &diag);
    std::snprintf(result->message, sizeof result->message,
                  "%s:1:1: expected a spec, got '!'", request->name);
    return FOVEA_INVALID;
  }
  fovea::test::KernelOptions options;
  options.heads = int(request->len);
  options.target = request->targets;
  fovea::test::BundleBuilder bundle = fovea::test::sumKernel(options);
  bundle.key = request->key;
  std::vector<uint8_t> bytes = bundle.build();
  result->bytes = std::malloc(bytes.size());
  result->n_bytes = bytes.size();
  std::memcpy(result->bytes, bytes.data(), bytes.size());
  result->release = [](fovea_jit_result *r) { std::free(r->bytes); };
  return FOVEA_OK;
}
}
