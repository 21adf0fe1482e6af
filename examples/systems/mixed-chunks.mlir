// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Mixed batches: SARATHI's chunks of prompts with the decodes that ride along,
// and Prepacking's prompts of all lengths without padding. Neither is a mask of
// its own: rows are token-major, the batch of the call says which belong to
// which sequence, and `causal` is the diagonal of each. One kernel so takes
//   rows=[300,1x40]      a chunk of 300 and 40 decodes (SARATHI)
//   rows=[190,61,7,128]  whole prompts, sk the same (Prepacking)
!q = tensor<?x${H:8}x${D:64}x${T:f32}>
!k = tensor<?x${KV:2}x${D:64}x${T:f32}>
!c = !kv.cache<heads = ${KV:2}, dim = ${D:64}, layout = paged<16>, new = ${T:f32}, segments = [all : ${T:f32}]>

func.func @mixed_chunks(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o = attn.attention %q, %c1 mask(causal) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
