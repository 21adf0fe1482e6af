// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The plan chooses a stage's variant by its packed rows. Where the spec fixes
// them, only the variant that it will choose is made.
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 | FileCheck %s

!one = tensor<?x8x1x64xf32>
!many = tensor<?x8x512x64xf32>
!any = tensor<?x8x?x64xf32>
!kv = tensor<?x2x?x64xf32>

// CHECK-LABEL: tile.program @one
// CHECK-NOT: tile.stage
// CHECK: tile.stage @attend_decode
// CHECK-NOT: tile.stage
// CHECK: tile.stage @attend_combine_decode
// CHECK-NOT: tile.stage
func.func @one(%q: !one {attn.name = "q", attn.dims = "b h sq dk"}, %k: !kv {attn.name = "k", attn.dims = "b hk sk dk"}, %v: !kv {attn.name = "v", attn.dims = "b hk sk dv"}) -> !one attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v : (!one, !kv, !kv) -> !one
  return %o : !one
}

// CHECK-LABEL: tile.program @many
// CHECK-NOT: tile.stage
// CHECK: tile.stage @attend_prefill
// CHECK-NOT: tile.stage
// CHECK: tile.stage @attend_combine_prefill
// CHECK-NOT: tile.stage
func.func @many(%q: !many {attn.name = "q", attn.dims = "b h sq dk"}, %k: !kv {attn.name = "k", attn.dims = "b hk sk dk"}, %v: !kv {attn.name = "v", attn.dims = "b hk sk dv"}) -> !many attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v : (!many, !kv, !kv) -> !many
  return %o : !many
}

// CHECK-LABEL: tile.program @any
// CHECK: tile.stage @attend_decode
// CHECK: tile.stage @attend_prefill
func.func @any(%q: !any {attn.name = "q", attn.dims = "b h sq dk"}, %k: !kv {attn.name = "k", attn.dims = "b hk sk dk"}, %v: !kv {attn.name = "v", attn.dims = "b hk sk dv"}) -> !any attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v : (!any, !kv, !kv) -> !any
  return %o : !any
}
