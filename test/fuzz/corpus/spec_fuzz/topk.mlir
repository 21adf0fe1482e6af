// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// For each block of 32 queries the 4 best of 8 blocks of 32 keys, by pooled
// scores; attention runs over the chosen blocks only.
!x = tensor<?x12x?x32xf16>
!scores = !sel.scores<per = (b, h, q : 32), unit = k : 32>
!blocks = !kv.list<per = (b, h, q : 32), unit = k : 32, order = any>

func.func @topk(%q: !x, %k: !x, %v: !x) -> !x attributes {attn.kernel} {
  %s = sel.score %q, %k pooled : !x, !x -> !scores
  %p = sel.normalize %s softmax(keys) : !scores
  %l = sel.choose %p top_k(4) : !scores -> !blocks
  %o = attn.attention %q, %k, %v over(%l : !blocks) : (!x, !x, !x) -> !x
  return %o : !x
}
