// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The same heads as a decoder would use them: no token sees a later one.
!x = tensor<?x12x?x32xf16>

func.func @causal(%q: !x, %k: !x, %v: !x) -> !x attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(causal) : (!x, !x, !x) -> !x
  return %o : !x
}
