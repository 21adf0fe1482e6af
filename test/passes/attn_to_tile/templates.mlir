// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 | FileCheck %s
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 \
// RUN:   | fovea-opt --lower-stages=target=x86-64-v3 > %t.text
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 \
// RUN:   --lower-stages=target=x86-64-v3 | diff - %t.text
// What the templates T1 (prefill) and T2 (split decode) of
// docs/gpu-lowering.md read: every role is there by name. The back end makes
// the same stage code from the printed tile level.

!q = tensor<?x8x?x64xf32>
!k = tensor<?x2x?x64xf32>

// CHECK-LABEL: tile.program @causal(
// CHECK-SAME: %[[Q:.+]]: !tile.view<?x8x?x64xf32> {tile.dims = "b h sq d", tile.name = "q"}
// CHECK-SAME: %[[K:.+]]: !tile.view<?x2x?x64xf32> {tile.dims = "b h sk d", tile.name = "k"}
// CHECK-SAME: %[[V:.+]]: !tile.view<?x2x?x64xf32> {tile.dims = "b h sk d", tile.name = "v"}
// CHECK-SAME: %[[O:.+]]: !tile.view<?x8x?x64xf32> {{{.*}}tile.name = "o", tile.result}

// T2 stores the state of a split item: the record of all targets.
// CHECK: %[[M:.+]] = tile.buffer "attend.slot.m" [#tile.extent<"slots" of "attend">
// CHECK: %[[L:.+]] = tile.buffer "attend.slot.l" [#tile.extent<"slots" of "attend">
// CHECK: %[[W:.+]] = tile.buffer "attend.slot.o" [#tile.extent<"slots" of "attend">

// CHECK: tile.stage @attend_decode launch("attend") space(stream) rows(<group = 4, kv_group = 4, heads = 2>)
// CHECK: ^bb0(%[[B:.+]]: index, %[[H:.+]]: index, %[[R:.+]]: index, %[[K0:.+]]: index, %[[K1:.+]]: index, %[[SLOT:.+]]: index):
// CHECK: %[[QT:.+]] = tile.load %[[Q]][%[[B]], %[[H]], %[[R]]]
// CHECK: %[[RUNS:.+]] = tile.runs closed(@causal_attend) as "causal" clip[%[[K0]], %[[K1]]] dims("sq", "sk")
// CHECK: %[[INIT:.+]] = tile.init
// CHECK: %[[ST:.+]] = tile.stream %[[RUNS]] from(%[[K]], %[[V]] : {{.*}}) keys({{.*}}) levels [1] init(%[[INIT]]
// CHECK: ^bb0(%[[BLOCK:.+]]: !tile.block, %[[KT:.+]]: !tile.coded<{{.*}}>, %[[VT:.+]]: !tile.coded<{{.*}}>, %[[A:.+]]: !tile.state<{{.*}}>):
// CHECK: %[[S:.+]] = tile.dot %[[QT]], %[[KT]] scale(1.250000e-01)
// CHECK: %[[X:.+]] = tile.map %[[S]] at %[[BLOCK]] on(partial)
// CHECK: ^bb0(%{{.+}}: f32, %{{.+}}: index, %{{.+}}: index, %[[MQ:.+]]: index, %[[MK:.+]]: index, %{{.+}}: index, %{{.+}}: index):
// CHECK: %[[KEEP:.+]] = arith.cmpi sle, %[[MK]], %[[MQ]] : index
// CHECK: tile.yield %[[KEEP]] : i1
// CHECK: %[[N:.+]] = tile.attend %[[A]], %[[X]], %[[VT]]
// CHECK: tile.yield %[[N]]
// CHECK: tile.save %[[ST]], %[[W]], %[[M]], %[[L]][%[[SLOT]]]
// CHECK: %[[FO:.+]], %{{.+}} = tile.finish %[[ST]]
// CHECK: tile.store %[[FO]], %[[O]][%[[B]], %[[H]], %[[R]]] whole(%[[SLOT]])

// T1 reads the same roles with more rows.
// CHECK: tile.stage @attend_prefill launch("attend") space(stream)
// CHECK: tile.load
// CHECK: tile.stream
// CHECK: tile.dot
// CHECK: tile.map {{.*}} on(partial)
// CHECK: tile.attend
// CHECK: tile.save

// T5 merges the slots in ascending order.
// CHECK: tile.stage @attend_combine_decode launch("attend_combine") space(combine) {{.*}} of("attend")
// CHECK: %[[RST:.+]] = tile.restore %[[W]], %[[M]], %[[L]][%{{.+}}] dim("sq")
// CHECK: tile.finish %[[RST]]

// The planner's functions of the mask.
// CHECK: func.func private @causal_attend_bounds
// CHECK: func.func private @causal_attend_keep
// CHECK: func.func private @causal_attend_class
func.func @causal(%q: !q {attn.name = "q"}, %k: !k {attn.name = "k"},
                  %v: !k {attn.name = "v"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(causal) : (!q, !k, !k) -> !q
  return %o : !q
}
