// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a mask tells the rest of the compiler.
#ifndef FOVEA_DIALECTS_SEL_SELINTERFACES
#define FOVEA_DIALECTS_SEL_SELINTERFACES

include "mlir/IR/OpBase.td"

def Sel_MaskAttrInterface : AttrInterface<"MaskAttrInterface"> {
  let cppNamespace = "::fovea::sel";
  let description = [{
    A mask written as a word. Its behaviour is `verifyMask` and `expand`;
    `getArguments` is its spelling. The last two methods serve
    canonicalisation and need not be implemented.
  }];
  let methods = [
    InterfaceMethod<[{
        Checks the numbers and tables of the mask. `operandTypes` are the types
        of the operands that #sel.arg<i> stands for; a number that is a table
        has one entry for each of the `queryHeads`.
      }],
      "::llvm::LogicalResult", "verifyMask",
      (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError,
           "::mlir::TypeRange":$operandTypes, "int64_t":$queryHeads)>,
    InterfaceMethod<[{
        Builds the predicate for the coordinates of `builder`: an i1 that is
        true where the query sees the key.
      }],
      "::mlir::Value", "expand", (ins "::fovea::sel::MaskBuilder &":$builder)>,
    InterfaceMethod<[{
        The arguments as they are written after the word: i64 integers,
        keywords as StringAttr, #sel.arg, or masks for the three connectives.
      }],
      "::llvm::SmallVector<::mlir::Attribute>", "getArguments">,
    InterfaceMethod<"The word of the mask.",
      "::llvm::StringRef", "getWord", (ins),
      /*methodBody=*/[{ return ConcreteAttr::getMnemonic(); }]>,
    InterfaceMethod<[{
        An equivalent mask, simpler where the mask knows a rule.
      }],
      "::fovea::sel::MaskAttrInterface", "simplify", (ins), /*methodBody=*/"",
      /*defaultImplementation=*/[{ return $_attr; }]>,
    InterfaceMethod<[{
        True if the mask hides nothing, false if it keeps nothing, whatever the
        coordinates; nothing if neither is known.
      }],
      "::std::optional<bool>", "getConstant", (ins), /*methodBody=*/"",
      /*defaultImplementation=*/[{ return ::std::nullopt; }]>,
  ];
}

#endif // FOVEA_DIALECTS_SEL_SELINTERFACES
