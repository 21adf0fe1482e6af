// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Documents by tables of where the document of each token begins and ends.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @document_spans(%q: !q, %k: !k, %v: !k,
    %start: tensor<?xi32>, %end: tensor<?xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(documents(spans(%start : tensor<?xi32>, %end : tensor<?xi32>))) : (!q, !k, !k) -> !q
  return %o : !q
}
