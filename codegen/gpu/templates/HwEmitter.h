// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the templates say of the hw dialect: shared memory by byte offsets
// (i32), fragments, copies and the CTA's meeting points. Sizes and addresses of
// the arguments stay with the scalar Emitter that both back ends use.
#ifndef FOVEA_CODEGEN_GPU_TEMPLATES_HWEMITTER_H
#define FOVEA_CODEGEN_GPU_TEMPLATES_HWEMITTER_H

#include "codegen/cpu/Emitter.h"
#include "dialects/hw/Hw.h"

namespace fovea::gpu {

using cpu::Elem;
using cpu::Emitter;
using cpu::Values;

/// The threads of every CTA of the templates.
constexpr int64_t kThreads = 128;
constexpr int64_t kWarps = kThreads / 32;

/// Emits hw ops where `e` stands. Global addresses come as generic pointers.
class HwEmitter {
public:
  using Value = mlir::Value;
  using Type = mlir::Type;

  /// At the start of the kernel; `e` is in its entry block.
  explicit HwEmitter(Emitter &e);

  Emitter &e;
  Value thread, lane, warp; ///< i32
  /// Names the thread anew: what is computed of it from here on cannot be moved
  /// in front of this place, where its registers would stand in the way. All
  /// threads of a warp come here together.
  void renewThread();
  Value cta, ctas; ///< i64

  // Shared memory; offsets are i32 from the start of it.
  Value shared(Value offset);
  Value loadShared(Type type, Value offset);
  void storeShared(Value v, Value offset);
  /// `count` 8x8 matrices of 16-bit elements.
  Values ldmatrix(Value offset, unsigned count, bool trans);

  // Global memory.
  Value global(Value p);
  Value loadGlobal(Type type, Value p);
  void storeGlobal(Value v, Value p);
  /// Adds n (i64) to what lies at p.
  void atomicAdd(Value p, Value n);
  /// 4, 8 or 16 bytes, of which the first `valid` (i32) are read; the rest is
  /// zero.
  void copyAsync(int64_t bytes, Value offset, Value p, Value valid);
  void commitCopies();
  void waitCopies(int64_t groups);

  // Matrices and numbers.
  /// c + a * b for a fragment of m16n8k16.
  Values mma(Elem elem, mlir::ValueRange a, mlir::ValueRange b,
             mlir::ValueRange c);
  Value pack(Elem elem, Value low, Value high);
  std::pair<Value, Value> unpack(Elem elem, Value pair);
  Value exp2(Value x);
  /// The greater one; of a NaN and a number the number.
  Value max(Value x, Value y);

  // Meeting points.
  void barrier();
  void warpBarrier();
  Value shuffleXor(Value v, int64_t mask);
  /// What lane `from` (i32) has.
  Value shuffleIdx(Value v, Value from);
  /// Whether the predicate holds in any lane of the warp, i1.
  Value any(Value predicate);
  /// Bits of the warp's lanes (i32) and how many are set.
  Value ballot(Value predicate);
  Value popcount(Value bits);

  Value c32(int64_t v) { return e.cI32(v); }
  Value wide(Value v) { return e.toInt(v, e.i64); }

private:
  Value base;
  Type globalPtr, sharedPtr;
};

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_TEMPLATES_HWEMITTER_H
