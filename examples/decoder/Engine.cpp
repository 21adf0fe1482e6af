// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loading the model: weights, kernel, cache, plan, graph; and one step.
#include "examples/decoder/Engine.h"

#include <cmath>
#include <cstdio>
#include <cstring>

namespace decoder {

namespace {
constexpr uint64_t kSequence = 1;

/// A description of a tensor, for the calls that look at shapes.
struct Shaped {
  Shaped(void *data, DLDataType type, std::vector<int64_t> extents)
      : shape(std::move(extents)) {
    tensor.data = data;
    tensor.device = {kDLCPU, 0};
    tensor.ndim = int(shape.size());
    tensor.dtype = type;
    tensor.shape = shape.data();
  }
  Shaped(const Shaped &) = delete;

  std::vector<int64_t> shape;
  fovea_tensor tensor{};
};
constexpr DLDataType kFloat{kDLFloat, 32, 1}, kInt{kDLInt, 32, 1};

fovea_value valueOf(const Shaped &x) {
  fovea_value value{};
  value.kind = FOVEA_TENSOR;
  value.u.tensor = &x.tensor;
  return value;
}

fovea_value valueOf(fovea_kv *kv) {
  fovea_value value{};
  value.kind = FOVEA_CACHE;
  value.u.kv = kv;
  return value;
}

bool good(fovea_status status, const char *what, std::string &error) {
  if (status == FOVEA_OK)
    return true;
  error = std::string(what) + ": " + fovea_status_name(status) + ": " +
          fovea_message();
  return false;
}

bool readText(const std::string &path, std::string &text) {
  FILE *file = std::fopen(path.c_str(), "rb");
  if (!file)
    return false;
  char chunk[4096];
  while (size_t n = std::fread(chunk, 1, sizeof chunk, file))
    text.append(chunk, n);
  std::fclose(file);
  return true;
}
} // namespace

Engine::Engine(const Config &config, const EngineOptions &options)
    : config(config), options(options) {}

Engine::~Engine() {
  fovea_graph_destroy(graph);
  fovea_plan_destroy(plan);
  fovea_kv_destroy(kv);
  fovea_kernel_release(kernel);
  fovea_bundle_close(bundle);
  fovea_close(ctx);
}

std::unique_ptr<Engine> Engine::create(const Safetensors &file,
                                       const Config &config,
                                       const EngineOptions &options,
                                       std::string &error) {
  std::unique_ptr<Engine> engine(new Engine(config, options));
  if (!engine->loadWeights(file, error) || !engine->openKernel(error) ||
      !engine->buildGraph(error))
    return nullptr;
  engine->makeTurns();
  return engine;
}

bool Engine::loadWeights(const Safetensors &file, std::string &error) {
  layers.resize(size_t(config.layers));
  bool tied = !file.tensors().count("lm_head.weight");
  for (const Weight &weight : weightsOf(config)) {
    Floats *to = nullptr;
    if (weight.name == "lm_head.weight" && tied)
      continue;
    if (weight.name == "lm_head.weight")
      to = &head;
    else if (weight.name == "model.embed_tokens.weight")
      to = &embedding;
    else if (weight.name == "model.norm.weight")
      to = &norm;
    for (size_t l = 0; l < layers.size() && !to; ++l) {
      Layer &layer = layers[l];
      const std::pair<const char *, Floats *> names[] = {
          {"input_layernorm", &layer.attentionNorm},
          {"self_attn.q_proj", &layer.qkv[0]},
          {"self_attn.k_proj", &layer.qkv[1]},
          {"self_attn.v_proj", &layer.qkv[2]},
          {"self_attn.o_proj", &layer.o},
          {"post_attention_layernorm", &layer.mlpNorm},
          {"mlp.gate_proj", &layer.gate},
          {"mlp.up_proj", &layer.up},
          {"mlp.down_proj", &layer.down}};
      for (const auto &[name, data] : names)
        if (weight.name == layerName(int64_t(l), name))
          to = data;
    }
    if (!file.load(weight.name, weight.shape, *to, error))
      return false;
  }
  if (tied)
    head = embedding;
  for (Layer &layer : layers)
    layer.engine = this;
  return true;
}

bool Engine::openKernel(std::string &error) {
  fovea_options open{};
  open.size = sizeof open;
  if (!good(fovea_executor_threads(options.threads, &open.exec),
            "fovea_executor_threads", error) ||
      !good(fovea_open(FOVEA_API, &open, &ctx), "fovea_open", error))
    return false;
  std::string text;
  if (!readText(options.spec, text)) {
    error = options.spec + ": cannot be read";
    return false;
  }
  std::string words[] = {"H=" + std::to_string(config.heads),
                         "KV=" + std::to_string(config.kvHeads),
                         "D=" + std::to_string(config.headDim)};
  const char *defines[] = {words[0].c_str(), words[1].c_str(),
                           words[2].c_str()};
  info.size = sizeof info;
  fovea_jit_options jit{};
  jit.size = sizeof jit;
  jit.n_defines = 3;
  jit.defines = defines;
  jit.diag = [](void *, const fovea_diag *d) {
    std::fprintf(stderr, "%s:%d:%d: %s\n", d->file, d->line, d->col, d->text);
  };
  jit.info = &info;
  if (!good(fovea_jit_compile(ctx, options.spec.c_str(), text.data(),
                              text.size(), &jit, &bundle),
            "fovea_jit_compile", error) ||
      !good(fovea_kernel_get(bundle, "attend", FOVEA_CPU, &kernel),
            "fovea_kernel_get", error))
    return false;

  fovea_kv_limits room{};
  room.size = sizeof room;
  room.layers = int32_t(config.layers);
  room.seqs = 1;
  room.max_len = options.maxTokens;
  room.rows = options.chunk;
  room.device = FOVEA_CPU;
  fovea_plan_limits limits{};
  limits.size = sizeof limits;
  limits.rows = options.chunk;
  limits.seqs = 1;
  limits.max_len = options.maxTokens;
  // The cache is the kernel's fourth argument: q, k, v, c.
  return good(fovea_kv_create(kernel, 3, &room, &kv), "fovea_kv_create",
              error) &&
         good(fovea_kv_new(kv, kSequence), "fovea_kv_new", error) &&
         good(fovea_plan_create(kernel, &limits, &plan), "fovea_plan_create",
              error) &&
         good(fovea_seal(ctx), "fovea_seal", error);
}

bool Engine::buildGraph(std::string &error) {
  if (!good(fovea_graph_create(ctx, &graph), "fovea_graph_create", error))
    return false;
  bool failed = false;
  auto buffer = [&](DLDataType type, std::vector<int64_t> shape, int rowAxis,
                    bool external) {
    Shaped most(nullptr, type, std::move(shape));
    int id = fovea_graph_buffer(graph, &most.tensor, rowAxis, external);
    failed |= id < 0;
    return id;
  };
  int64_t rows = options.chunk, e = config.hidden, f = config.intermediate;
  int64_t h = config.heads, kvh = config.kvHeads, d = config.headDim;
  int tokens = buffer(kInt, {rows}, 0, true);
  int scores = buffer(kFloat, {1, config.vocabulary}, -1, true);
  int x = buffer(kFloat, {rows, e}, 0, false);
  int y = buffer(kFloat, {rows, e}, 0, false);
  int q = buffer(kFloat, {rows, h, d}, 0, false);
  int k = buffer(kFloat, {rows, kvh, d}, 0, false);
  int v = buffer(kFloat, {rows, kvh, d}, 0, false);
  int o = buffer(kFloat, {rows, h, d}, 0, false);
  int gate = buffer(kFloat, {rows, f}, 0, false);
  int up = buffer(kFloat, {rows, f}, 0, false);
  int cache = fovea_graph_scalar(graph, valueOf(kv));
  if (failed || cache < 0) {
    error = std::string("fovea_graph_buffer: ") + fovea_message();
    return false;
  }
  auto call = [&](fovea_graph_fn fn, void *user, std::vector<int> ids) {
    return good(fovea_graph_call(graph, fn, user, ids.data(), int(ids.size()),
                                 /*capturable=*/0),
                "fovea_graph_call", error);
  };
  if (!call(embed, this, {tokens, x}))
    return false;
  for (int l = 0; l < int(config.layers); ++l) {
    const int args[] = {q, k, v, cache, o};
    if (!call(beforeAttention, &layers[size_t(l)], {x, y, q, k, v}) ||
        !good(fovea_graph_kernel(graph, plan, l, args, 5), "fovea_graph_kernel",
              error) ||
        !call(afterAttention, &layers[size_t(l)], {x, o, y, gate, up}))
      return false;
  }
  return call(score, this, {x, y, scores}) &&
         good(fovea_graph_finish(graph), "fovea_graph_finish", error);
}

bool Engine::step(const int32_t *tokens, int64_t n, std::vector<float> &scores,
                  std::string &error) {
  scores.resize(size_t(config.vocabulary));
  Shaped in(const_cast<int32_t *>(tokens), kInt, {n}),
      out(scores.data(), kFloat, {1, config.vocabulary});
  const uint64_t sequence = kSequence;
  const int32_t rows[] = {0, int32_t(n)};
  fovea_batch batch{};
  batch.size = sizeof batch;
  batch.n = 1;
  batch.seq = &sequence;
  batch.rows = rows;
  const fovea_value externals[] = {valueOf(in), valueOf(out)};
  // The first attention plans the step for all layers: it reserves the pages
  // of the new rows.
  if (!good(fovea_graph_run_batch(graph, &batch, externals, 2, n, nullptr),
            "fovea_graph_run_batch", error) ||
      !good(fovea_kv_commit(kv, kSequence, nullptr, -1, nullptr),
            "fovea_kv_commit", error))
    return false;
  position += n;
  return true;
}

int64_t Engine::cacheBytes() const {
  fovea_kv_stats stats{};
  stats.size = sizeof stats;
  return fovea_kv_stats_get(kv, &stats) == FOVEA_OK ? stats.bytes : 0;
}

void Engine::makeTurns() {
  int64_t half = config.headDim / 2;
  for (int64_t p = 0; p < options.maxTokens; ++p)
    for (int64_t i = 0; i < half; ++i) {
      double angle =
          double(p) * std::pow(config.theta, -double(i) / double(half));
      turns.push_back(float(std::cos(angle)));
      turns.push_back(float(std::sin(angle)));
    }
}

} // namespace decoder
