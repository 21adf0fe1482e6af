// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// For each block of 32 queries the blocks of 32 keys that matter most at full
// resolution, the next ones as means of 2, 4 and 8 tokens, the rest not at all.
!x = tensor<?x12x?x32xf16>
!pyramid = !kv.pyramid<levels = [1, 2, 4, 8], of = !x>
!scores = !sel.scores<per = (b, h, q : 32), unit = k : 32>
!levels = !sel.levels<per = (b, h, q : 32), unit = k : 32>

func.func @pyramid(%q: !x, %k: !x, %v: !x) -> !x attributes {attn.kernel} {
  %pyr = sel.pool %k, %v levels(1, 2, 4, 8) reduce(mean) : !x, !x -> !pyramid
  %s = sel.score %q, %k pooled : !x, !x -> !scores
  %p = sel.normalize %s softmax(keys) : !scores
  %lv = sel.assign %p levels(1, 2, 4, 8) top_share(0.25, 0.50, 0.75, 1.0)
      force(1 : diagonal, first(1)) : !scores -> !levels
  %o = attn.attention %q, %pyr levels(%lv : !levels) : (!x, !pyramid) -> !x
  return %o : !x
}
