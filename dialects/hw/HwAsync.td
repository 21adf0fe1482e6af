// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Asynchronous copies and the mbarriers they report to.
#ifndef FOVEA_DIALECTS_HW_HWASYNC_TD
#define FOVEA_DIALECTS_HW_HWASYNC_TD

include "dialects/hw/HwDialect.td"

class Hw_PlainOp<string mnemonic> : Hw_Op<mnemonic> {
  let assemblyFormat = "attr-dict";
}

//===----------------------------------------------------------------------===//
// sm_80
//===----------------------------------------------------------------------===//

def Hw_CopyAsyncOp : Hw_Op<"copy_async"> {
  let summary = "Copy a few bytes to shared memory behind the thread's back";
  let description = [{
    `cp.async.cg.shared.global` for 16 bytes, `.ca` for 4 and 8; both addresses
    have the alignment of the bytes. With `valid` only so many bytes are read, 0
    to all, and the rest becomes zero.

    ```mlir
    hw.copy_async 16, %s, %g
    hw.copy_async 16, %s, %g valid %n
    ```
  }];
  let arguments = (ins I32Attr:$bytes, Hw_SharedPtr:$shared,
                       Hw_GlobalPtr:$global, Optional<I32>:$valid);
  let assemblyFormat = [{
    $bytes `,` $shared `,` $global (`valid` $valid^)? attr-dict
  }];
  let hasVerifier = 1;
}

def Hw_CopyAsyncCommitOp : Hw_PlainOp<"copy_async_commit"> {
  let summary = "Make a group of the copies since the last one";
  let description = [{
    `cp.async.commit_group`.

    ```mlir
    hw.copy_async_commit
    ```
  }];
}

def Hw_CopyAsyncWaitOp : Hw_Op<"copy_async_wait"> {
  let summary = "Wait until at most so many groups are on their way";
  let description = [{
    `cp.async.wait_group n`: the thread's own copies; others need a barrier.

    ```mlir
    hw.copy_async_wait 1
    ```
  }];
  let arguments = (ins I32Attr:$groups);
  let assemblyFormat = "$groups attr-dict";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// sm_90a: mbarriers
//===----------------------------------------------------------------------===//

def Hw_MbarrierInitOp : Hw_Op<"mbarrier_init"> {
  let summary = "Make an mbarrier";
  let description = [{
    `mbarrier.init.shared.b64`: each phase takes `count` arrivals.

    ```mlir
    hw.mbarrier_init %b, 128
    ```
  }];
  let arguments = (ins Hw_SharedPtr:$mbarrier, I32Attr:$count);
  let assemblyFormat = "$mbarrier `,` $count attr-dict";
  let hasVerifier = 1;
}

def Hw_MbarrierArriveOp : Hw_Op<"mbarrier_arrive"> {
  let summary = "Arrive at an mbarrier";
  let description = [{
    `mbarrier.arrive.shared.b64`, with the release order of a CTA.

    ```mlir
    hw.mbarrier_arrive %b
    ```
  }];
  let arguments = (ins Hw_SharedPtr:$mbarrier);
  let assemblyFormat = "$mbarrier attr-dict";
}

def Hw_MbarrierArriveExpectTxOp : Hw_Op<"mbarrier_arrive_expect_tx"> {
  let summary = "Arrive, and await bytes of copies";
  let description = [{
    `mbarrier.arrive.expect_tx.shared::cta.b64` (sm_90a).

    ```mlir
    hw.mbarrier_arrive_expect_tx %b, %bytes
    ```
  }];
  let arguments = (ins Hw_SharedPtr:$mbarrier, I32:$bytes);
  let assemblyFormat = "$mbarrier `,` $bytes attr-dict";
}

def Hw_MbarrierWaitOp : Hw_Op<"mbarrier_wait"> {
  let summary = "Wait for the end of a phase";
  let description = [{
    A loop of `mbarrier.try_wait.parity.shared::cta.b64` (sm_90a) until the phase
    with this parity, 0 for the first, is over.

    ```mlir
    hw.mbarrier_wait %b, %parity
    ```
  }];
  let arguments = (ins Hw_SharedPtr:$mbarrier, I32:$parity);
  let assemblyFormat = "$mbarrier `,` $parity attr-dict";
}

//===----------------------------------------------------------------------===//
// sm_90a: bulk copies and tensor maps
//===----------------------------------------------------------------------===//

def Hw_BulkCopyOp : Hw_Op<"bulk_copy"> {
  let summary = "Copy contiguous bytes to shared memory";
  let description = [{
    `cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes` (sm_90a):
    addresses and bytes are multiples of 16.

    ```mlir
    hw.bulk_copy %s, %g, %bytes, %b
    ```
  }];
  let arguments = (ins Hw_SharedPtr:$shared, Hw_GlobalPtr:$global, I32:$bytes,
                       Hw_SharedPtr:$mbarrier);
  let assemblyFormat = [{
    $shared `,` $global `,` $bytes `,` $mbarrier attr-dict
  }];
}

def Hw_TmaLoadOp : Hw_Op<"tma_load"> {
  let summary = "Copy a box of a tensor to shared memory";
  let description = [{
    `cp.async.bulk.tensor.rank.shared::cluster.global` (sm_90a). The map is a
    CUtensorMap that the host made; coordinates count elements, the innermost
    dimension first, one for each of 1 to 5 dimensions. What lies outside of the
    tensor becomes zero.

    ```mlir
    hw.tma_load %s, %map[%x, %y], %b
    ```
  }];
  let arguments = (ins Hw_SharedPtr:$shared, LLVM_DefaultPointer:$map,
                       Variadic<I32>:$coordinates, Hw_SharedPtr:$mbarrier);
  let assemblyFormat = [{
    $shared `,` $map `[` $coordinates `]` `,` $mbarrier attr-dict
  }];
  let hasVerifier = 1;
}

def Hw_TmaStoreOp : Hw_Op<"tma_store"> {
  let summary = "Copy a box of a tensor from shared memory";
  let description = [{
    `cp.async.bulk.tensor.rank.global.shared::cta.bulk_group` (sm_90a); what lies
    outside of the tensor is not written.

    ```mlir
    hw.tma_store %map[%x, %y], %s
    ```
  }];
  let arguments = (ins LLVM_DefaultPointer:$map, Variadic<I32>:$coordinates,
                       Hw_SharedPtr:$shared);
  let assemblyFormat = "$map `[` $coordinates `]` `,` $shared attr-dict";
  let hasVerifier = 1;
}

def Hw_BulkCommitOp : Hw_PlainOp<"bulk_commit"> {
  let summary = "Make a group of the bulk stores since the last one";
  let description = [{
    `cp.async.bulk.commit_group` (sm_90a).

    ```mlir
    hw.bulk_commit
    ```
  }];
}

def Hw_BulkWaitOp : Hw_Op<"bulk_wait"> {
  let summary = "Wait until at most so many groups of stores are left";
  let description = [{
    `cp.async.bulk.wait_group` (sm_90a); with `read` only until shared memory has
    been read and may be written again.

    ```mlir
    hw.bulk_wait 0 read
    ```
  }];
  let arguments = (ins I32Attr:$groups, UnitAttr:$read);
  let assemblyFormat = "$groups (`read` $read^)? attr-dict";
  let hasVerifier = 1;
}

#endif // FOVEA_DIALECTS_HW_HWASYNC_TD
