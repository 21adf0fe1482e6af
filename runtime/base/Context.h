// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The context behind every handle: executor, log, allocator, seal. And the
// reference count that lets handles be closed in any order.
#ifndef FOVEA_RUNTIME_BASE_CONTEXT_H
#define FOVEA_RUNTIME_BASE_CONTEXT_H

#include <atomic>
#include <fovea/runtime.h>

namespace fovea::rt {

/// Memory aligned to this is asked for in huge pages.
enum : size_t { hugePage = size_t(2) << 20 };

/// A handle with shared ownership. Derived handles are made by new and deleted
/// by their last release.
template <typename Derived>
class Counted {
public:
  void retain() { refs.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete static_cast<Derived *>(this);
  }

private:
  std::atomic<int64_t> refs{1};
};

/// Owns one reference to a handle.
template <typename T>
class Ref {
public:
  Ref() = default;
  explicit Ref(T *handle) : handle(handle) {
    if (handle)
      handle->retain();
  }
  Ref(const Ref &) = delete;
  Ref &operator=(const Ref &) = delete;
  ~Ref() {
    if (handle)
      handle->release();
  }
  T *operator->() const { return handle; }
  T *get() const { return handle; }

private:
  T *handle = nullptr;
};

} // namespace fovea::rt

struct fovea_ctx : fovea::rt::Counted<fovea_ctx> {
  fovea_executor exec{};
  void (*logFn)(void *, int, const char *) = nullptr;
  void *logUser = nullptr;
  void *(*allocFn)(void *, fovea_device, size_t, size_t) = nullptr;
  void (*freeFn)(void *, fovea_device, void *) = nullptr;
  void *allocUser = nullptr;
  char target[64] = {}; // "" : the best one
  std::atomic<bool> sealed{false};

  ~fovea_ctx();

  /// printf-like; without a callback nothing happens.
  [[gnu::format(printf, 3, 4)]] void log(int level, const char *format, ...);

  /// Memory for plans and graphs, zeroed; NULL when there is none.
  void *allocate(size_t size, size_t align);
  void deallocate(void *);
};

#endif // FOVEA_RUNTIME_BASE_CONTEXT_H
