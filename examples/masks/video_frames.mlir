// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Frame windows: a token sees all tokens of its own frame of F and of the nearest frames,
// one to each side.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @video_frames(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(blocks(${F:16}, window(1, 1))) : (!q, !k, !k) -> !q
  return %o : !q
}
