// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// gpt-oss: 64 query heads over 8 KV heads of 64 channels, and a learned sink for
// each query head: one more logit in the softmax that adds no value. Every
// other layer sees the last 128 tokens alone; `w` is at least the length in the
// others. Prompts, chunks and single tokens alike.
!q = tensor<?x64x64xbf16>
!k = tensor<?x8x64xbf16>
!c = !kv.cache<heads = 8, dim = 64, layout = paged<16>, segments = [all : bf16]>

func.func @gpt_oss(%q: !q, %k: !k, %v: !k, %c: !c, %w: index, %sinks: tensor<64xf32>) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o = attn.attention %q, %c1 mask(window(%w : index)) sink_logits(%sinks : tensor<64xf32>) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
