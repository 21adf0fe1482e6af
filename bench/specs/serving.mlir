// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A serving step over a paged cache: whole prompts, chunks and single tokens.
!c = !kv.cache<heads = ${KV:8}, dim = 128, layout = paged<16>, segments = [all : bf16]>
!q = tensor<?x${H:32}x128xbf16>
!k = tensor<?x${KV:8}x128xbf16>
func.func @step(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o = attn.attention %q, %c1 mask(causal) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
