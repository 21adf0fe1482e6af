// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of TMA: boxes of tensors of every rank, beyond every edge, in every
// swizzle.
#include "bench/gpu/conformance/Case.h"

#include <cstring>

namespace fovea::gpu::conformance {

namespace {
struct Box {
  std::string name;
  uint32_t elementBytes;
  std::vector<uint32_t> dims, box;
  std::vector<int32_t> at;
  uint32_t swizzle = 0;
  /// Bytes from a row of the tensor to the next, a multiple of 16.
  uint32_t pitch = 0;
};
} // namespace

static fovea_emulator_tensor_map_t mapOf(const Box &box) {
  fovea_emulator_tensor_map_t map = {};
  map.rank = uint32_t(box.dims.size());
  map.element_bytes = box.elementBytes;
  map.swizzle = box.swizzle;
  uint64_t stride = box.pitch;
  for (uint32_t d = 0; d < map.rank; ++d) {
    map.dims[d] = box.dims[d];
    map.box[d] = box.box[d];
    map.strides[d] = d ? stride : box.elementBytes;
    stride *= d ? box.dims[d] : 1;
  }
  return map;
}

static uint32_t tensorBytes(const Box &box) {
  uint32_t bytes = box.pitch;
  for (size_t d = 1; d < box.dims.size(); ++d)
    bytes *= box.dims[d];
  return bytes;
}

static uint32_t boxBytes(const Box &box) {
  uint32_t bytes = box.elementBytes;
  for (uint32_t extent : box.box)
    bytes *= extent;
  return bytes;
}

// Where the swizzle puts a byte of a box: rows of 16 << swizzle bytes, whose
// 16-byte chunks are permuted by the number of their 128-byte line.
static uint32_t placeOf(const Box &box, uint32_t byte) {
  if (!box.swizzle)
    return byte;
  uint32_t rowBytes = 16u << box.swizzle, row = byte / rowBytes;
  uint32_t chunks = rowBytes / 16, line = row / (8 / chunks);
  uint32_t chunk = byte % rowBytes / 16 ^ line % chunks;
  return row * rowBytes + chunk * 16 + byte % 16;
}

// Calls `each(byte of the tensor or -1, byte of shared memory)` per element.
template <typename Each>
static void overBox(const Box &box, Each each) {
  uint32_t count = boxBytes(box) / box.elementBytes;
  fovea_emulator_tensor_map_t map = mapOf(box);
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t rest = i;
    int64_t byte = 0;
    bool inside = true;
    for (size_t d = 0; d < box.dims.size(); ++d) {
      int64_t at = box.at[d] + int64_t(rest % box.box[d]);
      rest /= box.box[d];
      inside &= at >= 0 && at < int64_t(box.dims[d]);
      byte += at * int64_t(map.strides[d]);
    }
    each(inside ? byte : -1, placeOf(box, i * box.elementBytes));
  }
}

static std::string coordinates(const Box &box, std::string &constants) {
  std::string list;
  for (size_t d = 0; d < box.at.size(); ++d) {
    std::string k = "%x" + std::to_string(d);
    constants +=
        k + " = arith.constant " + std::to_string(box.at[d]) + " : i32\n";
    list += (d ? ", " : "") + k;
  }
  return list;
}

// A loop of the warp over `words` words: from `source` to `destination`.
static std::string copyWords(uint32_t words, bool load) {
  return "%step = arith.constant 32 : i32\n%words = arith.constant " +
         std::to_string(words) +
         " : i32\nscf.for %i = %t to %words step %step : i32 {\n" +
         atShared("%p", "%i") + atGlobal("%q", "%i", load ? "%in" : "%out") +
         (load ? "%v = hw.load %q : !llvm.ptr<1> -> i32\n"
                 "hw.store %v, %p : i32, !llvm.ptr<3>\n}\n"
               : "%v = hw.load %p : !llvm.ptr<3> -> i32\n"
                 "hw.store %v, %q : i32, !llvm.ptr<1>\n}\n");
}

static void addLoad(std::vector<Case> &cases, const Box &box) {
  Case made;
  made.name = "tma_load_" + box.name;
  made.hopper = true;
  made.map = Map{false, mapOf(box)};
  uint32_t bytes = boxBytes(box), room = (bytes + 1023) / 1024 * 1024;
  std::string text = "%b = llvm.getelementptr %s[" + std::to_string(room) +
                     "] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8\n"
                     "%zero = arith.constant 0 : i32\n"
                     "%bytes = arith.constant " +
                     std::to_string(bytes) + " : i32\n";
  std::string list = coordinates(box, text);
  made.text = kernel(
      text +
          "%first = arith.cmpi eq, %t, %zero : i32\nscf.if %first {\n"
          "hw.mbarrier_init %b, 1\nhw.fence_mbarrier_init\n"
          "hw.mbarrier_arrive_expect_tx %b, %bytes\nhw.tma_load %s, %map[" +
          list + "], %b\n}\nhw.warp_barrier\nhw.mbarrier_wait %b, %zero\n" +
          copyWords(bytes / 4, false),
      32, room + 8, true);
  for (uint32_t i = 0; i < tensorBytes(box) / 4; ++i)
    made.in.push_back(0x9e3779b9u * (i + 1));
  made.expected.assign(bytes / 4, 0);
  auto *out = reinterpret_cast<char *>(made.expected.data());
  auto *in = reinterpret_cast<const char *>(made.in.data());
  overBox(box, [&](int64_t from, uint32_t to) {
    if (from >= 0)
      memcpy(out + to, in + from, box.elementBytes);
  });
  cases.push_back(made);
}

static void addStore(std::vector<Case> &cases, const Box &box, bool read) {
  Case made;
  made.name = "tma_store_" + box.name + (read ? "_read" : "");
  made.hopper = true;
  made.map = Map{true, mapOf(box)};
  uint32_t bytes = boxBytes(box);
  std::string text = "%zero = arith.constant 0 : i32\n";
  std::string list = coordinates(box, text);
  // Behind a wait for the reads the buffer may be written again.
  std::string waits =
      read ? "hw.bulk_wait 0 read\nhw.store %zero, %s : i32, !llvm.ptr<3>\n"
           : "";
  made.text =
      kernel(text + copyWords(bytes / 4, true) +
                 "hw.fence_async_proxy\nhw.warp_barrier\n"
                 "%first = arith.cmpi eq, %t, %zero : i32\nscf.if %first {\n"
                 "hw.tma_store %map[" +
                 list + "], %s\nhw.bulk_commit\n" + waits + "hw.bulk_wait 0\n}",
             32, (bytes + 15) / 16 * 16, true);
  for (uint32_t i = 0; i < bytes / 4; ++i)
    made.in.push_back(0x9e3779b9u * (i + 1));
  made.expected.assign(tensorBytes(box) / 4, untouched);
  auto *out = reinterpret_cast<char *>(made.expected.data());
  auto *in = reinterpret_cast<const char *>(made.in.data());
  overBox(box, [&](int64_t to, uint32_t from) {
    if (to >= 0)
      memcpy(out + to, in + from, box.elementBytes);
  });
  cases.push_back(made);
}

void addTensorCases(std::vector<Case> &cases) {
  const Box boxes[] = {
      {"1d", 4, {40}, {32}, {4}, 0, 160},
      {"1d_beyond_the_end", 4, {40}, {32}, {20}, 0, 160},
      {"2d", 2, {48, 10}, {16, 8}, {8, 1}, 0, 96},
      {"2d_before_the_start", 2, {48, 10}, {16, 8}, {-3, -2}, 0, 96},
      {"2d_beyond_both_ends", 2, {41, 10}, {16, 8}, {32, 5}, 0, 96},
      {"3d", 2, {16, 5, 4}, {8, 4, 2}, {3, 2, 3}, 0, 32},
      {"4d", 2, {16, 3, 3, 3}, {8, 2, 2, 2}, {0, 2, -1, 1}, 0, 32},
      {"5d", 1, {32, 2, 2, 3, 2}, {16, 2, 1, 2, 2}, {5, 1, 1, 2, -1}, 0, 32},
      {"swizzle_32", 2, {16, 40}, {16, 32}, {0, 3}, 1, 32},
      {"swizzle_64", 2, {40, 40}, {32, 16}, {2, 30}, 2, 80},
      {"swizzle_128", 2, {80, 40}, {64, 24}, {8, 3}, 3, 160},
      {"swizzle_128_beyond_the_end", 2, {80, 40}, {64, 24}, {40, 30}, 3, 160},
      {"swizzle_128_of_bytes", 1, {160, 20}, {128, 16}, {16, 8}, 3, 160},
  };
  for (const Box &box : boxes)
    addLoad(cases, box);
  for (const Box &box : boxes)
    addStore(cases, box, false);
  addStore(cases, boxes[2], true);
}

} // namespace fovea::gpu::conformance
