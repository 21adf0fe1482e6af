// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s | fovea-opt | FileCheck %s
// Every op of the tile dialect prints as it is read.

!q = !tile.view<?x4x?x8xf32>
!c = !tile.view<?x4x?x8xf32, #kv.int8<per tok>>
!s = !tile.view<?x4x?x?xf32>

// CHECK-LABEL: tile.program @ops
tile.program @ops(
    %q: !q {tile.dims = "b h sq d", tile.name = "q"},
    %k: !q {tile.dims = "b h sk d", tile.name = "k"},
    %n: index {tile.name = "n"},
    %o: !q {tile.dims = "b _ sq _", tile.name = "o", tile.result}) {
  // CHECK: tile.buffer "codes" [#tile.extent<"b">, #tile.extent<4>, #tile.extent<"sk">, #tile.extent<8>] : <?x4x?x8xf32, #kv.int8<per tok>>
  %codes = tile.buffer "codes" [#tile.extent<"b">, #tile.extent<4>, #tile.extent<"sk">, #tile.extent<8>] : !c
  %scores = tile.buffer "scores" [#tile.extent<"b">, #tile.extent<4>, #tile.extent<"sq", div = 16>, #tile.extent<"sk", div = 16>] : !s
  %list = tile.buffer "list" [#tile.extent<"b">, #tile.extent<4>, #tile.extent<"sq", div = 16>, #tile.extent<"sk", div = 16>] : !tile.view<?x4x?x?xi32>
  %count = tile.buffer "count" [#tile.extent<"b">, #tile.extent<4>, #tile.extent<"sq", div = 16>] : !tile.view<?x4x?xi32>
  %levels = tile.buffer "levels" [#tile.extent<"b">, #tile.extent<4>, #tile.extent<"sq", div = 16>, #tile.extent<"sk", div = 16>] : !tile.view<?x4x?x?xi8>
  // CHECK: tile.buffer "m" [#tile.extent<"slots" of "attend">, #tile.extent<8>] : <?x8xf32>
  %m = tile.buffer "m" [#tile.extent<"slots" of "attend">, #tile.extent<8>] : !tile.view<?x8xf32>

  // Encoding is a store to a view with a format.
  // CHECK: tile.stage @encode launch("encode") space(grid)
  tile.stage @encode launch("encode") space(grid) rows(<group = 1, kv_group = 1, heads = 4>) grid([#tile.extent<"b">, #tile.extent<4>, #tile.extent<"sk">]) schedule(<"grid", lanes = 0, reg = 1, keys = 1, rows = 64, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    // CHECK: tile.load {{.*}} -> <64x8xf32>
    %t = tile.load %k[%b, %h, %r] : !q -> !tile.coded<64x8xf32>
    // CHECK: tile.store {{.*}} : !tile.coded<64x8xf32>, <?x4x?x8xf32, #kv.int8<per tok>>
    tile.store %t, %codes[%b, %h, %r] : !tile.coded<64x8xf32>, !c
  }

  // A stream that only scores carries nothing.
  tile.stage @score launch("score") space(stream) rows(<group = 1, kv_group = 1, heads = 4>) schedule(<"score", lanes = 0, reg = 1, keys = 16, rows = 16, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    %t = tile.load %q[%b, %h, %r] : !q -> !tile.coded<16x8xf32>
    // CHECK: tile.pool {{.*}} group(16) reduce(mean) : <16x8xf32> -> <1x8xf32>
    %p = tile.pool %t group(16) reduce(mean) : !tile.coded<16x8xf32> -> !tile.coded<1x8xf32>
    // CHECK: tile.runs clip[{{.*}}] unit(16) dims("sq", "sk") top_left
    %runs = tile.runs clip [%k0, %k1] unit(16) dims("sq", "sk") top_left
    // CHECK: tile.stream {{.*}} from({{.*}}) keys(16) levels [1] {
    tile.stream %runs from(%k : !q) keys(16) levels [1] {
    ^bb1(%block: !tile.block, %kt: !tile.coded<16x8xf32>):
      %kp = tile.pool %kt group(16) reduce(mean) : !tile.coded<16x8xf32> -> !tile.coded<1x8xf32>
      %s = tile.dot %p, %kp scale(0.25) : !tile.coded<1x8xf32>, !tile.coded<1x8xf32> -> tensor<1x1xf32>
      tile.store %s, %scores[%b, %h, %r] : tensor<1x1xf32>, !s
      tile.yield
    }
  }

  tile.stage @select launch("select") space(grid) rows(<group = 1, kv_group = 1, heads = 4>) grid([#tile.extent<"b">, #tile.extent<4>, #tile.extent<"sq", div = 16>]) schedule(<"grid", lanes = 0, reg = 1, keys = 1, rows = 1, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    // CHECK: tile.normalize {{.*}} dim("sq")
    tile.normalize %scores, %scores[%b, %h, %r] dim("sq") : !s, !s
    // CHECK: tile.choose {{.*}} amount({{.*}} : index) shares force_diagonal force_first(1) query_block(16) unit(16) dim("sq")
    tile.choose %scores, %list, %count[%b, %h, %r] amount(%n : index) shares force_diagonal force_first(1) query_block(16) unit(16) dim("sq") : !s, !tile.view<?x4x?x?xi32>, !tile.view<?x4x?xi32>
    // CHECK: tile.assign {{.*}} levels [1, 2] shares [{{.*}}] force_level(1) force_last(1) query_block(16) unit(16) dim("sq")
    tile.assign %scores, %levels[%b, %h, %r] levels [1, 2] shares [0.5, 0.9] force_level(1) force_last(1) query_block(16) unit(16) dim("sq") : !s, !tile.view<?x4x?x?xi8>
  }

  // Parts of a merge are packed, merged, finished.
  tile.stage @merge launch("merge") space(grid) rows(<group = 1, kv_group = 1, heads = 4>) grid([#tile.extent<"b">, #tile.extent<4>, #tile.extent<"sq">]) schedule(<"grid", lanes = 0, reg = 1, keys = 1, rows = 16, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    // CHECK: tile.pack
    %x = tile.pack %q, %m, %m[%b, %h, %r] : !q, !tile.view<?x8xf32>, !tile.view<?x8xf32> -> !tile.state<16x8>
    // CHECK: tile.merge {{.*}} : <16x8>
    %y = tile.merge %x, %x : !tile.state<16x8>
    // CHECK: tile.unpack
    %uo, %um, %ul = tile.unpack %y : !tile.state<16x8> -> tensor<16x8xf32>, tensor<16xf32>, tensor<16xf32>
    // CHECK: tile.finish
    %fo, %lse = tile.finish %y : !tile.state<16x8> -> tensor<16x8xf32>, tensor<16xf32>
    // CHECK: tile.store {{.*}} whole(
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<16x8xf32>, !q
  }
}

!cache = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [first(4) : f32, older : #kv.int8<per tok>],
                   keep = [m = minmax(k) per page]>
!rows = !tile.view<?x4x8xf32>
!new = !tile.view<?x2x8xf32>
!pages = !tile.view<?x4x?xf32>
!list = !tile.view<?x4x?xi32>

// CHECK-LABEL: tile.program @cache_ops
tile.program @cache_ops(
    %q: !rows {tile.dims = "rows h d", tile.name = "q"},
    %k: !new {tile.dims = "rows h d", tile.name = "k"},
    // CHECK: !kv.cache<{{.*}}> {tile.name = "c"}
    %c: !cache {tile.name = "c"},
    %t: !tile.view<?x4x2xf32> {tile.dims = "p x y", tile.name = "t"}) {
  // CHECK: tile.segment %{{.+}}[1] : !kv.cache<{{.*}}> -> <?x2x4x8xf32, #kv.int8<per tok>>, <?x2x4x8xf32, #kv.int8<per tok>>, <?xi32>, <?x8xi64>
  %kv:4 = tile.segment %c[1] : !cache -> <?x2x4x8xf32, #kv.int8<per tok>>, <?x2x4x8xf32, #kv.int8<per tok>>, <?xi32>, <?x8xi64>
  // CHECK: tile.kept %{{.+}} "m" : !kv.cache<{{.*}}> -> <?x2x2x8xf32>
  %m = tile.kept %c "m" : !cache -> <?x2x2x8xf32>
  // CHECK: tile.inputs %{{.+}} : !kv.cache<{{.*}}> -> <?x2x8xf32>, <?x2x8xf32>
  %n:2 = tile.inputs %c : !cache -> !new, !new
  %scores = tile.buffer "scores" [#tile.extent<"rows">, #tile.extent<4>, #tile.extent<"sk", div = 4>] : !pages
  %list = tile.buffer "list" [#tile.extent<"rows">, #tile.extent<4>, #tile.extent<"sk", div = 4>] : !list
  %count = tile.buffer "count" [#tile.extent<"rows">, #tile.extent<4>] : !tile.view<?x4xi32>
  // CHECK: tile.table batch_tree %{{.+}} : !kv.cache<{{.*}}> -> <?x4xi32>
  %tree = tile.table batch_tree %c : !cache -> !tile.view<?x4xi32>
  // CHECK: tile.table boundaries %{{.+}} : !tile.view<?x4xi32> -> <?x4xi32>
  %bounds = tile.table boundaries %tree : !tile.view<?x4xi32> -> !tile.view<?x4xi32>
  // CHECK: tile.stage @append launch("append") space(append) {{.*}} service schedule
  tile.stage @append launch("append") space(append) rows(<group = 1, kv_group = 1, heads = 2>) service schedule(<"append", lanes = 0, reg = 1, keys = 1, rows = 16, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    // CHECK: tile.append %{{.+}}, %{{.+}}, %{{.+}} : <?x2x8xf32>, <?x2x8xf32>, !kv.cache
    tile.append %n#0, %n#1, %c : !new, !new, !cache
  }
  // CHECK: tile.stage @pages launch("pages") space(pages)
  tile.stage @pages launch("pages") space(pages) rows(<group = 1, kv_group = 1, heads = 2>) schedule(<"pages", lanes = 0, reg = 1, keys = 1, rows = 1, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    // CHECK: tile.refresh %{{.+}} : !kv.cache
    tile.refresh %c : !cache
  }
  // CHECK: tile.stage @moves launch("moves") space(moves)
  tile.stage @moves launch("moves") space(moves) rows(<group = 1, kv_group = 1, heads = 2>) service schedule(<"moves", lanes = 0, reg = 1, keys = 1, rows = 1, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    // CHECK: tile.moves %{{.+}} : !kv.cache
    tile.moves %c : !cache
  }
  tile.stage @score launch("score") space(stream) rows(<group = 1, kv_group = 2, heads = 4>) grid([#tile.extent<"b">]) schedule(<"page_score", lanes = 0, reg = 1, keys = 4, rows = 16, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    // CHECK: tile.page_score %{{.+}}, %{{.+}}, %{{.+}}[{{.*}}] segment(%{{.+}}, %{{.+}} : <?x8xi64>, <?xi32>) scale(2.500000e-01) page_tokens(4) dims("rows", "sk") : <?x4x8xf32>, <?x2x2x8xf32>, <?x4x?xf32>
    tile.page_score %q, %m, %scores[%b, %h, %r] segment(%kv#3, %kv#2 : !tile.view<?x8xi64>, !tile.view<?xi32>) scale(0.25) page_tokens(4) dims("rows", "sk") : !rows, <?x2x2x8xf32>, !pages
    // CHECK: tile.normalize {{.*}} segment(%{{.+}} : !tile.view<?x8xi64>) keys("sk") dim("rows")
    tile.normalize %scores, %scores[%b, %h, %r] segment(%kv#3 : !tile.view<?x8xi64>) keys("sk") dim("rows") : !pages, !pages
    // CHECK: tile.choose {{.*}} segment(%{{.+}} : !tile.view<?x8xi64>) keys("sk") top_k(4)
    tile.choose %scores, %list, %count[%b, %h, %r] segment(%kv#3 : !tile.view<?x8xi64>) keys("sk") top_k(4) query_block(1) unit(4) dim("rows") : !pages, !list, !tile.view<?x4xi32>
    // CHECK: tile.rotate %{{.+}} by %{{.+}} position(token) channels(halves) : <16x8xf32>, <?x4x2xf32> -> <16x8xf32>
    %x = tile.load %q[%b, %h, %r] : !rows -> <16x8xf32>
    %y = tile.rotate %x by %t position(token) channels(halves) : <16x8xf32>, <?x4x2xf32> -> <16x8xf32>
    // CHECK: tile.rotate {{.*}} channels(pairs) tree(%{{.+}} : !tile.view<?x4xi32>) : <16x8xf32>
    %z = tile.rotate %x by %t position(token) channels(pairs) tree(%tree : !tile.view<?x4xi32>) : <16x8xf32>, <?x4x2xf32> -> <16x8xf32>
  }
}

// Sinks, factors, and regions on probabilities.
// CHECK-LABEL: tile.program @probabilities
tile.program @probabilities(
    %q: !q {tile.dims = "b h sq d", tile.name = "q"},
    %k: !q {tile.dims = "b h sk d", tile.name = "k"},
    %s: !tile.view<4xf32> {tile.dims = "_", tile.name = "s"},
    %o: !q {tile.dims = "b _ sq _", tile.name = "o", tile.result}) {
  tile.stage @attend launch("attend") space(stream) rows(<group = 1, kv_group = 1, heads = 4>) schedule(<"decode", lanes = 8, reg = 8, keys = 8, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    %t = tile.load %q[%b, %h, %r] : !q -> !tile.coded<8x8xf32>
    %runs = tile.runs clip [%k0, %k1] dims("sq", "sk")
    %i = tile.init : !tile.state<8x8>
    %last = tile.stream %runs from(%k, %k : !q, !q) keys(8) levels [1] init(%i : !tile.state<8x8>) -> !tile.state<8x8> {
    ^bb1(%block: !tile.block, %kt: !tile.coded<8x8xf32>, %vt: !tile.coded<8x8xf32>, %state: !tile.state<8x8>):
      %x = tile.dot %t, %kt scale(0.25) : !tile.coded<8x8xf32>, !tile.coded<8x8xf32> -> tensor<8x8xf32>
      // CHECK: tile.attend {{.*}} prob(shares) {
      // CHECK: tile.yield %{{.*}} : f32
      %next = tile.attend %state, %x, %vt : !tile.state<8x8>, tensor<8x8xf32>, !tile.coded<8x8xf32> prob(shares) {
      ^bb2(%p: f32, %pb: index, %ph: index, %pq: index, %pk: index, %po: index, %pl: index):
        %pp = arith.mulf %p, %p : f32
        tile.yield %pp : f32
      }
      tile.yield %next : !tile.state<8x8>
    }
    // CHECK: tile.sink %{{.*}} by %{{.*}} : <8x8>, <4xf32>
    %sunk = tile.sink %last by %s : !tile.state<8x8>, !tile.view<4xf32>
    // CHECK: tile.finish %{{.*}} factor(5.000000e-01) :
    %fo, %lse = tile.finish %sunk factor(0.5) : !tile.state<8x8> -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] : tensor<8x8xf32>, !q
  }
}

// CHECK-LABEL: @search
func.func @search(%t: memref<?xi32>, %rows: !tile.view<?x?xi32>, %q: index, %b: index) {
  // CHECK: %{{.+}}, %[[B:.+]], %{{.+}} = tile.search %{{.+}} in %{{.+}} : memref<?xi32>
  %i, %begin, %end = tile.search %q in %t : memref<?xi32>
  // CHECK: tile.search %[[B]] in %{{.+}}[%{{.+}}] : !tile.view<?x?xi32>
  %j, %begin1, %end1 = tile.search %begin in %rows[%b] : !tile.view<?x?xi32>
  return
}
