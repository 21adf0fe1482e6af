// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics
// Each kernel breaks one rule of the hw dialect.

// Threads are whole warps.
// expected-error@+1 {{expected threads to be a multiple of 32 from 32 to 1024, got 48}}
hw.kernel @k() attributes {threads = 48 : i32} {
  hw.return
}

// -----

// A CTA has at most the shared memory of a multiprocessor.
// expected-error@+1 {{expected shared_bytes to be from 0 to 232448, got 232449}}
hw.kernel @k() attributes {threads = 32 : i32, shared_bytes = 232449 : i32} {
  hw.return
}

// -----

// A multiprocessor holds so many CTAs.
// expected-error@+1 {{expected min_ctas to be from 1 to 32, got 33}}
hw.kernel @k() attributes {threads = 32 : i32, min_ctas = 33 : i32} {
  hw.return
}

// -----

// Arguments are what a launch passes.
// expected-error@+1 {{expected argument 0 to be an address, an integer or a float, got 'vector<2xf32>'}}
hw.kernel @k(%a: vector<2xf32>) attributes {threads = 32 : i32} {
  hw.return
}

// -----

// There are 16 barriers.
hw.kernel @k() attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected id to be from 0 to 15, got 16}}
  hw.barrier 16, 32
  hw.return
}

// -----

// Whole warps wait.
hw.kernel @k() attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected threads to be a multiple of 32 from 32 to 1024, got 33}}
  hw.barrier 0, 33
  hw.return
}

// -----

// Whole warps arrive.
hw.kernel @k() attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected threads to be a multiple of 32 from 32 to 1024, got 1056}}
  hw.barrier_arrive 0, 1056
  hw.return
}

// -----

// Registers move by eight.
hw.kernel @k() attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected count to be a multiple of 8 from 24 to 256, got 100}}
  hw.set_max_registers dec, 100
  hw.return
}

// -----

// A ballot is a mask.
hw.kernel @k(%p: i1) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected the result of ballot to be 'i32', got 'i1'}}
  %0 = hw.vote ballot %p : i1
  hw.return
}

// -----

// Any and all are predicates.
hw.kernel @k(%p: i1) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected the result of all to be 'i1', got 'i32'}}
  %0 = hw.vote all %p : i32
  hw.return
}

// -----

// Shared memory is not cached.
hw.kernel @k(%s: !llvm.ptr<3>) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected a global address with cache nc, got '!llvm.ptr<3>'}}
  %0 = hw.load %s cache nc : !llvm.ptr<3> -> i32
  hw.return
}

// -----

// What others write is not read-only.
hw.kernel @k(%g: !llvm.ptr<1>) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected order to be weak with cache evict_first, got relaxed}}
  %0 = hw.load %g cache evict_first order relaxed gpu : !llvm.ptr<1> -> i32
  hw.return
}

// -----

// A load does not release.
hw.kernel @k(%g: !llvm.ptr<1>) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected order to be weak, relaxed or acquire, got release}}
  %0 = hw.load %g order release gpu : !llvm.ptr<1> -> i32
  hw.return
}

// -----

// Ordered loads are of one register.
hw.kernel @k(%g: !llvm.ptr<1>) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected i32, i64 or f32 with order acquire, got 'vector<2xi32>'}}
  %0 = hw.load %g order acquire gpu : !llvm.ptr<1> -> vector<2xi32>
  hw.return
}

// -----

// A store does not acquire.
hw.kernel @k(%g: !llvm.ptr<1>, %v: i32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected order to be weak, relaxed or release, got acquire}}
  hw.store %v, %g order acquire gpu : i32, !llvm.ptr<1>
  hw.return
}

// -----

// An atomic has an order.
hw.kernel @k(%g: !llvm.ptr<1>, %v: i32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected order to be relaxed, acquire, release or acq_rel, got weak}}
  %0 = hw.atomic add %g, %v weak gpu : !llvm.ptr<1>, i32
  hw.return
}

// -----

// A swap compares.
hw.kernel @k(%g: !llvm.ptr<1>, %v: i32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected a value to compare with for cas}}
  %0 = hw.atomic cas %g, %v relaxed gpu : !llvm.ptr<1>, i32
  hw.return
}

// -----

// A sum does not compare.
hw.kernel @k(%g: !llvm.ptr<1>, %v: i32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected no value to compare with for add}}
  %0 = hw.atomic add %g, %v if %v : i32 relaxed gpu : !llvm.ptr<1>, i32
  hw.return
}

// -----

// Compared values have one type.
hw.kernel @k(%g: !llvm.ptr<1>, %v: i32, %w: i64) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected compare to have the type of value, got 'i64' and 'i32'}}
  %0 = hw.atomic cas %g, %v if %w : i64 relaxed gpu : !llvm.ptr<1>, i32
  hw.return
}

// -----

// There is no maximum of floats.
hw.kernel @k(%g: !llvm.ptr<1>, %v: f32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected i32 or i64 for max, got 'f32'}}
  %0 = hw.atomic max %g, %v relaxed gpu : !llvm.ptr<1>, f32
  hw.return
}

// -----

// A copy is of 4, 8 or 16 bytes.
hw.kernel @k(%g: !llvm.ptr<1>, %s: !llvm.ptr<3>) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected bytes to be 4, 8 or 16, got 32}}
  hw.copy_async 32, %s, %g
  hw.return
}

// -----

// Groups are counted from 0.
hw.kernel @k() attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected groups to be from 0 to 63, got -1}}
  hw.copy_async_wait -1
  hw.return
}

// -----

// Groups of bulk stores are counted from 0.
hw.kernel @k() attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected groups to be from 0 to 63, got 64}}
  hw.bulk_wait 64
  hw.return
}

// -----

// Somebody arrives.
hw.kernel @k(%s: !llvm.ptr<3>) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected count to be from 1 to 1048575, got 0}}
  hw.mbarrier_init %s, 0
  hw.return
}

// -----

// A tensor map has at most five dimensions.
hw.kernel @k(%m: !llvm.ptr, %s: !llvm.ptr<3>, %i: i32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected the number of coordinates to be from 1 to 5, got 6}}
  hw.tma_load %s, %m[%i, %i, %i, %i, %i, %i], %s
  hw.return
}

// -----

// A tensor map has a dimension.
hw.kernel @k(%m: !llvm.ptr, %s: !llvm.ptr<3>) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected the number of coordinates to be from 1 to 5, got 0}}
  hw.tma_store %m[], %s
  hw.return
}

// -----

// Matrices are read by powers of two.
hw.kernel @k(%s: !llvm.ptr<3>) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected 1, 2 or 4 matrices, got 3}}
  %0:3 = hw.ldmatrix %s : i32, i32, i32
  hw.return
}

// -----

// Matrices are written by powers of two.
hw.kernel @k(%s: !llvm.ptr<3>, %i: i32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected 1, 2 or 4 matrices, got 3}}
  hw.stmatrix %s(%i, %i, %i)
  hw.return
}

// -----

// A is four registers.
hw.kernel @k(%i: i32, %f: f32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected 4 registers of a, got 3}}
  %0:4 = hw.mma f16 (%i, %i, %i), (%i, %i), (%f, %f, %f, %f) : f32, f32, f32, f32
  hw.return
}

// -----

// B is two registers.
hw.kernel @k(%i: i32, %f: f32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected 2 registers of b, got 1}}
  %0:4 = hw.mma f16 (%i, %i, %i, %i), (%i), (%f, %f, %f, %f) : f32, f32, f32, f32
  hw.return
}

// -----

// C is four registers.
hw.kernel @k(%i: i32, %f: f32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected 4 accumulators, got 2}}
  %0:2 = hw.mma f16 (%i, %i, %i, %i), (%i, %i), (%f, %f) : f32, f32
  hw.return
}

// -----

// Integers are added as integers.
hw.kernel @k(%i: i32, %f: f32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected accumulators of s8 to be i32, got 'f32'}}
  %0:4 = hw.mma s8 (%i, %i, %i, %i), (%i, %i), (%f, %f, %f, %f) : f32, f32, f32, f32
  hw.return
}

// -----

// Floats are added as floats.
hw.kernel @k(%i: i32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected accumulators of bf16 to be f32, got 'i32'}}
  %0:4 = hw.mma bf16 (%i, %i, %i, %i), (%i, %i), (%i, %i, %i, %i) : i32, i32, i32, i32
  hw.return
}

// -----

// The width of a product is a multiple of 8.
hw.kernel @k(%b: i64, %f: f32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected n to be a multiple of 8 from 8 to 256, got 12}}
  %0:4 = hw.wgmma bf16 n 12 (%b : i64), %b, (%f, %f, %f, %f) : f32, f32, f32, f32
  hw.return
}

// -----

// Integer products have fewer widths.
hw.kernel @k(%b: i64, %i: i32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected n of s8 to be 8, 24 or a multiple of 16, got 40}}
  %0 = hw.wgmma s8 n 40 (%b : i64), %b, (%i) : i32
  hw.return
}

// -----

// A is a descriptor or four registers.
hw.kernel @k(%b: i64, %f: f32, %i: i32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected a to be a descriptor (i64) or 4 registers (i32), got 'i32', 'i32'}}
  %0:4 = hw.wgmma bf16 n 8 (%i, %i : i32, i32), %b, (%f, %f, %f, %f) : f32, f32, f32, f32
  hw.return
}

// -----

// Only 16-bit operands are transposed.
hw.kernel @k(%b: i64, %f: f32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected f16 or bf16 with trans_b, got e4m3}}
  %0:4 = hw.wgmma e4m3 n 8 trans_b (%b : i64), %b, (%f, %f, %f, %f) : f32, f32, f32, f32
  hw.return
}

// -----

// A thread holds half as many accumulators as columns.
hw.kernel @k(%b: i64, %f: f32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected 8 accumulators, got 4}}
  %0:4 = hw.wgmma bf16 n 16 (%b : i64), %b, (%f, %f, %f, %f) : f32, f32, f32, f32
  hw.return
}

// -----

// Integer products add integers.
hw.kernel @k(%b: i64, %f: f32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected accumulators of s8 to be i32, got 'f32'}}
  %0:4 = hw.wgmma s8 n 8 (%b : i64), %b, (%f, %f, %f, %f) : f32, f32, f32, f32
  hw.return
}

// -----

// At most seven groups run.
hw.kernel @k() attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected groups to be from 0 to 7, got 8}}
  hw.wgmma_wait 8
  hw.return
}

// -----

// A table has eight entries.
hw.kernel @k(%i: i32) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected table to be from 0 to 255, got 256}}
  %0 = hw.lop3 256, %i, %i, %i
  hw.return
}

// -----

// A kernel gives nothing back.
// expected-error@+1 {{expected no results, got 1}}
hw.kernel @k() -> i32 attributes {threads = 32 : i32} {
  hw.return
}
