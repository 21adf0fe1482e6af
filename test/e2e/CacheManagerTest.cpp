// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The cache manager over compiled stages: the same random histories that
// test/unit/runtime runs over stages written by hand, so that append, moves and
// pages mean the same to the compiler and to the runtime.
#include "codegen/jit/Compiler.h"
#include "test/unit/runtime/KvHistory.h"

#include <fovea/runtime.h>

using namespace fovea;
using namespace fovea::test;

namespace {

struct CacheSpec {
  const char *type; // without heads and dim
  CacheKind kind;
  CacheShape shape;
};

constexpr const char *kept =
    ", keep = [bounds = minmax(k) per page, means = mean(k) per page]";

/// The caches of cacheOptions in the language, f32 rows.
std::vector<CacheSpec> specs() {
  return {
      {"layout = paged<4>, segments = [all : f32]", CacheKind::Plain, {4}},
      {"layout = token_major, segments = [all : f32]", CacheKind::Plain, {0}},
      {"layout = paged<4>, segments = [all : f32]", CacheKind::Kept, {4}},
      {"layout = paged<5>, segments = [all : #kv.int8<per tok>], new = f32",
       CacheKind::Coded,
       {5}},
      {"layout = paged<3, token_major>, segments = [first(3) : f32, older : "
       "#kv.int8<per tok>, recent(5) : f32], new = f32",
       CacheKind::Rich,
       {3}},
      {"layout = paged<4>, segments = [first(3) : f32, older : #kv.int8<per "
       "tok>, recent(5) : bf16 in contiguous], new = f32",
       CacheKind::Chain,
       {4}},
      {"layout = ring, segments = [first(3) : f32, recent(5) : f32], else = "
       "drop",
       CacheKind::Sink,
       {0}},
  };
}

std::vector<uint8_t> compile(const CacheSpec &spec, const TargetInfo *target) {
  bool keeps = spec.kind == CacheKind::Kept || spec.kind == CacheKind::Rich ||
               spec.kind == CacheKind::Chain;
  std::string dim = std::to_string(spec.shape.dim);
  std::string heads = std::to_string(spec.shape.heads);
  std::string rows = "tensor<?x" + heads + "x" + dim + "xf32>";
  std::string text = "!c = !kv.cache<heads = " + heads + ", dim = " + dim +
                     ", " + spec.type + (keeps ? kept : "") +
                     ">\n!t = " + rows +
                     "\nfunc.func @step(%q: !t, %k: !t, %v: !t, %c: !c) -> "
                     "(!t, !c) attributes {attn.kernel} {\n"
                     "  %c1 = kv.append %c, %k, %v : !c, !t, !t\n"
                     "  %o = attn.attention %q, %c1 mask(causal) : (!t, !c) -> "
                     "!t\n  return %o, %c1 : !t, !c\n}\n";
  CompileOptions options;
  options.targets = {target};
  std::string reasons;
  CompileResult result =
      compileSpec(text, "cache", options, [&](const Diagnostic &d) {
        if (d.severity == FOVEA_SEVERITY_ERROR)
          reasons += toString(d) + "\n";
      });
  EXPECT_EQ(result.status, CompileStatus::Ok) << text << reasons;
  return {result.output.begin(), result.output.end()};
}

TEST(CacheManager, CompiledStagesFollowTheModel) {
  auto targets = resolveTargets("host");
  ASSERT_TRUE(bool(targets)) << llvm::toString(targets.takeError());
  for (CacheSpec spec : specs())
    for (int dim : {4, 20}) {
      spec.shape.dim = dim;
      std::vector<uint8_t> bundle = compile(spec, targets->front());
      for (uint32_t seed = 0; seed < 60; ++seed) {
        History history(bundle, spec.kind, spec.shape, seed);
        ASSERT_EQ(history.run(30), 0)
            << spec.type << ", dim " << dim << ", seed " << seed;
      }
    }
}

TEST(CacheManager, AnotherRoundingIsSeen) {
  auto targets = resolveTargets("host");
  ASSERT_TRUE(bool(targets)) << llvm::toString(targets.takeError());
  for (const CacheSpec &spec : specs()) {
    if (spec.kind != CacheKind::Chain)
      continue;
    // As if recent's tokens had not been rounded to bf16 on their way.
    History history(compile(spec, targets->front()), CacheKind::Rich,
                    spec.shape, 1);
    EXPECT_GT(history.run(30), 0);
  }
}

} // namespace
