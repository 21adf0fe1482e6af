// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Approximations, packed formats and bits.
#ifndef FOVEA_DIALECTS_HW_HWMATH_TD
#define FOVEA_DIALECTS_HW_HWMATH_TD

include "dialects/hw/HwDialect.td"

class Hw_ApproxOp<string mnemonic> : Hw_Op<mnemonic, [Pure]> {
  let arguments = (ins F32:$value);
  let results = (outs F32:$result);
  let assemblyFormat = "$value attr-dict";
}

def Hw_Exp2Op : Hw_ApproxOp<"exp2"> {
  let summary = "Two to the power of a number";
  let description = [{
    `ex2.approx.ftz.f32`.

    ```mlir
    %e = hw.exp2 %x
    ```
  }];
}

def Hw_Log2Op : Hw_ApproxOp<"log2"> {
  let summary = "The binary logarithm of a number";
  let description = [{
    `lg2.approx.ftz.f32`.

    ```mlir
    %l = hw.log2 %x
    ```
  }];
}

def Hw_RcpOp : Hw_ApproxOp<"rcp"> {
  let summary = "One by a number";
  let description = [{
    `rcp.approx.ftz.f32`.

    ```mlir
    %r = hw.rcp %x
    ```
  }];
}

def Hw_TanhOp : Hw_ApproxOp<"tanh"> {
  let summary = "The hyperbolic tangent of a number";
  let description = [{
    `tanh.approx.f32`.

    ```mlir
    %t = hw.tanh %x
    ```
  }];
}

def Hw_PackOp : Hw_Op<"pack", [Pure]> {
  let summary = "Round two numbers to a pair of 16-bit floats";
  let description = [{
    `cvt.rn.f16x2|bf16x2.f32`: to nearest, `low` in the low bits.

    ```mlir
    %p = hw.pack bf16 %low, %high
    ```
  }];
  let arguments = (ins Hw_Half:$format, F32:$low, F32:$high);
  let results = (outs I32:$result);
  let assemblyFormat = "$format $low `,` $high attr-dict";
}

def Hw_UnpackOp : Hw_Op<"unpack", [Pure]> {
  let summary = "The two numbers of a pair of 16-bit floats";
  let description = [{
    Exact: `cvt.f32.f16` twice, or a shift and an and.

    ```mlir
    %low, %high = hw.unpack f16 %p
    ```
  }];
  let arguments = (ins Hw_Half:$format, I32:$pair);
  let results = (outs F32:$low, F32:$high);
  let assemblyFormat = "$format $pair attr-dict";
}

def Hw_PackFp8Op : Hw_Op<"pack_fp8", [Pure]> {
  let summary = "Round two numbers to a pair of 8-bit floats";
  let description = [{
    `cvt.rn.satfinite.e4m3x2|e5m2x2.f32` (sm_90a): to nearest, saturating, in the
    low 16 bits with `low` in the lowest byte; the high bits are zero.

    ```mlir
    %p = hw.pack_fp8 e4m3 %low, %high
    ```
  }];
  let arguments = (ins Hw_Fp8:$format, F32:$low, F32:$high);
  let results = (outs I32:$result);
  let assemblyFormat = "$format $low `,` $high attr-dict";
}

def Hw_UnpackFp8Op : Hw_Op<"unpack_fp8", [Pure]> {
  let summary = "A pair of 8-bit floats as a pair of f16";
  let description = [{
    `cvt.rn.f16x2.e4m3x2|e5m2x2` (sm_90a), of the low 16 bits; exact.

    ```mlir
    %h = hw.unpack_fp8 e4m3 %p
    ```
  }];
  let arguments = (ins Hw_Fp8:$format, I32:$pair);
  let results = (outs I32:$result);
  let assemblyFormat = "$format $pair attr-dict";
}

def Hw_BytePermuteOp : Hw_Op<"byte_permute", [Pure]> {
  let summary = "Choose four of eight bytes";
  let description = [{
    `prmt.b32`: each nibble of the selector names a byte of `a` (0 to 3) or `b` (4
    to 7); its top bit asks for copies of that byte's sign instead.

    ```mlir
    %r = hw.byte_permute %a, %b, %selector
    ```
  }];
  let arguments = (ins I32:$a, I32:$b, I32:$selector);
  let results = (outs I32:$result);
  let assemblyFormat = "$a `,` $b `,` $selector attr-dict";
}

def Hw_Lop3Op : Hw_Op<"lop3", [Pure]> {
  let summary = "Any function of three bits, bit by bit";
  let description = [{
    `lop3.b32`: `table` is the function applied to 0xF0, 0xCC and 0xAA.

    ```mlir
    %r = hw.lop3 234, %a, %b, %c
    ```
  }];
  let arguments = (ins I32Attr:$table, I32:$a, I32:$b, I32:$c);
  let results = (outs I32:$result);
  let assemblyFormat = "$table `,` $a `,` $b `,` $c attr-dict";
  let hasVerifier = 1;
}

def Hw_Dp4aOp : Hw_Op<"dp4a", [Pure]> {
  let summary = "Multiply four signed bytes and add";
  let description = [{
    `dp4a.s32.s32`.

    ```mlir
    %r = hw.dp4a %a, %b, %c
    ```
  }];
  let arguments = (ins I32:$a, I32:$b, I32:$c);
  let results = (outs I32:$result);
  let assemblyFormat = "$a `,` $b `,` $c attr-dict";
}

#endif // FOVEA_DIALECTS_HW_HWMATH_TD
