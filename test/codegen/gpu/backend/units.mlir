// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Blocks of Q queries, each with the N best units of B keys: short units share a tile.
// RUN: fovea verify %s -D B=1 -D N=40 --target=sm_80-emulated --shape=b=1,sq=70,sk=301
// RUN: fovea verify %s -D B=24 --target=sm_80-emulated --shape=b=1,sq=70,sk=301
// RUN: fovea verify %s -D B=65 --target=sm_80-emulated --shape=b=1,sq=70,sk=301
!q = tensor<?x${H:2}x?x${D:64}x${T:bf16}>
!s = !sel.scores<per = (b, h, q : ${Q:64}), unit = k : ${B:64}>
!l = !kv.list<per = (b, h, q : ${Q:64}), unit = k : ${B:64}, order = any>

func.func @top_k(%q: !q, %k: !q, %v: !q) -> !q attributes {attn.kernel} {
  %s = sel.score %q, %k pooled : !q, !q -> !s
  %l = sel.choose %s top_k(${N:8}) : !s -> !l
  %o = attn.attention %q, %k, %v over(%l : !l) mask(causal) : (!q, !q, !q) -> !q
  return %o : !q
}
