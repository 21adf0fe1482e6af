// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Accesses to global and shared memory by a thread.
#ifndef FOVEA_DIALECTS_HW_HWMEMORY_TD
#define FOVEA_DIALECTS_HW_HWMEMORY_TD

include "dialects/hw/HwDialect.td"

def Hw_Word : AnyTypeOf<[
    I8, I16, I32, I64, F16, BF16, F32, VectorOfLengthAndType<[2, 4], [I32]>,
    VectorOfLengthAndType<[2, 4], [F32]>], "what one instruction moves">;

def Hw_SharedMemoryOp : Hw_Op<"shared_memory", [Pure]> {
  let summary = "Where the CTA's dynamic shared memory starts";
  let description = [{
    Aligned to 1024 bytes; `shared_bytes` of the kernel are its size.

    ```mlir
    %s = hw.shared_memory
    ```
  }];
  let results = (outs Hw_SharedPtr:$result);
  let assemblyFormat = "attr-dict";
}

def Hw_SharedOffsetOp : Hw_Op<"shared_offset", [Pure]> {
  let summary = "A shared address as a number";
  let description = [{
    The 32-bit address in the shared window, which matrix descriptors hold.

    ```mlir
    %o = hw.shared_offset %s
    ```
  }];
  let arguments = (ins Hw_SharedPtr:$shared);
  let results = (outs I32:$result);
  let assemblyFormat = "$shared attr-dict";
}

def Hw_LoadOp : Hw_Op<"load"> {
  let summary = "Read memory";
  let description = [{
    `ld.global|shared`, of a type with the alignment of its size. `cache nc`
    (`ld.global.nc`) promises that nobody writes there while the kernel runs;
    `cache evict_first` (an L2 policy) says that it is read once. An `order` other
    than weak is for i32, i64 and f32: `ld.relaxed|acquire.scope`.

    ```mlir
    %v = hw.load %p cache nc : !llvm.ptr<1> -> vector<4xi32>
    %f = hw.load %q order acquire gpu : !llvm.ptr<1> -> i32
    ```
  }];
  let arguments = (ins Hw_MemoryPtr:$address,
                       DefaultValuedAttr<Hw_Cache, "Cache::Normal">:$cache,
                       DefaultValuedAttr<Hw_Order, "Order::Weak">:$order,
                       DefaultValuedAttr<Hw_Scope, "Scope::Cta">:$scope);
  let results = (outs Hw_Word:$result);
  let assemblyFormat = [{
    $address (`cache` $cache^)? (`order` $order^ $scope)? attr-dict `:`
    type($address) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Hw_StoreOp : Hw_Op<"store"> {
  let summary = "Write memory";
  let description = [{
    `st.global|shared`; an `order` other than weak is for i32, i64 and f32:
    `st.relaxed|release.scope`.

    ```mlir
    hw.store %v, %p : vector<4xi32>, !llvm.ptr<3>
    hw.store %f, %q order release gpu : i32, !llvm.ptr<1>
    ```
  }];
  let arguments = (ins Hw_Word:$value, Hw_MemoryPtr:$address,
                       DefaultValuedAttr<Hw_Order, "Order::Weak">:$order,
                       DefaultValuedAttr<Hw_Scope, "Scope::Cta">:$scope);
  let assemblyFormat = [{
    $value `,` $address (`order` $order^ $scope)? attr-dict `:`
    type($value) `,` type($address)
  }];
  let hasVerifier = 1;
}

def Hw_AtomicOp : Hw_Op<"atomic", [AllTypesMatch<["value", "result"]>]> {
  let summary = "Change memory and give what was there";
  let description = [{
    `atom.order.scope.global|shared`: add of i32, i64 and f32, signed max and min of
    i32 and i64, exchange of all three, compare and swap of integers, which
    writes `value` where memory equals `compare`.

    ```mlir
    %old = hw.atomic add %p, %v acq_rel gpu : !llvm.ptr<1>, i32
    %was = hw.atomic cas %p, %v if %c : i32 relaxed gpu : !llvm.ptr<1>, i32
    ```
  }];
  let arguments = (ins Hw_Atomic:$kind, Hw_MemoryPtr:$address,
                       AnyTypeOf<[I32, I64, F32]>:$value,
                       Optional<AnyTypeOf<[I32, I64, F32]>>:$compare,
                       Hw_Order:$order, Hw_Scope:$scope);
  let results = (outs AnyTypeOf<[I32, I64, F32]>:$result);
  let assemblyFormat = [{
    $kind $address `,` $value (`if` $compare^ `:` type($compare))?
    $order $scope attr-dict `:` type($address) `,` type($value)
  }];
  let hasVerifier = 1;
}

def Hw_PrefetchL2Op : Hw_Op<"prefetch_l2"> {
  let summary = "Bring a line into the second-level cache";
  let description = [{
    `prefetch.global.L2`.

    ```mlir
    hw.prefetch_l2 %p
    ```
  }];
  let arguments = (ins Hw_GlobalPtr:$address);
  let assemblyFormat = "$address attr-dict";
}

#endif // FOVEA_DIALECTS_HW_HWMEMORY_TD
