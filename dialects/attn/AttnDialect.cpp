// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dialect attn: what it registers, and the attributes of kernels.
#include "dialects/attn/AttnDialect.h"

#include "dialects/attn/AttnAttrs.h"
#include "dialects/attn/AttnOps.h"
#include "dialects/kv/KVDialect.h"
#include "dialects/kv/KVInterfaces.h"
#include "dialects/kv/KVOps.h"
#include "dialects/kv/Words.h"
#include "dialects/sel/SelDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinDialect.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::attn;

#include "dialects/attn/AttnDialect.cpp.inc"

void AttnDialect::initialize() {
  registerModifiers();
  addOperations<
#define GET_OP_LIST
#include "dialects/attn/AttnOps.cpp.inc"
      >();
}

/// A word that people and shells can write without quotes.
static bool isIdentifier(StringRef word) {
  return !word.empty() && !llvm::isDigit(word.front()) &&
         llvm::all_of(word,
                      [](char c) { return llvm::isAlnum(c) || c == '_'; });
}

/// kernel_c2: what crosses the border of a kernel.
static bool isBorderType(Type type, bool isResult) {
  if (auto tensor = dyn_cast<RankedTensorType>(type)) {
    Type element = tensor.getElementType();
    return (!tensor.getEncoding() || kv::getFormat(tensor)) &&
           (isa<Float32Type, Float16Type, BFloat16Type>(element) ||
            element.isInteger(8) || element.isInteger(32) ||
            element.isInteger(64));
  }
  // Types of other dialects have rules of their own: a later level of the
  // compiler turns tensors into views.
  if (!isa<BuiltinDialect>(type.getDialect()))
    return true;
  if (isa<MemRefType>(type))
    return true;
  return !isResult &&
         (type.isIndex() || type.isInteger(1) || type.isInteger(32) ||
          type.isInteger(64) || type.isF32());
}

/// kernel_c9: a cache that is returned is the last value of an argument.
static LogicalResult verifyCaches(FunctionOpInterface function) {
  Block &body = function.getFunctionBody().front();
  if (body.empty())
    return success();
  SmallPtrSet<Value, 4> arguments;
  for (auto [place, value] : llvm::enumerate(body.back().getOperands())) {
    if (!isa<kv::CacheType>(value.getType()))
      continue;
    Value argument = value;
    if (auto append = value.getDefiningOp<kv::AppendOp>())
      argument = append.getCache();
    else if (llvm::any_of(value.getUsers(), llvm::IsaPred<kv::AppendOp>))
      argument = nullptr; // consumed
    if (!isa_and_present<BlockArgument>(argument) ||
        !arguments.insert(argument).second)
      return function.emitOpError()
             << "expected result " << place << " to be the last value of a "
             << "cache argument, returned once [kernel_c9]";
  }
  return success();
}

static LogicalResult verifyKernel(FunctionOpInterface function) {
  // kernel_c2
  auto check = [&](TypeRange types, StringRef what) -> LogicalResult {
    for (auto [place, type] : llvm::enumerate(types))
      if (!isBorderType(type, what == "result"))
        return function.emitOpError()
               << "expected " << what << " " << place << " of a kernel to be a "
               << "tensor of f32, f16, bf16, i8, i32 or i64"
               << (what == "result" ? "" : ", or index, i1, i32, i64 or f32")
               << ", got " << type
               << (isa<ShapedType>(type) &&
                           cast<ShapedType>(type).getElementType().isInteger(1)
                       ? " (a table of booleans is one of i8)"
                       : "")
               << " [kernel_c2]";
    return success();
  };
  if (failed(check(function.getArgumentTypes(), "argument")) ||
      failed(check(function.getResultTypes(), "result")))
    return failure();
  // kernel_c3
  llvm::StringSet<> names;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    auto name = function.getArgAttrOfType<StringAttr>(i, nameAttrName);
    if (name && !names.insert(name.getValue()).second)
      return function.emitOpError()
             << "expected arguments to have different names, got '"
             << name.getValue() << "' twice [kernel_c3]";
  }
  return verifyCaches(function);
}

LogicalResult AttnDialect::verifyOperationAttribute(Operation *op,
                                                    NamedAttribute attribute) {
  // kernel_c5
  if (attribute.getName() != kernelAttrName)
    return op->emitOpError()
           << unknownWord("attribute", attribute.getName(), {kernelAttrName})
           << " [kernel_c5]";
  // kernel_c1
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function || function.isExternal() ||
      !isa<UnitAttr>(attribute.getValue()))
    return op->emitOpError()
           << "expected 'attn.kernel' to be a unit attribute of a function "
              "with a body [kernel_c1]";
  return verifyKernel(function);
}

LogicalResult AttnDialect::verifyRegionArgAttribute(Operation *op,
                                                    unsigned regionIndex,
                                                    unsigned argIndex,
                                                    NamedAttribute attribute) {
  StringRef name = attribute.getName();
  // kernel_c5
  if (name != nameAttrName && name != dimsAttrName)
    return op->emitOpError()
           << unknownWord("attribute", name, {dimsAttrName, nameAttrName})
           << " of argument " << argIndex << " [kernel_c5]";
  auto text = dyn_cast<StringAttr>(attribute.getValue());
  // kernel_c3
  if (name == nameAttrName) {
    if (!text || !isIdentifier(text.getValue()))
      return op->emitOpError() << "expected 'attn.name' of argument "
                               << argIndex << " to be an identifier, got "
                               << attribute.getValue() << " [kernel_c3]";
    return success();
  }
  // kernel_c4
  auto function = dyn_cast<FunctionOpInterface>(op);
  auto type = function
                  ? dyn_cast<ShapedType>(function.getArgumentTypes()[argIndex])
                  : ShapedType();
  SmallVector<StringRef> words;
  if (text)
    llvm::SplitString(text.getValue(), words);
  if (!type || !text || words.size() != static_cast<size_t>(type.getRank()) ||
      !llvm::all_of(words, isIdentifier))
    return op->emitOpError() << "expected 'attn.dims' of argument " << argIndex
                             << " to have one word per dim of a tensor, got "
                             << attribute.getValue() << " [kernel_c4]";
  return success();
}
