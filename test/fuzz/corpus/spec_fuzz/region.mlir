!q = tensor<?x${H}x?x64xbf16>
!k = tensor<?x2x?x64xbf16>
!l = tensor<?x${H}x?xf32>
func.func @region(%q: !q, %k: !k, %v: !k, %s: tensor<4xf32>, %n: tensor<?xi32>, %at: tensor<?xi32>) -> (!q, !l) attributes {attn.kernel} {
  %o, %lse = attn.attention %q, %k, %v offset(%at : tensor<?xi32>) lengths(%n : tensor<?xi32>) scale(0.125)
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %c = arith.cmpi sle, %j, %i : index
        sel.yield %c : i1 }
      score(softcap(30.0), alibi(%s : tensor<4xf32>)) : (!q, !k, !k) -> (!q, !l)
  return %o, %lse : !q, !l
}
