// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Defaults and small helpers of the manifest.
#include "codegen/bundle/Manifest.h"

#include <algorithm>
#include <set>

namespace fovea {

std::string tunedBy(const std::string &schedule) {
  // As #tile.schedule prints it, last of its fields.
  const std::string field = ", tuned = \"";
  size_t at = schedule.find(field);
  if (at == std::string::npos)
    return "";
  at += field.size();
  return schedule.substr(at, schedule.find('"', at) - at);
}

StageManifest::StageManifest() {
  record.group = record.kv_group = record.heads = 1;
  record.mask = record.offset_slot = record.length_slot = record.list_slot = -1;
  record.q_symbol = record.k_symbol = -1;
  record.of = -1;
  record.cache = -1;
  for (fovea_bundle_extent &extent : record.grid)
    extent = constantExtent(1);
}

CacheManifest::CacheManifest() {
  record.append_stage = record.moves_stage = record.pages_stage = -1;
  record.key_slot = record.value_slot = -1;
}

ArgManifest::ArgManifest() {
  std::fill(std::begin(record.symbol), std::end(record.symbol), -1);
}

int32_t KernelManifest::symbol(const std::string &symbolName) {
  auto found = std::find(symbols.begin(), symbols.end(), symbolName);
  if (found == symbols.end()) {
    symbols.push_back(symbolName);
    return static_cast<int32_t>(symbols.size() - 1);
  }
  return static_cast<int32_t>(found - symbols.begin());
}

uint32_t KernelManifest::viewCount() const {
  std::set<int64_t> slots;
  for (const ArgManifest &arg : args)
    if (arg.record.kind == FOVEA_ARG_TENSOR)
      slots.insert(arg.record.slot);
  for (const BufferManifest &buffer : buffers)
    slots.insert(buffer.record.slot);
  // What the append stage of a cache reads may be an argument's slot.
  uint32_t count = static_cast<uint32_t>(buffers.size() + tables.size());
  for (const ArgManifest &arg : args)
    count += arg.record.kind == FOVEA_ARG_TENSOR;
  for (const CacheManifest &cache : caches) {
    for (int32_t slot : {cache.record.key_slot, cache.record.value_slot})
      count += slots.insert(slot).second;
    for (const SegmentManifest &segment : cache.segments)
      count += static_cast<uint32_t>(segment.parts.size()) + 2;
  }
  return count;
}

uint32_t KernelManifest::scalarCount() const {
  return static_cast<uint32_t>(
      std::count_if(args.begin(), args.end(), [](const ArgManifest &arg) {
        return arg.record.kind == FOVEA_ARG_SCALAR;
      }));
}

fovea_bundle_extent constantExtent(int64_t value) {
  return {FOVEA_EXTENT_ONE, -1, value, 0, 1};
}

fovea_bundle_extent symbolExtent(int32_t symbol, int64_t mul, int64_t add,
                                 int64_t div) {
  return {symbol, -1, mul, add, div};
}

fovea_bundle_extent slotsExtent(int32_t stage, int64_t mul) {
  return {FOVEA_EXTENT_SLOTS, stage, mul, 0, 1};
}

} // namespace fovea
