// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Specs load with names and places as written, or fail where they are wrong.
#include "passes/pipelines/SpecLoader.h"

#include "dialects/RegisterDialects.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

using namespace fovea;

namespace {
struct Loaded {
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<std::string> diagnostics;

  explicit Loaded(
      llvm::StringRef text,
      std::vector<std::pair<std::string, std::string>> defines = {}) {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    mlir::ScopedDiagnosticHandler handler(
        &context, [&](mlir::Diagnostic &diagnostic) {
          std::string line;
          llvm::raw_string_ostream os(line);
          os << diagnostic.getLocation() << ": " << diagnostic.str();
          diagnostics.push_back(os.str());
          return mlir::success();
        });
    module = loadSpec(context, text, "a.mlir", defines);
  }
  std::string first() const {
    return diagnostics.empty() ? "" : diagnostics[0];
  }
};
} // namespace

static const char kSpec[] = R"(!x = tensor<?x${HEADS}x?x64xf32>
func.func @a(%query: !x, %keys: !x, %v: !x, %0: index) -> !x attributes {attn.kernel} {
  %o = attn.attention %query, %keys, %v mask(causal) : (!x, !x, !x) -> !x
  return %o : !x
}
)";

TEST(SpecLoader, namesArgumentsByTheirValues) {
  Loaded spec(kSpec, {{"HEADS", "4"}});
  ASSERT_TRUE(spec.module) << spec.first();
  auto func = spec.module->lookupSymbol<mlir::func::FuncOp>("a");
  auto name = [&](unsigned i) -> std::string {
    auto attr = func.getArgAttrOfType<mlir::StringAttr>(i, "attn.name");
    return attr ? attr.str() : "";
  };
  EXPECT_EQ(name(0), "query");
  EXPECT_EQ(name(1), "keys");
  EXPECT_EQ(name(3), ""); // a number is no name
}

TEST(SpecLoader, keepsGivenNames) {
  Loaded spec("!x = tensor<?x4x?x64xf32>\n"
              "func.func @a(%q: !x {attn.name = \"other\"}, %k: !x) -> !x "
              "attributes {attn.kernel} {\n"
              "  %o = attn.attention %q, %k, %k : (!x, !x, !x) -> !x\n"
              "  return %o : !x\n}\n");
  ASSERT_TRUE(spec.module) << spec.first();
  auto func = spec.module->lookupSymbol<mlir::func::FuncOp>("a");
  EXPECT_EQ(func.getArgAttrOfType<mlir::StringAttr>(0, "attn.name"), "other");
}

TEST(SpecLoader, placesAreThoseOfTheTextAsWritten) {
  // The parser fails at `oops`, which is further left after substitution.
  Loaded parse("func.func @a(%q: tensor<?x${HEADS}x?x64xf32>) oops\n",
               {{"HEADS", "4"}});
  EXPECT_FALSE(parse.module);
  EXPECT_EQ(parse.first().substr(0, 20), "loc(\"a.mlir\":1:47): ");
  Loaded missing("\n  ${H}");
  EXPECT_EQ(missing.first(),
            "loc(\"a.mlir\":2:3): parameter 'H' has no value: give H=.. or "
            "write a default, ${H:..}");
}

TEST(SpecLoader, refusesWhatASpecMayNotHave) {
  auto error = [](std::string text) { return Loaded(text).first(); };
  std::string body = "{\n  return %q : tensor<4xf32>\n}\n";
  EXPECT_EQ(error("func.func @a(%q: tensor<4xf32>) -> tensor<4xf32> " + body),
            "loc(\"a.mlir\":1:1): 'func.func' op expected a public function of "
            "a spec to be marked attn.kernel (a helper is private) "
            "[kernel_c6]");
  EXPECT_NE(error("func.func @a(%q: tensor<4xf32>) -> tensor<4xf32> attributes "
                  "{attn.kernal} " +
                  body)
                .find("did you mean 'attn.kernel'"),
            std::string::npos);
  EXPECT_NE(error("func.func @a(%q: tensor<4xf32>) -> tensor<4xf32> attributes "
                  "{kernel} " +
                  body)
                .find("unknown attribute 'kernel'"),
            std::string::npos);
  EXPECT_NE(error("func.func @a(%q: tensor<4xf32> {name = \"x\"}) -> "
                  "tensor<4xf32> attributes {attn.kernel} " +
                  body)
                .find("unknown attribute 'name'"),
            std::string::npos);
  EXPECT_NE(error("func.func @a(%q: tensor<4xf32>) -> (tensor<4xf32> {x = 1}) "
                  "attributes {attn.kernel} " +
                  body)
                .find("expected result 0 to have no attributes"),
            std::string::npos);
  EXPECT_NE(error("").find("expected a spec to have a function marked "
                           "attn.kernel"),
            std::string::npos);
}

TEST(SpecLoader, namesDimsByUse) {
  Loaded spec(
      "!q = tensor<?x8x?x64xf32>\n!k = tensor<?x4x?x64xf32>\n"
      "!o = tensor<?x8x?x64xf32>\n!m = tensor<?x8x?xf32>\n"
      "func.func @a(%q: !q, %k: !k, %v: !k, %k1: !k, %v1: !k, "
      "%w: tensor<8xi32>, %ids: tensor<?x?xi32>, %bias: tensor<1x8x?x?xf16>, "
      "%off: tensor<?xi32>, %table: tensor<?x2xf32>, "
      "%given: tensor<?xi32> {attn.dims = \"n\"}) -> !q "
      "attributes {attn.kernel} {\n"
      "  %o, %m, %l = attn.partial %q, %k, %v "
      "mask(window(%w : tensor<8xi32>) and documents(%ids : tensor<?x?xi32>)) "
      "score(bias(%bias : tensor<1x8x?x?xf16>)) offset(%off : tensor<?xi32>) "
      ": (!q, !k, !k) -> (!o, !m, !m)\n"
      "  %o1, %m1, %l1 = attn.partial %q, %k1, %v1 lengths(%given : "
      "tensor<?xi32>) : (!q, !k, !k) -> (!o, !m, !m)\n"
      "  %r = attn.merge lse(%o, %m, %l), (%o1, %m1, %l1) "
      ": (!o, !m, !m), (!o, !m, !m) -> !q\n"
      "  return %r : !q\n}\n");
  ASSERT_TRUE(spec.module) << spec.first();
  auto func = spec.module->lookupSymbol<mlir::func::FuncOp>("a");
  std::vector<std::string> dims;
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    dims.push_back(
        func.getArgAttrOfType<mlir::StringAttr>(i, "attn.dims").str());
  // Other keys may have another length, so their dim has another name.
  EXPECT_EQ(dims, (std::vector<std::string>{"b h sq d", "b h sk d", "b h sk d",
                                            "b h sk_k1 d", "b h sk_k1 d", "h",
                                            "b sk", "b h sq sk", "b",
                                            "table_0 table_1", "n"}));
}

TEST(SpecLoader, followsPoolsAndEncodings) {
  Loaded spec("!t = tensor<?x8x?x64xf32>\n"
              "!c = tensor<?x8x?x64xf32, #kv.int8<per tok>>\n"
              "func.func @a(%q: !t, %k: !t, %v: !t) -> !t "
              "attributes {attn.kernel} {\n"
              "  %e = kv.encode %k : !t -> !c\n"
              "  %o = attn.attention %q, %e, %v : (!t, !c, !t) -> !t\n"
              "  return %o : !t\n}\n");
  ASSERT_TRUE(spec.module) << spec.first();
  auto func = spec.module->lookupSymbol<mlir::func::FuncOp>("a");
  EXPECT_EQ(func.getArgAttrOfType<mlir::StringAttr>(1, "attn.dims"),
            "b h sk d");
}

TEST(SpecLoader, namesTheRowsOfABatch) {
  Loaded spec(
      "!c = !kv.cache<heads = 8, dim = 64, rope = before, "
      "segments = [all : f32]>\n"
      "!q = tensor<?x32x64xf32>\n!r = tensor<?x8x64xf32>\n"
      "!t = tensor<?x32x2xf32>\n"
      "func.func @a(%q: !q, %k: !r, %v: !r, %c: !c, %cs: !t, "
      "%d: tensor<?xi32>) -> (!q, !c) attributes {attn.kernel} {\n"
      "  %c1 = kv.append %c, %k, %v : !c, !r, !r\n"
      "  %o = attn.attention %q, %c1 mask(documents(%d : tensor<?xi32>))"
      " rope(%cs : !t, pairs) : (!q, !c) -> !q\n"
      "  return %o, %c1 : !q, !c\n}\n");
  ASSERT_TRUE(spec.module) << spec.first();
  auto func = spec.module->lookupSymbol<mlir::func::FuncOp>("a");
  std::vector<std::string> dims;
  for (unsigned i : {0, 1, 2, 4, 5})
    dims.push_back(
        func.getArgAttrOfType<mlir::StringAttr>(i, "attn.dims").str());
  EXPECT_EQ(dims, (std::vector<std::string>{"rows h d", "rows h d", "rows h d",
                                            "positions pairs cossin", "sk"}));
  EXPECT_FALSE(func.getArgAttr(3, "attn.dims")) << "a cache has no dims";
  EXPECT_EQ(func.getArgAttrOfType<mlir::StringAttr>(3, "attn.name"), "c");
}

TEST(SpecLoader, refusesOpsThatASpecMayNotHave) {
  EXPECT_EQ(Loaded("func.func @a(%q: index) attributes {attn.kernel} {\n"
                   "  scf.for %i = %q to %q step %q {\n  }\n  return\n}\n")
                .first(),
            "loc(\"a.mlir\":2:3): 'scf.for' op expected only ops of attn, sel, "
            "kv, arith and math, tensor.extract and return in a spec "
            "[kernel_c7]");
}

TEST(SpecLoader, survivesDeepNestingAndNullBytes) {
  std::string deep = "!t = " + std::string(100000, '<');
  EXPECT_EQ(Loaded(deep).first(),
            "loc(\"a.mlir\":1:262): expected brackets to be nested at most 256 "
            "deep [kernel_c8]");
  // What a comment opens is not open.
  EXPECT_NE(Loaded("// " + std::string(300, '<') + "\n")
                .first()
                .find("marked attn.kernel"),
            std::string::npos);
  EXPECT_EQ(Loaded(llvm::StringRef("\n \0", 3)).first(),
            "loc(\"a.mlir\":2:2): expected text, got a null byte [kernel_c8]");
}

TEST(SpecLoader, verifiesKernelsWithoutOpsOfAttn) {
  EXPECT_NE(Loaded("func.func @a(%q: f64) attributes {attn.kernel} {\n"
                   "  return\n}\n")
                .first()
                .find("[kernel_c2]"),
            std::string::npos);
}
