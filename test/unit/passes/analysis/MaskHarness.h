// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Solves and compiles a mask of the tests and holds it against brute force.
#ifndef FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKHARNESS_H
#define FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKHARNESS_H

#include "test/unit/passes/analysis/MaskCheck.h"
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
  MaskFunctions functions() const { return {boundsFn, classFn, keepFn, &args}; }
  /// Whether the calls that follow are given the summaries of tables.
  void useSummaries(bool use) {
    args.summaries = use ? summaries.data() : nullptr;
  }
  /// Makes every least entry of a summary one of the greatest: a fault.
  void damageSummaries() {
    for (std::vector<int64_t> &numbers : summaryStorage)
      for (size_t i = 0; i + 1 < numbers.size(); i += 2)
        numbers[i] = numbers[i + 1];
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
  std::vector<std::vector<int64_t>> summaryStorage;
  std::vector<fovea_abi_view> views, summaries;
  std::vector<fovea_abi_scalar> scalars;
  fovea_abi_args args{};
  std::unique_ptr<llvm::orc::LLJIT> jit;
  fovea_bounds_fn boundsFn = nullptr;
  fovea_class_fn classFn = nullptr;
  fovea_keep_fn keepFn = nullptr;
};

/// Compares all tiles of all shapes and heads [0, heads). Scalar operand 0,
/// if there is one, is set to the number of queries.
Report check(CompiledMask &compiled, Program &mask, Operands operands,
             llvm::ArrayRef<Shape> shapes, llvm::ArrayRef<TileShape> tiles,
             int heads);

} // namespace fovea::masktest
#endif // FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKHARNESS_H
