// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chosen blocks: an item lies inside one query block. Blocks of whole vectors
// of queries, 32 positions and more, have a prefill variant.
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v4 --split-input-file \
// RUN:   | FileCheck %s

!q = tensor<?x4x?x64xf32>
!k = tensor<?x2x?x64xf32>

// CHECK-LABEL: tile.program @whole
// CHECK: tile.stage @attend_decode1 launch("attend") {{.*}} keys = 16, rows = 1, max_rows = 1,
// CHECK: tile.stage @attend_decode launch("attend") {{.*}} keys = 16, rows = 8, max_rows = 8,
// CHECK: tile.stage @attend_prefill launch("attend") {{.*}} keys = 16, rows = 64, max_rows = -1,
!l = !kv.list<per = (b, h, q : 64), unit = k : 16, order = any>
func.func @whole(%q: !q {attn.name = "q"}, %k: !k {attn.name = "k"}, %v: !k {attn.name = "v"}) -> !q attributes {attn.kernel} {
  %s = sel.score %q, %k pooled : !q, !k -> !sel.scores<per = (b, h, q : 64), unit = k : 16>
  %l = sel.choose %s top_k(4) : !sel.scores<per = (b, h, q : 64), unit = k : 16> -> !l
  %o = attn.attention %q, %k, %v over(%l : !l) : (!q, !k, !k) -> !q
  return %o : !q
}

// -----

// 48 positions are no whole vectors of 32: decode takes any number of rows.
// CHECK-LABEL: tile.program @rest
// CHECK: tile.stage @attend_decode1 {{.*}} rows = 1, max_rows = 1,
// CHECK: tile.stage @attend_decode launch("attend") {{.*}} rows = 8, max_rows = -1,
// CHECK-NOT: @attend_prefill
!q = tensor<?x4x?x64xf32>
!k = tensor<?x2x?x64xf32>
!l = !kv.list<per = (b, h, q : 48), unit = k : 16, order = any>
func.func @rest(%q: !q {attn.name = "q"}, %k: !k {attn.name = "k"}, %v: !k {attn.name = "v"}) -> !q attributes {attn.kernel} {
  %s = sel.score %q, %k pooled : !q, !k -> !sel.scores<per = (b, h, q : 48), unit = k : 16>
  %l = sel.choose %s top_k(4) : !sel.scores<per = (b, h, q : 48), unit = k : 16> -> !l
  %o = attn.attention %q, %k, %v over(%l : !l) : (!q, !k, !k) -> !q
  return %o : !q
}

// -----

// Blocks of one position have its heads' rows in an item, which walks over the
// union of their lists: one variant.
// CHECK-LABEL: tile.program @one
// CHECK-NOT: @attend_decode1
// CHECK: tile.stage @attend_decode launch("attend") {{.*}} rows(<group = 2, {{.*}} rows = 2, max_rows = -1,
// CHECK-NOT: @attend_prefill
!q = tensor<?x4x?x64xf32>
!k = tensor<?x2x?x64xf32>
!l = !kv.list<per = (b, h, q : 1), unit = k : 16, order = any>
func.func @one(%q: !q {attn.name = "q"}, %k: !k {attn.name = "k"}, %v: !k {attn.name = "v"}) -> !q attributes {attn.kernel} {
  %s = sel.score %q, %k pooled : !q, !k -> !sel.scores<per = (b, h, q : 1), unit = k : 16>
  %l = sel.choose %s top_k(4) : !sel.scores<per = (b, h, q : 1), unit = k : 16> -> !l
  %o = attn.attention %q, %k, %v over(%l : !l) : (!q, !k, !k) -> !q
  return %o : !q
}
