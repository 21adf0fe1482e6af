// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Defaults and small helpers of the manifest.
#include "codegen/bundle/Manifest.h"

#include <algorithm>

namespace fovea {

StageManifest::StageManifest() {
  record.group = record.kv_group = record.heads = 1;
  record.mask = record.offset_slot = record.length_slot = record.list_slot = -1;
  record.q_symbol = record.k_symbol = -1;
  record.of = -1;
  record.cache = -1;
  for (fovea_bundle_extent &extent : record.grid)
    extent = constantExtent(1);
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
  uint32_t count = static_cast<uint32_t>(buffers.size());
  for (const ArgManifest &arg : args)
    count += arg.record.kind == FOVEA_ARG_TENSOR;
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
