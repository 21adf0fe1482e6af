// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Binds arguments, walks a function and calls one function per op.
#include "dialects/reference/Interpreter.h"
#include "dialects/reference/Environment.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::reference;

Element reference::elementOf(Type type) {
  Type element = getElementTypeOrSelf(type);
  if (element.isF32())
    return Element::F32;
  if (element.isF16())
    return Element::F16;
  if (element.isBF16())
    return Element::BF16;
  if (element.isInteger(1))
    return Element::Bool;
  if (element.isInteger(8))
    return Element::I8;
  if (element.isInteger(32))
    return Element::I32;
  return element.isF64() ? Element::F64 : Element::I64;
}

Role reference::roleOf(mlir::Value result) {
  Operation *op = result.getDefiningOp();
  unsigned number =
      isa<OpResult>(result) ? cast<OpResult>(result).getResultNumber() : 0;
  bool attends =
      isa_and_nonnull<attn::AttentionOp, attn::MergeOp, attn::PartialOp>(op);
  if (attends && number == 1)
    return Role::LogSumExp; // lse, or m
  return attends ? Role::Output : Role::Exact;
}

static llvm::Error wrongArgument(unsigned number, const llvm::Twine &want) {
  return llvm::createStringError("expected argument " + llvm::Twine(number) +
                                 " to be " + want);
}

/// Checks that a tensor has the rank and the static extents of its type.
static llvm::Error checkShape(unsigned number, const Tensor &tensor,
                              ArrayRef<int64_t> shape) {
  bool fits = tensor.rank() == static_cast<int64_t>(shape.size());
  for (size_t i = 0; fits && i < shape.size(); ++i)
    fits = ShapedType::isDynamic(shape[i]) || shape[i] == tensor.dim(i);
  if (!fits)
    return wrongArgument(number, "a tensor of its type's shape");
  return llvm::Error::success();
}

static llvm::Error checkArgument(unsigned number, Type type,
                                 const reference::Value &value) {
  auto tensorType = dyn_cast<RankedTensorType>(type);
  if (isa<kv::CacheType>(type)) {
    const auto *cache = std::get_if<Cache>(&value);
    if (!cache || cache->type() != type)
      return wrongArgument(number, "a cache of its type");
    return llvm::Error::success();
  }
  if (!tensorType) {
    if (type.isIntOrIndexOrFloat() && !std::get_if<Scalar>(&value))
      return wrongArgument(number, "a scalar");
    return llvm::Error::success();
  }
  if (tensorType.getEncoding()) {
    const auto *encoded = std::get_if<Encoded>(&value);
    if (!encoded)
      return wrongArgument(number, "codes and scales");
    return checkShape(number, encoded->codes, tensorType.getShape());
  }
  const auto *tensor = std::get_if<Tensor>(&value);
  if (!tensor)
    return wrongArgument(number, "a tensor");
  return checkShape(number, *tensor, tensorType.getShape());
}

llvm::Expected<Extent> reference::extentOf(const Environment &env,
                                           mlir::Value offset,
                                           mlir::Value lengths, int64_t batches,
                                           int64_t queries, int64_t tokens) {
  auto table = [&](mlir::Value name) -> const Tensor * {
    return name ? &env.get<Tensor>(name) : nullptr;
  };
  const Tensor *length = table(lengths), *start = table(offset);
  for (const Tensor *given : {length, start})
    if (given && given->size() != batches)
      return llvm::createStringError(
          "expected lengths and offsets to have one entry per sequence, got "
          "%lld and %lld",
          (long long)given->size(), (long long)batches);
  Extent extent;
  for (int64_t b = 0; b < batches; ++b) {
    int64_t n = length ? static_cast<int64_t>(length->data[b]) : tokens;
    if (n < 0 || n > tokens)
      return llvm::createStringError(
          "expected a length from 0 to %lld, got %lld", (long long)tokens,
          (long long)n);
    extent.lengths.push_back(n);
    extent.offsets.push_back(start ? static_cast<int64_t>(start->data[b])
                                   : n - queries);
  }
  return extent;
}

/// A constant of scalar or tensor type.
static reference::Value constantValue(TypedAttr attribute) {
  if (auto number = dyn_cast<IntegerAttr>(attribute)) {
    bool boolean = number.getType().isInteger(1);
    return Scalar{boolean ? int64_t(number.getValue().getZExtValue())
                          : number.getValue().getSExtValue(),
                  0};
  }
  if (auto number = dyn_cast<FloatAttr>(attribute))
    return Scalar{0, number.getValueAsDouble()};
  auto elements = cast<DenseElementsAttr>(attribute);
  Tensor tensor(elements.getType().getShape().vec());
  if (isa<FloatType>(elements.getElementType())) {
    for (auto [to, from] :
         llvm::zip(tensor.data, elements.getValues<APFloat>())) {
      APFloat value = from;
      bool loses;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                    &loses);
      to = value.convertToDouble();
    }
    return tensor;
  }
  bool boolean = elements.getElementType().isInteger(1);
  for (auto [to, from] : llvm::zip(tensor.data, elements.getValues<APInt>()))
    to = boolean ? double(from.getZExtValue()) : double(from.getSExtValue());
  return tensor;
}

static llvm::Error evaluateConstant(arith::ConstantOp op, Environment &env) {
  if (!isa<IntegerAttr, FloatAttr, DenseElementsAttr>(op.getValue()))
    return llvm::createStringError("expected a constant to be a number or a "
                                   "dense tensor");
  env.set(op.getResult(), constantValue(op.getValue()));
  return llvm::Error::success();
}

static llvm::Error evaluateDim(tensor::DimOp op, Environment &env) {
  const reference::Value *source = env.find(op.getSource());
  int64_t axis = env.get<Scalar>(op.getIndex()).i;
  const auto *encoded = std::get_if<Encoded>(source);
  const Tensor &tensor =
      encoded ? encoded->codes : *std::get_if<Tensor>(source);
  if (axis < 0 || axis >= tensor.rank())
    return llvm::createStringError("expected an axis of the tensor");
  env.set(op.getResult(), Scalar{tensor.dim(axis), 0});
  return llvm::Error::success();
}

/// A kernel called by a function of a test, which has the literals.
static llvm::Error evaluateCall(func::CallOp op, Environment &env) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
      op, op.getCalleeAttr());
  std::vector<reference::Value> arguments;
  for (mlir::Value operand : op.getOperands())
    arguments.push_back(*env.find(operand));
  llvm::Expected<std::vector<reference::Value>> results =
      evaluate(callee, arguments, &env.report, env.batch);
  if (!results)
    return results.takeError();
  for (auto [name, value] : llvm::zip_equal(op.getResults(), *results))
    env.set(name, std::move(value));
  return llvm::Error::success();
}

/// Any other op computes a scalar from scalars.
static llvm::Error evaluateScalar(Operation &op, Environment &env) {
  llvm::Expected<ScalarProgram> program = ScalarProgram::compile(op, env);
  if (!program)
    return program.takeError();
  ScalarProgram::Frame frame = program->frame();
  program->setRow(frame, {});
  Cell result = program->evaluate(frame, {});
  // An error where it is used, but a mask hides its pairs.
  Scalar scalar;
  scalar.fault = frame.fault;
  if (program->resultWidth())
    scalar.i = result.i;
  else
    scalar.f = result.f;
  env.set(op.getResult(0), scalar);
  return llvm::Error::success();
}

llvm::Expected<std::vector<reference::Value>>
reference::evaluate(func::FuncOp kernel, ArrayRef<reference::Value> arguments,
                    Report *report, const Batch *batch) {
  Report unused;
  Environment env(report ? *report : unused, batch);
  if (kernel.isExternal())
    return llvm::createStringError("expected a kernel to have a body");
  if (arguments.size() != kernel.getNumArguments())
    return llvm::createStringError("expected %u arguments, got %zu",
                                   kernel.getNumArguments(), arguments.size());
  for (auto [i, name] : llvm::enumerate(kernel.getArguments())) {
    if (llvm::Error error = checkArgument(i, name.getType(), arguments[i]))
      return error;
    env.set(name, arguments[i]);
  }
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    llvm::Error error =
        llvm::TypeSwitch<Operation *, llvm::Error>(&op)
            .Case<attn::AttentionOp, attn::PartialOp, attn::MergeOp,
                  sel::PoolOp, sel::ScoreOp, sel::NormalizeOp, sel::ChooseOp,
                  sel::ChooseLevelsOp, sel::LevelsOp, kv::EncodeOp,
                  kv::AppendOp>([&](auto op) { return evaluate(op, env); })
            .Case(
                [&](arith::ConstantOp op) { return evaluateConstant(op, env); })
            .Case([&](func::CallOp op) { return evaluateCall(op, env); })
            .Case([&](tensor::DimOp op) { return evaluateDim(op, env); })
            .Default([&](Operation *op) { return evaluateScalar(*op, env); });
    if (error)
      return error;
  }
  std::vector<reference::Value> results;
  for (mlir::Value name :
       kernel.getBody().front().getTerminator()->getOperands())
    results.push_back(*env.find(name));
  return results;
}
