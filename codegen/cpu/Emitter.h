// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The vocabulary of the CPU stage builders: scalar and 1-D vector code over
// raw pointers. Sizes and offsets are i64, arithmetic is f32, addresses are
// !llvm.ptr. Everything a builder of this folder emits goes through here.
#ifndef FOVEA_CODEGEN_CPU_EMITTER_H
#define FOVEA_CODEGEN_CPU_EMITTER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace fovea::cpu {

/// Which instructions may be named directly. The width of vectors is the
/// schedule's business: code for 32 lanes also compiles, slower, for AVX2.
/// Wide is AVX-512's code in AVX2's instructions, so that a machine without
/// AVX-512 can run its schedules; for tests.
enum class Isa { AVX2, AVX512, Wide };
/// Floats of the vectors that code of an instruction set is made of.
inline int64_t vectorLanes(Isa isa) { return isa == Isa::AVX2 ? 8 : 16; }

/// How numbers lie in memory. Codes are signed bytes times an f32 scale kept
/// elsewhere.
enum class Elem { F32, F16, BF16, I8 };

/// Bytes of one element.
unsigned sizeOf(Elem elem);

using Values = llvm::SmallVector<mlir::Value>;

/// Emits code at the insertion point of `b`, inside one function.
class Emitter {
public:
  using Value = mlir::Value;
  using Type = mlir::Type;

  /// Starts at the end of the entry block of `fn`, which is created with the
  /// function's arguments if there is none.
  Emitter(mlir::func::FuncOp fn, Isa isa);

  mlir::OpBuilder b;
  mlir::Location loc;
  /// The function's first block: its arguments are those of the function.
  /// While a loop's body is being built its parents are not linked yet, so the
  /// function cannot be found from the insertion point.
  mlir::Block *entryBlock() const { return entry; }
  const Isa isa;

  // Types.
  Type i1, i8, i16, i32, i64, f16, f32, ptr;
  Type vec(int64_t lanes, Type elem) const;
  /// Number of lanes, or 0 for a scalar.
  static int64_t lanesOf(Value v);

  // Constants; one op per function and value, in its entry block.
  Value cI64(int64_t v) { return constant(b.getIntegerAttr(i64, v)); }
  Value cI32(int64_t v) { return constant(b.getIntegerAttr(i32, v)); }
  Value cBool(bool v) { return constant(b.getIntegerAttr(i1, v)); }
  Value cF32(float v) { return constant(b.getF32FloatAttr(v)); }
  /// A constant of v's type (scalar or vector of integers or f32).
  Value like(Value v, double x);
  Value splatF32(int64_t lanes, float v);
  Value splatInt(int64_t lanes, Type elem, int64_t v);
  /// [0, 1, .. lanes - 1] as integers.
  Value iota(int64_t lanes, Type elem);
  Value constant(mlir::TypedAttr attr);

  // Integers; constants fold.
  Value add(Value x, Value y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value add(Value x, int64_t y) { return add(x, like(x, y)); }
  Value sub(Value x, int64_t y) { return sub(x, like(x, y)); }
  Value mul(Value x, int64_t y) { return mul(x, like(x, y)); }
  /// Floor division and remainder of non-negative numbers.
  Value divU(Value x, Value y);
  Value remU(Value x, Value y);
  Value minS(Value x, Value y);
  Value maxS(Value x, Value y);
  Value andI(Value x, Value y);
  Value orI(Value x, Value y);
  Value shl(Value x, int64_t n);
  Value shrU(Value x, int64_t n);
  Value cmp(mlir::arith::CmpIPredicate p, Value x, Value y);
  Value cmp(mlir::arith::CmpFPredicate p, Value x, Value y);
  Value select(Value c, Value x, Value y);
  /// Changes the width of integers, scalars or vectors, signed.
  Value toInt(Value v, Type elem);
  Value bitcast(Value v, Type type);

  // f32, scalars or vectors.
  Value fadd(Value x, Value y);
  Value fsub(Value x, Value y);
  Value fmul(Value x, Value y);
  Value fdiv(Value x, Value y);
  Value fma(Value x, Value y, Value z);
  /// The larger; y where either is NaN (one instruction).
  Value fmax(Value x, Value y);
  /// Signed integer of any width to f32.
  Value toF32(Value v);
  /// 2^x for x <= 127 with `degree` 4 (3e-6) or 5 (2e-7): exactly 0 for -inf
  /// and whatever is below -127, NaN for NaN, exactly 1 for 0.
  Value exp2(Value x, int degree = 5);
  /// Natural logarithm of positive scalars or vectors, about 1 ulp; not fast.
  Value log(Value x);

  // Vectors.
  Value splat(Value scalar, int64_t lanes);
  Value extract(Value v, int64_t lane);
  Value shuffle(Value x, Value y, llvm::ArrayRef<int64_t> mask);
  /// Lanes [first, first + n) of v.
  Value slice(Value v, int64_t first, int64_t n);
  /// The vectors one after the other; a power of two of them.
  Value concat(llvm::ArrayRef<Value> parts);
  /// Transposes n vectors of n lanes (n a power of two).
  Values transpose(llvm::ArrayRef<Value> rows);

  // Memory.
  Value at(Value base, int64_t bytes);
  /// base + index * sizeof(elem), a signed element index.
  Value at(Value base, Value index, unsigned elemBytes);
  Value load(Type type, Value p);
  /// Loads `type` at base[index] for an elem of the type's scalar width.
  Value loadAt(Type type, Value base, Value index);
  void store(Value v, Value p);
  void prefetch(Value p, bool write = false, int locality = 3);
  /// Lanes of `keep` only; the others are 0 and their memory is not touched.
  Value loadMasked(Type type, Value p, Value keep);
  void storeMasked(Value v, Value p, Value keep);
  /// base[index[lane]] where keep; index is a vector of i32 or i64.
  Value gather(Type elem, Value base, Value index, Value keep);
  /// The same at offsets in bytes, aligned or not.
  Value gatherBytes(Type elem, Value base, Value bytes, Value keep);

  // Formats. Vectors only.
  /// `lanes` elements of the format at p, as f32; codes are not scaled.
  Value loadAsF32(Elem elem, Value p, int64_t lanes);
  /// The same for a vector of the format's storage type.
  Value widen(Elem elem, Value v);
  /// Rounds f32 to nearest even into the storage type of f16 or bf16.
  Value narrow(Elem elem, Value v);
  Type storageType(Elem elem) const;

  // Control.
  using LoopBody =
      llvm::function_ref<Values(Value iv, mlir::ValueRange carried)>;
  /// for (iv = lo; iv < hi; iv += step), all i64.
  Values forLoop(Value lo, Value hi, Value step, mlir::ValueRange init,
                 LoopBody body);
  void forLoop(Value lo, Value hi, Value step,
               llvm::function_ref<void(Value iv)> body);
  void ifThen(Value cond, llvm::function_ref<void()> body);
  Values ifElse(Value cond, mlir::TypeRange types,
                llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise);
  /// while (cond(state)) state = body(state).
  Values whileLoop(mlir::ValueRange init,
                   llvm::function_ref<Value(mlir::ValueRange)> cond,
                   llvm::function_ref<Values(mlir::ValueRange)> body);
  Values call(mlir::func::FuncOp callee, mlir::ValueRange args);
  /// Stack memory of a fixed size, allocated once on entry.
  Value stackSlot(int64_t bytes, int64_t align = 64);
  void ret(mlir::ValueRange values = {});

  /// Calls an LLVM intrinsic.
  Value intrinsic(llvm::StringRef name, Type result, mlir::ValueRange args);

private:
  mlir::Block *entry;
  llvm::DenseMap<mlir::Attribute, Value> constants;
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_EMITTER_H
