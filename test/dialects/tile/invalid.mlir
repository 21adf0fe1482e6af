// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics
// Each program breaks one rule of the tile dialect.

// Arguments are views or scalars.
// expected-error@+1 {{expected argument 0 to be a view, a scalar or a cache, got 'tensor<4xf32>'}}
tile.program @argument(%a: tensor<4xf32> {tile.name = "a"}) {
}

// -----

// Every argument has a name.
// expected-error@+1 {{expected argument 0 to carry tile.name}}
tile.program @name(%a: !tile.view<4xf32>) {
}

// -----

// An extent per dim.
tile.program @extents() {
  // expected-error@+1 {{expected as many extents as dims, got 1 and 2}}
  %w = tile.buffer "w" [#tile.extent<4>] : !tile.view<4x8xf32>
}

// -----

// Static extents are those of the type.
tile.program @static_extent() {
  // expected-error@+1 {{expected extent to agree with dim, got #tile.extent<5>}}
  %w = tile.buffer "w" [#tile.extent<5>] : !tile.view<4xf32>
}

// -----

// A grid has three extents.
tile.program @grid() {
  // expected-error@+1 {{expected a grid stage to have 3 extents}}
  tile.stage @s launch("s") space(grid) rows(<group = 1, kv_group = 1, heads = 1>) schedule(<"grid", lanes = 0, reg = 1, keys = 1, rows = 1, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
  }
}

// -----

// A combine merges the slots of a launch.
tile.program @combine() {
  // expected-error@+1 {{expected a combine stage to say which launch it is of}}
  tile.stage @s launch("s") space(combine) rows(<group = 1, kv_group = 1, heads = 1>) schedule(<"combine", lanes = 0, reg = 1, keys = 1, rows = 1, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
  }
}

// -----

// The packed heads divide those of a KV head.
tile.program @group() {
  // expected-error@+1 {{expected group to divide kv_group, got 3 and 4}}
  tile.stage @s launch("s") space(stream) rows(<group = 3, kv_group = 4, heads = 1>) schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
  }
}

// -----

// A stage's region takes the six coordinates of an item.
tile.program @coordinates() {
  // expected-error@+1 {{expected the region to take b, head, row, k0, k1 and slot of type index, got 1 arguments}}
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 1>) schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index):
  }
}

// -----

// Moves are no phase of a run.
tile.program @moves() {
  // expected-error@+1 {{expected a stage of moves to be a service}}
  tile.stage @s launch("s") space(moves) rows(<group = 1, kv_group = 1, heads = 1>) schedule(<"moves", lanes = 0, reg = 1, keys = 1, rows = 1, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
  }
}

// -----

// Only stages that write a cache are services.
tile.program @service() {
  // expected-error@+1 {{expected a service to write a cache, got space stream}}
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 1>) service schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
  }
}

// -----

!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [all : f32]>
tile.program @segment(%c: !c {tile.name = "c"}) {
  // expected-error@+1 {{expected a segment below 1, got 1}}
  %k, %v, %p, %r = tile.segment %c[1] : !c -> <?x2x4x8xf32>, <?x2x4x8xf32>, <?xi32>, <?x8xi64>
}

// -----

!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [all : f32]>
tile.program @segment_view(%c: !c {tile.name = "c"}) {
  // expected-error@+1 {{expected values to be '!tile.view<?x2x4x8xf32>', got '!tile.view<?x2x5x8xf32>'}}
  %k, %v, %p, %r = tile.segment %c[0] : !c -> <?x2x4x8xf32>, <?x2x5x8xf32>, <?xi32>, <?x8xi64>
}

// -----

tile.program @no_cache(%n: index {tile.name = "n"}) {
  // expected-error@+1 {{expected a cache that is an argument of the program, got 'index'}}
  %k, %v, %p, %r = tile.segment %n[0] : index -> <?x2x4x8xf32>, <?x2x4x8xf32>, <?xi32>, <?x8xi64>
}

// -----

!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [all : f32], keep = [m = mean(k) per page]>
tile.program @kept(%c: !c {tile.name = "c"}) {
  // expected-error@+1 {{expected the cache to keep 'bounds'}}
  %m = tile.kept %c "bounds" : !c -> <?x2x8xf32>
}

// -----

!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [all : f32], keep = [m = mean(k) per page]>
tile.program @kept_view(%c: !c {tile.name = "c"}) {
  // expected-error@+1 {{expected the view to be '!tile.view<?x2x8xf32>', got '!tile.view<?x2x2x8xf32>'}}
  %m = tile.kept %c "m" : !c -> <?x2x2x8xf32>
}

// -----

!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [all : f32]>
tile.program @inputs(%c: !c {tile.name = "c"}) {
  // expected-error@+1 {{expected values to be rows of 2 heads of 8 x 'f32', got '!tile.view<?x2x8xf16>'}}
  %k, %v = tile.inputs %c : !c -> <?x2x8xf32>, <?x2x8xf16>
}

// -----

!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [all : f32]>
tile.program @append(%c: !c {tile.name = "c"}, %k: !tile.view<?x2x8xf32> {tile.name = "k"}, %v: !tile.view<?x2x?x8xf32> {tile.name = "v"}) {
  tile.stage @s launch("s") space(append) rows(<group = 1, kv_group = 1, heads = 2>) schedule(<"append", lanes = 0, reg = 1, keys = 1, rows = 16, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    // expected-error@+1 {{expected keys and values of one rank}}
    tile.append %k, %v, %c : <?x2x8xf32>, <?x2x?x8xf32>, !c
  }
}

// -----

!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [all : f32]>
tile.program @refresh(%c: !c {tile.name = "c"}) {
  tile.stage @s launch("s") space(pages) rows(<group = 1, kv_group = 1, heads = 2>) schedule(<"pages", lanes = 0, reg = 1, keys = 1, rows = 1, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    // expected-error@+1 {{expected a cache that keeps something of its pages}}
    tile.refresh %c : !c
  }
}

// -----

!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [all : f32]>
tile.program @no_moves(%c: !c {tile.name = "c"}) {
  tile.stage @s launch("s") space(moves) rows(<group = 1, kv_group = 1, heads = 2>) service schedule(<"moves", lanes = 0, reg = 1, keys = 1, rows = 1, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    // expected-error@+1 {{expected a cache with a segment for new rows}}
    tile.moves %c : !c
  }
}

// -----

tile.program @rotate(%q: !tile.view<?x2x8xf32> {tile.name = "q"}, %t: !tile.view<?x3x2xf32> {tile.name = "t"}) {
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    %x = tile.load %q[%b, %h, %r] : <?x2x8xf32> -> <8x8xf32>
    // expected-error@+1 {{expected a table of position x 4 x 2 x f32, got '!tile.view<?x3x2xf32>'}}
    %y = tile.rotate %x by %t position(token) channels(halves) : <8x8xf32>, <?x3x2xf32> -> <8x8xf32>
  }
}

// -----

tile.program @rotate_result(%q: !tile.view<?x2x8xf16> {tile.name = "q"}, %t: !tile.view<?x4x2xf32> {tile.name = "t"}) {
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    %x = tile.load %q[%b, %h, %r] : <?x2x8xf16> -> <8x8xf16>
    // expected-error@+1 {{expected the result to be '!tile.coded<8x8xf32>', got '!tile.coded<8x8xf16>'}}
    %y = tile.rotate %x by %t position(token) channels(halves) : <8x8xf16>, <?x4x2xf32> -> <8x8xf16>
  }
}

// -----

tile.program @summary_pairs(%t: !tile.view<?xi32> {tile.name = "t"}) {
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    // expected-error@+1 {{expected summaries to be pairs of an operand and an axis, got 3 numbers}}
    %x = tile.runs closed(@m, %t : !tile.view<?xi32>) summaries [0, 0, 1] clip[%k0, %k1] dims("sq", "sk")
  }
}

// -----

tile.program @summary_axis(%t: !tile.view<?xi32> {tile.name = "t"}) {
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    // expected-error@+1 {{expected a summary to be of an axis of a view among the 1 operands, got axis 1 of operand 0}}
    %x = tile.runs closed(@m, %t : !tile.view<?xi32>) summaries [0, 1] clip[%k0, %k1] dims("sq", "sk")
  }
}

// -----

tile.program @sink(%s: !tile.view<4xf16> {tile.name = "s"}) {
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 4>) schedule(<"decode", lanes = 8, reg = 8, keys = 8, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    %i = tile.init : <8x8>
    // expected-error@+1 {{expected the logits to be a view of f32 by head, got '!tile.view<4xf16>'}}
    %t = tile.sink %i by %s : <8x8>, <4xf16>
  }
}

// -----

tile.program @prob(%w: !tile.view<?x4x?x8xf32> {tile.name = "w"}) {
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 4>) schedule(<"decode", lanes = 8, reg = 8, keys = 8, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    %i = tile.init : <8x8>
    %x = arith.constant dense<0.0> : tensor<8x8xf32>
    %v = tile.load %w[%b, %h, %r] : <?x4x?x8xf32> -> <8x8xf32>
    // expected-error@+1 {{expected the region to take s: f32 and b, h, q, k, offset and len: index, got 1 arguments}}
    %t = tile.attend %i, %x, %v : <8x8>, tensor<8x8xf32>, <8x8xf32> prob(weights) {
    ^bb1(%p: f32):
      tile.yield %p : f32
    }
  }
}

// -----

tile.program @lineage_source(%p: !tile.view<?xi64> {tile.name = "p"}) {
  // expected-error@+1 {{expected a source that 'lineage' is made of, got '!tile.view<?xi64>'}}
  %t = tile.table lineage %p : !tile.view<?xi64> -> !tile.view<?xi32>
}

// -----

tile.program @tree_source(%p: !tile.view<?xi32> {tile.name = "p"}) {
  // expected-error@+1 {{expected a source that 'batch_tree' is made of, got '!tile.view<?xi32>'}}
  %t = tile.table batch_tree %p : !tile.view<?xi32> -> !tile.view<?x4xi32>
}

// -----

tile.program @table_view(%p: !tile.view<?x?xi32> {tile.name = "p"}) {
  // expected-error@+1 {{expected the view to be '!tile.view<?x?xi8>', got '!tile.view<?x?xi32>'}}
  %t = tile.table lineage_size %p : !tile.view<?x?xi32> -> !tile.view<?x?xi32>
}

// -----

tile.program @boundaries_view(%p: !tile.view<?x?xi32> {tile.name = "p"}) {
  // expected-error@+1 {{expected the view to be '!tile.view<?x?xi32>', got '!tile.view<?x?x2xi32>'}}
  %t = tile.table boundaries %p : !tile.view<?x?xi32> -> !tile.view<?x?x2xi32>
}

// -----

func.func @search_row(%t: memref<?x?xi32>, %q: index) {
  // expected-error@+1 {{expected a table of i32 of rank 1, or of rank 2 at a row, got 'memref<?x?xi32>' without a row}}
  %i, %begin, %end = tile.search %q in %t : memref<?x?xi32>
  return
}

// -----

func.func @search_type(%t: memref<?xi64>, %q: index) {
  // expected-error@+1 {{expected a table of i32 of rank 1, or of rank 2 at a row, got 'memref<?xi64>' without a row}}
  %i, %begin, %end = tile.search %q in %t : memref<?xi64>
  return
}
