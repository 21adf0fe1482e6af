// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// MInference's heads: each has the pattern that an offline search chose for it, 0 for
// the A-shape, 1 for vertical lines and slashes, here constant ones, 2 for whole
// blocks.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @minference(%q: !q, %k: !k, %v: !k,
    %pattern: tensor<${H:4}xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and heads(%pattern : tensor<${H:4}xi32>,
           sink(${INIT:16}) or window(${LOCAL:32}),
           sink(4) or prefix(${V8:48}) and not prefix(${V:40}) or window(${L:16}),
           blocks(${B:16}, window(2) or sink(1))))
      : (!q, !k, !k) -> !q
  return %o : !q
}
