// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// LongGen: the middle third of the layers is dense, the others have either sinks and a
// window or strided blocks. %layer is 0, 1 or 2: one kernel serves all layers. The
// published sizes are not known.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @long_gen(%q: !q, %k: !k, %v: !k,
    %layer: index,
    %first: tensor<${H:4}xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and heads(%layer : index, causal, sink(${S:4}) or window(${W:48}),
           blocks(${B:16}, window(${L:2}) or columns(${V:4}, %first : tensor<${H:4}xi32>, 1))))
      : (!q, !k, !k) -> !q
  return %o : !q
}
