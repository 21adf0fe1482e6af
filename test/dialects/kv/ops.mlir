// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s | FileCheck %s
// RUN: fovea-opt %s | fovea-opt | FileCheck %s
// RUN: fovea-opt %s -mlir-print-op-generic | fovea-opt | FileCheck %s

// A format is the encoding of a tensor's type.
// CHECK-LABEL: @encode
// CHECK-SAME: -> tensor<?x8x?x128xf32, #kv.int8<per tok>>
func.func @encode(%x: tensor<?x8x?x128xf32>) -> tensor<?x8x?x128xf32, #kv.int8<per tok>>
    attributes {attn.kernel} {
  // CHECK: kv.encode %{{.*}} : tensor<?x8x?x128xf32> -> tensor<?x8x?x128xf32, #kv.int8<per tok>>
  %e = kv.encode %x : tensor<?x8x?x128xf32> -> tensor<?x8x?x128xf32, #kv.int8<per tok>>
  return %e : tensor<?x8x?x128xf32, #kv.int8<per tok>>
}

// Keys and values of one type, and of two.
// CHECK-LABEL: func.func private @pyramids
// CHECK-SAME: !kv.pyramid<levels = [1, 2, 4, 8], of = tensor<?x8x?x128xbf16>>
// CHECK-SAME: !kv.pyramid<levels = [1, 4], of = (tensor<?x8x?x128xbf16>, tensor<?x8x?x64xbf16>)>
func.func private @pyramids(
  !kv.pyramid<levels = [1, 2, 4, 8], of = (tensor<?x8x?x128xbf16>, tensor<?x8x?x128xbf16>)>,
  !kv.pyramid<levels = [1, 4], of = (tensor<?x8x?x128xbf16>, tensor<?x8x?x64xbf16>)>)

// CHECK-LABEL: func.func private @lists
// CHECK-SAME: !kv.list<per = (b, h, q : 64), unit = k : 16, order = any>
// CHECK-SAME: !kv.list<per = (b, h, q : 1), unit = k : 1, order = ascending>
func.func private @lists(
  !kv.list<per = (b, h, q : 64), unit = k : 16, order = any>,
  !kv.list<per = (b, h, q : 1), unit = k : 1, order = ascending>)
