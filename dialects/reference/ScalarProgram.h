// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar code (mask, score and probability regions) as a list of instructions
// over registers, because walking operations for each of millions of (q, k)
// pairs would take minutes. For the ops of the interpreter.
#ifndef FOVEA_DIALECTS_REFERENCE_SCALARPROGRAM_H
#define FOVEA_DIALECTS_REFERENCE_SCALARPROGRAM_H

#include "dialects/reference/Value.h"

#include "mlir/IR/Block.h"
#include "mlir/IR/Value.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

#include <vector>

namespace fovea::reference {

/// One scalar: integers, `index` and i1 (0 or 1) in i, floats in f.
union Cell {
  int64_t i;
  double f;
};

/// Finds what a value defined outside the scalar code stands for; null if it
/// has no value.
using Lookup = llvm::function_ref<const Value *(mlir::Value)>;

/// A compiled block. Its arguments are split in two: those set once per row and
/// those set once per element; what depends only on the first is computed once
/// per row.
class ScalarProgram {
public:
  /// Compiles `block`, which may use arith, math, tensor.extract and sel's ops
  /// for regions; its result is `yielded`. Fails on any other op. The
  /// positions of the arguments that are set per row and per element are in the
  /// order in which setRow and evaluate take their values.
  static llvm::Expected<ScalarProgram>
  compile(mlir::Block &block, mlir::Value yielded,
          llvm::ArrayRef<unsigned> rowArguments,
          llvm::ArrayRef<unsigned> elementArguments, Lookup outside);

  /// Compiles the single operation `op`, which has no block arguments.
  static llvm::Expected<ScalarProgram> compile(mlir::Operation &op,
                                               Lookup outside);

  /// The registers of one evaluation; every thread has its own.
  struct Frame {
    std::vector<Cell> registers;
    /// What sel.ancestor without a table gives; set before each evaluation.
    bool inTree = false;
    /// Why the last result is meaningless; null if it is good.
    const char *fault = nullptr;
    /// The same of what is computed once per row.
    const char *rowFault = nullptr;
    /// Why no call may have such operands (segment_s1); stays once it is set.
    const char *refusal = nullptr;
  };

  /// A frame with the constants in place.
  Frame frame() const;
  /// Sets the per-row arguments; values beyond the last one are ignored.
  void setRow(Frame &frame, llvm::ArrayRef<Cell> arguments) const;
  /// Sets the other arguments and returns the result.
  Cell evaluate(Frame &frame, llvm::ArrayRef<Cell> arguments) const;

  /// Bits of the result if it is an integer (`index` has 64), 0 if a float.
  unsigned resultWidth() const { return width; }

private:
  /// A scalar function of up to three operands; `width` is that of the first.
  using Function = Cell (*)(Cell, Cell, Cell, unsigned width);
  /// What its second operand has to be for an op to have a meaning.
  enum class Needs {
    Nothing,
    AtLeastOne,
    NotZero,
    BelowWidth,
    FitsSigned,
    FitsUnsigned
  };
  struct Instruction {
    Function function = nullptr; ///< null: reads `table` at `indices`
    bool walks = false; ///< sel.ancestor: in `table`, or null: Frame::inTree
    /// Result `found` of sel.segment at `indices`: the row, if the table has
    /// rows, and the token.
    int found = -1;
    unsigned operands[3] = {0, 0, 0};
    unsigned width = 64;       ///< bits of the first operand
    unsigned resultWidth = 64; ///< bits of the result; 0 for a float
    unsigned result = 0;
    Needs needs = Needs::Nothing;
    const Tensor *table = nullptr;
    std::vector<unsigned> indices;
  };
  class Compiler;

  static const char *faultOf(const Instruction &instruction, Cell operand);
  static void walk(const Instruction &instruction, Frame &frame);
  static void findSegment(const Instruction &instruction, Frame &frame);
  static void execute(const Instruction &instruction, Frame &frame);
  static void run(const std::vector<Instruction> &code, Frame &frame);

  std::vector<Cell> initial; ///< constants; 0 elsewhere
  /// Why a scalar from outside is meaningless; null if none is.
  const char *outsideFault = nullptr;
  std::vector<unsigned> rowRegisters, elementRegisters; ///< of arguments
  std::vector<Instruction> perRow, perElement;
  unsigned result = 0, width = 64;
};

} // namespace fovea::reference

#endif // FOVEA_DIALECTS_REFERENCE_SCALARPROGRAM_H
