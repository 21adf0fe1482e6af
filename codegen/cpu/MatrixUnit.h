// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The matrix unit of x86 (AMX): eight tiles of 16 rows of 64 bytes each, and
// products of bf16 with sums in f32. The only place that names its
// instructions.
//
// The tiles are named by number and stay what they are across loops: LLVM is
// not asked to allocate them, for which it would have to know their shapes.
#ifndef FOVEA_CODEGEN_CPU_MATRIXUNIT_H
#define FOVEA_CODEGEN_CPU_MATRIXUNIT_H

#include "codegen/cpu/Emitter.h"

namespace fovea::cpu {

class MatrixUnit {
public:
  using Value = mlir::Value;
  static constexpr int64_t kTiles = 8, kRows = 16, kRowBytes = 64;
  /// Numbers of bf16 in a row of a tile, and of f32.
  static constexpr int64_t kHalves = kRowBytes / 2, kFloats = kRowBytes / 4;
  /// Memory that the unit needs, aligned to 64 bytes.
  static int64_t memoryBytes(Isa isa);

  /// For Isa::AVX512 the real unit; for others the same in plain code, with
  /// the tiles in memory: for tests on machines that have none.
  MatrixUnit(Emitter &e, Value memory) : e(e), memory(memory) {}

  /// Sets the shapes of the tiles. In front of everything else.
  void begin();
  /// Gives the unit back: what saves registers then saves no tiles.
  void end();
  void zero(int tile);
  /// 16 rows of 64 bytes, `stride` bytes (i64) from each other.
  void load(int tile, Value at, Value stride);
  void store(int tile, Value at, Value stride);
  /// sum[m][n] += left[m][2k] * right[k][2n] + left[m][2k + 1] *
  /// right[k][2n + 1] for 0 <= m, n, k < 16. Denormal numbers count as 0.
  void dot(int sum, int left, int right);

private:
  bool real() const { return e.isa == Isa::AVX512; }
  void call(llvm::StringRef name, llvm::ArrayRef<Value> args);
  Value number(int tile);
  Value tileAt(int tile);

  Emitter &e;
  Value memory;
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_MATRIXUNIT_H
