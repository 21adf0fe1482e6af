// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix fragments and products of a warp and of a warpgroup.
#ifndef FOVEA_DIALECTS_HW_HWMATRIX_TD
#define FOVEA_DIALECTS_HW_HWMATRIX_TD

include "dialects/hw/HwDialect.td"

def Hw_LdmatrixOp : Hw_Op<"ldmatrix"> {
  let summary = "Read 8x8 matrices of 16-bit elements as fragments";
  let description = [{
    `ldmatrix.sync.aligned.m8n8.x1|x2|x4.shared.b16`, as many as results; lanes
    8 i to 8 i + 7 hold the addresses of the rows of matrix i.

    ```mlir
    %r:4 = hw.ldmatrix %s trans : i32, i32, i32, i32
    ```
  }];
  let arguments = (ins Hw_SharedPtr:$shared, UnitAttr:$trans);
  let results = (outs Variadic<I32>:$results);
  let assemblyFormat = [{
    $shared (`trans` $trans^)? attr-dict `:` type($results)
  }];
  let hasVerifier = 1;
}

def Hw_StmatrixOp : Hw_Op<"stmatrix"> {
  let summary = "Write fragments as 8x8 matrices of 16-bit elements";
  let description = [{
    `stmatrix.sync.aligned.m8n8.x1|x2|x4.shared.b16` (sm_90a), the opposite of
    `hw.ldmatrix`.

    ```mlir
    hw.stmatrix %s(%a, %b)
    ```
  }];
  let arguments = (ins Hw_SharedPtr:$shared, Variadic<I32>:$values,
                       UnitAttr:$trans);
  let assemblyFormat = [{
    $shared `(` $values `)` (`trans` $trans^)? attr-dict
  }];
  let hasVerifier = 1;
}

def Hw_MmaOp : Hw_Op<"mma", [
    AttrSizedOperandSegments,
    RangedTypesMatchWith<"results are like accumulators", "results",
                         "accumulators", "$_self">]> {
  let summary = "Multiply matrices held by a warp";
  let description = [{
    `mma.sync.aligned.row.col`: m16n8k16 of f16 and bf16 with f32 accumulators,
    m16n8k32 of s8 and m16n8k64 of s4 with i32 accumulators. `a` is four
    registers, `b` two, the accumulators four.

    ```mlir
    %d:4 = hw.mma bf16(%a0, %a1, %a2, %a3), (%b0, %b1), (%c0, %c1, %c2, %c3)
        : f32, f32, f32, f32
    ```
  }];
  let arguments = (ins Hw_Mma:$kind, Variadic<I32>:$a, Variadic<I32>:$b,
                       Variadic<Hw_Register>:$accumulators);
  let results = (outs Variadic<Hw_Register>:$results);
  let assemblyFormat = [{
    $kind `(` $a `)` `,` `(` $b `)` `,` `(` $accumulators `)` attr-dict
    `:` type($results)
  }];
  let hasVerifier = 1;
}

def Hw_WgmmaOp : Hw_Op<"wgmma", [
    AttrSizedOperandSegments,
    RangedTypesMatchWith<"results are like accumulators", "results",
                         "accumulators", "$_self">]> {
  let summary = "Start multiplying matrices by a warpgroup";
  let description = [{
    `wgmma.mma_async.sync.aligned.m64nNk16` of f16 and bf16, `k32` of e4m3, e5m2
    and s8(sm_90a). `a` is a matrix descriptor (i64) or four registers, `b` a
    descriptor; `n` is a multiple of 8 up to 256 (s8: 8, 24 or a multiple of 16),
    and a thread holds n / 2 accumulators. `trans_b` is for 16-bit operands.
    `zero` leaves the old accumulators out. The results may be touched only
    behind an `hw.wgmma_wait` that they went through.

    ```mlir
    %d:4 = hw.wgmma bf16 n 8(%a : i64), %b, (%c0, %c1, %c2, %c3)
        : f32, f32, f32, f32
    ```
  }];
  let arguments = (ins Hw_Wgmma:$kind, I32Attr:$n,
                       Variadic<AnyTypeOf<[I64, I32]>>:$a, I64:$b,
                       Variadic<Hw_Register>:$accumulators, UnitAttr:$trans_b,
                       UnitAttr:$zero);
  let results = (outs Variadic<Hw_Register>:$results);
  let assemblyFormat = [{
    $kind `n` $n (`trans_b` $trans_b^)? (`zero` $zero^)? `(` $a `:` type($a)
    `)` `,` $b `,` `(` $accumulators `)` attr-dict `:` type($results)
  }];
  let hasVerifier = 1;
}

def Hw_WgmmaFenceOp : Hw_Op<"wgmma_fence", [
    RangedTypesMatchWith<"results are like accumulators", "results",
                         "accumulators", "$_self">]> {
  let summary = "Order the warpgroup's registers with its next product";
  let description = [{
    `wgmma.fence.sync.aligned` (sm_90a). Registers that the products behind it
    take and that an ordinary instruction wrote, accumulators and fragments of
    a, go through it: otherwise they may be written behind it, which ptxas
    mends by fences of its own.

    ```mlir
    %c:2 = hw.wgmma_fence(%x, %y) : f32, f32
    ```
  }];
  let arguments = (ins Variadic<Hw_Register>:$accumulators);
  let results = (outs Variadic<Hw_Register>:$results);
  let assemblyFormat = [{
    (`(` $accumulators^ `)` `:` type($results))? attr-dict
  }];
}

def Hw_WgmmaCommitOp : Hw_Op<"wgmma_commit"> {
  let summary = "Make a group of the products since the last one";
  let description = [{
    `wgmma.commit_group.sync.aligned` (sm_90a).

    ```mlir
    hw.wgmma_commit
    ```
  }];
  let assemblyFormat = "attr-dict";
}

def Hw_WgmmaWaitOp : Hw_Op<"wgmma_wait", [
    RangedTypesMatchWith<"results are like accumulators", "results",
                         "accumulators", "$_self">]> {
  let summary = "Wait for products and give their accumulators";
  let description = [{
    `wgmma.wait_group.sync.aligned` (sm_90a): until at most `groups` groups are
    running. The accumulators go through it, so that what uses its results comes
    behind the wait.

    ```mlir
    %r:2 = hw.wgmma_wait 0(%d0, %d1) : f32, f32
    ```
  }];
  let arguments = (ins I32Attr:$groups, Variadic<Hw_Register>:$accumulators);
  let results = (outs Variadic<Hw_Register>:$results);
  let assemblyFormat = [{
    $groups (`(` $accumulators^ `)` `:` type($results))? attr-dict
  }];
  let hasVerifier = 1;
}

#endif // FOVEA_DIALECTS_HW_HWMATRIX_TD
