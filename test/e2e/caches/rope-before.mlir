// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Keys without rotation, in codes and in halves; keys and values have different
// formats.
// RUN: fovea verify %s --shape=b=3,rows=[1,1,1],sk=[70,1,130]
// RUN: fovea verify %s --shape=b=3,rows=[5,1,60],sk=[70,1,130]
!c = !kv.cache<heads = 2, dim = 64, layout = paged<8, token_major>, rope = before, segments = [older : (#kv.int8<per tok>, f16), recent(16) : bf16], new = f32>
!q = tensor<?x4x64xf32>
!t = tensor<?x2x64xf32>
func.func @rb(%q: !q, %k: !t, %v: !t, %c: !c, %cs: tensor<?x32x2xf32>) -> (!q, tensor<?x4xf32>, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !t, !t
  %o, %l = attn.attention %q, %c1 rope(%cs : tensor<?x32x2xf32>, halves) mask(causal and window(40)) : (!q, !c) -> (!q, tensor<?x4xf32>)
  return %o, %l, %c1 : !q, tensor<?x4xf32>, !c
}
