// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Guards the assembly of the decode stream's hot loops for both instruction
// sets, whatever this machine runs: the FMAs that the schedule asks for, no
// call, no vector register on the stack, prefetches in place.
#include "codegen/cpu/DecodeStream.h"
#include "test/unit/codegen/cpu/LoadObject.h"
#include "test/unit/codegen/cpu/LoopScan.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace mlir;
using namespace fovea::cpu;

namespace {

class DecodeCode : public testing::TestWithParam<Isa> {
protected:
  /// `pages`: from a cache in pages of 16, else plain tensors.
  std::string assembly(Elem elem, int64_t group, bool pages,
                       bool vnni = false) {
    MachineTarget target = machineFor(GetParam());
    if (vnni)
      target.features = "+avx512vnni";
    DecodeParams p;
    p.name = "decode";
    p.isa = GetParam();
    p.keyDim = p.valueDim = 128;
    p.q = p.o = Elem::BF16;
    p.k = p.v = elem;
    p.group = p.kvGroup = p.rows = group;
    p.keys = 16;
    p.integerDot = elem == Elem::I8;
    p.vnni = vnni;
    p.qSlot = 0;
    p.oSlot = 1;
    KeySource source;
    source.k = 2;
    source.v = 3;
    if (elem == Elem::I8) {
      source.kScale = 4;
      source.vScale = 5;
    }
    if (pages) {
      CacheSource segment;
      segment.k = source.k;
      segment.v = source.v;
      segment.kScale = source.kScale;
      segment.vScale = source.vScale;
      segment.kElem = segment.vElem = elem;
      segment.pages = 6;
      segment.ranges = 7;
      segment.pageTokens = 16;
      p.segments = {segment};
      p.ragged = true;
    } else {
      p.sources.push_back(source);
    }
    auto module = ModuleOp::create(UnknownLoc::get(&testContext()));
    OwningOpRef<ModuleOp> owner(module);
    buildDecodeStream(module, p);
    auto text = orDie(compileModule(module, target, MachineOutput::Assembly));
    return std::string(text.begin(), text.end());
  }
};

TEST_P(DecodeCode, HotLoops) {
  for (bool pages : {false, true})
    for (Elem elem : {Elem::F32, Elem::F16, Elem::BF16, Elem::I8})
      for (int64_t group : {1, 4, 8}) {
        SCOPED_TRACE(int(elem) * 100 + group + (pages ? 1000 : 0));
        std::string text = assembly(elem, group, pages);
        EXPECT_EQ(text.find("call"), std::string::npos);
        // One row has a single step of the dot in flight.
        int wide = GetParam() == Isa::AVX512, turns = group == 1 ? 1 : 2;
        int least = 8 * turns;
        int dots = 0, withFma = 0, prefetching = 0;
        for (const LoopCounts &loop : innermostLoops(text)) {
          EXPECT_EQ(loop.vectorStack, 0);
          dots = std::max(dots, loop.integerDot);
          withFma += loop.fma >= least;
          prefetching += loop.fma >= least && loop.prefetches > 0;
        }
        // Scores (unless they are integer dots) and values of full blocks; the
        // partial block has the same again, its values one token a turn.
        if (elem == Elem::I8)
          EXPECT_EQ(dots, turns * (wide ? 16 : 8));
        EXPECT_GE(withFma, elem == Elem::I8 ? 1 : 3);
        EXPECT_GE(prefetching, 1) << "the values of full blocks";
      }
}

// With VNNI named, its 16-bit dots are there; LLVM splits some of them again
// where the sum is what a processor waits for.
TEST_P(DecodeCode, Vnni) {
  if (GetParam() != Isa::AVX512)
    GTEST_SKIP() << "only for AVX-512";
  std::string text = assembly(Elem::I8, 4, /*pages=*/false, /*vnni=*/true);
  EXPECT_NE(text.find("vpdpwssd"), std::string::npos);
}

// The scan itself: a loop that calls, and one that spills.
TEST(LoopScan, SeesFaults) {
  auto loops = innermostLoops(".LBB0_1:\n\tcallq\tf\n\tjne\t.LBB0_1\n"
                              ".LBB0_2:\n\tvmovups\t%ymm1, 8(%rsp)\n"
                              "\tvfmadd231ps\t%ymm1, %ymm2, %ymm3\n"
                              "\tjl\t.LBB0_2\n.LBB0_3:\n\tretq\n");
  ASSERT_EQ(loops.size(), 2u);
  EXPECT_EQ(loops[0].calls, 1);
  EXPECT_EQ(loops[1].vectorStack, 1);
  EXPECT_EQ(loops[1].fma, 1);
}

INSTANTIATE_TEST_SUITE_P(Isa, DecodeCode,
                         testing::Values(Isa::AVX2, Isa::AVX512),
                         [](const auto &info) {
                           return info.param == Isa::AVX2 ? "v3" : "v4";
                         });

} // namespace
