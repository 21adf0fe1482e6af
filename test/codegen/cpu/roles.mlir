// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics --lower-stages=target=x86-64-v3
// A stream that lacks a role is refused by the back end, at the op that is
// wrong: the tile level is not bypassed.

!q = !tile.view<?x4x?x8xf32>
tile.program @no_dot(
    %q: !q {tile.dims = "b h sq d", tile.name = "q"},
    %k: !q {tile.dims = "b h sk d", tile.name = "k"},
    %o: !q {tile.dims = "b _ sq _", tile.name = "o", tile.result}) {
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 4>) schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !tile.coded<8x8xf32>
    %runs = tile.runs clip [%k0, %k1] dims("sq", "sk")
    %init = tile.init : !tile.state<8x8>
    // expected-error@+1 {{expected the normal form dot -> map* -> attend | store, got no dot}}
    %st = tile.stream %runs from(%k, %k : !q, !q) keys(32) levels [1] init(%init : !tile.state<8x8>) -> !tile.state<8x8> {
    ^bb1(%block: !tile.block, %kt: !tile.coded<32x8xf32>, %vt: !tile.coded<32x8xf32>, %a: !tile.state<8x8>):
      tile.yield %a : !tile.state<8x8>
    }
    %fo, %lse = tile.finish %st : !tile.state<8x8> -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}

// -----

!q = !tile.view<?x4x?x8xf32>
tile.program @no_attend(
    %q: !q {tile.dims = "b h sq d", tile.name = "q"},
    %k: !q {tile.dims = "b h sk d", tile.name = "k"},
    %o: !q {tile.dims = "b _ sq _", tile.name = "o", tile.result}) {
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 4>) schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !tile.coded<8x8xf32>
    %runs = tile.runs clip [%k0, %k1] dims("sq", "sk")
    %init = tile.init : !tile.state<8x8>
    // expected-error@+1 {{got neither attend nor store}}
    %st = tile.stream %runs from(%k, %k : !q, !q) keys(32) levels [1] init(%init : !tile.state<8x8>) -> !tile.state<8x8> {
    ^bb1(%block: !tile.block, %kt: !tile.coded<32x8xf32>, %vt: !tile.coded<32x8xf32>, %a: !tile.state<8x8>):
      %s = tile.dot %qt, %kt scale(0.25) : !tile.coded<8x8xf32>, !tile.coded<32x8xf32> -> tensor<8x32xf32>
      tile.yield %a : !tile.state<8x8>
    }
    %fo, %lse = tile.finish %st : !tile.state<8x8> -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}

// -----

!q = !tile.view<?x4x?x8xf32>
tile.program @no_finish(
    %q: !q {tile.dims = "b h sq d", tile.name = "q"},
    %k: !q {tile.dims = "b h sk d", tile.name = "k"},
    %o: !q {tile.dims = "b _ sq _", tile.name = "o", tile.result}) {
  // expected-error@+1 {{expected the state to be finished or unpacked, got neither}}
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 4>) schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !tile.coded<8x8xf32>
    %runs = tile.runs clip [%k0, %k1] dims("sq", "sk")
    %init = tile.init : !tile.state<8x8>
    %st = tile.stream %runs from(%k, %k : !q, !q) keys(32) levels [1] init(%init : !tile.state<8x8>) -> !tile.state<8x8> {
    ^bb1(%block: !tile.block, %kt: !tile.coded<32x8xf32>, %vt: !tile.coded<32x8xf32>, %a: !tile.state<8x8>):
      %s = tile.dot %qt, %kt scale(0.25) : !tile.coded<8x8xf32>, !tile.coded<32x8xf32> -> tensor<8x32xf32>
      %n = tile.attend %a, %s, %vt : !tile.state<8x8>, tensor<8x32xf32>, !tile.coded<32x8xf32>
      tile.yield %n : !tile.state<8x8>
    }
  }
}

// -----

!q = !tile.view<?x4x?x8xf32>
tile.program @mask_on_all(
    %q: !q {tile.dims = "b h sq d", tile.name = "q"},
    %k: !q {tile.dims = "b h sk d", tile.name = "k"},
    %o: !q {tile.dims = "b _ sq _", tile.name = "o", tile.result}) {
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 4>) schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !tile.coded<8x8xf32>
    %runs = tile.runs clip [%k0, %k1] dims("sq", "sk")
    %init = tile.init : !tile.state<8x8>
    %st = tile.stream %runs from(%k, %k : !q, !q) keys(32) levels [1] init(%init : !tile.state<8x8>) -> !tile.state<8x8> {
    ^bb1(%block: !tile.block, %kt: !tile.coded<32x8xf32>, %vt: !tile.coded<32x8xf32>, %a: !tile.state<8x8>):
      %s = tile.dot %qt, %kt scale(0.25) : !tile.coded<8x8xf32>, !tile.coded<32x8xf32> -> tensor<8x32xf32>
      // expected-error@+1 {{expected a mask to be on(partial) and a score modifier on(all), got on(all)}}
      %m = tile.map %s at %block on(all) : tensor<8x32xf32> {
      ^bb2(%x: f32, %mb: index, %mh: index, %mq: index, %mk: index, %off: index, %len: index):
        %keep = arith.cmpi sle, %mk, %mq : index
        tile.yield %keep : i1
      }
      %n = tile.attend %a, %m, %vt : !tile.state<8x8>, tensor<8x32xf32>, !tile.coded<32x8xf32>
      tile.yield %n : !tile.state<8x8>
    }
    %fo, %lse = tile.finish %st : !tile.state<8x8> -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}

// -----

// A sink that the saved record would hold, too, would count in every split.
!q = !tile.view<?x4x?x8xf32>
!w = !tile.view<?x8xf32>
tile.program @sink_saved(
    %q: !q {tile.dims = "b h sq d", tile.name = "q"},
    %k: !q {tile.dims = "b h sk d", tile.name = "k"},
    %s: !tile.view<4xf32> {tile.dims = "_", tile.name = "s"},
    %o: !q {tile.dims = "b _ sq _", tile.name = "o", tile.result}) {
  %wo = tile.buffer "o" [#tile.extent<"slots" of "s">, #tile.extent<8>, #tile.extent<8>] : !tile.view<?x8x8xf32>
  %wm = tile.buffer "m" [#tile.extent<"slots" of "s">, #tile.extent<8>] : !w
  %wl = tile.buffer "l" [#tile.extent<"slots" of "s">, #tile.extent<8>] : !w
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 4>) schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !tile.coded<8x8xf32>
    %runs = tile.runs clip [%k0, %k1] dims("sq", "sk")
    %init = tile.init : !tile.state<8x8>
    %st = tile.stream %runs from(%k, %k : !q, !q) keys(32) levels [1] init(%init : !tile.state<8x8>) -> !tile.state<8x8> {
    ^bb1(%block: !tile.block, %kt: !tile.coded<32x8xf32>, %vt: !tile.coded<32x8xf32>, %a: !tile.state<8x8>):
      %x = tile.dot %qt, %kt scale(1.0) : !tile.coded<8x8xf32>, !tile.coded<32x8xf32> -> tensor<8x32xf32>
      %n = tile.attend %a, %x, %vt : !tile.state<8x8>, tensor<8x32xf32>, !tile.coded<32x8xf32>
      tile.yield %n : !tile.state<8x8>
    }
    // expected-error@+1 {{expected it between the whole state and its finish or unpack}}
    %sunk = tile.sink %st by %s : !tile.state<8x8>, !tile.view<4xf32>
    tile.save %sunk, %wo, %wm, %wl[%slot] : !tile.state<8x8>, !tile.view<?x8x8xf32>, !w, !w
    %fo, %lse = tile.finish %sunk : !tile.state<8x8> -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}

// -----

// Shares of a part of the keys are no shares.
!q = !tile.view<?x4x?x8xf32>
!w = !tile.view<?x8xf32>
tile.program @shares_split(
    %q: !q {tile.dims = "b h sq d", tile.name = "q"},
    %k: !q {tile.dims = "b h sk d", tile.name = "k"},
    %o: !q {tile.dims = "b _ sq _", tile.name = "o", tile.result}) {
  %wo = tile.buffer "o" [#tile.extent<"slots" of "s">, #tile.extent<8>, #tile.extent<8>] : !tile.view<?x8x8xf32>
  %wm = tile.buffer "m" [#tile.extent<"slots" of "s">, #tile.extent<8>] : !w
  %wl = tile.buffer "l" [#tile.extent<"slots" of "s">, #tile.extent<8>] : !w
  tile.stage @s launch("s") space(stream) rows(<group = 1, kv_group = 1, heads = 4>) schedule(<"decode", lanes = 8, reg = 8, keys = 32, rows = 8, max_rows = -1, prefetch = 0>) {
  ^bb0(%b: index, %h: index, %r: index, %k0: index, %k1: index, %slot: index):
    %qt = tile.load %q[%b, %h, %r] : !q -> !tile.coded<8x8xf32>
    %runs = tile.runs clip [%k0, %k1] dims("sq", "sk")
    %init = tile.init : !tile.state<8x8>
    %st = tile.stream %runs from(%k, %k : !q, !q) keys(32) levels [1] init(%init : !tile.state<8x8>) -> !tile.state<8x8> {
    ^bb1(%block: !tile.block, %kt: !tile.coded<32x8xf32>, %vt: !tile.coded<32x8xf32>, %a: !tile.state<8x8>):
      %x = tile.dot %qt, %kt scale(1.0) : !tile.coded<8x8xf32>, !tile.coded<32x8xf32> -> tensor<8x32xf32>
      %n = tile.attend %a, %x, %vt : !tile.state<8x8>, tensor<8x32xf32>, !tile.coded<32x8xf32> prob(shares) {
      ^bb2(%p: f32, %pb: index, %ph: index, %pq: index, %pk: index, %po: index, %pl: index):
        %pp = arith.mulf %p, %p : f32
        tile.yield %pp : f32
      }
      tile.yield %n : !tile.state<8x8>
    }
    // expected-error@+1 {{expected an item that walks its keys twice not to be split}}
    tile.save %st, %wo, %wm, %wl[%slot] : !tile.state<8x8>, !tile.view<?x8x8xf32>, !w, !w
    %fo, %lse = tile.finish %st : !tile.state<8x8> -> tensor<8x8xf32>, tensor<8xf32>
    tile.store %fo, %o[%b, %h, %r] whole(%slot) : tensor<8x8xf32>, !q
  }
}
