// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The property of MaskPropertyTest for predicates that nobody would write:
// random expressions over all ops the importer knows, with run-time tables,
// i32 arithmetic that wraps, and indices that leave their tables.
#include "test/unit/passes/analysis/MaskHarness.h"

#include <gtest/gtest.h>

#include <random>

using namespace fovea::masktest;

namespace {

class Generator {
public:
  explicit Generator(unsigned seed) : random(seed) {}

  Operands operands() {
    auto table = [&](std::vector<int64_t> shape, int lo, int hi, int bits,
                     int step) {
      Table t{shape, {}, bits, step};
      int64_t n = 1;
      for (int64_t d : shape)
        n *= d;
      for (int64_t i = 0; i < n; ++i)
        t.data.push_back(lo + int64_t(random() % unsigned(hi - lo)));
      return t;
    };
    return {{table({2}, -5, 60, 32, 1), table({90}, -3, 90, 32, 2),
             table({75}, 0, 80, 64, 1), table({2, 7}, -1, 5, 8, 1)},
            {0, 23}};
  }

  X predicate(int depth) {
    switch (pick(depth > 0 ? 9 : 4)) {
    case 4:
    case 5:
      return predicate(depth - 1) & predicate(depth - 1);
    case 6:
      return predicate(depth - 1) | predicate(depth - 1);
    case 7:
      return !predicate(depth - 1);
    case 8:
      return X::make(Kind::Xor, {predicate(depth - 1), predicate(depth - 1)});
    default: {
      // Signed comparisons more often than the others.
      int kind = pick(14);
      Kind k = kind < 10 ? Kind(int(Kind::Eq) + kind)
                         : Kind(int(Kind::Slt) + kind - 10);
      bool narrow = pick(6) == 0;
      return X::make(k, {integer(3), integer(2)}, 0, narrow);
    }
    }
  }

private:
  unsigned pick(unsigned n) { return random() % n; }

  X leaf() {
    switch (pick(12)) {
    case 0:
      return X(int64_t(pick(80)));
    case 1:
      return var(H);
    case 2:
      return var(Len);
    case 3:
      return scalar(pick(2));
    case 4:
      return load(0, {var(H)});
    case 5:
      return load(1, {var(Q)});
    case 6:
      return pick(2) ? load(2, {var(K)}) : load(1, {var(K) + int(pick(9)) - 2});
    case 7:
      return load(3, {var(H), udiv(pick(2) ? var(K) : var(Q), 16)});
    case 8:
    case 9:
      return var(Q);
    default:
      return var(K);
    }
  }

  X integer(int depth) {
    if (depth == 0 || pick(5) == 0)
      return leaf();
    auto sub = [&] { return integer(depth - 1); };
    bool narrow = pick(6) == 0;
    unsigned choice = pick(24);
    if (choice < 4)
      return X::make(Kind::Add, {sub(), sub()}, 0, narrow);
    if (choice < 8)
      return X::make(Kind::Sub, {sub(), sub()}, 0, narrow);
    if (choice < 9) {
      // Now and then a hash: a product that wraps in i32.
      bool hash = pick(8) == 0;
      return X::make(Kind::Mul,
                     {sub(), hash ? X(int64_t(0x9e3779b1)) : X(small())}, 0,
                     hash || narrow);
    }
    if (choice < 10)
      return X::make(Kind::Mul, {leaf(), leaf()});
    if (choice < 15) {
      Kind kind = Kind(int(Kind::DivS) + pick(7));
      if (pick(8) == 0 && kind != Kind::CeilDivU && kind != Kind::DivU)
        return X::make(kind, {sub(), load(0, {var(H)})});
      int64_t by = 1 + pick(40);
      // Without sign, 64 bits below 0 are beyond what adds up exactly.
      if (kind == Kind::DivU || kind == Kind::CeilDivU)
        return X::make(kind, {narrow ? sub() : max(sub(), 0), X(by)}, 0,
                       narrow);
      return X::make(kind, {sub(), X(by)}, 0, narrow);
    }
    if (choice < 18)
      return X::make(Kind(int(Kind::MinS) + pick(4)), {sub(), sub()}, 0,
                     narrow);
    if (choice < 19)
      return X::make(Kind(int(Kind::AndI) + pick(3)),
                     {sub(), pick(2) ? X(15) : sub()}, 0, narrow);
    if (choice < 21) {
      Kind kind = Kind(int(Kind::Shl) + pick(3));
      X a = kind == Kind::ShrU && !narrow ? max(sub(), 0) : sub();
      return X::make(kind, {a, X(int(pick(5)))}, 0, narrow);
    }
    if (choice < 23)
      return select(predicate(0), sub(), sub());
    return X::make(Kind::FromBool, {predicate(0)});
  }

  int64_t small() { return int64_t(pick(13)) - 6; }

  std::mt19937 random;
};

} // namespace

class RandomMask : public testing::TestWithParam<int> {};

TEST_P(RandomMask, AgreesWithBruteForce) {
  const Shape shapes[] = {{80, 70}, {33, 75, 42}, {20, 9, -11}};
  const TileShape tiles[] = {{16, 16}, {5, 32}, {1, 7}, {33, 75}};
  long tiles_ = 0, extra = 0, missFull = 0;
  for (int seed = GetParam() * 25; seed < GetParam() * 25 + 25; ++seed) {
    Generator generator(seed);
    X mask = generator.predicate(3);
    Operands operands = generator.operands();
    CompiledMask compiled(mask, operands);
    ASSERT_EQ(compiled.symbols, "");
    Program program(mask);
    Report r = check(compiled, program, operands, shapes, tiles, 3);
    EXPECT_TRUE(r.sound()) << "seed " << seed << ": " << r.first << "\n"
                           << program.dump();
    tiles_ += r.tiles;
    extra += r.extra;
    missFull += r.missFull;
  }
  printf("seeds %d..%d: extra %.2f %%  missFull %.2f %%\n", GetParam() * 25,
         GetParam() * 25 + 24, 100.0 * extra / tiles_,
         100.0 * missFull / tiles_);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomMask, testing::Range(0, 8));
