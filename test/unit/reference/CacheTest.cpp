// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Caches of the reference against numbers that were computed by hand: which
// segment has which tokens, what every rounding leaves, what attention sees.
#include "dialects/reference/Interpreter.h"

#include "dialects/RegisterDialects.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace mlir;
using namespace fovea;
using namespace fovea::reference;

namespace {

class CacheTest : public testing::Test {
protected:
  CacheTest() {
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  Cache cache(const std::string &parameters, int heads = 1, int dim = 1) {
    std::string text = "!kv.cache<heads = " + std::to_string(heads) +
                       ", dim = " + std::to_string(dim) + ", " + parameters +
                       ">";
    Type type = parseType(text, &context);
    EXPECT_TRUE(type) << text;
    return Cache(cast<kv::CacheType>(type));
  }

  /// Runs the kernel of `text`.
  std::vector<reference::Value> run(const std::string &text,
                                    std::vector<reference::Value> arguments,
                                    const Batch &batch, std::string &error) {
    module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module);
    auto kernel = *module->getOps<func::FuncOp>().begin();
    auto results = evaluate(kernel, arguments, &report, &batch);
    if (results)
      return *results;
    error = llvm::toString(results.takeError());
    return {};
  }

  std::vector<reference::Value> run(const std::string &text,
                                    std::vector<reference::Value> arguments,
                                    const Batch &batch) {
    std::string error;
    auto results = run(text, std::move(arguments), batch, error);
    EXPECT_EQ(error, "");
    return results;
  }

  DialectRegistry registry;
  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
  Report report;
};

Tensor tensor(std::vector<int64_t> shape, std::vector<double> data) {
  Tensor result(std::move(shape));
  EXPECT_EQ(result.data.size(), data.size());
  result.data = std::move(data);
  return result;
}

/// The numbers x as rows [n, 1, dim].
Tensor rows(std::vector<double> x, int64_t dim = 1) {
  int64_t n = static_cast<int64_t>(x.size()) / dim;
  return tensor({n, 1, dim}, std::move(x));
}

void ok(llvm::Error error) { EXPECT_EQ(llvm::toString(std::move(error)), ""); }

std::string message(llvm::Error error) {
  return llvm::toString(std::move(error));
}

/// Appends rows with the keys x, and values as the keys, to sequence 7.
void append(Cache &cache, std::vector<double> x, int64_t dim = 1) {
  Tensor r = rows(std::move(x), dim);
  ok(cache.append({{7}, {0, r.dim(0)}, {}}, r, r));
}

/// The ranges as "0-1 1-3".
std::string spell(const std::vector<TokenRange> &ranges) {
  std::string text;
  for (TokenRange range : ranges)
    text += (text.empty() ? "" : " ") + std::to_string(range.begin) + "-" +
            std::to_string(range.end);
  return text;
}

//===----------------------------------------------------------------------===//
// Segments and moves
//===----------------------------------------------------------------------===//

// segment_s1: the ranges follow from the number of committed tokens.
TEST_F(CacheTest, Ranges) {
  Cache c = cache("segments = [first(1) : f32, older : f32, recent(2) : f32]");
  ok(c.create(7));
  EXPECT_EQ(spell(c.ranges(7)), "0-0 0-0 0-0 0-0");
  append(c, {10, 11, 12, 13});
  EXPECT_EQ(spell(c.ranges(7)), "0-0 0-0 0-0 0-4") << "all are new";
  ok(c.commit(7));
  EXPECT_EQ(spell(c.ranges(7)), "0-1 1-2 2-4 4-4");
  append(c, {14});
  EXPECT_EQ(spell(c.ranges(7)), "0-1 1-2 2-4 4-5");
  EXPECT_EQ(c.committed(7), 4);
  EXPECT_EQ(c.length(7), 5);

  Cache all = cache("segments = [all : bf16]");
  ok(all.create(7));
  append(all, {1, 2});
  EXPECT_EQ(spell(all.ranges(7)), "0-2") << "new rows are in their place";
  Cache coded = cache("segments = [all : #kv.int8<per tok>]");
  ok(coded.create(7));
  append(coded, {1, 2});
  EXPECT_EQ(spell(coded.ranges(7)), "0-0 0-2");
}

// segment_s2: from new to recent, rounded to its format, from there to older.
// 1 + 2^-9 is 1 in bf16; of the row (1, 0.25) int8 has the scale 1/127 and the
// codes 127 and 32 (31.75). Without the stop in recent, 127 * scale would be
// 1 + 2^-9.
TEST_F(CacheTest, RoundingChain) {
  double x = 1 + 1. / 512, scale = static_cast<float>(1. / 127);
  for (bool whole : {true, false}) {
    Cache c = cache("segments = [first(1) : f32, older : #kv.int8<per tok>, "
                    "recent(1) : bf16], new = f32",
                    1, 2);
    ok(c.create(7));
    for (int token = 0; token < 4; ++token) {
      append(c, {x, 0.25}, 2);
      if (!whole)
        ok(c.commit(7));
    }
    if (whole)
      ok(c.commit(7));
    append(c, {x, 0.25}, 2);
    const std::vector<double> want = {
        x,          0.25, 127 * scale, 32 * scale, 127 * scale,
        32 * scale, 1,    0.25,        x,          0.25};
    EXPECT_EQ(c.keys(7), want) << (whole ? "at once" : "one by one");
    EXPECT_EQ(c.values(7), want);
  }
}

// Keys and values have formats of their own.
TEST_F(CacheTest, FormatsOfKeysAndValues) {
  Cache c = cache("segments = [all : (bf16, f32)], new = f32");
  ok(c.create(7));
  append(c, {1 + 1. / 512});
  ok(c.commit(7));
  EXPECT_EQ(c.keys(7)[0], 1);
  EXPECT_EQ(c.values(7)[0], 1 + 1. / 512);
}

// segment_s3: what is in no segment is gone.
TEST_F(CacheTest, Drop) {
  Cache c = cache("segments = [first(1) : f32, recent(2) : f32], else = drop, "
                  "rope = slot",
                  1, 2);
  ok(c.create(7));
  append(c, {0, 0, 1, 1, 2, 2, 3, 3, 4, 4}, 2);
  EXPECT_EQ(c.dropped(7), 0) << "nothing is dropped before a commit";
  ok(c.commit(7));
  EXPECT_EQ(spell(c.ranges(7)), "0-1 3-5 5-5");
  EXPECT_EQ(c.dropped(7), 2);
  EXPECT_TRUE(std::isnan(c.keys(7)[2]));
  EXPECT_TRUE(std::isnan(c.values(7)[5]));
  EXPECT_EQ(c.keys(7)[6], 3);
  EXPECT_EQ(c.position(7, 0), 0);
  EXPECT_EQ(c.position(7, 1), 1) << "gone: that of the first behind the gap";
  EXPECT_EQ(c.position(7, 2), 1);
  EXPECT_EQ(c.position(7, 3), 1);
  append(c, {5, 5}, 2);
  EXPECT_EQ(c.position(7, 5), 3);

  Cache first = cache("segments = [first(2) : f32], else = drop");
  ok(first.create(7));
  append(first, {1, 2, 3});
  ok(first.commit(7));
  EXPECT_EQ(spell(first.ranges(7)), "0-2 3-3");
  EXPECT_TRUE(std::isnan(first.keys(7)[2]));
}

// commit_s1: the kept rows in the order of the list.
TEST_F(CacheTest, CommitKeeps) {
  Cache c = cache("segments = [all : f32]");
  ok(c.create(7));
  append(c, {1});
  ok(c.commit(7));
  append(c, {2, 3, 4, 5});
  std::vector<int64_t> keep = {2, 0};
  ok(c.commit(7, keep));
  EXPECT_EQ(c.keys(7), (std::vector<double>{1, 4, 2}));
  EXPECT_EQ(c.committed(7), 3);
  append(c, {6});
  EXPECT_EQ(message(c.commit(7, std::vector<int64_t>{0, 0})),
            "expected rows from 0 to 0, each once, to be kept, got 0");
  EXPECT_EQ(message(c.commit(7, std::vector<int64_t>{1})),
            "expected rows from 0 to 0, each once, to be kept, got 1");
  EXPECT_EQ(c.length(7), 4) << "a refused commit changes nothing";
  ok(c.commit(7, std::vector<int64_t>{}));
  EXPECT_EQ(c.length(7), 3);
}

// trim_s1: rows can be taken back, and tokens while none must come back from
// another segment.
TEST_F(CacheTest, Trim) {
  Cache c = cache("segments = [first(1) : f32, older : #kv.int8<per tok>, "
                  "recent(2) : f32]");
  ok(c.create(7));
  append(c, {1, 2, 3});
  ok(c.commit(7));
  append(c, {4, 5});
  ok(c.trim(7, 4));
  EXPECT_EQ(c.keys(7), (std::vector<double>{1, 2, 3, 4}));
  ok(c.trim(7, 2)); // first 1, recent 2: nothing was encoded yet
  EXPECT_EQ(spell(c.ranges(7)), "0-1 1-1 1-2 2-2");
  append(c, {6, 7});
  ok(c.commit(7)); // first 1, older 2, recent 6 7
  EXPECT_EQ(message(c.trim(7, 3)),
            "expected the tokens below 3 to be where they are, but some would "
            "have to come back to 'recent'");
  ok(c.trim(7, 1));
  EXPECT_EQ(spell(c.ranges(7)), "0-1 1-1 1-1 1-1");
  EXPECT_EQ(message(c.trim(7, 2)), "expected a length from 0 to 1, got 2");
  EXPECT_EQ(message(c.trim(8, 0)), "expected a sequence of the cache, got 8");
}

TEST_F(CacheTest, ForkIsIndependent) {
  Cache c = cache("segments = [all : f32]");
  ok(c.create(7));
  append(c, {1, 2, 3});
  EXPECT_EQ(message(c.fork(7, 1, 9)),
            "expected at most the 0 committed tokens to be shared, got 1");
  ok(c.commit(7));
  ok(c.fork(7, 2, 9));
  Cache copy = c;
  append(c, {4});
  Tensor five = rows({5});
  ok(c.append({{9}, {0, 1}, {}}, five, five));
  EXPECT_EQ(c.keys(7), (std::vector<double>{1, 2, 3, 4}));
  EXPECT_EQ(c.keys(9), (std::vector<double>{1, 2, 5}));
  EXPECT_EQ(copy.length(7), 3) << "a copy is another cache";
  EXPECT_EQ(copy.length(9), 2);
  EXPECT_EQ(message(c.create(9)), "expected a new sequence, got 9");
  EXPECT_EQ(message(c.fork(7, 1, 9)), "expected a new sequence, got 9");
  ok(c.free(9));
  EXPECT_FALSE(c.contains(9));
}

// keep_s1: over the tokens that a page really has, after decoding.
TEST_F(CacheTest, Metadata) {
  Cache c = cache("layout = paged<2>, segments = [first(1) : f32, older : f32],"
                  "keep = [bounds = minmax(k) per page, means = mean(k) per "
                  "page]",
                  1, 2);
  ok(c.create(7));
  append(c, {9, 9, 1, -1, 3, 5, 4, 2}, 2);
  ok(c.commit(7));
  // Page 0 has the tokens 1 and 2, page 1 has token 3; first is in none.
  EXPECT_EQ(c.pages(7), (std::vector<int64_t>{Cache::elsewhere, 0, 0, 1}));
  EXPECT_EQ(c.metadata(7, *c.type().findKept("bounds")),
            (std::vector<double>{1, -1, 3, 5, 4, 2, 4, 2}));
  EXPECT_EQ(c.metadata(7, *c.type().findKept("means")),
            (std::vector<double>{2, 2, 4, 2}));
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

const char *const kRagged = R"(
  !c = !kv.cache<heads = 1, dim = 1, segments = [all : f32]>
  !r = tensor<?x1x1xf32>
  func.func @ragged(%q: !r, %k: !r, %v: !r, %c: !c)
      -> (!r, tensor<?x1xf32>, !c) attributes {attn.kernel} {
    %c1 = kv.append %c, %k, %v : !c, !r, !r
    %o, %lse = attn.attention %q, %c1 mask(causal)
        : (!r, !c) -> (!r, tensor<?x1xf32>)
    return %o, %lse, %c1 : !r, tensor<?x1xf32>, !c
  }
)";

// batch_s1: with zero queries every visible key weighs the same. Sequence 9
// has one row, sequence 7 two behind two tokens.
TEST_F(CacheTest, RaggedRows) {
  Cache c = cache("segments = [all : f32]");
  ok(c.create(7));
  ok(c.create(9));
  append(c, {1, 3});
  ok(c.commit(7));
  Batch batch{{9, 7}, {0, 1, 3}, {}};
  auto results = run(
      kRagged, {rows({0, 0, 0}), rows({0, 0, 0}), rows({2, 5, 7}), c}, batch);
  EXPECT_EQ(std::get<Tensor>(results[0]).data, (std::vector<double>{2, 3, 4}));
  const Tensor &lse = std::get<Tensor>(results[1]);
  EXPECT_EQ(lse.shape, (std::vector<int64_t>{3, 1}));
  EXPECT_DOUBLE_EQ(lse.data[1], std::log(3));
  EXPECT_DOUBLE_EQ(lse.data[2], std::log(4));
  const Cache &after = std::get<Cache>(results[2]);
  EXPECT_EQ(after.length(7), 4);
  EXPECT_EQ(after.committed(7), 2);
  EXPECT_EQ(after.values(7), (std::vector<double>{1, 3, 5, 7}));
  EXPECT_EQ(c.length(7), 2) << "the argument stays as it was";
}

TEST_F(CacheTest, RefusedBatches) {
  Cache c = cache("segments = [all : f32]");
  ok(c.create(7));
  std::string error;
  run(kRagged, {rows({0}), rows({0}), rows({0}), c}, {{8}, {0, 1}, {}}, error);
  EXPECT_EQ(error, "expected a sequence of the cache, got 8");
  run(kRagged, {rows({0}), rows({0}), rows({0}), c}, {{7}, {0, 2}, {}}, error);
  EXPECT_EQ(error,
            "expected rows of the cache's heads and dim that agree with the "
            "batch");
  run(kRagged, {rows({0}), rows({0}), rows({0}), c}, {{7}, {0, 1}, {0}}, error);
  EXPECT_EQ(error, "expected a call that appends to have a batch whose rows "
                   "are the last tokens");
  run(kRagged,
      {rows({0}), rows({0}), rows({0}), cache("segments = [all : f16]")},
      {{7}, {0, 1}, {}}, error);
  EXPECT_EQ(error, "expected argument 3 to be a cache of its type");
}

// Masks count tokens, whatever has been dropped between them: the window of
// token 5 is 3, 4, 5, and of the sinks token 0 is left.
TEST_F(CacheTest, MasksSeeTokens) {
  Cache c = cache("segments = [first(1) : f32, recent(3) : f32], else = drop");
  ok(c.create(7));
  append(c, {1, 2, 4, 8, 16});
  ok(c.commit(7));
  report.row = Row{0, 0, 0};
  auto results = run(
      R"(
    !c = !kv.cache<heads = 1, dim = 1,
                   segments = [first(1) : f32, recent(3) : f32], else = drop>
    !r = tensor<1x1x1x1xf32>
    func.func @windowed(%q: !r, %k: !r, %v: !r, %c: !c)
        -> (!r, !c) attributes {attn.kernel} {
      %c1 = kv.append %c, %k, %v : !c, !r, !r
      %o = attn.attention %q, %c1 mask(causal and (window(3) or sink(2)))
          : (!r, !c) -> !r
      return %o, %c1 : !r, !c
    })",
      {Tensor({1, 1, 1, 1}), Tensor({1, 1, 1, 1}), Tensor({1, 1, 1, 1}, 32), c},
      {{7}, {0, 1}, {}});
  EXPECT_EQ(std::get<Tensor>(results[0]).data[0], (1. + 8 + 16 + 32) / 4);
  ASSERT_EQ(report.sights.size(), 1u);
  EXPECT_EQ(report.sights[0].keys, (std::vector<std::pair<int64_t, int64_t>>{
                                       {0, 1}, {3, 1}, {4, 1}, {5, 1}}));
}

// Rows need not be the last tokens where nothing is appended: row 0 is token 1.
TEST_F(CacheTest, GivenPositions) {
  Cache c = cache("segments = [all : f32]");
  ok(c.create(7));
  append(c, {1, 3, 5, 7});
  auto results = run(R"(
    !c = !kv.cache<heads = 1, dim = 1, segments = [all : f32]>
    !r = tensor<?x1x1xf32>
    func.func @reads(%q: !r, %c: !c) -> !r attributes {attn.kernel} {
      %o = attn.attention %q, %c mask(causal) : (!r, !c) -> !r
      return %o : !r
    })",
                     {rows({0, 0}), c}, {{7}, {0, 2}, {1}});
  EXPECT_EQ(std::get<Tensor>(results[0]).data, (std::vector<double>{2, 3}));
}

std::string rotated(const std::string &cache, const std::string &rule,
                    int dim) {
  std::string d = std::to_string(dim), half = std::to_string(dim / 2);
  return "!c = " + cache + "\n!r = tensor<?x1x" + d + "xf32>\n" + R"(
    func.func @rotated(%q: !r, %k: !r, %v: !r, %c: !c, %t: tensor<?x)" +
         half + R"(x2xf32>)
        -> (tensor<?x1xf32>, !c) attributes {attn.kernel} {
      %c1 = kv.append %c, %k, %v : !c, !r, !r
      %o, %lse = attn.attention %q, %c1 scale(1.0) rope(%t : tensor<?x)" +
         half + "x2xf32>, " + rule + R"()
          : (!r, !c) -> (!r, tensor<?x1xf32>)
      return %lse, %c1 : tensor<?x1xf32>, !c
    })";
}

// Position p turns by p quarters. All keys and the query are (1, 0): the score
// of keys at distance 0, 1, 2, 3 is 1, 0, -1, 0.
const std::vector<double> quarters = {1, 0, 0, 1, -1, 0, 0, -1};

TEST_F(CacheTest, RopeBefore) {
  const char *type = "!kv.cache<heads = 1, dim = 2, segments = [all : f32], "
                     "rope = before>";
  Cache c = cache("segments = [all : f32], rope = before", 1, 2);
  ok(c.create(7));
  append(c, {1, 0, 1, 0}, 2);
  ok(c.commit(7));
  Tensor one = rows({1, 0}, 2);
  auto results =
      run(rotated(type, "halves", 2),
          {one, one, one, c, tensor({4, 1, 2}, quarters)}, {{7}, {0, 1}, {}});
  // The query is token 2.
  EXPECT_DOUBLE_EQ(std::get<Tensor>(results[0]).data[0],
                   std::log(std::exp(-1) + 1 + std::exp(1)));
  EXPECT_EQ(std::get<Cache>(results[1]).keys(7),
            (std::vector<double>{1, 0, 1, 0, 1, 0}))
      << "keys are stored without rotation";
  std::string error;
  run(rotated(type, "halves", 2),
      {one, one, one, c, tensor({2, 1, 2}, {1, 0, 0, 1})}, {{7}, {0, 1}, {}},
      error);
  EXPECT_EQ(error, "expected positions below 2, the table's, got 2");
}

// With `slot` the dropped tokens leave no gap: the keys are tokens 0, 4 and 5,
// at the positions 0, 1 and 2.
TEST_F(CacheTest, RopeSlot) {
  std::string parameters = "segments = [first(1) : f32, recent(1) : f32], "
                           "else = drop, rope = slot";
  Cache c = cache(parameters, 1, 2);
  ok(c.create(7));
  append(c, {1, 0, 1, 0, 1, 0, 1, 0, 1, 0}, 2);
  ok(c.commit(7));
  Tensor one = rows({1, 0}, 2);
  auto results = run(
      rotated("!kv.cache<heads = 1, dim = 2, " + parameters + ">", "pairs", 2),
      {one, one, one, c, tensor({4, 1, 2}, quarters)}, {{7}, {0, 1}, {}});
  EXPECT_DOUBLE_EQ(std::get<Tensor>(results[0]).data[0],
                   std::log(std::exp(-1) + 1 + std::exp(1)));
}

// halves turns the channels (0, 2) and (1, 3), pairs (0, 1) and (2, 3). Only
// pair 0 turns, by a quarter per position: with halves the key (1, 0, 0, 0)
// becomes (0, 0, 1, 0) at position 1, with pairs (0, 1, 0, 0).
TEST_F(CacheTest, RopePairs) {
  for (bool halves : {true, false}) {
    Cache c = cache("segments = [all : f32], rope = before", 1, 4);
    ok(c.create(7));
    Tensor q = rows({0, 0, 0, 0, 0, 1, 2, 0}, 4);
    Tensor k = rows({0, 0, 0, 0, 1, 0, 0, 0}, 4);
    // The query at position 1: (0, 1, 2, 0) turns to (-2, 1, 0, 0) with halves,
    // to (-1, 0, 2, 0) with pairs.
    Tensor table = tensor({2, 2, 2}, {1, 0, 1, 0, 0, 1, 1, 0});
    auto results =
        run(rotated("!kv.cache<heads = 1, dim = 4, segments = [all : f32], "
                    "rope = before>",
                    halves ? "halves" : "pairs", 4),
            {q, k, k, c, table}, {{7}, {0, 2}, {}});
    // Row 0 has no query. Row 1: scores 0 and q . k, which a common rotation
    // of one pair does not change where both are at the same position: with
    // halves k has 1 in pair 0, q has (0, 2) there: 0; with pairs (0, 1): 0.
    EXPECT_DOUBLE_EQ(std::get<Tensor>(results[0]).data[1], std::log(2));
    // Against the key at position 0 they differ.
    Tensor first = rows({1, 0, 0, 0, 0, 0, 0, 0}, 4);
    results = run(rotated("!kv.cache<heads = 1, dim = 4, segments = [all : "
                          "f32], rope = before>",
                          halves ? "halves" : "pairs", 4),
                  {q, first, first, c, table}, {{7}, {0, 2}, {}});
    EXPECT_DOUBLE_EQ(std::get<Tensor>(results[0]).data[1],
                     std::log(std::exp(halves ? -2. : -1.) + 1));
  }
}

//===----------------------------------------------------------------------===//
// Pages
//===----------------------------------------------------------------------===//

std::string chosen(const std::string &cache, const std::string &rows,
                   const std::string &score, const std::string &choose) {
  return "!c = " + cache + "\n!r = " + rows + R"(
    !s = !sel.scores<per = (b, h, q : 1), unit = page>
    !l = !kv.list<per = (b, h, q : 1), unit = page, order = any>
    func.func @chosen(%q: !r, %k: !r, %v: !r, %c: !c)
        -> (!r, !s, !l, !c) attributes {attn.kernel} {
      %c1 = kv.append %c, %k, %v : !c, !r, !r
      %s = sel.score %q, %c1 )" +
         score + R"( : !r, !c -> !s
      %l = sel.choose %s )" +
         choose + R"( : !s -> !l
      %o = attn.attention %q, %c1 over(%l : !l) mask(causal) scale(0.0)
          : (!r, !c) -> !r
      return %o, %s, %l, %c1 : !r, !s, !l, !c
    })";
}

// score_s3, list_s1: the pages hold the keys 1 2, -5 3 and 0, and with the new
// row 0 0. The bounds for the query 1 are 2, 3, 0.
TEST_F(CacheTest, ChoosesByBounds) {
  std::string parameters = "layout = paged<2>, segments = [all : f32], keep = "
                           "[bounds = minmax(k) per page]";
  Cache c = cache(parameters);
  ok(c.create(7));
  append(c, {1, 2, -5, 3, 0});
  ok(c.commit(7));
  auto of = [&](double q, const std::string &choose) {
    return run(chosen("!kv.cache<heads = 1, dim = 1, " + parameters + ">",
                      "tensor<?x1x1x1xf32>", "bound(bounds) scale(1.0)",
                      choose),
               {Tensor({1, 1, 1, 1}, q), Tensor({1, 1, 1, 1}),
                Tensor({1, 1, 1, 1}, 10), c},
               {{7}, {0, 1}, {}});
  };
  auto results = of(1, "top_k(1)");
  EXPECT_EQ(std::get<Scores>(results[1]).values.data,
            (std::vector<double>{2, 3, 0}));
  EXPECT_EQ(std::get<Tensor>(results[0]).data[0], (-5. + 3) / 2);
  results = of(-1, "top_k(1)");
  EXPECT_EQ(std::get<Scores>(results[1]).values.data,
            (std::vector<double>{-1, 5, 0}));
  results = of(1, "top_k(2) force(last(1))");
  EXPECT_EQ(std::get<List>(results[2]).units[0], (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(std::get<Tensor>(results[0]).data[0], (-5. + 3 + 0 + 10) / 4);
  results = of(1, "top_k(1) force(diagonal)");
  EXPECT_EQ(std::get<List>(results[2]).units[0], (std::vector<int64_t>{2}));
}

// Only the pages are chosen from: first, recent and new are always seen. Each
// token-major row has its own list. older holds 1 2 and 3 4.
TEST_F(CacheTest, OtherSegmentsAreSeen) {
  std::string parameters =
      "layout = paged<2>, segments = [first(1) : f32, older : f32, recent(1) : "
      "f32], keep = [means = mean(k) per page]";
  Cache c = cache(parameters);
  ok(c.create(7));
  append(c, {100, 1, 2, 3, 4, 50});
  ok(c.commit(7));
  auto results = run(
      chosen("!kv.cache<heads = 1, dim = 1, " + parameters + ">",
             "tensor<?x1x1xf32>", "pooled(means) scale(2.0)", "top_k(1)"),
      {rows({1, -1}), rows({0, 0}), rows({200, 300}), c}, {{7}, {0, 2}, {}});
  const Scores &scores = std::get<Scores>(results[1]);
  EXPECT_EQ(scores.values.shape, (std::vector<int64_t>{2, 1, 1, 2}));
  EXPECT_EQ(scores.values.data, (std::vector<double>{3, 7, -3, -7}));
  EXPECT_EQ(std::get<Tensor>(results[0]).data,
            (std::vector<double>{(100. + 3 + 4 + 50 + 200) / 5,
                                 (100. + 1 + 2 + 50 + 200 + 300) / 6}));
}

} // namespace
