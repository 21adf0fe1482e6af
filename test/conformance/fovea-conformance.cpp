// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs third-party attention cases, read from folders.
//
//   fovea-conformance DIR [--target=x86-64-v3] [--reference] [--verbose]
//
// A case is a folder with a case.json, anywhere below DIR. Every case becomes a
// spec; it is compiled and run through the public interface, or with
// --reference evaluated by the interpreter. What cannot be expressed is named,
// and so is an output that no kernel returns (the scores, qk_matmul_output):
// of such a case all other outputs are compared. Exit status 1 if a case fails
// or DIR has none.
#include "test/conformance/OnnxCase.h"
#include "test/e2e/Compiled.h"

#include "dialects/RegisterDialects.h"
#include "dialects/reference/Interpreter.h"
#include "passes/pipelines/SpecLoader.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace fovea;
using namespace fovea::conformance;

/// Y by the interpreter, in the layout of the case.
static llvm::Expected<std::vector<double>> byReference(const OnnxCase &c) {
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  OwningOpRef<ModuleOp> module = loadSpec(context, c.spec, c.name, {});
  if (!module)
    return llvm::createStringError("the spec was rejected:\n" + c.spec);
  std::vector<reference::Value> arguments;
  for (const View &view : c.arguments)
    arguments.push_back(toTensor(view.contiguous()));
  auto results =
      reference::evaluate(*module->getOps<func::FuncOp>().begin(), arguments);
  if (!results)
    return results.takeError();
  return std::get_if<reference::Tensor>(&results->front())->data;
}

/// Y by compiled code, which reads and writes rank 3 where it lies.
static llvm::Expected<std::vector<double>> byTarget(OnnxCase &c,
                                                    const std::string &target) {
  auto compiled = e2e::Compiled::compile(c.spec, c.name, target);
  if (!compiled)
    return compiled.takeError();
  std::vector<e2e::StridedTensor> tensors;
  for (View &view : c.arguments)
    tensors.push_back({&view.storage, view.shape, view.strides});
  std::fill(c.result.storage.bytes.begin(), c.result.storage.bytes.end(), 0xff);
  tensors.push_back({&c.result.storage, c.result.shape, c.result.strides});
  if (llvm::Error error = compiled->run(tensors, {}, c.dims))
    return error;
  return c.result.contiguous().values();
}

/// The first element that is too far off; -1 if none is. `got` is
/// [b, heads, s, dim], row-major.
static int64_t compare(const OnnxCase &c, const std::vector<double> &got) {
  View want = c.result;
  want.storage = c.want;
  std::vector<double> values = want.contiguous().values();
  for (size_t i = 0; i < values.size(); ++i) {
    bool same =
        got[i] == values[i] ||
        std::fabs(got[i] - values[i]) <= c.atol + c.rtol * std::fabs(values[i]);
    if (!same)
      return int64_t(i);
  }
  return -1;
}

namespace {
enum class Outcome { Passed, Unsupported, Failed };
} // namespace

static Outcome runCase(const std::string &folder, const std::string &target,
                       bool reference, std::string &why) {
  llvm::Expected<OnnxCase> c = readCase(folder);
  if (!c) {
    why = llvm::toString(c.takeError());
    return Outcome::Failed;
  }
  if (!c->unsupported.empty()) {
    why = c->unsupported;
    return Outcome::Unsupported;
  }
  llvm::Expected<std::vector<double>> got =
      reference ? byReference(*c) : byTarget(*c, target);
  if (!got) {
    why = llvm::toString(got.takeError());
    // The compiler names what it cannot do.
    return why.find("is not supported by") != std::string::npos
               ? Outcome::Unsupported
               : Outcome::Failed;
  }
  int64_t bad = compare(*c, *got);
  if (bad >= 0) {
    why = "Y differs at " + std::to_string(bad) + "\n" + c->spec;
    return Outcome::Failed;
  }
  for (const auto &[name, copied] : c->presentIsCopy)
    if (!copied) {
      why = name + " is no copy";
      return Outcome::Failed;
    }
  for (const std::string &name : c->refusedOutputs)
    why += (why.empty() ? "" : "; ") + name +
           " is refused: no kernel returns scores";
  return Outcome::Passed;
}

int main(int argc, char **argv) {
  llvm::cl::opt<std::string> root(llvm::cl::Positional, llvm::cl::Required,
                                  llvm::cl::desc("DIR"));
  llvm::cl::opt<std::string> target("target", llvm::cl::init("host"),
                                    llvm::cl::desc("what to compile for"));
  llvm::cl::opt<bool> reference("reference",
                                llvm::cl::desc("use the interpreter instead"));
  llvm::cl::opt<bool> verbose("verbose", llvm::cl::desc("name what passes"));
  llvm::cl::ParseCommandLineOptions(argc, argv);

  std::vector<std::string> folders;
  std::error_code error;
  for (llvm::sys::fs::recursive_directory_iterator it(root, error), end;
       it != end && !error; it.increment(error))
    if (llvm::sys::fs::exists(it->path() + "/case.json"))
      folders.push_back(it->path());
  std::sort(folders.begin(), folders.end());

  int counts[3] = {0, 0, 0}, refused = 0;
  for (const std::string &folder : folders) {
    std::string why;
    Outcome outcome = runCase(folder, target, reference, why);
    ++counts[int(outcome)];
    refused += outcome == Outcome::Passed && !why.empty();
    const char *words[] = {"passed", "unsupported", "FAILED"};
    if (outcome != Outcome::Passed || verbose)
      llvm::outs() << words[int(outcome)] << ": "
                   << folder.substr(folder.rfind('/') + 1)
                   << (why.empty() ? "" : ": ") << why << "\n";
  }
  llvm::outs() << folders.size() << " cases: " << counts[0] << " passed, "
               << counts[1] << " unsupported, " << counts[2] << " failed; "
               << refused << " outputs refused\n";
  return counts[2] || folders.empty() ? 1 : 0;
}
