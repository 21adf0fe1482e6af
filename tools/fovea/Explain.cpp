// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea explain`: what a call will do and how long it should take.
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
  bool measureToo = false, json = false;
};

/// The roofline's prediction.
struct Prediction {
  double fmaGflops = 0, readGBs = 0;
  double computeMs = 0, memoryMs = 0;
  double ms() const { return std::max(computeMs, memoryMs); }
};
} // namespace

/// What tuned streams reach of the two ceilings; the rest is softmax, packing
/// and loads. One number for each, so that a stream far from it stands out.
static constexpr double kShareOfFma = 0.85, kShareOfRead = 0.8;

static Prediction predict(const Session &session, const Work &work) {
  bool wide = session.target() == "x86-64-v4";
  CeilingMeter meter(session.threads(), wide);
  std::vector<double> fma, read;
  for (int i = 0; i < 5; ++i) {
    fma.push_back(meter.fma(0.02));
    read.push_back(meter.read(0.02));
  }
  Prediction p;
  p.fmaGflops = median(fma);
  p.readGBs = median(read);
  p.computeMs = double(work.flopsExecuted) / (p.fmaGflops * kShareOfFma) * 1e-6;
  p.memoryMs = double(work.bytes) / (p.readGBs * kShareOfRead) * 1e-6;
  return p;
}

static std::vector<std::string> advise(const Work &work, const Prediction &p,
                                       const Session &session) {
  std::vector<std::string> advice;
  int64_t run = work.tilesPartial + work.tilesFull;
  if (work.flopsExecuted > 2 * work.flopsUseful && work.flopsUseful > 0)
    advice.push_back(
        llvm::formatv("{0:f1} x more pairs are computed than are visible: the "
                      "mask is thin against the tiles",
                      double(work.flopsExecuted) / double(work.flopsUseful)));
  if (run && work.tilesPartial == run && !work.masks.empty())
    advice.push_back("no tile is free of mask code: a mask that the compiler "
                     "cannot analyse, or one finer than a tile");
  if (p.memoryMs > 1.5 * p.computeMs)
    advice.push_back("memory bound: fewer bytes per key (bf16, int8) or more "
                     "query rows per key head would help");
  int64_t items = 0;
  for (const PhaseWork &phase : work.phases)
    items = std::max(items, phase.items);
  if (items < session.threads())
    advice.push_back("fewer items than threads: some threads will be idle");
  return advice;
}

static int explain(const Options &options) {
  if (!hostHasAVX2())
    throw Failure(ExitMachine, "expected a CPU with AVX2 and FMA to measure "
                               "ceilings with, got one without");
  Progress progress(!options.json);
  progress.show("compiling " + options.spec.path);
  Session session(options.spec, options.threads);
  SpecModule spec(session);
  Arguments arguments(session, options.call, spec.kernel());
  arguments.poisonResults();
  Call call(session, arguments, options.call);
  // A step's plan follows another: caches and branches are warm then.
  for (int i = 0; i < 8; ++i)
    call.update();
  Work work = countWork(session, arguments, call);
  Prediction p = predict(session, work);
  Measurement m;
  if (options.measureToo) {
    call.run();
    insistOnRight(arguments, spec.kernel(), progress);
    m = measure(session, call, work, 1, progress);
  }
  progress.show("");
  std::vector<std::string> advice = advise(work, p, session);
  const char *const *remarks = nullptr;
  int nRemarks = fovea_kernel_remarks(session.kernel(), &remarks);
  llvm::raw_ostream &os = llvm::outs();
  if (options.json) {
    llvm::json::Object object{
        {"kernel", fovea_kernel_name(session.kernel())},
        {"target", session.target()},
        {"shape", arguments.shapeText()},
        {"threads", session.threads()},
        {"tiles", llvm::json::Object{{"empty", work.tilesEmpty},
                                     {"partial", work.tilesPartial},
                                     {"full", work.tilesFull}}},
        {"visible_pairs", work.visiblePairs},
        {"flops_useful", work.flopsUseful},
        {"flops_executed", work.flopsExecuted},
        {"bytes", work.bytes},
        {"predicted_ms", p.ms()},
        {"plan_ms", work.planMs},
        {"schedule", work.schedule()},
        {"advice", llvm::json::Array(advice)},
        {"remarks", llvm::json::Array(std::vector<std::string>(
                        remarks, remarks + nRemarks))}};
    if (arguments.batch()) {
      object["kv_bytes"] = work.kvBytes;
      object["shared_groups"] = work.sharedGroups;
      object["shared_keys"] = work.sharedKeys;
    }
    if (options.measureToo)
      object["measured_ms"] = m.medianMs;
    os << llvm::formatv("{0:2}", llvm::json::Value(std::move(object))) << "\n";
    os.flush();
    return ExitOk;
  }
  int64_t tiles = work.tilesEmpty + work.tilesPartial + work.tilesFull;
  auto share = [&](int64_t n) {
    return tiles ? 100.0 * double(n) / double(tiles) : 0;
  };
  os << llvm::formatv("kernel {0} for {1}, {2}\n",
                      fovea_kernel_name(session.kernel()), session.target(),
                      arguments.shapeText());
  for (const std::string &mask : work.masks)
    os << "  mask      " << mask << "\n";
  for (const PhaseWork &phase : work.phases) {
    os << "  phase     " << phase.stage << ", variant " << phase.variant << ": "
       << phase.items << " items, " << phase.rows << " rows x " << phase.keys
       << " keys";
    if (!phase.schedule.empty())
      os << ", " << phase.schedule;
    os << "\n";
  }
  os << llvm::formatv("  tiles     {0} skipped ({1:f1} %), {2} with mask code "
                      "({3:f1} %), {4} without ({5:f1} %)\n",
                      work.tilesEmpty, share(work.tilesEmpty),
                      work.tilesPartial, share(work.tilesPartial),
                      work.tilesFull, share(work.tilesFull));
  os << llvm::formatv("  pairs     {0} visible (query head, query, key)\n",
                      work.visiblePairs);
  os << llvm::formatv("  FLOPs     {0} useful, {1} executed; {2} bytes\n",
                      work.flopsUseful, work.flopsExecuted, work.bytes);
  if (arguments.batch()) {
    os << llvm::formatv("  cache     {0} bytes of keys and values are read",
                        work.kvBytes);
    if (work.sharedGroups)
      os << llvm::formatv("; {0} group{1} of sequences with a common prefix, "
                          "{2} keys per head not read again",
                          work.sharedGroups, work.sharedGroups > 1 ? "s" : "",
                          work.sharedKeys);
    os << "\n";
  }
  os << llvm::formatv("  predicted {0:f3} ms: {1:f3} ms of arithmetic at "
                      "{2:f1} GFLOP/s, {3:f3} ms of memory at {4:f1} GB/s\n",
                      p.ms(), p.computeMs, p.fmaGflops, p.memoryMs, p.readGBs);
  os << llvm::formatv("  planned   in {0:f3} ms, {1} split pieces\n",
                      work.planMs, work.slots);
  if (options.measureToo)
    os << llvm::formatv("  measured  {0:f3} ms, {1:f2} of the prediction\n",
                        m.medianMs, m.medianMs / std::max(p.ms(), 1e-9));
  for (const std::string &line : advice)
    os << "  advice    " << line << "\n";
  for (int i = 0; i < nRemarks; ++i)
    os << "  remark    " << remarks[i] << "\n";
  os.flush();
  return ExitOk;
}

void cli::addExplain(CLI::App &app, int &exitCode) {
  CLI::App *command = app.add_subcommand(
      "explain", "Say what a call will do: tiles, exact FLOPs and bytes, the "
                 "schedule, the time that the roofline predicts");
  static Options options;
  options.spec.addTo(*command);
  options.call.addTo(*command, true);
  command->add_option("--threads", options.threads, "Threads to plan for")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--measure", options.measureToo,
                    "Run it too, and hold the prediction against the time");
  command->add_flag("--json", options.json, "One JSON object on stdout");
  command->callback([&exitCode] { exitCode = explain(options); });
}
