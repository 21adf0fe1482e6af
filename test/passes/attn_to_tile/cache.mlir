// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention over a cache: a chain of streams over its segments, and the stages
// that write it. What the kernel does not do itself is a service.
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 --split-input-file | FileCheck %s
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 --split-input-file \
// RUN:   | fovea-opt --split-input-file | FileCheck %s
// What is printed is lowered like what was never printed.
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 --split-input-file \
// RUN:   | fovea-opt --lower-stages=target=x86-64-v3 --split-input-file > %t.printed
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 --lower-stages=target=x86-64-v3 \
// RUN:   --split-input-file > %t.direct
// RUN: cmp %t.printed %t.direct

// CHECK-LABEL: tile.program @ragged
// CHECK-SAME: %[[Q:[^:]+]]: !tile.view<?x32x128xbf16> {tile.dims = "rows h d", tile.name = "q"}
// CHECK-SAME: %[[K:[^:]+]]: !tile.view<?x8x128xbf16> {tile.dims = "rows h d", tile.name = "k"}
// CHECK-SAME: %[[V:[^:]+]]: !tile.view
// CHECK-SAME: %[[C:[^:]+]]: !kv.cache<heads = 8, dim = 128, layout = paged<16>, segments = [all : bf16]> {tile.name = "c"}
// CHECK-SAME: %[[O:[^:]+]]: !tile.view<?x32x128xbf16> {tile.dims = "rows _ _", tile.name = "o", tile.result}
// CHECK-SAME: %[[LSE:[^:]+]]: !tile.view<?x32xf32> {tile.dims = "rows _", tile.name = "lse", tile.result}
// CHECK-NEXT: %[[KEYS:.+]], %[[VALUES:.+]], %[[PAGES:.+]], %[[RANGES:.+]] = tile.segment %[[C]][0]
// CHECK-SAME: -> <?x8x16x128xbf16>, <?x8x16x128xbf16>, <?xi32>, <?x8xi64>
// CHECK-NEXT: tile.stage @append launch("append") space(append) rows(<group = 1, kv_group = 1, heads = 8>) schedule
// CHECK: tile.append %[[K]], %[[V]], %[[C]]
// CHECK: tile.stage @attend_decode1 launch("attend") space(stream) {{.*}} grid([#tile.extent<"b">])
// CHECK: tile.load %[[Q]]
// CHECK: %[[RUNS:.+]] = tile.runs closed(@ragged_attend) as "causal" segment(%[[RANGES]] : !tile.view<?x8xi64>) clip{{.*}} dims("rows", "sk")
// CHECK: %[[INIT:.+]] = tile.init
// CHECK: tile.stream %[[RUNS]] from(%[[KEYS]], %[[VALUES]] : {{.*}}) pages(%[[PAGES]] : !tile.view<?xi32>) {{.*}} init(%[[INIT]]
// CHECK: tile.store {{.*}}, %[[O]][
// CHECK: tile.store {{.*}}, %[[LSE]][
// CHECK-NOT: tile.moves
// CHECK: tile.restore {{.*}} dim("rows")
!c = !kv.cache<heads = 8, dim = 128, layout = paged<16>, segments = [all : bf16]>
!t = tensor<?x8x128xbf16>
!q = tensor<?x32x128xbf16>
func.func @ragged(%q: !q {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}, %c: !c {attn.name = "c"})
    -> (!q, tensor<?x32xf32>, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !t, !t
  %o, %lse = attn.attention %q, %c1 mask(causal) : (!q, !c) -> (!q, tensor<?x32xf32>)
  return %o, %lse, %c1 : !q, tensor<?x32xf32>, !c
}

// -----

// Sinks, codes, a ring and new rows: four streams over one state. Queries and
// keys rotate; rows come from the cache manager, [row, head, chan].
// CHECK-LABEL: tile.program @segments
// CHECK-SAME: %[[T:[^:]+]]: !tile.view<?x64x2xf32>
// CHECK: %[[K0:.+]], %[[V0:.+]], %[[P0:.+]], %[[R0:.+]] = tile.segment %{{.+}}[0] {{.*}} -> <?x8x16x128xbf16>,
// CHECK: %[[K1:.+]], %[[V1:.+]], %[[P1:.+]], %[[R1:.+]] = tile.segment %{{.+}}[1] {{.*}} -> <?x8x16x128xf32, #kv.int8<per tok>>,
// CHECK: %[[K2:.+]], %[[V2:.+]], %[[P2:.+]], %[[R2:.+]] = tile.segment %{{.+}}[2] {{.*}} -> <?x8x?x128xbf16>,
// CHECK: %[[K3:.+]], %[[V3:.+]], %[[P3:.+]], %[[R3:.+]] = tile.segment %{{.+}}[3] {{.*}} -> <?x8x16x128xbf16>,
// CHECK: tile.stage @attend_decode1
// CHECK: %[[Q:.+]] = tile.rotate {{.*}} by %[[T]] position(slot) channels(pairs) :
// CHECK: tile.runs segment(%[[R0]] :
// CHECK: %[[S:.+]] = tile.init
// CHECK: %[[S0:.+]] = tile.stream {{.*}} from(%[[K0]], %[[V0]] : {{.*}}) pages(%[[P0]] : {{.*}} init(%[[S]] :
// CHECK: %[[KR:.+]] = tile.rotate {{.*}} by %[[T]] position(slot) channels(pairs) at
// CHECK: tile.dot %[[Q]], %[[KR]]
// CHECK: %[[S1:.+]] = tile.stream {{.*}} from(%[[K1]], %[[V1]] : {{.*}}) pages(%[[P1]] : {{.*}} init(%[[S0]] :
// CHECK: %[[S2:.+]] = tile.stream {{.*}} from(%[[K2]], %[[V2]] : {{.*}}) pages(%[[P2]] : {{.*}} init(%[[S1]] :
// CHECK: tile.runs segment(%[[R3]] :
// CHECK: %[[S3:.+]] = tile.stream {{.*}} from(%[[K3]], %[[V3]] : {{.*}}) pages(%[[P3]] : {{.*}} init(%[[S2]] :
// CHECK: tile.save %[[S3]]
// CHECK: %[[NK:.+]], %[[NV:.+]] = tile.inputs {{.*}} -> <?x8x128xbf16>, <?x8x128xbf16>
// CHECK: tile.stage @append launch("append") space(append) {{.*}} service schedule
// CHECK: tile.append %[[NK]], %[[NV]],
// CHECK: tile.stage @pages launch("pages") space(pages) {{.*}} service schedule
// CHECK: tile.refresh
// CHECK: tile.stage @moves launch("moves") space(moves) {{.*}} service schedule
// CHECK: tile.moves
!c = !kv.cache<heads = 8, dim = 128, layout = paged<16>, rope = slot, keep = [bounds = minmax(k) per page],
               segments = [first(4) : bf16, older : #kv.int8<per tok>, recent(64) : bf16 in contiguous]>
!q = tensor<?x32x?x128xbf16>
func.func @segments(%q: !q, %c: !c, %t: tensor<?x64x2xf32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %c rope(%t : tensor<?x64x2xf32>, pairs) : (!q, !c) -> !q
  return %o : !q
}

// -----

// New rows in their final page change what is kept of it at once.
// CHECK-LABEL: tile.program @kept
// CHECK: tile.stage @append launch("append") space(append) {{.*}}heads = 2>) schedule
// CHECK: tile.stage @pages launch("pages") space(pages) {{.*}}heads = 2>) schedule
// CHECK: tile.stage @attend
// CHECK-NOT: tile.stage @{{pages|moves}}
!c = !kv.cache<heads = 2, dim = 64, layout = paged<16>, segments = [all : f32], keep = [m = mean(k) per page]>
!t = tensor<?x2x64xf32>
func.func @kept(%q: !t, %k: !t, %v: !t, %c: !c) -> (!t, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !t, !t
  %o = attn.attention %q, %c1 : (!t, !c) -> !t
  return %o, %c1 : !t, !c
}

// -----

// Two caches have lengths of their own.
// CHECK-LABEL: tile.program @two
// CHECK: tile.runs {{.*}} dims("rows", "sk")
// CHECK: tile.runs {{.*}} dims("rows", "sk_d")
!c = !kv.cache<heads = 2, dim = 64, segments = [all : f32]>
!t = tensor<?x2x64xf32>
func.func @two(%q: !t {attn.name = "q"}, %c: !c {attn.name = "c"}, %d: !c {attn.name = "d"}) -> (!t, !t) attributes {attn.kernel} {
  %o = attn.attention %q, %c : (!t, !c) -> !t
  %p = attn.attention %q, %d : (!t, !c) -> !t
  return %o, %p : !t, !t
}
