// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// chunked, block_causal, blocks: blocks of tokens.
// Queries are 0, so every visible key weighs the same; with the values 1, 2, 4, 8,
// 16, 32 the mean says which keys a row saw: times their number it is a sum whose
// bits are the keys. 0 = none.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x6x1xf32>
!kv = tensor<1x1x6x1xf32>

// Tokens 0 1, 2 3, 4 5.
// CHECK: chunked: 1.5; 1.5; 6; 6; 24; 24{{$}}
func.func @chunked() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(chunked(2)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// A block begins at token 1, so token 0 is alone.
// CHECK: shifted: 1; 3; 3; 12; 12; 32{{$}}
func.func @shifted() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(chunked(2, 1)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// Where a block begins counts modulo the size: 7 is 1.
// CHECK: far_start: 1; 4.66667; 4.66667; 4.66667; 24; 24{{$}}
func.func @far_start() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(chunked(3, 7)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// One block.
// CHECK: large: 10.5; 10.5; 10.5; 10.5; 10.5; 10.5{{$}}
func.func @large() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(chunked(100)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// The query's block of 4 and those before it.
// CHECK: block_causal: 3.75; 3.75; 3.75; 3.75; 10.5; 10.5{{$}}
func.func @block_causal() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(block_causal(4)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// Blocks 0, 1 to 3, 4 and 5, with a run-time size.
// CHECK: block_causal_shifted: 1; 3.75; 3.75; 3.75; 10.5; 10.5{{$}}
func.func @block_causal_shifted() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %n = arith.constant 3 : index
  %o = attn.attention %q, %k, %v
      mask(block_causal(%n : index, 1)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// A run-time size below 1 keeps nothing, also of what would be after it.
// CHECK: no_size: 0; 0; 0; 0; 0; 0{{$}}
func.func @no_size() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %n = arith.constant 0 : index
  %o = attn.attention %q, %k, %v
      mask(block_causal(%n : index)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// Nor does a mask of blocks of such a size.
// CHECK: no_blocks: 0; 0; 0; 0; 0; 0{{$}}
func.func @no_blocks() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %n = arith.constant -2 : index
  %o = attn.attention %q, %k, %v
      mask(blocks(%n : index, not sink(5)) or chunked(%n : index)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// The block before the query's, whole.
// CHECK: blocks: 0; 0; 1.5; 1.5; 6; 6{{$}}
func.func @blocks() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(blocks(2, window(1, 0) and not window(1))) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// Blocks of 2 in blocks of 4: the first 4 tokens, for everyone.
// CHECK: nested: 3.75; 3.75; 3.75; 3.75; 3.75; 3.75{{$}}
func.func @nested() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(blocks(2, blocks(2, sink(1)))) : (!t, !kv, !kv) -> !t
  return %o : !t
}
