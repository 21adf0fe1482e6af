// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Shared prefixes: the rows of a request see themselves, causally, and the whole prefix
// of their group, which stands before it: [shared_start[q], shared_end[q]), empty for
// the tokens of a prefix. BatchLLM, attention-gym's shared_prefix.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @shared_prefix(%q: !q, %k: !k, %v: !k,
    %request: tensor<?xi32>,
    %shared_start: tensor<?xi32>, %shared_end: tensor<?xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and documents(%request : tensor<?xi32>)
        or documents(spans(%shared_start : tensor<?xi32>, %shared_end : tensor<?xi32>)))
      : (!q, !k, !k) -> !q
  return %o : !q
}
