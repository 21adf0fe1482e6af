// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// LongCA-bench's reading of global + sliding, whose slices are causal from the lower
// right: with W global tokens and rest = n - W, key k < W is visible only to the rows
// q - k >= rest, row q < W sees the keys W <= k <= q + rest, and the others |q - k| <=
// W. %rest_less is rest - 1.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @global_sliding_longca(%q: !q, %k: !k, %v: !k,
    %rest_less: index,
    %rest: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(prefix(${W:16}) and not window(%rest_less : index, inf)
           or queries(${W:16}) and not prefix(${W:16}) and window(inf, %rest : index)
           or window(${W:16}, ${W:16}) and not global(${W:16}))
      : (!q, !k, !k) -> !q
  return %o : !q
}
