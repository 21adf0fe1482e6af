// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Steps over a cache whose pages are on the GPU of the fake driver.
#ifndef FOVEA_TEST_UNIT_RUNTIME_CUDASERVING_H
#define FOVEA_TEST_UNIT_RUNTIME_CUDASERVING_H

#include "test/unit/runtime/Serving.h"

#include <cstdlib>
#include <dlfcn.h>

namespace fovea::test {

class CudaServing : public testing::Test {
protected:
  static void SetUpTestSuite() { setenv("FOVEA_CUDA_LIBRARY", FAKE_CUDA, 1); }
  void SetUp() override {
    unsetenv("FAKE_CUDA_FAILS");
    for (const char *name :
         {"cuStreamBeginCapture_v2", "cuGraphLaunch", "cuCtxSynchronize",
          "cuStreamSynchronize", "cuEventSynchronize"})
      callsBefore[name] = fake<int (*)(const char *)>("fake_cuda_calls")(name);
  }
  static ServingLimits onGpu(int layers = 1) {
    ServingLimits limits;
    limits.gpu = true;
    limits.layers = layers;
    limits.seqs = 8;
    limits.maxLen = 256;
    return limits;
  }
  template <typename Function>
  static Function fake(const char *name) {
    void *library = dlopen(FAKE_CUDA, RTLD_NOW);
    return reinterpret_cast<Function>(
        reinterpret_cast<uintptr_t>(dlsym(library, name)));
  }
  static size_t deviceMemory() {
    return fake<size_t (*)()>("fake_cuda_memory")();
  }
  int calls(const char *name) {
    return fake<int (*)(const char *)>("fake_cuda_calls")(name) -
           callsBefore[name];
  }
  std::map<std::string, int> callsBefore;
};

/// A graph of the step's kernel; its externals are q, v, k and o.
inline fovea_graph *graphOf(const Serving &s) {
  fovea_graph *graph = nullptr;
  EXPECT_EQ(fovea_graph_create(s.loaded.ctx, &graph), FOVEA_OK);
  fovea_value cache{};
  cache.kind = FOVEA_CACHE;
  cache.u.kv = s.kv;
  int ids[] = {fovea_graph_buffer(graph, &s.q->dl, 0, 1),
               fovea_graph_buffer(graph, &s.v->dl, 0, 1),
               fovea_graph_buffer(graph, &s.k->dl, 0, 1),
               fovea_graph_scalar(graph, cache),
               fovea_graph_scalar(graph, integer(s.window)),
               fovea_graph_buffer(graph, &s.o->dl, 0, 1)};
  EXPECT_EQ(fovea_graph_kernel(graph, s.plan, 0, ids, 6), FOVEA_OK);
  EXPECT_EQ(fovea_graph_finish(graph), FOVEA_OK) << fovea_message();
  return graph;
}

} // namespace fovea::test

#endif // FOVEA_TEST_UNIT_RUNTIME_CUDASERVING_H
