// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A small decoder-only transformer on Fovea: greedy generation from a
// safetensors file, next to a naive float64 decoder that must say the same.
#include "examples/decoder/Engine.h"
#include "examples/decoder/Naive.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace decoder;

namespace {

const char usage[] =
    "usage: decoder MODEL.safetensors [options]\n"
    "       decoder --random=OUT.safetensors [--seed=N]\n"
    "  --prompt=1,2,3   tokens to begin with (default: 300 made from the "
    "seed)\n"
    "  --tokens=N       tokens to generate (default 256)\n"
    "  --chunk=N        most tokens of the prompt in one step (default 128)\n"
    "  --threads=N      threads of attention (default: one per CPU)\n"
    "  --spec=FILE      attention (default: decoder.mlir of this example)\n"
    "  --check          compare with the naive decoder, token by token\n"
    "  --check=OTHER    the same, the naive decoder with another file's "
    "weights\n";

struct Options {
  std::string model, random, prompt, other;
  std::string spec = DECODER_SPEC;
  long tokens = 256, chunk = 128, threads = 0, seed = 1;
  bool check = false;
};

[[noreturn]] void stop(int code, const std::string &why) {
  std::fprintf(stderr, "decoder: %s\n", why.c_str());
  std::exit(code);
}

Options parse(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    size_t equals = word.find('=');
    std::string name = word.substr(0, equals);
    std::string value =
        equals == std::string::npos ? "" : word.substr(equals + 1);
    auto number = [&](long &to) {
      char *end = nullptr;
      to = std::strtol(value.c_str(), &end, 10);
      if (value.empty() || *end || to < 0 || to > 1 << 20)
        stop(2, "expected " + name + "= to be a whole number, got '" + value +
                    "'");
    };
    if (name == "--random")
      options.random = value;
    else if (name == "--prompt")
      options.prompt = value;
    else if (name == "--spec")
      options.spec = value;
    else if (name == "--tokens")
      number(options.tokens);
    else if (name == "--chunk")
      number(options.chunk);
    else if (name == "--threads")
      number(options.threads);
    else if (name == "--seed")
      number(options.seed);
    else if (name == "--check")
      options.check = true, options.other = value;
    else if (word[0] != '-' && options.model.empty())
      options.model = word;
    else
      stop(2, "unknown word '" + word + "'\n" + usage);
  }
  if (options.model.empty() == options.random.empty())
    stop(2, usage);
  if (options.chunk < 1)
    stop(2, "expected --chunk= to be at least 1");
  return options;
}

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

std::vector<int32_t> promptOf(const Options &options, const Config &config) {
  std::vector<int32_t> prompt;
  if (options.prompt.empty()) {
    uint64_t state = uint64_t(options.seed);
    for (int i = 0; i < 300; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      prompt.push_back(int32_t((state >> 33) % uint64_t(config.vocabulary)));
    }
    return prompt;
  }
  for (const char *at = options.prompt.c_str();;) {
    char *end = nullptr;
    long token = std::strtol(at, &end, 10);
    if (end == at || (*end && *end != ',') || token < 0 ||
        token >= config.vocabulary)
      stop(2, "expected --prompt= to list tokens below " +
                  std::to_string(config.vocabulary) + ", got '" +
                  options.prompt + "'");
    prompt.push_back(int32_t(token));
    if (!*end)
      return prompt;
    at = end + 1;
  }
}

template <typename Number>
int32_t best(const std::vector<Number> &scores) {
  return int32_t(std::max_element(scores.begin(), scores.end()) -
                 scores.begin());
}

Safetensors readModel(const std::string &path, Config &config) {
  Safetensors file;
  std::string error;
  if (!Safetensors::read(path, file, error))
    stop(3, error);
  if (!readConfig(file, config, error))
    stop(3, path + ": " + error);
  return file;
}

/// Runs the naive decoder over the same tokens. True if every token is the
/// one that it would have chosen and its scores are near.
bool check(const Options &options, const std::vector<int32_t> &prompt,
           const std::vector<int32_t> &tokens,
           const std::vector<std::vector<float>> &scores) {
  Config config;
  Safetensors file =
      readModel(options.other.empty() ? options.model : options.other, config);
  Naive naive;
  std::string error;
  if (!Naive::create(file, config, naive, error))
    stop(3, error);
  std::vector<double> wanted;
  for (int32_t token : prompt)
    wanted = naive.step(token);
  size_t same = 0;
  double worst = 0, lead = INFINITY;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i)
      wanted = naive.step(tokens[i - 1]);
    if (wanted.size() != scores[i].size())
      stop(3, "expected both models to have one vocabulary");
    double largest = 0, error = 0;
    for (size_t t = 0; t < wanted.size(); ++t) {
      double off = std::fabs(double(scores[i][t]) - wanted[t]);
      largest = std::max(largest, std::fabs(wanted[t]));
      error = off <= error ? error : off; // a NaN stays
    }
    worst = error / largest <= worst ? worst : error / largest;
    int32_t token = best(wanted);
    if (token != tokens[i]) {
      std::printf("check: token %zu is %d, the naive decoder's is %d\n", i,
                  tokens[i], token);
      break;
    }
    ++same;
    double first = wanted[size_t(token)];
    wanted[size_t(token)] = -INFINITY;
    lead = std::min(lead,
                    (first - *std::max_element(wanted.begin(), wanted.end())) /
                        largest);
  }
  bool ok = same == tokens.size() && worst < 1e-4;
  std::printf("check: %zu of %zu tokens are the naive decoder's; scores "
              "differ by %.1e of the largest, the closest choice was won by "
              "%.1e: %s\n",
              same, tokens.size(), worst, lead, ok ? "ok" : "WRONG");
  return ok;
}

int generate(const Options &options) {
  Config config;
  Safetensors file = readModel(options.model, config);
  std::vector<int32_t> prompt = promptOf(options, config);

  EngineOptions engineOptions;
  engineOptions.spec = options.spec;
  engineOptions.threads = int(options.threads);
  engineOptions.chunk = options.chunk;
  engineOptions.maxTokens = int64_t(prompt.size()) + options.tokens;
  std::string error;
  auto engine = Engine::create(file, config, engineOptions, error);
  if (!engine)
    stop(3, error);
  std::printf("%s attention in %.1f ms; %.1f MB of buffers, %.1f MB of cache\n",
              engine->compiledFromCache() ? "loaded" : "compiled",
              engine->compileMs(), double(engine->graphBytes()) * 1e-6,
              double(engine->cacheBytes()) * 1e-6);

  double start = now();
  std::vector<float> last;
  for (size_t at = 0; at < prompt.size();) {
    size_t n = std::min(prompt.size() - at, size_t(options.chunk));
    if (!engine->step(&prompt[at], int64_t(n), last, error))
      stop(4, error);
    at += n;
  }
  double middle = now();
  std::vector<int32_t> tokens;
  std::vector<std::vector<float>> scores;
  while (tokens.size() < size_t(options.tokens)) {
    if (!tokens.empty() && !engine->step(&tokens.back(), 1, last, error))
      stop(4, error);
    tokens.push_back(best(last));
    scores.push_back(last);
  }
  double end = now();
  for (size_t i = 0; i < tokens.size(); ++i)
    std::printf("%d%c", tokens[i], i + 1 < tokens.size() ? ' ' : '\n');
  std::printf("prompt: %zu tokens, %.0f tokens/s; generated: %zu tokens, %.0f "
              "tokens/s\n",
              prompt.size(), double(prompt.size()) / (middle - start),
              tokens.size(), double(tokens.size()) / (end - middle));
  return !options.check || check(options, prompt, tokens, scores) ? 0 : 1;
}

} // namespace

int main(int argc, char **argv) {
  Options options = parse(argc, argv);
  if (options.random.empty())
    return generate(options);
  std::string bytes = randomModel(Config(), uint64_t(options.seed));
  FILE *file = std::fopen(options.random.c_str(), "wb");
  bool good =
      file && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  good = (!file || std::fclose(file) == 0) && good;
  if (!good)
    stop(4, options.random + ": cannot be written");
  std::printf("wrote %s, %.1f MB\n", options.random.c_str(),
              double(bytes.size()) * 1e-6);
  return 0;
}
