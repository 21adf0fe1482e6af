// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An arbitrary boolean tensor, one byte for each row of the call and key: PyTorch's
// attn_mask, ONNX Attention's. Row i of the call is the token i + %offset, usually sk
// - sq.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @tensor_mask(%q: !q, %k: !k, %v: !k,
    %allowed: tensor<?x${H:4}x?x?xi8> {attn.dims = "b h sq sk"},
    %offset: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %zero = arith.constant 0 : i8
      %row = arith.subi %i, %offset : index
      %byte = tensor.extract %allowed[%b, %h, %row, %j] : tensor<?x${H:4}x?x?xi8>
      %keep = arith.cmpi ne, %byte, %zero : i8
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
