// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
!p = !kv.pyramid<levels = [1, 2], of = !t>
!m = !sel.levels<per = (b, h, q : 64), unit = k : 64>

// The operands of the sugar go; the region reads them.
// CHECK-LABEL: @operands
// CHECK-SAME: %[[W:[^ :,]+]]: index)
// CHECK: attn.attention %{{.*}}, %{{.*}}, %{{.*}} mask {
// CHECK-NEXT: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %{{.*}}: index):
// CHECK: %[[UP:.*]] = arith.maxsi %[[W]], %{{.*}} : index
// CHECK: %[[N:.*]] = arith.minsi %[[UP]], %{{.*}} : index
// CHECK-NEXT: arith.subi %[[Q]], %[[N]] : index
// CHECK: sel.yield %{{.*}} : i1
// CHECK-NEXT: } : (tensor<?x8x?x64xf32>
func.func @operands(%q: !t, %w: index) -> !t {
  %o = attn.attention %q, %q, %q mask(window(%w : index)) : (!t, !t, !t) -> !t
  return %o : !t
}

// The number of keys of a pyramid is that of what was pooled.
// CHECK-LABEL: @pyramid
// CHECK-SAME: %[[X:[^ :,]+]]: tensor<?x8x?x64xf32>, %[[K:[^ :,]+]]: tensor<?x8x?x64xf32>,
// CHECK: %[[SQ:.*]] = tensor.dim %[[X]]
// CHECK: %[[SK:.*]] = tensor.dim %[[K]]
// CHECK: mask {
// CHECK: arith.subi %[[SK]], %[[SQ]] : index
func.func @pyramid(%q: !t, %k: !t, %map: tensor<?x8x?x?xi8>) -> !t {
  %p = sel.pool %k, %k levels(1, 2) reduce(mean) : !t, !t -> !p
  %m = sel.levels %map : tensor<?x8x?x?xi8> -> !m
  %o = attn.attention %q, %p levels(%m : !m) mask(causal(top_left)) : (!t, !p) -> !t
  return %o : !t
}

// Nothing is left of what the region does not use.
// CHECK-LABEL: @unused
// CHECK: attn.partial %{{.*}}, %{{.*}}, %{{.*}} mask {
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.cmpi
// CHECK-NEXT: sel.yield
func.func @unused(%q: !t) -> !t {
  %o, %m, %l = attn.partial %q, %q, %q mask(causal) : (!t, !t, !t) -> (!t, tensor<?x8x?xf32>, tensor<?x8x?xf32>)
  return %o : !t
}
