// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// CHECK-LABEL: @by_token
// CHECK-SAME: %[[IDS:[^ :,]+]]: tensor<?xi32>)
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[X:.*]] = tensor.extract %[[IDS]][%[[Q]]] : tensor<?xi32>
// CHECK-NEXT: %[[Y:.*]] = tensor.extract %[[IDS]][%[[K]]] : tensor<?xi32>
// CHECK-NEXT: %[[KEEP:.*]] = arith.cmpi eq, %[[X]], %[[Y]] : i32
// CHECK-NEXT: sel.yield %[[KEEP]] : i1
func.func @by_token(%q: !t, %ids: tensor<?xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(documents(%ids : tensor<?xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK-LABEL: @by_batch
// CHECK-SAME: %[[IDS:[^ :,]+]]: tensor<?x?xi32>)
// CHECK: ^bb0(%[[B:[^ :,]+]]: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: tensor.extract %[[IDS]][%[[B]], %[[Q]]]
// CHECK-NEXT: tensor.extract %[[IDS]][%[[B]], %[[K]]]
func.func @by_batch(%q: !t, %ids: tensor<?x?xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(documents(%ids : tensor<?x?xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// The range of keys that the tables give the query.
// CHECK-LABEL: @spans
// CHECK-SAME: %[[START:[^ :,]+]]: tensor<?xi32>, %[[END:[^ :,]+]]: tensor<?xi32>)
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[X:.*]] = tensor.extract %[[START]][%[[Q]]] : tensor<?xi32>
// CHECK-NEXT: %[[S:.*]] = arith.index_cast %[[X]]
// CHECK-NEXT: %[[Y:.*]] = tensor.extract %[[END]][%[[Q]]] : tensor<?xi32>
// CHECK-NEXT: %[[E:.*]] = arith.index_cast %[[Y]]
// CHECK-NEXT: %[[FROM:.*]] = arith.cmpi sle, %[[S]], %[[K]] : index
// CHECK-NEXT: %[[TO:.*]] = arith.cmpi slt, %[[K]], %[[E]] : index
// CHECK-NEXT: %[[KEEP:.*]] = arith.andi %[[FROM]], %[[TO]] : i1
// CHECK-NEXT: sel.yield %[[KEEP]] : i1
func.func @spans(%q: !t, %start: tensor<?xi32>, %end: tensor<?xi32>) -> !t {
  %o = attn.attention %q, %q, %q
      mask(documents(spans(%start : tensor<?xi32>, %end : tensor<?xi32>))) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK-LABEL: @spans_by_batch
// CHECK-SAME: %[[START:[^ :,]+]]: tensor<?x?xi32>, %[[END:[^ :,]+]]: tensor<?x?xi32>)
// CHECK: ^bb0(%[[B:[^ :,]+]]: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %{{.*}}: index):
// CHECK-NEXT: tensor.extract %[[START]][%[[B]], %[[Q]]]
// CHECK: tensor.extract %[[END]][%[[B]], %[[Q]]]
func.func @spans_by_batch(%q: !t, %start: tensor<?x?xi32>, %end: tensor<?x?xi32>) -> !t {
  %o = attn.attention %q, %q, %q
      mask(documents(spans(%start : tensor<?x?xi32>, %end : tensor<?x?xi32>))) : (!t, !t, !t) -> !t
  return %o : !t
}

// The query's segment between boundaries, of one table and of one by batch.
// CHECK-LABEL: @boundaries
// CHECK-SAME: %[[CU:[^ :,]+]]: tensor<?xi32>, %[[ROWS:[^ :,]+]]: tensor<?x?xi32>)
// CHECK: ^bb0(%[[B:[^ :,]+]]: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %{{.*}}, %[[BEGIN:.*]], %[[END:.*]] = sel.segment %[[Q]] of %[[CU]] : tensor<?xi32>
// CHECK-NEXT: %[[FROM:.*]] = arith.cmpi sle, %[[BEGIN]], %[[K]] : index
// CHECK-NEXT: %[[TO:.*]] = arith.cmpi slt, %[[K]], %[[END]] : index
// CHECK-NEXT: arith.andi %[[FROM]], %[[TO]] : i1
// CHECK-NEXT: sel.segment %[[Q]] of %[[ROWS]][%[[B]]] : tensor<?x?xi32>
func.func @boundaries(%q: !t, %cu: tensor<?xi32>, %rows: tensor<?x?xi32>) -> !t {
  %o = attn.attention %q, %q, %q
      mask(documents(cu_seqlens(%cu : tensor<?xi32>)) or
           documents(cu_seqlens(%rows : tensor<?x?xi32>))) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @documents_c1_boundaries(%q: !t, %s: tensor<?xi64>) {
  // expected-error@+1 {{expected the boundaries of documents to be a tensor<?xi32>, or a tensor<?x?xi32> with the batch first, got 'tensor<?xi64>' [documents_c1]}}
  %o = attn.attention %q, %q, %q mask(documents(cu_seqlens(%s : tensor<?xi64>))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @documents_c2_boundaries(%q: !t, %s: tensor<?xi32>) {
  // expected-error@+1 {{expected documents to have ids, spans(start, end) or cu_seqlens(boundaries), got #sel.group<"cu_seqlens", #sel.arg<0>, #sel.arg<1>> [documents_c2]}}
  %o = attn.attention %q, %q, %q
      mask(documents(cu_seqlens(%s : tensor<?xi32>, %s : tensor<?xi32>))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @documents_c2_count(%q: !t, %s: tensor<?xi32>) {
  // expected-error@+1 {{expected documents to have ids, spans(start, end) or cu_seqlens(boundaries), got #sel.group<"spans", #sel.arg<0>> [documents_c2]}}
  %o = attn.attention %q, %q, %q mask(documents(spans(%s : tensor<?xi32>))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @documents_c2_rank(%q: !t, %s: tensor<?xi32>, %e: tensor<?x?xi32>) {
  // expected-error@+1 {{expected starts and ends of documents to have one rank, got 1 and 2 [documents_c2]}}
  %o = attn.attention %q, %q, %q
      mask(documents(spans(%s : tensor<?xi32>, %e : tensor<?x?xi32>))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @documents_c1_spans(%q: !t, %s: tensor<?xi32>) {
  // expected-error@+1 {{expected the ends of documents to be an operand, got 7 : i64 [documents_c1]}}
  %o = attn.attention %q, %q, %q mask(documents(spans(%s : tensor<?xi32>, 7))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @documents_c1_ends(%q: !t, %s: tensor<?xi32>, %e: tensor<?xf32>) {
  // expected-error@+1 {{expected the ends of documents to be a tensor<?xi32>, or a tensor<?x?xi32> with the batch first, got 'tensor<?xf32>' [documents_c1]}}
  %o = attn.attention %q, %q, %q
      mask(documents(spans(%s : tensor<?xi32>, %e : tensor<?xf32>))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @group_c1_word(%q: !t, %s: tensor<?xi32>) {
  // expected-error@+1 {{unknown group 'span': did you mean 'spans'? groups are: cu_seqlens, spans [group_c1]}}
  %o = attn.attention %q, %q, %q mask(documents(span(%s : tensor<?xi32>))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @group_c1_none(%q: !t, %s: index) {
  // expected-error@+1 {{unknown group 'spans'; groups are: none [group_c1]}}
  %o = attn.attention %q, %q, %q mask(window(spans(%s : index))) : (!t, !t, !t) -> !t
  return
}

// -----

// Groups do not nest.
!t = tensor<?x8x?x64xf32>
func.func @group_c1_nested(%q: !t, %s: tensor<?xi32>) {
  // expected-error@+1 {{unknown group 'spans'; groups are: none [group_c1]}}
  %o = attn.attention %q, %q, %q mask(documents(spans(spans(%s : tensor<?xi32>)))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @documents_c1_type(%q: !t, %ids: tensor<?xi64>) {
  // expected-error@+1 {{expected the ids of documents to be a tensor<?xi32>, or a tensor<?x?xi32> with the batch first, got 'tensor<?xi64>' [documents_c1]}}
  %o = attn.attention %q, %q, %q mask(documents(%ids : tensor<?xi64>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @documents_c1_arguments(%q: !t) {
  // expected-error@+1 {{expected documents(%ids : tensor<?xi32>) or documents(spans(%start : tensor<?xi32>, %end : tensor<?xi32>)) or documents(cu_seqlens(%c : tensor<?xi32>)) [documents_c1]}}
  %o = attn.attention %q, %q, %q mask(documents(4)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @documents_c1_operand(%q: !t) {
  // expected-error@+1 {{expected the ids of documents to be an operand, got #sel.arg<0> [documents_c1]}}
  %o = "attn.attention"(%q, %q, %q) <{mask = #sel.documents<#sel.arg<0>>, operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t) -> !t
  return
}
