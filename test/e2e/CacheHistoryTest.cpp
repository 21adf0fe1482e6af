// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The table of caches: every row is a cache's type, compiled for every target
// of the machine and led through one history of prompts, chunks, single rows,
// commits with keep lists, trims and forks. After every step o and lse are held
// against the reference, which keeps its own cache beside the runtime's.
#include "dialects/RegisterDialects.h"
#include "passes/pipelines/SpecLoader.h"
#include "test/e2e/Compiled.h"
#include "tools/fovea/Random.h"

#include "dialects/reference/Interpreter.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <optional>

using namespace mlir;
using namespace fovea;
using namespace fovea::e2e;

namespace {

constexpr int64_t kHeads = 4, kKeyHeads = 2, kMaxLen = 512, kMaxRows = 128;

/// One row of the table.
struct CacheType {
  std::string name, type;
  std::string rows = "f32"; ///< element type of q, k and v
  std::string clauses = "mask(causal)";
  int64_t dim = 32;

  bool rotates() const { return clauses.find("rope") != std::string::npos; }
};

void PrintTo(const CacheType &c, std::ostream *os) { *os << c.name; }

const char *const kInt8 = "#kv.int8<per tok>";

std::vector<CacheType> cacheTypes() {
  std::string int8 = kInt8;
  return {
      // Every format in every layout.
      {"f32_contiguous", "segments = [all : f32]"},
      {"f16_token_major", "layout = token_major, segments = [all : f16]",
       "f16"},
      {"bf16_paged16", "layout = paged<16>, segments = [all : bf16]", "bf16"},
      {"bf16_paged7_token_major",
       "layout = paged<7, token_major>, segments = [all : bf16]", "bf16"},
      {"f16_paged1", "layout = paged<1>, segments = [all : f16]", "f16"},
      {"int8_contiguous", "segments = [all : " + int8 + "]"},
      {"int8_token_major",
       "layout = token_major, segments = [all : " + int8 + "]"},
      {"int8_paged16", "layout = paged<16>, segments = [all : " + int8 + "]"},
      {"int8_of_bf16_paged5",
       "layout = paged<5>, segments = [all : " + int8 + "], new = bf16",
       "bf16"},
      {"int8_keys_f16_values",
       "layout = paged<16>, segments = [all : (" + int8 + ", f16)], new = f32"},
      {"f16_keys_int8_values",
       "layout = paged<16>, segments = [all : (f16, " + int8 + ")], new = f32"},
      {"bf16_of_f32", "layout = paged<16>, segments = [all : bf16], new = f32"},
      {"dim_48", "layout = paged<16>, segments = [all : f32]", "f32",
       "mask(causal)", 48},
      // Tokens that move on.
      {"window_in_front_of_int8",
       "layout = paged<16>, segments = [older : " + int8 +
           ", recent(20) : f32 in contiguous]"},
      {"sink_older_recent",
       "layout = paged<8>, segments = [first(4) : f32, older : " + int8 +
           ", recent(11) : bf16], new = f32"},
      {"sink_and_ring",
       "layout = ring, segments = [first(4) : f32, recent(30) : f32], else = "
       "drop"},
      {"ring_only",
       "layout = ring, segments = [recent(16) : bf16], else = drop", "bf16"},
      {"coarser_and_coarser", "layout = paged<3>, segments = [older : f16, "
                              "recent(7) : f32], new = f32"},
      // Rotated where they are read.
      {"rope_before",
       "layout = paged<16>, segments = [all : f32], rope = before", "f32",
       "mask(causal) rope(%t : tensor<?x16x2xf32>, halves)"},
      {"rope_before_int8_pairs",
       "layout = paged<16>, segments = [all : " + int8 + "], rope = before",
       "f32", "mask(causal) rope(%t : tensor<?x16x2xf32>, pairs)"},
      {"rope_slot",
       "layout = ring, segments = [first(4) : f32, recent(30) : f32], else = "
       "drop, rope = slot",
       "f32", "mask(causal) rope(%t : tensor<?x16x2xf32>, halves)"},
      // Masks and scores over segments.
      {"window_mask", "layout = paged<16>, segments = [all : f32]", "f32",
       "mask(causal and (window(20) or sink(3)))"},
      {"softcap", "layout = paged<16>, segments = [all : " + int8 + "]", "f32",
       "mask(causal) score(softcap(5.0))"},
  };
}

std::string specOf(const CacheType &c) {
  std::string d = std::to_string(c.dim);
  return "!c = !kv.cache<heads = 2, dim = " + d + ", " + c.type +
         ">\n!q = tensor<?x4x" + d + "x" + c.rows + ">\n!k = tensor<?x2x" + d +
         "x" + c.rows + ">\n!l = tensor<?x4xf32>\n" +
         "func.func @step(%q: !q, %k: !k, %v: !k, %c: !c" +
         (c.rotates() ? ", %t: tensor<?x16x2xf32>" : "") +
         ") -> (!q, !l, !c) attributes {attn.kernel} {\n"
         "  %c1 = kv.append %c, %k, %v : !c, !k, !k\n"
         "  %o, %l = attn.attention %q, %c1 " +
         c.clauses +
         " : (!q, !c) -> (!q, !l)\n  return %o, %l, %c1 : !q, !l, !c\n}\n";
}

/// The rows of one sequence in a step.
struct Part {
  uint64_t sequence;
  HostTensor q, k, v;
};

/// The runtime and the reference side by side.
class Pair {
public:
  Pair(const CacheType &c, const std::string &target) : c(c) {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    module = loadSpec(context, specOf(c), c.name + ".mlir", {});
    auto made = Compiled::compile(specOf(c), c.name, target);
    if (!module || !made) {
      ADD_FAILURE() << llvm::toString(made.takeError()) << specOf(c);
      return;
    }
    compiled.emplace(std::move(*made));
    kernel = *module->getOps<func::FuncOp>().begin();
    wanted.emplace(cast<kv::CacheType>(kernel.getArgumentTypes()[3]));
    element = reference::elementOf(kernel.getArgumentTypes()[0]);
    fovea_kv_limits limits{};
    limits.size = sizeof limits;
    limits.layers = 1;
    limits.seqs = 16;
    limits.max_len = kMaxLen;
    limits.rows = 2 * kMaxRows;
    limits.device = FOVEA_CPU;
    EXPECT_EQ(fovea_kv_create(compiled->kernel(), 3, &limits, &kv), FOVEA_OK)
        << fovea_message();
    plan = makePlan(false, true);
    // Of rotations by their own angles; positions reach as far as tokens.
    turns = HostTensor(FOVEA_DTYPE_F32, {kMaxLen, 16, 2});
    for (int64_t i = 0; i < turns.size(); ++i) {
      double angle = double(i / 32) * std::pow(1e4, -double(i / 2 % 16) / 16);
      turns.set(i, i % 2 ? std::sin(angle) : std::cos(angle));
    }
  }
  ~Pair() {
    fovea_plan_destroy(plan);
    fovea_kv_destroy(kv);
  }
  bool good() const { return kv && plan; }

  fovea_plan *makePlan(bool deterministic, bool sharing) {
    fovea_plan_limits limits{};
    limits.size = sizeof limits;
    limits.rows = kMaxRows;
    limits.seqs = 16;
    limits.max_len = kMaxLen;
    limits.deterministic = deterministic;
    limits.no_sharing = !sharing;
    fovea_dim_limit positions{"positions", kMaxLen};
    limits.n_dims = c.rotates();
    limits.dims = &positions;
    fovea_plan *made = nullptr;
    EXPECT_EQ(fovea_plan_create(compiled->kernel(), &limits, &made), FOVEA_OK)
        << fovea_message();
    return made;
  }

  /// Rows made from `seed`: the same for the same seed.
  Part rows(uint64_t sequence, int64_t n, uint64_t seed) const {
    fovea_dtype type = dtypeOf(
        cast<RankedTensorType>(kernel.getArgumentTypes()[0]).getElementType());
    Part part{sequence, HostTensor(type, {n, kHeads, c.dim}),
              HostTensor(type, {n, kKeyHeads, c.dim}),
              HostTensor(type, {n, kKeyHeads, c.dim})};
    Random random(seed);
    for (HostTensor *t : {&part.q, &part.k, &part.v})
      for (int64_t i = 0; i < t->size(); ++i)
        t->set(i, random.normal());
    return part;
  }

  /// Runs one step on both; o of all rows as the kernel made it.
  std::vector<double> step(const std::vector<Part> &parts,
                           fovea_plan *with = nullptr) {
    HostTensor q = joined(parts, &Part::q), k = joined(parts, &Part::k),
               v = joined(parts, &Part::v);
    HostTensor o(q.dtype, q.shape), l(FOVEA_DTYPE_F32, {q.shape[0], kHeads});
    std::fill(o.bytes.begin(), o.bytes.end(), 0xff);
    std::fill(l.bytes.begin(), l.bytes.end(), 0xff);
    reference::Batch batch;
    batch.rows.push_back(0);
    for (const Part &part : parts) {
      batch.sequences.push_back(part.sequence);
      batch.rows.push_back(batch.rows.back() + part.q.shape[0]);
    }
    runKernel(batch, {&q, &k, &v, &o, &l}, with ? with : plan);
    std::vector<reference::Value> values{toTensor(q), toTensor(k), toTensor(v),
                                         *wanted};
    if (c.rotates())
      values.push_back(toTensor(turns));
    reference::Report report;
    auto results = reference::evaluate(kernel, values, &report, &batch);
    if (!results) {
      ADD_FAILURE() << llvm::toString(results.takeError());
      return {};
    }
    wanted = std::get<reference::Cache>((*results)[2]);
    hold(o, std::get<reference::Tensor>((*results)[0]), element,
         reference::Role::Output, report.maxScore, "o");
    hold(l, std::get<reference::Tensor>((*results)[1]), reference::Element::F32,
         reference::roleOf(
             kernel.getBody().front().getTerminator()->getOperand(1)),
         report.maxScore, "lse");
    return o.values();
  }

  // Both caches do the same, or both refuse.
  void create(uint64_t id) {
    agree(fovea_kv_new(kv, id), wanted->create(id), "new");
  }
  void commit(uint64_t id, std::optional<std::vector<int64_t>> keep = {}) {
    std::optional<llvm::ArrayRef<int64_t>> list;
    std::vector<int32_t> narrow;
    if (keep) {
      list = *keep;
      narrow.assign(keep->begin(), keep->end());
      narrow.reserve(1); // an empty list is a list, too
    }
    agree(fovea_kv_commit(kv, id, keep ? narrow.data() : nullptr,
                          keep ? int(narrow.size()) : -1, nullptr),
          wanted->commit(id, list), "commit");
    expectSameRanges(id);
  }
  /// The runtime keeps two rows in another order than the reference.
  void commitWrongly(uint64_t id) {
    const int32_t order[] = {1, 0};
    EXPECT_EQ(fovea_kv_commit(kv, id, order, 2, nullptr), FOVEA_OK);
    llvm::consumeError(wanted->commit(id, llvm::ArrayRef<int64_t>{0, 1}));
  }
  bool trim(uint64_t id, int64_t length) {
    return agree(fovea_kv_trim(kv, id, length), wanted->trim(id, length),
                 "trim to " + std::to_string(length));
  }
  bool fork(uint64_t parent, int64_t length, uint64_t child) {
    return agree(fovea_kv_fork(kv, parent, length, child),
                 wanted->fork(parent, length, child),
                 "fork at " + std::to_string(length));
  }
  void free(uint64_t id) {
    agree(fovea_kv_free(kv, id), wanted->free(id), "free");
  }
  int64_t length(uint64_t id) const { return wanted->length(id); }

  /// How far two results of the same rows may be from each other: each is held
  /// against the reference.
  double bound() const { return 2 * largestBound; }

private:
  static HostTensor joined(const std::vector<Part> &parts,
                           HostTensor Part::*which) {
    std::vector<int64_t> shape = (parts.front().*which).shape;
    shape[0] = 0;
    for (const Part &part : parts)
      shape[0] += (part.*which).shape[0];
    HostTensor all((parts.front().*which).dtype, shape);
    auto at = all.bytes.begin();
    for (const Part &part : parts)
      at =
          std::copy((part.*which).bytes.begin(), (part.*which).bytes.end(), at);
    return all;
  }

  void runKernel(const reference::Batch &batch,
                 std::vector<HostTensor *> tensors, fovea_plan *with) {
    std::vector<int32_t> offsets(batch.rows.begin(), batch.rows.end());
    fovea_batch step{};
    step.size = sizeof step;
    step.n = int32_t(batch.size());
    step.seq = batch.sequences.data();
    step.rows = offsets.data();
    if (c.rotates())
      tensors.insert(tensors.begin() + 3, &turns);
    std::vector<fovea_tensor> views;
    for (HostTensor *tensor : tensors)
      views.push_back(tensor->view());
    std::vector<fovea_value> args;
    for (size_t i = 0; i < views.size(); ++i) {
      fovea_value value{};
      if (i == 3) {
        value.kind = FOVEA_CACHE;
        value.u.kv = kv;
        args.push_back(value);
      }
      value.kind = FOVEA_TENSOR;
      value.u.tensor = &views[i];
      args.push_back(value);
    }
    HostBytes workspace(fovea_plan_workspace(with) + 64);
    EXPECT_EQ(fovea_plan_update(with, &step, args.data(), int(args.size())),
              FOVEA_OK)
        << fovea_message();
    EXPECT_EQ(fovea_run(with, 0, args.data(), int(args.size()),
                        workspace.data(), nullptr),
              FOVEA_OK)
        << fovea_message();
  }

  void hold(const HostTensor &got, const reference::Tensor &want,
            reference::Element element, reference::Role role, double maxScore,
            const char *what) {
    double bound = reference::errorBound(want.data, element, role, maxScore);
    if (role == reference::Role::Output)
      largestBound = std::max(largestBound, bound);
    std::vector<double> values = got.values();
    reference::Comparison comparison =
        reference::compare(values, want.data, bound);
    EXPECT_TRUE(comparison.ok)
        << what << " element " << comparison.worst << ": got "
        << values[size_t(comparison.worst)] << ", expected "
        << want.data[size_t(comparison.worst)] << ", allowed " << bound;
  }

  bool agree(fovea_status status, llvm::Error error, const std::string &what) {
    std::string refusal = llvm::toString(std::move(error));
    EXPECT_EQ(status == FOVEA_OK, refusal.empty())
        << what << ": " << fovea_status_name(status) << " " << fovea_message()
        << "; the reference: " << refusal;
    EXPECT_TRUE(status == FOVEA_OK || status == FOVEA_INVALID) << what;
    return status == FOVEA_OK;
  }

  void expectSameRanges(uint64_t id) {
    fovea_segment segments[4];
    for (fovea_segment &segment : segments)
      segment.size = sizeof segment;
    int n = 0;
    EXPECT_EQ(fovea_kv_segments(kv, id, segments, 4, &n), FOVEA_OK);
    std::vector<reference::TokenRange> ranges = wanted->ranges(id);
    ASSERT_EQ(size_t(n), ranges.size());
    for (int s = 0; s < n; ++s) {
      EXPECT_EQ(segments[s].begin, ranges[size_t(s)].begin) << s;
      EXPECT_EQ(segments[s].end, ranges[size_t(s)].end) << s;
    }
  }

  const CacheType &c;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  mutable func::FuncOp kernel;
  reference::Element element = reference::Element::F32;
  std::optional<Compiled> compiled;
  std::optional<reference::Cache> wanted;
  HostTensor turns;
  double largestBound = 0;
  fovea_kv *kv = nullptr;
  fovea_plan *plan = nullptr;
};

/// Rows [from, to) of a part.
Part slice(const Part &part, uint64_t sequence, int64_t from, int64_t to) {
  Part out{sequence, {}, {}, {}};
  for (HostTensor Part::*which : {&Part::q, &Part::k, &Part::v}) {
    const HostTensor &all = part.*which;
    std::vector<int64_t> shape = all.shape;
    size_t row = all.bytes.size() / size_t(shape[0]);
    shape[0] = to - from;
    HostTensor piece(all.dtype, shape);
    std::copy_n(all.bytes.begin() + long(size_t(from) * row),
                size_t(to - from) * row, piece.bytes.begin());
    out.*which = std::move(piece);
  }
  return out;
}

void expectNear(const std::vector<double> &got, const std::vector<double> &want,
                double bound, const std::string &what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_LE(std::fabs(got[i] - want[i]), bound) << what << ", element " << i;
}

class CacheTable : public testing::TestWithParam<CacheType> {};

/// A prompt whole, in chunks and token by token, uncommitted: the same outputs;
/// and after the commit the same caches.
void checkChunks(Pair &both) {
  constexpr int64_t n = 45;
  Part prompt = both.rows(1, n, 100);
  both.create(1);
  std::vector<double> whole = both.step({prompt});
  ASSERT_FALSE(whole.empty());
  size_t row = whole.size() / size_t(n);
  for (auto [id, size] : {std::pair<uint64_t, int64_t>{2, 7}, {3, 1}}) {
    both.create(id);
    std::vector<double> pieces;
    for (int64_t from = 0; from < n; from += size) {
      std::vector<double> piece =
          both.step({slice(prompt, id, from, std::min(from + size, n))});
      pieces.insert(pieces.end(), piece.begin(), piece.end());
    }
    expectNear(pieces, whole, both.bound(),
               "in chunks of " + std::to_string(size));
  }
  for (uint64_t id : {1, 2, 3})
    both.commit(id);
  Part next = both.rows(1, 1, 101);
  std::vector<double> three = both.step(
      {slice(next, 3, 0, 1), slice(next, 1, 0, 1), slice(next, 2, 0, 1)});
  std::vector<double> first(three.begin(), three.begin() + long(row));
  for (size_t i : {size_t(1), size_t(2)})
    expectNear(
        {three.begin() + long(i * row), three.begin() + long((i + 1) * row)},
        first, both.bound(), "the token behind the prompt");
}

TEST_P(CacheTable, AgreesWithTheReference) {
  for (const std::string &target : runnableTargets()) {
    SCOPED_TRACE(target);
    Pair both(GetParam(), target);
    ASSERT_TRUE(both.good());
    checkChunks(both);
    if (HasFailure())
      return;

    // A mix of one row, a chunk and a prompt; then what each keeps of it.
    both.create(4);
    both.step({both.rows(2, 9, 102), both.rows(1, 1, 103),
               both.rows(4, 20, 104), both.rows(3, 2, 105)});
    both.commit(2, std::vector<int64_t>{8, 1, 3}); // one row is there already
    both.commit(1);
    both.commit(4, std::vector<int64_t>{});
    both.commit(3, std::vector<int64_t>{0, 2});
    if (HasFailure())
      return;
    for (uint64_t seed = 110; seed < 140; ++seed) {
      both.step({both.rows(1, 1, seed),
                 both.rows(4, 1 + int64_t(seed % 3), seed),
                 both.rows(2, 1, seed)});
      for (uint64_t id : {1, 2, 4})
        if (seed % 4 != id % 4) // some rows stay new for a while
          both.commit(id);
      if (HasFailure())
        return;
    }
    for (uint64_t id : {1, 2, 3, 4})
      both.commit(id);

    // Back to new rows, and into what may have been encoded or dropped.
    both.step({both.rows(1, 6, 150)});
    both.trim(1, both.length(1) - 4);
    both.step({both.rows(1, 3, 151)});
    both.commit(1);
    for (int64_t back : {1, 5, 30})
      both.trim(2, both.length(2) - back);
    both.step({both.rows(2, 2, 152), both.rows(1, 1, 153)});
    both.commit(2);
    if (HasFailure())
      return;

    // A prefix that sequences share, read once or for each: the same.
    int64_t length = both.length(3);
    std::vector<uint64_t> ids{3};
    for (uint64_t child : {21, 22, 23})
      if (both.fork(3, length, child))
        ids.push_back(child);
    both.fork(3, length - 3, 24);
    fovea_plan *apart = both.makePlan(false, false);
    fovea_plan *exact = both.makePlan(true, true);
    std::vector<Part> parts;
    for (uint64_t id : ids)
      parts.push_back(both.rows(id, 1, 160 + id));
    auto again = [&](const std::vector<Part> &of, fovea_plan *plan) {
      std::vector<double> o = both.step(of, plan);
      for (const Part &part : of)
        both.trim(part.sequence, both.length(part.sequence) - part.q.shape[0]);
      return o;
    };
    std::vector<double> shared = again(parts, nullptr);
    expectNear(again(parts, apart), shared, both.bound(), "not shared");
    // Deterministic: alone or beside others, bit by bit.
    std::vector<double> together = again(parts, exact), alone;
    for (const Part &part : parts) {
      std::vector<double> o = again({part}, exact);
      alone.insert(alone.end(), o.begin(), o.end());
    }
    EXPECT_EQ(together, alone);
    fovea_plan_destroy(apart);
    fovea_plan_destroy(exact);

    // What one writes no other sees.
    both.step(parts);
    for (uint64_t id : ids)
      both.commit(id);
    both.free(3);
    ids.erase(ids.begin());
    for (uint64_t id : ids)
      both.step({both.rows(id, 2, 170 + id)});
  }
}

// What the steps are held against would notice one row in a wrong place.
TEST(CacheTableItself, NoticesRowsInAnotherOrder) {
  CacheType type{"int8", std::string("layout = paged<16>, segments = [all : ") +
                             kInt8 + "]"};
  Pair both(type, runnableTargets().front());
  ASSERT_TRUE(both.good());
  for (uint64_t id : {1, 2}) {
    both.create(id);
    both.step({both.rows(id, 2, 100)});
  }
  both.commit(1);
  both.commitWrongly(2);
  both.step({both.rows(1, 1, 101)});
  // The next token sees both rows: only where masks tell them apart, or where
  // rows are dropped again, does the order show.
  EXPECT_TRUE(both.trim(2, 1));
  testing::TestPartResultArray failures;
  {
    testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::
            INTERCEPT_ONLY_CURRENT_THREAD,
        &failures);
    both.step({both.rows(2, 1, 101)});
  }
  EXPECT_EQ(failures.size(), 2); // o and lse
}

INSTANTIATE_TEST_SUITE_P(E2E, CacheTable, testing::ValuesIn(cacheTypes()),
                         [](const auto &info) { return info.param.name; });

} // namespace
