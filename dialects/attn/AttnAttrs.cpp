// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The score modifiers: verification, expansion, words.
#include "dialects/attn/AttnAttrs.h"

#include "dialects/attn/AttnDialect.h"
#include "dialects/attn/ScoreBuilder.h"
#include "dialects/sel/SelAttrs.h"
#include "dialects/sel/SelOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace fovea;
using namespace fovea::attn;

#include "dialects/attn/AttnAttrInterfaces.cpp.inc"
#include "dialects/attn/AttnOpInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/attn/AttnAttrs.cpp.inc"

void AttnDialect::registerModifiers() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/attn/AttnAttrs.cpp.inc"
      >();
}

ArrayRef<ScoreWord> attn::scoreWords() {
  static constexpr ScoreWord words[] = {
      {"alibi",
       [](Attribute a) -> Attribute {
         return AlibiAttr::get(a.getContext(), a);
       }},
      {"bias",
       [](Attribute a) -> Attribute {
         return BiasAttr::get(a.getContext(), a);
       }},
      {"scale",
       [](Attribute a) -> Attribute {
         return ScaleAttr::get(a.getContext(), a);
       }},
      {"softcap",
       [](Attribute a) -> Attribute {
         return SoftcapAttr::get(a.getContext(), a);
       }},
  };
  return words;
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

Value ScoreBuilder::constantF32(double value) {
  return b.create<arith::ConstantFloatOp>(
      loc, APFloat(static_cast<float>(value)), b.getF32Type());
}

Value ScoreBuilder::asF32(Value value) {
  if (value.getType().isF32())
    return value;
  return b.create<arith::ExtFOp>(loc, b.getF32Type(), value);
}

Value ScoreBuilder::toF32(Value index) {
  // Lanes of 32 bits convert in one instruction on every target.
  Value narrow = b.create<arith::IndexCastOp>(loc, b.getI32Type(), index);
  return b.create<arith::SIToFPOp>(loc, b.getF32Type(), narrow);
}

/// The value of a literal, or nothing.
static std::optional<double> literalOf(Attribute n) {
  auto real = llvm::dyn_cast<FloatAttr>(n);
  if (real && real.getType().isF64())
    return real.getValueAsDouble();
  auto integer = llvm::dyn_cast<IntegerAttr>(n);
  if (integer && integer.getType().isInteger(64))
    return static_cast<double>(integer.getInt());
  return std::nullopt;
}

Value ScoreBuilder::real(Attribute n) {
  if (std::optional<double> literal = literalOf(n))
    return constantF32(*literal);
  unsigned index = llvm::cast<sel::ArgAttr>(n).getIndex();
  if (llvm::isa<ShapedType>(operandType(index)))
    return asF32(load(index, head));
  return asF32(operand(index));
}

using EmitError = function_ref<InFlightDiagnostic()>;

/// real_c1
static LogicalResult verifyReal(EmitError emitError, Attribute n,
                                TypeRange operandTypes, int64_t queryHeads,
                                StringRef word) {
  if (std::optional<double> literal = literalOf(n)) {
    if (std::isfinite(static_cast<float>(*literal)))
      return success();
    return emitError() << "expected the number of '" << word
                       << "' to be finite in f32, got " << *literal
                       << " [real_c1]";
  }
  auto argument = llvm::dyn_cast<sel::ArgAttr>(n);
  if (!argument || argument.getIndex() >= operandTypes.size())
    return emitError() << "expected '" << word << "' to have a number, got "
                       << n << " [real_c1]";
  Type type = operandTypes[argument.getIndex()];
  auto table = llvm::dyn_cast<RankedTensorType>(type);
  if (!type.isF32() &&
      !(table && table.getRank() == 1 && !table.getEncoding() &&
        table.getElementType().isF32() && table.getDimSize(0) == queryHeads))
    return emitError() << "expected the number of '" << word
                       << "' to be f32 or a tensor of f32 with one entry per "
                          "query head, got "
                       << type << " and " << queryHeads
                       << " query heads [real_c1]";
  return success();
}

//===----------------------------------------------------------------------===//
// softcap
//===----------------------------------------------------------------------===//

LogicalResult SoftcapAttr::verifyScore(EmitError emitError, TypeRange types,
                                       ArrayRef<int64_t> shape) const {
  if (failed(verifyReal(emitError, getAmount(), types, shape[1], "softcap")))
    return failure();
  // softcap_c1
  std::optional<double> literal = literalOf(getAmount());
  if (literal && !(*literal > 0))
    return emitError() << "expected softcap to be positive, got " << *literal
                       << " [softcap_c1]";
  return success();
}

Value SoftcapAttr::expand(ScoreBuilder &builder, Value score) const {
  OpBuilder &b = builder.b;
  Value cap = builder.real(getAmount());
  Value ratio = b.create<arith::DivFOp>(builder.loc, score, cap);
  Value bounded = b.create<math::TanhOp>(builder.loc, ratio);
  return b.create<arith::MulFOp>(builder.loc, bounded, cap);
}

SmallVector<Attribute> SoftcapAttr::getArguments() const {
  return {getAmount()};
}

//===----------------------------------------------------------------------===//
// alibi
//===----------------------------------------------------------------------===//

LogicalResult AlibiAttr::verifyScore(EmitError emitError, TypeRange types,
                                     ArrayRef<int64_t> shape) const {
  return verifyReal(emitError, getAmount(), types, shape[1], "alibi");
}

Value AlibiAttr::expand(ScoreBuilder &builder, Value score) const {
  OpBuilder &b = builder.b;
  Value distance = builder.toF32(builder.sub(builder.key, builder.query));
  Value bias =
      b.create<arith::MulFOp>(builder.loc, builder.real(getAmount()), distance);
  return b.create<arith::AddFOp>(builder.loc, score, bias);
}

SmallVector<Attribute> AlibiAttr::getArguments() const { return {getAmount()}; }

//===----------------------------------------------------------------------===//
// bias
//===----------------------------------------------------------------------===//

// bias_c1
LogicalResult BiasAttr::verifyScore(EmitError emitError, TypeRange types,
                                    ArrayRef<int64_t> shape) const {
  auto argument = llvm::dyn_cast<sel::ArgAttr>(getAmount());
  if (!argument || argument.getIndex() >= types.size())
    return emitError() << "expected 'bias' to have a tensor, got "
                       << getAmount() << " [bias_c1]";
  Type type = types[argument.getIndex()];
  auto table = llvm::dyn_cast<RankedTensorType>(type);
  bool good =
      table && table.getRank() == 4 && !table.getEncoding() &&
      llvm::isa<Float32Type, Float16Type, BFloat16Type>(table.getElementType());
  for (unsigned i = 0; good && i < 4; ++i) {
    bool broadcast = i < 2 && table.getDimSize(i) == 1;
    good = broadcast || !sel::extentsDiffer(table.getDimSize(i), shape[i]);
  }
  good = good && !table.isDynamicDim(1);
  if (!good)
    return emitError() << "expected the bias to be f32, f16 or bf16 [b or 1, "
                          "query heads or 1, sq, sk], got "
                       << type << " [bias_c1]";
  return success();
}

Value BiasAttr::expand(ScoreBuilder &builder, Value score) const {
  unsigned table = llvm::cast<sel::ArgAttr>(getAmount()).getIndex();
  auto type = llvm::cast<ShapedType>(builder.operandType(table));
  Value row = builder.sub(builder.query, builder.offset());
  Value batch = type.getDimSize(0) == 1 ? builder.constant(0) : builder.batch;
  Value head = type.getDimSize(1) == 1 ? builder.constant(0) : builder.head;
  Value bias =
      builder.asF32(builder.load(table, {batch, head, row, builder.key}));
  return builder.b.create<arith::AddFOp>(builder.loc, score, bias);
}

SmallVector<Attribute> BiasAttr::getArguments() const { return {getAmount()}; }

//===----------------------------------------------------------------------===//
// scale
//===----------------------------------------------------------------------===//

LogicalResult ScaleAttr::verifyScore(EmitError emitError, TypeRange types,
                                     ArrayRef<int64_t> shape) const {
  return verifyReal(emitError, getAmount(), types, shape[1], "scale");
}

Value ScaleAttr::expand(ScoreBuilder &builder, Value score) const {
  return builder.b.create<arith::MulFOp>(builder.loc, score,
                                         builder.real(getAmount()));
}

SmallVector<Attribute> ScaleAttr::getArguments() const { return {getAmount()}; }
