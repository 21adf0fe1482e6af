// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// PTX to machine code by the assembler of the CUDA toolkit, in a process of its
// own. nvJitLink is no substitute: it ignores setmaxnreg and serialises wgmma.
#ifndef FOVEA_CODEGEN_GPU_PTX_PTXAS_H
#define FOVEA_CODEGEN_GPU_PTX_PTXAS_H

#include "codegen/gpu/ptx/Architecture.h"

#include <optional>
#include <string>
#include <vector>

namespace fovea::gpu {

/// What one kernel takes of a multiprocessor, as ptxas reports it.
struct KernelResources {
  std::string name;
  /// Registers of a thread.
  unsigned registers = 0;
  /// Bytes that a thread spills, in the kernel and the functions it calls.
  unsigned spillStores = 0;
  unsigned spillLoads = 0;
  /// Static shared memory; the dynamic is the kernel's shared_bytes.
  unsigned sharedBytes = 0;
};

/// Machine code and what its kernels take.
struct AssembledKernels {
  std::string cubin;
  std::vector<KernelResources> kernels;
};

/// Where ptxas is: what FOVEA_PTXAS names (empty: none is wanted), or else in
/// CUDA_HOME where that is set, or else on PATH, or in the toolkit's usual
/// folder. None: there is none. An error: one that was named is not there.
llvm::Expected<std::optional<std::string>> lookForPtxas();
/// The same; without one an error that says where it was looked for.
llvm::Expected<std::string> findPtxas();

/// Reads the report of `ptxas -v`. A remark of the C75xx family (registers not
/// moved, wgmma serialised) is an error: the code would be right and slow.
llvm::Expected<std::vector<KernelResources>>
readPtxasReport(llvm::StringRef report);

/// Assembles PTX, or says what ptxas said.
llvm::Expected<AssembledKernels> assemble(llvm::StringRef ptx,
                                          const Architecture &arch);

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_PTX_PTXAS_H
