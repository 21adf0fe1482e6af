// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics

// expected-error@+1 {{unknown axis 'token': did you mean 'tok'? axes are: tok}}
func.func private @axis(tensor<?x8x?x128xf32, #kv.int8<per token>>)

// -----

// expected-error@+1 {{expected a coded tensor to have rank 4, got rank 3 [format_c1]}}
func.func private @format_c1_rank(tensor<8x?x128xf32, #kv.int8<per tok>>)

// -----

// expected-error@+1 {{expected heads and chan of a coded tensor to be static [format_c1]}}
func.func private @format_c1_static(tensor<?x?x?x128xf32, #kv.int8<per tok>>)

// -----

// expected-error@+1 {{expected the element type of a coded tensor to be f32, f16 or bf16, got 'i8' [format_c1]}}
func.func private @format_c1_element(tensor<?x8x?x128xi8, #kv.int8<per tok>>)

// -----

// The encoding's verifier is asked although the element type is unknown.
// expected-error@+1 {{undefined symbol alias id 'real'}}
func.func private @format_c1_unknown(tensor<?x8x?x128x!real, #kv.int8<per tok>>)

// -----

// expected-error@+1 {{expected levels to be ascending powers of two from 1 to at most 64, got [2, 4] [pyramid_c1]}}
func.func private @pyramid_c1_first(!kv.pyramid<levels = [2, 4], of = tensor<?x8x?x128xf32>>)

// -----

// expected-error@+1 {{got [1, 4, 2] [pyramid_c1]}}
func.func private @pyramid_c1_order(!kv.pyramid<levels = [1, 4, 2], of = tensor<?x8x?x128xf32>>)

// -----

// expected-error@+1 {{got [1, 3] [pyramid_c1]}}
func.func private @pyramid_c1_power(!kv.pyramid<levels = [1, 3], of = tensor<?x8x?x128xf32>>)

// -----

// expected-error@+1 {{got [1, 128] [pyramid_c1]}}
func.func private @pyramid_c1_greatest(!kv.pyramid<levels = [1, 128], of = tensor<?x8x?x128xf32>>)

// -----

// expected-error@+1 {{expected the pyramid to be of rank 4 tensors of f32, f16 or bf16, got 'tensor<8x?x128xf32>' [pyramid_c2]}}
func.func private @pyramid_c2_rank(!kv.pyramid<levels = [1, 2], of = tensor<8x?x128xf32>>)

// -----

// expected-error@+1 {{expected the pyramid's heads and dim to be static, got 'tensor<?x?x?x128xf32>' [pyramid_c2]}}
func.func private @pyramid_c2_static(!kv.pyramid<levels = [1, 2], of = tensor<?x?x?x128xf32>>)

// -----

// expected-error@+1 {{expected the pyramid's keys and values to agree in batch, heads and length}}
func.func private @pyramid_c2_agree(!kv.pyramid<levels = [1, 2], of = (tensor<?x8x?x128xf32>, tensor<?x4x?x128xf32>)>)

// -----

// expected-error@+1 {{expected the query block and the unit to be at least 1, got 0 and 64 [list_c1]}}
func.func private @list_c1(!kv.list<per = (b, h, q : 0), unit = k : 64, order = any>)

// -----

// expected-error@+1 {{unknown order 'ascend': did you mean 'ascending'? orders are: any, ascending}}
func.func private @order(!kv.list<per = (b, h, q : 1), unit = k : 64, order = ascend>)

// -----

// expected-error@+1 {{unknown unit 'pages': did you mean 'page'? units are: k, page}}
func.func private @unit(!kv.list<per = (b, h, q : 1), unit = pages, order = any>)

// -----

func.func @encode_c1(%x: tensor<?x8x?x128xf32>) {
  // expected-error@+1 {{expected input to be plain and output to have a number format, got 'tensor<?x8x?x128xf32>' and 'tensor<?x8x?x128xf32>' [encode_c1]}}
  %e = kv.encode %x : tensor<?x8x?x128xf32> -> tensor<?x8x?x128xf32>
  return
}

// -----

func.func @encode_c2(%x: tensor<?x8x?x128xf32>) {
  // expected-error@+1 {{expected input and output to agree in shape and element type, got 'tensor<?x8x?x128xf32>' and 'tensor<?x8x?x128xbf16, #kv.int8<per tok>>' [encode_c2]}}
  %e = kv.encode %x : tensor<?x8x?x128xf32> -> tensor<?x8x?x128xbf16, #kv.int8<per tok>>
  return
}
