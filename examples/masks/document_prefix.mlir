// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Documents that are prefix language models: in its own document a token sees the prefix,
// which ends at prefix_end[q], and the past. FlashMask case 9, LongCA-bench
// `prefix_lm_document`.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @document_prefix(%q: !q, %k: !k, %v: !k,
    %ids: tensor<?xi32>,
    %start: tensor<?xi32>, %prefix_end: tensor<?xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and documents(%ids : tensor<?xi32>)
        or documents(spans(%start : tensor<?xi32>, %prefix_end : tensor<?xi32>)))
      : (!q, !k, !k) -> !q
  return %o : !q
}
