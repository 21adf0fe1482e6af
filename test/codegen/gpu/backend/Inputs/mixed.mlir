// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Queries and keys of different 16-bit formats.
!q = tensor<?x2x?x64xbf16>
!k = tensor<?x2x?x64xf16>
func.func @mixed(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v : (!q, !k, !k) -> !q
  return %o : !q
}
