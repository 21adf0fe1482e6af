// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// MiniLM's own attention: 12 heads of 32, every token sees every token.
!x = tensor<?x12x?x32xf16>

func.func @minilm(%q: !x, %k: !x, %v: !x) -> !x attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v : (!x, !x, !x) -> !x
  return %o : !x
}
