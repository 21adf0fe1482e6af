// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Opening specs and bundles for the commands of the driver.
#include "tools/fovea/Session.h"

#include "passes/pipelines/Parameters.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace fovea::cli {

void TuningOption::addTo(CLI::App &command) {
  command
      .add_option("--tuning", path,
                  "A tuning table that `fovea tune` wrote (default: that which "
                  "FOVEA_TUNING names; \"\": the built-in schedules)")
      ->each([this](const std::string &) { given = true; });
}

std::string TuningOption::read() {
  if (text)
    return *text;
  if (!given) {
    const char *variable = std::getenv("FOVEA_TUNING");
    path = variable ? variable : "";
  }
  if (path.empty())
    return "";
  // Who did not write the path on the command line looks for it in vain there.
  std::string by = given ? "" : "FOVEA_TUNING: ";
  std::string bytes;
  try {
    bytes = readFile(path);
  } catch (const Failure &failure) {
    throw Failure(failure.code, by + failure.what());
  }
  // An empty text would mean the built-in schedules.
  if (bytes.empty())
    throw Failure(ExitRejected,
                  by + path + ": expected a tuning table, got an empty file");
  return bytes;
}

void SpecOptions::addTo(CLI::App &command) {
  command.add_option("SPEC", path, "A spec (text) or a bundle (compiled)")
      ->required();
  addChoicesTo(command);
  tuning.addTo(command);
}

void SpecOptions::addChoicesTo(CLI::App &command) {
  command.add_option("--kernel", kernel,
                     "The kernel's name; needed if there are several");
  command.add_option("-D,--define", defines,
                     "NAME=VALUE: the value of a parameter ${NAME}");
  command.add_option("--target", target,
                     "What to make code for: host, or a name that `fovea "
                     "targets` lists");
  command
      .add_option("--cache-dir", cacheDir,
                  "Where compiled specs are kept (default: FOVEA_CACHE_DIR, "
                  "else fovea in the user's cache directory; \"\": nowhere)")
      ->each([this](const std::string &) { cacheDirGiven = true; });
}

void SpecOptions::addDeviceTo(CLI::App &command) {
  command.add_option("--device", device,
                     "Where it runs: cpu, cuda, or cuda:N for the GPU of that "
                     "number; with cuda, --target=host is sm_80, whose PTX "
                     "later GPUs take");
}

std::string SpecOptions::commandLine() const {
  std::string line = path;
  if (!kernel.empty())
    line += " --kernel=" + kernel;
  for (const std::string &define : defines)
    line += " -D " + define;
  if (target != "host")
    line += " --target=" + target;
  if (device != "cpu")
    line += " --device=" + device;
  if (tuning.given)
    line += " --tuning=" + (tuning.path.empty() ? "''" : tuning.path);
  return line;
}

std::vector<std::pair<std::string, std::string>>
parseDefines(const std::vector<std::string> &defines) {
  std::vector<std::pair<std::string, std::string>> result;
  for (const std::string &text : defines) {
    result.emplace_back();
    if (!parseDefine(text, result.back()))
      throw Failure(ExitUsage, "expected -D NAME=VALUE, got '" + text + "'");
  }
  return result;
}

static ExitCode exitCodeOf(fovea_status status) {
  switch (status) {
  case FOVEA_OK:
    return ExitOk;
  case FOVEA_INVALID:
  case FOVEA_BAD_BUNDLE:
  case FOVEA_STALE:
  case FOVEA_SEALED:
  case FOVEA_CANCELLED:
    return ExitRejected;
  case FOVEA_UNSUPPORTED:
  case FOVEA_NO_PAGES:
  case FOVEA_NO_MEMORY:
  case FOVEA_DEVICE:
    break;
  }
  return ExitMachine;
}

Failure runtimeFailure(fovea_status status, const std::string &what) {
  return Failure(exitCodeOf(status), what + ": " + fovea_message());
}

void printDiagnostic(const fovea_diag &d, const std::string &text) {
  static const char *const names[] = {"remark", "note", "warning", "error"};
  const char *severity =
      d.severity >= 0 && d.severity < 4 ? names[d.severity] : "error";
  std::string place = d.file ? d.file : "";
  if (d.line > 0)
    place += ":" + std::to_string(d.line) + ":" + std::to_string(d.col);
  std::fprintf(stderr, "%s%s%s: %s", place.c_str(), place.empty() ? "" : ": ",
               severity, d.text);
  if (d.label && *d.label)
    std::fprintf(stderr, " [%s]", d.label);
  std::fputc('\n', stderr);
  if (d.line <= 0)
    return;
  size_t at = 0;
  for (int32_t line = 1; line < d.line && at != std::string::npos; ++line) {
    at = text.find('\n', at);
    at += at != std::string::npos;
  }
  if (at >= text.size())
    return;
  std::string line = text.substr(at, text.find('\n', at) - at);
  std::replace(line.begin(), line.end(), '\t', ' ');
  size_t column = d.col > 0 ? size_t(d.col) - 1 : 0;
  if (column <= line.size())
    std::fprintf(stderr, "  %s\n  %*s^\n", line.c_str(), int(column), "");
}

Session::Session(const SpecOptions &options, int threads)
    : spec(options), nThreads(threads) {
  try {
    open();
  } catch (...) {
    close();
    throw;
  }
}

Session::~Session() { close(); }

void Session::close() {
  fovea_kernel_release(theKernel);
  fovea_bundle_close(theBundle);
  if (theStream)
    fovea_stream_destroy(ctx, theDevice, theStream);
  fovea_close(ctx);
}

fovea_bundle *Session::compile(const std::string &name,
                               const std::string &source,
                               const std::vector<std::string> &words) {
  std::vector<const char *> defines;
  for (const std::string &define : words)
    defines.push_back(define.c_str());
  parseDefines(words); // refuses malformed ones as usage
  struct Sink {
    DiagnosticTexts texts;
    bool any = false;
  } sink{{source, spec.tuning.path, tuningText}};
  fovea_jit_options options{};
  options.size = sizeof(options);
  options.n_defines = int32_t(defines.size());
  options.defines = defines.data();
  options.targets = spec.target.c_str();
  options.tuning = tuningText.c_str();
  options.tuning_name = spec.tuning.path.c_str();
  options.cache_dir = spec.cacheDirGiven ? spec.cacheDir.c_str() : nullptr;
  options.diag = [](void *user, const fovea_diag *diagnostic) {
    auto *sink = static_cast<Sink *>(user);
    sink->any |= diagnostic->severity == FOVEA_SEVERITY_ERROR;
    sink->texts.print(*diagnostic);
  };
  options.user = &sink;
  info = {};
  info.size = sizeof(info);
  options.info = &info;
  fovea_bundle *bundle = nullptr;
  fovea_status status = fovea_jit_compile(ctx, name.c_str(), source.data(),
                                          source.size(), &options, &bundle);
  if (status == FOVEA_OK)
    return bundle;
  if (sink.any)
    throw Failure(exitCodeOf(status), "");
  throw runtimeFailure(status, name);
}

fovea_kernel *Session::compileText(const std::string &name,
                                   const std::string &source) {
  fovea_jit_info own = info;
  // A GPU takes fewer specs than this CPU does.
  std::string target = std::exchange(spec.target, "host");
  fovea_bundle *bundle = compile(name, source, {});
  spec.target = std::move(target);
  info = own;
  fovea_kernel *kernel = nullptr;
  fovea_status status = fovea_kernel_get(bundle, nullptr, FOVEA_CPU, &kernel);
  fovea_bundle_close(bundle);
  if (status != FOVEA_OK)
    throw runtimeFailure(status, name);
  return kernel;
}

/// Before anything is compiled: a machine without a GPU says so at once.
void Session::openDevice() {
  if (spec.device == "cpu")
    return;
  const std::string &text = spec.device;
  constexpr std::string_view prefix = "cuda:";
  int number = 0;
  const char *begin = text.data() + std::min(prefix.size(), text.size());
  const char *end = text.data() + text.size();
  auto [stop, error] = std::from_chars(begin, end, number);
  if (text != "cuda" && (text.compare(0, prefix.size(), prefix) != 0 ||
                         error != std::errc() || stop != end || number < 0))
    throw Failure(ExitUsage,
                  "expected --device to be cpu, cuda or cuda:N, got '" + text +
                      "'");
  theDevice = {kDLCUDA, number};
  fovea_status status = fovea_stream_create(ctx, theDevice, &theStream);
  if (status != FOVEA_OK)
    throw Failure(exitCodeOf(status),
                  "--device=" + text + ": " + fovea_message() +
                      "; without a GPU, --target=sm_80-emulated runs its "
                      "kernels on the CPU");
  if (spec.target == "host")
    spec.target = "sm_80";
}

void Session::open() {
  text = readFile(spec.path);
  isBundleFile = isBundle(text);
  fovea_options options{};
  options.size = sizeof(options);
  fovea_status status = nThreads == 1
                            ? fovea_executor_serial(&options.exec)
                            : fovea_executor_threads(nThreads, &options.exec);
  if (status == FOVEA_OK)
    status = fovea_open(FOVEA_API, &options, &ctx);
  if (status != FOVEA_OK)
    throw runtimeFailure(status, "fovea");
  openDevice();
  if (isBundleFile) {
    if (!spec.defines.empty())
      throw Failure(ExitUsage, "expected no -D with a bundle: its parameters "
                               "were substituted when it was compiled");
    if (spec.tuning.given)
      throw Failure(ExitUsage, "expected no --tuning with a bundle: its "
                               "schedules were chosen when it was compiled");
    status = fovea_bundle_memory(ctx, text.data(), text.size(), &theBundle);
    if (status != FOVEA_OK)
      throw runtimeFailure(status, spec.path);
    const void *bytes = nullptr;
    size_t size = 0;
    if (fovea_bundle_section_get(theBundle, FOVEA_SECTION_SPEC, 0, &bytes,
                                 &size) == FOVEA_OK)
      text.assign(static_cast<const char *>(bytes), size);
  } else {
    tuningText = spec.tuning.read();
    theBundle = compile(spec.path, text, spec.defines);
  }
  std::vector<std::string> names;
  for (int i = 0; i < fovea_bundle_kernels(theBundle); ++i)
    names.push_back(fovea_bundle_kernel_name(theBundle, i));
  if (!spec.kernel.empty() &&
      std::find(names.begin(), names.end(), spec.kernel) == names.end())
    throw Failure(ExitUsage, unknownWord("kernel", spec.kernel, names));
  if (spec.kernel.empty() && names.size() > 1)
    throw Failure(ExitUsage, "expected --kernel=NAME, " + spec.path + " has " +
                                 std::to_string(names.size()) +
                                 " kernels: " + CLI::detail::join(names, ", "));
  status = fovea_kernel_get(theBundle,
                            spec.kernel.empty() ? nullptr : spec.kernel.c_str(),
                            theDevice, &theKernel);
  if (status != FOVEA_OK)
    throw runtimeFailure(status, spec.path);
  for (int i = 0; i < fovea_kernel_args(theKernel); ++i) {
    fovea_arg_info arg{};
    arg.size = sizeof(arg);
    if ((status = fovea_kernel_arg(theKernel, i, &arg)) != FOVEA_OK)
      throw runtimeFailure(status, spec.path);
    infos.push_back(arg);
  }
}

std::vector<std::string> Session::dims() const {
  std::vector<std::string> names;
  for (const fovea_arg_info &arg : infos)
    for (int d = 0; d < arg.rank; ++d)
      if (arg.dims[d] &&
          std::find(names.begin(), names.end(), arg.dims[d]) == names.end())
        names.push_back(arg.dims[d]);
  return names;
}

std::string Session::target() const {
  const char *name = fovea_kernel_target(theKernel);
  return name ? name : "none";
}

} // namespace fovea::cli
