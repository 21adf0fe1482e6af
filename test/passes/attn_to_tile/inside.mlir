// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt --attn-to-tile="target=x86-64-v3" %s | FileCheck %s

!q = tensor<?x4x?x64xf32>

// A bias has the call's extents, a slope every head: no pair is outside of them.
// CHECK-LABEL: tile.program @words
// CHECK: tile.map
// CHECK: tile.element %{{.*}}[%{{.*}}] inside : <4xf32>
// CHECK: tile.map
// CHECK: tile.element %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}] inside : <1x4x?x?xf32>
func.func @words(%q: !q {attn.name = "q", attn.dims = "b h sq d"}, %k: !q {attn.name = "k", attn.dims = "b h sk d"}, %v: !q {attn.name = "v", attn.dims = "b h sk d"}, %m: tensor<4xf32> {attn.name = "m", attn.dims = "h"}, %t: tensor<1x4x?x?xf32> {attn.name = "t", attn.dims = "one h sq sk"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v score(alibi(%m : tensor<4xf32>), bias(%t : tensor<1x4x?x?xf32>)) : (!q, !q, !q) -> !q
  return %o : !q
}

// A bias with dims of its own may be smaller.
// CHECK-LABEL: tile.program @other
// CHECK: tile.element
// CHECK-NOT: inside
func.func @other(%q: !q {attn.name = "q", attn.dims = "b h sq d"}, %k: !q {attn.name = "k", attn.dims = "b h sk d"}, %v: !q {attn.name = "v", attn.dims = "b h sk d"}, %t: tensor<1x4x?x?xf32> {attn.name = "t", attn.dims = "one h sq keys"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v score(bias(%t : tensor<1x4x?x?xf32>)) : (!q, !q, !q) -> !q
  return %o : !q
}
