// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bundles round-trip, are byte-identical, and bad manifests and files are
// refused with a reason.
#include "codegen/bundle/BundleWriter.h"
#include "test/unit/codegen/bundle/SampleManifest.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

using namespace fovea;
using fovea::test::cacheManifest;
using fovea::test::sampleManifest;

static std::string write(const BundleManifest &manifest) {
  auto bytes = writeBundle(manifest);
  if (!bytes) {
    ADD_FAILURE() << llvm::toString(bytes.takeError());
    return "";
  }
  return *bytes;
}

static std::string print(const BundleManifest &manifest,
                         llvm::StringRef bytes) {
  std::string text;
  llvm::raw_string_ostream os(text);
  printBundle(manifest, bytes, os);
  return text;
}

static std::string readError(llvm::StringRef bytes) {
  auto manifest = readBundle(bytes);
  return manifest ? "" : llvm::toString(manifest.takeError());
}

TEST(BundleWriter, roundTrips) {
  std::string bytes = write(sampleManifest());
  auto manifest = readBundle(bytes);
  ASSERT_TRUE(bool(manifest)) << llvm::toString(manifest.takeError());
  EXPECT_EQ(write(*manifest), bytes);
  EXPECT_EQ(manifest->kernels[0].stages[0].variants[1].schedule,
            "6x16 keys=96 rows=64");
  EXPECT_EQ(manifest->targets[1].code.size(), 5000u);
}

TEST(BundleWriter, cachesRoundTrip) {
  std::string bytes = write(cacheManifest());
  auto manifest = readBundle(bytes);
  ASSERT_TRUE(bool(manifest)) << llvm::toString(manifest.takeError());
  EXPECT_EQ(write(*manifest), bytes);
  EXPECT_EQ(manifest->kernels[0].caches.size(), 0u);
  ASSERT_EQ(manifest->kernels[1].caches.size(), 1u);
  const CacheManifest &cache = manifest->kernels[1].caches[0];
  EXPECT_EQ(cache.segments[1].name, "new");
  EXPECT_EQ(cache.segments[0].parts[3].name, "bounds");
  // q, k, v, o; the segments' parts, pages and ranges.
  EXPECT_EQ(manifest->kernels[1].viewCount(), 4u + 6u + 4u);
  std::string text = print(*manifest, bytes);
  for (const char *line :
       {"  arg    c: cache\n",
        "  cache  c: 8 heads, dims 128 and 128, rows of bf16, rope before\n"
        "    type !kv.cache<heads = 8>\n",
        "    segment all: pages of 16, head-major; k i8[128], k.scale f32[1], "
        "v bf16[128], bounds f32[256] per page\n",
        "    segment new: pages of 1, token-major; k bf16[128], v bf16[128]\n",
        "  stage  append: append of cache c\n",
        ", reads the batch index, cache c\n",
        "  stage  moves: moves of cache c, service\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\nin\n" << text;
}

TEST(BundleWriter, gpusRoundTrip) {
  BundleManifest gpu = sampleManifest();
  gpu.targets.push_back(
      {"sm_90a", std::string("cubin!.ptx\0", 11), FOVEA_TARGET_GPU});
  VariantManifest &variant = gpu.kernels[0].stages[0].variants[0];
  variant.entries.push_back(
      {2, 0, LaunchManifest{"attend_decode", {0, 128, 4096, 40, 0, 6, 6, 5}}});
  std::string bytes = write(gpu);
  auto manifest = readBundle(bytes);
  ASSERT_TRUE(bool(manifest)) << llvm::toString(manifest.takeError());
  EXPECT_EQ(write(*manifest), bytes);
  EXPECT_EQ(manifest->targets[2].code, gpu.targets[2].code);
  EXPECT_EQ(
      manifest->kernels[0].stages[0].variants[0].entries[2].launch->kernel,
      "attend_decode");
  std::string text = print(*manifest, bytes);
  for (const char *line :
       {"target sm_90a: 11 bytes of code for a GPU\n",
        " sm_90a (attend_decode, 128 threads, 4096 bytes of shared memory, 40 "
        "registers, cubin of 6 bytes, PTX of 5 bytes)\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\nin\n" << text;
  auto refused = [&](const char *words) {
    auto result = writeBundle(gpu);
    ASSERT_FALSE(bool(result));
    EXPECT_NE(llvm::toString(result.takeError()).find(words),
              std::string::npos);
  };
  variant.entries[2].launch->record.ptx_bytes = 6;
  refused("code of kernel 'attend_decode' to lie in 11 bytes, got 6 bytes at "
          "6");
  variant.entries[2].launch.reset();
  refused("for a GPU to have a launch");
}

TEST(BundleWriter, isByteIdentical) {
  EXPECT_EQ(write(cacheManifest()), write(cacheManifest()));
}

// Records come from the caller's memory; bytes that they do not use must not
// reach the file.
TEST(BundleWriter, unusedExtentsDoNotLeak) {
  BundleManifest dirty = sampleManifest();
  dirty.kernels[0].buffers[0].record.extent[5] = {7, 7, 7, 7, 7};
  EXPECT_EQ(write(dirty), write(sampleManifest()));
}

TEST(BundleWriter, sectionsAreAligned) {
  std::string bytes = write(cacheManifest());
  fovea_bundle_header header;
  memcpy(&header, bytes.data(), sizeof(header));
  EXPECT_EQ(header.magic, FOVEA_BUNDLE_MAGIC);
  EXPECT_EQ(header.file_size, bytes.size());
  EXPECT_EQ(header.checksum,
            fovea_bundle_checksum(bytes.data() + sizeof(header),
                                  bytes.size() - sizeof(header)));
  uint64_t end =
      sizeof(header) + header.n_sections * sizeof(fovea_bundle_section);
  for (uint32_t i = 0; i < header.n_sections; ++i) {
    fovea_bundle_section section;
    memcpy(&section, bytes.data() + sizeof(header) + i * sizeof(section),
           sizeof(section));
    bool code = section.kind == FOVEA_SECTION_CODE ||
                section.kind == FOVEA_SECTION_PLAN_CODE;
    EXPECT_EQ(section.offset % (code ? 4096 : 64), 0u);
    for (uint64_t at = end; at < section.offset; ++at)
      ASSERT_EQ(bytes[at], 0) << "padding at " << at;
    end = section.offset + section.size;
  }
  EXPECT_EQ(end, bytes.size());
}

TEST(BundleWriter, printsForPeople) {
  std::string bytes = write(sampleManifest());
  std::string text = print(sampleManifest(), bytes);
  for (const char *line :
       {"bundle version 8, ABI version 4,", "target x86-64-v3: 300 bytes",
        "kernel attend\n", "  arg    q: bf16 [b, 8, sq, 128]\n",
        "  arg    w: i64 scalar\n", "  result o: bf16 [b, 8, sq, 128]\n",
        "  buffer main.o: f32 [slots(main), 64, 2 * ceildiv(sk + 7, 16)]\n",
        "stage  main: stream over b sequences x 8 head groups of 4, dims 128 "
        "and 128, splittable, mask 0\n",
        "variant decode: rows 8, keys 32, up to 8 rows, scratch 4096 bytes "
        "(default)\n",
        "code: x86-64-v3+0x0 x86-64-v4+0x40\n",
        "schedule 6x16 keys=96 rows=64 (default)\n",
        "stage  combine: combine of main\n",
        "mask   0: causal and window(%w)\n",
        "remark at 3:8: rows are packed 4 to a KV head\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\nin\n" << text;
}

TEST(BundleWriter, refusesBadManifests) {
  auto error = [](std::function<void(BundleManifest &)> change) {
    BundleManifest manifest = sampleManifest();
    change(manifest);
    auto bytes = writeBundle(manifest);
    return bytes ? std::string() : llvm::toString(bytes.takeError());
  };
  EXPECT_EQ(error([](auto &m) { m.kernels.push_back(m.kernels[0]); }),
            "expected one kernel 'attend', got two");
  EXPECT_EQ(error([](auto &m) { m.kernels[0].args[1].name = "q"; }),
            "expected one argument 'q' in kernel 'attend', got two");
  EXPECT_EQ(error([](auto &m) { m.kernels[0].args[1].record.slot = 0; }),
            "expected 'k' of kernel 'attend' to have a slot of its own below "
            "5, got 0");
  EXPECT_EQ(error([](auto &m) { m.kernels[0].buffers[0].record.slot = 5; }),
            "expected 'main.o' of kernel 'attend' to have a slot of its own "
            "below 5, got 5");
  EXPECT_EQ(error([](auto &m) { m.kernels[0].args[0].record.rank = 7; }),
            "expected 'q' to have a rank of at most 6, got 7");
  EXPECT_EQ(error([](auto &m) { m.kernels[0].args[0].record.symbol[0] = -1; }),
            "expected dim 0 of 'q' to be static or a symbol, got symbol -1");
  EXPECT_EQ(error([](auto &m) { m.kernels[0].stages[1].variants.clear(); }),
            "expected stage 'combine' of kernel 'attend' to have a variant");
  EXPECT_EQ(error([](auto &m) { m.kernels[0].stages[0].record.mask = 1; }),
            "expected stage 'main' to name one of 1 masks, got 1");
  EXPECT_EQ(error([](auto &m) {
              std::swap(m.kernels[0].stages[0].variants[0],
                        m.kernels[0].stages[0].variants[1]);
            }),
            "expected the variants of stage 'main' to be in ascending order of "
            "max_rows, got 8 after 9223372036854775807");
  EXPECT_EQ(error([](auto &m) {
              m.kernels[0].stages[0].variants[0].entries[0].target = 2;
            }),
            "expected variant 'decode' to name one of 2 targets, got 2");
  EXPECT_EQ(error([](auto &m) {
              m.kernels[0].stages[0].variants[0].entries[0].offset = 300;
            }),
            "expected the entry of variant 'decode' to lie in 300 bytes of "
            "code, got offset 300");
  EXPECT_EQ(error([](auto &m) { m.kernels[0].masks[0].record.keep = 96; }),
            "expected the functions of mask 'causal and window(%w)' to lie in "
            "96 bytes of plan code, got offset 96");
}

TEST(BundleWriter, refusesBadCaches) {
  auto error = [](std::function<void(KernelManifest &)> change) {
    BundleManifest manifest = cacheManifest();
    change(manifest.kernels[1]);
    auto bytes = writeBundle(manifest);
    return bytes ? std::string() : llvm::toString(bytes.takeError());
  };
  EXPECT_EQ(error([](auto &k) { k.args[3].record.slot = 1; }),
            "expected 'c' to name one of 1 caches, got 1");
  EXPECT_EQ(error([](auto &k) { k.stages[0].record.cache = 1; }),
            "expected stage 'append' to name one of 1 caches, got 1");
  EXPECT_EQ(
      error([](auto &k) { k.caches[0].segments[0].parts[2].record.slot = 1; }),
      "expected 'c.all.v' of kernel 'step' to have a slot of its own "
      "below 14, got 1");
  EXPECT_EQ(
      error([](auto &k) { k.caches[0].segments[1].record.pages_slot = 0; }),
      "expected 'c.new.pages' of kernel 'step' to have a slot of its own "
      "below 14, got 0");
  EXPECT_EQ(
      error([](auto &k) { k.caches[0].segments[1].record.ranges_slot = 99; }),
      "expected 'c.new.ranges' of kernel 'step' to have a slot of its own "
      "below 14, got 99");
  EXPECT_EQ(error([](auto &k) { k.caches[0].record.key_slot = -1; }),
            "expected what is appended to 'c' to have a slot below 15, got -1");
}

TEST(BundleReader, refusesDamage) {
  std::string bytes = write(sampleManifest());
  EXPECT_EQ(readError(""), "expected a bundle, got a file of 0 bytes");
  EXPECT_EQ(readError(std::string(200, 'x')),
            "expected a bundle, got a file that starts otherwise");
  std::string newer = bytes;
  newer[4] = 9;
  EXPECT_EQ(readError(newer), "expected bundle version 8, got 9");
  std::string shorter = bytes.substr(0, bytes.size() - 1);
  EXPECT_NE(readError(shorter).find("truncated"), std::string::npos);
  std::string flipped = bytes;
  flipped[bytes.size() - 1] ^= 1;
  EXPECT_NE(readError(flipped).find("the bundle is damaged"),
            std::string::npos);
}

// With the checksum repaired a damaged file reaches the range checks.
TEST(BundleReader, survivesRandomDamage) {
  std::string bytes = write(cacheManifest());
  std::mt19937 random(1);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = bytes;
    for (int flips = 0; flips < 3; ++flips) {
      size_t at = 16 + random() % 6000;
      damaged[at] = char(random());
    }
    fovea_bundle_header header;
    memcpy(&header, damaged.data(), sizeof(header));
    header.file_size = damaged.size();
    header.n_sections = 17;
    header.checksum = fovea_bundle_checksum(damaged.data() + sizeof(header),
                                            damaged.size() - sizeof(header));
    memcpy(damaged.data(), &header, sizeof(header));
    auto manifest = readBundle(damaged);
    if (manifest) {
      print(*manifest, damaged);
    } else {
      llvm::consumeError(manifest.takeError());
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
}
