// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Walks examples/masks and the folder `masks` beside this file: the plan
// functions of every mask, and the blocks that its kernel runs, over hostile
// shapes. Prints how exact each mask is; what is not exact has a limit below.
#include "test/zoo/Zoo.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace fovea;
using namespace fovea::masktest;
using namespace fovea::zoo;

namespace {

struct Allowed {
  const char *mask;
  /// Per cent of the blocks with a live pair that may be run besides them, and
  /// of all tiles that may be run with mask code although they are full.
  double idle, missFull;
};
/// Every other mask is exact: nothing is run that holds no live pair.
/// A bit of a word has no interval.
const Allowed kAllowed[] = {{"", 0, 0}, {"tree_bitmap", 5.1, 0.1}};

/// One key, decoding, a prime, one below, at and above a tile, chunks of a
/// longer sequence, more queries than keys, and a few tiles.
const Dims kShapes[] = {
    {{"b", 1}, {"sq", 1}, {"sk", 1}},     {{"b", 2}, {"sq", 1}, {"sk", 67}},
    {{"b", 1}, {"sq", 61}, {"sk", 61}},   {{"b", 1}, {"sq", 63}, {"sk", 130}},
    {{"b", 2}, {"sq", 64}, {"sk", 64}},   {{"b", 1}, {"sq", 65}, {"sk", 129}},
    {{"b", 1}, {"sq", 70}, {"sk", 40}},   {{"b", 1}, {"sq", 17}, {"sk", 257}},
    {{"b", 1}, {"sq", 200}, {"sk", 200}},
};
const TileShape kTiles[] = {{16, 16}, {64, 64}, {1, 96}, {48, 40}};

std::vector<std::string> maskFiles() {
  std::vector<std::string> files;
  for (const char *folder : {FOVEA_SOURCE_DIR "/examples/masks",
                             FOVEA_SOURCE_DIR "/test/zoo/masks"}) {
    std::error_code error;
    for (llvm::sys::fs::directory_iterator at(folder, error), end;
         at != end && !error; at.increment(error))
      if (llvm::sys::path::extension(at->path()) == ".mlir")
        files.push_back(at->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string textOf(const std::string &path) {
  auto file = llvm::MemoryBuffer::getFile(path);
  return file ? (*file)->getBuffer().str() : "";
}

const MaskInputs &inputs() {
  static const MaskInputs all = [] {
    auto read =
        MaskInputs::read(FOVEA_SOURCE_DIR "/examples/masks/inputs.json");
    if (read)
      return std::move(*read);
    ADD_FAILURE() << llvm::toString(read.takeError());
    return MaskInputs();
  }();
  return all;
}

/// All shapes of one mask; failures are reported.
Findings findingsOf(const std::string &text, const std::string &name,
                    const MaskInputs &rules, llvm::ArrayRef<Dims> shapes,
                    const Fault &fault = {}) {
  Findings findings;
  auto mask = ZooMask::load(text, name);
  if (!mask) {
    ADD_FAILURE() << llvm::toString(mask.takeError());
    return findings;
  }
  uint64_t seed = 1;
  for (const Dims &shape : shapes)
    if (llvm::Error error =
            (*mask)->check(shape, rules, seed++, kTiles, findings, fault))
      ADD_FAILURE() << "sq=" << shape.at("sq") << " sk=" << shape.at("sk")
                    << ": " << llvm::toString(std::move(error));
  return findings;
}

class Zoo : public testing::TestWithParam<std::string> {};

} // namespace

TEST_P(Zoo, SkipsNothingLiveAndRunsNothingEmpty) {
  std::string name = llvm::sys::path::stem(GetParam()).str();
  std::string text = textOf(GetParam());
  // Over a cache the batch gives the rows: test/e2e has those.
  if (llvm::StringRef(text).contains("!kv.cache"))
    return;
  Findings f = findingsOf(text, name + ".mlir", inputs(), kShapes);
  EXPECT_TRUE(f.plan.sound()) << f.plan.first;
  EXPECT_LT(f.refused, f.shapes);
  Allowed allowed = kAllowed[0];
  for (const Allowed &other : kAllowed)
    if (name == other.mask)
      allowed = other;
  EXPECT_LE(f.percent(), allowed.idle + 0.005);
  EXPECT_LE(f.plan.idlePercent(), allowed.idle + 0.005);
  EXPECT_LE(f.plan.missFullPercent(), allowed.missFull + 0.005);
  printf(
      "%-28s kernel: %6ld needed, %6ld run, %5.2f %% beyond   plan: %5.2f %% "
      "beyond, %5.2f %% full run as partial, runs <= %ld%s\n",
      name.c_str(), long(f.needed), long(f.executed), f.percent(),
      f.plan.idlePercent(), f.plan.missFullPercent(), long(f.plan.runs),
      f.refused ? "  (refused where tables are short)" : "");
}

INSTANTIATE_TEST_SUITE_P(Masks, Zoo, testing::ValuesIn(maskFiles()),
                         [](const auto &info) {
                           std::string name =
                               llvm::sys::path::stem(info.param).str();
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

//===--- the check fails on faults ----------------------------------------===//

namespace {

const char kWindow[] = R"mlir(
!q = tensor<?x2x?x16xf32>
func.func @window(%q: !q, %k: !q, %v: !q) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(window(20)) : (!q, !q, !q) -> !q
  return %o : !q
})mlir";

MaskFunctions original;

Findings withFault(const Fault &fault) {
  const Dims shapes[] = {{{"b", 1}, {"sq", 100}, {"sk", 100}}};
  return findingsOf(kWindow, "window.mlir", {}, shapes,
                    [&](MaskFunctions &mask) {
                      original = mask;
                      fault(mask);
                    });
}

/// Changes the class `from` into `to`.
template <int from, int to>
void replaceClass(MaskFunctions &mask) {
  mask.classify = [](const fovea_abi_args *args, int64_t b, int64_t h,
                     int64_t q0, int64_t q1, int64_t k0, int64_t k1,
                     int64_t len) {
    int32_t c = original.classify(args, b, h, q0, q1, k0, k1, len);
    return c == from ? to : c;
  };
}

} // namespace

TEST(ZooChecker, PassesWithoutFault) {
  Findings f = withFault([](MaskFunctions &) {});
  EXPECT_TRUE(f.plan.sound()) << f.plan.first;
  EXPECT_EQ(f.plan.idle, 0);
  EXPECT_EQ(f.executed, f.needed);
}

TEST(ZooChecker, SeesRunsThatLoseAKey) {
  Findings f = withFault([](MaskFunctions &mask) {
    mask.bounds = [](const fovea_abi_args *args, int64_t b, int64_t h,
                     int64_t q0, int64_t q1, int64_t len, fovea_abi_run *runs) {
      int32_t n = original.bounds(args, b, h, q0, q1, len, runs);
      if (n && runs[0].hi - runs[0].lo > 1)
        ++runs[0].lo;
      return n;
    };
  });
  EXPECT_GT(f.plan.lost, 0);
}

TEST(ZooChecker, SeesWrongClasses) {
  EXPECT_GT(withFault(replaceClass<FOVEA_TILE_PARTIAL, FOVEA_TILE_EMPTY>)
                .plan.notEmpty,
            0);
  EXPECT_GT(
      withFault(replaceClass<FOVEA_TILE_PARTIAL, FOVEA_TILE_FULL>).plan.notFull,
      0);
  EXPECT_GT(withFault(replaceClass<FOVEA_TILE_FULL, FOVEA_TILE_PARTIAL>)
                .plan.missFull,
            0);
}

TEST(ZooChecker, SeesAWrongPredicate) {
  Findings f = withFault([](MaskFunctions &mask) {
    mask.keep = [](const fovea_abi_args *args, int64_t b, int64_t h, int64_t q,
                   int64_t k, int64_t len) {
      return original.keep(args, b, h, q, k + 1, len);
    };
  });
  EXPECT_GT(f.plan.keepWrong, 0);
}

/// A plan that visits all keys and calls nothing empty is sound and idle.
TEST(ZooChecker, SeesIdleBlocks) {
  Findings f = withFault([](MaskFunctions &mask) {
    mask.bounds = [](const fovea_abi_args *, int64_t, int64_t, int64_t, int64_t,
                     int64_t len, fovea_abi_run *runs) {
      runs[0] = {0, len};
      return int32_t(1);
    };
    replaceClass<FOVEA_TILE_EMPTY, FOVEA_TILE_PARTIAL>(mask);
  });
  EXPECT_TRUE(f.plan.sound()) << f.plan.first;
  EXPECT_GT(f.plan.idle, 0);
}

TEST(ZooInputs, RefusesWhatIsNoRule) {
  const Dims shapes[] = {{{"b", 1}, {"sq", 4}, {"sk", 4}}};
  auto mask = ZooMask::load(kWindow, "window.mlir");
  ASSERT_TRUE(bool(mask)) << llvm::toString(mask.takeError());
  auto messageOf = [&](const char *rules) {
    auto parsed = MaskInputs::parse(rules);
    if (!parsed)
      return llvm::toString(parsed.takeError());
    Findings findings;
    return llvm::toString(
        (*mask)->check(shapes[0], *parsed, 1, kTiles, findings));
  };
  EXPECT_EQ(messageOf("[]"), "inputs.json: expected an object of kernels");
  EXPECT_EQ(
      messageOf(R"({"window": {"x": {"kind": "list"}}})"),
      "inputs.json: expected 'window' to have an argument 'x' with a rule");
  EXPECT_EQ(messageOf(R"({"window": {"q": {"kind": "wish"}}})"),
            "inputs.json: expected a rule of examples/masks/README.md, got "
            "'wish'");
  EXPECT_EQ(messageOf(R"({"window": {"q": {"kind": "uniform", "lo": "x/2",
                                           "hi": 3}}})"),
            "inputs.json: expected a number or a dim of the call, "
            "got 'x'");
}
