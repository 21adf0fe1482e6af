// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A mask as a region, with scalars and tables of the function.
// Queries are 0, so every visible key weighs the same; with the values 1, 2, 4, 8
// the mean says which keys a row saw: 1 = (0), 1.5 = (0 1), 2.33333 = (0 1 2),
// 3.75 = all, 2 = (1), 3 = (1 2), 4 = (2), 6 = (2 3), 8 = (3),
// 4.66667 = (1 2 3), 2.5 = (0 2), 4.5 = (0 3), 3.66667 = (0 1 3), 5 = (1 3),
// 4.33333 = (0 2 3), 0 = none.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x4x1xf32>

// Keys with an even index.
// CHECK: even: 2.5; 2.5; 2.5; 2.5{{$}}
func.func @even() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %two = arith.constant 2 : index
        %zero = arith.constant 0 : index
        %r = arith.remui %j, %two : index
        %keep = arith.cmpi eq, %r, %zero : index
        sel.yield %keep : i1
      } : (!t, !t, !t) -> !t
  return %o : !t
}

// A table of the kernel read by query and key token: true sees.
// CHECK: table: 8; 1.5; 0; 3.75{{$}}
func.func @table() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %m = arith.constant dense<[
      [false, false, false, true], [true, true, false, false],
      [false, false, false, false], [true, true, true, true]]>
      : tensor<4x4xi1>
  %o = call @table_kernel(%q, %k, %v, %m)
      : (!t, !t, !t, tensor<4x4xi1>) -> !t
  return %o : !t
}
func.func @table_kernel(%q: !t, %k: !t, %v: !t, %m: tensor<4x4xi1>) -> !t {
  %o = attn.attention %q, %k, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %keep = tensor.extract %m[%i, %j] : tensor<4x4xi1>
        sel.yield %keep : i1
      } : (!t, !t, !t) -> !t
  return %o : !t
}

// A scalar of the function: |q - k| <= 1.
// CHECK: scalar: 1.5; 2.33333; 4.66667; 6{{$}}
func.func @scalar() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %one = arith.constant 1 : index
  %o = attn.attention %q, %k, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %d = arith.subi %i, %j : index
        %a = math.absi %d : index
        %keep = arith.cmpi sle, %a, %one : index
        sel.yield %keep : i1
      } : (!t, !t, !t) -> !t
  return %o : !t
}

// q is the token index: the two queries are 2 and 3.
// CHECK: tokens: 4; 8{{$}}
func.func @tokens() -> tensor<1x1x2x1xf32> {
  %q = arith.constant dense<0.0> : tensor<1x1x2x1xf32>
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %keep = arith.cmpi eq, %i, %j : index
        sel.yield %keep : i1
      } : (tensor<1x1x2x1xf32>, !t, !t) -> tensor<1x1x2x1xf32>
  return %o : tensor<1x1x2x1xf32>
}
