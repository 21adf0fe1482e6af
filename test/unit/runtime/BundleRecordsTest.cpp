// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bundles whose frame is right and one of whose records is not; and the seeds
// of the fuzzer, which has more of them.
#include "runtime/loader/Bundle.h"
#include "test/unit/runtime/Fixture.h"

#include <cstdio>
#include <functional>

using namespace fovea::test;

namespace {

/// A bundle with a well-formed frame and one wrong record.
void refuse(const char *words,
            const std::function<void(BundleBuilder &)> &spoil,
            fovea_status status = FOVEA_BAD_BUNDLE,
            BundleBuilder b = sumKernel()) {
  spoil(b);
  std::vector<uint8_t> bytes = b.build();
  fovea_ctx *ctx = openContext();
  fovea_bundle *bundle = nullptr;
  EXPECT_REFUSED(status, words,
                 fovea_bundle_memory(ctx, bytes.data(), bytes.size(), &bundle));
  fovea_close(ctx);
}

TEST(Bundle, EveryRecordIsChecked) {
  using B = BundleBuilder &;
  refuse("a kernel's name", [](B b) { b.kernels[0].name = 1 << 20; });
  refuse("to end in NUL", [](B b) { b.strings.push_back('x'); });
  refuse("arguments of a kernel", [](B b) { b.kernels[0].args.count = 99; });
  refuse("symbols of a kernel", [](B b) { b.kernels[0].symbols.first = 99; });
  refuse("buffers of a kernel", [](B b) { b.kernels[0].buffers.count = 9; });
  refuse("stages of a kernel",
         [](B b) { b.kernels[0].stages = {UINT32_MAX, UINT32_MAX}; });
  refuse("number of stages", [](B b) { b.kernels[0].stages.count = 0; });
  refuse("n_views to be at most 64", [](B b) { b.kernels[0].n_views = 65; });
  refuse("n_scalars to be at most", [](B b) { b.kernels[0].n_scalars = 65; });
  refuse("owners of its view slots", [](B b) { b.kernels[0].n_views = 5; });
  refuse("owners of its scalar", [](B b) { b.kernels[0].n_scalars = 2; });
  refuse("view slot of 'o' to be below 4", [](B b) { b.args[3].slot = 4; });
  refuse("view slot 0 to have one owner", [](B b) { b.args[1].slot = 0; });
  refuse("argument's kind", [](B b) { b.args[0].kind = 3; });
  refuse("argument's dtype", [](B b) { b.args[0].dtype = 10; });
  refuse("argument's rank", [](B b) { b.args[0].rank = 7; });
  refuse("argument's symbol", [](B b) { b.args[0].symbol[0] = 3; });
  refuse("argument's extent", [](B b) { b.args[0].shape[1] = -2; });
  refuse("symbol of a dynamic extent", [](B b) { b.args[0].symbol[2] = -1; });
  refuse("rank of a scalar", [](B b) { b.args[2].rank = 1; });
  refuse("scalar's slot", [](B b) { b.args[2].slot = 1; });
  refuse("is_result", [](B b) { b.args[3].is_result = 2; });
  refuse("symbol 'sk' to be an extent of an argument",
         [](B b) { b.args[1].symbol[1] = 1; });
  refuse("buffer's dtype", [](B b) { b.buffers[0].dtype = 0; });
  refuse("div > 0", [](B b) { b.buffers[0].extent[1].div = 0; });
  refuse("mul >= 0", [](B b) { b.buffers[0].extent[1].mul = -1; });
  refuse("of one of the kernel's symbols",
         [](B b) { b.buffers[0].extent[1].symbol = 3; });
  refuse("of an earlier stage", [](B b) { b.buffers[0].extent[0].stage = 2; });
  refuse("of a stream stage", [](B b) { b.buffers[0].extent[0].stage = 1; });
  refuse("stage's space", [](B b) { b.stages[0].space = 6; });
  refuse("stage's cache", [](B b) { b.stages[0].cache = 0; });
  refuse("variants of a stage", [](B b) { b.stages[0].variants.first = 9; });
  refuse("at least one", [](B b) { b.stages[0].variants.count = 0; });
  refuse("stage's group", [](B b) { b.stages[0].group = 0; });
  refuse("stage's kv_group", [](B b) { b.stages[0].group = 2; });
  refuse("stage's heads", [](B b) { b.stages[0].heads = 0; });
  refuse("stage's mask", [](B b) { b.stages[0].mask = 1; });
  refuse("stage's q_symbol", [](B b) { b.stages[0].q_symbol = -1; });
  refuse("stage's k_symbol", [](B b) { b.stages[0].k_symbol = 3; });
  refuse("stage's length_slot", [](B b) { b.stages[0].length_slot = 0; });
  refuse("stage's offset_slot", [](B b) { b.stages[0].offset_slot = 64; });
  refuse("stage's list_slot", [](B b) { b.stages[0].list_slot = 4; });
  refuse("list_unit", [](B b) { b.stages[0].list_slot = 0; });
  refuse("stage's rope_table", [](B b) { b.stages[0].rope_table = 1; });
  refuse("stage's order_points", [](B b) { b.stages[0].order_points = -1; });
  refuse("stage's splittable", [](B b) { b.stages[0].splittable = 2; });
  refuse("stage's dims", [](B b) { b.stages[0].key_dim = -1; });
  refuse("stage's flags", [](B b) { b.stages[0].flags = 2; });
  refuse("stage's flags", [](B b) { b.stages[1].flags = 1; });
  refuse("that a combine merges", [](B b) { b.stages[1].of = 1; });
  refuse("variant's rows", [](B b) { b.variants[0].rows = 0; });
  refuse("variant's keys", [](B b) { b.variants[0].keys = 0; });
  refuse("variant's class_rows", [](B b) { b.variants[0].class_rows = 3; });
  refuse("variant's max_rows", [](B b) { b.variants[0].max_rows = -1; });
  refuse("variant's scratch_bytes",
         [](B b) { b.variants[0].scratch_bytes = 8; });
  refuse("at least the one before", [](B b) {
    b.variants.push_back(b.variants[0]);
    b.variants.push_back(b.variants[0]);
    b.variants[3].max_rows = 7;
    b.stages[0].variants = {2, 2};
  });
  refuse("entries of a variant", [](B b) { b.variants[0].entries.count = 2; });
  refuse("entry's target", [](B b) { b.entries[0].target = 1; });
  refuse("entry inside the code",
         [](B b) { b.entries[0].offset = b.code[0].size(); });
  refuse("a CODE section of index 3",
         [](B b) { b.targets[0].code_section = 3; });
  refuse("target 'x86-64' to be of a kind up to 1, got 2",
         [](B b) { b.targets[0].kind = 2; });
  refuse("a target's name", [](B b) { b.targets[0].name = 1 << 20; });
  refuse("mask's function inside the plan code",
         [](B b) { b.masks[0].keep = b.planCode.size(); });
  refuse("mask's function inside the plan code", [](B b) { b.planCode = {}; });
  refuse("mask's reads", [](B b) { b.masks[0].reads = 16; });
  refuse("mask's analysed", [](B b) { b.masks[0].analysed = 2; });
  refuse("mask's number of summaries",
         [](B b) { b.masks[0].n_summaries = FOVEA_MASK_MAX_SUMMARIES + 1; });
  // Of a float tensor, and of a slot that no argument has.
  for (uint32_t slot : {1u, 60u})
    refuse("summary's slot", [=](B b) {
      b.masks[0].n_summaries = 1;
      b.masks[0].summaries[0] = {slot, 0};
    });
  refuse("remark's text", [](B b) { b.remarks[0].text = 1 << 20; });
}

/// A kernel of lengths whose plan makes a table of them.
BundleBuilder tableKernel() {
  KernelOptions options;
  options.lengths = true;
  BundleBuilder b = sumKernel(options);
  int32_t source = -1;
  for (const fovea_bundle_arg &a : b.args)
    if (a.kind == FOVEA_ARG_TENSOR && a.dtype == FOVEA_DTYPE_I32)
      source = int32_t(a.slot);
  b.tables.push_back({FOVEA_TABLE_LINEAGE, b.kernels[0].n_views++, source, -1});
  b.tables.push_back(
      {FOVEA_TABLE_LINEAGE_SIZE, b.kernels[0].n_views++, source, -1});
  b.kernels[0].tables = {0, 2};
  return b;
}

TEST(Bundle, TablesAreChecked) {
  fovea_ctx *ctx = openContext();
  auto open = [&](const std::function<void(BundleBuilder &)> &spoil) {
    BundleBuilder b = tableKernel();
    spoil(b);
    std::vector<uint8_t> bytes = b.build();
    fovea_bundle *bundle = nullptr;
    fovea_status st =
        fovea_bundle_memory(ctx, bytes.data(), bytes.size(), &bundle);
    fovea_bundle_close(bundle);
    return st;
  };
  using B = BundleBuilder &;
  ASSERT_FOVEA(open([](B) {}));
  auto refuse = [&](const char *words, const std::function<void(B)> &spoil) {
    EXPECT_REFUSED(FOVEA_BAD_BUNDLE, words, open(spoil));
  };
  refuse("tables of a kernel", [](B b) { b.kernels[0].tables.count = 3; });
  refuse("a table's rule", [](B b) { b.tables[0].rule = 4; });
  // Lineages take two tables of one source.
  refuse("behind it 3", [](B b) { b.kernels[0].tables = {0, 1}; });
  refuse("behind it 3", [](B b) { b.kernels[0].tables = {1, 1}; });
  refuse("behind it 3", [](B b) { std::swap(b.tables[0], b.tables[1]); });
  // Lineages may be summarised; other tables of the plan have no summary.
  auto summarise = [](B b, size_t table, uint32_t axis) {
    b.masks[0].n_summaries = 1;
    b.masks[0].summaries[0] = {b.tables[table].slot, axis};
  };
  for (size_t table : {0u, 1u}) {
    ASSERT_FOVEA(open([&](B b) { summarise(b, table, 0); }));
    refuse("summary's slot", [&](B b) { summarise(b, table, 1); });
  }
  refuse("summary's slot", [&](B b) {
    summarise(b, 0, 0);
    b.tables[0].rule = FOVEA_TABLE_BOUNDARIES;
    b.kernels[0].tables.count = 1;
  });
  refuse("a table's cache", [](B b) { b.tables[0].cache = 0; });
  refuse("a table's cache",
         [](B b) { b.tables[0].rule = FOVEA_TABLE_BATCH_TREE; });
  refuse("a table's source", [](B b) { b.tables[0].source = -1; });
  refuse("a table's source", [](B b) { b.tables[0].source = 0; }); // floats
  refuse("to have one owner", [](B b) { b.tables[0].slot = 0; });
  refuse("view slot of 'table'", [](B b) { b.tables[0].slot = 64; });
  // A stage may ask for the tree of a batch only where its table is.
  refuse("a stage's flags", [](B b) { b.stages[0].flags |= FOVEA_STAGE_TREE; });
  fovea_close(ctx);
}

/// first, older in codes with metadata, recent, new.
CacheOptions richCache(bool appends = true) {
  CacheOptions options;
  SegmentSpec older{FOVEA_SEGMENT_OLDER, 0, 16, FOVEA_DTYPE_I8,
                    FOVEA_DTYPE_F16};
  older.bounds = {"bounds"};
  older.means = {"means"};
  options.segments = {{FOVEA_SEGMENT_FIRST, 4, 4},
                      older,
                      {FOVEA_SEGMENT_RECENT, 64},
                      {FOVEA_SEGMENT_NEW, 0, 1}};
  options.appends = appends;
  return options;
}

TEST(Bundle, DescribesItsCaches) {
  for (bool appends : {true, false}) {
    Loaded k(cacheKernel(richCache(appends)));
    int at = appends ? 3 : 1;
    ASSERT_EQ(fovea_kernel_args(k.kernel), at + 2);
    fovea_arg_info info{};
    info.size = sizeof info;
    ASSERT_FOVEA(fovea_kernel_arg(k.kernel, at, &info));
    EXPECT_STREQ(info.name, "c");
    EXPECT_EQ(info.kind, FOVEA_CACHE);
    EXPECT_EQ(info.dtype, FOVEA_DTYPE_NONE);
    EXPECT_EQ(info.rank, 0);
    ASSERT_EQ(k.kernel->caches.size(), 1u);
    const fovea_bundle_cache &cache = k.kernel->caches[0];
    ASSERT_EQ(k.kernel->segments(cache).size(), 4u);
    const fovea_bundle_segment &older = k.kernel->segments(cache)[1];
    EXPECT_EQ(older.page_tokens, 16);
    ASSERT_EQ(k.kernel->parts(older).size(), 5u);
    EXPECT_STREQ(k.kernel->view().string(k.kernel->parts(older)[1].name),
                 "k.scale");
    EXPECT_EQ(k.kernel->stages[size_t(cache.moves_stage)].space,
              uint32_t(FOVEA_SPACE_MOVES));
  }
  Loaded plain(cacheKernel());
  EXPECT_EQ(plain.kernel->caches[0].moves_stage, -1);
  EXPECT_EQ(plain.kernel->caches[0].pages_stage, -1);
}

// Stages: 0 append, 1 pages, 2 attend, 3 moves. Parts of older: 2 to 6.
TEST(Bundle, EveryRecordOfACacheIsChecked) {
  using B = BundleBuilder &;
  auto r = [](const char *words,
              const std::function<void(BundleBuilder &)> &spoil,
              bool appends = true) {
    refuse(words, spoil, FOVEA_BAD_BUNDLE, cacheKernel(richCache(appends)));
  };
  r("caches of a kernel", [](B b) { b.kernels[0].caches.count = 2; });
  r("the rank and dtype of a cache", [](B b) { b.args[3].dtype = 1; });
  r("the rank and dtype of a cache", [](B b) { b.args[3].rank = 1; });
  r("the rank and dtype of a cache", [](B b) { b.args[3].is_result = 1; });
  r("a cache of its own", [](B b) { b.args[3].slot = 1; });
  r("a cache of its own", [](B b) { b.args[2] = b.args[3]; });
  r("the name of a cache", [](B b) { b.caches[0].name = 1 << 20; });
  r("the type of a cache", [](B b) { b.caches[0].type = 1 << 20; });
  r("one of the kernel's arguments", [](B b) { b.caches[0].arg = 9; });
  r("the argument that names it", [](B b) { b.caches[0].arg = 0; });
  r("heads of a cache", [](B b) { b.caches[0].heads = 0; });
  r("key_dim of a cache", [](B b) { b.caches[0].key_dim = 0; });
  r("value_dim of a cache", [](B b) { b.caches[0].value_dim = 1 << 17; });
  r("input_dtype", [](B b) { b.caches[0].input_dtype = FOVEA_DTYPE_I8; });
  r("rope of a cache", [](B b) { b.caches[0].rope = 3; });
  r("the segments", [](B b) { b.caches[0].segments.count = 0; });
  r("the segments", [](B b) { b.caches[0].segments.count = 5; });
  r("the segments", [](B b) { b.caches[0].segments.first = 9; });
  r("append_stage", [](B b) { b.caches[0].append_stage = -1; });
  r("append_stage", [](B b) { b.caches[0].append_stage = 4; });
  r("append_stage", [](B b) { b.caches[0].append_stage = 2; });
  r("moves_stage", [](B b) { b.caches[0].moves_stage = -1; });
  r("pages_stage", [](B b) { b.caches[0].pages_stage = -1; });
  r("key_slot", [](B b) { b.caches[0].key_slot = -1; });
  r("key_slot", [](B b) { b.caches[0].key_slot = 99; });
  r("key_slot", [](B b) { b.caches[0].key_slot = 1; });
  r("rank 3 or 4", [](B b) { b.args[1].rank = 2; });
  r("input's dtype", [](B b) { b.args[1].dtype = FOVEA_DTYPE_F16; });
  r("a view slot of its own", [](B b) { b.caches[0].value_slot = 2; });
  r("a segment's name", [](B b) { b.segments[0].name = 1 << 20; });
  r("a segment's kind", [](B b) { b.segments[3].kind = 5; });
  r("a segment's kind", [](B b) { b.segments[1].kind = 1; });
  r("a segment's kind", [](B b) {
    b.segments[0].kind = 0;
    b.segments[0].tokens = 0;
  });
  r("another than new", [](B b) {
    b.caches[0].segments = {3, 1};
    b.caches[0].pages_stage = -1;
  });
  r("token_major", [](B b) { b.segments[0].token_major = 2; });
  r("a segment's tokens", [](B b) { b.segments[0].tokens = 0; });
  r("a segment's tokens", [](B b) { b.segments[1].tokens = 3; });
  r("page_tokens", [](B b) { b.segments[0].page_tokens = -1; });
  r("a segment's ring", [](B b) { b.segments[0].ring = 4; });
  r("a segment's ring", [](B b) { b.segments[2].ring = 63; });
  r("a segment's parts", [](B b) { b.segments[0].parts.count = 99; });
  r("a segment's parts", [](B b) { b.segments[0].parts.count = 0; });
  r("k [k.scale] v", [](B b) { b.segments[0].parts.count = 1; });
  r("metadata after v", [](B b) {
    b.parts[6].per_page = 0;
    b.parts[6].extent = b.parts[6].inner = 1;
  });
  r("pages_slot", [](B b) { b.segments[0].pages_slot = 99; });
  r("ranges_slot", [](B b) { b.segments[0].ranges_slot = 0; });
  r("a part's name", [](B b) { b.parts[0].name = 1 << 20; });
  r("a part's dtype", [](B b) { b.parts[0].dtype = 0; });
  r("a part's per_page", [](B b) { b.parts[5].per_page = 2; });
  r("in a contiguous segment", [](B b) { b.segments[1].page_tokens = 0; });
  r("a part's rank", [](B b) { b.parts[0].rank = 2; });
  r("a part's rank", [](B b) { b.parts[5].rank = 7; });
  r("a part's extent", [](B b) { b.parts[0].extent = 0; });
  r("without a chan dim", [](B b) { b.parts[0].rank = 3; });
  r("divisor of its extent", [](B b) { b.parts[5].inner = 3; });
  r("its extent per token", [](B b) { b.parts[0].inner = 2; });
  r("a part's slot", [](B b) { b.parts[0].slot = 0; });
  r("a stage's cache", [](B b) { b.stages[0].cache = -1; });
  r("a stage's cache", [](B b) { b.stages[2].cache = 1; });
  r("a moves stage", [](B b) { b.stages[3].flags = 0; });
  r("of a stage with a cache", [](B b) {
    b.args[0].rank = 1;
    b.args[0].dtype = FOVEA_DTYPE_I32;
    b.stages[2].offset_slot = 0;
  });
  r("symbol 'sk' to be", [](B b) { b.stages[2].k_symbol = 0; });
  r(
      "owners of its view slots",
      [](B b) { b.caches[0].value_slot = b.caches[0].key_slot; }, false);
  r("the argument that names it", [](B b) {
    b.caches.push_back(b.caches[0]);
    b.kernels[0].caches.count = 2;
  });
}

/// The fuzzer's seeds: bundles with a token of code, so that they stay small.
std::vector<std::pair<std::string, std::vector<uint8_t>>> fuzzSeeds() {
  std::vector<std::pair<std::string, std::vector<uint8_t>>> seeds;
  auto add = [&](const std::string &name, BundleBuilder b) {
    for (auto &[index, code] : b.code)
      code.assign(64, 0xcc);
    for (fovea_bundle_entry &e : b.entries)
      e.offset = 16;
    if (!b.masks.empty()) {
      b.planCode.assign(64, 0xcc);
      b.masks[0].bounds = b.masks[0].classify = b.masks[0].keep = 0;
    }
    seeds.push_back({name, b.build()});
  };
  KernelOptions options;
  add("sum.fvb", sumKernel());
  options.lengths = options.offsets = true;
  options.masked = false;
  add("lengths.fvb", sumKernel(options));
  add("count.fvb", countKernel());
  add("table.fvb", tableKernel());
  add("cache.fvb", cacheKernel(richCache()));
  BundleBuilder gpu = sumKernel();
  gpu.gpuTarget("sm_90a");
  add("gpu.fvb", gpu);
  return seeds;
}

std::string seedFolder() { return std::string(FUZZ_SEEDS) + "/"; }

/// Writes the seeds after a change of the format; disabled since it writes into
/// the source tree, and tests do not:
/// runtime-test --gtest_also_run_disabled_tests --gtest_filter=*WriteFuzzSeeds
TEST(Bundle, DISABLED_WriteFuzzSeeds) {
  for (auto &[name, bytes] : fuzzSeeds()) {
    FILE *file = std::fopen((seedFolder() + name).c_str(), "wb");
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
    std::fclose(file);
  }
}

TEST(Bundle, FuzzSeedsAreOfThisFormat) {
  fovea_ctx *ctx = openContext();
  for (auto &[name, bytes] : fuzzSeeds()) {
    fovea_bundle *bundle = nullptr;
    ASSERT_FOVEA(
        fovea_bundle_open(ctx, (seedFolder() + name).c_str(), &bundle));
    fovea_bundle_close(bundle);
  }
  fovea_close(ctx);
}

} // namespace
