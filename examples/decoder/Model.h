// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a model file holds: a decoder-only transformer with the tensor names
// and the configuration names of the Llama family, the configuration in the
// file's `__metadata__`.
#ifndef FOVEA_EXAMPLES_DECODER_MODEL_H
#define FOVEA_EXAMPLES_DECODER_MODEL_H

#include "examples/decoder/Safetensors.h"

namespace decoder {

struct Config {
  int64_t hidden = 256;       ///< hidden_size
  int64_t intermediate = 704; ///< intermediate_size
  int64_t layers = 4;         ///< num_hidden_layers
  int64_t heads = 8;          ///< num_attention_heads
  int64_t kvHeads = 2;        ///< num_key_value_heads
  int64_t headDim = 32;       ///< head_dim
  int64_t vocabulary = 1000;  ///< vocab_size
  double epsilon = 1e-5;      ///< rms_norm_eps
  double theta = 10000;       ///< rope_theta
};

/// Reads the configuration; false with the reason in `error`.
bool readConfig(const Safetensors &file, Config &config, std::string &error);

/// A tensor that a model has.
struct Weight {
  std::string name;
  std::vector<int64_t> shape;
};
std::string layerName(int64_t layer, const std::string &weight);
std::vector<Weight> weightsOf(const Config &config);

/// The bytes of a model file with random weights, scaled so that activations
/// keep their size from layer to layer. The same for the same seed everywhere.
std::string randomModel(const Config &config, uint64_t seed);

} // namespace decoder

#endif // FOVEA_EXAMPLES_DECODER_MODEL_H
