// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads caches through a kernel of their own type: every token looks at itself
// alone, so that o is its value and lse its key's product with a vector.
#include "tools/fovea/CacheCheck.h"

#include "dialects/attn/Attn.h"
#include "dialects/kv/KV.h"
#include "dialects/reference/Rounding.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

namespace fovea::cli {

/// The argument whose cache a kernel returns.
static unsigned argumentOf(mlir::Value cache) {
  while (auto append = cache.getDefiningOp<kv::AppendOp>())
    cache = append.getCache();
  return llvm::cast<mlir::BlockArgument>(cache).getArgNumber();
}

/// A kernel that reads caches of `type`. Keys that the kernel rotates are read
/// as they are: turned by no angle.
static std::string probeFor(kv::CacheType type) {
  std::string text;
  llvm::raw_string_ostream os(text);
  bool rotates = type.getRope() != kv::CacheRope::after;
  std::string table =
      llvm::formatv("tensor<?x{0}x2xf32>", type.getKeyDim() / 2).str();
  os << "!c = " << type << "\n"
     << llvm::formatv("!q = tensor<?x{0}x{1}xf32>\n!o = tensor<?x{0}x{2}xf32>\n"
                      "!l = tensor<?x{0}xf32>\n",
                      type.getHeads(), type.getKeyDim(), type.getValueDim())
     << "func.func @probe(%q: !q, %c: !c"
     << (rotates ? ", %t: " + table : std::string())
     << ") -> (!o, !l) attributes {attn.kernel} {\n"
     << "  %o, %l = attn.attention %q, %c mask(window(1)) scale(1.0)"
     << (rotates ? " rope(%t : " + table + ", halves)" : std::string())
     << " : (!q, !c) -> (!o, !l)\n  return %o, %l : !o, !l\n}\n";
  return text;
}

namespace {
/// What a probe reads of one sequence.
struct Contents {
  HostTensor values;   ///< [tokens, heads, dim]
  HostTensor products; ///< [tokens, heads]: sums of +-k
};

class Probe {
public:
  Probe(Session &session, kv::CacheType type) : session(session), type(type) {
    kernel = session.compileText("probe.mlir", probeFor(type));
  }
  ~Probe() { fovea_kernel_release(kernel); }
  Probe(const Probe &) = delete;

  Contents read(fovea_kv *kv, uint64_t sequence, int64_t tokens) {
    if (!session.onGpu())
      return readHere(kv, sequence, tokens);
    // The probe runs on the CPU, from a file of the sequence.
    fovea_kv_limits limits{};
    limits.size = sizeof(limits);
    limits.layers = 1;
    limits.seqs = 1;
    limits.max_len = tokens;
    limits.rows = tokens;
    fovea_kv *copy = nullptr;
    check(fovea_kv_create(kernel, 1, &limits, &copy));
    std::unique_ptr<fovea_kv, void (*)(fovea_kv *)> owner(copy,
                                                          fovea_kv_destroy);
    llvm::SmallString<128> path;
    if (std::error_code error =
            llvm::sys::fs::createTemporaryFile("fovea-cache", "kv", path))
      throw Failure(ExitMachine, "expected a temporary file for a sequence, "
                                 "got: " +
                                     error.message());
    llvm::FileRemover remover(path);
    check(fovea_kv_save(kv, sequence, path.c_str()));
    check(fovea_kv_load(copy, path.c_str(), sequence));
    return readHere(copy, sequence, tokens);
  }

  /// The vector that keys are multiplied with: of either sign, without pattern.
  static double sign(int64_t channel) {
    return (uint64_t(channel) * 0x9e3779b97f4a7c15u) >> 63 ? 1 : -1;
  }

private:
  static void check(fovea_status status) {
    if (status != FOVEA_OK)
      throw runtimeFailure(status, "reading a cache");
  }

  Contents readHere(fovea_kv *kv, uint64_t sequence, int64_t tokens) {
    HostTensor q(FOVEA_DTYPE_F32, {tokens, type.getHeads(), type.getKeyDim()});
    for (int64_t i = 0; i < q.size(); ++i)
      q.set(i, sign(i % type.getKeyDim()));
    bool rotates = type.getRope() != kv::CacheRope::after;
    HostTensor turns(FOVEA_DTYPE_F32, {tokens, type.getKeyDim() / 2, 2});
    for (int64_t i = 0; i < turns.size(); i += 2)
      turns.set(i, 1);
    Contents contents{HostTensor(FOVEA_DTYPE_F32,
                                 {tokens, type.getHeads(), type.getValueDim()}),
                      HostTensor(FOVEA_DTYPE_F32, {tokens, type.getHeads()})};
    fovea_tensor views[] = {q.view(), turns.view(), contents.values.view(),
                            contents.products.view()};
    std::vector<fovea_value> args;
    auto add = [&](int view) {
      fovea_value value{};
      value.kind = FOVEA_TENSOR;
      value.u.tensor = &views[view];
      args.push_back(value);
    };
    add(0);
    args.emplace_back();
    args.back().kind = FOVEA_CACHE;
    args.back().u.kv = kv;
    if (rotates)
      add(1);
    add(2);
    add(3);
    run(args, sequence, tokens);
    return contents;
  }

  void run(const std::vector<fovea_value> &args, uint64_t sequence,
           int64_t tokens) {
    fovea_plan_limits limits{};
    limits.size = sizeof(limits);
    limits.rows = limits.max_len = tokens;
    limits.seqs = 1;
    limits.workers = session.threads();
    // One dim more where keys rotate: the positions of the table.
    fovea_dim_limit positions{"positions", tokens};
    limits.n_dims = type.getRope() != kv::CacheRope::after;
    limits.dims = &positions;
    fovea_plan *plan = nullptr;
    check(fovea_plan_create(kernel, &limits, &plan));
    std::unique_ptr<fovea_plan, void (*)(fovea_plan *)> owner(
        plan, fovea_plan_destroy);
    const int32_t rows[] = {0, int32_t(tokens)};
    fovea_batch batch{};
    batch.size = sizeof(batch);
    batch.n = 1;
    batch.seq = &sequence;
    batch.rows = rows;
    HostBytes workspace(fovea_plan_workspace(plan) + 64);
    check(fovea_plan_update(plan, &batch, args.data(), int(args.size())));
    check(fovea_run(plan, 0, args.data(), int(args.size()), workspace.data(),
                    nullptr));
  }

  Session &session;
  kv::CacheType type;
  fovea_kernel *kernel = nullptr;
};
} // namespace

/// As many digits as a float has.
static std::string digits(double x) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.9g", x);
  return text;
}

static std::string compareSegments(const HostCache &cache, int64_t i,
                                   const reference::Cache &wanted) {
  std::vector<fovea_segment> got = cache.segments(i);
  std::vector<reference::TokenRange> want = wanted.ranges(uint64_t(i) + 1);
  for (size_t s = 0; s < want.size() || s < got.size(); ++s) {
    if (s < want.size() && s < got.size() && got[s].begin == want[s].begin &&
        got[s].end == want[s].end)
      continue;
    auto text = [&](bool there, int64_t begin, int64_t end) {
      return there ? llvm::formatv("[{0}, {1})", begin, end).str() : "none";
    };
    return llvm::formatv(
        "sequence {0}, segment {1}: got the tokens {2}, expected {3}", i, s,
        text(s < got.size(), s < got.size() ? got[s].begin : 0,
             s < got.size() ? got[s].end : 0),
        text(s < want.size(), s < want.size() ? want[s].begin : 0,
             s < want.size() ? want[s].end : 0));
  }
  return "";
}

static std::string compareTokens(const Contents &got, kv::CacheType type,
                                 int64_t i, const reference::Cache &wanted) {
  uint64_t id = uint64_t(i) + 1;
  const std::vector<double> &keys = wanted.keys(id);
  const std::vector<double> &values = wanted.values(id);
  int64_t tokens = wanted.length(id), dk = type.getKeyDim(),
          dv = type.getValueDim();
  for (int64_t row = 0; row < tokens * type.getHeads(); ++row) {
    // A token that is gone sees nothing: zeros, and no product.
    bool gone = std::isnan(values[size_t(row * dv)]);
    double product = 0, size = 0;
    for (int64_t d = 0; d < dk && !gone; ++d) {
      double k = keys[size_t(row * dk + d)];
      product += Probe::sign(d) * k;
      size += std::fabs(k);
    }
    double other = got.products.get(row);
    bool good =
        gone ? other == -INFINITY : std::fabs(other - product) <= 1e-5 * size;
    for (int64_t d = 0; d < dv && good; ++d) {
      double want = gone ? 0 : values[size_t(row * dv + d)];
      // One rounding more than what is stored: codes times scale, times one.
      good = std::fabs(got.values.get(row * dv + d) - want) <=
             2e-7 * std::fabs(want);
      if (!good)
        return llvm::formatv("sequence {0}, token {1}, head {2}: got value "
                             "{3} in channel {4}, expected {5}",
                             i, row / type.getHeads(), row % type.getHeads(),
                             digits(got.values.get(row * dv + d)), d,
                             digits(want));
    }
    if (!good)
      return llvm::formatv("sequence {0}, token {1}, head {2}: got {3} as the "
                           "sum of +-key, expected {4}",
                           i, row / type.getHeads(), row % type.getHeads(),
                           digits(other), digits(gone ? -INFINITY : product));
  }
  return "";
}

std::string checkCaches(Session &session, const SpecModule &spec,
                        const Arguments &arguments,
                        std::vector<reference::Cache> &after) {
  mlir::func::FuncOp kernel = spec.kernel();
  std::vector<SpecArgument> specArguments = argumentsOf(kernel);
  size_t next = 0;
  for (mlir::Value result :
       kernel.getBody().front().getTerminator()->getOperands()) {
    if (!llvm::isa<kv::CacheType>(result.getType()))
      continue;
    reference::Cache &wanted = after[next++];
    const std::string &name = specArguments[argumentOf(result)].name;
    for (const auto &cache : arguments.caches()) {
      if (cache->info().name != name)
        continue;
      auto type = llvm::cast<kv::CacheType>(result.getType());
      Probe probe(session, type);
      for (int64_t i = 0; i < arguments.sequences().count(); ++i) {
        uint64_t id = uint64_t(i) + 1;
        auto path = arguments.acceptedPath(i);
        std::vector<int64_t> keep;
        if (path)
          keep.assign(path->begin(), path->end());
        cache->commit(i, path);
        if (llvm::Error error =
                path ? wanted.commit(id, llvm::ArrayRef<int64_t>(keep))
                     : wanted.commit(id))
          throw Failure(ExitRejected,
                        "reference: " + llvm::toString(std::move(error)));
        std::string fault = compareSegments(*cache, i, wanted);
        if (fault.empty() && wanted.length(id) > 0)
          fault =
              compareTokens(probe.read(cache->handle(), id, wanted.length(id)),
                            type, i, wanted);
        if (!fault.empty())
          return "cache '" + name + "' after the step, " + fault;
      }
    }
  }
  return "";
}

} // namespace fovea::cli
