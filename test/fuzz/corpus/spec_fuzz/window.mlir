// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A window of 32 tokens to both sides, and the first token for everyone: in
// this model [CLS] collects the sentence.
!x = tensor<?x12x?x32xf16>

func.func @window(%q: !x, %k: !x, %v: !x) -> !x attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(window(32, 32) or sink(1))
      : (!x, !x, !x) -> !x
  return %o : !x
}
