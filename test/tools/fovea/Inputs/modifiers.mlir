// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Modifiers that have no value for some pairs: they divide by an argument, by
// the key, or read past the end of a table.
!q = tensor<?x2x?x64xf32>
!c = !kv.cache<heads = 2, dim = 64, layout = paged<16>, segments = [all : f32]>

func.func @divide(%q: !q, %k: !q, %v: !q, %n: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %x = arith.remsi %j, %n : index
        %y = arith.index_cast %x : index to i32
        %z = arith.sitofp %y : i32 to f32
        %t = arith.addf %s, %z : f32
        attn.yield %t : f32 } : (!q, !q, !q) -> !q
  return %o : !q
}

func.func @divide_cached(%q: !q, %c: !c, %n: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %c mask(causal) score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %m = arith.subi %j, %n : index
        %x = arith.remsi %i, %m : index
        %y = arith.index_cast %x : index to i32
        %z = arith.sitofp %y : i32 to f32
        %t = arith.addf %s, %z : f32
        attn.yield %t : f32 } : (!q, !c) -> !q
  return %o : !q
}

func.func @table(%q: !q, %k: !q, %v: !q, %t: tensor<16xf32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %x = tensor.extract %t[%j] : tensor<16xf32>
        %y = arith.addf %s, %x : f32
        attn.yield %y : f32 } : (!q, !q, !q) -> !q
  return %o : !q
}

// Linear in p: one pass.
func.func @weights(%q: !q, %k: !q, %v: !q, %n: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v prob {
      ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
        %m = arith.subi %j, %n : index
        %x = arith.remsi %i, %m : index
        %y = arith.index_cast %x : index to i32
        %z = arith.sitofp %y : i32 to f32
        %t = arith.mulf %p, %z : f32
        attn.yield %t : f32 } : (!q, !q, !q) -> !q
  return %o : !q
}

// Not linear: two passes.
func.func @shares(%q: !q, %k: !q, %v: !q, %n: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v prob {
      ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
        %m = arith.subi %j, %n : index
        %x = arith.remsi %i, %m : index
        %y = arith.index_cast %x : index to i32
        %z = arith.sitofp %y : i32 to f32
        %u = arith.mulf %p, %z : f32
        %t = arith.mulf %u, %p : f32
        attn.yield %t : f32 } : (!q, !q, !q) -> !q
  return %o : !q
}
