// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One row of the end-to-end table: a spec, the shape it runs with, and the same
// computation by the naive oracle, which writes every mask and modifier itself.
#ifndef FOVEA_TEST_E2E_CASE_H
#define FOVEA_TEST_E2E_CASE_H

#include "test/support/NaiveAttention.h"
#include "tools/fovea/SpecArguments.h"

#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace fovea::e2e {

/// The arguments of a call, by name, for the oracle.
struct Given {
  const std::vector<HostValue> &values;
  std::vector<int64_t> offset, length;

  const HostValue &at(const std::string &name) const;
  std::vector<double> reals(const std::string &name) const;
  naive::Array array(const std::string &name) const;
  int64_t integer(const std::string &name) const;
};

using MakeKeep = std::function<naive::Keep(const Given &)>;
using MakeScore = std::function<naive::Score(const Given &)>;
using MakeLevel = std::function<naive::PairLevel(const Given &)>;

enum class Source {
  Plain,   ///< k and v
  Pyramid, ///< k and v pooled, a level map as an argument
  Leveled, ///< k and v pooled, a mask region that gives levels
  Chosen,  ///< k and v over chosen blocks
  Merged   ///< two pairs of k and v, one partial each, merged
};

/// Chained setters, so that a row of the table reads like a sentence.
struct Case {
  std::string name;
  std::string type = "f32"; ///< of q and o, and of k and v unless coded
  bool coded = false;       ///< k and v are int8 per token
  int64_t b = 1, hq = 2, hk = 2, sq = 8, sk = 8, d = 16, dv = 16;
  Source source = Source::Plain;
  std::string mask, score, prob, clauses, extra, prelude;
  MakeLevel level;
  MakeKeep keep;
  MakeScore modify, share;
  bool sink = false;
  double scale = 0; ///< 0: the default
  bool lse = true;
  bool poison = false;   ///< NaN at and past the lengths
  bool nanQuery = false; ///< one NaN in the first row of q
  /// One number in token `token` of sequence 0 and head 0 of an argument, or
  /// in entry `token` of a table.
  struct Planted {
    std::string name;
    int64_t token;
    double number;
  };
  std::vector<Planted> planted;
  std::vector<int64_t> lengths, offsets; ///< given if not empty
  std::string order;                     ///< "grid(5, 13)"
  /// The search for classes gives up on some tiles; prefill, which asks for
  /// every pair of those, runs less than planned.
  bool undecided = false;
  int64_t queryBlock = 8, unit = 8; ///< of maps and lists
  int64_t topK = 0;
  double topP = 0;
  bool diagonal = false;
  int64_t first = 0;
  uint64_t seed = 1;
  /// Part of the diagnostic with which the compiler refuses the case.
  std::string refusal;

  explicit Case(std::string name) : name(std::move(name)) {}

  Case &shape(int64_t batch, int64_t queries, int64_t keys) {
    b = batch, sq = queries, sk = keys;
    return *this;
  }
  Case &heads(int64_t query, int64_t key) {
    hq = query, hk = key;
    return *this;
  }
  Case &dims(int64_t key, int64_t value) {
    d = key, dv = value;
    return *this;
  }
  Case &element(std::string which) {
    type = std::move(which);
    return *this;
  }
  Case &int8() {
    coded = true;
    return *this;
  }
  Case &masked(std::string text, MakeKeep oracle) {
    mask = std::move(text), keep = std::move(oracle);
    return *this;
  }
  Case &masked(std::string text, naive::Keep oracle) {
    return masked(std::move(text), [=](const Given &) { return oracle; });
  }
  Case &scored(std::string text, MakeScore oracle) {
    score = std::move(text), modify = std::move(oracle);
    return *this;
  }
  Case &scored(std::string text, naive::Score oracle) {
    return scored(std::move(text), [=](const Given &) { return oracle; });
  }
  /// A probability region.
  Case &probed(std::string text, MakeScore oracle) {
    prob = std::move(text), share = std::move(oracle);
    return *this;
  }
  Case &probed(std::string text, naive::Score oracle) {
    return probed(std::move(text), [=](const Given &) { return oracle; });
  }
  /// A learned sink for each query head, %sink; of the first part of a merge.
  Case &sinks() {
    sink = true;
    return *this;
  }
  /// Further arguments: "%w: tensor<4xi32>".
  Case &with(std::string arguments) {
    extra = ", " + arguments;
    return *this;
  }
  Case &scaled(double by) {
    scale = by;
    return *this;
  }
  Case &length(std::vector<int64_t> of) {
    lengths = std::move(of);
    return *this;
  }
  Case &poisoned(std::vector<int64_t> of) {
    poison = true;
    return length(std::move(of));
  }
  Case &offset(std::vector<int64_t> of) {
    offsets = std::move(of);
    return *this;
  }
  Case &ordered(std::string grid) {
    order = std::move(grid);
    return *this;
  }
  Case &leftUndecided() {
    undecided = true;
    return *this;
  }
  Case &outputOnly() {
    lse = false;
    return *this;
  }
  Case &nan() {
    nanQuery = true;
    return *this;
  }
  Case &plant(std::string argument, int64_t token, double number) {
    planted.push_back({std::move(argument), token, number});
    return *this;
  }
  Case &blocks(int64_t queries, int64_t keys) {
    queryBlock = queries, unit = keys;
    return *this;
  }
  Case &pyramid() {
    source = Source::Pyramid;
    return *this;
  }
  /// A mask region of levels over a pyramid.
  Case &leveled(std::string region, MakeLevel oracle) {
    source = Source::Leveled;
    mask = std::move(region), level = std::move(oracle);
    return *this;
  }
  Case &leveled(std::string region, naive::PairLevel oracle) {
    return leveled(std::move(region), [=](const Given &) { return oracle; });
  }
  /// Ops in front of all others.
  Case &after(std::string ops) {
    prelude = "  " + ops + "\n";
    return *this;
  }
  Case &merged() {
    source = Source::Merged;
    return *this;
  }
  Case &bestBlocks(int64_t count, bool forceDiagonal, int64_t forceFirst) {
    source = Source::Chosen, topK = count;
    diagonal = forceDiagonal, first = forceFirst;
    return *this;
  }
  Case &bestMass(double share, bool forceDiagonal, int64_t forceFirst) {
    source = Source::Chosen, topP = share;
    diagonal = forceDiagonal, first = forceFirst;
    return *this;
  }
  Case &refused(std::string diagnostic) {
    refusal = std::move(diagnostic);
    return *this;
  }
  Case &from(uint64_t seedOfInputs) {
    seed = seedOfInputs;
    return *this;
  }

  /// The spec, with one kernel called `name`.
  std::string spec() const;
  Dims callDims() const;
  /// Overrides what the case fixes: lengths, offsets, NaN.
  void adjust(std::vector<HostValue> &values) const;
  /// What the oracle makes of the arguments: o and lse.
  naive::Outputs oracle(const std::vector<HostValue> &values) const;
  /// "fovea verify NAME.mlir --shape=.. --seed=.. --in ..": reruns the case.
  std::string commandLine() const;
};

/// For GoogleTest's messages.
inline void PrintTo(const Case &c, std::ostream *os) { *os << c.name; }

/// The table.
std::vector<Case> cases();

} // namespace fovea::e2e

#endif // FOVEA_TEST_E2E_CASE_H
