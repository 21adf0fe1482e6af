// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Steps on both sides, and their comparison.
#include "test/e2e/CachePair.h"
#include "dialects/RegisterDialects.h"
#include "passes/pipelines/SpecLoader.h"
#include "tools/fovea/Random.h"
#include "tools/fovea/Verify.h"

#include <cmath>

using namespace mlir;
using namespace fovea;
using namespace fovea::e2e;

static constexpr int64_t kHeads = 4, kKeyHeads = 2, kMaxLen = 512,
                         kMaxRows = 128;

void e2e::PrintTo(const CacheType &c, std::ostream *os) { *os << c.name; }

std::vector<CacheType> e2e::forGpu(std::vector<CacheType> types) {
  for (CacheType &c : types) {
    std::string halves = asHalf(c.type + "|" + c.rows);
    c.type = halves.substr(0, halves.find('|'));
    c.rows = halves.substr(halves.find('|') + 1);
    // What is encoded comes as f32 unless the type says otherwise.
    if (c.type.find("new = ") == c.type.npos)
      c.type += ", new = " + c.rows;
  }
  return types;
}

static std::string specOf(const CacheType &c) {
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

CachePair::CachePair(const CacheType &c, const std::string &target)
    : c(c), rounds(roundingOf(target) == Rounding::WeightsAndRotated) {
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

CachePair::~CachePair() {
  fovea_plan_destroy(plan);
  fovea_kv_destroy(kv);
}

fovea_plan *CachePair::makePlan(bool deterministic, bool sharing) {
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

CachePart CachePair::rows(uint64_t sequence, int64_t n, uint64_t seed) const {
  fovea_dtype type = dtypeOf(
      cast<RankedTensorType>(kernel.getArgumentTypes()[0]).getElementType());
  CachePart part{sequence, HostTensor(type, {n, kHeads, c.dim}),
                 HostTensor(type, {n, kKeyHeads, c.dim}),
                 HostTensor(type, {n, kKeyHeads, c.dim})};
  Random random(seed);
  for (HostTensor *t : {&part.q, &part.k, &part.v})
    for (int64_t i = 0; i < t->size(); ++i)
      t->set(i, random.normal());
  return part;
}

std::vector<int64_t>
CachePair::parentsOf(const std::vector<CachePart> &parts) const {
  std::vector<int64_t> parents;
  bool any = false;
  for (const CachePart &part : parts) {
    int64_t own =
        wanted->length(part.sequence) - wanted->committed(part.sequence);
    any |= !part.parents.empty();
    for (int64_t r = 0; r < part.q.shape[0]; ++r)
      parents.push_back(part.parents.empty() ? own + r - 1
                                             : part.parents[size_t(r)]);
  }
  return any ? parents : std::vector<int64_t>();
}

std::vector<double> CachePair::step(const std::vector<CachePart> &parts,
                                    fovea_plan *with,
                                    const std::vector<CachePart> *told) {
  HostTensor q = joined(parts, &CachePart::q), k = joined(parts, &CachePart::k),
             v = joined(parts, &CachePart::v);
  HostTensor o(q.dtype, q.shape), l(FOVEA_DTYPE_F32, {q.shape[0], kHeads});
  std::fill(o.bytes.begin(), o.bytes.end(), 0xff);
  std::fill(l.bytes.begin(), l.bytes.end(), 0xff);
  reference::Batch batch;
  batch.rows.push_back(0);
  for (const CachePart &part : parts) {
    batch.sequences.push_back(part.sequence);
    batch.rows.push_back(batch.rows.back() + part.q.shape[0]);
  }
  batch.parents = parentsOf(parts);
  runKernel(batch, parentsOf(told ? *told : parts), {&q, &k, &v, &o, &l},
            with ? with : plan);
  std::vector<reference::Value> values{toTensor(q), toTensor(k), toTensor(v),
                                       *wanted};
  if (c.rotates())
    values.push_back(toTensor(turns));
  reference::Report report;
  if (rounds)
    report.rotated = element;
  auto results = reference::evaluate(kernel, values, &report, &batch);
  if (!results) {
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }
  wanted = std::get<reference::Cache>((*results)[2]);
  hold(o, std::get<reference::Tensor>((*results)[0]), element,
       reference::Role::Output, report, "o");
  hold(l, std::get<reference::Tensor>((*results)[1]), reference::Element::F32,
       reference::roleOf(
           kernel.getBody().front().getTerminator()->getOperand(1)),
       report, "lse");
  return o.values();
}

void CachePair::create(uint64_t id) {
  agree(fovea_kv_new(kv, id), wanted->create(id), "new");
}

void CachePair::commit(uint64_t id, std::optional<std::vector<int64_t>> keep) {
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

void CachePair::commitWrongly(uint64_t id) {
  const int32_t order[] = {1, 0};
  EXPECT_EQ(fovea_kv_commit(kv, id, order, 2, nullptr), FOVEA_OK);
  llvm::consumeError(wanted->commit(id, llvm::ArrayRef<int64_t>{0, 1}));
}

bool CachePair::trim(uint64_t id, int64_t length) {
  return agree(fovea_kv_trim(kv, id, length), wanted->trim(id, length),
               "trim to " + std::to_string(length));
}

bool CachePair::fork(uint64_t parent, int64_t length, uint64_t child) {
  return agree(fovea_kv_fork(kv, parent, length, child),
               wanted->fork(parent, length, child),
               "fork at " + std::to_string(length));
}

void CachePair::free(uint64_t id) {
  agree(fovea_kv_free(kv, id), wanted->free(id), "free");
}

HostTensor CachePair::joined(const std::vector<CachePart> &parts,
                             HostTensor CachePart::*which) {
  std::vector<int64_t> shape = (parts.front().*which).shape;
  shape[0] = 0;
  for (const CachePart &part : parts)
    shape[0] += (part.*which).shape[0];
  HostTensor all((parts.front().*which).dtype, shape);
  auto at = all.bytes.begin();
  for (const CachePart &part : parts)
    at = std::copy((part.*which).bytes.begin(), (part.*which).bytes.end(), at);
  return all;
}

void CachePair::runKernel(const reference::Batch &batch,
                          const std::vector<int64_t> &parents,
                          std::vector<HostTensor *> tensors, fovea_plan *with) {
  std::vector<int32_t> offsets(batch.rows.begin(), batch.rows.end());
  fovea_batch step{};
  step.size = sizeof step;
  step.n = int32_t(batch.size());
  step.seq = batch.sequences.data();
  step.rows = offsets.data();
  std::vector<int32_t> narrow(parents.begin(), parents.end());
  step.parent = narrow.empty() ? nullptr : narrow.data();
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
  EXPECT_EQ(fovea_run(with, 0, args.data(), int(args.size()), workspace.data(),
                      nullptr),
            FOVEA_OK)
      << fovea_message();
  expectCounted(with);
}

void CachePair::expectCounted(fovea_plan *plan) {
  fovea_stats planned{};
  planned.size = sizeof planned;
  fovea_counters done{};
  done.size = sizeof done;
  EXPECT_EQ(fovea_plan_stats(plan, -1, &planned), FOVEA_OK);
  EXPECT_EQ(fovea_plan_counters(plan, &done, /*reset=*/1), FOVEA_OK);
  EXPECT_EQ(done.items, planned.items);
  EXPECT_EQ(done.pairs, planned.pairs);
  EXPECT_EQ(done.tiles_full, planned.tiles_full);
  EXPECT_EQ(done.tiles_partial, planned.tiles_partial);
}

void CachePair::hold(const HostTensor &got, const reference::Tensor &want,
                     reference::Element element, reference::Role role,
                     const reference::Report &report, const char *what) {
  double bound =
      reference::errorBound(want.data, element, role, report.maxScore);
  if (rounds && role == reference::Role::Output)
    bound += reference::weightBound(element, report.maxValue);
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

bool CachePair::agree(fovea_status status, llvm::Error error,
                      const std::string &what) {
  std::string refusal = llvm::toString(std::move(error));
  EXPECT_EQ(status == FOVEA_OK, refusal.empty())
      << what << ": " << fovea_status_name(status) << " " << fovea_message()
      << "; the reference: " << refusal;
  EXPECT_TRUE(status == FOVEA_OK || status == FOVEA_INVALID) << what;
  return status == FOVEA_OK;
}

void CachePair::expectSameRanges(uint64_t id) {
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
