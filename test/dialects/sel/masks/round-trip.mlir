// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s | FileCheck %s
// RUN: fovea-opt %s | fovea-opt | FileCheck %s
// RUN: fovea-opt %s -mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC
// RUN: fovea-opt %s -mlir-print-op-generic | fovea-opt | FileCheck %s

!t = tensor<?x8x?x64xf32>
!c = !kv.cache<heads = 8, dim = 64, layout = paged<16>, segments = [all : f32]>

// Every word, printed as it was written; parentheses only where they matter,
// and kept where they group one connective.
// CHECK-LABEL: @words
func.func @words(%q: !t, %n: index, %w: tensor<8xi32>, %d: tensor<?xi32>, %e: tensor<?x?xi32>,
    %parents: tensor<?xi32>, %rows: tensor<?x8x64xf32>, %cache: !c,
    %ends: tensor<?x1x?x2xi32>, %list: tensor<3x5xi32>) -> !t {
  // GENERIC: mask = #sel.causal<bottom_right>
  // CHECK: mask(causal) :
  %0 = attn.attention %q, %q, %q mask(causal(bottom_right)) : (!t, !t, !t) -> !t
  // CHECK: mask(causal(top_left)) :
  %1 = attn.attention %q, %q, %q mask(causal(top_left)) : (!t, !t, !t) -> !t
  // GENERIC: mask = #sel.window<4096 : i64>
  // CHECK: mask(window(4096)) :
  %2 = attn.attention %q, %q, %q mask(window(4096)) : (!t, !t, !t) -> !t
  // GENERIC: mask = #sel.window<4 : i64, "inf">
  // CHECK: mask(window(4, inf)) :
  %3 = attn.attention %q, %q, %q mask(window(4, inf)) : (!t, !t, !t) -> !t
  // GENERIC: mask = #sel.window<#sel.arg<0>, #sel.arg<1>>
  // CHECK: mask(window(%{{.*}} : tensor<8xi32>, %{{.*}} : index)) :
  %4 = attn.attention %q, %q, %q mask(window(%w : tensor<8xi32>, %n : index)) : (!t, !t, !t) -> !t
  // CHECK: mask(sink(4)) :
  %5 = attn.attention %q, %q, %q mask(sink(4)) : (!t, !t, !t) -> !t
  // CHECK: mask(prefix(%{{.*}} : index)) :
  %6 = attn.attention %q, %q, %q mask(prefix(%n : index)) : (!t, !t, !t) -> !t
  // CHECK: mask(documents(%{{.*}} : tensor<?xi32>)) :
  %7 = attn.attention %q, %q, %q mask(documents(%d : tensor<?xi32>)) : (!t, !t, !t) -> !t
  // CHECK: mask(documents(%{{.*}} : tensor<?x?xi32>)) :
  %8 = attn.attention %q, %q, %q mask(documents(%e : tensor<?x?xi32>)) : (!t, !t, !t) -> !t
  // CHECK: mask(causal and window(2) or not sink(1) and prefix(3)) :
  %9 = attn.attention %q, %q, %q mask((causal and (window(2))) or ((not sink(1)) and prefix(3))) : (!t, !t, !t) -> !t
  // CHECK: mask(causal and (window(2) or not (sink(1) and prefix(3)))) :
  %10 = attn.attention %q, %q, %q mask(causal and (window(2) or not (sink(1) and prefix(3)))) : (!t, !t, !t) -> !t
  // CHECK: mask((causal and window(2)) and sink(1)) :
  %11 = attn.attention %q, %q, %q mask((causal and window(2)) and sink(1)) : (!t, !t, !t) -> !t
  // CHECK: mask(not not causal) :
  %12 = attn.attention %q, %q, %q mask(not not causal) : (!t, !t, !t) -> !t
  // GENERIC: mask = #sel.chunked<16 : i64>
  // CHECK: mask(chunked(16)) :
  %13 = attn.attention %q, %q, %q mask(chunked(16)) : (!t, !t, !t) -> !t
  // GENERIC: mask = #sel.chunked<#sel.arg<0>, 5 : i64>
  // CHECK: mask(chunked(%{{.*}} : index, 5)) :
  %14 = attn.attention %q, %q, %q mask(chunked(%n : index, 5)) : (!t, !t, !t) -> !t
  // CHECK: mask(block_causal(16, %{{.*}} : index)) :
  %15 = attn.attention %q, %q, %q mask(block_causal(16, %n : index)) : (!t, !t, !t) -> !t
  // GENERIC: mask = #sel.blocks<16 : i64, #sel.or<#sel.window<2 : i64>, #sel.sink<1 : i64>>>
  // CHECK: mask(blocks(16, window(2) or sink(1))) :
  %16 = attn.attention %q, %q, %q mask(blocks(16, (window(2) or sink(1)))) : (!t, !t, !t) -> !t
  // CHECK: mask(dilated(3) and columns(8, %{{.*}} : tensor<8xi32>, 2)) :
  %17 = attn.attention %q, %q, %q mask(dilated(3) and columns(8, %w : tensor<8xi32>, 2)) : (!t, !t, !t) -> !t
  // CHECK: mask(not queries(8) or global(3)) :
  %18 = attn.attention %q, %q, %q mask(not queries(8) or global(3)) : (!t, !t, !t) -> !t
  // Masks in masks: operands are numbered as they are written.
  // GENERIC: mask = #sel.and<#sel.heads<#sel.arg<0>, #sel.causal<bottom_right>, #sel.blocks<4 : i64, #sel.window<#sel.arg<1>>>>, #sel.sink<#sel.arg<2>>>
  // CHECK: mask(heads(%{{.*}} : tensor<8xi32>, causal, blocks(4, window(%{{.*}} : index))) and sink(%{{.*}} : index)) :
  %19 = attn.attention %q, %q, %q mask(heads(%w : tensor<8xi32>, causal, blocks(4, window(%n : index))) and sink(%n : index)) : (!t, !t, !t) -> !t
  // CHECK: mask(causal and slices(%{{.*}} : tensor<3x5xi32>)) :
  %slices = attn.attention %q, %q, %q mask(causal and slices(%list : tensor<3x5xi32>)) : (!t, !t, !t) -> !t
  // Groups of arguments.
  // CHECK: mask(flashmask(causal, %{{.*}} : tensor<?x1x?x2xi32>)) :
  %flash = attn.attention %q, %q, %q mask(flashmask(causal, %ends : tensor<?x1x?x2xi32>)) : (!t, !t, !t) -> !t
  // CHECK: mask(flashmask(%{{.*}} : tensor<?x1x?x2xi32>)) :
  %flash2 = attn.attention %q, %q, %q mask(flashmask(%ends : tensor<?x1x?x2xi32>)) : (!t, !t, !t) -> !t
  // CHECK: mask(documents(cu_seqlens(%{{.*}} : tensor<?xi32>))) :
  %boundaries = attn.attention %q, %q, %q mask(documents(cu_seqlens(%d : tensor<?xi32>))) : (!t, !t, !t) -> !t
  // GENERIC: mask = #sel.and<#sel.window<#sel.arg<0>>, #sel.documents<#sel.group<"spans", #sel.arg<1>, #sel.arg<2>>>>
  // CHECK: mask(window(%{{.*}} : index) and documents(spans(%{{.*}} : tensor<?xi32>, %{{.*}} : tensor<?xi32>))) :
  %20 = attn.attention %q, %q, %q mask(window(%n : index) and documents(spans(%d : tensor<?xi32>, %d : tensor<?xi32>))) : (!t, !t, !t) -> !t
  // GENERIC: mask = #sel.neighborhood<#sel.group<"grid", #sel.arg<0>, 45 : i64, 80 : i64>, #sel.group<"window", 5 : i64, 7 : i64, 7 : i64>, #sel.group<"dilation", 1 : i64, 2 : i64, 2 : i64>, #sel.group<"stride", 1 : i64, 7 : i64, 1 : i64>, #sel.group<"causal", 0 : i64>>
  // CHECK: mask(neighborhood(grid(%{{.*}} : index, 45, 80), window(5, 7, 7), dilation(1, 2, 2), stride(1, 7, 1), causal(0))) :
  %21 = attn.attention %q, %q, %q mask(neighborhood(grid(%n : index, 45, 80), window(5, 7, 7), dilation(1, 2, 2), stride(1, 7, 1), causal(0))) : (!t, !t, !t) -> !t
  // GENERIC: mask = #sel.or<#sel.tree<#sel.arg<0>>, #sel.sink<2 : i64>>
  // CHECK: mask(tree(%{{.*}} : tensor<?xi32>) or sink(2)) :
  %22 = attn.attention %q, %q, %q mask(tree(%parents : tensor<?xi32>) or sink(2)) : (!t, !t, !t) -> !t
  // GENERIC: mask = #sel.and<#sel.causal<bottom_right>, #sel.tree>
  // CHECK: mask(causal and tree) :
  %23 = attn.attention %rows, %cache mask(causal and tree) : (tensor<?x8x64xf32>, !c) -> tensor<?x8x64xf32>
  return %0 : !t
}
