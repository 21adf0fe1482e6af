// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sliding-tile attention: tokens of a video lie tile by tile, TILE in each; the tiles are
// a grid of %t x 2 x 2, of which a query sees the nearest 3 x 1 x 1, whole. The text
// behind the first %video tokens sees and is seen by all. STA (HunyuanVideo).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @sliding_tile(%q: !q, %k: !k, %v: !k,
    %t: index, %video: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(blocks(${TILE:4}, neighborhood(grid(%t : index, 2, 2), window(3, 1, 1)))
        or not prefix(%video : index) or not queries(%video : index))
      : (!q, !k, !k) -> !q
  return %o : !q
}
