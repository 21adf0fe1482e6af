// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The compiler from spec text to bundle: phases, threads, manifest.
#include "codegen/jit/Compiler.h"

#include "codegen/abi/MaskLink.h"
#include "codegen/bundle/BundleWriter.h"
#include "codegen/cpu/CpuBackend.h"
#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/cpu/image/FlatImage.h"
#include "codegen/jit/ManifestBuilder.h"
#include "codegen/jit/Phases.h"
#include "passes/pipelines/SpecLoader.h"

#include "mlir/IR/Verifier.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

#include <atomic>
#include <chrono>
#include <thread>

using namespace mlir;
using namespace fovea;

namespace {

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/// One target on its way: its tile programs, stage units and objects.
struct TargetBuild {
  const TargetInfo *target;
  const TargetBackend *backend;
  OwningOpRef<ModuleOp> module;
  std::vector<StageUnit> units;
  std::vector<llvm::SmallVector<char, 0>> outputs;
  std::vector<std::string> errors; ///< per unit, empty if it compiled
  bool callsPlan = false; ///< units leave functions to the plan's object
};

class Compilation {
public:
  Compilation(StringRef text, StringRef name, const CompileOptions &options,
              const DiagnosticHandler &diagnose)
      : text(text), name(name), options(options), diagnose(diagnose) {}

  CompileResult run();

private:
  CompileStatus compile();
  bool readTuning();
  CompileStatus lower(ModuleOp spec);
  CompileStatus preparePlan();
  void shareFunctions();
  void compilePlan();
  void compileUnits();
  CompileStatus reportUnitErrors();
  CompileStatus writeText();
  CompileStatus writeFile();
  CompileStatus planCode(BundleManifest &manifest,
                         ArrayRef<ProgramManifest> kernels);
  bool addTarget(TargetBuild &build, BundleManifest &manifest,
                 std::vector<ProgramManifest> &kernels);
  void dump(StringRef phase, Operation *op);
  CompileStatus failed(const Twine &why);
  bool cancelled() const { return options.cancel && *options.cancel; }

  StringRef text, name;
  const CompileOptions &options;
  const DiagnosticHandler &diagnose;
  std::string substituted; ///< the spec with its parameters
  std::optional<TuningTable> tuning;
  std::unique_ptr<MLIRContext> context;
  std::vector<TargetBuild> builds;
  OwningOpRef<ModuleOp> planModule; ///< null if there is no mask
  llvm::SmallVector<char, 0> planObject;
  std::string planError; ///< empty if it compiled
  std::vector<RemarkManifest> remarks;
  unsigned phase = 0;
  CompileResult result;
};

} // namespace

CompileStatus Compilation::failed(const Twine &why) {
  fovea::Diagnostic d;
  d.file = name.str();
  d.text = why.str();
  diagnose(d);
  return CompileStatus::Failed;
}

void Compilation::dump(StringRef what, Operation *op) {
  if (options.dumpPhases.empty())
    return;
  std::string path =
      llvm::formatv("{0}/{1}-{2}.mlir", options.dumpPhases, phase++, what);
  std::error_code ec;
  llvm::raw_fd_ostream os(path, ec);
  if (ec) {
    failed("expected a writable folder for phases, got '" +
           Twine(options.dumpPhases) + "': " + ec.message());
    return;
  }
  op->print(os);
}

//===----------------------------------------------------------------------===//
// Phases
//===----------------------------------------------------------------------===//

CompileStatus Compilation::lower(ModuleOp spec) {
  for (const TargetInfo *target : options.targets) {
    TargetBuild build;
    build.target = target;
    build.backend = findBackend(*target);
    if (!build.backend) {
      failed(noBackendText(*target));
      return CompileStatus::Rejected;
    }
    build.module = cast<ModuleOp>(spec->clone());
    if (mlir::failed(
            lowerToTile(*build.module, *target, tuning ? &*tuning : nullptr)))
      return CompileStatus::Rejected;
    dump("tile-" + target->name, *build.module);
    std::string why = build.backend->whyNotSupported(*build.module, *target);
    if (!why.empty()) {
      failed(why);
      return CompileStatus::Rejected;
    }
    if (cancelled())
      return CompileStatus::Cancelled;
    builds.push_back(std::move(build));
  }
  if (options.emit == EmitKind::Tile)
    return CompileStatus::Ok;
  double start = now();
  for (TargetBuild &build : builds)
    if (mlir::failed(build.backend->lowerStages(*build.module, *build.target,
                                                build.units)))
      return CompileStatus::Rejected;
  result.times.emit = now() - start;
  return CompileStatus::Ok;
}

/// The host's plan functions are compiled beside the units.
CompileStatus Compilation::preparePlan() {
  auto module = cabi::buildPlanModule(*builds.front().module);
  if (mlir::failed(module))
    return CompileStatus::Rejected;
  if (!(*module)->getBody()->empty())
    planModule = std::move(*module);
  return CompileStatus::Ok;
}

void Compilation::shareFunctions() {
  ModuleOp plan = planModule ? *planModule : ModuleOp();
  for (TargetBuild &build : builds)
    build.callsPlan = build.backend->shareFunctions(build.units, plan);
}

void Compilation::compilePlan() {
  const TargetInfo &target = planTarget();
  auto object = cpu::compileModule(*planModule, {target.cpu, target.features});
  if (object)
    planObject = std::move(*object);
  else
    planError = toString(object.takeError());
}

/// Compiles the units of all targets and the plan, those with the most ops
/// first. Each unit has an LLVM context of its own.
void Compilation::compileUnits() {
  UnitOutput output = UnitOutput::Object;
  if (options.emit == EmitKind::Assembly)
    output = UnitOutput::Assembly;
  else if (options.emit == EmitKind::LLVM)
    output = UnitOutput::LLVMIR;
  struct Job {
    int64_t ops;
    TargetBuild *build; ///< null: the plan
    size_t unit;
  };
  std::vector<Job> work;
  auto add = [&](ModuleOp module, TargetBuild *build, size_t unit) {
    work.push_back({0, build, unit});
    module.walk([&](Operation *) { ++work.back().ops; });
  };
  for (TargetBuild &build : builds) {
    build.outputs.resize(build.units.size());
    build.errors.resize(build.units.size());
    for (size_t i = 0; i != build.units.size(); ++i)
      add(*build.units[i].module, &build, i);
  }
  if (planModule)
    add(*planModule, nullptr, 0);
  llvm::stable_sort(work,
                    [](const Job &a, const Job &b) { return a.ops > b.ops; });
  std::atomic<size_t> next{0};
  auto worker = [&] {
    for (size_t i; (i = next++) < work.size();) {
      if (cancelled())
        return;
      auto [ops, build, unit] = work[i];
      if (!build) {
        compilePlan();
        continue;
      }
      auto bytes = build->backend->compileUnit(build->units[unit],
                                               *build->target, output);
      if (bytes)
        build->outputs[unit] = std::move(*bytes);
      else
        build->errors[unit] = toString(bytes.takeError());
    }
  };
  std::vector<std::thread> threads;
  unsigned n = std::min<size_t>(std::max(1u, options.threads), work.size());
  for (unsigned i = 1; i < n; ++i)
    threads.emplace_back(worker);
  worker();
  for (std::thread &t : threads)
    t.join();
}

CompileStatus Compilation::reportUnitErrors() {
  for (TargetBuild &build : builds)
    for (auto [unit, error] : llvm::zip(build.units, build.errors))
      if (!error.empty())
        return failed("stage " + unit.symbol + " for " + build.target->name +
                      ": " + error);
  if (!planError.empty())
    return failed("plan code: " + planError);
  return CompileStatus::Ok;
}

CompileStatus Compilation::writeText() {
  llvm::raw_string_ostream os(result.output);
  for (TargetBuild &build : builds) {
    if (options.emit == EmitKind::Tile) {
      build.module->print(os);
      continue;
    }
    for (auto [unit, output] : llvm::zip(build.units, build.outputs))
      os << (options.emit == EmitKind::LLVM ? ';' : '#') << " stage "
         << unit.symbol << " for " << build.target->name << "\n"
         << StringRef(output.data(), output.size());
  }
  return CompileStatus::Ok;
}

//===----------------------------------------------------------------------===//
// The bundle
//===----------------------------------------------------------------------===//

/// A bundle holds the variants of all targets; those without code for the
/// machine are passed over. Buffers are as large as the largest needs.
static void mergeKernel(ProgramManifest &into, ProgramManifest &&from) {
  for (auto [a, b] : llvm::zip(into.kernel.stages, from.kernel.stages))
    for (VariantManifest &variant : b.variants)
      a.variants.push_back(std::move(variant));
  for (auto [a, b] : llvm::zip(into.stageSymbols, from.stageSymbols))
    a.insert(a.end(), b.begin(), b.end());
  for (auto [a, b] : llvm::zip(into.kernel.buffers, from.kernel.buffers))
    for (unsigned d = 0; d != a.record.rank; ++d)
      a.record.extent[d].mul =
          std::max(a.record.extent[d].mul, b.record.extent[d].mul);
}

bool Compilation::addTarget(TargetBuild &build, BundleManifest &manifest,
                            std::vector<ProgramManifest> &kernels) {
  std::vector<StringRef> objects;
  for (const auto &object : build.outputs)
    objects.emplace_back(object.data(), object.size());
  if (build.callsPlan)
    objects.emplace_back(planObject.data(), planObject.size());
  auto code = build.backend->link(build.units, objects);
  if (!code) {
    failed(build.target->name + ": " + toString(code.takeError()));
    return false;
  }
  uint32_t target = manifest.targets.size();
  size_t kernel = 0;
  for (auto program : build.module->getOps<tile::ProgramOp>()) {
    auto built = buildManifest(program, ProgramLayout(program));
    if (mlir::failed(built))
      return false;
    for (auto [stage, symbols] :
         llvm::zip(built->kernel.stages, built->stageSymbols))
      for (auto [variant, symbol] : llvm::zip(stage.variants, symbols))
        for (auto [unit, entry] : llvm::zip(build.units, code->entries))
          if (unit.kernel == built->kernel.name && unit.stage == symbol) {
            variant.record.scratch_bytes = unit.scratchBytes;
            variant.entries.push_back({target, entry.offset});
            if (entry.launch)
              variant.entries.back().launch = {entry.symbol, *entry.launch};
          }
    if (target == 0)
      kernels.push_back(std::move(*built));
    else
      mergeKernel(kernels[kernel], std::move(*built));
    ++kernel;
  }
  bool gpu = build.target->isGpu() && !build.target->emulated;
  manifest.targets.push_back({build.target->name, std::move(code->bytes),
                              gpu ? FOVEA_TARGET_GPU : FOVEA_TARGET_CPU});
  return true;
}

CompileStatus Compilation::planCode(BundleManifest &manifest,
                                    ArrayRef<ProgramManifest> kernels) {
  if (!planModule)
    return CompileStatus::Ok;
  auto image =
      cpu::linkFlatImage(StringRef(planObject.data(), planObject.size()));
  if (!image)
    return failed("plan code: " + toString(image.takeError()));
  for (auto [kernel, built] : llvm::zip(manifest.kernels, kernels))
    for (auto [mask, prefix] : llvm::zip(kernel.masks, built.maskPrefixes)) {
      mask.record.bounds = image->find(prefix + "_bounds_abi").value_or(0);
      mask.record.classify = image->find(prefix + "_class_abi").value_or(0);
      mask.record.keep = image->find(prefix + "_keep_abi").value_or(0);
    }
  manifest.planCode.assign(image->bytes.begin(), image->bytes.end());
  return CompileStatus::Ok;
}

CompileStatus Compilation::writeFile() {
  double start = now();
  BundleManifest manifest;
  manifest.key = options.key;
  manifest.compilerId = options.compilerId;
  manifest.spec = substituted;
  std::vector<ProgramManifest> kernels;
  for (TargetBuild &build : builds)
    if (!addTarget(build, manifest, kernels))
      return CompileStatus::Failed;
  for (ProgramManifest &kernel : kernels) {
    for (StageManifest &stage : kernel.kernel.stages)
      llvm::stable_sort(stage.variants, [](const auto &a, const auto &b) {
        return a.record.max_rows < b.record.max_rows;
      });
    kernel.kernel.remarks = remarks;
    manifest.kernels.push_back(kernel.kernel);
  }
  CompileStatus status = planCode(manifest, kernels);
  if (status != CompileStatus::Ok)
    return status;
  auto bytes = writeBundle(manifest);
  if (!bytes)
    return failed(toString(bytes.takeError()));
  result.output = std::move(*bytes);
  result.times.write = now() - start;
  return CompileStatus::Ok;
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

bool Compilation::readTuning() {
  if (options.tuning.empty())
    return true;
  TuningFault fault;
  tuning = parseTuningTable(options.tuning, fault);
  if (tuning)
    if (std::optional<TuningFault> other = whyNotFor(*tuning, options.targets))
      fault = *other;
  if (fault.text.empty())
    return true;
  fovea::Diagnostic d;
  d.file = options.tuningName;
  d.line = fault.line;
  d.column = fault.column;
  d.text = fault.text;
  diagnose(d);
  return false;
}

CompileStatus Compilation::compile() {
  if (!readTuning())
    return CompileStatus::Rejected;
  std::vector<std::pair<std::string, std::string>> defines;
  for (const std::string &text : options.defines) {
    defines.emplace_back();
    if (!parseDefine(text, defines.back())) {
      failed("expected a define NAME=VALUE, got '" + text + "'");
      return CompileStatus::Rejected;
    }
  }
  double start = now();
  DialectRegistry registry;
  registerSpecDialects(registry);
  for (const TargetInfo *target : options.targets)
    if (const TargetBackend *backend = findBackend(*target))
      backend->registerDialects(registry);
  cpu::registerCPUDialects(registry); // plan code
  context = std::make_unique<MLIRContext>(registry);
  context->printOpOnDiagnostic(false); // the line of the spec says it better
  context->loadAllAvailableDialects();
  result.times.context = now() - start;

  DiagnosticCollector collector(
      context.get(), name, [&](const fovea::Diagnostic &d) {
        if (d.severity == FOVEA_SEVERITY_REMARK)
          remarks.push_back({d.text, uint32_t(d.line), uint32_t(d.column)});
        diagnose(d);
      });
  start = now();
  OwningOpRef<ModuleOp> spec = loadSpec(*context, text, name, defines);
  substituted = substituteParameters(text, defines).text;
  result.times.parse = now() - start;
  if (!spec)
    return CompileStatus::Rejected;
  dump("spec", *spec);
  start = now();
  if (mlir::failed(planSpec(*spec)))
    return CompileStatus::Rejected;
  dump("planned", *spec);
  if (options.emit == EmitKind::Planned) {
    llvm::raw_string_ostream(result.output) << *spec;
    return CompileStatus::Ok;
  }
  CompileStatus status = lower(*spec);
  result.times.passes = now() - start - result.times.emit;
  if (status != CompileStatus::Ok || options.emit == EmitKind::Tile)
    return status == CompileStatus::Ok ? writeText() : status;
  if (options.emit == EmitKind::Bundle &&
      (status = preparePlan()) != CompileStatus::Ok)
    return status;
  shareFunctions();
  start = now();
  compileUnits();
  result.times.machine = now() - start;
  if (cancelled())
    return CompileStatus::Cancelled;
  status = reportUnitErrors();
  if (status != CompileStatus::Ok)
    return status;
  return options.emit == EmitKind::Bundle ? writeFile() : writeText();
}

CompileResult Compilation::run() {
  result.status = compile();
  if (result.status != CompileStatus::Ok)
    result.output.clear();
  return std::move(result);
}

CompileResult fovea::compileSpec(StringRef text, StringRef name,
                                 const CompileOptions &options,
                                 const DiagnosticHandler &diagnose) {
  return Compilation(text, name, options, diagnose).run();
}
