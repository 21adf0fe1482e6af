// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The decoder as an inference engine builds it: attention and the KV cache by
// Fovea, matrix products by a BLAS, the rest small functions of its own, all
// of them nodes of one graph.
#ifndef FOVEA_EXAMPLES_DECODER_ENGINE_H
#define FOVEA_EXAMPLES_DECODER_ENGINE_H

#include "examples/decoder/Model.h"

#include <fovea/jit.h>
#include <fovea/runtime.h>

#include <memory>

namespace decoder {

struct EngineOptions {
  std::string spec;      ///< the file decoder.mlir
  int threads = 0;       ///< 0: one per CPU
  int64_t maxTokens = 0; ///< prompt and generated tokens
  int64_t chunk = 128;   ///< most rows of one step
};

class Engine {
public:
  /// Null with the reason in `error`.
  static std::unique_ptr<Engine> create(const Safetensors &file,
                                        const Config &config,
                                        const EngineOptions &options,
                                        std::string &error);
  ~Engine();
  Engine(const Engine &) = delete;
  Engine &operator=(const Engine &) = delete;

  /// Takes tokens, at most a chunk; `scores` are those of all tokens as the
  /// one after the last.
  bool step(const int32_t *tokens, int64_t n, std::vector<float> &scores,
            std::string &error);

  bool compiledFromCache() const { return info.cache_hit != 0; }
  double compileMs() const { return info.total_ms; }
  /// Bytes of the graph's buffers and of the cache.
  size_t graphBytes() const { return fovea_graph_memory(graph); }
  int64_t cacheBytes() const;

private:
  using Floats = std::vector<float>;
  struct Layer {
    Floats attentionNorm, qkv[3], o, mlpNorm, gate, up, down;
    Engine *engine = nullptr;
  };

  Engine(const Config &config, const EngineOptions &options);
  bool loadWeights(const Safetensors &file, std::string &error);
  bool openKernel(std::string &error);
  bool buildGraph(std::string &error);
  void makeTurns();

  void normalize(const float *x, const Floats &weight, float *y,
                 int64_t rows) const;
  void rotate(float *x, int64_t rows, int64_t heads) const;

  // Nodes of the graph; `user` is the engine or the layer.
  static fovea_status embed(void *user, const fovea_tensor *const *t, int n,
                            fovea_stream);
  static fovea_status beforeAttention(void *user, const fovea_tensor *const *t,
                                      int n, fovea_stream);
  static fovea_status afterAttention(void *user, const fovea_tensor *const *t,
                                     int n, fovea_stream);
  static fovea_status score(void *user, const fovea_tensor *const *t, int n,
                            fovea_stream);

  Config config;
  EngineOptions options;
  Floats embedding, norm, head;
  std::vector<Layer> layers;
  Floats turns; ///< (cos, sin) per position and pair of channels
  int64_t position = 0;

  fovea_jit_info info{};
  fovea_ctx *ctx = nullptr;
  fovea_bundle *bundle = nullptr;
  fovea_kernel *kernel = nullptr;
  fovea_kv *kv = nullptr;
  fovea_plan *plan = nullptr;
  fovea_graph *graph = nullptr;
};

} // namespace decoder

#endif // FOVEA_EXAMPLES_DECODER_ENGINE_H
