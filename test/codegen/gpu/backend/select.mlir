// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Blocks chosen by their number and by their share: the stages in front of
// attention, against the reference. More blocks than are found one by one.
// RUN: fovea verify %s --kernel=many --shape=b=1,sq=40,sk=600 --target=sm_80-emulated | FileCheck %s
// RUN: fovea verify %s --kernel=share --shape=b=1,sq=40,sk=200 --target=sm_80-emulated | FileCheck %s
// Of equal scores the lower unit is chosen, one by one and by bisection.
// RUN: mkdir -p %t && %python %S/Inputs/ties.py %t
// RUN: fovea verify %s --kernel=many --shape=b=1,sq=40,sk=600 --in q=%t/q.npy --in k=%t/k.npy --target=sm_80-emulated | FileCheck %s
// RUN: fovea verify %s --kernel=few --shape=b=1,sq=40,sk=600 --in q=%t/q.npy --in k=%t/k.npy --target=sm_80-emulated | FileCheck %s
// CHECK: ok: largest error
!x = tensor<?x2x?x40xf16>
!scores = !sel.scores<per = (b, h, q : 16), unit = k : 16>
!blocks = !kv.list<per = (b, h, q : 16), unit = k : 16, order = any>

func.func @many(%q: !x, %k: !x, %v: !x) -> !x attributes {attn.kernel} {
  %s = sel.score %q, %k pooled : !x, !x -> !scores
  %l = sel.choose %s top_k(20) force(first(1)) : !scores -> !blocks
  %o = attn.attention %q, %k, %v over(%l : !blocks) : (!x, !x, !x) -> !x
  return %o : !x
}

func.func @few(%q: !x, %k: !x, %v: !x) -> !x attributes {attn.kernel} {
  %s = sel.score %q, %k pooled : !x, !x -> !scores
  %l = sel.choose %s top_k(7) : !scores -> !blocks
  %o = attn.attention %q, %k, %v over(%l : !blocks) : (!x, !x, !x) -> !x
  return %o : !x
}

func.func @share(%q: !x, %k: !x, %v: !x) -> !x attributes {attn.kernel} {
  %s = sel.score %q, %k pooled : !x, !x -> !scores
  %p = sel.normalize %s softmax(keys) : !scores
  %l = sel.choose %p top_p(0.6) : !scores -> !blocks
  %o = attn.attention %q, %k, %v over(%l : !blocks) : (!x, !x, !x) -> !x
  return %o : !x
}
