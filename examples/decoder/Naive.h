// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The decoder as its definition reads, in float64, one token at a time, with
// all keys and values in plain arrays. It shares the reader of the file with
// the engine that it judges and nothing else.
#ifndef FOVEA_EXAMPLES_DECODER_NAIVE_H
#define FOVEA_EXAMPLES_DECODER_NAIVE_H

#include "examples/decoder/Model.h"

namespace decoder {

class Naive {
public:
  static bool create(const Safetensors &file, const Config &config, Naive &out,
                     std::string &error);

  /// Takes the next token; the scores of all tokens as the one after it.
  std::vector<double> step(int32_t token);

private:
  using Numbers = std::vector<double>;
  struct Layer {
    Numbers attentionNorm, q, k, v, o, mlpNorm, gate, up, down;
    std::vector<Numbers> keys, values; ///< per token, all heads
  };

  Numbers normalized(const Numbers &x, const Numbers &weight) const;
  void rotate(Numbers &heads, int64_t position) const;
  Numbers attend(const Layer &layer, const Numbers &q) const;

  Config config;
  Numbers embedding, norm, head;
  std::vector<Layer> layers;
  int64_t position = 0;
};

} // namespace decoder

#endif // FOVEA_EXAMPLES_DECODER_NAIVE_H
