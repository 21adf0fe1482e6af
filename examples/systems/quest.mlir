// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Quest, decode: append keeps the least and greatest key numbers of every page,
// a bound of what any key of a page can score chooses a budget of pages per
// call, and attention reads those alone.
!q = tensor<?x32x1x128xbf16>   // batch, heads, one token, dim
!k = tensor<?x8x1x128xbf16>
!c = !kv.cache<heads = 8, dim = 128, layout = paged<16>, segments = [all : bf16],
               keep = [bounds = minmax(k) per page]>
!s = !sel.scores<per = (b, h, q : 1), unit = page>
!l = !kv.list<per = (b, h, q : 1), unit = page, order = any>

func.func @quest(%q: !q, %k: !k, %v: !k, %c: !c, %pages: index) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %s = sel.score %q, %c1 bound(bounds) : !q, !c -> !s
  %l = sel.choose %s top_k(%pages : index) force(last(1)) : !s -> !l
  %o = attn.attention %q, %c1 over(%l : !l) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
