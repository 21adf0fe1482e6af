// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Steps over a cache whose pages are on a GPU, with the fake driver: the same
// model as on the CPU says what is right.
#include "test/unit/runtime/CudaServing.h"

#include <unistd.h>

using namespace fovea::test;

namespace {

TEST_F(CudaServing, PrefillsChunksAndDecodes) {
  for (CacheKind kind : {CacheKind::Plain, CacheKind::Rich})
    for (int64_t page : {0, 4, 16}) {
      if (kind == CacheKind::Rich && page == 0)
        continue; // it keeps metadata per page
      SCOPED_TRACE(page);
      ServingOptions options;
      options.kind = kind;
      options.shape.page = page;
      Serving s(options, onGpu());
      s.window = kind == CacheKind::Rich ? 1 << 20 : 100;
      s.begin(7);
      s.begin(3);
      s.begin(11);
      s.step({{7, 37}});
      s.step({{7, 1}, {3, 60}});
      s.step({{3, 1}, {7, 1}, {11, 5}});
      s.step({{11, 2}, {3, 30}, {7, 1}});
      if (kind == CacheKind::Plain) // sums are exact there only
        for (int i = 0; i < 5; ++i) {
          s.commit(3);
          s.step({{3, 1}, {7, 3}, {11, 1}});
        }
    }
  EXPECT_EQ(deviceMemory(), 0u);
}

TEST_F(CudaServing, WritesForksAndTrims) {
  for (int64_t page : {4, 16}) {
    ServingOptions options;
    options.shape.page = page;
    Serving s(options, onGpu(3));
    s.begin(1);
    s.fill(1, 21); // the append stage by itself, in all layers
    s.commit(1);
    s.fork(1, 21, 2); // the open page is copied when it is written
    s.step({{1, 1}, {2, 2}});
    for (uint64_t seq : {1, 2})
      s.commit(seq);
    ASSERT_FOVEA(fovea_kv_trim(s.kv, 2, 10));
    s.model[2].resize(10);
    s.step({{2, 3}, {1, 1}});
    for (int layer = 1; layer < 3; ++layer) {
      ASSERT_FOVEA(s.run(layer));
      EXPECT_NE(s.o->at(0), 1e30f);
    }
  }
}

TEST_F(CudaServing, GraphsReplayOverACache) {
  ServingOptions options;
  options.shape.page = 4;
  Serving s(options, onGpu());
  fovea_stream stream = nullptr;
  ASSERT_FOVEA(fovea_stream_create(s.loaded.ctx, Serving::device, &stream));
  s.begin(1);
  s.begin(2);
  s.prepare({{1, 40}}); // the largest step
  fovea_graph *graph = graphOf(s);
  for (const Rows &step : {Rows{{1, 40}}, Rows{{1, 1}, {2, 7}},
                           Rows{{2, 1}, {1, 1}}, Rows{{2, 1}, {1, 1}}}) {
    s.prepare(step);
    {
      Serving::There q(s, s.q.get()), v(s, s.v.get()), k(s, s.k.get()),
          o(s, s.o.get());
      fovea_value externals[] = {q.value(), v.value(), k.value(), o.value()};
      ASSERT_FOVEA(fovea_graph_run_batch(graph, &s.batch, externals, 4,
                                         s.offsets.back(), stream));
      ASSERT_FOVEA(fovea_stream_wait(s.loaded.ctx, Serving::device, stream));
    }
    for (size_t i = 0; i < s.ids.size(); ++i)
      for (int32_t r = s.offsets[i]; r < s.offsets[i + 1]; ++r)
        s.model[s.ids[i]].push_back(s.seeds[size_t(r)]);
    EXPECT_EQ(s.wrong(), 0);
  }
  EXPECT_EQ(calls("cuStreamBeginCapture_v2"), 1);
  EXPECT_EQ(calls("cuGraphLaunch"), 4);
  fovea_graph_destroy(graph);
  ASSERT_FOVEA(fovea_stream_destroy(s.loaded.ctx, Serving::device, stream));
}

// Commits move rows between segments of other formats: as on the CPU, bit for
// bit, in what a file of the sequence holds.
TEST_F(CudaServing, MovesRowsAsTheCpuDoes) {
  std::vector<std::string> files;
  for (bool gpu : {false, true}) {
    ServingOptions options;
    options.kind = CacheKind::Rich;
    options.shape.page = 4;
    ServingLimits limits = onGpu(2);
    limits.gpu = gpu;
    Serving s(options, limits);
    s.begin(1);
    for (int rows : {9, 1, 1, 14, 1}) {
      s.fill(1, rows);
      s.commit(1);
    }
    std::string path = testing::TempDir() + "fovea-cuda-" +
                       std::to_string(getpid()) + (gpu ? "-gpu" : "-cpu");
    // Once as it is, once after it was read again.
    for (uint64_t seq : {1, 2}) {
      ASSERT_FOVEA(fovea_kv_save(s.kv, seq, path.c_str()));
      FILE *file = std::fopen(path.c_str(), "rb");
      ASSERT_NE(file, nullptr);
      std::string bytes(1 << 20, 0);
      bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file));
      std::fclose(file);
      files.push_back(bytes);
      if (seq == 1)
        ASSERT_FOVEA(fovea_kv_load(s.kv, path.c_str(), 2));
    }
    std::remove(path.c_str());
  }
  EXPECT_GT(files[0].size(), 1000u);
  for (const std::string &file : files)
    EXPECT_EQ(file, files[0]);
}

TEST_F(CudaServing, RefusesWhatIsElsewhere) {
  Serving s({}, onGpu()), cpu;
  s.begin(1);
  s.prepare({{1, 3}});
  ASSERT_FOVEA(fovea_kv_extend(s.kv, &s.batch));
  EXPECT_REFUSED(FOVEA_INVALID,
                 "k: expected memory of the GPU (device type 2), got device "
                 "type 1",
                 fovea_kv_write(s.kv, &s.batch, 0, &s.k->dl, &s.v->dl));
  // A cache of the CPU for a kernel of the GPU.
  cpu.begin(1);
  cpu.prepare({{1, 3}});
  EXPECT_REFUSED(FOVEA_INVALID, "expected a cache on the kernel's device",
                 fovea_plan_update(s.plan, &cpu.batch, cpu.args.data(),
                                   int(cpu.args.size())));
  fovea_kv_limits l{};
  l.size = sizeof l;
  l.layers = l.seqs = l.max_len = 1;
  l.device = {kDLCUDA, 1};
  fovea_kv *kv = nullptr;
  EXPECT_REFUSED(FOVEA_UNSUPPORTED,
                 "expected a device of kind 2 and number 0, the kernel's, got "
                 "kind 2 and number 1",
                 fovea_kv_create(s.loaded.kernel, s.cacheArg(), &l, &kv));
}

TEST_F(CudaServing, ReadsAndWritesTheHostsPools) {
  Serving s({}, onGpu()); // all : f32, pages of 4, 2 heads of 4
  Tensor k({12, 2, 4, 4}), v({12, 2, 4, 4});
  fovea_kv *kv = nullptr;
  {
    Serving::There tk(s, &k), tv(s, &v);
    fovea_kv_part parts[2] = {};
    for (int i = 0; i < 2; ++i) {
      parts[i].size = sizeof parts[i];
      parts[i].segment = "all";
      parts[i].part = i ? "v" : "k";
      parts[i].pool = i ? &tv.dl : &tk.dl;
    }
    auto borrow = [&] {
      return fovea_kv_borrow(s.loaded.kernel, s.cacheArg(), 1, parts, 2, &kv);
    };
    parts[1].pool = &v.dl;
    EXPECT_REFUSED(FOVEA_INVALID,
                   "segment 'all', part 'v', layer 0: expected memory of the "
                   "GPU (device type 2), got device type 1",
                   borrow());
    parts[1].pool = &tv.dl;
    tv.dl.device.device_id = 1;
    EXPECT_REFUSED(FOVEA_INVALID,
                   "part 'v', layer 0: expected memory of GPU 0, the kernel's, "
                   "got memory of GPU 1",
                   borrow());
    tv.dl.device.device_id = 0;
    ASSERT_FOVEA(borrow());
    std::vector<uint64_t> ids = {1, 2};
    std::vector<int64_t> indptr = {0, 3, 5}, end = {9, 6};
    std::vector<int32_t> pages = {7, 2, 0, 11, 5};
    std::swap(kv, s.kv);
    // A prompt, then a row more of each: the kernel writes them and sums all.
    for (const Rows &step : {Rows{{1, 9}, {2, 6}}, Rows{{1, 1}, {2, 1}}}) {
      ASSERT_FOVEA(fovea_kv_borrow_tables(s.kv, "all", 2, ids.data(),
                                          indptr.data(), pages.data(), nullptr,
                                          end.data()));
      s.step(step);
      for (int64_t &tokens : end)
        ++tokens;
    }
    // No page outside of the pool.
    pages[1] = 12;
    s.prepare({{1, 1}, {2, 1}});
    ASSERT_FOVEA(fovea_kv_borrow_tables(s.kv, "all", 2, ids.data(),
                                        indptr.data(), pages.data(), nullptr,
                                        end.data()));
    EXPECT_REFUSED(FOVEA_INVALID, "below 12, got 12", s.update());
    std::swap(kv, s.kv);
    fovea_kv_destroy(kv);
  } // the pools come back
  // Page 2 has the tokens 4 to 7 of sequence 1, page 3 is nobody's.
  int seed = s.model[1][5];
  EXPECT_EQ(k.at(((2 * 2 + 1) * 4 + 1) * 4 + 2), keyOf(seed, 1, 2));
  EXPECT_EQ(v.at(((2 * 2 + 1) * 4 + 1) * 4 + 2), valueOf(seed, 1, 2));
  EXPECT_EQ(k.at((3 * 2) * 16), Tensor({12, 2, 4, 4}).at((3 * 2) * 16));
}

TEST_F(CudaServing, FailedCopiesOfPagesAreTold) {
  ServingOptions options;
  options.shape.page = 4;
  Serving s(options, onGpu());
  s.begin(1);
  s.fill(1, 6);
  s.commit(1);
  setenv("FAKE_CUDA_FAILS", "cuMemcpyDtoDAsync_v2:999", 1);
  s.fork(1, 6, 2); // copies the open page
  unsetenv("FAKE_CUDA_FAILS");
  s.prepare({{2, 1}});
  ASSERT_FOVEA(fovea_kv_extend(s.kv, &s.batch));
  Serving::There k(s, s.k.get()), v(s, s.v.get());
  EXPECT_REFUSED(FOVEA_DEVICE,
                 "an earlier copy of a cache's pages failed: "
                 "cuMemcpyDtoDAsync_v2",
                 fovea_kv_write(s.kv, &s.batch, 0, &k.dl, &v.dl));
}

} // namespace
