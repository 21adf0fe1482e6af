// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Probability regions: a factor goes behind the sum of values, what is linear in
// p is applied to the weights, and anything else makes items walk their keys
// twice, which a remark says and which leaves nothing to combine.
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 --split-input-file \
// RUN:   -verify-diagnostics | FileCheck %s

!t = tensor<?x4x?x64xf32>

// (-p) * 0.5 / 2 + p, by steps.
// CHECK-LABEL: tile.program @factor
// CHECK-NOT: prob(
// CHECK: tile.save
// CHECK: tile.finish {{.*}} factor(7.500000e-01)
// CHECK: tile.stage @attend_combine
// CHECK: tile.finish {{.*}} factor(7.500000e-01)
func.func @factor(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      prob { ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
        %half = arith.constant 0.5 : f32
        %two = arith.constant 2.0 : f32
        %n = arith.negf %p : f32
        %x = arith.mulf %half, %n : f32
        %y = arith.divf %x, %two : f32
        %z = arith.addf %y, %p : f32
        attn.yield %z : f32 }
      : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

// A gate by head and a sign by place are linear; hidden keys stay 0.
// CHECK-LABEL: tile.program @linear
// CHECK: tile.attend {{.*}} prob(weights) {
// CHECK: tile.save
// CHECK: tile.finish %{{[0-9]+}} :
// CHECK: tile.stage @attend_combine
!t = tensor<?x4x?x64xf32>
func.func @linear(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}, %g: tensor<4xf32> {attn.name = "g"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      prob { ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
        %zero = arith.constant 0.0 : f32
        %gate = tensor.extract %g[%h] : tensor<4xf32>
        %x = arith.mulf %p, %gate : f32
        %y = arith.subf %x, %p : f32
        %c = arith.cmpi slt, %i, %j : index
        %z = arith.select %c, %y, %zero : f32
        attn.yield %z : f32 }
      : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

// p decides by itself: not linear.
// CHECK-LABEL: tile.program @threshold
// CHECK-NOT: tile.buffer
// CHECK: tile.attend {{.*}} prob(shares) {
// CHECK-NOT: tile.save
// CHECK-NOT: combine
!t = tensor<?x4x?x64xf32>
func.func @threshold(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}) -> !t attributes {attn.kernel} {
  // expected-remark@+1 {{the prob region is not linear in p: every item walks its keys twice, first for the sum of the softmax, and is not split along the keys}}
  %o = attn.attention %q, %k, %v
      prob { ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
        %zero = arith.constant 0.0 : f32
        %least = arith.constant 0.01 : f32
        %c = arith.cmpf olt, %p, %least : f32
        %x = arith.select %c, %zero, %p : f32
        attn.yield %x : f32 }
      : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

// Neither is a rounded p, nor one by which is divided.
// CHECK-LABEL: tile.program @rounded
// CHECK-COUNT-2: prob(shares)
!t = tensor<?x4x?x64xf32>
func.func @rounded(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}) -> (!t, !t) attributes {attn.kernel} {
  // expected-remark@+1 {{the prob region is not linear in p}}
  %o = attn.attention %q, %k, %v
      prob { ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
        %x = arith.truncf %p : f32 to f16
        %y = arith.extf %x : f16 to f32
        attn.yield %y : f32 }
      : (!t, !t, !t) -> !t
  // expected-remark@+1 {{the prob region is not linear in p}}
  %o2 = attn.attention %q, %k, %v
      prob { ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
        %one = arith.constant 1.0 : f32
        %x = arith.divf %one, %p : f32
        attn.yield %x : f32 }
      : (!t, !t, !t) -> !t
  return %o, %o2 : !t, !t
}

// -----

// A sink counts once: in whole items and where records are merged.
// CHECK-LABEL: tile.program @sinks
// CHECK: tile.save %[[S:[0-9]+]],
// CHECK: tile.sink %[[S]] by %{{.*}} : <{{.*}}>, <4xf32>
// CHECK: tile.stage @attend_combine
// CHECK: %[[R:[0-9]+]] = tile.restore
// CHECK: tile.sink %[[R]] by
!t = tensor<?x4x?x64xf32>
func.func @sinks(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}, %s: tensor<4xf32> {attn.name = "s"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v sink_logits(%s : tensor<4xf32>) : (!t, !t, !t) -> !t
  return %o : !t
}
