// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// gpu_runner FOLDER JSON: runs the conformance kernels that gpu_pack wrote on
// the first GPU and compares what they give with what the emulator gave. It
// needs NVIDIA's driver and nothing else. A Markdown table goes to stdout.
// Exit codes: 0 all agree, 1 some do not, 2 unusable input, 3 no GPU.
#include "bench/gpu/Text.h"
#include "runtime/base/Status.h"
#include "runtime/cuda/Driver.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

using namespace fovea::gpu;
using namespace fovea::rt;

namespace {
using Words = std::vector<uint32_t>;

struct Case {
  std::string name, map;
  int hopper;
  unsigned threads, sharedBytes;
  float tolerance;
};

struct Verdict {
  std::string name, result, detail; // "agrees", "differs", "failed", "skipped"
};

// A CUtensorMap.
struct alignas(64) TensorMap {
  char bytes[128];
};
} // namespace

static constexpr uint32_t untouched = 0xdeadbeef;

static Words wordsOf(const std::string &bytes) {
  Words words(bytes.size() / 4);
  memcpy(words.data(), bytes.data(), words.size() * 4);
  return words;
}

static bool ok(fovea_status status, std::string &detail) {
  if (status == FOVEA_OK)
    return true;
  detail = message();
  return false;
}

// Encodes "in|out,element,swizzle,rank,dims..,box..,strides..".
static bool encode(const std::string &text, CuPointer in, CuPointer out,
                   TensorMap &map, std::string &detail) {
  using Encode =
      int (*)(void *, int, unsigned, void *, const unsigned long long *,
              const unsigned long long *, const unsigned *, const unsigned *,
              int, int, int, int);
  const char *given = getenv("FOVEA_CUDA_LIBRARY");
  void *library = dlopen(given && *given ? given : "libcuda.so.1", RTLD_NOW);
  auto encode =
      library
          ? reinterpret_cast<Encode>(dlsym(library, "cuTensorMapEncodeTiled"))
          : nullptr;
  if (!encode) {
    detail = "the driver has no cuTensorMapEncodeTiled";
    return false;
  }
  std::vector<unsigned long long> numbers;
  std::stringstream stream(text);
  std::string which, one;
  std::getline(stream, which, ',');
  while (std::getline(stream, one, ','))
    numbers.push_back(strtoull(one.c_str(), nullptr, 10));
  size_t rank = numbers.size() > 2 ? numbers[2] : 0;
  if (!rank || rank > 5 || numbers.size() != 3 + 3 * rank) {
    detail = "expected a tensor map, got " + text;
    return false;
  }
  unsigned box[5], ones[5] = {1, 1, 1, 1, 1};
  unsigned long long dims[5], strides[5] = {};
  for (size_t d = 0; d < rank; ++d) {
    dims[d] = numbers[3 + d];
    box[d] = unsigned(numbers[3 + rank + d]);
    if (d) // that of dimension 0 is an element's
      strides[d - 1] = numbers[3 + 2 * rank + d];
  }
  // CU_TENSOR_MAP_DATA_TYPE_UINT8, 16 and 32 are 0, 1 and 2.
  int type = numbers[0] == 1 ? 0 : numbers[0] == 2 ? 1 : 2;
  int error = encode(&map, type, unsigned(rank),
                     reinterpret_cast<void *>(which == "in" ? in : out), dims,
                     strides, box, ones, 0, int(numbers[1]), 0, 0);
  if (error)
    detail = "cuTensorMapEncodeTiled: error " + std::to_string(error);
  return !error;
}

static bool run(const CudaDriver &cuda, const Case &one,
                const std::string &code, const Words &in, Words &out,
                std::string &detail) {
  void *module = nullptr, *function = nullptr;
  CuPointer memory = 0;
  size_t inBytes = (in.size() * 4 + 255) / 256 * 256;
  size_t outBytes = (out.size() * 4 + 255) / 256 * 256;
  bool good =
      ok(FOVEA_CUDA(cuda, moduleLoad, &module, code.c_str(), 0, nullptr,
                    nullptr),
         detail) &&
      ok(FOVEA_CUDA(cuda, moduleGetFunction, &function, module, "k"), detail) &&
      ok(FOVEA_CUDA(cuda, functionSetAttribute, function,
                    cuMaxDynamicSharedBytes, int(one.sharedBytes)),
         detail) &&
      ok(FOVEA_CUDA(cuda, memAlloc, &memory, inBytes + outBytes + 128), detail);
  CuPointer source = memory, target = memory + inBytes;
  CuPointer mapAt = target + outBytes;
  TensorMap map = {};
  if (good && one.map != "-")
    good = encode(one.map, source, target, map, detail);
  void *arguments[] = {&source, &target, &mapAt};
  good = good &&
         ok(FOVEA_CUDA(cuda, copyToDevice, source, in.data(), in.size() * 4,
                       nullptr),
            detail) &&
         ok(FOVEA_CUDA(cuda, copyToDevice, target, out.data(), out.size() * 4,
                       nullptr),
            detail) &&
         ok(FOVEA_CUDA(cuda, copyToDevice, mapAt, &map, sizeof map, nullptr),
            detail) &&
         ok(FOVEA_CUDA(cuda, contextSynchronize), detail) &&
         ok(FOVEA_CUDA(cuda, launch, function, 1, 1, 1, one.threads, 1, 1,
                       one.sharedBytes, nullptr, arguments, nullptr),
            detail) &&
         ok(FOVEA_CUDA(cuda, copyToHost, out.data(), target, out.size() * 4,
                       nullptr),
            detail) &&
         ok(FOVEA_CUDA(cuda, contextSynchronize), detail);
  if (memory)
    cuda.memFree(memory);
  if (module)
    cuda.moduleUnload(module);
  return good;
}

static bool agrees(uint32_t got, uint32_t wanted, float tolerance) {
  if (got == wanted)
    return true;
  float x, y;
  memcpy(&x, &got, 4);
  memcpy(&y, &wanted, 4);
  return std::fabs(x - y) <= tolerance * std::fmax(std::fabs(y), 1.0f);
}

static Verdict judge(const CudaDriver &cuda, const Case &one,
                     const std::string &folder, int capability) {
  Verdict verdict = {one.name, "failed", ""};
  if (one.hopper && capability != 90)
    return {one.name, "skipped", "needs sm_90a"};
  std::string base = folder + "/" + one.name, code, in, expected;
  std::string path = base + (capability == 90  ? ".sm_90a.cubin"
                             : capability < 90 ? ".sm_80.cubin"
                                               : ".sm_80.ptx");
  if (!readFile(path, code) || !readFile(base + ".in", in) ||
      !readFile(base + ".expected", expected)) {
    verdict.detail = "expected to read " + path + ", .in and .expected";
    return verdict;
  }
  Words wanted = wordsOf(expected), out(wanted.size(), untouched);
  if (!run(cuda, one, code, wordsOf(in), out, verdict.detail))
    return verdict;
  size_t wrong = 0, first = 0;
  for (size_t i = out.size(); i-- > 0;)
    if (!agrees(out[i], wanted[i], one.tolerance))
      ++wrong, first = i;
  verdict.result = wrong ? "differs" : "agrees";
  if (wrong) {
    char text[128];
    snprintf(text, sizeof text,
             "%zu of %zu words; word %zu: expected 0x%08x, got 0x%08x", wrong,
             out.size(), first, wanted[first], out[first]);
    verdict.detail = text;
  }
  return verdict;
}

static bool readIndex(const std::string &path, std::vector<Case> &cases) {
  std::ifstream stream(path);
  std::string line;
  while (std::getline(stream, line)) {
    std::stringstream fields(line);
    Case one;
    if (!(fields >> one.name >> one.hopper >> one.threads >> one.sharedBytes >>
          one.tolerance >> one.map))
      return false;
    cases.push_back(one);
  }
  return !cases.empty();
}

int main(int argc, char **argv) {
  std::vector<Case> cases;
  if (!readArguments(argc, argv, "gpu_runner", "gpu_pack", "index.txt",
                     readIndex, cases))
    return 2;
  std::string folder = argv[1];
  const CudaDriver *cuda = nullptr;
  int device = 0, major = 0, minor = 0, version = 0;
  char name[128] = "";
  void *context = nullptr;
  std::string reason;
  if (!ok(cudaDriver(cuda), reason) ||
      !ok(FOVEA_CUDA(*cuda, deviceGet, &device, 0), reason) ||
      !ok(FOVEA_CUDA(*cuda, deviceGetName, name, 128, device), reason) ||
      !ok(FOVEA_CUDA(*cuda, deviceGetAttribute, &major, cuCapabilityMajor,
                     device),
          reason) ||
      !ok(FOVEA_CUDA(*cuda, deviceGetAttribute, &minor, cuCapabilityMinor,
                     device),
          reason) ||
      !ok(FOVEA_CUDA(*cuda, driverGetVersion, &version), reason) ||
      !ok(FOVEA_CUDA(*cuda, contextRetain, &context, device), reason) ||
      !ok(FOVEA_CUDA(*cuda, contextPush, context), reason)) {
    fprintf(stderr, "gpu_runner: no GPU: %s\n", reason.c_str());
    return 3;
  }
  int capability = 10 * major + minor;
  Results results("gpu_runner",
                  "{\"gpu\": " + quoted(name) +
                      ", \"capability\": " + std::to_string(capability) +
                      ", \"driver\": " + std::to_string(version) +
                      ", \"kernels\": [");
  printf("| kernel | on %s | |\n|---|---|---|\n", name);
  for (const Case &one : cases) {
    Verdict verdict = judge(*cuda, one, folder, capability);
    results.bad += verdict.result == "differs" || verdict.result == "failed";
    results.add({{"name", verdict.name},
                 {"result", verdict.result},
                 {"detail", verdict.detail}});
  }
  printf("\n%zu kernels, %d do not agree with the emulator.\n", cases.size(),
         results.bad);
  return results.write(argv[2]);
}
