// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builds inline PTX, with constraints from the types.
#include "codegen/gpu/ptx/Asm.h"

using namespace mlir;

namespace fovea::gpu {

/// The kind of PTX register for a type.
static char registerKind(Type type) {
  if (type.isF32())
    return 'f';
  return type.isInteger(32) ? 'r' : 'l';
}

/// Shared addresses fit a 32-bit register; the rest goes as it is.
static Value toRegister(OpBuilder &b, Location loc, Value value) {
  auto pointer = dyn_cast<LLVM::LLVMPointerType>(value.getType());
  if (!pointer || pointer.getAddressSpace() != 3)
    return value;
  return b.create<LLVM::PtrToIntOp>(loc, b.getI32Type(), value);
}

SmallVector<Value> unpackStruct(OpBuilder &b, Location loc, Value value) {
  SmallVector<Value> parts;
  auto type = cast<LLVM::LLVMStructType>(value.getType());
  for (unsigned i = 0; i < type.getBody().size(); ++i)
    parts.push_back(b.create<LLVM::ExtractValueOp>(loc, value, i));
  return parts;
}

SmallVector<Value> emitAsm(OpBuilder &b, Location loc, TypeRange results,
                           const Twine &text, ValueRange operands,
                           Effects effects, ValueRange tied) {
  std::string constraints;
  auto add = [&](const Twine &constraint) {
    if (!constraints.empty())
      constraints += ",";
    constraints += constraint.str();
  };
  SmallVector<Value> registers;
  for (Type type : results)
    add(Twine("=") + Twine(registerKind(type)));
  for (Value operand : operands) {
    registers.push_back(toRegister(b, loc, operand));
    add(Twine(registerKind(registers.back().getType())));
  }
  for (auto [i, operand] : llvm::enumerate(tied)) {
    registers.push_back(operand);
    add(Twine(i));
  }
  if (effects == Effects::Memory)
    add("~{memory}");
  Type result;
  if (results.size() == 1)
    result = results[0];
  else if (results.size() > 1)
    result = LLVM::LLVMStructType::getLiteral(b.getContext(),
                                              llvm::to_vector(results));
  auto op = b.create<LLVM::InlineAsmOp>(
      loc, result ? TypeRange(result) : TypeRange(), registers, text.str(),
      constraints, /*has_side_effects=*/effects != Effects::None,
      /*is_align_stack=*/false, LLVM::AsmDialectAttr(), ArrayAttr());
  if (results.empty())
    return {};
  if (results.size() == 1)
    return {op.getRes()};
  return unpackStruct(b, loc, op.getRes());
}

Value emitIntrinsic(OpBuilder &b, Location loc, Type result, StringRef name,
                    ValueRange operands) {
  return b.create<LLVM::CallIntrinsicOp>(loc, result, name, operands)
      .getResults();
}

std::string registerList(unsigned first, unsigned count) {
  std::string text = "{";
  for (unsigned i = 0; i < count; ++i)
    text += (i ? ", $" : "$") + std::to_string(first + i);
  return text + "}";
}

} // namespace fovea::gpu
