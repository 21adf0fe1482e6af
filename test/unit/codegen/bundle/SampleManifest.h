// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A manifest with one of everything, for tests of bundle writers and readers.
#ifndef FOVEA_TEST_UNIT_BUNDLEWRITER_SAMPLEMANIFEST_H
#define FOVEA_TEST_UNIT_BUNDLEWRITER_SAMPLEMANIFEST_H

#include "codegen/bundle/Manifest.h"

namespace fovea::test {

inline ArgManifest tensorArg(KernelManifest &kernel, const char *name,
                             uint32_t slot, const char *tokens, bool result) {
  ArgManifest arg;
  arg.name = name;
  arg.record.kind = FOVEA_ARG_TENSOR;
  arg.record.dtype = FOVEA_DTYPE_BF16;
  arg.record.rank = 4;
  arg.record.slot = slot;
  arg.record.is_result = result;
  int64_t shape[] = {-1, 8, -1, 128};
  for (int d = 0; d < 4; ++d)
    arg.record.shape[d] = shape[d];
  arg.record.symbol[0] = kernel.symbol("b");
  arg.record.symbol[2] = kernel.symbol(tokens);
  return arg;
}

/// q, k, v and a scalar -> o; a split stream with two variants and a combine.
inline BundleManifest sampleManifest() {
  BundleManifest bundle;
  bundle.key = 0x1234;
  bundle.compilerId = 0x5678;
  bundle.spec = "func.func @attend(...)\n";
  bundle.targets = {{"x86-64-v3", std::string(300, '\x90')},
                    {"x86-64-v4", std::string(5000, '\xcc')}};
  bundle.planCode = std::string(96, '\xc3');

  KernelManifest kernel;
  kernel.name = "attend";
  kernel.args = {tensorArg(kernel, "q", 0, "sq", false),
                 tensorArg(kernel, "k", 1, "sk", false),
                 tensorArg(kernel, "v", 2, "sk", false)};
  ArgManifest window;
  window.name = "w";
  window.record.kind = FOVEA_ARG_SCALAR;
  window.record.dtype = FOVEA_DTYPE_I64;
  kernel.args.push_back(window);
  kernel.args.push_back(tensorArg(kernel, "o", 3, "sq", true));

  BufferManifest buffer;
  buffer.name = "main.o";
  buffer.record.dtype = FOVEA_DTYPE_F32;
  buffer.record.rank = 3;
  buffer.record.slot = 4;
  buffer.record.extent[0] = slotsExtent(0);
  buffer.record.extent[1] = constantExtent(64);
  buffer.record.extent[2] = symbolExtent(kernel.symbol("sk"), 2, 7, 16);
  kernel.buffers.push_back(buffer);

  StageManifest main;
  main.name = "main";
  main.record.space = FOVEA_SPACE_STREAM;
  main.record.grid[0] = symbolExtent(kernel.symbol("b"));
  main.record.group = 4;
  main.record.kv_group = 4;
  main.record.heads = 8;
  main.record.mask = 0;
  main.record.q_symbol = kernel.symbol("sq");
  main.record.k_symbol = kernel.symbol("sk");
  main.record.splittable = 1;
  main.record.key_dim = main.record.value_dim = 128;
  VariantManifest decode, prefill;
  decode.name = "decode";
  decode.record.rows = 8;
  decode.record.keys = 32;
  decode.record.max_rows = 8;
  decode.record.scratch_bytes = 4096;
  decode.entries = {{0, 0}, {1, 64}};
  prefill.name = "prefill";
  prefill.schedule = "6x16 keys=96 rows=64";
  prefill.record.rows = 64;
  prefill.record.keys = 96;
  prefill.record.max_rows = INT64_MAX;
  prefill.record.scratch_bytes = 65536;
  prefill.entries = {{0, 128}};
  main.variants = {decode, prefill};
  StageManifest combine;
  combine.name = "combine";
  combine.record.space = FOVEA_SPACE_COMBINE;
  combine.record.of = 0;
  VariantManifest any;
  any.name = "grid";
  any.record.rows = 64;
  any.record.max_rows = INT64_MAX;
  any.entries = {{0, 192}, {1, 4096}};
  combine.variants = {any};
  kernel.stages = {main, combine};

  MaskManifest mask;
  mask.text = "causal and window(%w)";
  mask.record.analysed = 1;
  mask.record.classify = 32;
  mask.record.keep = 64;
  kernel.masks = {mask};
  kernel.remarks = {{"rows are packed 4 to a KV head", 3, 8}};
  bundle.kernels = {kernel};
  return bundle;
}

/// The sample with a second kernel, which appends to a cache of codes and new
/// rows and has metadata per page.
inline BundleManifest cacheManifest() {
  BundleManifest bundle = sampleManifest();
  KernelManifest kernel;
  kernel.name = "step";
  for (const char *name : {"q", "k", "v", "o"}) {
    ArgManifest arg;
    arg.name = name;
    arg.record.dtype = FOVEA_DTYPE_BF16;
    arg.record.rank = 3;
    arg.record.slot = uint32_t(kernel.args.size());
    arg.record.is_result = *name == 'o';
    arg.record.shape[0] = -1;
    arg.record.symbol[0] = kernel.symbol("rows");
    arg.record.shape[1] = 8;
    arg.record.shape[2] = 128;
    kernel.args.push_back(arg);
  }
  ArgManifest cacheArg;
  cacheArg.name = "c";
  cacheArg.record.kind = FOVEA_ARG_CACHE;
  kernel.args.insert(kernel.args.begin() + 3, cacheArg);

  uint32_t slot = 4;
  auto part = [&](const char *name, uint32_t dtype, uint32_t rank,
                  int64_t extent, uint32_t perPage) {
    PartManifest p;
    p.name = name;
    p.record.dtype = dtype;
    p.record.slot = slot++;
    p.record.per_page = perPage;
    p.record.rank = rank;
    p.record.extent = extent;
    p.record.inner = perPage ? extent / 2 : extent;
    return p;
  };
  SegmentManifest all, fresh;
  all.name = "all";
  all.record.kind = FOVEA_SEGMENT_ALL;
  all.record.page_tokens = 16;
  all.parts = {part("k", FOVEA_DTYPE_I8, 4, 128, 0),
               part("k.scale", FOVEA_DTYPE_F32, 3, 1, 0),
               part("v", FOVEA_DTYPE_BF16, 4, 128, 0),
               part("bounds", FOVEA_DTYPE_F32, 4, 256, 1)};
  all.record.pages_slot = slot++;
  all.record.ranges_slot = slot++;
  fresh.name = "new";
  fresh.record.kind = FOVEA_SEGMENT_NEW;
  fresh.record.page_tokens = 1;
  fresh.record.token_major = 1;
  fresh.parts = {part("k", FOVEA_DTYPE_BF16, 4, 128, 0),
                 part("v", FOVEA_DTYPE_BF16, 4, 128, 0)};
  fresh.record.pages_slot = slot++;
  fresh.record.ranges_slot = slot++;
  CacheManifest cache;
  cache.name = "c";
  cache.type = "!kv.cache<heads = 8>";
  cache.record.arg = 3;
  cache.record.heads = 8;
  cache.record.key_dim = cache.record.value_dim = 128;
  cache.record.input_dtype = FOVEA_DTYPE_BF16;
  cache.record.rope = FOVEA_ROPE_BEFORE;
  cache.record.append_stage = 0;
  cache.record.pages_stage = 1;
  cache.record.moves_stage = 3;
  cache.record.key_slot = 1;
  cache.record.value_slot = 2;
  cache.segments = {all, fresh};
  kernel.caches = {cache};

  VariantManifest any;
  any.name = "grid";
  any.record.rows = 16;
  any.record.keys = 16;
  any.record.max_rows = INT64_MAX;
  any.record.scratch_bytes = 64;
  any.entries = {{0, 0}, {1, 0}};
  for (auto [name, space] : {std::pair("append", FOVEA_SPACE_APPEND),
                             {"pages", FOVEA_SPACE_PAGES},
                             {"attend", FOVEA_SPACE_STREAM},
                             {"moves", FOVEA_SPACE_MOVES}}) {
    StageManifest stage;
    stage.name = name;
    stage.record.space = space;
    stage.record.cache = 0;
    stage.record.flags = space == FOVEA_SPACE_MOVES    ? FOVEA_STAGE_SERVICE
                         : space == FOVEA_SPACE_STREAM ? FOVEA_STAGE_READS_B
                                                       : 0;
    stage.variants = {any};
    kernel.stages.push_back(stage);
  }
  StageManifest &attend = kernel.stages[2];
  attend.record.grid[0] = symbolExtent(kernel.symbol("b"));
  attend.record.q_symbol = kernel.symbol("rows");
  attend.record.k_symbol = kernel.symbol("sk");
  attend.record.heads = 8;
  bundle.kernels.push_back(kernel);
  return bundle;
}

} // namespace fovea::test

#endif // FOVEA_TEST_UNIT_BUNDLEWRITER_SAMPLEMANIFEST_H
