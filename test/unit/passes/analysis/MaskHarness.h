// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Solves and compiles a mask of the tests and holds it against brute force.
#ifndef FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKHARNESS_H
#define FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKHARNESS_H

#include "test/unit/passes/analysis/MaskLanguage.h"

#include "passes/analysis/MaskSolver.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

#include <fovea/abi.h>

#include <functional>

namespace fovea::masktest {

mlir::MLIRContext &testContext();

/// Changes the emitted functions before they are compiled: a seeded fault.
using Fault = std::function<void(MaskSolution &)>;

/// A solved mask as callable code, through the C signatures of fovea/abi.h.
class CompiledMask {
public:
  CompiledMask(const X &mask, const Operands &operands, Fault fault = {});
  CompiledMask(const CompiledMask &) = delete;

  /// Runs of a query tile.
  int bounds(int64_t h, int64_t q0, int64_t q1, int64_t len,
             fovea_abi_run *runs) const {
    return boundsFn(&args, 0, h, q0, q1, len, runs);
  }
  int classify(int64_t h, int64_t q0, int64_t q1, int64_t k0, int64_t k1,
               int64_t len) const {
    return classFn(&args, 0, h, q0, q1, k0, k1, len);
  }
  int keep(int64_t h, int64_t q, int64_t k, int64_t len) const {
    return keepFn(&args, 0, h, q, k, len);
  }
  /// Sets a scalar operand for the calls that follow.
  void setScalar(size_t i, int64_t value) { scalars[i].i = value; }

  /// A function that `fault` added.
  template <typename Fn>
  Fn *get(llvm::StringRef name) const {
    return reinterpret_cast<Fn *>(address(name));
  }

  MaskSolution solution; // its functions are gone after the constructor
  std::string symbols;   // undefined ones of the object

private:
  void *address(llvm::StringRef name) const;

  std::vector<std::vector<char>> storage;
  std::vector<fovea_abi_view> views;
  std::vector<fovea_abi_scalar> scalars;
  fovea_abi_args args{};
  std::unique_ptr<llvm::orc::LLJIT> jit;
  fovea_bounds_fn boundsFn = nullptr;
  fovea_class_fn classFn = nullptr;
  fovea_keep_fn keepFn = nullptr;
};

struct Shape {
  int64_t sq, sk, offset = 0; // queries are tokens [offset, offset + sq)
};
struct TileShape {
  int64_t q, k;
};

struct Report {
  int64_t lost = 0;    // live keys outside the runs
  int64_t illegal = 0; // runs that are empty, out of order, touch, stick out
  int64_t notEmpty = 0, notFull = 0; // tiles wrongly called empty, full
  int64_t keepWrong = 0;
  int64_t tiles = 0, extra = 0, missFull = 0, runs = 0;
  std::string first; // the first failure in words
  bool sound() const {
    return lost + illegal + notEmpty + notFull + keepWrong == 0;
  }
  double extraPercent() const { return 100.0 * extra / tiles; }
  double missFullPercent() const { return 100.0 * missFull / tiles; }
};

/// Compares all tiles of all shapes and heads [0, heads). Scalar operand 0,
/// if there is one, is set to the number of queries.
Report check(CompiledMask &compiled, Program &mask, Operands operands,
             llvm::ArrayRef<Shape> shapes, llvm::ArrayRef<TileShape> tiles,
             int heads);

} // namespace fovea::masktest
#endif // FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKHARNESS_H
