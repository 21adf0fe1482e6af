// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Global tokens and a window to both sides: the first G tokens see all and are seen by
// all, the others |q - k| <= W. Longformer, BigBird without its random blocks;
// FlashMask case 7 (G = 16, W = 512).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @global_sliding(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(global(${G:8}) or window(${W:16}, ${W:16}))
      : (!q, !k, !k) -> !q
  return %o : !q
}
