// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random mask regions whose operands are what arith and tables cannot take:
// see Composition::hostile.
#include "test/zoo/Compose.h"

#include "tools/fovea/Random.h"

#include "llvm/ADT/StringRef.h"

#include <limits>

using namespace fovea;
using namespace fovea::zoo;

namespace {

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
/// The edges of what divides, shifts, wraps and saturates.
constexpr int64_t kNumbers[] = {0,
                                -1,
                                1,
                                2,
                                7,
                                31,
                                32,
                                63,
                                64,
                                -7,
                                INT32_MIN,
                                INT32_MAX,
                                int64_t(1) << 31,
                                (int64_t(1) << 40) + 1,
                                -(int64_t(1) << 40) - 1,
                                int64_t(1) << 62,
                                kLeast,
                                kLeast + 3,
                                kMost,
                                kMost - 3};

class Region {
public:
  Region(Composition &out, uint64_t seed) : out(out), random(seed) {}

  std::string write() {
    std::string x = value(3), y = pick(3) ? value(2) : leaf();
    static constexpr const char *predicates[] = {"slt", "sge", "ult", "eq"};
    std::string keep =
        line("arith.cmpi " + std::string(predicates[pick(pick(3) ? 2 : 4)]) +
             ", " + x + ", " + y + " : index");
    if (pick(2))
      keep = line((pick(2) ? "arith.andi " : "arith.ori ") + keep + ", " +
                  line("arith.cmpi sle, %j, %i : index") + " : i1");
    return "{ ^bb0(%b: index, %h: index, %i: index, %j: index):\n" + text +
           "    sel.yield " + keep + " : i1 }";
  }

private:
  int64_t pick(int64_t n) { return random.integer(0, n - 1); }

  /// Appends an op; its result.
  std::string line(const std::string &op) {
    std::string name = "%x" + std::to_string(lines++);
    text += "    " + name + " = " + op + "\n";
    return name;
  }
  std::string operand(std::string type, std::vector<int64_t> numbers) {
    out.operands.push_back({std::move(type), std::move(numbers)});
    return "%t" + std::to_string(out.operands.size() - 1);
  }
  int64_t number() { return kNumbers[pick(std::size(kNumbers))]; }

  std::string leaf() {
    switch (pick(7)) {
    case 0:
    case 1:
      return "%i";
    case 2:
    case 3:
      return "%j";
    case 4:
      return hostile();
    case 5:
      return literal(-9, 40);
    default:
      return entry();
    }
  }
  std::string literal(int64_t lo, int64_t hi) {
    return line("arith.constant " + std::to_string(random.integer(lo, hi)) +
                " : index");
  }
  /// A scalar that nothing protects.
  std::string hostile() {
    static constexpr const char *types[] = {"index", "i64", "i32"};
    std::string type = types[pick(3)];
    int64_t value = number();
    if (type == "i32")
      value = int32_t(value);
    std::string name = operand(type, {value});
    return type == "index"
               ? name
               : line("arith.index_cast " + name + " : " + type + " to index");
  }
  /// An entry of a table by token, at an index that may not be one of it.
  std::string entry() {
    std::vector<int64_t> numbers;
    for (int64_t i = 0; i < Composition::tokens; ++i)
      numbers.push_back(pick(4) ? random.integer(-2, 34) : int32_t(number()));
    std::string table = operand("tensor<?xi32>", numbers);
    std::string at = pick(3) ? (pick(2) ? "%i" : "%j") : value(0);
    return line(
        "arith.index_cast " +
        line("tensor.extract " + table + "[" + at + "] : tensor<?xi32>") +
        " : i32 to index");
  }

  std::string value(int depth) {
    if (depth == 0)
      return leaf();
    static constexpr const char *ops[] = {
        "divsi",     "divui",     "remsi", "remui", "floordivsi",
        "ceildivsi", "ceildivui", "shli",  "shrsi", "shrui",
        "addi",      "subi",      "muli",  "addi",  "subi",
        "maxsi",     "minui",     "andi",  "xori"};
    std::string op = ops[pick(std::size(ops))];
    std::string x = value(depth - 1);
    std::string y = pick(2) ? hostile() : pick(2) ? entry() : literal(2, 31);
    bool narrow = pick(3) == 0;
    std::string type = narrow ? "i32" : "index";
    // Through i64: MLIR folds a cast to i32 and back to index away.
    auto cut = [&](std::string v) {
      v = line("arith.index_cast " + v + " : index to i64");
      return line("arith.trunci " + v + " : i64 to i32");
    };
    if (narrow)
      x = cut(x), y = cut(y);
    std::string result =
        line("arith." + op + " " + x + ", " + y + " : " + type);
    return narrow ? line("arith.index_cast " + result + " : i32 to index")
                  : result;
  }

  Composition &out;
  Random random;
  std::string text;
  int lines = 0;
};

} // namespace

Composition Composition::hostile(uint64_t seed) {
  Composition result;
  result.mask = Region(result, seed).write();
  return result;
}
