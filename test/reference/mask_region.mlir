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

// sel.segment of the tokens 0 to 3 between the boundaries 1 and 3: index -1, 0, 0,
// 1, begin 1, 1, 1, 3, end 1, 3, 3, 3. A row sees its segment and key index + 1.
// CHECK: segment: 1; 3; 3; 4{{$}}
func.func @segment() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %cu = arith.constant dense<[1, 3]> : tensor<2xi32>
  %o = call @segment_kernel(%q, %k, %v, %cu) : (!t, !t, !t, tensor<2xi32>) -> !t
  return %o : !t
}
func.func @segment_kernel(%q: !t, %k: !t, %v: !t, %cu: tensor<2xi32>) -> !t {
  %o = attn.attention %q, %k, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %one = arith.constant 1 : index
        %x, %begin, %end = sel.segment %i of %cu : tensor<2xi32>
        %from = arith.cmpi sle, %begin, %j : index
        %to = arith.cmpi slt, %j, %end : index
        %own = arith.andi %from, %to : i1
        %next = arith.addi %x, %one : index
        %at = arith.cmpi eq, %j, %next : index
        %keep = arith.ori %own, %at : i1
        sel.yield %keep : i1
      } : (!t, !t, !t) -> !t
  return %o : !t
}

// Of no boundaries: index -1 and an empty segment at 0.
// CHECK: no_segment: 1; 1; 1; 1{{$}}
func.func @no_segment() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %cu = arith.constant dense<> : tensor<0xi32>
  %o = call @no_segment_kernel(%q, %k, %v, %cu) : (!t, !t, !t, tensor<0xi32>) -> !t
  return %o : !t
}
func.func @no_segment_kernel(%q: !t, %k: !t, %v: !t, %cu: tensor<0xi32>) -> !t {
  %o = attn.attention %q, %k, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %one = arith.constant 1 : index
        %x, %begin, %end = sel.segment %i of %cu : tensor<0xi32>
        %below = arith.addi %begin, %end : index
        %next = arith.addi %x, %one : index
        %least = arith.maxsi %below, %next : index
        %keep = arith.cmpi eq, %j, %least : index
        sel.yield %keep : i1
      } : (!t, !t, !t) -> !t
  return %o : !t
}

// Tokens of a 2 x 2 grid: the keys of the query's column, or right of it.
// CHECK: coordinates: 3.75; 5; 3.75; 5{{$}}
func.func @coordinates() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %y, %x = sel.coordinates %i grid(2, 2)
        %yj, %xj = sel.coordinates %j grid(2, 2)
        %keep = arith.cmpi sle, %x, %xj : index
        sel.yield %keep : i1
      } : (!t, !t, !t) -> !t
  return %o : !t
}

// Four queries of two keys are the tokens -2 to 1. On a 1 x 2 x 2 grid those before
// token 0 are on a plane before it; rows see the keys of their own plane.
// CHECK: planes: 0; 0; 1.5; 1.5{{$}}
func.func @planes() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : tensor<1x1x2x1xf32>
  %v = arith.constant dense<[[[[1.0], [2.0]]]]> : tensor<1x1x2x1xf32>
  %o = attn.attention %q, %k, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %z, %y, %x = sel.coordinates %i grid(1, 2, 2)
        %zj, %yj, %xj = sel.coordinates %j grid(1, 2, 2)
        %keep = arith.cmpi eq, %z, %zj : index
        sel.yield %keep : i1
      } : (!t, tensor<1x1x2x1xf32>, tensor<1x1x2x1xf32>) -> !t
  return %o : !t
}
