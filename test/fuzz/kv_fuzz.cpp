// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuzzes the reader of cache files. A file that is taken must be one that the
// cache would have written: saved again it is the same, byte for byte.
#include "test/support/TestKernel.h"

#include <fovea/runtime.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

using namespace fovea::test;

namespace {

// The front of a file as runtime/kvcache/File.cpp lays it out, in words of
// this fuzzer's own.
constexpr size_t headerBytes = 56, tokensAt = 40, sumAt = 48, typeAt = 32;
constexpr size_t segments = 4, segmentBytes = 32;

struct Cache {
  fovea_kv *kv = nullptr;
  int arg = 1;

  Cache() {
    fovea_options options{};
    options.size = sizeof options;
    fovea_executor_serial(&options.exec);
    std::vector<uint8_t> bytes =
        cacheKernel(cacheOptions(CacheKind::Rich)).build();
    fovea_ctx *ctx = nullptr;
    fovea_bundle *bundle = nullptr;
    fovea_kernel *kernel = nullptr;
    fovea_kv_limits limits{};
    limits.size = sizeof limits;
    limits.layers = 1;
    limits.seqs = 2;
    limits.max_len = 40;
    if (fovea_open(FOVEA_API, &options, &ctx) ||
        fovea_bundle_memory(ctx, bytes.data(), bytes.size(), &bundle) ||
        fovea_kernel_get(bundle, nullptr, FOVEA_CPU, &kernel) ||
        fovea_kv_create(kernel, arg, &limits, &kv))
      std::abort();
  }
};

/// A file in memory, by a name that can be opened.
struct MemoryFile {
  MemoryFile() : fd(memfd_create("fovea-kv-fuzz", 0)) {
    name = "/proc/self/fd/" + std::to_string(fd);
  }
  int fd;
  std::string name;
};

fovea_status load(const std::vector<uint8_t> &bytes) {
  static Cache cache;
  static MemoryFile file;
  if (ftruncate(file.fd, off_t(bytes.size())) ||
      pwrite(file.fd, bytes.data(), bytes.size(), 0) != ssize_t(bytes.size()))
    std::abort();
  fovea_kv_stats before{}, after{};
  before.size = after.size = sizeof before;
  if (fovea_kv_stats_get(cache.kv, &before))
    std::abort();
  fovea_status st = fovea_kv_load(cache.kv, file.name.c_str(), 1);
  if (st && !*fovea_message())
    std::abort(); // a refusal has a reason
  if (!st) {
    int64_t length = 0, fresh = 0;
    if (fovea_kv_length(cache.kv, 1, &length, &fresh) || fresh || length > 40)
      std::abort();
#ifdef FOVEA_PLANTED_FAULT
    // As if tokens beyond the pool's pages had been believed.
    if (length > 17)
      std::abort();
#endif
    // One folder per process: fuzzers run side by side.
    static const std::string path =
        (std::filesystem::temp_directory_path() /
         ("fovea-kv-fuzz-" + std::to_string(getpid())))
            .string();
    if (fovea_kv_save(cache.kv, 1, path.c_str()) || fovea_kv_free(cache.kv, 1))
      std::abort();
    FILE *f = std::fopen(path.c_str(), "rb");
    std::vector<uint8_t> again(bytes.size() + 1);
    if (!f || std::fread(again.data(), 1, again.size(), f) != bytes.size() ||
        std::memcmp(again.data(), bytes.data(), bytes.size()) != 0)
      std::abort();
    std::fclose(f);
    std::remove(path.c_str());
  }
  if (fovea_kv_stats_get(cache.kv, &after) ||
      before.pages_free != after.pages_free || after.sequences)
    std::abort(); // nothing is left behind
  return st;
}

uint64_t wordAt(const std::vector<uint8_t> &bytes, size_t at) {
  uint64_t word = 0;
  std::memcpy(&word, &bytes[at], 8);
  return word;
}

void putWord(std::vector<uint8_t> &bytes, size_t at, uint64_t word) {
  std::memcpy(&bytes[at], &word, 8);
}

/// Makes the file as long as its tokens say and corrects its checksums, so
/// that what is behind them is reached.
void mend(std::vector<uint8_t> &bytes) {
  uint32_t type = 0;
  if (bytes.size() < headerBytes)
    return;
  std::memcpy(&type, &bytes[typeAt], 4);
  if (type > 64)
    return;
  const size_t text = headerBytes, records = text + (type + 7) / 8 * 8;
  bytes.resize(std::max(bytes.size(), records + segments * segmentBytes));
  const int64_t tokens = int64_t(wordAt(bytes, tokensAt) % 48);
  putWord(bytes, tokensAt, uint64_t(tokens));
  // first(3), older, recent(5), new.
  const int64_t sink = std::min<int64_t>(3, tokens);
  const int64_t edge = std::max(sink, tokens - 5);
  const int64_t ends[] = {0, sink, edge, tokens, tokens};
  size_t at = records + segments * segmentBytes;
  for (size_t g = 0; g < segments; ++g) {
    const size_t record = records + g * segmentBytes;
    putWord(bytes, record + 8, uint64_t(ends[g]));
    putWord(bytes, record + 16, uint64_t(ends[g + 1]));
    const size_t rows =
        size_t(ends[g + 1] - ends[g]) * (wordAt(bytes, record + 24) % 1024);
    if (ends[g + 1] == ends[g])
      continue;
    bytes.resize(std::max(bytes.size(), at + rows + 8));
    putWord(bytes, at + rows, fovea_bundle_checksum(&bytes[at], rows));
    at += rows + 8;
  }
  bytes.resize(at);
  putWord(bytes, sumAt, 0);
  uint64_t sum = fovea_bundle_checksum(bytes.data(), headerBytes);
  sum ^= fovea_bundle_checksum(&bytes[text], type) * 3;
  sum ^= fovea_bundle_checksum(&bytes[records], segments * segmentBytes) * 5;
  putWord(bytes, sumAt, sum);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  load(bytes);
  mend(bytes);
  load(bytes);
  return 0;
}
