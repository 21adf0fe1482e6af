// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea run`: npy files in, npy files out.
#include "tools/fovea/Arguments.h"
#include "tools/fovea/Ceilings.h"
#include "tools/fovea/Cli.h"
#include "tools/fovea/npy/Npy.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <thread>

using namespace fovea;
using namespace fovea::cli;

namespace {
struct Options {
  SpecOptions spec;
  CallOptions call;
  std::vector<std::string> outputs;
  int threads = int(std::max(1u, std::thread::hardware_concurrency()));
};
} // namespace

/// Result index -> file, from --out name=file.
static std::vector<std::pair<size_t, std::string>>
parseOutputs(const Session &session, const std::vector<std::string> &texts) {
  std::vector<std::string> names;
  for (const fovea_arg_info &arg : session.args())
    if (arg.is_result)
      names.push_back(arg.name);
  std::vector<std::pair<size_t, std::string>> files;
  for (const std::string &text : texts) {
    auto [name, path] = splitDefinition(text, "--out");
    bool found = false;
    for (size_t i = 0; i < session.args().size(); ++i)
      if (session.args()[i].is_result && name == session.args()[i].name) {
        files.emplace_back(i, path);
        found = true;
      }
    if (!found)
      throw Failure(ExitUsage, unknownWord("result", name, names));
  }
  return files;
}

static int run(const Options &options) {
  Session session(options.spec, options.threads);
  auto outputs = parseOutputs(session, options.outputs);
  Arguments arguments(session, options.call, /*spec=*/nullptr);
  Call call(session, arguments, options.call);
  call.update();
  double start = secondsNow();
  call.run();
  double seconds = secondsNow() - start;
  llvm::outs() << llvm::formatv("kernel {0} for {1}, {2}: {3:f2} ms\n",
                                fovea_kernel_name(session.kernel()),
                                session.target(), arguments.shapeText(),
                                seconds * 1e3);
  for (const auto &[index, path] : outputs) {
    const HostTensor &tensor = arguments.tensor(index);
    npy::Array array =
        npy::fromElements(tensor.bytes.data(), tensor.dtype, tensor.shape);
    std::string error;
    if (!npy::write(path, array, error))
      throw Failure(ExitMachine, error);
    llvm::outs() << "wrote " << session.args()[index].name << " to " << path
                 << "\n";
  }
  llvm::outs().flush();
  return ExitOk;
}

void cli::addRun(CLI::App &app, int &exitCode) {
  CLI::App *command = app.add_subcommand(
      "run", "Run a kernel on npy files and write its results to npy files");
  static Options options;
  options.spec.addTo(*command);
  options.spec.addDeviceTo(*command);
  options.call.addTo(*command, false);
  command->add_option("--out", options.outputs,
                      "NAME=FILE.npy: where a result goes; bf16 is written as "
                      "float32, which is exact");
  command->add_option("--threads", options.threads, "Threads that run it")
      ->check(CLI::Range(1, 1024));
  command->footer("Example: fovea run spec.mlir --in q=q.npy --in k=k.npy "
                  "--in v=v.npy --out o=o.npy");
  command->callback([&exitCode] { exitCode = run(options); });
}
