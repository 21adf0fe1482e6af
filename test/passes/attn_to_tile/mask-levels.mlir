// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A mask region that gives levels: one stream over all levels of the pyramid,
// whose mask yields the level, and @.._levels, which bounds it in a tile.
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 | FileCheck %s

!t = tensor<?x4x?x64xf32>
!p = !kv.pyramid<levels = [1, 4], of = !t>

// CHECK-LABEL: tile.program @near
// CHECK: tile.pool {{.*}} group(4) reduce(mean) lengths(%{{.*}} : !tile.view<?xi32>)
// CHECK: tile.runs closed(@near_attend) as "region at
// CHECK: tile.stream {{.*}} levels [1, 4]
// CHECK: tile.map {{.*}} on(partial)
// CHECK: tile.yield %{{.*}} : i32
// CHECK: func.func private @near_attend_levels(
// CHECK-SAME: -> i32
// CHECK: func.func private @near_attend_level(
// CHECK-SAME: -> (i32, i32)
func.func @near(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}, %n: tensor<?xi32> {attn.name = "n"}) -> !t attributes {attn.kernel} {
  %p = sel.pool %k, %v levels(1, 4) reduce(mean) : !t, !t -> !p
  %o = attn.attention %q, %p
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %width = arith.constant 64 : index
        %fine = arith.constant 1 : i32
        %coarse = arith.constant 4 : i32
        %d = arith.subi %i, %j : index
        %near = arith.cmpi slt, %d, %width : index
        %level = arith.select %near, %fine, %coarse : i32
        sel.yield %level : i32 }
      lengths(%n : tensor<?xi32>) : (!t, !p) -> !t
  return %o : !t
}
