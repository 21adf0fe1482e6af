//r tokad.
!q = tensor<?x${H:2}x?x${D:64}x${T:i32}>
!k = tensor<?x${KV:2}x?x${D:64}x${T:!f32}, #kv.int8<per tok>>

func.func @int8(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v : (!q, !k, !k) -> !q
  return %o : !q
}
