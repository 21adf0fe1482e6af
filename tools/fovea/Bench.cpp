// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea bench`: time of a call, next to what the machine can do at most.
#include "tools/fovea/Ceilings.h"
#include "tools/fovea/Cli.h"
#include "tools/fovea/Measure.h"
#include "tools/fovea/SpecModule.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace fovea;
using namespace fovea::cli;

namespace {
struct Options {
  SpecOptions spec;
  CallOptions call;
  int threads = 1;
  double seconds = 2;
  bool json = false;
};
} // namespace

static void printJson(const Session &session, const Arguments &arguments,
                      const Work &work, const Measurement &m) {
  bool gpu = session.onGpu();
  llvm::json::Object ceilings{{"fma_gflops", m.fmaGflops},
                              {"read_gbytes_per_s", m.readGBs},
                              {"fma_gflops_1_thread", m.fmaGflops1},
                              {"read_gbytes_per_s_1_thread", m.readGBs1},
                              {"fma_isa", m.fmaIsa}};
  if (gpu)
    ceilings = llvm::json::Object{{"copy_gbytes_per_s", m.copyGBs}};
  llvm::json::Object object{
      {"kernel", fovea_kernel_name(session.kernel())},
      {"target", session.target()},
      {"shape", arguments.shapeText()},
      {"threads", session.threads()},
      {"rounds", m.rounds},
      {"median_ms", m.medianMs},
      {"best_ms", m.bestMs},
      {"compile_ms", session.compileMs()},
      {"cache_hit", session.cacheHit()},
      {"plan_ms", work.planMs},
      {"flops_useful", work.flopsUseful},
      {"bytes", work.bytes},
      {"gflops_useful", double(work.flopsUseful) / m.medianMs * 1e-6},
      {"gbytes_per_s", double(work.bytes) / m.medianMs * 1e-6},
      {"ceilings", std::move(ceilings)},
      {"schedule", work.schedule()}};
  if (gpu) {
    object["device"] = session.options().device;
    object["share_of_copy_bandwidth"] = m.shareOfCopy;
  } else {
    object["share_of_fma_peak"] = m.shareOfFma;
    object["share_of_read_bandwidth"] = m.shareOfRead;
  }
  if (arguments.batch()) {
    object["rows_per_s"] =
        double(arguments.sequences().totalRows()) / m.medianMs * 1e3;
    object["kv_bytes"] = work.kvBytes;
    object["shared_groups"] = work.sharedGroups;
    object["shared_keys"] = work.sharedKeys;
  }
  llvm::outs() << llvm::formatv("{0:2}", llvm::json::Value(std::move(object)))
               << "\n";
}

static void printText(const Session &session, const Arguments &arguments,
                      const Work &work, const Measurement &m) {
  llvm::raw_ostream &os = llvm::outs();
  bool gpu = session.onGpu();
  os << llvm::formatv("kernel {0} for {1}, {2}, ",
                      fovea_kernel_name(session.kernel()), session.target(),
                      arguments.shapeText());
  if (gpu)
    os << "on " << session.options().device << "\n";
  else
    os << session.threads() << " thread" << (session.threads() > 1 ? "s" : "")
       << "\n";
  os << llvm::formatv("  {0:f3} ms median of {1} (best {2:f3})\n", m.medianMs,
                      m.rounds, m.bestMs);
  os << llvm::formatv("  {0:f1} useful GFLOP/s",
                      double(work.flopsUseful) / m.medianMs * 1e-6);
  if (!gpu)
    os << llvm::formatv(", {0:f1} % of the {3} peak ({1:f1} GFLOP/s, {2})",
                        100 * m.shareOfFma, m.fmaGflops, m.fmaIsa,
                        work.matrix() ? "matrix" : "FMA");
  os << llvm::formatv("\n  {0:f2} GB/s, {1:f1} % of the {2} bandwidth ({3:f1} "
                      "GB/s)\n",
                      double(work.bytes) / m.medianMs * 1e-6,
                      100 * (gpu ? m.shareOfCopy : m.shareOfRead),
                      gpu ? "copy" : "read", gpu ? m.copyGBs : m.readGBs);
  if (arguments.batch()) {
    os << llvm::formatv(
        "  {0:f0} rows/s; {1} bytes of keys and values are read",
        double(arguments.sequences().totalRows()) / m.medianMs * 1e3,
        work.kvBytes);
    if (work.sharedGroups)
      os << llvm::formatv(", {0} prefix{1} once for several sequences",
                          work.sharedGroups, work.sharedGroups > 1 ? "es" : "");
    os << "\n";
  }
  os << llvm::formatv(
      "  compiled in {0:f1} ms{1}, planned in {2:f3} ms\n", session.compileMs(),
      session.cacheHit() ? " (from the cache)" : "", work.planMs);
  if (!work.schedule().empty())
    os << "  schedule: " << work.schedule() << "\n";
}

static int bench(const Options &options) {
  if (options.spec.device == "cpu" && !hostHasAVX2())
    throw Failure(ExitMachine, "expected a CPU with AVX2 and FMA to measure "
                               "ceilings with, got one without");
  Progress progress(!options.json);
  progress.show("compiling " + options.spec.path);
  Session session(options.spec, options.threads);
  progress.show("making inputs");
  SpecModule spec(session);
  Arguments arguments(session, options.call, spec.kernel());
  arguments.poisonResults();
  Call call(session, arguments, options.call);
  call.update();
  call.run();
  insistOnRight(session, arguments, spec.kernel(), progress);
  Work work = countWork(session, arguments, call);
  Measurement m = measure(session, call, work, options.seconds, progress);
  if (options.json)
    printJson(session, arguments, work, m);
  else
    printText(session, arguments, work, m);
  llvm::outs().flush();
  return ExitOk;
}

void cli::addBench(CLI::App &app, int &exitCode) {
  CLI::App *command = app.add_subcommand(
      "bench", "Time a call, as shares of ceilings measured in the same run");
  static Options options;
  options.spec.addTo(*command);
  options.spec.addDeviceTo(*command);
  options.call.addTo(*command, true);
  command->add_option("--threads", options.threads, "Threads that run it")
      ->check(CLI::Range(1, 1024));
  command
      ->add_option("--seconds", options.seconds, "How long to measure, about")
      ->check(CLI::Range(0.01, 3600.0));
  command->add_flag("--json", options.json, "One JSON object on stdout");
  command->footer(
      "A result that is wrong is not timed: a sample of rows is compared with "
      "the reference first. Each round measures the FMA peak, the read "
      "bandwidth and the call in turn; shares are the best call over the best "
      "ceilings. Useful "
      "FLOPs count visible (query, key) pairs only; bytes are those that must "
      "be read or written once. On a GPU runs are enqueued one behind the "
      "other, "
      "and the ceiling is the bandwidth of a copy there, whose reads and "
      "writes "
      "both count.");
  command->callback([&exitCode] { exitCode = bench(options); });
}
