// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Warps of 32 rows up to a head dim of 64; a modifier reads the token and the
// head of each.
// RUN: fovea verify %s -D T=bf16 -D D=128 --target=sm_80-emulated --shape=b=1,sq=145,sk=77
// RUN: fovea verify %s -D T=f16 -D D=64 --target=sm_80-emulated --shape=b=2,sq=130,sk=65
// RUN: fovea verify %s -D T=f16 -D D=40 --target=sm_80-emulated --shape=b=1,sq=65,sk=1
!q = tensor<?x4x?x${D:64}x${T:f16}>
!k = tensor<?x2x?x${D:64}x${T:f16}>

func.func @modified(%q: !q, %k: !k, %v: !k, %m: tensor<4xf32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v score(alibi(%m : tensor<4xf32>)) : (!q, !k, !k) -> !q
  return %o : !q
}
