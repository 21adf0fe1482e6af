// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bundles of the small kernels that tests of the runtime run.
#include "test/support/TestKernel.h"
#include "test/support/FakeCuda.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace fovea::test {

const std::vector<uint8_t> &testImage() {
  static const std::vector<uint8_t> image = [] {
    std::vector<uint8_t> bytes;
    if (FILE *f = std::fopen(FOVEA_TEST_IMAGE, "rb")) {
      uint8_t block[4096];
      size_t n;
      while ((n = std::fread(block, 1, sizeof block, f)))
        bytes.insert(bytes.end(), block, block + n);
      std::fclose(f);
    }
    return bytes;
  }();
  return image;
}

uint64_t testOffset(Function function) {
  uint64_t offset = 0;
  std::memcpy(&offset, testImage().data() + 8 * size_t(function), 8);
  return offset;
}

void addFakeGpu(BundleBuilder &builder, const std::string &target) {
  size_t first = builder.launches.size();
  const std::vector<uint8_t> &code = testImage();
  fake_cubin head = {FAKE_CUBIN_MAGIC, builder.variants.size(), code.size()};
  std::string image(reinterpret_cast<const char *>(&head), sizeof head);
  for (size_t i = 0; i < builder.variants.size(); ++i) {
    fake_cubin_function function{};
    std::snprintf(function.name, sizeof function.name, "kernel_%zu", first + i);
    function.offset = builder.entries[builder.variants[i].entries.first].offset;
    image.append(reinterpret_cast<const char *>(&function), sizeof function);
  }
  image.append(code.begin(), code.end());
  builder.gpuTarget(target, image);
}

static void addTarget(BundleBuilder &b, const std::string &name) {
  b.targets.push_back(
      {b.string(name), FOVEA_TARGET_CPU, uint32_t(b.code.size()), 0});
  b.code[uint32_t(b.code.size())] = testImage();
}

static fovea_bundle_span addVariant(BundleBuilder &b, Function function,
                                    int rows, int keys) {
  fovea_bundle_variant v{};
  v.name = b.string("plain");
  v.schedule = b.string("rows x keys by hand");
  v.rows = uint32_t(rows);
  v.keys = uint32_t(keys);
  v.max_rows = INT64_MAX;
  v.scratch_bytes = 256;
  v.entries = {uint32_t(b.entries.size()), uint32_t(b.targets.size())};
  for (uint32_t t = 0; t < b.targets.size(); ++t)
    b.entries.push_back({t, 0, testOffset(function)});
  b.variants.push_back(v);
  return {uint32_t(b.variants.size() - 1), 1};
}

static void addKernel(BundleBuilder &b, const std::string &name,
                      uint32_t scalars, uint32_t cacheViews = 0) {
  fovea_bundle_kernel k{};
  k.name = b.string(name);
  for (const fovea_bundle_arg &a : b.args)
    k.n_views += a.kind == FOVEA_ARG_TENSOR;
  k.n_views += uint32_t(b.buffers.size()) + cacheViews;
  k.caches = {0, uint32_t(b.caches.size())};
  k.n_scalars = scalars;
  k.args = {0, uint32_t(b.args.size())};
  k.symbols = {0, uint32_t(b.symbols.size())};
  k.buffers = {0, uint32_t(b.buffers.size())};
  k.stages = {0, uint32_t(b.stages.size())};
  k.masks = {0, uint32_t(b.masks.size())};
  k.remarks = {0, uint32_t(b.remarks.size())};
  b.kernels.push_back(k);
}

BundleBuilder sumKernel(const KernelOptions &options) {
  BundleBuilder b;
  b.string("");
  int batch = int(b.symbol("b")), sq = int(b.symbol("sq"));
  int sk = int(b.symbol("sk"));
  b.tensor("q", FOVEA_DTYPE_F32, 0, {batch, ~options.heads, sq});
  b.tensor("v", FOVEA_DTYPE_F32, 1, {batch, sk});
  fovea_bundle_arg w{};
  w.name = b.string("w");
  w.kind = FOVEA_ARG_SCALAR;
  w.dtype = FOVEA_DTYPE_I64;
  b.args.push_back(w);
  uint32_t slot = 4;
  int32_t lengths = -1, offsets = -1;
  uint64_t reads = 0;
  if (options.bounds == Function::BoundsEnds) {
    b.tensor("ends", FOVEA_DTYPE_I32, slot, {sk});
    reads |= uint64_t(1) << slot++;
  }
  if (options.lengths)
    b.tensor("lengths", FOVEA_DTYPE_I32, uint32_t(lengths = int(slot++)),
             {batch});
  if (options.offsets)
    b.tensor("offsets", FOVEA_DTYPE_I32, uint32_t(offsets = int(slot++)),
             {batch});
  b.tensor("o", FOVEA_DTYPE_F32, 2, {batch, ~options.heads, sq}, true);

  fovea_bundle_buffer work{};
  work.name = b.string("work");
  work.dtype = FOVEA_DTYPE_F32;
  work.rank = 2;
  work.slot = 3;
  work.extent[0] = extentOf(FOVEA_EXTENT_SLOTS);
  work.extent[1] = extentOf(FOVEA_EXTENT_ONE, options.rows);
  b.buffers.push_back(work);

  addTarget(b, options.target);
  b.planCode = testImage();
  if (options.masked) {
    fovea_bundle_mask m{};
    m.text = b.string("causal and window(%w)");
    m.analysed = 1;
    m.bounds = testOffset(options.bounds);
    m.classify = testOffset(Function::Classify);
    m.keep = testOffset(Function::Trap);
    m.reads = reads;
    if (reads) {
      m.n_summaries = 1;
      m.summaries[0] = {4, 0}; // of the ends
    }
    b.masks.push_back(m);
  }
  b.remarks.push_back({b.string("summing is not softmax"), 3, 7, 0});

  fovea_bundle_stage s{};
  s.name = b.string("main");
  s.space = FOVEA_SPACE_STREAM;
  s.variants = addVariant(b, options.stage, options.rows, options.keys);
  s.grid[0] = extentOf(batch);
  s.group = s.kv_group = 1;
  s.heads = options.heads;
  s.mask = options.masked ? 0 : -1;
  s.q_symbol = sq;
  s.k_symbol = sk;
  s.offset_slot = offsets;
  s.length_slot = lengths;
  s.splittable = options.splittable;
  s.list_slot = -1;
  s.of = -1;
  s.cache = -1;
  s.key_dim = s.value_dim = 1;
  s.flags = options.topLeft ? FOVEA_STAGE_TOP_LEFT : 0;
  b.stages.push_back(s);
  if (options.splittable) {
    fovea_bundle_stage c{};
    c.name = b.string("combine");
    c.space = FOVEA_SPACE_COMBINE;
    c.variants = addVariant(b, Function::Combine, options.rows, options.keys);
    c.of = 0;
    c.cache = -1;
    b.stages.push_back(c);
  }
  addKernel(b, "sum", 1);
  return b;
}

BundleBuilder countKernel(int heads, Function stage,
                          const std::string &target) {
  BundleBuilder b;
  b.string("");
  int batch = int(b.symbol("b")), sq = int(b.symbol("sq"));
  int sk = int(b.symbol("sk"));
  b.tensor("q", FOVEA_DTYPE_F32, 0, {batch, ~heads, sq});
  b.tensor("v", FOVEA_DTYPE_F32, 1, {batch, sk});
  b.tensor("o", FOVEA_DTYPE_F32, 2, {batch, ~heads, sq}, true);
  addTarget(b, target);
  fovea_bundle_stage s{};
  s.name = b.string("count");
  s.space = FOVEA_SPACE_GRID;
  s.variants = addVariant(b, stage, testRows, 0);
  s.grid[0] = extentOf(batch);
  s.grid[1] = extentOf(FOVEA_EXTENT_ONE, heads);
  s.grid[2] = extentOf(sq);
  s.cache = -1;
  b.stages.push_back(s);
  addKernel(b, "count", 0);
  return b;
}

BundleBuilder cacheKernel(const CacheOptions &options) {
  BundleBuilder b;
  b.string("");
  int rows = int(b.symbol("rows")), batch = int(b.symbol("b"));
  int sk = int(b.symbol("sk"));
  uint32_t heads = uint32_t(options.heads), dim = uint32_t(options.dim);
  b.tensor("q", FOVEA_DTYPE_F32, 0, {rows, ~options.heads, ~options.dim});
  b.tensor("o", FOVEA_DTYPE_F32, 1, {rows, ~options.heads, ~options.dim}, true);
  uint32_t slot = 2;
  fovea_bundle_cache &c = b.cache("c", heads, dim, dim, options.segments, slot);
  std::rotate(b.args.begin() + 1, b.args.begin() + 2, b.args.end());
  c.arg = 1; // before the result
  if (options.appends) {
    slot -= 2;
    c.key_slot = int32_t(slot++);
    c.value_slot = int32_t(slot++);
    for (const char *name : {"k", "v"}) {
      b.tensor(name, FOVEA_DTYPE_F32,
               uint32_t(*name == 'k' ? c.key_slot : c.value_slot),
               {rows, ~options.heads, ~options.dim});
      std::rotate(b.args.begin() + 1, b.args.end() - 1, b.args.end());
      ++c.arg;
    }
  }
  addTarget(b, "x86-64");
  auto stage = [&](const char *name, fovea_bundle_space space,
                   Function function, int32_t flags) {
    fovea_bundle_stage s{};
    s.name = b.string(name);
    s.space = space;
    s.variants = addVariant(b, function, testRows, testKeys);
    for (fovea_bundle_extent &e : s.grid)
      e = extentOf(FOVEA_EXTENT_ONE);
    s.group = s.kv_group = 1;
    s.heads = options.heads;
    s.mask = s.offset_slot = s.length_slot = s.list_slot = s.of = -1;
    s.key_dim = s.value_dim = options.dim;
    s.flags = flags;
    b.stages.push_back(s);
    return int32_t(b.stages.size() - 1);
  };
  int32_t run = options.appends ? 0 : FOVEA_STAGE_SERVICE;
  bool paged = false;
  for (const SegmentSpec &s : options.segments)
    paged |= !s.bounds.empty() || !s.means.empty();
  c.append_stage = stage("append", FOVEA_SPACE_APPEND, options.append, run);
  if (paged)
    c.pages_stage = stage("pages", FOVEA_SPACE_PAGES, options.pages, run);
  int32_t attend = stage("attend", FOVEA_SPACE_STREAM, options.attend, 0);
  b.stages[size_t(attend)].grid[0] = extentOf(batch);
  b.stages[size_t(attend)].q_symbol = rows;
  b.stages[size_t(attend)].k_symbol = sk;
  if (options.segments.back().kind == FOVEA_SEGMENT_NEW)
    c.moves_stage =
        stage("moves", FOVEA_SPACE_MOVES, options.moves, FOVEA_STAGE_SERVICE);
  addKernel(b, "step", 0, slot - 2 - (options.appends ? 2 : 0));
  return b;
}

CacheOptions cacheOptions(CacheKind kind, const CacheShape &shape) {
  using F = Function;
  CacheOptions o;
  o.heads = shape.heads;
  o.dim = shape.dim;
  o.appends = false;
  const int64_t page = shape.page;
  auto segment = [&](fovea_bundle_segment_kind kind, int64_t tokens,
                     fovea_dtype dtype) {
    SegmentSpec s;
    s.kind = kind;
    s.tokens = tokens;
    s.pageTokens = kind == FOVEA_SEGMENT_NEW ? shape.newPage : page;
    s.key = s.value = dtype;
    s.tokenMajor = shape.tokenMajor;
    return s;
  };
  SegmentSpec fresh = segment(FOVEA_SEGMENT_NEW, 0, FOVEA_DTYPE_F32);
  SegmentSpec first = segment(FOVEA_SEGMENT_FIRST, 3, FOVEA_DTYPE_F32);
  SegmentSpec recent = segment(FOVEA_SEGMENT_RECENT, 5, FOVEA_DTYPE_F32);
  SegmentSpec older = segment(FOVEA_SEGMENT_OLDER, 0, FOVEA_DTYPE_I8);
  SegmentSpec all = segment(FOVEA_SEGMENT_ALL, 0, FOVEA_DTYPE_F32);
  switch (kind) {
  case CacheKind::Kept:
    all.bounds = {"bounds"};
    all.means = {"means"};
    o.pages = F::PagesKept;
    [[fallthrough]];
  case CacheKind::Plain:
    o.append = kind == CacheKind::Kept ? F::AppendKept : F::AppendPlain;
    o.segments = {all};
    break;
  case CacheKind::Coded:
    all.key = all.value = FOVEA_DTYPE_I8;
    o.append = F::AppendCoded;
    o.moves = F::MovesCoded;
    o.segments = {all, fresh};
    break;
  case CacheKind::Chain:
    recent.key = recent.value = FOVEA_DTYPE_BF16;
    [[fallthrough]];
  case CacheKind::Rich:
    older.bounds = {"bounds"};
    older.means = {"means"};
    o.append = F::AppendRich;
    o.moves = kind == CacheKind::Rich ? F::MovesRich : F::MovesChain;
    o.pages = F::PagesRich;
    o.segments = {first, older, recent, fresh};
    break;
  case CacheKind::Sink:
    o.append = F::AppendSink;
    o.moves = F::MovesSink;
    o.segments = {first, recent, fresh};
    break;
  }
  return o;
}

Tensor::Tensor(std::vector<int64_t> dims, fovea_dtype dtype, double fill)
    : shape(std::move(dims)) {
  bytes.resize(size_t(count()) * 4 + 64);
  dl.device = {kDLCPU, 0};
  dl.dtype = dtype == FOVEA_DTYPE_I32 ? DLDataType{kDLInt, 32, 1}
                                      : DLDataType{kDLFloat, 32, 1};
  dl.ndim = int(shape.size());
  dl.shape = shape.data();
  dl.data = bytes.data();
  for (int64_t i = 0; i < count(); ++i)
    if (dtype == FOVEA_DTYPE_I32)
      intAt(i) = int32_t(fill);
    else
      at(i) = float(fill);
}

int64_t Tensor::count() const {
  int64_t n = 1;
  for (int64_t e : shape)
    n *= e;
  return n;
}

} // namespace fovea::test
