// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// LaCache's ladder after one compaction: sinks, the recent window, and of each rung of
// CB tokens the CA that layer i keeps, i mod (CB - CA + 1) tokens into the rung.
// %first is the number of sinks plus that. Later compactions thin out what is left in
// the same way; the rotation is by slot, as in StreamingLLM.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @la_cache(%q: !q, %k: !k, %v: !k, %first: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and (sink(${S:4}) or window(${W:32}) or columns(${CB:7}, %first : index, ${CA:2})))
      : (!q, !k, !k) -> !q
  return %o : !q
}
