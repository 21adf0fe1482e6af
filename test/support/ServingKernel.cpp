// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the kernel of the cache manager's tests: an attention that reads what
// its stages write.
#include "test/support/ServingKernel.h"

namespace fovea::test {

/// One variant per function: fewRows for at most so many rows, else manyRows.
static fovea_bundle_span addVariants(BundleBuilder &b, Function few,
                                     Function many) {
  uint32_t first = uint32_t(b.variants.size());
  for (auto [function, rows] :
       {std::pair(few, fewRows), std::pair(many, manyRows)}) {
    fovea_bundle_variant v{};
    v.name = b.string(rows == fewRows ? "few" : "many");
    v.schedule = b.string("by hand");
    v.rows = uint32_t(rows);
    v.keys = servingKeys;
    v.max_rows = rows == fewRows ? fewRows : INT64_MAX;
    v.scratch_bytes = 256;
    v.entries = {uint32_t(b.entries.size()), uint32_t(b.targets.size())};
    for (uint32_t t = 0; t < b.targets.size(); ++t)
      b.entries.push_back({t, 0, testOffset(function)});
    b.variants.push_back(v);
  }
  return {first, 2};
}

BundleBuilder servingKernel(const ServingOptions &options) {
  bool rich = options.kind == CacheKind::Rich;
  CacheOptions cache = cacheOptions(options.kind, options.shape);
  cache.appends = options.appends;
  BundleBuilder b = cacheKernel(cache);
  fovea_bundle_kernel &kernel = b.kernels.back();
  for (fovea_bundle_arg &a : b.args)
    if (a.kind == FOVEA_ARG_TENSOR && a.slot < 2)
      a.shape[1] *= options.group;
  fovea_bundle_arg w{};
  w.name = b.string("w");
  w.kind = FOVEA_ARG_SCALAR;
  w.dtype = FOVEA_DTYPE_I64;
  b.args.insert(b.args.end() - 1, w);
  kernel.args.count = uint32_t(b.args.size());
  kernel.n_scalars = 1;

  fovea_bundle_mask m{};
  m.text = b.string("causal and window(%w)");
  m.analysed = 1;
  m.bounds = testOffset(Function::Bounds);
  m.classify = testOffset(Function::Classify);
  m.keep = testOffset(Function::Trap);
  b.masks.push_back(m);
  b.planCode = testImage();
  kernel.masks = {0, 1};

  int32_t attend = -1;
  for (size_t i = 0; i < b.stages.size(); ++i)
    if (b.stages[i].space == FOVEA_SPACE_STREAM)
      attend = int32_t(i);
  fovea_bundle_stage &s = b.stages[size_t(attend)];
  s.cache = 0;
  s.mask = 0;
  s.group = s.kv_group = options.group;
  s.splittable = options.splittable;
  s.flags = options.flags;
  s.variants =
      addVariants(b, rich ? Function::ServeRichFew : Function::ServePlainFew,
                  rich ? Function::ServeRichMany : Function::ServePlainMany);
  if (options.splittable) {
    fovea_bundle_buffer work{};
    work.name = b.string("work");
    work.dtype = FOVEA_DTYPE_F32;
    work.rank = 3;
    work.slot = kernel.n_views++;
    work.extent[0] = extentOf(FOVEA_EXTENT_SLOTS);
    work.extent[0].stage = attend;
    work.extent[1] = extentOf(FOVEA_EXTENT_ONE, manyRows);
    work.extent[2] = extentOf(FOVEA_EXTENT_ONE, options.shape.dim);
    b.buffers.push_back(work);
    fovea_bundle_stage c = s;
    c = {};
    c.name = b.string("combine");
    c.space = FOVEA_SPACE_COMBINE;
    c.of = attend;
    c.cache = -1;
    c.variants =
        addVariants(b, rich ? Function::MergeRichFew : Function::MergePlainFew,
                    rich ? Function::MergeRichMany : Function::MergePlainMany);
    b.stages.push_back(c);
  }
  kernel.buffers = {0, uint32_t(b.buffers.size())};
  kernel.stages = {0, uint32_t(b.stages.size())};
  return b;
}

} // namespace fovea::test
