// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// fovea_open and its friends.
#include "runtime/base/Context.h"
#include "runtime/base/Status.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <sys/mman.h>

using namespace fovea::rt;

fovea_ctx::~fovea_ctx() {
  if (exec.destroy)
    exec.destroy(exec.user);
}

void fovea_ctx::log(int level, const char *format, ...) {
  if (!logFn)
    return;
  char line[1024];
  va_list args;
  va_start(args, format);
  std::vsnprintf(line, sizeof line, format, args);
  va_end(args);
  logFn(logUser, level, line);
}

void *fovea_ctx::allocate(size_t size, size_t align) {
  size = (size + align - 1) / align * align;
  if (!size)
    size = align;
  void *p = allocFn ? allocFn(allocUser, FOVEA_CPU, size, align)
                    : std::aligned_alloc(align, size);
  // Large memory of our own in huge pages, before it is touched: a row of a
  // cache is spread over many small pages, and so over many TLB misses.
  if (p && !allocFn && align >= hugePage)
    madvise(p, size, MADV_HUGEPAGE);
  if (p)
    std::memset(p, 0, size);
  return p;
}

void fovea_ctx::deallocate(void *p) {
  if (!p)
    return;
  if (freeFn)
    freeFn(allocUser, FOVEA_CPU, p);
  else
    std::free(p);
}

/// Takes over `options.exec`: on any failure it is destroyed.
static fovea_status openWith(uint32_t api, const fovea_options &options,
                             fovea_ctx *ctx) {
  if ((api >> 16) != (FOVEA_API >> 16) || api > FOVEA_API)
    return fail(FOVEA_UNSUPPORTED,
                "expected interface version %u.0 to %u.%u, got %u.%u",
                FOVEA_API >> 16, FOVEA_API >> 16, FOVEA_API & 0xffff, api >> 16,
                api & 0xffff);
  if (!options.alloc != !options.free)
    return fail(FOVEA_INVALID,
                "expected options.alloc and options.free to be set together");
  if (options.target) {
    if (std::strlen(options.target) >= sizeof ctx->target)
      return fail(FOVEA_INVALID, "expected a target's name, got '%.80s'...",
                  options.target);
    std::strcpy(ctx->target, options.target);
  }
  ctx->logFn = options.log;
  ctx->logUser = options.log_user;
  ctx->allocFn = options.alloc;
  ctx->freeFn = options.free;
  ctx->allocUser = options.alloc_user;
  if (!ctx->exec.parallel_for) {
    ctx->exec = {};
    ctx->exec.size = sizeof ctx->exec;
    if (fovea_status st = fovea_executor_tbb(options.workers, &ctx->exec))
      return st;
  }
  if (ctx->exec.workers < 1 || ctx->exec.workers > 65536)
    return fail(FOVEA_INVALID,
                "expected exec.workers to be between 1 and 65536, got %d",
                ctx->exec.workers);
  return FOVEA_OK;
}

fovea_status fovea_open(uint32_t api, const fovea_options *given,
                        fovea_ctx **out) {
  if (!out)
    return fail(FOVEA_INVALID, "expected a place for the context, got NULL");
  *out = nullptr;
  fovea_options options{};
  options.size = sizeof options;
  if (given)
    if (fovea_status st = readStruct(given, offsetof(fovea_options, log),
                                     options, "fovea_options"))
      return st;
  fovea_executor exec{};
  exec.size = sizeof exec;
  if (options.exec.size || options.exec.parallel_for)
    if (fovea_status st = readStruct(&options.exec, sizeof(fovea_executor),
                                     exec, "fovea_options.exec"))
      return st;
  auto *ctx = new (std::nothrow) fovea_ctx;
  if (!ctx) {
    if (exec.destroy)
      exec.destroy(exec.user);
    return noMemory("a context", sizeof(fovea_ctx));
  }
  ctx->exec = exec;
  if (fovea_status st = openWith(api, options, ctx)) {
    ctx->release();
    return st;
  }
  *out = ctx;
  return FOVEA_OK;
}

void fovea_close(fovea_ctx *ctx) {
  if (ctx)
    ctx->release();
}

fovea_status fovea_seal(fovea_ctx *ctx) {
  if (!ctx)
    return fail(FOVEA_INVALID, "expected a context, got NULL");
  ctx->sealed.store(true, std::memory_order_release);
  return FOVEA_OK;
}

int fovea_workers(const fovea_ctx *ctx) { return ctx ? ctx->exec.workers : 0; }
