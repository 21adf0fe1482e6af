// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bundles in memory: read, check, make the code executable.
#include "runtime/loader/Bundle.h"
#include "runtime/base/Status.h"

#include <cerrno>
#include <fcntl.h>
#include <fovea/inspect.h>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace fovea::rt;

/// A bundle is some hundred kilobytes; a larger file is a mistake.
static constexpr size_t maxBundleBytes = size_t(1) << 30;
static constexpr size_t pageSize = 4096;

fovea_bundle::~fovea_bundle() {
  if (pages)
    munmap(pages, pageBytes);
}

/// Reserves writable pages for `size` bytes.
static fovea_status newBundle(fovea_ctx *ctx, size_t size, fovea_bundle *&out) {
  if (size > maxBundleBytes)
    return fail(FOVEA_BAD_BUNDLE,
                "expected a bundle of at most %zu bytes, got %zu",
                maxBundleBytes, size);
  out = new (std::nothrow) fovea_bundle(ctx);
  if (!out)
    return noMemory("a bundle", sizeof(fovea_bundle));
  size_t bytes = (size + pageSize - 1) / pageSize * pageSize;
  bytes = bytes ? bytes : pageSize;
  void *pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    out->release();
    return noMemory("a bundle", bytes);
  }
  out->pages = pages;
  out->pageBytes = bytes;
  return FOVEA_OK;
}

static fovea_status protect(fovea_bundle &bundle) {
  auto refuse = [] {
    return fail(FOVEA_DEVICE, "cannot make a bundle's code executable: %s",
                strerror(errno));
  };
  if (mprotect(bundle.pages, bundle.pageBytes, PROT_READ))
    return refuse();
  auto *base = static_cast<uint8_t *>(bundle.pages);
  for (const fovea_bundle_section &s : bundle.view.sections) {
    if (s.kind != FOVEA_SECTION_CODE && s.kind != FOVEA_SECTION_PLAN_CODE)
      continue;
    if (s.size && mprotect(base + s.offset, s.size, PROT_READ | PROT_EXEC))
      return refuse();
  }
  return FOVEA_OK;
}

/// The bytes are in place: checks them. Releases the bundle on failure.
static fovea_status finish(fovea_bundle *bundle, size_t size,
                           fovea_bundle **out) {
  fovea_status st = readBundle(bundle->pages, size, bundle->view);
  if (!st)
    st = protect(*bundle);
  if (st) {
    bundle->release();
    return st;
  }
  *out = bundle;
  return FOVEA_OK;
}

static fovea_status readFile(fovea_ctx *ctx, int fd, const char *path,
                             fovea_bundle **out) {
  struct stat info;
  if (fstat(fd, &info) || !S_ISREG(info.st_mode))
    return fail(FOVEA_INVALID, "expected '%s' to be a file", path);
  fovea_bundle *bundle = nullptr;
  size_t size = size_t(info.st_size);
  if (fovea_status st = newBundle(ctx, size, bundle))
    return st;
  size_t done = 0;
  while (done < size) {
    ssize_t n =
        read(fd, static_cast<char *>(bundle->pages) + done, size - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      int error = errno;
      bundle->release();
      return fail(FOVEA_INVALID, "cannot read '%s': %s", path, strerror(error));
    }
    if (n == 0)
      break;
    done += size_t(n);
  }
  return finish(bundle, done, out);
}

fovea_status fovea::rt::openBundleFile(fovea_ctx *ctx, const char *path,
                                       fovea_bundle **out, bool *missing) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  *missing = fd < 0 && errno == ENOENT;
  if (fd < 0)
    return fail(FOVEA_INVALID, "cannot open '%s': %s", path, strerror(errno));
  fovea_status st = readFile(ctx, fd, path, out);
  close(fd);
  return st;
}

fovea_status fovea_bundle_open(fovea_ctx *ctx, const char *path,
                               fovea_bundle **out) {
  if (!ctx || !path || !out)
    return fail(FOVEA_INVALID, "expected a %s, got NULL",
                !ctx    ? "context"
                : !path ? "path"
                        : "place for the bundle");
  *out = nullptr;
  bool missing = false;
  fovea_status st = openBundleFile(ctx, path, out, &missing);
  if (st == FOVEA_BAD_BUNDLE || st == FOVEA_UNSUPPORTED)
    return fail(st, "%s: %s", path, message());
  return st;
}

fovea_status fovea_bundle_memory(fovea_ctx *ctx, const void *bytes, size_t size,
                                 fovea_bundle **out) {
  if (!ctx || !bytes || !out)
    return fail(FOVEA_INVALID, "expected %s, got NULL",
                !ctx     ? "a context"
                : !bytes ? "bytes"
                         : "a place for the bundle");
  *out = nullptr;
  fovea_bundle *bundle = nullptr;
  if (fovea_status st = newBundle(ctx, size, bundle))
    return st;
  memcpy(bundle->pages, bytes, size);
  return finish(bundle, size, out);
}

fovea_status fovea_bundle_bytes(const fovea_bundle *bundle, const void **bytes,
                                size_t *size) {
  if (!bundle || !bytes || !size)
    return fail(FOVEA_INVALID, "expected a bundle and two places, got NULL");
  *bytes = bundle->view.base;
  *size = bundle->view.size;
  return FOVEA_OK;
}

int fovea_bundle_kernels(const fovea_bundle *bundle) {
  return bundle ? int(bundle->view.kernels.size()) : 0;
}

const char *fovea_bundle_kernel_name(const fovea_bundle *bundle, int i) {
  if (!bundle || i < 0 || i >= fovea_bundle_kernels(bundle))
    return nullptr;
  return bundle->view.string(bundle->view.kernels[size_t(i)].name);
}

void fovea_bundle_close(fovea_bundle *bundle) {
  if (bundle)
    bundle->release();
}

fovea_status fovea_bundle_section_get(const fovea_bundle *bundle, uint32_t kind,
                                      uint32_t index, const void **data,
                                      size_t *size) {
  if (!bundle || !data || !size)
    return fail(FOVEA_INVALID, "expected a bundle and two places, got NULL");
  const fovea_bundle_section *s = bundle->view.section(kind, index);
  *data = s ? bundle->view.base + s->offset : nullptr;
  *size = s ? s->size : 0;
  return FOVEA_OK;
}

const char *fovea_bundle_string(const fovea_bundle *bundle, uint32_t offset) {
  if (!bundle || offset >= bundle->view.strings.size())
    return nullptr;
  return bundle->view.string(offset);
}
