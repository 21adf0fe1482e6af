// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A sequence's committed tokens in a file, and back.
//
// Little-endian: a header, the type's text (padded with zeros to 8 bytes), one
// record per segment, a checksum of all that; then for each layer and segment
// the rows of its tokens, [token][part][head][chan], in blocks that each end in
// a checksum. Metadata of pages is not stored but computed again, and nothing
// depends on the size of the pool. Sizes follow from the header, so a file has
// one right length. A file is untrusted until its checks have passed.
#include "runtime/base/Status.h"
#include "runtime/kvcache/Cache.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace fovea::rt;

using LL = long long;

namespace {

constexpr uint32_t fileMagic = 0x4b564f46; // "FOVK"
constexpr uint32_t fileVersion = 1;
constexpr int64_t blockBytes = int64_t(1) << 20;
constexpr uint32_t maxType = 1 << 16;

struct FileHeader {
  uint32_t magic, version;
  uint32_t layers, segments;
  uint32_t heads, keyDim, valueDim, inputDtype;
  uint32_t typeBytes, reserved;
  int64_t tokens;
  uint64_t checksum; // of the header (with 0 here), the text and the records
};

struct FileSegment {
  uint32_t kind, parts;
  int64_t begin, end;
  int64_t rowBytes;
};

/// The front of a file, as it is written for a sequence of `tokens` tokens.
struct Front {
  FileHeader header{};
  FileSegment segments[maxSegments]{};

  Front(const fovea_kv &kv, int64_t tokens) {
    const fovea_bundle_cache &cache = *kv.records().cache;
    header.magic = fileMagic;
    header.version = fileVersion;
    header.layers = uint32_t(kv.limits.layers);
    header.segments = kv.storage.n;
    header.heads = cache.heads;
    header.keyDim = cache.key_dim;
    header.valueDim = cache.value_dim;
    header.inputDtype = cache.input_dtype;
    header.typeBytes = uint32_t(std::strlen(kv.records().type()));
    header.tokens = tokens;
    for (uint32_t g = 0; g < kv.storage.n; ++g) {
      const TokenRange range = tokensOf(kv.storage, g, tokens, 0);
      segments[g] = {kv.storage.segments[g].kind, kv.storage.segments[g].nParts,
                     range.begin, range.end, kv.rowBytes(g)};
    }
    uint64_t sum = fovea_bundle_checksum(&header, sizeof header);
    sum ^= fovea_bundle_checksum(kv.records().type(), header.typeBytes) * 3;
    sum ^= fovea_bundle_checksum(segments, sizeof *segments * kv.storage.n) * 5;
    header.checksum = sum;
  }
  size_t paddedType() const { return (size_t(header.typeBytes) + 7) / 8 * 8; }
};

int64_t blockTokens(int64_t rowBytes) {
  return rowBytes < blockBytes ? blockBytes / rowBytes : 1;
}

/// Largest block, with its checksum.
int64_t bufferBytes(const fovea_kv &kv) {
  int64_t most = 0;
  for (uint32_t g = 0; g < kv.storage.n; ++g) {
    int64_t row = kv.rowBytes(g);
    most = row * blockTokens(row) > most ? row * blockTokens(row) : most;
  }
  return most + 16;
}

/// Bytes of a whole file; `ok` is false beyond 2^62.
Extent fileBytes(const fovea_kv &kv, const Front &front) {
  Extent layer{};
  for (uint32_t g = 0; g < kv.storage.n; ++g) {
    const FileSegment &s = front.segments[g];
    const int64_t n = s.end - s.begin;
    layer = layer + Extent{n} * Extent{s.rowBytes} +
            Extent{8 * ceilDiv(n, blockTokens(s.rowBytes))};
  }
  return layer * Extent{kv.limits.layers} +
         Extent{int64_t(sizeof front.header + front.paddedType() +
                        sizeof(FileSegment) * kv.storage.n)};
}

/// Memory from the context for one call.
struct Buffer {
  Buffer(fovea_ctx &ctx, int64_t bytes)
      : ctx(ctx), data(static_cast<char *>(ctx.allocate(size_t(bytes), 64))) {}
  ~Buffer() { ctx.deallocate(data); }
  fovea_ctx &ctx;
  char *data;
};

/// A file descriptor that is closed.
struct Handle {
  explicit Handle(int fd) : fd(fd) {}
  ~Handle() {
    if (fd >= 0)
      close(fd);
  }
  int fd;

  bool write(const void *bytes, size_t n) {
    auto *p = static_cast<const char *>(bytes);
    while (n) {
      ssize_t done = ::write(fd, p, n);
      if (done < 0 && errno == EINTR)
        continue;
      if (done <= 0)
        return false;
      p += done;
      n -= size_t(done);
    }
    return true;
  }
  bool read(void *bytes, size_t n) {
    auto *p = static_cast<char *>(bytes);
    while (n) {
      ssize_t done = ::read(fd, p, n);
      if (done < 0 && errno == EINTR)
        continue;
      if (done <= 0)
        return false;
      p += done;
      n -= size_t(done);
    }
    return true;
  }
};

/// Calls fn(layer, segment, first token, tokens) for each block of a file.
template <typename Fn>
bool eachBlock(const fovea_kv &kv, const Front &front, Fn fn) {
  for (int layer = 0; layer < kv.limits.layers; ++layer)
    for (uint32_t g = 0; g < kv.storage.n; ++g) {
      const FileSegment &s = front.segments[g];
      const int64_t step = blockTokens(s.rowBytes);
      for (int64_t t = s.begin; t < s.end; t += step)
        if (!fn(layer, g, t, s.end - t < step ? s.end - t : step))
          return false;
    }
  return true;
}

bool writeAll(const fovea_kv &kv, int32_t i, const Front &front, Handle &file,
              char *buffer) {
  const char zeros[8] = {};
  const size_t type = front.header.typeBytes;
  if (!file.write(&front.header, sizeof front.header) ||
      !file.write(kv.records().type(), type) ||
      !file.write(zeros, front.paddedType() - type) ||
      !file.write(front.segments, sizeof(FileSegment) * kv.storage.n))
    return false;
  return eachBlock(kv, front, [&](int layer, uint32_t g, int64_t t, int64_t n) {
    const int64_t row = front.segments[g].rowBytes;
    for (int64_t k = 0; k < n; ++k) {
      int32_t page, offset;
      kv.place(g, i, t + k, page, offset);
      kv.readRow(g, layer, page, offset, buffer + k * row);
    }
    const size_t bytes = size_t(n * row);
    const uint64_t sum = fovea_bundle_checksum(buffer, bytes);
    std::memcpy(buffer + bytes, &sum, sizeof sum);
    return file.write(buffer, bytes + sizeof sum);
  });
}

fovea_status damaged(const char *path, const char *what) {
  return fail(FOVEA_INVALID,
              "'%s': expected a cache file with %s, got a "
              "truncated or damaged one",
              path, what);
}

/// Everything before the rows. Sets the number of tokens.
fovea_status readFront(const fovea_kv &kv, Handle &file, const char *path,
                       int64_t size, char *buffer, int64_t &tokens) {
  FileHeader h;
  if (!file.read(&h, sizeof h))
    return damaged(path, "a header");
  if (h.magic != fileMagic)
    return fail(FOVEA_INVALID,
                "'%s': expected a cache file (0x%08x), got 0x%08x", path,
                fileMagic, h.magic);
  if (h.version != fileVersion)
    return fail(FOVEA_INVALID, "'%s': expected cache file version %u, got %u",
                path, fileVersion, h.version);
  if (h.typeBytes > maxType)
    return damaged(path, "the text of a type");
  const char *type = kv.records().type();
  const Front want(kv, 0);
  const size_t padded = (size_t(h.typeBytes) + 7) / 8 * 8;
  if (!file.read(buffer, padded))
    return damaged(path, "the text of a type");
  for (size_t i = h.typeBytes; i < padded; ++i)
    if (buffer[i])
      return damaged(path, "the text of a type");
  buffer[h.typeBytes] = 0;
  if (std::strcmp(buffer, type) != 0 || h.segments != kv.storage.n)
    return fail(FOVEA_INVALID,
                "'%s': expected a cache of type %s, got type %.400s", path,
                type, buffer);
  if (h.layers != want.header.layers)
    return fail(FOVEA_INVALID, "'%s': expected a cache of %u layers, got %u",
                path, want.header.layers, h.layers);
  if (h.tokens < 0 || h.tokens > kv.limits.max_len)
    return fail(FOVEA_INVALID,
                "'%s': expected at most %lld tokens (limits.max_len), got %lld",
                path, LL(kv.limits.max_len), LL(h.tokens));
  // All else follows from these: it is as we would have written it.
  const Front mine(kv, h.tokens);
  FileSegment segments[maxSegments];
  if (!file.read(segments, sizeof(FileSegment) * kv.storage.n) ||
      std::memcmp(&h, &mine.header, sizeof h) != 0 ||
      std::memcmp(segments, mine.segments,
                  sizeof(FileSegment) * kv.storage.n) != 0)
    return damaged(path, "the segments of its type and a correct checksum");
  const Extent bytes = fileBytes(kv, mine);
  if (!bytes.ok || bytes.value != size)
    return fail(FOVEA_INVALID,
                "'%s': expected a cache file of %lld bytes, got %lld", path,
                LL(bytes.value), LL(size));
  tokens = h.tokens;
  return FOVEA_OK;
}

fovea_status readRows(fovea_kv &kv, int32_t i, const Front &front, Handle &file,
                      const char *path, char *buffer) {
  bool whole =
      eachBlock(kv, front, [&](int layer, uint32_t g, int64_t t, int64_t n) {
        const int64_t row = front.segments[g].rowBytes;
        const size_t bytes = size_t(n * row);
        uint64_t sum = 0;
        if (!file.read(buffer, bytes) || !file.read(&sum, sizeof sum) ||
            sum != fovea_bundle_checksum(buffer, bytes))
          return false;
        for (int64_t k = 0; k < n; ++k) {
          int32_t page, offset;
          kv.place(g, i, t + k, page, offset);
          kv.writeRow(g, layer, page, offset, buffer + k * row);
        }
        return true;
      });
  return whole ? FOVEA_OK : damaged(path, "rows that match their checksums");
}

} // namespace

fovea_status fovea_kv::save(int32_t i, const char *path) const {
  const Front front(*this, seqs[i].committed);
  if (front.header.typeBytes > maxType || !fileBytes(*this, front).ok)
    return fail(FOVEA_UNSUPPORTED,
                "expected a cache file of at most 2^62 "
                "bytes and a type of at most %u, got more",
                maxType);
  char temporary[4096];
  if (std::snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >=
      int(sizeof temporary))
    return fail(FOVEA_INVALID, "expected a path of at most %zu bytes",
                sizeof temporary - 8);
  const int64_t bytes = bufferBytes(*this);
  Buffer buffer(ctx(), bytes);
  if (!buffer.data)
    return noMemory("saving a sequence", size_t(bytes));
  Handle file(mkostemp(temporary, O_CLOEXEC));
  if (file.fd < 0)
    return fail(FOVEA_INVALID, "cannot write '%s': %s", temporary,
                strerror(errno));
  bool written = writeAll(*this, i, front, file, buffer.data);
  int error = errno;
  // Some file systems say only now that they are full. Not synced: after a
  // power failure the checksums tell.
  if (close(file.fd) && written) {
    written = false;
    error = errno;
  }
  file.fd = -1;
  if (written && !rename(temporary, path))
    return FOVEA_OK;
  error = written ? errno : error;
  unlink(temporary);
  return fail(FOVEA_DEVICE, "cannot write '%s': %s", path, strerror(error));
}

fovea_status fovea_kv::load(const char *path, uint64_t seq) {
  Handle file(open(path, O_RDONLY | O_CLOEXEC));
  if (file.fd < 0)
    return fail(FOVEA_INVALID, "cannot open '%s': %s", path, strerror(errno));
  struct stat info;
  if (fstat(file.fd, &info) || !S_ISREG(info.st_mode))
    return fail(FOVEA_INVALID, "expected '%s' to be a file", path);
  int64_t bytes = bufferBytes(*this);
  bytes = bytes > int64_t(maxType) + 16 ? bytes : int64_t(maxType) + 16;
  Buffer buffer(ctx(), bytes);
  if (!buffer.data)
    return noMemory("loading a sequence", size_t(bytes));
  int64_t tokens = 0;
  if (fovea_status st =
          readFront(*this, file, path, info.st_size, buffer.data, tokens))
    return st;
  for (uint32_t g = 0; g < storage.n; ++g)
    if (storage.segments[g].kept)
      if (fovea_status st = canRun())
        return st;
  if (storage.grows >= 0) {
    const uint32_t g = uint32_t(storage.grows);
    if (fovea_status st = makeRoom(
            [&] { return needed(g, tokens, 0) - stores[g].pool.nFree; }))
      return st;
  }
  if (fovea_status st = canBegin(seq)) // after the eviction callback
    return st;
  const int32_t i = insert(seq);
  seqs[i].committed = tokens;
  for (uint32_t g = 0; g < storage.n; ++g)
    while (seqs[i].nPages[g] < needed(g, tokens, 0))
      table(g, i)[seqs[i].nPages[g]++] = stores[g].pool.take();
  fovea_status st =
      readRows(*this, i, Front(*this, tokens), file, path, buffer.data);
  for (uint32_t g = 0; g < storage.n && !st; ++g)
    if (storage.segments[g].kept) {
      const TokenRange range = fovea_kv::tokens(g, i);
      st = refresh(g, i, range.begin, range.end);
    }
  if (st)
    remove(i);
  return st;
}

fovea_status fovea_kv_save(const fovea_kv *kv, uint64_t seq, const char *path) {
  if (!kv || !path)
    return fail(FOVEA_INVALID, "expected a %s, got NULL",
                !kv ? "cache" : "path");
  int32_t i = -1;
  if (fovea_status st = kv->managed())
    return st;
  if (fovea_status st = kv->known(seq, i))
    return st;
  return kv->save(i, path);
}

fovea_status fovea_kv_load(fovea_kv *kv, const char *path, uint64_t seq) {
  if (!kv || !path)
    return fail(FOVEA_INVALID, "expected a %s, got NULL",
                !kv ? "cache" : "path");
  if (fovea_status st = kv->idle())
    return st;
  if (fovea_status st = kv->canBegin(seq))
    return st;
  return kv->load(path, seq);
}
