// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics

// expected-error@+1 {{unknown attribute 'attn.kernal': did you mean 'attn.kernel'? attributes are: attn.kernel [kernel_c5]}}
func.func @kernel_c5() attributes {attn.kernal} {
  return
}

// -----

// expected-error@+1 {{unknown attribute 'attn.nam': did you mean 'attn.name'? attributes are: attn.dims, attn.name of argument 0 [kernel_c5]}}
func.func @kernel_c5_argument(%n: index {attn.nam = "n"}) attributes {attn.kernel} {
  return
}

// -----

// expected-error@+1 {{expected 'attn.kernel' to be a unit attribute of a function with a body [kernel_c1]}}
func.func private @kernel_c1() attributes {attn.kernel}

// -----

// expected-error@+1 {{expected 'attn.kernel' to be a unit attribute of a function with a body [kernel_c1]}}
module attributes {attn.kernel} {}

// -----

// expected-error@+1 {{expected 'attn.kernel' to be a unit attribute of a function with a body [kernel_c1]}}
func.func @kernel_c1_unit() attributes {attn.kernel = 1} {
  return
}

// -----

// expected-error@+1 {{expected argument 1 of a kernel to be a tensor of f32, f16, bf16, i8, i32 or i64, or index, i1, i32, i64 or f32, got 'f64' [kernel_c2]}}
func.func @kernel_c2_argument(%a: index, %x: f64) attributes {attn.kernel} {
  return
}

// -----

// expected-error@+1 {{expected result 0 of a kernel to be a tensor of f32, f16, bf16, i8, i32 or i64, got 'index' [kernel_c2]}}
func.func @kernel_c2_result(%a: index) -> index attributes {attn.kernel} {
  return %a : index
}

// -----

// expected-error@+1 {{expected arguments to have different names, got 'n' twice [kernel_c3]}}
func.func @kernel_c3_twice(%a: index {attn.name = "n"}, %b: index {attn.name = "n"}) attributes {attn.kernel} {
  return
}

// -----

// expected-error@+1 {{expected 'attn.name' of argument 0 to be an identifier, got "a b" [kernel_c3]}}
func.func @kernel_c3_identifier(%a: index {attn.name = "a b"}) attributes {attn.kernel} {
  return
}

// -----

// expected-error@+1 {{expected 'attn.dims' of argument 0 to have one word per dim of a tensor, got "b h sq" [kernel_c4]}}
func.func @kernel_c4_rank(%a: tensor<?x8x?x64xf32> {attn.dims = "b h sq"}) attributes {attn.kernel} {
  return
}

// -----

// expected-error@+1 {{expected 'attn.dims' of argument 0 to have one word per dim of a tensor, got "b" [kernel_c4]}}
func.func @kernel_c4_scalar(%a: index {attn.dims = "b"}) attributes {attn.kernel} {
  return
}

// -----

// expected-error@+1 {{expected argument 0 of a kernel to be a tensor of f32, f16, bf16, i8, i32 or i64, or index, i1, i32, i64 or f32, got 'tensor<?x?xi1>' (a table of booleans is one of i8) [kernel_c2]}}
func.func @booleans(%allowed: tensor<?x?xi1>) attributes {attn.kernel} {
  return
}
