// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls a stage as a plan would: owns the views, scalars, symbols, tables,
// items and scratch memory. Tensors hold any storage type and know the values
// that were stored, so that an oracle reads what the stage reads.
#ifndef FOVEA_TEST_UNIT_CODEGEN_CPU_STAGERUNNER_H
#define FOVEA_TEST_UNIT_CODEGEN_CPU_STAGERUNNER_H

#include "codegen/cpu/Emitter.h"
#include "test/support/Halves.h"
#include "test/support/NaiveAttention.h"
#include "test/unit/codegen/cpu/Scratch.h"

#include <fovea/abi.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

namespace fovea::cpu {

/// A row-major tensor in memory, 64-byte aligned, with room of `slack` bytes
/// of poison (NaN) before and after.
class Stored {
public:
  Stored() = default;
  Stored(std::vector<int64_t> shape, unsigned elemBytes, int fill = 0xff)
      : shape(std::move(shape)), bytes(elemBytes) {
    size_t n = bytes;
    for (int64_t d : this->shape)
      n *= d;
    memory.assign(n + 256, char(fill));
  }
  char *data() {
    auto at = reinterpret_cast<uintptr_t>(memory.data()) + 64;
    return reinterpret_cast<char *>((at + 63) / 64 * 64);
  }
  template <typename T>
  T *as() {
    return reinterpret_cast<T *>(data());
  }
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : shape)
      n *= d;
    return n;
  }
  fovea_abi_view view() {
    fovea_abi_view v = {};
    v.data = data();
    int64_t stride = 1;
    for (int i = int(shape.size()) - 1; i >= 0; --i) {
      v.shape[i] = shape[i];
      v.stride[i] = stride;
      stride *= shape[i];
    }
    return v;
  }
  void put(Elem elem, int64_t i, float x) {
    if (elem == Elem::F32)
      as<float>()[i] = x;
    else
      as<uint16_t>()[i] =
          elem == Elem::F16 ? halves::toF16(x) : halves::toBF16(x);
  }
  double get(Elem elem, int64_t i) {
    if (elem == Elem::F32)
      return as<float>()[i];
    uint16_t bits = as<uint16_t>()[i];
    return elem == Elem::F16 ? halves::fromF16(bits) : halves::fromBF16(bits);
  }
  /// What is stored, as float64.
  naive::Array values(Elem elem) {
    naive::Array out(shape);
    for (int64_t i = 0; i < size(); ++i)
      out.data[i] = get(elem, i);
    return out;
  }

  std::vector<int64_t> shape;
  unsigned bytes = 0;

private:
  std::vector<char> memory;
};

class StageRunner {
public:
  unsigned add(Stored &tensor) {
    views.push_back(tensor.view());
    return views.size() - 1;
  }
  unsigned add(const fovea_abi_view &view) {
    views.push_back(view);
    return views.size() - 1;
  }
  int32_t run(fovea_stage_fn stage, uint64_t scratchBytes) {
    fovea_abi_args args = {};
    args.size = sizeof args;
    args.n_views = views.size();
    args.views = views.data();
    args.scalars = scalars.data();
    fovea_abi_plan plan = {};
    plan.size = sizeof plan;
    plan.items = items.data();
    plan.n_items = items.size();
    plan.symbols = symbols.data();
    plan.q_off = offsets.data();
    plan.k_len = lengths.data();
    plan.row_off = rowOffsets.data();
    plan.sources = sources.data();
    plan.rows = rows.data();
    plan.moves = moves.data();
    Scratch scratch(scratchBytes);
    memset(scratch.get(), 0, sizeof counters);
    int64_t n = int64_t(items.empty() ? moves.size() : items.size());
    int32_t status = stage(&args, &plan, 0, n, scratch.get());
    memcpy(&counters, scratch.get(), sizeof counters);
    return status;
  }

  std::vector<fovea_abi_view> views;
  std::vector<fovea_abi_scalar> scalars;
  std::vector<fovea_abi_item> items;
  std::vector<int64_t> symbols, offsets, lengths, rowOffsets;
  std::vector<fovea_abi_move> moves;
  std::vector<fovea_abi_row> rows;
  std::vector<fovea_abi_source> sources;
  fovea_abi_counters counters = {};
};

/// fovea_stage_fn is already a pointer type.
using StageFn = std::remove_pointer_t<fovea_stage_fn>;

} // namespace fovea::cpu

#endif // FOVEA_TEST_UNIT_CODEGEN_CPU_STAGERUNNER_H
