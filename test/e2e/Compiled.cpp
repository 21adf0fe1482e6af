// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiling in the process, then only public calls.
#include "test/e2e/Compiled.h"

#include "codegen/jit/Compiler.h"
#include "codegen/target/Targets.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace fovea;
using namespace fovea::e2e;

struct Compiled::State {
  fovea_ctx *ctx = nullptr;
  fovea_bundle *bundle = nullptr;
  fovea_kernel *kernel = nullptr;

  ~State() {
    fovea_kernel_release(kernel);
    fovea_bundle_close(bundle);
    fovea_close(ctx);
  }
};

static llvm::Error failure(const char *what) {
  return llvm::createStringError(llvm::Twine(what) + ": " + fovea_message());
}

std::vector<std::string> e2e::runnableTargets() {
  std::string host = fovea_host_target();
  std::vector<std::string> targets;
  for (const char *name : {"x86-64-v3", "x86-64-v4"})
    if (host >= name)
      targets.push_back(name);
  return targets;
}

std::vector<std::string> e2e::matrixTargets() {
  std::vector<std::string> targets;
  std::string host = fovea_host_target();
  if (host >= "x86-64-v3")
    targets.push_back(kWideMatrix);
  if (host == "x86-64-v4+amx")
    targets.push_back(host);
  return targets;
}

std::string e2e::asHalf(std::string text) {
  const char *half = text.find("bf16") == text.npos ? "f16" : "bf16";
  for (size_t at; (at = text.find("f32")) != text.npos;)
    text.replace(at, 3, half);
  return text;
}

llvm::Expected<Compiled> Compiled::compile(const std::string &text,
                                           const std::string &name,
                                           const std::string &target,
                                           int workers, fovea_device device) {
  CompileOptions options;
  auto widened = [](bool matrix) {
    TargetInfo info = describeX86V3();
    info.isa = IsaClass::AVX512;
    info.vectorBits = 512;
    info.vectorRegisters = 32;
    info.matrix = matrix;
    return info;
  };
  static const TargetInfo wides[] = {widened(false), widened(true)};
  bool isWide = target == kWide || target == kWideMatrix;
  const TargetInfo &wide = wides[target == kWideMatrix];
  llvm::Expected<std::vector<const TargetInfo *>> targets =
      resolveTargets(isWide ? wide.name : target);
  if (!targets)
    return targets.takeError();
  options.targets = isWide ? std::vector<const TargetInfo *>{&wide} : *targets;
  std::string messages;
  CompileResult result =
      compileSpec(text, name, options, [&](const Diagnostic &diagnostic) {
        if (diagnostic.severity == FOVEA_SEVERITY_ERROR)
          messages += toString(diagnostic) + "\n";
      });
  if (result.status != CompileStatus::Ok)
    return llvm::createStringError("compiling " + llvm::Twine(name) + ": " +
                                   messages);
  Compiled compiled;
  compiled.state = new State;
  State &state = *compiled.state;
  fovea_options open = {};
  open.size = sizeof open;
  bool any = target == "host" || device.kind != kDLCPU;
  open.target = isWide ? wide.name.c_str() : any ? nullptr : target.c_str();
  if (fovea_executor_threads(workers, &open.exec) ||
      fovea_open(FOVEA_API, &open, &state.ctx) ||
      fovea_bundle_memory(state.ctx, result.output.data(), result.output.size(),
                          &state.bundle) ||
      fovea_kernel_get(state.bundle, nullptr, device, &state.kernel))
    return failure("opening the kernel");
  return compiled;
}

Compiled::Compiled(Compiled &&other) : state(other.state) {
  other.state = nullptr;
}

Compiled::~Compiled() { delete state; }

fovea_kernel *Compiled::kernel() const { return state->kernel; }

fovea_ctx *Compiled::context() const { return state->ctx; }

llvm::Error Compiled::run(std::vector<HostValue> &arguments,
                          std::vector<HostTensor> &results, const Dims &dims,
                          Outcome *outcome) {
  std::vector<StridedTensor> tensors;
  for (HostValue &value : arguments)
    tensors.push_back({value.isScalar ? nullptr : &value.tensor, {}, {}});
  for (HostTensor &result : results) {
    // What the kernel leaves out shows: all bits set are a NaN, or -1.
    std::fill(result.bytes.begin(), result.bytes.end(), 0xff);
    tensors.push_back({&result, {}, {}});
  }
  return run(tensors, arguments, dims, outcome);
}

llvm::Error Compiled::run(const std::vector<StridedTensor> &tensors,
                          const std::vector<HostValue> &scalars,
                          const Dims &dims, Outcome *outcome) {
  std::vector<fovea_tensor> views(tensors.size());
  std::vector<fovea_value> values(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].tensor) {
      fovea_arg_info info = {};
      info.size = sizeof info;
      if (fovea_kernel_arg(state->kernel, int(i), &info))
        return failure("describing an argument");
      values[i].kind = FOVEA_SCALAR;
      if (info.dtype == FOVEA_DTYPE_F32 || info.dtype == FOVEA_DTYPE_F64)
        values[i].u.f = scalars[i].f;
      else
        values[i].u.i = scalars[i].i;
      continue;
    }
    views[i] = tensors[i].tensor->view();
    if (!tensors[i].strides.empty()) {
      views[i].ndim = int(tensors[i].shape.size());
      views[i].shape = const_cast<int64_t *>(tensors[i].shape.data());
      views[i].strides = const_cast<int64_t *>(tensors[i].strides.data());
    }
    views[i].byte_offset = tensors[i].offset;
    values[i].kind = FOVEA_TENSOR;
    values[i].u.tensor = &views[i];
  }

  fovea_plan_limits limits = {};
  limits.size = sizeof limits;
  limits.seqs = dims.at("b");
  limits.rows = std::max<int64_t>(dims.at("b"), 1) * dims.at("sq");
  limits.max_len = 1;
  std::vector<fovea_dim_limit> named;
  for (const auto &[name, extent] : dims) {
    limits.max_len = std::max(limits.max_len, extent);
    if (name != "b" && name != "sq" && name != "sk")
      named.push_back({name.c_str(), extent});
  }
  limits.dims = named.data();
  limits.n_dims = int32_t(named.size());

  fovea_plan *plan = nullptr;
  if (fovea_plan_create(state->kernel, &limits, &plan))
    return failure("creating the plan");
  size_t bytes = (fovea_plan_workspace(plan) + 63) / 64 * 64;
  void *workspace = std::aligned_alloc(64, std::max<size_t>(bytes, 64));
  int n = int(values.size());
  llvm::Error error = llvm::Error::success();
  if (fovea_plan_update(plan, nullptr, values.data(), n))
    error = failure("updating the plan");
  else if (fovea_run(plan, 0, values.data(), n, workspace, nullptr))
    error = failure("running");
  else if (outcome) {
    outcome->planned.size = sizeof outcome->planned;
    outcome->done.size = sizeof outcome->done;
    outcome->workspace = fovea_plan_workspace(plan);
    if (fovea_plan_stats(plan, -1, &outcome->planned) ||
        fovea_plan_counters(plan, &outcome->done, 0))
      error = failure("counting");
  }
  std::free(workspace);
  fovea_plan_destroy(plan);
  return error;
}
