// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs functions of arith, scf, memref and func ops as they stand, without a
// compiler: thousands of masks can be checked in the time that LLVM takes for
// some hundred. Stricter than a processor: what arith leaves undefined - a
// division by 0, a shift by too much, a load outside of a table - is an error.
#ifndef FOVEA_TEST_UNIT_PASSES_ANALYSIS_IRMACHINE_H
#define FOVEA_TEST_UNIT_PASSES_ANALYSIS_IRMACHINE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

#include <memory>
#include <string>
#include <vector>

namespace fovea::masktest {

/// A row-major table; integers of any width are held as they are.
struct IrTable {
  std::vector<int64_t> shape, data;
};

class IrMachine {
public:
  /// Reads all functions of the module, which may be gone afterwards.
  explicit IrMachine(mlir::ModuleOp module);
  ~IrMachine();

  /// An argument or result: an integer, sign-extended (i1: 0 or 1), or a table.
  union Word {
    int64_t i;
    IrTable *table;
  };
  /// The index of a function, -1 if there is none.
  int find(llvm::StringRef name) const;
  /// Calls a function; false if it did what has no meaning: see `error`.
  bool call(int function, llvm::ArrayRef<Word> arguments,
            llvm::MutableArrayRef<Word> results);

  /// The first thing without meaning, or an op that is not known.
  std::string error;

private:
  struct Code;
  std::unique_ptr<Code> code;
};

} // namespace fovea::masktest
#endif // FOVEA_TEST_UNIT_PASSES_ANALYSIS_IRMACHINE_H
