// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Block diffusion, training: the noised tokens [0, n) and their clean copies [n, 2n),
// in blocks of B (B divides n). A noised token sees its own noised block and the clean
// blocks before it; a clean one the clean blocks up to its own. Fast-dLLM v2, BD3-LM.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @block_diffusion(%q: !q, %k: !k, %v: !k, %n: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %size = arith.constant ${B:16} : index
      %block = arith.floordivsi %i, %size : index
      %at = arith.divsi %j, %size : index
      %own = arith.cmpi eq, %at, %block : index
      %half = arith.divsi %n, %size : index
      %twin = arith.remsi %block, %half : index
      %last = arith.addi %twin, %half : index
      %clean = arith.cmpi sge, %at, %half : index
      %before = arith.cmpi slt, %at, %last : index
      %past = arith.andi %clean, %before : i1
      %keep = arith.ori %own, %past : i1
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
