// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The hw dialect, its enumerations and the base of its operations.
#ifndef FOVEA_DIALECTS_HW_HWDIALECT_TD
#define FOVEA_DIALECTS_HW_HWDIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/Dialect/LLVMIR/LLVMOpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def Hw_Dialect : Dialect {
  let name = "hw";
  let cppNamespace = "::fovea::hw";
  let summary = "What a thread of a GPU kernel does, one op per instruction";
  let description = [{
    The level that the GPU kernels are built at, together with `arith`, `scf`
    and `llvm`. An op stands for one PTX instruction, named in its description,
    and works on registers: `i32` and `f32`, where a pair of f16 or bf16 or four
    bytes are an `i32` with the first in the low bits. Addresses are
    `!llvm.ptr<1>` (global) and `!llvm.ptr<3>` (shared). Nothing is tracked that
    the hardware does not track: fragments have the layouts of the PTX manual and
    the builder of a kernel answers for its synchronisation.

    Which ops an architecture has is checked when a kernel is lowered, not here.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

class Hw_Op<string mnemonic, list<Trait> traits = []>
    : Op<Hw_Dialect, mnemonic, traits>;

class Hw_Enum<string name, string what, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, what, cases> {
  let cppNamespace = "::fovea::hw";
  let genSpecializedAttr = 1;
}

def Hw_GlobalPtr : LLVM_PointerInAddressSpace<1>;
def Hw_SharedPtr : LLVM_PointerInAddressSpace<3>;
def Hw_MemoryPtr : AnyTypeOf<[Hw_GlobalPtr, Hw_SharedPtr],
                             "a global or shared address">;
def Hw_Register : AnyTypeOf<[I32, F32], "a 32-bit register">;

def Hw_Scope : Hw_Enum<"Scope", "who an order or a fence is for", [
  I32EnumAttrCase<"Cta", 0, "cta">,
  I32EnumAttrCase<"Gpu", 1, "gpu">,
  I32EnumAttrCase<"Sys", 2, "sys">
]>;

def Hw_Order : Hw_Enum<"Order", "memory order of an access", [
  I32EnumAttrCase<"Weak", 0, "weak">,
  I32EnumAttrCase<"Relaxed", 1, "relaxed">,
  I32EnumAttrCase<"Acquire", 2, "acquire">,
  I32EnumAttrCase<"Release", 3, "release">,
  I32EnumAttrCase<"AcqRel", 4, "acq_rel">
]>;

def Hw_Cache : Hw_Enum<"Cache", "how a load uses the caches", [
  I32EnumAttrCase<"Normal", 0, "normal">,
  I32EnumAttrCase<"ReadOnly", 1, "nc">,
  I32EnumAttrCase<"EvictFirst", 2, "evict_first">
]>;

def Hw_Shuffle : Hw_Enum<"Shuffle", "which lane a shuffle reads", [
  I32EnumAttrCase<"Xor", 0, "xor">,
  I32EnumAttrCase<"Idx", 1, "idx">,
  I32EnumAttrCase<"Up", 2, "up">,
  I32EnumAttrCase<"Down", 3, "down">
]>;

def Hw_Vote : Hw_Enum<"Vote", "what a vote gives", [
  I32EnumAttrCase<"Any", 0, "any">,
  I32EnumAttrCase<"All", 1, "all">,
  I32EnumAttrCase<"Ballot", 2, "ballot">
]>;

def Hw_Atomic : Hw_Enum<"Atomic", "what an atomic does to memory", [
  I32EnumAttrCase<"Add", 0, "add">,
  I32EnumAttrCase<"Max", 1, "max">,
  I32EnumAttrCase<"Min", 2, "min">,
  I32EnumAttrCase<"Exch", 3, "exch">,
  I32EnumAttrCase<"Cas", 4, "cas">
]>;

def Hw_Registers : Hw_Enum<"Registers", "which way a warpgroup's registers go", [
  I32EnumAttrCase<"Inc", 0, "inc">,
  I32EnumAttrCase<"Dec", 1, "dec">
]>;

def Hw_Half : Hw_Enum<"Half", "a 16-bit float format", [
  I32EnumAttrCase<"F16", 0, "f16">,
  I32EnumAttrCase<"BF16", 1, "bf16">
]>;

def Hw_Fp8 : Hw_Enum<"Fp8", "an 8-bit float format", [
  I32EnumAttrCase<"E4M3", 0, "e4m3">,
  I32EnumAttrCase<"E5M2", 1, "e5m2">
]>;

def Hw_Mma : Hw_Enum<"Mma", "operand format of a warp's matrix product", [
  I32EnumAttrCase<"F16", 0, "f16">,
  I32EnumAttrCase<"BF16", 1, "bf16">,
  I32EnumAttrCase<"S8", 2, "s8">,
  I32EnumAttrCase<"S4", 3, "s4">
]>;

def Hw_Wgmma : Hw_Enum<"Wgmma", "operand format of a warpgroup's matrix product", [
  I32EnumAttrCase<"F16", 0, "f16">,
  I32EnumAttrCase<"BF16", 1, "bf16">,
  I32EnumAttrCase<"E4M3", 2, "e4m3">,
  I32EnumAttrCase<"E5M2", 3, "e5m2">,
  I32EnumAttrCase<"S8", 4, "s8">
]>;

#endif // FOVEA_DIALECTS_HW_HWDIALECT_TD
