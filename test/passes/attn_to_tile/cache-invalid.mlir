// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the language allows over a cache and this compiler does not do.
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 --split-input-file -verify-diagnostics

!c = !kv.cache<heads = 2, dim = 64, segments = [all : f32]>
!q = tensor<?x4x64xf32>
!r = tensor<?x4xf32>
func.func @merge(%q: !q, %c: !c, %d: !c) -> !q attributes {attn.kernel} {
  %o, %m, %l = attn.partial %q, %c : (!q, !c) -> (!q, !r, !r)
  %o2, %m2, %l2 = attn.partial %q, %d : (!q, !c) -> (!q, !r, !r)
  // expected-error@+1 {{merging token-major rows is not supported by this compiler: use rows [b, h, sq, d]}}
  %x = attn.merge lse(%o, %m, %l), (%o2, %m2, %l2) : (!q, !r, !r), (!q, !r, !r) -> !q
  return %x : !q
}

// -----

!c = !kv.cache<heads = 2, dim = 64, segments = [all : f32]>
!q = tensor<?x2x?x64xf32>
func.func @append(%q: !q, %c: !c) -> (!q, !c) attributes {attn.kernel} {
  %o = attn.attention %q, %q, %q : (!q, !q, !q) -> !q
  // expected-error@+1 {{expected what is appended to be an argument of the kernel}}
  %c1 = kv.append %c, %o, %o : !c, !q, !q
  return %o, %c1 : !q, !c
}
