// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sel.pool, sel.levels and attention over a pyramid.
// RUN: fovea-reference %s --row=0,0,0 | FileCheck %s

!t = tensor<1x1x6x1xf32>
!q = tensor<1x1x1x1xf32>
!r = tensor<1x1x1xf32>
!p = !kv.pyramid<levels = [1, 2, 4], of = !t>
!l = !sel.levels<per = (b, h, q : 1), unit = k : 4>

// Groups are anchored at token 0; the last one has the tokens that there are:
// level 4 has the means of (1 2 3 6) and of (8 10).
// CHECK: pool: level 1 keys 1; 2; 3; 6; 8; 10 values 2; 4; 6; 12; 16; 20 level 2 keys 1.5; 4.5; 9 values 3; 9; 18 level 4 keys 3; 9 values 6; 18{{$}}
func.func @pool() -> !p {
  %k = arith.constant dense<[[[[1.0], [2.0], [3.0], [6.0], [8.0], [10.0]]]]> : !t
  %v = arith.constant dense<[[[[2.0], [4.0], [6.0], [12.0], [16.0], [20.0]]]]> : !t
  %p = sel.pool %k, %v levels(1, 2, 4) reduce(mean) : !t, !t -> !p
  return %p : !p
}

// Pooled rows are rounded to the element type: (2049 + 2051) / 2 = 2050 is an
// f16, (2048 + 2050) / 2 = 2049 is not.
// CHECK: pool_f16: level 1 keys 2048; 2052; 2048; 2050 values {{.*}} level 2 keys 2050; 2048 values
func.func @pool_f16()
    -> !kv.pyramid<levels = [1, 2], of = tensor<1x1x4x1xf16>> {
  %k = arith.constant dense<[[[[2048.0], [2052.0], [2048.0], [2050.0]]]]>
      : tensor<1x1x4x1xf16>
  %p = sel.pool %k, %k levels(1, 2) reduce(mean)
      : tensor<1x1x4x1xf16>, tensor<1x1x4x1xf16>
      -> !kv.pyramid<levels = [1, 2], of = tensor<1x1x4x1xf16>>
  return %p : !kv.pyramid<levels = [1, 2], of = tensor<1x1x4x1xf16>>
}

// Queries are 0: the scores are ln(tokens), so a pooled row weighs as much as
// its tokens. Block 0 at level 2, block 1 (tokens 4 and 5) at level 4: the mean
// of all values, 60 / 6 = 10, and lse = ln 6.
// CHECK: mass: 10{{$}}
// CHECK: mass: 1.79176{{$}}
// CHECK: mass: attn.attention sees 0+2 2+2 4+2{{$}}
func.func @mass() -> (!q, !r) {
  %q = arith.constant dense<0.0> : !q
  %k = arith.constant dense<[[[[1.0], [2.0], [3.0], [6.0], [8.0], [10.0]]]]> : !t
  %v = arith.constant dense<[[[[2.0], [4.0], [6.0], [12.0], [16.0], [20.0]]]]> : !t
  %m = arith.constant dense<[[[[2, 4]]]]> : tensor<1x1x1x2xi8>
  %p = sel.pool %k, %v levels(1, 2, 4) reduce(mean) : !t, !t -> !p
  %l = sel.levels %m : tensor<1x1x1x2xi8> -> !l
  %o, %lse = attn.attention %q, %p levels(%l : !l) : (!q, !p) -> (!q, !r)
  return %o, %lse : !q, !r
}

// The softmax is over the union of the rows: block 0 at level 1, block 1 at level
// 4, its key (8 + 10) / 2 = 9, which alone scores:
// keys 0 0 0 0 and 9, q = (ln 2) / 9: weights 1 1 1 1 and 2 * 2; values 1 1 1 1
// and 5: (4 + 20) / 8 = 3.
// CHECK: mixed: 3{{$}}
func.func @mixed() -> !q {
  %q = arith.constant dense<0.0770163533955495> : !q
  %k = arith.constant dense<[[[[0.0], [0.0], [0.0], [0.0], [8.0], [10.0]]]]> : !t
  %v = arith.constant dense<[[[[1.0], [1.0], [1.0], [1.0], [4.0], [6.0]]]]> : !t
  %m = arith.constant dense<[[[[1, 4]]]]> : tensor<1x1x1x2xi8>
  %p = sel.pool %k, %v levels(1, 2, 4) reduce(mean) : !t, !t -> !p
  %l = sel.levels %m : tensor<1x1x1x2xi8> -> !l
  %o = attn.attention %q, %p levels(%l : !l) : (!q, !p) -> !q
  return %o : !q
}

// Level 0 skips a block, and so does a value that is no level of the pyramid.
// CHECK: skip: 18{{$}}
// CHECK: skip: attn.attention sees 4+2{{$}}
// CHECK: unknown_level: 18{{$}}
func.func @skip() -> !q {
  %q = arith.constant dense<0.0> : !q
  %v = arith.constant dense<[[[[2.0], [4.0], [6.0], [12.0], [16.0], [20.0]]]]> : !t
  %m = arith.constant dense<[[[[0, 2]]]]> : tensor<1x1x1x2xi8>
  %p = sel.pool %v, %v levels(1, 2, 4) reduce(mean) : !t, !t -> !p
  %l = sel.levels %m : tensor<1x1x1x2xi8> -> !l
  %o = attn.attention %q, %p levels(%l : !l) : (!q, !p) -> !q
  return %o : !q
}
func.func @unknown_level() -> !q {
  %q = arith.constant dense<0.0> : !q
  %v = arith.constant dense<[[[[2.0], [4.0], [6.0], [12.0], [16.0], [20.0]]]]> : !t
  %m = arith.constant dense<[[[[3, 2]]]]> : tensor<1x1x1x2xi8>
  %p = sel.pool %v, %v levels(1, 2, 4) reduce(mean) : !t, !t -> !p
  %l = sel.levels %m : tensor<1x1x1x2xi8> -> !l
  %o = attn.attention %q, %p levels(%l : !l) : (!q, !p) -> !q
  return %o : !q
}

// A pooled row is visible when all of its tokens are. Token 2 sees 0 1 2: of the
// pairs of block 0 only (0 1), and block 1 is in the future.
// CHECK: causal: 3{{$}}
// CHECK: causal: attn.attention sees 0+2{{$}}
func.func @causal() -> !q {
  %q = arith.constant dense<0.0> : !q
  %v = arith.constant dense<[[[[2.0], [4.0], [6.0], [12.0], [16.0], [20.0]]]]> : !t
  %m = arith.constant dense<[[[[2, 1]]]]> : tensor<1x1x1x2xi8>
  %f = arith.constant dense<2> : tensor<1xi32>
  %p = sel.pool %v, %v levels(1, 2, 4) reduce(mean) : !t, !t -> !p
  %l = sel.levels %m : tensor<1x1x1x2xi8> -> !l
  %o = attn.attention %q, %p levels(%l : !l) mask(causal)
      offset(%f : tensor<1xi32>) : (!q, !p) -> !q
  return %o : !q
}

// With length 5 the last group has token 4 alone: its value counts once, and NaN
// behind it does no harm: (2 + 4 + 6 + 12 + 16) / 5.
// CHECK: length: 8{{$}}
// CHECK: length: attn.attention sees 0+2 2+2 4{{$}}
func.func @length() -> !q {
  %q = arith.constant dense<0.0> : !q
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[2.0], [4.0], [6.0], [12.0], [16.0],
                               [0x7FC00000]]]]> : !t
  %m = arith.constant dense<2> : tensor<1x1x1x2xi8>
  %n = arith.constant dense<5> : tensor<1xi32>
  %p = sel.pool %k, %v levels(1, 2, 4) reduce(mean) : !t, !t -> !p
  %l = sel.levels %m : tensor<1x1x1x2xi8> -> !l
  %o = attn.attention %q, %p levels(%l : !l) lengths(%n : tensor<1xi32>)
      : (!q, !p) -> !q
  return %o : !q
}

// A mask region may give the levels: tokens below 2 full, then pooled by 4. The
// group (0 1 2 3) is not whole at level 4, so tokens 2 and 3 are seen nowhere.
// CHECK: region: attn.attention sees 0 1 4+2{{$}}
func.func @region() -> !q {
  %q = arith.constant dense<0.0> : !q
  %v = arith.constant dense<1.0> : !t
  %p = sel.pool %v, %v levels(1, 2, 4) reduce(mean) : !t, !t -> !p
  %o = attn.attention %q, %p
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %two = arith.constant 2 : index
        %full = arith.constant 1 : i32
        %four = arith.constant 4 : i32
        %near = arith.cmpi slt, %j, %two : index
        %level = arith.select %near, %full, %four : i32
        sel.yield %level : i32 } : (!q, !p) -> !q
  return %o : !q
}
