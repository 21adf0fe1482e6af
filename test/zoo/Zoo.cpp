// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// See the header. The live pairs come from the reference's report of what a row
// sees; the kernel's own counters say which blocks it ran.
#include "test/zoo/Zoo.h"

#include "dialects/RegisterDialects.h"
#include "dialects/reference/Interpreter.h"
#include "passes/pipelines/SpecLoader.h"
#include "test/e2e/Compiled.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>
#include <set>

using namespace fovea;
using namespace fovea::zoo;
using namespace fovea::masktest;
using namespace mlir;

struct ZooMask::State {
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  func::FuncOp kernel;
  std::optional<e2e::Compiled> compiled;
};

ZooMask::~ZooMask() = default;

static llvm::Error runtimeError(const llvm::Twine &what) {
  return llvm::createStringError(what + ": " + fovea_message());
}

llvm::Expected<std::unique_ptr<ZooMask>>
ZooMask::load(const std::string &text, const std::string &name) {
  std::unique_ptr<ZooMask> mask(new ZooMask);
  mask->state = std::make_unique<State>();
  State &state = *mask->state;
  DialectRegistry registry;
  registerDialects(registry);
  state.context.appendDialectRegistry(registry);
  state.module = loadSpec(state.context, text, name, {});
  if (!state.module)
    return llvm::createStringError("the spec was rejected");
  state.kernel = *state.module->getOps<func::FuncOp>().begin();
  auto compiled = e2e::Compiled::compile(text, name, "host", /*workers=*/1);
  if (!compiled)
    return compiled.takeError();
  state.compiled.emplace(std::move(*compiled));
  return std::move(mask);
}

bool ZooMask::hasCache() const {
  for (const SpecArgument &argument : argumentsOf(state->kernel))
    if (argument.use == Use::Cache)
      return true;
  return false;
}

namespace {

/// A plan over the arguments of one call, updated and run.
class Call {
public:
  ~Call() {
    fovea_plan_destroy(plan);
    std::free(workspace);
  }
  llvm::Error start(fovea_kernel *kernel, std::vector<HostValue> &arguments,
                    std::vector<HostTensor> &results, const Dims &dims);
  /// The one phase with a mask, -1 if there is none.
  llvm::Expected<int> maskPhase();

  fovea_plan *plan = nullptr;

private:
  void *workspace = nullptr;
  std::vector<fovea_tensor> views;
};

/// What row (b, h, i) of the call sees, as flags by key.
using LivePairs = std::vector<std::vector<std::vector<char>>>; // [b][h] of sq x
                                                               // sk

} // namespace

llvm::Error Call::start(fovea_kernel *kernel, std::vector<HostValue> &arguments,
                        std::vector<HostTensor> &results, const Dims &dims) {
  size_t n = arguments.size() + results.size();
  views.reserve(n);
  std::vector<fovea_value> values(n);
  auto tensor = [&](size_t i, HostTensor &from) {
    views.push_back(from.view());
    values[i].kind = FOVEA_TENSOR;
    values[i].u.tensor = &views.back();
  };
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!arguments[i].isScalar) {
      tensor(i, arguments[i].tensor);
      continue;
    }
    fovea_arg_info info = {};
    info.size = sizeof info;
    if (fovea_kernel_arg(kernel, int(i), &info))
      return runtimeError("describing an argument");
    values[i].kind = FOVEA_SCALAR;
    if (info.dtype == FOVEA_DTYPE_F32 || info.dtype == FOVEA_DTYPE_F64)
      values[i].u.f = arguments[i].f;
    else
      values[i].u.i = arguments[i].i;
  }
  for (size_t i = 0; i < results.size(); ++i)
    tensor(arguments.size() + i, results[i]);

  fovea_plan_limits limits = {};
  limits.size = sizeof limits;
  limits.seqs = int32_t(dims.at("b"));
  limits.rows = dims.at("b") * dims.at("sq");
  limits.max_len = 1;
  std::vector<fovea_dim_limit> named;
  for (const auto &[name, extent] : dims) {
    limits.max_len = std::max(limits.max_len, extent);
    if (name != "b" && name != "sq" && name != "sk")
      named.push_back({name.c_str(), extent});
  }
  // Only those that are dims of the kernel.
  llvm::erase_if(named, [&](const fovea_dim_limit &limit) {
    for (int i = 0, end = fovea_kernel_args(kernel); i < end; ++i) {
      fovea_arg_info info = {};
      info.size = sizeof info;
      if (fovea_kernel_arg(kernel, i, &info))
        continue;
      for (int d = 0; d < info.rank; ++d)
        if (info.dims[d] && !std::strcmp(info.dims[d], limit.name))
          return false;
    }
    return true;
  });
  limits.dims = named.data();
  limits.n_dims = int32_t(named.size());
  if (fovea_plan_create(kernel, &limits, &plan))
    return runtimeError("creating the plan");
  size_t bytes = (fovea_plan_workspace(plan) + 63) / 64 * 64;
  workspace = std::aligned_alloc(64, std::max<size_t>(bytes, 64));
  if (fovea_plan_update(plan, nullptr, values.data(), int(n)))
    return runtimeError("updating the plan");
  if (fovea_run(plan, 0, values.data(), int(n), workspace, nullptr))
    return runtimeError("running");
  return llvm::Error::success();
}

llvm::Expected<int> Call::maskPhase() {
  int found = -1;
  for (int p = 0; p < fovea_plan_phases(plan); ++p) {
    fovea_phase_info phase = {};
    phase.size = sizeof phase;
    if (fovea_plan_phase(plan, p, &phase))
      return runtimeError("describing a phase");
    if (phase.space != FOVEA_SPACE_STREAM)
      continue;
    if (found >= 0)
      return llvm::createStringError("expected one attention in a kernel of a "
                                     "mask, got more");
    found = p;
  }
  return found;
}

/// The live pairs by the reference; nullopt where it refuses the call.
static llvm::Expected<std::optional<LivePairs>>
livePairs(func::FuncOp kernel, const std::vector<reference::Value> &arguments,
          const fovea_mask_info &mask, const std::set<int64_t> &heads) {
  LivePairs live(size_t(mask.batch));
  for (int64_t b = 0; b < mask.batch; ++b) {
    live[size_t(b)].resize(size_t(mask.query_heads));
    for (int64_t h : heads) {
      std::vector<char> &flags = live[size_t(b)][size_t(h)];
      flags.assign(size_t(mask.sq * mask.k_len[b]), 0);
      for (int64_t i = 0; i < mask.sq; ++i) {
        reference::Report report;
        report.row = {b, h, i};
        report.stride = std::numeric_limits<int64_t>::max();
        auto results = reference::evaluate(kernel, arguments, &report);
        if (!results) {
          std::string text = llvm::toString(results.takeError());
          // A table that is too short: a pair that reads past it is hidden,
          // which the reference does not judge.
          if (llvm::StringRef(text).contains("read what is there"))
            return std::nullopt;
          return llvm::createStringError(text);
        }
        if (report.sights.size() != 1)
          return llvm::createStringError("expected one attention, got %zu",
                                         report.sights.size());
        for (auto [first, count] : report.sights[0].keys)
          for (int64_t k = first; k < first + count; ++k)
            flags[size_t(i * mask.k_len[b] + k)] = 1;
      }
    }
  }
  return std::optional<LivePairs>(std::move(live));
}

/// Blocks of the items of a phase that hold a live pair: the least that any
/// kernel with this partition can run.
static llvm::Expected<int64_t> neededBlocks(fovea_plan *plan, int phase,
                                            const fovea_mask_info &mask,
                                            const LivePairs &live) {
  int64_t needed = 0;
  fovea_phase_info all = {};
  all.size = sizeof all;
  if (fovea_plan_phase(plan, phase, &all))
    return runtimeError("describing a phase");
  for (int part = 0; part < all.n_parts; ++part) {
    fovea_phase_info info = {};
    info.size = sizeof info;
    if (fovea_plan_part(plan, phase, part, &info))
      return runtimeError("describing a part");
    for (int64_t i = 0; i < info.n_items; ++i) {
      const fovea_abi_item &item = info.items[i];
      int64_t len = mask.k_len[item.b], off = mask.q_off[item.b];
      int64_t group = mask.group, head = item.head * group;
      int64_t rows = std::min<int64_t>(info.rows, mask.sq * group - item.row);
      fovea_abi_run runs[FOVEA_ABI_MAX_RUNS] = {{0, len}};
      int n = len > 0;
      if (mask.bounds && len > 0)
        n = mask.bounds(mask.args, item.b, head, off + item.row / group,
                        off + (item.row + rows - 1) / group + 1, len, runs);
      for (int64_t r = 0; r < rows; r += info.class_rows) {
        int64_t first = item.row + r;
        int64_t last = item.row + std::min(r + info.class_rows, rows) - 1;
        for (int run = 0; run < n; ++run)
          for (int64_t k = std::max(runs[run].lo, item.k0),
                       end = std::min(runs[run].hi, item.k1);
               k < end; k += info.keys) {
            bool any = false;
            for (int64_t q = first / group; q <= last / group; ++q)
              for (int64_t h = head; h < head + group && !any; ++h) {
                const std::vector<char> &flags =
                    live[size_t(item.b)][size_t(h)];
                auto row = flags.begin() + q * len;
                any = std::find(row + k, row + std::min(k + info.keys, end),
                                1) != row + std::min(k + info.keys, end);
              }
            needed += any;
          }
      }
    }
  }
  return needed;
}

llvm::Error ZooMask::check(const Dims &shape, const MaskInputs &inputs,
                           uint64_t seed, llvm::ArrayRef<TileShape> tiles,
                           Findings &findings, const Fault &fault) {
  func::FuncOp kernel = state->kernel;
  Dims call = shape;
  for (const SpecArgument &argument : argumentsOf(kernel))
    if (argument.use == Use::Query)
      call["h"] = cast<RankedTensorType>(argument.type).getDimSize(1);
  llvm::Expected<Dims> dims = inputs.dims(kernel, call);
  if (!dims)
    return dims.takeError();
  auto arguments = randomArguments(kernel, *dims, seed);
  auto results = resultsFor(kernel, *dims);
  if (!arguments || !results)
    return llvm::joinErrors(arguments.takeError(), results.takeError());
  if (llvm::Error error =
          inputs.fill(kernel.getSymName(), *arguments, *dims, seed))
    return error;
  Call run;
  if (llvm::Error error =
          run.start(state->compiled->kernel(), *arguments, *results, *dims))
    return error;
  llvm::Expected<int> phase = run.maskPhase();
  if (!phase)
    return phase.takeError();
  fovea_mask_info mask = {};
  mask.size = sizeof mask;
  if (fovea_plan_mask(run.plan, *phase, &mask))
    return runtimeError("describing the mask");
  if (!mask.keep)
    return llvm::createStringError("expected a mask, got none");

  auto values = toReference(kernel, *arguments);
  if (!values)
    return values.takeError();
  std::set<int64_t> heads;
  for (int64_t h = 0; h < mask.query_heads; ++h)
    heads.insert(h);
  ++findings.shapes;
  auto live = livePairs(kernel, *values, mask, heads);
  if (!live)
    return live.takeError();
  if (!*live) {
    ++findings.refused;
    return llvm::Error::success();
  }
  MaskFunctions functions{mask.bounds, mask.classify, mask.keep, mask.args};
  if (fault)
    fault(functions);
  for (int64_t b = 0; b < mask.batch; ++b)
    for (int64_t h : heads) {
      Picture picture{functions,
                      findings.plan,
                      {mask.sq, mask.k_len[b], mask.q_off[b]},
                      b,
                      h,
                      (**live)[size_t(b)][size_t(h)]};
      picture.checkKeep();
      for (TileShape tile : tiles)
        picture.check(tile);
    }
  llvm::Expected<int64_t> needed = neededBlocks(run.plan, *phase, mask, **live);
  if (!needed)
    return needed.takeError();
  fovea_counters done = {};
  done.size = sizeof done;
  if (fovea_plan_counters(run.plan, &done, 0))
    return runtimeError("counting");
  findings.needed += *needed;
  findings.executed += done.tiles_full + done.tiles_partial;
  return llvm::Error::success();
}
