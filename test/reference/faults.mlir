// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where a mask has no value its pair is hidden (mask_s3); where a score has none
// the interpreter refuses the call. Keys are all alike and the values are 1, 2,
// 4, 8: the mean says which keys a row saw (see mask_region.mlir).
// RUN: not fovea-reference %s | FileCheck %s

!t = tensor<1x1x4x1xf32>

// Token 3 has no document: nobody sees it, and it sees nobody.
// CHECK: short_table: 1.5; 1.5; 4; 0{{$}}
func.func @short_table() -> !t {
  %q = arith.constant dense<0.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %d = arith.constant dense<[1, 1, 3]> : tensor<3xi32>
  %o = attn.attention %q, %q, %v mask(documents(%d : tensor<3xi32>))
      : (!t, !t, !t) -> !t
  return %o : !t
}

// Keys 0 and 1 divide by 0 and by -1; 2 and 3 are left.
// CHECK: division: 6; 6; 6; 6{{$}}
func.func @division() -> !t {
  %q = arith.constant dense<0.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %by = arith.constant dense<[0, -1, 1, 2]> : tensor<4xi32>
  %o = call @division_kernel(%q, %v, %by) : (!t, !t, tensor<4xi32>) -> !t
  return %o : !t
}
func.func @division_kernel(%q: !t, %v: !t, %by: tensor<4xi32>) -> !t {
  %o = attn.attention %q, %q, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %n = tensor.extract %by[%j] : tensor<4xi32>
        %one = arith.constant 1 : i32
        %r = arith.divsi %one, %n : i32
        %keep = arith.cmpi sle, %r, %one : i32
        sel.yield %keep : i1 } : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK: boundaries: error: expected attention to read what is there, got a table of boundaries that do not ascend
func.func @boundaries() -> !t {
  %q = arith.constant dense<1.0> : !t
  %d = arith.constant dense<[0, 3, 2]> : tensor<3xi32>
  %o = attn.attention %q, %q, %q
      mask(documents(cu_seqlens(%d : tensor<3xi32>))) : (!t, !t, !t) -> !t
  return %o : !t
}

// A table without rows has no row of the batch.
// CHECK: boundaries_row: 0; 0; 0; 0{{$}}
func.func @boundaries_row() -> !t {
  %q = arith.constant dense<1.0> : !t
  %rows = arith.constant dense<> : tensor<0x3xi32>
  %o = attn.attention %q, %q, %q
      mask(documents(cu_seqlens(%rows : tensor<0x3xi32>))) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK: grid: 0; 0; 0; 0{{$}}
func.func @grid() -> !t {
  %q = arith.constant dense<1.0> : !t
  %o = attn.attention %q, %q, %q
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %y, %x = sel.coordinates %j grid(4, %b : index) // the batch is 0
        %keep = arith.cmpi eq, %x, %b : index
        sel.yield %keep : i1 } : (!t, !t, !t) -> !t
  return %o : !t
}

// Keys 0 and 3 shift by -1 and 32; 1 and 2 are left.
// CHECK: shift: 3; 3; 3; 3{{$}}
func.func @shift() -> !t {
  %q = arith.constant dense<0.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %by = arith.constant dense<[-1, 0, 31, 32]> : tensor<4xi32>
  %o = call @shift_kernel(%q, %v, %by) : (!t, !t, tensor<4xi32>) -> !t
  return %o : !t
}
func.func @shift_kernel(%q: !t, %v: !t, %by: tensor<4xi32>) -> !t {
  %o = attn.attention %q, %q, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %n = tensor.extract %by[%j] : tensor<4xi32>
        %one = arith.constant 1 : i32
        %zero = arith.constant 0 : i32
        %r = arith.shli %one, %n : i32
        %keep = arith.cmpi ne, %r, %zero : i32
        sel.yield %keep : i1 } : (!t, !t, !t) -> !t
  return %o : !t
}

// Keys 0 and 3 cast NaN and 2^31; -2^31 and what is cut to 2^31 - 1 have a value.
// CHECK: cast: 3; 3; 3; 3{{$}}
func.func @cast() -> !t {
  %q = arith.constant dense<0.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %x = arith.constant dense<[0x7FC00000, -2147483648.0, 2147483520.0, 2147483648.0]> : tensor<4xf32>
  %o = call @cast_kernel(%q, %v, %x) : (!t, !t, tensor<4xf32>) -> !t
  return %o : !t
}
func.func @cast_kernel(%q: !t, %v: !t, %x: tensor<4xf32>) -> !t {
  %o = attn.attention %q, %q, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %f = tensor.extract %x[%j] : tensor<4xf32>
        %n = arith.fptosi %f : f32 to i32
        %zero = arith.constant 0 : i32
        %one = arith.constant 1 : i32
        %odd = arith.ori %n, %one : i32
        %any = arith.cmpi ne, %odd, %zero : i32
        sel.yield %any : i1 } : (!t, !t, !t) -> !t
  return %o : !t
}

// Without sign: keys 0 and 3 cast -1 and 256; -0.5 is cut to 0, 255.5 to 255.
// CHECK: cast_unsigned: 3; 3; 3; 3{{$}}
func.func @cast_unsigned() -> !t {
  %q = arith.constant dense<0.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %x = arith.constant dense<[-1.0, -0.5, 255.5, 256.0]> : tensor<4xf32>
  %o = call @cast_unsigned_kernel(%q, %v, %x) : (!t, !t, tensor<4xf32>) -> !t
  return %o : !t
}
func.func @cast_unsigned_kernel(%q: !t, %v: !t, %x: tensor<4xf32>) -> !t {
  %o = attn.attention %q, %q, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %f = tensor.extract %x[%j] : tensor<4xf32>
        %n = arith.fptoui %f : f32 to i8
        %zero = arith.constant 0 : i8
        %one = arith.constant 1 : i8
        %odd = arith.ori %n, %one : i8
        %any = arith.cmpi ne, %odd, %zero : i8
        sel.yield %any : i1 } : (!t, !t, !t) -> !t
  return %o : !t
}

// A scalar of the kernel without a value hides what asks for it.
// CHECK: scalar: 0; 0; 0; 0{{$}}
func.func @scalar() -> !t {
  %q = arith.constant dense<0.0> : !t
  %zero = arith.constant 0 : index
  %five = arith.constant 5 : index
  %n = arith.divsi %five, %zero : index
  %o = attn.attention %q, %q, %q mask(window(%n : index)) : (!t, !t, !t) -> !t
  return %o : !t
}

// A pair for which a modifier has no value is hidden: here all of them, whatever
// the modifier makes of them.
// CHECK: score: 0; 0; 0; 0{{$}}
func.func @score() -> !t {
  %q = arith.constant dense<1.0> : !t
  %o = attn.attention %q, %q, %q
      score { ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %r = arith.remui %j, %b : index // the batch is 0
        %x = arith.index_cast %r : index to i32
        %y = arith.sitofp %x : i32 to f32
        attn.yield %y : f32 } : (!t, !t, !t) -> !t
  return %o : !t
}

// Key 3, whose value is 8, casts NaN.
// CHECK: score_cast: 1; 1; 1; 1{{$}}
func.func @score_cast() -> !t {
  %q = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [1.0], [1.0], [8.0]]]]> : !t
  %x = arith.constant dense<[1.0, 2.0, 3.0, 0x7FC00000]> : tensor<4xf32>
  %o = call @score_cast_kernel(%q, %v, %x) : (!t, !t, tensor<4xf32>) -> !t
  return %o : !t
}
func.func @score_cast_kernel(%q: !t, %v: !t, %x: tensor<4xf32>) -> !t {
  %o = attn.attention %q, %q, %v
      score { ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %f = tensor.extract %x[%j] : tensor<4xf32>
        %n = arith.fptosi %f : f32 to i32
        %y = arith.sitofp %n : i32 to f32
        attn.yield %y : f32 } : (!t, !t, !t) -> !t
  return %o : !t
}

// The probabilities are a quarter each; that of key 0 has no value and counts 0.
// CHECK: prob: 3.5; 3.5; 3.5; 3.5{{$}}
func.func @prob() -> !t {
  %q = arith.constant dense<0.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %q, %v
      prob { ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
        %r = arith.remui %j, %j : index
        %x = arith.index_cast %r : index to i32
        %y = arith.sitofp %x : i32 to f32
        %z = arith.addf %p, %y : f32
        attn.yield %z : f32 } : (!t, !t, !t) -> !t
  return %o : !t
}
