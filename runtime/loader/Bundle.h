// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The handles of a loaded bundle and of a kernel in it.
#ifndef FOVEA_RUNTIME_LOADER_BUNDLE_H
#define FOVEA_RUNTIME_LOADER_BUNDLE_H

#include "runtime/base/Array.h"
#include "runtime/base/Context.h"
#include "runtime/bundle/BundleReader.h"

/// The file's bytes in pages of our own: written once, then read-only, with
/// the code sections executable. A private copy, because a file that is
/// changed after its check, or truncated, would otherwise run or fault.
struct fovea_bundle : fovea::rt::Counted<fovea_bundle> {
  explicit fovea_bundle(fovea_ctx *ctx) : ctx(ctx) {}
  ~fovea_bundle();

  fovea::rt::Ref<fovea_ctx> ctx;
  fovea::rt::BundleView view;
  void *pages = nullptr;
  size_t pageBytes = 0;
};

namespace fovea::rt {

struct GpuKernel;

/// fovea_bundle_open for a caller that may well find no file: then *missing is
/// set and the status is FOVEA_INVALID.
fovea_status openBundleFile(fovea_ctx *ctx, const char *path,
                            fovea_bundle **out, bool *missing);

} // namespace fovea::rt

struct fovea_kernel : fovea::rt::Counted<fovea_kernel> {
  explicit fovea_kernel(fovea_bundle *bundle) : bundle(bundle) {}
  ~fovea_kernel();

  fovea::rt::Ref<fovea_bundle> bundle;
  const fovea_bundle_kernel *record = nullptr;
  fovea::rt::Records<fovea_bundle_arg> args;
  fovea::rt::Records<fovea_bundle_symbol> symbols;
  fovea::rt::Records<fovea_bundle_buffer> buffers;
  fovea::rt::Records<fovea_bundle_stage> stages;
  fovea::rt::Records<fovea_bundle_mask> masks;
  fovea::rt::Records<fovea_bundle_cache> caches;
  fovea::rt::Records<fovea_bundle_table> tables;
  fovea::rt::Array<const char *> remarks;
  int32_t target = -1; // index into the bundle's targets; -1: none runs here
  /// What the target's code gets as fovea_abi_args::device.
  const void *device = nullptr;
  /// Its code on a GPU; NULL: it is for the CPU.
  fovea::rt::GpuKernel *gpu = nullptr;

  const fovea::rt::BundleView &view() const { return bundle->view; }
  const char *name() const { return view().string(record->name); }
  const char *argName(size_t i) const { return view().string(args[i].name); }
  const char *symbolName(size_t i) const {
    return view().string(symbols[i].name);
  }
  fovea::rt::Records<fovea_bundle_variant>
  variants(const fovea_bundle_stage &stage) const {
    return view().variants.slice(stage.variants);
  }
  /// In token order.
  fovea::rt::Records<fovea_bundle_segment>
  segments(const fovea_bundle_cache &cache) const {
    return view().segments.slice(cache.segments);
  }
  fovea::rt::Records<fovea_bundle_part>
  parts(const fovea_bundle_segment &segment) const {
    return view().parts.slice(segment.parts);
  }
  /// Where the code of a variant for the kernel's target is, or NULL.
  const fovea_bundle_entry *codeOf(const fovea_bundle_variant &variant) const;
  /// That code, of a CPU; NULL on a GPU.
  fovea_stage_fn entry(const fovea_bundle_variant &variant) const;
  /// Whether the kernel may run this variant: it has code for the target, or
  /// there is no target and the kernel is only planned.
  bool runs(const fovea_bundle_variant &variant) const;
  /// Why no code can run: the targets in the bundle and the host's.
  fovea_status refuseToRun() const;
  /// The address of plan code; NULL where plan code cannot run.
  const void *planCode(uint64_t offset) const;
};

namespace fovea::rt {

/// Whether the kernel can run on a target for any number of rows.
bool isComplete(const fovea_kernel &kernel, uint32_t target);

/// What a bundle has code for, for messages.
struct TargetNames {
  char text[256] = "none";
  explicit TargetNames(const BundleView &view);
};

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_LOADER_BUNDLE_H
