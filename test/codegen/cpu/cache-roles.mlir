// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics --lower-stages=target=x86-64-v3
// Streams over a cache are a chain over its segments: what breaks it is refused
// at the op that is wrong.

// The second stream forgets the first.
!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [first(4) : f32, older : f32]>
!q = !tile.view<?x2x8xf32>
!k = !tile.view<?x2x4x8xf32>
!t = !tile.coded<8x8xf32>
!s = !tile.state<8x8>
tile.program @state(
    %q: !q {tile.dims = "rows h d", tile.name = "q"},
    %c: !c {tile.name = "c"}, %d: !c {tile.name = "d"},
    %w: !tile.view<?x4x2xf32> {tile.dims = "p x y", tile.name = "w"},
    %o: !q {tile.dims = "rows _ _", tile.name = "o", tile.result}) {
  %k0, %v0, %p0, %r0 = tile.segment %c[0] : !c -> !k, !k, <?xi32>, <?x8xi64>
  %k1, %v1, %p1, %r1 = tile.segment %c[1] : !c -> !k, !k, <?xi32>, <?x8xi64>
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) grid([#tile.extent<"b">]) schedule(<"decode", lanes = 8, reg = 8, keys = 8, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %lo: index, %hi: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !t
    %init = tile.init : !s
    %x0 = tile.runs segment(%r0 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    %s0 = tile.stream %x0 from(%k0, %v0 : !k, !k) pages(%p0 : !tile.view<?xi32>) keys(8) levels [1] init(%init : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %x1 = tile.runs segment(%r1 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    // expected-error@+1 {{expected it to start from the state of the stream before}}
    %s1 = tile.stream %x1 from(%k1, %v1 : !k, !k) pages(%p1 : !tile.view<?xi32>) keys(8) levels [1] init(%init : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %fo, %lse = tile.finish %s1 : !s -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}

// -----

// Two caches are two attentions.
!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [first(4) : f32, older : f32]>
!q = !tile.view<?x2x8xf32>
!k = !tile.view<?x2x4x8xf32>
!t = !tile.coded<8x8xf32>
!s = !tile.state<8x8>
tile.program @caches(
    %q: !q {tile.dims = "rows h d", tile.name = "q"},
    %c: !c {tile.name = "c"}, %d: !c {tile.name = "d"},
    %w: !tile.view<?x4x2xf32> {tile.dims = "p x y", tile.name = "w"},
    %o: !q {tile.dims = "rows _ _", tile.name = "o", tile.result}) {
  %k0, %v0, %p0, %r0 = tile.segment %c[0] : !c -> !k, !k, <?xi32>, <?x8xi64>
  %k1, %v1, %p1, %r1 = tile.segment %d[1] : !c -> !k, !k, <?xi32>, <?x8xi64>
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) grid([#tile.extent<"b">]) schedule(<"decode", lanes = 8, reg = 8, keys = 8, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %lo: index, %hi: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !t
    %init = tile.init : !s
    %x0 = tile.runs segment(%r0 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    %s0 = tile.stream %x0 from(%k0, %v0 : !k, !k) pages(%p0 : !tile.view<?xi32>) keys(8) levels [1] init(%init : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %x1 = tile.runs segment(%r1 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    // expected-error@+1 {{expected a chain over the segments of one cache, in order}}
    %s1 = tile.stream %x1 from(%k1, %v1 : !k, !k) pages(%p1 : !tile.view<?xi32>) keys(8) levels [1] init(%s0 : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %fo, %lse = tile.finish %s1 : !s -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}

// -----

// Segments come in token order, each once.
!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [first(4) : f32, older : f32]>
!q = !tile.view<?x2x8xf32>
!k = !tile.view<?x2x4x8xf32>
!t = !tile.coded<8x8xf32>
!s = !tile.state<8x8>
tile.program @order(
    %q: !q {tile.dims = "rows h d", tile.name = "q"},
    %c: !c {tile.name = "c"}, %d: !c {tile.name = "d"},
    %w: !tile.view<?x4x2xf32> {tile.dims = "p x y", tile.name = "w"},
    %o: !q {tile.dims = "rows _ _", tile.name = "o", tile.result}) {
  %k0, %v0, %p0, %r0 = tile.segment %c[0] : !c -> !k, !k, <?xi32>, <?x8xi64>
  %k1, %v1, %p1, %r1 = tile.segment %c[0] : !c -> !k, !k, <?xi32>, <?x8xi64>
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) grid([#tile.extent<"b">]) schedule(<"decode", lanes = 8, reg = 8, keys = 8, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %lo: index, %hi: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !t
    %init = tile.init : !s
    %x0 = tile.runs segment(%r0 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    %s0 = tile.stream %x0 from(%k0, %v0 : !k, !k) pages(%p0 : !tile.view<?xi32>) keys(8) levels [1] init(%init : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %x1 = tile.runs segment(%r1 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    // expected-error@+1 {{expected a chain over the segments of one cache, in order}}
    %s1 = tile.stream %x1 from(%k1, %v1 : !k, !k) pages(%p1 : !tile.view<?xi32>) keys(8) levels [1] init(%s0 : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %fo, %lse = tile.finish %s1 : !s -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}

// -----

// The table is that of the keys.
!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [first(4) : f32, older : f32]>
!q = !tile.view<?x2x8xf32>
!k = !tile.view<?x2x4x8xf32>
!t = !tile.coded<8x8xf32>
!s = !tile.state<8x8>
tile.program @pages(
    %q: !q {tile.dims = "rows h d", tile.name = "q"},
    %c: !c {tile.name = "c"}, %d: !c {tile.name = "d"},
    %w: !tile.view<?x4x2xf32> {tile.dims = "p x y", tile.name = "w"},
    %o: !q {tile.dims = "rows _ _", tile.name = "o", tile.result}) {
  %k0, %v0, %p0, %r0 = tile.segment %c[0] : !c -> !k, !k, <?xi32>, <?x8xi64>
  %k1, %v1, %p1, %r1 = tile.segment %c[1] : !c -> !k, !k, <?xi32>, <?x8xi64>
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) grid([#tile.extent<"b">]) schedule(<"decode", lanes = 8, reg = 8, keys = 8, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %lo: index, %hi: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !t
    %init = tile.init : !s
    %x0 = tile.runs segment(%r0 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    %s0 = tile.stream %x0 from(%k0, %v0 : !k, !k) pages(%p0 : !tile.view<?xi32>) keys(8) levels [1] init(%init : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %x1 = tile.runs segment(%r1 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    // expected-error@+1 {{expected sources, pages and the ranges of its runs to be those of one segment}}
    %s1 = tile.stream %x1 from(%k1, %v1 : !k, !k) pages(%p0 : !tile.view<?xi32>) keys(8) levels [1] init(%s0 : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %fo, %lse = tile.finish %s1 : !s -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}

// -----

// So are the ranges.
!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [first(4) : f32, older : f32]>
!q = !tile.view<?x2x8xf32>
!k = !tile.view<?x2x4x8xf32>
!t = !tile.coded<8x8xf32>
!s = !tile.state<8x8>
tile.program @ranges(
    %q: !q {tile.dims = "rows h d", tile.name = "q"},
    %c: !c {tile.name = "c"}, %d: !c {tile.name = "d"},
    %w: !tile.view<?x4x2xf32> {tile.dims = "p x y", tile.name = "w"},
    %o: !q {tile.dims = "rows _ _", tile.name = "o", tile.result}) {
  %k0, %v0, %p0, %r0 = tile.segment %c[0] : !c -> !k, !k, <?xi32>, <?x8xi64>
  %k1, %v1, %p1, %r1 = tile.segment %c[1] : !c -> !k, !k, <?xi32>, <?x8xi64>
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) grid([#tile.extent<"b">]) schedule(<"decode", lanes = 8, reg = 8, keys = 8, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %lo: index, %hi: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !t
    %init = tile.init : !s
    %x0 = tile.runs segment(%r0 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    %s0 = tile.stream %x0 from(%k0, %v0 : !k, !k) pages(%p0 : !tile.view<?xi32>) keys(8) levels [1] init(%init : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %x1 = tile.runs segment(%r0 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    // expected-error@+1 {{expected sources, pages and the ranges of its runs to be those of one segment}}
    %s1 = tile.stream %x1 from(%k1, %v1 : !k, !k) pages(%p1 : !tile.view<?xi32>) keys(8) levels [1] init(%s0 : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %fo, %lse = tile.finish %s1 : !s -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}

// -----

// A plain stream has no place in a chain.
!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [first(4) : f32, older : f32]>
!q = !tile.view<?x2x8xf32>
!k = !tile.view<?x2x4x8xf32>
!t = !tile.coded<8x8xf32>
!s = !tile.state<8x8>
tile.program @plain(
    %q: !q {tile.dims = "rows h d", tile.name = "q"},
    %c: !c {tile.name = "c"}, %d: !c {tile.name = "d"},
    %w: !tile.view<?x4x2xf32> {tile.dims = "p x y", tile.name = "w"},
    %o: !q {tile.dims = "rows _ _", tile.name = "o", tile.result}) {
  %k0, %v0, %p0, %r0 = tile.segment %c[0] : !c -> !k, !k, <?xi32>, <?x8xi64>
  %k1, %v1, %p1, %r1 = tile.segment %c[1] : !c -> !k, !k, <?xi32>, <?x8xi64>
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) grid([#tile.extent<"b">]) schedule(<"decode", lanes = 8, reg = 8, keys = 8, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %lo: index, %hi: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !t
    %init = tile.init : !s
    %x0 = tile.runs segment(%r0 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    %s0 = tile.stream %x0 from(%k0, %v0 : !k, !k) pages(%p0 : !tile.view<?xi32>) keys(8) levels [1] init(%init : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %x1 = tile.runs  clip [%lo, %hi] dims("rows", "sk")
    // expected-error@+1 {{expected one per stage, got a second}}
    %s1 = tile.stream %x1 from(%k1, %v1 : !k, !k)  keys(8) levels [1] init(%s0 : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %fo, %lse = tile.finish %s1 : !s -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}

// -----

// All parts have one scale.
!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [first(4) : f32, older : f32]>
!q = !tile.view<?x2x8xf32>
!k = !tile.view<?x2x4x8xf32>
!t = !tile.coded<8x8xf32>
!s = !tile.state<8x8>
tile.program @scale(
    %q: !q {tile.dims = "rows h d", tile.name = "q"},
    %c: !c {tile.name = "c"}, %d: !c {tile.name = "d"},
    %w: !tile.view<?x4x2xf32> {tile.dims = "p x y", tile.name = "w"},
    %o: !q {tile.dims = "rows _ _", tile.name = "o", tile.result}) {
  %k0, %v0, %p0, %r0 = tile.segment %c[0] : !c -> !k, !k, <?xi32>, <?x8xi64>
  %k1, %v1, %p1, %r1 = tile.segment %c[1] : !c -> !k, !k, <?xi32>, <?x8xi64>
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) grid([#tile.extent<"b">]) schedule(<"decode", lanes = 8, reg = 8, keys = 8, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %lo: index, %hi: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !t
    %init = tile.init : !s
    %x0 = tile.runs segment(%r0 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    %s0 = tile.stream %x0 from(%k0, %v0 : !k, !k) pages(%p0 : !tile.view<?xi32>) keys(8) levels [1] init(%init : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %x1 = tile.runs segment(%r1 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    // expected-error@+1 {{expected the streams of a chain to have the same dot, maps and mask}}
    %s1 = tile.stream %x1 from(%k1, %v1 : !k, !k) pages(%p1 : !tile.view<?xi32>) keys(8) levels [1] init(%s0 : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.5) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %fo, %lse = tile.finish %s1 : !s -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}

// -----

// And one mask.
!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [first(4) : f32, older : f32]>
!q = !tile.view<?x2x8xf32>
!k = !tile.view<?x2x4x8xf32>
!t = !tile.coded<8x8xf32>
!s = !tile.state<8x8>
tile.program @mask(
    %q: !q {tile.dims = "rows h d", tile.name = "q"},
    %c: !c {tile.name = "c"}, %d: !c {tile.name = "d"},
    %w: !tile.view<?x4x2xf32> {tile.dims = "p x y", tile.name = "w"},
    %o: !q {tile.dims = "rows _ _", tile.name = "o", tile.result}) {
  %k0, %v0, %p0, %r0 = tile.segment %c[0] : !c -> !k, !k, <?xi32>, <?x8xi64>
  %k1, %v1, %p1, %r1 = tile.segment %c[1] : !c -> !k, !k, <?xi32>, <?x8xi64>
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) grid([#tile.extent<"b">]) schedule(<"decode", lanes = 8, reg = 8, keys = 8, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %lo: index, %hi: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !t
    %init = tile.init : !s
    %x0 = tile.runs segment(%r0 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    %s0 = tile.stream %x0 from(%k0, %v0 : !k, !k) pages(%p0 : !tile.view<?xi32>) keys(8) levels [1] init(%init : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %x1 = tile.runs segment(%r1 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    // expected-error@+1 {{expected the streams of a chain to have the same dot, maps and mask}}
    %s1 = tile.stream %x1 from(%k1, %v1 : !k, !k) pages(%p1 : !tile.view<?xi32>) keys(8) levels [1] init(%s0 : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %m = tile.map %dot at %block on(partial) : tensor<8x8xf32> {
      ^bb2(%sc: f32, %mb: index, %mh: index, %mq: index, %mk: index, %mo: index, %ml: index):
        %keep = arith.cmpi sle, %mk, %mq : index
        tile.yield %keep : i1
      }
      %n = tile.attend %a, %m, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %fo, %lse = tile.finish %s1 : !s -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}

// -----

// Queries and keys turn together.
!c = !kv.cache<heads = 2, dim = 8, layout = paged<4>, segments = [first(4) : f32, older : f32]>
!q = !tile.view<?x2x8xf32>
!k = !tile.view<?x2x4x8xf32>
!t = !tile.coded<8x8xf32>
!s = !tile.state<8x8>
tile.program @rotation(
    %q: !q {tile.dims = "rows h d", tile.name = "q"},
    %c: !c {tile.name = "c"}, %d: !c {tile.name = "d"},
    %w: !tile.view<?x4x2xf32> {tile.dims = "p x y", tile.name = "w"},
    %o: !q {tile.dims = "rows _ _", tile.name = "o", tile.result}) {
  %k0, %v0, %p0, %r0 = tile.segment %c[0] : !c -> !k, !k, <?xi32>, <?x8xi64>
  %k1, %v1, %p1, %r1 = tile.segment %c[1] : !c -> !k, !k, <?xi32>, <?x8xi64>
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 2>) grid([#tile.extent<"b">]) schedule(<"decode", lanes = 8, reg = 8, keys = 8, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %lo: index, %hi: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !t
    %init = tile.init : !s
    %x0 = tile.runs segment(%r0 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    %s0 = tile.stream %x0 from(%k0, %v0 : !k, !k) pages(%p0 : !tile.view<?xi32>) keys(8) levels [1] init(%init : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %dot = tile.dot %qt, %kt scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %x1 = tile.runs segment(%r1 : !tile.view<?x8xi64>) clip [%lo, %hi] dims("rows", "sk")
    %s1 = tile.stream %x1 from(%k1, %v1 : !k, !k) pages(%p1 : !tile.view<?xi32>) keys(8) levels [1] init(%s0 : !s) -> !s {
    ^bb1(%block: !tile.block, %kt: !t, %vt: !t, %a: !s):
      %kr = tile.rotate %kt by %w position(token) channels(halves) at %block : !t, <?x4x2xf32> -> !t
      // expected-error@+1 {{expected its rows and keys to be rotated alike}}
      %dot = tile.dot %qt, %kr scale(0.25) : !t, !t -> tensor<8x8xf32>
      %n = tile.attend %a, %dot, %vt : !s, tensor<8x8xf32>, !t
      tile.yield %n : !s
    }
    %fo, %lse = tile.finish %s1 : !s -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}
