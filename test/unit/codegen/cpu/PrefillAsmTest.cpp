// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Guards the assembly of the prefill stream's hot loops: the multiply-adds
// that the register tile promises and nothing that spills or calls. A slip
// here halves the speed without making any result wrong.
#include "test/unit/codegen/cpu/PrefillCase.h"

#include "codegen/cpu/PrefillTiles.h"

#include <gtest/gtest.h>

#include <map>

using namespace mlir;
using namespace fovea;
using namespace fovea::cpu;

namespace {

struct Loop {
  std::string text;
  int fma = 0, broadcasts = 0, loads = 0, stores = 0, calls = 0;
  bool stackVectors = false;
};

/// The innermost loops of a listing: from a label to a jump back to it with no
/// other jump target in between.
std::vector<Loop> innermostLoops(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef> lines;
  text.split(lines, '\n');
  std::map<llvm::StringRef, size_t> labels;
  std::vector<Loop> loops;
  size_t lastLabel = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    llvm::StringRef line = lines[i].split('#').first.trim();
    if (line.starts_with(".LBB") && line.ends_with(":")) {
      labels[line.drop_back()] = lastLabel = i;
      continue;
    }
    if (!line.starts_with("j"))
      continue;
    auto it = labels.find(line.split('\t').second.trim());
    if (it == labels.end() || it->second != lastLabel)
      continue;
    Loop loop;
    for (size_t j = it->second; j <= i; ++j) {
      llvm::StringRef op = lines[j].trim();
      loop.text += op.str() + "\n";
      bool vector = op.contains("%zmm") || op.contains("%ymm");
      if (op.starts_with("vfm") || op.starts_with("vfnm"))
        ++loop.fma;
      if (op.starts_with("vbroadcastss") && op.contains("("))
        ++loop.broadcasts;
      if (op.starts_with("call"))
        ++loop.calls;
      if (vector && op.contains("(%rsp"))
        loop.stackVectors = true;
      if (op.starts_with("vmovup") || op.starts_with("vmovap")) {
        bool store = op.rsplit(',').second.contains(")");
        (store ? loop.stores : loop.loads) += op.contains("(");
      }
    }
    loops.push_back(std::move(loop));
  }
  return loops;
}

class PrefillAsmTest : public testing::TestWithParam<Isa> {
protected:
  std::string
  listing(StreamParams p,
          llvm::function_ref<void(OpBuilder &, StreamParams &)> prepare = {}) {
    auto module = ModuleOp::create(UnknownLoc::get(&testContext()));
    OpBuilder b(&testContext());
    b.setInsertionPointToEnd(module.getBody());
    if (prepare)
      prepare(b, p);
    std::string reason;
    EXPECT_TRUE(succeeded(buildPrefillStream(b, module.getLoc(), p, reason)))
        << reason;
    auto text = orDie(
        compileModule(module, machineFor(GetParam()), MachineOutput::Assembly));
    return std::string(text.begin(), text.end());
  }
  int registerOf(const StreamParams &p) {
    return p.schedule.lanes / (GetParam() == Isa::AVX512 ? 16 : 8);
  }
};

/// The same keys and values in pages of a cache.
CacheSource pagesOf(const StreamSource &source) {
  CacheSource segment;
  segment.k = source.keys;
  segment.v = source.values;
  segment.kElem = source.keyElem;
  segment.vElem = source.valueElem;
  segment.kScale = source.keyScales ? int(*source.keyScales) : -1;
  segment.vScale = source.valueScales ? int(*source.valueScales) : -1;
  segment.pages = 7;
  segment.ranges = 8;
  segment.pageTokens = 16;
  return segment;
}

TEST_P(PrefillAsmTest, HotLoops) {
  for (bool pages : {false, true})
    for (Elem elem : {Elem::F32, Elem::BF16, Elem::F16, Elem::I8})
      for (int64_t dim : {64, 128, 80}) {
        StreamParams p = plainParams(GetParam(), elem, dim, dim);
        if (pages)
          p.segments = {pagesOf(p.sources[0])}, p.sources.clear();
        std::string text = listing(p);
        // Without a mask there is nothing to call.
        EXPECT_EQ(text.find("call"), std::string::npos);
        // Per step of a register tile of r rows: r broadcasts and twice as many
        // multiply-adds, as a panel is two registers wide.
        std::map<int, int> tiles;
        int softmax = 0;
        // Registers that a step of the softmax works on.
        int parts = GetParam() == Isa::AVX512 ? registerOf(p) : 1;
        for (const Loop &loop : innermostLoops(text)) {
          if (loop.fma < 4)
            continue;
          EXPECT_FALSE(loop.stackVectors) << loop.text;
          EXPECT_EQ(loop.calls, 0) << loop.text;
          if (loop.broadcasts == 0) {
            ++softmax; // a polynomial of degree 4 or 5
            int degree = elem == Elem::F32 || elem == Elem::I8 ? 5 : 4;
            EXPECT_EQ(loop.fma, degree * parts) << loop.text;
            EXPECT_EQ(loop.loads, parts) << loop.text;
            EXPECT_EQ(loop.stores, parts) << loop.text;
            continue;
          }
          EXPECT_EQ(loop.fma, loop.broadcasts * registerOf(p)) << loop.text;
          EXPECT_EQ(loop.loads, registerOf(p)) << loop.text;
          EXPECT_EQ(loop.stores, 0) << loop.text;
          ++tiles[loop.broadcasts];
        }
        EXPECT_EQ(softmax, registerOf(p) / parts);
        std::map<int, int> want;
        ++want[p.schedule.regRows]; // scores
        for (auto [rows, count] : cutRows(dim, p.schedule.regRows))
          ++want[rows]; // values
        EXPECT_EQ(tiles, want) << "dim " << dim;
      }
}

TEST_P(PrefillAsmTest, OnlyMaskFunctionsAreCalled) {
  std::string text =
      listing(plainParams(GetParam(), Elem::F32, 64, 64),
              [](OpBuilder &b, StreamParams &p) { addCausal(b, p, 100); });
  llvm::SmallVector<llvm::StringRef> lines;
  llvm::StringRef(text).split(lines, '\n');
  int calls = 0;
  for (llvm::StringRef line : lines) {
    line = line.trim();
    if (!line.starts_with("call"))
      continue;
    ++calls;
    EXPECT_TRUE(line.contains("m_bounds") || line.contains("m_class"))
        << line.str();
  }
  // The runs of an item, the class of a block and that of a panel of it.
  EXPECT_EQ(calls, 3);
}

TEST_P(PrefillAsmTest, TheGuardSeesSpills) {
  // More accumulators than registers: the guard must notice.
  StreamParams p = plainParams(GetParam(), Elem::F32, 64, 64);
  p.schedule.regRows = 2 * p.schedule.regRows;
  bool spills = false;
  for (const Loop &loop : innermostLoops(listing(p)))
    spills |= loop.fma >= 8 && loop.stackVectors;
  EXPECT_TRUE(spills);
}

INSTANTIATE_TEST_SUITE_P(Isas, PrefillAsmTest,
                         testing::Values(Isa::AVX2, Isa::AVX512),
                         [](const auto &info) {
                           return info.param == Isa::AVX2 ? "v3" : "v4";
                         });

} // namespace
