// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Keys without rotation, in codes and in halves, on an emulated GPU: queries and
// keys are rotated in shared memory. Head dims that pad a tile, and both rules.
// RUN: fovea verify %s --target=sm_80-emulated --shape=b=3,rows=[1,1,1],sk=[70,1,130] | FileCheck %s
// RUN: fovea verify %s -D D=24 -D PAIRS=12 -D RULE=pairs --target=sm_80-emulated --shape=b=3,rows=[5,1,60],sk=[70,1,130] | FileCheck %s
// RUN: fovea verify %s -D D=40 -D PAIRS=20 -D T=bf16 -D ROPE=slot --target=sm_80-emulated --shape=b=2,rows=[1,33],sk=[70,130] | FileCheck %s
// Items that are split along their keys.
// RUN: fovea verify %s -D W=9000 --target=sm_80-emulated --threads=8 --shape=b=2,rows=1,sk=[3000,70] | FileCheck %s
// RUN: fovea explain %s -D W=9000 --target=sm_80-emulated --threads=8 --shape=b=2,rows=1,sk=[3000,70] | FileCheck %s --check-prefix=SPLIT
// SPLIT: attend: [[#]] items, {{.*}}, {{[1-9][0-9]*}} split pieces
// compare, too, knows what a GPU rounds.
// RUN: fovea compare %s %s --target=sm_80-emulated --shape=b=2,rows=[1,33],sk=[70,130] | FileCheck %s --check-prefix=COMPARE
// COMPARE: 0 100.00 % 0.00 % 100.00 % 100.00 % 0.00e+00 0.0e+00 1.0000 1.0000
// CHECK: ok: largest error
// CHECK: ok: after the step the caches hold what the reference's do
!c = !kv.cache<heads = 2, dim = ${D:64}, layout = paged<8, token_major>, rope = ${ROPE:before}, segments = [older : (#kv.int8<per tok>, ${T:f16}), recent(16) : ${T:f16}], new = ${T:f16}>
!q = tensor<?x4x${D:64}x${T:f16}>
!t = tensor<?x2x${D:64}x${T:f16}>
!cs = tensor<?x${PAIRS:32}x2xf32>
func.func @rotated(%q: !q, %k: !t, %v: !t, %c: !c, %cs: !cs) -> (!q, tensor<?x4xf32>, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !t, !t
  %o, %l = attn.attention %q, %c1 rope(%cs : !cs, ${RULE:halves}) mask(causal and window(${W:40})) : (!q, !c) -> (!q, tensor<?x4xf32>)
  return %o, %l, %c1 : !q, tensor<?x4xf32>, !c
}
