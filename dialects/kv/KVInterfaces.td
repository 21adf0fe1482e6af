// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a number format tells the rest of the compiler.
#ifndef FOVEA_DIALECTS_KV_KVINTERFACES
#define FOVEA_DIALECTS_KV_KVINTERFACES

include "mlir/IR/OpBase.td"

def KV_FormatAttrInterface : AttrInterface<"FormatAttrInterface"> {
  let cppNamespace = "::fovea::kv";
  let description = [{
    A number format: how a logical tensor [b, heads, tok, chan] is held in
    memory. It is the encoding of the tensor's type; the element type of that
    tensor is what decoding gives.
  }];
  let methods = [
    InterfaceMethod<"The type of one stored code.",
      "::mlir::Type", "getCodeType">,
    InterfaceMethod<"The type of one stored scale.",
      "::mlir::Type", "getScaleType">,
    InterfaceMethod<[{
        The tensors that hold a value of the coded type `type` in memory, in
        the order of a kernel's arguments. An argument `k` of that type is
        `k.<suffix>` for each part outside the kernel.
      }],
      "::llvm::SmallVector<::fovea::kv::FormatPart>", "getParts",
      (ins "::mlir::RankedTensorType":$type)>,
    InterfaceMethod<[{
        The format in one line for people: element, scale and its axis, zero,
        rounding, packing, placement.
      }],
      "std::string", "getExpansion">,
  ];
}

#endif // FOVEA_DIALECTS_KV_KVINTERFACES
