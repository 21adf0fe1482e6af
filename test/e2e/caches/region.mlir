// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A mask that reads a table by sequence, and slopes by head.
// RUN: fovea verify %s --shape=b=3,rows=[5,1,60],sk=[70,1,130]
// RUN: fovea verify %s -D T=f16 --target=sm_80-emulated --shape=b=3,rows=[5,1,60],sk=[70,1,130]
// RUN: fovea compile %s -o %t.fvb
// RUN: fovea inspect %t.fvb | FileCheck %s
// CHECK: stage  attend: stream {{.*}} reads the batch index
!c = !kv.cache<heads = 2, dim = 64, layout = paged<16>, segments = [all : ${T:f32}]>
!q = tensor<?x4x64x${T:f32}>
!t = tensor<?x2x64x${T:f32}>
func.func @rg(%q: !q, %k: !t, %v: !t, %c: !c, %w: tensor<?xi32> {attn.dims = "b"}, %al: tensor<4xf32>) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !t, !t
  %o = attn.attention %q, %c1
    mask { ^bb0(%b: index, %h: index, %qi: index, %ki: index):
      %n = tensor.extract %w[%b] : tensor<?xi32>
      %ni = arith.index_cast %n : i32 to index
      %lo = arith.subi %qi, %ni : index
      %x = arith.cmpi sge, %ki, %lo : index
      %y = arith.cmpi sle, %ki, %qi : index
      %z = arith.andi %x, %y : i1
      sel.yield %z : i1 }
    score(alibi(%al : tensor<4xf32>)) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
