// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics
// Each program breaks one rule of the tile dialect.

// Arguments are views or scalars.
// expected-error@+1 {{expected argument 0 to be a view or a scalar, got 'tensor<4xf32>'}}
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
