// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names, shapes and random weights of a model.
#include "examples/decoder/Model.h"

#include <cmath>
#include <cstdlib>

namespace decoder {

namespace {
struct WholeField {
  const char *key;
  int64_t Config::*member;
};
struct RealField {
  const char *key;
  double Config::*member;
};
constexpr WholeField kWhole[] = {{"hidden_size", &Config::hidden},
                                 {"intermediate_size", &Config::intermediate},
                                 {"num_hidden_layers", &Config::layers},
                                 {"num_attention_heads", &Config::heads},
                                 {"num_key_value_heads", &Config::kvHeads},
                                 {"head_dim", &Config::headDim},
                                 {"vocab_size", &Config::vocabulary}};
constexpr RealField kReal[] = {{"rms_norm_eps", &Config::epsilon},
                               {"rope_theta", &Config::theta}};
/// Nothing that fits into a machine is larger.
constexpr int64_t kMost = 1 << 24;
} // namespace

bool readConfig(const Safetensors &file, Config &config, std::string &error) {
  const auto &strings = file.metadata();
  for (const WholeField &field : kWhole) {
    auto found = strings.find(field.key);
    char *end = nullptr;
    long long value = found == strings.end()
                          ? 0
                          : std::strtoll(found->second.c_str(), &end, 10);
    if (!end || *end || value < 1 || value > kMost) {
      error = std::string("expected '") + field.key +
              "' in __metadata__ to be a whole number from 1 to " +
              std::to_string(kMost) + ", got " +
              (found == strings.end() ? "none" : "'" + found->second + "'");
      return false;
    }
    config.*field.member = value;
  }
  for (const RealField &field : kReal) {
    auto found = strings.find(field.key);
    char *end = nullptr;
    double value =
        found == strings.end() ? 0 : std::strtod(found->second.c_str(), &end);
    if (!end || *end || !(value > 0) || !std::isfinite(value)) {
      error = std::string("expected '") + field.key +
              "' in __metadata__ to be a number above 0, got " +
              (found == strings.end() ? "none" : "'" + found->second + "'");
      return false;
    }
    config.*field.member = value;
  }
  if (config.heads % config.kvHeads || config.headDim % 2) {
    error = "expected heads to be a multiple of key heads and head_dim to be "
            "even, got " +
            std::to_string(config.heads) + ", " +
            std::to_string(config.kvHeads) + " and " +
            std::to_string(config.headDim);
    return false;
  }
  return true;
}

std::string layerName(int64_t layer, const std::string &weight) {
  return "model.layers." + std::to_string(layer) + "." + weight + ".weight";
}

std::vector<Weight> weightsOf(const Config &c) {
  int64_t q = c.heads * c.headDim, kv = c.kvHeads * c.headDim;
  std::vector<Weight> weights{
      {"model.embed_tokens.weight", {c.vocabulary, c.hidden}}};
  for (int64_t l = 0; l < c.layers; ++l) {
    weights.push_back({layerName(l, "input_layernorm"), {c.hidden}});
    weights.push_back({layerName(l, "self_attn.q_proj"), {q, c.hidden}});
    weights.push_back({layerName(l, "self_attn.k_proj"), {kv, c.hidden}});
    weights.push_back({layerName(l, "self_attn.v_proj"), {kv, c.hidden}});
    weights.push_back({layerName(l, "self_attn.o_proj"), {c.hidden, q}});
    weights.push_back({layerName(l, "post_attention_layernorm"), {c.hidden}});
    weights.push_back(
        {layerName(l, "mlp.gate_proj"), {c.intermediate, c.hidden}});
    weights.push_back(
        {layerName(l, "mlp.up_proj"), {c.intermediate, c.hidden}});
    weights.push_back(
        {layerName(l, "mlp.down_proj"), {c.hidden, c.intermediate}});
  }
  weights.push_back({"model.norm.weight", {c.hidden}});
  weights.push_back({"lm_head.weight", {c.vocabulary, c.hidden}});
  return weights;
}

std::string randomModel(const Config &config, uint64_t seed) {
  // SplitMix64; the sum of four uniform numbers is nearly normal.
  auto next = [&seed] {
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  };
  auto normal = [&] {
    uint64_t bits = next();
    int64_t sum = 0;
    for (int part = 0; part < 4; ++part)
      sum += int64_t(bits >> (16 * part) & 0xffff);
    return float(sum - 2 * 65535) * 2.6429e-5f;
  };
  std::vector<NamedFloats> tensors;
  for (Weight &weight : weightsOf(config)) {
    NamedFloats tensor{weight.name, weight.shape, {}};
    int64_t n = 1;
    for (int64_t extent : weight.shape)
      n *= extent;
    // Norms are near one; a row of a matrix keeps the size of its input.
    bool norm = weight.shape.size() == 1;
    bool embedding = weight.name == "model.embed_tokens.weight";
    float scale = embedding ? 1 : 1 / std::sqrt(float(weight.shape.back()));
    for (int64_t i = 0; i < n; ++i)
      tensor.data.push_back(norm ? 1 + 0.1f * normal() : scale * normal());
    tensors.push_back(std::move(tensor));
  }
  std::map<std::string, std::string> metadata;
  for (const WholeField &field : kWhole)
    metadata[field.key] = std::to_string(config.*field.member);
  for (const RealField &field : kReal)
    metadata[field.key] = std::to_string(config.*field.member);
  return safetensorsOf(metadata, tensors);
}

} // namespace decoder
