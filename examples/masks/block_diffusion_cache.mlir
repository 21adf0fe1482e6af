// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Block diffusion, inference: the rows of a block or of a part of it, whose keys have
// been replaced in a cache, see the block and all before it. offset[b] is the first
// token of the rows. Fast-dLLM v2 (block and sub-block caches), dInfer (LLaDA2).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @block_diffusion_cache(%q: !q, %k: !k, %v: !k,
    %position: tensor<?xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(block_causal(${B:32}))
      offset(%position : tensor<?xi32>)
      : (!q, !k, !k) -> !q
  return %o : !q
}
