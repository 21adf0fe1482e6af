// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The storage plan that a cache's type resolves to: what lowering and the
// manifest read.
#include "dialects/RegisterDialects.h"
#include "dialects/kv/KV.h"

#include "mlir/AsmParser/AsmParser.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace fovea;

namespace {

class CachePlanTest : public testing::Test {
protected:
  CachePlanTest() {
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  kv::CacheType parse(const std::string &parameters) {
    return cast<kv::CacheType>(
        parseType("!kv.cache<" + parameters + ">", &context));
  }

  /// One line per segment, one word per part: "k:bf16[?,8,16,128]".
  std::string spell(kv::CacheType type) {
    std::string text;
    llvm::raw_string_ostream os(text);
    for (const kv::SegmentPlan &plan : type.getSegmentPlans()) {
      os << plan.name << " tokens " << plan.tokens << " page "
         << plan.pageTokens << " ring " << plan.ring
         << (plan.tokenMajor ? " token-major" : "");
      for (const kv::PartPlan &part : plan.getParts()) {
        os << " " << part.name << ":" << part.elementType << "[";
        llvm::interleave(
            part.shape, os,
            [&](int64_t extent) {
              if (ShapedType::isDynamic(extent))
                os << "?";
              else
                os << extent;
            },
            ",");
        os << "]" << (part.perPage ? " per page" : "");
      }
      os << "\n";
    }
    return text;
  }

  DialectRegistry registry;
  MLIRContext context{MLIRContext::Threading::DISABLED};
};

TEST_F(CachePlanTest, NewRowsInTheirFinalPage) {
  kv::CacheType type = parse(
      "heads = 8, dim = 128, layout = paged<16>, segments = [all : bf16]");
  EXPECT_EQ(spell(type), "all tokens 0 page 16 ring 0 k:bf16[?,8,16,128] "
                         "v:bf16[?,8,16,128]\n");
  EXPECT_FALSE(type.hasNewSegment());
  EXPECT_EQ(type.getPagedSegment(), 0);
}

TEST_F(CachePlanTest, NewSegment) {
  // Another precision of the rows, or of values alone, needs a place for them.
  for (const char *segments :
       {"new = f32, segments = [all : bf16]", "segments = [all : (bf16, f16)]",
        "segments = [all : #kv.int8<per tok>]", "segments = [older : bf16]"}) {
    kv::CacheType type = parse(std::string("heads = 1, dim = 4, ") + segments);
    EXPECT_TRUE(type.hasNewSegment()) << segments;
    EXPECT_EQ(type.getSegmentPlans().back().kind, kv::SegmentKind::fresh);
    EXPECT_EQ(type.getPagedSegment(), -1);
  }
}

TEST_F(CachePlanTest, SegmentsWithLayoutsOfTheirOwn) {
  kv::CacheType type = parse(
      "heads = 8, dim = (192, 128), layout = paged<32, token_major>, "
      "segments = [first(4) : f16 in contiguous, older : (#kv.int8<per tok>, "
      "bf16), recent(64) : bf16 in ring], "
      "keep = [bounds = minmax(k) per page, means = mean(k) per page]");
  EXPECT_EQ(spell(type),
            "first tokens 4 page 0 ring 0 k:f16[?,8,?,192] v:f16[?,8,?,128]\n"
            "older tokens 0 page 32 ring 0 token-major k:i8[?,8,32,192] "
            "k.scale:f32[?,8,32] v:bf16[?,8,32,128] bounds:f32[?,8,2,192] per "
            "page means:f32[?,8,192] per page\n"
            "recent tokens 64 page 0 ring 64 k:bf16[?,8,?,192] "
            "v:bf16[?,8,?,128]\n"
            "new tokens 0 page 32 ring 0 token-major k:f16[?,8,32,192] "
            "v:f16[?,8,32,128]\n");
  EXPECT_EQ(type.getPagedSegment(), 1);
  EXPECT_EQ(type.findKept("means")->kind, kv::KeptKind::mean);
  EXPECT_EQ(type.findKept("mean"), nullptr);
}

} // namespace
