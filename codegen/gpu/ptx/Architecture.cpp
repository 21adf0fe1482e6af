// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The table of architectures, and the check of a module against one.
#include "codegen/gpu/ptx/Architecture.h"

#include "dialects/hw/Hw.h"

using namespace mlir;

namespace fovea::gpu {

// PTX 7.4 is the first with cache policies on sm_80, 8.5 the last that LLVM 19
// writes: an older driver takes an older version.
static const Architecture kArchitectures[] = {
    {"sm_80", "+ptx74", 166912, false},
    {"sm_90a", "+ptx85", 232448, true},
};

llvm::Expected<const Architecture *> findArchitecture(llvm::StringRef name) {
  std::string names;
  for (const Architecture &arch : kArchitectures) {
    if (arch.name == name)
      return &arch;
    names += (names.empty() ? "" : " or ") + arch.name.str();
  }
  return llvm::createStringError("expected architecture to be " + names +
                                 ", got " + name.str());
}

static bool needsHopper(Operation *op) {
  return isa<hw::FenceAsyncProxyOp, hw::FenceMbarrierInitOp,
             hw::SetMaxRegistersOp, hw::MbarrierArriveExpectTxOp,
             hw::MbarrierWaitOp, hw::BulkCopyOp, hw::TmaLoadOp, hw::TmaStoreOp,
             hw::BulkCommitOp, hw::BulkWaitOp, hw::StmatrixOp, hw::WgmmaOp,
             hw::WgmmaFenceOp, hw::WgmmaCommitOp, hw::WgmmaWaitOp,
             hw::PackFp8Op, hw::UnpackFp8Op>(op);
}

static LogicalResult checkOp(Operation *op, const Architecture &arch) {
  if (needsHopper(op) && !arch.hopper)
    return op->emitOpError("needs sm_90a, got ") << arch.name;
  if (auto kernel = dyn_cast<hw::KernelOp>(op))
    if (static_cast<int32_t>(kernel.getSharedBytes()) > arch.sharedBytes)
      return op->emitOpError("expected shared_bytes to be at most ")
             << arch.sharedBytes << " on " << arch.name << ", got "
             << kernel.getSharedBytes();
  if (isa<hw::SetMaxRegistersOp>(op)) {
    // Otherwise ptxas ignores the instruction, and says so only in a remark.
    auto kernel = op->getParentOfType<hw::KernelOp>();
    if (kernel && kernel.getMinCtas() != 1u)
      return op->emitOpError("expected a kernel with min_ctas = 1");
  }
  return success();
}

LogicalResult checkArchitecture(ModuleOp module, const Architecture &arch) {
  bool good = true;
  module.walk([&](Operation *op) { good &= succeeded(checkOp(op, arch)); });
  return success(good);
}

} // namespace fovea::gpu
