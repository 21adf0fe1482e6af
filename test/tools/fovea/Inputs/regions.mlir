// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Two attentions whose masks are regions, of so many queries
// that only a prefill is compiled; and a kernel without attention.
!q = tensor<?x2x17x32xf32>
!x = tensor<?x2x?x32xf32>

func.func @regions(%q: !q, %k: !x, %v: !x) -> (!q, !q) attributes {attn.kernel} {
  %a = attn.attention %q, %k, %v
      mask { ^bb0(%b: index, %h: index, %qi: index, %ki: index):
        %keep = arith.cmpi sge, %qi, %ki : index
        sel.yield %keep : i1 } : (!q, !x, !x) -> !q
  %c = attn.attention %q, %k, %v
      mask { ^bb0(%b: index, %h: index, %qi: index, %ki: index):
        %keep = arith.cmpi sge, %ki, %qi : index
        sel.yield %keep : i1 } : (!q, !x, !x) -> !q
  return %a, %c : !q, !q
}

func.func @encode(%k: !x) -> tensor<?x2x?x32xf32, #kv.int8<per tok>>
    attributes {attn.kernel} {
  %e = kv.encode %k : !x -> tensor<?x2x?x32xf32, #kv.int8<per tok>>
  return %e : tensor<?x2x?x32xf32, #kv.int8<per tok>>
}
