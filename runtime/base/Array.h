// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An array whose allocation can fail without an exception: the runtime must
// not abort its host. For plain data only.
#ifndef FOVEA_RUNTIME_BASE_ARRAY_H
#define FOVEA_RUNTIME_BASE_ARRAY_H

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <type_traits>

namespace fovea::rt {

template <typename T>
class Array {
  static_assert(std::is_trivially_copyable_v<T>, "plain data only");

public:
  Array() = default;
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;
  ~Array() { std::free(items); }

  /// Replaces the content by `n` zeroed items. False: out of memory.
  [[nodiscard]] bool create(size_t n) {
    std::free(items);
    items = static_cast<T *>(std::calloc(n ? n : 1, sizeof(T)));
    count = room = items ? n : 0;
    return items != nullptr;
  }

  /// Adds an item at the end. False: out of memory.
  [[nodiscard]] bool append(const T &item) {
    if (count == room) {
      size_t more = room ? 2 * room : 8;
      void *grown = std::realloc(static_cast<void *>(items), more * sizeof(T));
      if (!grown)
        return false;
      items = static_cast<T *>(grown);
      room = more;
    }
    items[count++] = item;
    return true;
  }

  size_t size() const { return count; }
  bool empty() const { return count == 0; }
  T *data() { return items; }
  const T *data() const { return items; }
  T &operator[](size_t i) { return items[i]; }
  const T &operator[](size_t i) const { return items[i]; }
  T *begin() { return items; }
  T *end() { return items + count; }
  const T *begin() const { return items; }
  const T *end() const { return items + count; }

private:
  T *items = nullptr;
  size_t count = 0;
  size_t room = 0;
};

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_BASE_ARRAY_H
