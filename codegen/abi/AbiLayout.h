// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The fields of fovea/abi.h as constants, for code that emits loads of them.
// Offsets come from the C structs themselves, so they cannot drift; the unit
// test pins their values, so that an accidental change of the ABI is seen.
#ifndef FOVEA_CODEGEN_ABI_ABILAYOUT_H
#define FOVEA_CODEGEN_ABI_ABILAYOUT_H

#include <fovea/abi.h>

#include <cstddef>
#include <cstdint>

namespace fovea::cabi { // not `abi`: <cxxabi.h> owns that name globally

enum class FieldType : uint8_t { I32, I64, F64, Ptr };

/// Where a field lies in its struct and how it is loaded.
struct Field {
  int64_t offset;
  FieldType type;
};

#define FOVEA_ABI_FIELD(name, record, member, type)                            \
  inline constexpr Field name { offsetof(record, member), FieldType::type }

/// fovea_abi_view
namespace view {
inline constexpr int64_t bytes = sizeof(fovea_abi_view);
FOVEA_ABI_FIELD(data, fovea_abi_view, data, Ptr);
/// Extent and stride (in elements) of dimension `dim`.
inline constexpr Field shape(unsigned dim) {
  return {static_cast<int64_t>(offsetof(fovea_abi_view, shape) + 8u * dim),
          FieldType::I64};
}
inline constexpr Field stride(unsigned dim) {
  return {static_cast<int64_t>(offsetof(fovea_abi_view, stride) + 8u * dim),
          FieldType::I64};
}
} // namespace view

/// fovea_abi_scalar, a union
namespace scalar {
inline constexpr int64_t bytes = sizeof(fovea_abi_scalar);
FOVEA_ABI_FIELD(i, fovea_abi_scalar, i, I64);
FOVEA_ABI_FIELD(f, fovea_abi_scalar, f, F64);
} // namespace scalar

/// fovea_abi_args
namespace args {
inline constexpr int64_t bytes = sizeof(fovea_abi_args);
FOVEA_ABI_FIELD(size, fovea_abi_args, size, I32);
FOVEA_ABI_FIELD(nViews, fovea_abi_args, n_views, I32);
FOVEA_ABI_FIELD(views, fovea_abi_args, views, Ptr);
FOVEA_ABI_FIELD(scalars, fovea_abi_args, scalars, Ptr);
FOVEA_ABI_FIELD(summaries, fovea_abi_args, summaries, Ptr);
FOVEA_ABI_FIELD(device, fovea_abi_args, device, Ptr);
} // namespace args

/// fovea_abi_item
namespace item {
inline constexpr int64_t bytes = sizeof(fovea_abi_item);
FOVEA_ABI_FIELD(b, fovea_abi_item, b, I32);
FOVEA_ABI_FIELD(head, fovea_abi_item, head, I32);
FOVEA_ABI_FIELD(row, fovea_abi_item, row, I32);
FOVEA_ABI_FIELD(slot, fovea_abi_item, slot, I32);
FOVEA_ABI_FIELD(k0, fovea_abi_item, k0, I64);
FOVEA_ABI_FIELD(k1, fovea_abi_item, k1, I64);
FOVEA_ABI_FIELD(count, fovea_abi_item, count, I32);
FOVEA_ABI_FIELD(flags, fovea_abi_item, flags, I32);
} // namespace item

/// fovea_abi_source
namespace source {
inline constexpr int64_t bytes = sizeof(fovea_abi_source);
FOVEA_ABI_FIELD(slot, fovea_abi_source, slot, I32);
FOVEA_ABI_FIELD(row, fovea_abi_source, row, I32);
} // namespace source

/// fovea_abi_row
namespace row {
inline constexpr int64_t bytes = sizeof(fovea_abi_row);
FOVEA_ABI_FIELD(b, fovea_abi_row, b, I32);
FOVEA_ABI_FIELD(position, fovea_abi_row, position, I32);
} // namespace row

/// fovea_abi_range
namespace range {
inline constexpr int64_t bytes = sizeof(fovea_abi_range);
FOVEA_ABI_FIELD(begin, fovea_abi_range, begin, I64);
FOVEA_ABI_FIELD(end, fovea_abi_range, end, I64);
FOVEA_ABI_FIELD(base, fovea_abi_range, base, I64);
FOVEA_ABI_FIELD(table, fovea_abi_range, table, I64);
FOVEA_ABI_FIELD(shift, fovea_abi_range, shift, I64);
} // namespace range

/// fovea_abi_move
namespace move {
inline constexpr int64_t bytes = sizeof(fovea_abi_move);
FOVEA_ABI_FIELD(from, fovea_abi_move, from, I32);
FOVEA_ABI_FIELD(to, fovea_abi_move, to, I32);
FOVEA_ABI_FIELD(fromPage, fovea_abi_move, from_page, I32);
FOVEA_ABI_FIELD(fromOffset, fovea_abi_move, from_offset, I32);
FOVEA_ABI_FIELD(toPage, fovea_abi_move, to_page, I32);
FOVEA_ABI_FIELD(toOffset, fovea_abi_move, to_offset, I32);
} // namespace move

/// fovea_abi_plan
namespace plan {
inline constexpr int64_t bytes = sizeof(fovea_abi_plan);
FOVEA_ABI_FIELD(size, fovea_abi_plan, size, I32);
FOVEA_ABI_FIELD(items, fovea_abi_plan, items, Ptr);
FOVEA_ABI_FIELD(nItems, fovea_abi_plan, n_items, I64);
FOVEA_ABI_FIELD(symbols, fovea_abi_plan, symbols, Ptr);
FOVEA_ABI_FIELD(qOff, fovea_abi_plan, q_off, Ptr);
FOVEA_ABI_FIELD(kLen, fovea_abi_plan, k_len, Ptr);
FOVEA_ABI_FIELD(rowOff, fovea_abi_plan, row_off, Ptr);
FOVEA_ABI_FIELD(sources, fovea_abi_plan, sources, Ptr);
FOVEA_ABI_FIELD(rows, fovea_abi_plan, rows, Ptr);
FOVEA_ABI_FIELD(moves, fovea_abi_plan, moves, Ptr);
} // namespace plan

/// fovea_abi_counters, at the start of a worker's scratch memory
namespace counters {
inline constexpr int64_t bytes = sizeof(fovea_abi_counters);
FOVEA_ABI_FIELD(tilesFull, fovea_abi_counters, tiles_full, I64);
FOVEA_ABI_FIELD(tilesPartial, fovea_abi_counters, tiles_partial, I64);
FOVEA_ABI_FIELD(pairs, fovea_abi_counters, pairs, I64);
FOVEA_ABI_FIELD(items, fovea_abi_counters, items, I64);
} // namespace counters

/// fovea_abi_run
namespace run {
inline constexpr int64_t bytes = sizeof(fovea_abi_run);
FOVEA_ABI_FIELD(lo, fovea_abi_run, lo, I64);
FOVEA_ABI_FIELD(hi, fovea_abi_run, hi, I64);
} // namespace run

#undef FOVEA_ABI_FIELD

} // namespace fovea::cabi

#endif // FOVEA_CODEGEN_ABI_ABILAYOUT_H
