// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics

!t = tensor<?x8x?x64xf32>
func.func @mask_c1(%q: !t) {
  // expected-error@+1 {{expected the mask region to be one block with the arguments (index, index, index, index) [mask_c1]}}
  %o = attn.attention %q, %q, %q mask { ^bb0(%b: index, %h: index, %i: index):
    %c = arith.cmpi sle, %h, %i : index
    sel.yield %c : i1 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c2(%q: !t) {
  // expected-error@+1 {{expected the mask region to end in sel.yield [mask_c2]}}
  %o = attn.attention %q, %q, %q mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
    %c = arith.constant 1.0 : f32
    attn.yield %c : f32 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c8_divisor(%q: !t) {
  // expected-error@+1 {{expected the mask region to divide by a number of 1 or more, got 0 [mask_c8]}}
  %o = attn.attention %q, %q, %q mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
    %zero = arith.constant 0 : index
    // expected-note@+1 {{the op is here}}
    %x = arith.remsi %j, %zero : index
    %c = arith.cmpi sle, %x, %i : index
    sel.yield %c : i1 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c8_shift(%q: !t, %flags: tensor<?xi32>) {
  // expected-error@+1 {{expected the mask region to shift by less than 32 bits, got 32 [mask_c8]}}
  %o = attn.attention %q, %q, %q mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
    %all = arith.constant 32 : i32
    %zero = arith.constant 0 : i32
    %bits = tensor.extract %flags[%j] : tensor<?xi32>
    // expected-note@+1 {{the op is here}}
    %x = arith.shrui %bits, %all : i32
    %c = arith.cmpi ne, %x, %zero : i32
    sel.yield %c : i1 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c8_negative(%q: !t) {
  // expected-error@+1 {{expected the mask region to divide by a number of 1 or more, got -3 [mask_c8]}}
  %o = attn.attention %q, %q, %q mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
    %n = arith.constant -3 : index
    // expected-note@+1 {{the op is here}}
    %x = arith.floordivsi %j, %n : index
    %c = arith.cmpi sle, %x, %i : index
    sel.yield %c : i1 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c8_bit(%q: !t) {
  // expected-error@+1 {{expected the mask region to divide and shift integers of 2 bits or more, got i1 [mask_c8]}}
  %o = attn.attention %q, %q, %q mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
    %c = arith.cmpi sle, %j, %i : index
    // expected-note@+1 {{the op is here}}
    %x = arith.shli %c, %c : i1
    sel.yield %x : i1 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @modifier_c6(%q: !t) {
  // expected-error@+1 {{expected the score region to divide by a number of 1 or more, got 0 [modifier_c6]}}
  %o = attn.attention %q, %q, %q score { ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
    %n = arith.constant 0 : index
    // expected-note@+1 {{the op is here}}
    %x = arith.remui %j, %n : index
    %y = arith.index_cast %x : index to i32
    %z = arith.sitofp %y : i32 to f32
    attn.yield %z : f32 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c8_cast(%q: !t) {
  // expected-error@+1 {{expected the mask region to cast a number that 'i32' holds, got 3.0E+9 [mask_c8]}}
  %o = attn.attention %q, %q, %q mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
    %x = arith.constant 3.0e9 : f32
    // expected-note@+1 {{the op is here}}
    %n = arith.fptosi %x : f32 to i32
    %m = arith.index_cast %n : i32 to index
    %c = arith.cmpi sle, %j, %m : index
    sel.yield %c : i1 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @modifier_c6_cast(%q: !t) {
  // expected-error@+1 {{expected the score region to cast a number that 'i8' without sign holds, got -1 [modifier_c6]}}
  %o = attn.attention %q, %q, %q score { ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
    %x = arith.constant -1.0 : f32
    // expected-note@+1 {{the op is here}}
    %n = arith.fptoui %x : f32 to i8
    %y = arith.uitofp %n : i8 to f32
    attn.yield %y : f32 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c3(%q: !t) {
  // expected-error@+1 {{expected the mask region to hold scalar arith and math ops, tensor.extract, sel.ancestor, sel.coordinates and sel.segment, got 'scf.if' [mask_c3]}}
  %o = attn.attention %q, %q, %q mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
    %c = arith.cmpi sle, %j, %i : index
    // expected-note@+1 {{the op is here}}
    %d = scf.if %c -> i1 {
      scf.yield %c : i1
    } else {
      scf.yield %c : i1
    }
    sel.yield %d : i1 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c3_call(%q: !t) {
  // expected-error@+1 {{got 'func.call' [mask_c3]}}
  %o = attn.attention %q, %q, %q mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
    // expected-note@+1 {{the op is here}}
    %d = func.call @mask_c3_callee(%i) : (index) -> i1
    sel.yield %d : i1 } : (!t, !t, !t) -> !t
  return
}
func.func private @mask_c3_callee(index) -> i1

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c3_vector(%q: !t) {
  // expected-error@+1 {{got 'arith.constant' [mask_c3]}}
  %o = attn.attention %q, %q, %q mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
    // expected-note@+1 {{the op is here}}
    %v = arith.constant dense<1> : vector<4xi32>
    %c = arith.cmpi sle, %j, %i : index
    sel.yield %c : i1 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c4(%q: !t) {
  %t = arith.constant dense<0> : tensor<4xi32>
  // expected-error@+1 {{expected a table of the mask region to be an argument of the kernel [mask_c4]}}
  %o = attn.attention %q, %q, %q mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
    // expected-note@+1 {{the table is read here}}
    %x = tensor.extract %t[%i] : tensor<4xi32>
    %c = arith.cmpi sle, %x, %x : i32
    sel.yield %c : i1 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @modifier_c1(%q: !t) {
  // expected-error@+1 {{expected the score region to be one block with the arguments (f32, index, index, index, index) [modifier_c1]}}
  %o = attn.attention %q, %q, %q score { ^bb0(%b: index, %h: index, %i: index, %j: index):
    %c = arith.constant 1.0 : f32
    attn.yield %c : f32 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @modifier_c2(%q: !t) {
  // expected-error@+1 {{expected the prob region to end in attn.yield [modifier_c2]}}
  %o = attn.attention %q, %q, %q prob { ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
    %c = arith.cmpi sle, %j, %i : index
    sel.yield %c : i1 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @modifier_c3(%q: !t) {
  // expected-error@+1 {{expected the score region to hold scalar arith and math ops, tensor.extract and sel.coordinates, got 'tensor.dim' [modifier_c3]}}
  %o = attn.attention %q, %q, %q score { ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
    // expected-note@+1 {{the op is here}}
    %c = tensor.dim %q, %i : !t
    attn.yield %s : f32 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @modifier_c4(%q: !t) {
  %t = arith.constant dense<0.0> : tensor<4xf32>
  // expected-error@+1 {{expected a table of the score region to be an argument of the kernel [modifier_c4]}}
  %o = attn.attention %q, %q, %q score { ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
    // expected-note@+1 {{the table is read here}}
    %x = tensor.extract %t[%i] : tensor<4xf32>
    attn.yield %x : f32 } : (!t, !t, !t) -> !t
  return
}
