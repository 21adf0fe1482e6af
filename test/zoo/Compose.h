// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random masks in the words of the language, and one of them as it goes through
// loading, folding, expansion and the solver; nothing is compiled, the solver's
// functions run as they stand.
#ifndef FOVEA_TEST_ZOO_COMPOSE_H
#define FOVEA_TEST_ZOO_COMPOSE_H

#include "test/unit/passes/analysis/IrMachine.h"
#include "test/unit/passes/analysis/MaskCheck.h"

#include "dialects/reference/Value.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

#include <functional>
#include <set>

namespace fovea::zoo {

/// A run-time number or table of a mask.
struct ComposedOperand {
  /// "i32", "tensor<2xi32>", by token "tensor<?xi32>", "tensor<1x1x?x4xi32>"
  std::string type;
  std::vector<int64_t> numbers; ///< of a table by token: as many as asked for
};

/// A random expression over all words. The same for the same seed.
struct Composition {
  /// What the expressions are for: query heads, and tokens that tables have.
  static constexpr int64_t heads = 2, tokens = 40;
  explicit Composition(uint64_t seed);

  /// A random region of arithmetic on numbers that no mask should meet: it
  /// divides by them, shifts by them, reads tables at them and adds them up.
  static Composition hostile(uint64_t seed);

  /// The words, or the region: "{ .. }".
  std::string mask;
  std::vector<ComposedOperand> operands;
  /// A kernel with this mask.
  std::string spec() const;
  /// The words that expressions are made of.
  static std::set<std::string> words();

private:
  Composition() = default;
};

/// Changes the solver's functions: a seeded fault.
using ModuleFault = std::function<void(mlir::ModuleOp)>;

/// A composition, solved.
class ComposedMask {
public:
  ComposedMask(mlir::MLIRContext &context, const Composition &composition,
               const ModuleFault &fault = {});
  ~ComposedMask();

  /// What was wrong with the spec or a function did what has no meaning; ""
  /// if nothing.
  std::string problem() const;
  /// Checks one call against the reference interpreter.
  llvm::Error check(masktest::Shape shape, masktest::Report &report,
                    llvm::ArrayRef<masktest::TileShape> tiles);

  struct State;

private:
  std::unique_ptr<State> state;
};

} // namespace fovea::zoo

#endif // FOVEA_TEST_ZOO_COMPOSE_H
