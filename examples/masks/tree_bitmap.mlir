// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tree attention by bitmaps: bit j of row i says that draft token j is draft token i
// or an ancestor of it, W (32 or 64) to a word; every draft token sees the %context tokens
// before. The ancestor mask of SpecInfer, Medusa and EAGLE as an engine packs it; that
// ancestors come first (LongSpec's triangle) bounds the keys of a tile.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @tree_bitmap(%q: !q, %k: !k, %v: !k, %context: index,
    %bits: tensor<?x?xi${W:32}> {attn.dims = "nodes words"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %zero = arith.constant 0 : index
      %size = arith.constant ${W:32} : index
      %bit = arith.constant 1 : i${W:32}
      %in = arith.cmpi slt, %j, %context : index
      %row0 = arith.subi %i, %context : index
      %row = arith.maxsi %row0, %zero : index
      %node0 = arith.subi %j, %context : index
      %node = arith.maxsi %node0, %zero : index
      %at = arith.divui %node, %size : index
      %shift0 = arith.remui %node, %size : index
      %shift = arith.index_cast %shift0 : index to i${W:32}
      %word = tensor.extract %bits[%row, %at] : tensor<?x?xi${W:32}>
      %moved = arith.shrui %word, %shift : i${W:32}
      %low = arith.andi %moved, %bit : i${W:32}
      %set = arith.cmpi eq, %low, %bit : i${W:32}
      %past = arith.cmpi sle, %j, %i : index
      %draft = arith.andi %past, %set : i1
      %keep = arith.ori %in, %draft : i1
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
