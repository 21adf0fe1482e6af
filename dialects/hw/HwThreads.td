// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels, threads, barriers and exchanges inside a warp.
#ifndef FOVEA_DIALECTS_HW_HWTHREADS_TD
#define FOVEA_DIALECTS_HW_HWTHREADS_TD

include "dialects/hw/HwDialect.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"

def Hw_KernelOp : Hw_Op<"kernel", [
    FunctionOpInterface, IsolatedFromAbove, Symbol]> {
  let summary = "Define a kernel: what every thread of a grid runs";
  let description = [{
    `threads` is the size of a CTA (a multiple of 32, at most 1024),
    `shared_bytes` its dynamic shared memory and `min_ctas`, where given, how many
    CTAs must fit on a multiprocessor. The size of the grid is the launch's.
    Arguments are addresses, integers and floats.

    ```mlir
    hw.kernel @k(%args: !llvm.ptr<1>, %plan: !llvm.ptr<1>)
        attributes {threads = 128 : i32, shared_bytes = 1024 : i32} {
      hw.return
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       TypeAttrOf<FunctionType>:$function_type,
                       I32Attr:$threads,
                       DefaultValuedAttr<I32Attr, "0">:$shared_bytes,
                       OptionalAttr<I32Attr>:$min_ctas,
                       OptionalAttr<DictArrayAttr>:$arg_attrs,
                       OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region MinSizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() {
      return getFunctionType().getInputs();
    }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() {
      return getFunctionType().getResults();
    }
  }];
}

def Hw_ReturnOp : Hw_Op<"return", [HasParent<"KernelOp">, Terminator, Pure]> {
  let summary = "End a kernel";
  let description = "`ret`.";
  let assemblyFormat = "attr-dict";
}

class Hw_IdOp<string mnemonic> : Hw_Op<mnemonic, [Pure]> {
  let results = (outs I32:$result);
  let assemblyFormat = "attr-dict";
}

def Hw_ThreadIdOp : Hw_IdOp<"thread_id"> {
  let summary = "The thread's number in its CTA";
  let description = [{
    `%tid.x`.

    ```mlir
    %t = hw.thread_id
    ```
  }];
}

def Hw_CtaIdOp : Hw_IdOp<"cta_id"> {
  let summary = "The CTA's number in the grid";
  let description = [{
    `%ctaid.x`.

    ```mlir
    %c = hw.cta_id
    ```
  }];
}

def Hw_CtaCountOp : Hw_IdOp<"cta_count"> {
  let summary = "How many CTAs the grid has";
  let description = [{
    `%nctaid.x`.

    ```mlir
    %n = hw.cta_count
    ```
  }];
}

//===----------------------------------------------------------------------===//
// Barriers and fences
//===----------------------------------------------------------------------===//

class Hw_BarrierOpBase<string mnemonic> : Hw_Op<mnemonic> {
  let arguments = (ins I32Attr:$id, I32Attr:$threads);
  let assemblyFormat = "$id `,` $threads attr-dict";
  let hasVerifier = 1;
}

def Hw_BarrierOp : Hw_BarrierOpBase<"barrier"> {
  let summary = "Wait until a number of threads is here";
  let description = [{
    `bar.sync id, threads`. Ids are 0 to 15; the threads are whole warps, and
    what they wrote is visible to one another behind it.

    ```mlir
    hw.barrier 0, 128
    ```
  }];
}

def Hw_BarrierArriveOp : Hw_BarrierOpBase<"barrier_arrive"> {
  let summary = "Count at a barrier without waiting";
  let description = [{
    `bar.arrive id, threads`: the threads include those that arrive.

    ```mlir
    hw.barrier_arrive 1, 256
    ```
  }];
}

def Hw_WarpBarrierOp : Hw_Op<"warp_barrier"> {
  let summary = "Wait for the other lanes of the warp";
  let description = [{
    `bar.warp.sync 0xffffffff`.

    ```mlir
    hw.warp_barrier
    ```
  }];
  let assemblyFormat = "attr-dict";
}

def Hw_FenceOp : Hw_Op<"fence"> {
  let summary = "Order the accesses before it with those behind it";
  let description = [{
    `fence.acq_rel.scope`.

    ```mlir
    hw.fence gpu
    ```
  }];
  let arguments = (ins Hw_Scope:$scope);
  let assemblyFormat = "$scope attr-dict";
}

def Hw_FenceAsyncProxyOp : Hw_Op<"fence_async_proxy"> {
  let summary = "Let asynchronous copies and wgmma see shared memory";
  let description = [{
    `fence.proxy.async.shared::cta` (sm_90a): between ordinary stores to shared
    memory and what reads it through the asynchronous proxy.

    ```mlir
    hw.fence_async_proxy
    ```
  }];
  let assemblyFormat = "attr-dict";
}

def Hw_FenceMbarrierInitOp : Hw_Op<"fence_mbarrier_init"> {
  let summary = "Let asynchronous copies see new mbarriers";
  let description = [{
    `fence.mbarrier_init.release.cluster` (sm_90a).

    ```mlir
    hw.fence_mbarrier_init
    ```
  }];
  let assemblyFormat = "attr-dict";
}

def Hw_SetMaxRegistersOp : Hw_Op<"set_max_registers"> {
  let summary = "Move registers between warpgroups";
  let description = [{
    `setmaxnreg.inc|dec.sync.aligned.u32 n` (sm_90a): 24 to 256, a multiple of 8.
    The kernel needs `min_ctas = 1`, or ptxas ignores it.

    ```mlir
    hw.set_max_registers inc, 240
    ```
  }];
  let arguments = (ins Hw_Registers:$kind, I32Attr:$count);
  let assemblyFormat = "$kind `,` $count attr-dict";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Warp
//===----------------------------------------------------------------------===//

def Hw_ShuffleOp : Hw_Op<"shuffle", [AllTypesMatch<["value", "result"]>]> {
  let summary = "Read a register of another lane";
  let description = [{
    `shfl.sync.bfly|idx|up|down.b32` over the whole warp: the lane number xor
    `lane`, `lane` itself, or the number less or plus `lane`. A lane without a
    partner (up and down) gets its own value.

    ```mlir
    %w = hw.shuffle xor %v, %lane : f32
    ```
  }];
  let arguments = (ins Hw_Shuffle:$kind, Hw_Register:$value, I32:$lane);
  let results = (outs Hw_Register:$result);
  let assemblyFormat = "$kind $value `,` $lane attr-dict `:` type($value)";
}

def Hw_VoteOp : Hw_Op<"vote"> {
  let summary = "Combine a predicate over the warp";
  let description = [{
    `vote.sync.any|all.pred` give an i1, `ballot.b32` an i32 with a bit for each
    lane.

    ```mlir
    %m = hw.vote ballot %p : i32
    ```
  }];
  let arguments = (ins Hw_Vote:$kind, I1:$predicate);
  let results = (outs AnyTypeOf<[I1, I32]>:$result);
  let assemblyFormat = "$kind $predicate attr-dict `:` type($result)";
  let hasVerifier = 1;
}

#endif // FOVEA_DIALECTS_HW_HWTHREADS_TD
