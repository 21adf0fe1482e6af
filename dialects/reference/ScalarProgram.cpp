// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Turns a block of scalar operations into register code and runs it.
#include "dialects/reference/ScalarProgram.h"
#include "dialects/reference/ScalarOps.h"

#include "dialects/sel/SelOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinAttributes.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace fovea::reference;

/// Bits of an integer type (`index` counts as 64), 0 for a float.
static unsigned widthOf(Type type) {
  if (type.isIndex())
    return 64;
  return type.isInteger() ? type.getIntOrFloatBitWidth() : 0;
}

static int64_t floorDivide(int64_t x, int64_t by) {
  return x / by - (x % by != 0 && (x < 0) != (by < 0));
}

/// Brings an integer back into its width: sign-extended, but i1 as 0 or 1.
static Cell wrap(Cell cell, unsigned width) {
  if (width == 1)
    cell.i &= 1;
  else if (width > 1 && width < 64)
    cell.i =
        static_cast<int64_t>(static_cast<uint64_t>(cell.i) << (64 - width)) >>
        (64 - width);
  return cell;
}

static llvm::Error fail(Operation &op, const llvm::Twine &reason) {
  return llvm::createStringError("expected '" + op.getName().getStringRef() +
                                 "' " + reason);
}

/// Assigns registers and emits instructions, in one pass over the block.
class ScalarProgram::Compiler {
public:
  Compiler(ScalarProgram &program, Lookup outside)
      : program(program), outside(outside) {}

  unsigned define(mlir::Value value, Cell initial = {0}) {
    program.initial.push_back(initial);
    return registers[value] = program.initial.size() - 1;
  }

  void rowArgument(mlir::Value value) {
    program.rowRegisters.push_back(define(value));
  }
  void elementArgument(mlir::Value value) {
    program.elementRegisters.push_back(define(value));
    varying.insert(program.elementRegisters.back());
  }

  llvm::Error operation(Operation &op) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op))
      return emitConstant(constant);
    if (auto segment = dyn_cast<fovea::sel::SegmentOp>(op))
      return emitSegment(segment);
    if (auto coordinates = dyn_cast<fovea::sel::CoordinatesOp>(op))
      return emitCoordinates(coordinates);
    if (op.getNumResults() != 1)
      return fail(op, "to have one result in scalar code");
    if (auto extract = dyn_cast<tensor::ExtractOp>(op))
      return emitLoad(op, extract.getTensor(), extract.getIndices());
    if (auto ancestor = dyn_cast<fovea::sel::AncestorOp>(op))
      return emitLoad(op, ancestor.getParents(), ancestor.getIndices());
    return emitFunction(op);
  }

  /// The register of `value`, which is defined before or outside.
  llvm::Expected<unsigned> use(mlir::Value value) {
    if (auto it = registers.find(value); it != registers.end())
      return it->second;
    const Value *bound = outside(value);
    const Scalar *scalar = bound ? std::get_if<Scalar>(bound) : nullptr;
    if (!scalar)
      return llvm::createStringError(
          "expected scalar code to use scalars of the kernel, got a value of "
          "another kind");
    Cell cell;
    if (widthOf(value.getType()))
      cell.i = scalar->i;
    else
      cell.f = scalar->f;
    if (scalar->fault)
      program.outsideFault = scalar->fault;
    return define(value, cell);
  }

private:
  llvm::Error emitConstant(arith::ConstantOp op) {
    Cell cell;
    if (auto number = dyn_cast<IntegerAttr>(op.getValue())) {
      unsigned width = widthOf(number.getType());
      cell.i = width == 1 ? number.getValue().getZExtValue()
                          : number.getValue().getSExtValue();
    } else if (auto number = dyn_cast<FloatAttr>(op.getValue())) {
      cell.f = number.getValueAsDouble();
    } else {
      return fail(*op, "to be a scalar in scalar code");
    }
    define(op.getResult(), cell);
    return llvm::Error::success();
  }

  llvm::Error emitSegment(fovea::sel::SegmentOp op) {
    llvm::SmallVector<mlir::Value> indices;
    if (op.getRow())
      indices.push_back(op.getRow());
    indices.push_back(op.getToken());
    for (int result = 0; result < 3; ++result)
      if (llvm::Error error =
              emitLoad(*op, op.getBoundaries(), indices, result, result))
        return error;
    return llvm::Error::success();
  }

  /// From the last axis to the first: what is left of the token, divided.
  llvm::Error emitCoordinates(fovea::sel::CoordinatesOp op) {
    llvm::SmallVector<OpFoldResult> sizes = op.getMixedSizes();
    llvm::Expected<unsigned> left = use(op.getToken());
    if (!left)
      return left.takeError();
    for (size_t axis = sizes.size() - 1; axis > 0; --axis) {
      Instruction divide;
      divide.needs = Needs::AtLeastOne;
      divide.operands[0] = *left;
      if (auto value = dyn_cast<mlir::Value>(sizes[axis])) {
        llvm::Expected<unsigned> size = use(value);
        if (!size)
          return size.takeError();
        divide.operands[1] = *size;
      } else {
        Cell size;
        size.i = cast<IntegerAttr>(cast<Attribute>(sizes[axis])).getInt();
        divide.operands[1] = program.initial.size();
        program.initial.push_back(size);
      }
      divide.function = [](Cell x, Cell by, Cell, unsigned) {
        return Cell{x.i - by.i * floorDivide(x.i, by.i)};
      };
      emit(divide, *op, op.getPlaces()[axis]);
      divide.function = [](Cell x, Cell by, Cell, unsigned) {
        return Cell{floorDivide(x.i, by.i)};
      };
      if (axis == 1) {
        emit(divide, *op, op.getPlaces()[0]);
      } else {
        divide.result = *left = program.initial.size();
        program.initial.push_back({0});
        append(divide, *op);
      }
    }
    return llvm::Error::success();
  }

  /// tensor.extract, or sel.ancestor, whose table may be null, or the result
  /// `found` of sel.segment.
  llvm::Error emitLoad(Operation &op, mlir::Value table, ValueRange indices,
                       unsigned result = 0, int found = -1) {
    Instruction instruction;
    instruction.walks = isa<fovea::sel::AncestorOp>(op);
    instruction.found = found;
    if (table) {
      const Value *bound = outside(table);
      instruction.table = bound ? std::get_if<Tensor>(bound) : nullptr;
      if (!instruction.table)
        return fail(op, "to read a plain tensor argument");
    }
    for (mlir::Value index : indices) {
      llvm::Expected<unsigned> id = use(index);
      if (!id)
        return id.takeError();
      instruction.indices.push_back(*id);
    }
    emit(std::move(instruction), op, op.getResult(result));
    return llvm::Error::success();
  }

  llvm::Error emitFunction(Operation &op) {
    Instruction instruction;
    instruction.function = scalarFunction(op);
    if (!instruction.function || op.getNumOperands() > 3)
      return fail(op, "to be an arith or math op of scalars");
    for (auto [i, operand] : llvm::enumerate(op.getOperands())) {
      llvm::Expected<unsigned> id = use(operand);
      if (!id)
        return id.takeError();
      instruction.operands[i] = *id;
    }
    instruction.width = widthOf(op.getOperand(0).getType());
    // Without sign a divisor of 64 bits would be beyond every index.
    if (isa<arith::DivSIOp, arith::RemSIOp, arith::FloorDivSIOp,
            arith::CeilDivSIOp>(op))
      instruction.needs = Needs::AtLeastOne;
    else if (isa<arith::DivUIOp, arith::RemUIOp, arith::CeilDivUIOp>(op))
      instruction.needs =
          instruction.width == 64 ? Needs::AtLeastOne : Needs::NotZero;
    else if (isa<arith::ShLIOp, arith::ShRSIOp, arith::ShRUIOp>(op))
      instruction.needs = Needs::BelowWidth;
    else if (isa<arith::FPToSIOp>(op))
      instruction.needs = Needs::FitsSigned;
    else if (isa<arith::FPToUIOp>(op))
      instruction.needs = Needs::FitsUnsigned;
    emit(std::move(instruction), op, op.getResult(0));
    return llvm::Error::success();
  }

  void emit(Instruction instruction, Operation &op, mlir::Value result) {
    instruction.resultWidth = widthOf(result.getType());
    instruction.result = define(result);
    append(std::move(instruction), op);
  }

  /// Lets an instruction of `op` run as rarely as may be.
  void append(Instruction instruction, Operation &op) {
    // The tree of a batch is asked for a pair, though it has no operands.
    bool varies = instruction.walks && !instruction.table;
    varies |= llvm::any_of(op.getOperands(), [&](mlir::Value operand) {
      auto it = registers.find(operand);
      return it != registers.end() && varying.contains(it->second);
    });
    if (varies)
      varying.insert(instruction.result);
    (varies ? program.perElement : program.perRow)
        .push_back(std::move(instruction));
  }

  ScalarProgram &program;
  Lookup outside;
  llvm::DenseMap<mlir::Value, unsigned> registers;
  llvm::DenseSet<unsigned> varying; ///< registers that change per element
};

llvm::Expected<ScalarProgram>
ScalarProgram::compile(Block &block, mlir::Value yielded,
                       ArrayRef<unsigned> rowArguments,
                       ArrayRef<unsigned> elementArguments, Lookup outside) {
  ScalarProgram program;
  Compiler compiler(program, outside);
  for (unsigned position : rowArguments)
    compiler.rowArgument(block.getArgument(position));
  for (unsigned position : elementArguments)
    compiler.elementArgument(block.getArgument(position));
  // A terminator is known by its place: asking for the trait compares names of
  // template arguments, which g++ spells unlike the clang that built libMLIR.
  for (Operation &op : block)
    if (op.getNextNode() || op.getNumResults() != 0)
      if (llvm::Error error = compiler.operation(op))
        return error;
  llvm::Expected<unsigned> result = compiler.use(yielded);
  if (!result)
    return result.takeError();
  program.result = *result;
  program.width = widthOf(yielded.getType());
  return program;
}

llvm::Expected<ScalarProgram> ScalarProgram::compile(Operation &op,
                                                     Lookup outside) {
  ScalarProgram program;
  Compiler compiler(program, outside);
  if (llvm::Error error = compiler.operation(op))
    return error;
  program.result = program.initial.size() - 1;
  program.width = widthOf(op.getResult(0).getType());
  return program;
}

ScalarProgram::Frame ScalarProgram::frame() const {
  return {initial, false, outsideFault, outsideFault, nullptr};
}

/// Follows the parents from the query, the last index, to the key before it. A
/// parent that is not less than its child ends the path.
void ScalarProgram::walk(const Instruction &instruction, Frame &frame) {
  Cell &result = frame.registers[instruction.result];
  result.i = frame.inTree;
  if (!instruction.table)
    return;
  const Tensor &table = *instruction.table;
  size_t last = instruction.indices.size() - 1;
  auto index = [&](size_t i) {
    return frame.registers[instruction.indices[i]].i;
  };
  int64_t tokens = table.shape.back(), row = last == 2 ? index(0) : 0;
  int64_t key = index(last - 1), token = index(last);
  result.i = 0;
  if (key < 0 || key >= tokens || token < 0 || token >= tokens || row < 0 ||
      (last == 2 && row >= table.dim(0))) {
    frame.fault = "table index out of range";
    return;
  }
  while (token > key) {
    auto parent = static_cast<int64_t>(table.data[row * tokens + token]);
    if (parent < 0 || parent >= token)
      return;
    token = parent;
  }
  result.i = token == key;
}

/// Counts the boundaries at or before the token.
void ScalarProgram::findSegment(const Instruction &instruction, Frame &frame) {
  const Tensor &table = *instruction.table;
  auto index = [&](size_t i) {
    return frame.registers[instruction.indices[i]].i;
  };
  int64_t rows = instruction.indices.size() == 2 ? table.dim(0) : 1;
  int64_t row = instruction.indices.size() == 2 ? index(0) : 0;
  int64_t token = index(instruction.indices.size() - 1);
  int64_t n = table.shape.back(), count = 0;
  Cell &result = frame.registers[instruction.result];
  result.i = 0;
  if (row < 0 || row >= rows) {
    frame.fault = "table index out of range";
    return;
  }
  const double *boundaries = table.data.data() + row * n;
  for (int64_t i = 0; i < n; ++i) {
    if (i && boundaries[i] < boundaries[i - 1]) {
      frame.refusal = "table of boundaries that do not ascend";
      return;
    }
    count += boundaries[i] <= double(token);
  }
  if (instruction.found == 0)
    result.i = count - 1;
  else if (n > 0)
    result.i = int64_t(boundaries[std::clamp<int64_t>(
        count - (instruction.found == 1), 0, n - 1)]);
}

/// Why `operand`, the second of the instruction, or the only one, gives it no
/// meaning.
const char *ScalarProgram::faultOf(const Instruction &instruction,
                                   Cell operand) {
  auto fits = [&](double least, unsigned bits) {
    double cut = std::trunc(operand.f); // NaN fits nowhere
    return cut >= least && cut < std::ldexp(1, int(bits))
               ? nullptr
               : "cast of a number that its type does not hold";
  };
  switch (instruction.needs) {
  case Needs::Nothing:
    return nullptr;
  case Needs::AtLeastOne:
    return operand.i < 1 ? "division by a number below 1" : nullptr;
  case Needs::NotZero:
    return operand.i == 0 ? "division by zero" : nullptr;
  case Needs::BelowWidth:
    return operand.i < 0 || operand.i >= int64_t(instruction.width)
               ? "shift by all bits or more"
               : nullptr;
  case Needs::FitsSigned:
    return fits(-std::ldexp(1, int(instruction.resultWidth) - 1),
                instruction.resultWidth - 1);
  case Needs::FitsUnsigned:
    return fits(0, instruction.resultWidth);
  }
  return nullptr;
}

void ScalarProgram::execute(const Instruction &instruction, Frame &frame) {
  std::vector<Cell> &registers = frame.registers;
  Cell &result = registers[instruction.result];
  if (instruction.walks)
    return walk(instruction, frame);
  if (instruction.found >= 0)
    return findSegment(instruction, frame);
  if (!instruction.table) {
    const Cell &first = registers[instruction.operands[0]];
    const Cell &second = registers[instruction.operands[1]];
    bool casts = instruction.needs >= Needs::FitsSigned;
    if (const char *fault = faultOf(instruction, casts ? first : second)) {
      frame.fault = fault;
      result = {0};
      return;
    }
    result = wrap(instruction.function(first, second,
                                       registers[instruction.operands[2]],
                                       instruction.width),
                  instruction.resultWidth);
    return;
  }
  const Tensor &table = *instruction.table;
  int64_t position = 0;
  for (auto [axis, id] : llvm::enumerate(instruction.indices)) {
    int64_t index = registers[id].i;
    if (index < 0 || index >= table.dim(axis)) {
      frame.fault = "table index out of range";
      result = {0};
      return;
    }
    position = position * table.dim(axis) + index;
  }
  if (instruction.resultWidth)
    result.i = table.words.empty() ? static_cast<int64_t>(table.data[position])
                                   : table.words[position];
  else
    result.f = table.data[position];
}

void ScalarProgram::run(const std::vector<Instruction> &code, Frame &frame) {
  for (const Instruction &instruction : code)
    execute(instruction, frame);
}

void ScalarProgram::setRow(Frame &frame, ArrayRef<Cell> arguments) const {
  for (auto [id, value] : llvm::zip(rowRegisters, arguments))
    frame.registers[id] = value;
  frame.fault = outsideFault;
  run(perRow, frame);
  frame.rowFault = frame.fault;
}

Cell ScalarProgram::evaluate(Frame &frame, ArrayRef<Cell> arguments) const {
  for (auto [id, value] : llvm::zip_equal(elementRegisters, arguments))
    frame.registers[id] = value;
  frame.fault = frame.rowFault;
  run(perElement, frame);
  return frame.registers[result];
}
