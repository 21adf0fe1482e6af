// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The report of `fovea explain`, as text and as JSON.
#include "tools/fovea/Explain.h"
#include "tools/fovea/Why.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

#include <algorithm>

using llvm::formatv;
using llvm::json::Array;
using llvm::json::Object;

namespace fovea::cli {

static double percent(double part, double whole) {
  return whole > 0 ? 100 * part / whole : 0;
}

static const char *plural(int64_t n) { return n == 1 ? "" : "s"; }

/// Tiles, pairs and efficiency of one stream, or of all.
static void printCounts(llvm::raw_ostream &os, int64_t empty, int64_t partial,
                        int64_t full, int64_t visible, int64_t executed,
                        int64_t computed, int64_t all,
                        const StreamWork *stream) {
  double tiles = double(empty + partial + full);
  os << formatv("  tiles     {0} skipped ({1:f1} %), {2} with mask code "
                "({3:f1} %), {4} without ({5:f1} %)",
                empty, percent(double(empty), tiles), partial,
                percent(double(partial), tiles), full,
                percent(double(full), tiles));
  if (stream && !stream->parts.empty())
    os << formatv("; a tile is {0} row{1} x {2} keys",
                  stream->parts[0].classRows,
                  plural(stream->parts[0].classRows), stream->parts[0].keys);
  os << formatv("\n  pairs     {0} visible (query head, query, key), {1:f2} % "
                "of all{2}\n",
                visible, percent(double(visible), double(all)),
                stream && stream->chosen()
                    ? "; the device chooses among them, this is a bound"
                    : "");
  os << formatv("  executed  {0} pairs: tile efficiency {1:f1} % (visible over "
                "executed)\n",
                executed,
                executed ? percent(double(visible), double(executed)) : 100.0);
  os << formatv("  computed  {0} of them, {1:f1} % visible\n", computed,
                computed ? percent(double(visible), double(computed)) : 100.0);
}

static void printStream(llvm::raw_ostream &os, const Explanation &e,
                        const StreamWork &stream, const StreamTime &time) {
  int64_t items = int64_t(stream.items.size());
  if (!items)
    return;
  int threads = e.session.threads();
  os << formatv("  work      {0}: {1} item{2}, the longest {3:f2} x the mean, "
                "{4} split piece{5}; over {6} thread{7} the busiest has "
                "{8:f2} x the mean\n",
                stream.name, items, plural(items),
                time.longestMs / std::max(time.meanMs, 1e-12), stream.pieces,
                plural(stream.pieces), threads, plural(threads), time.balance);
  for (const std::string &reason : whyScheduled(e.session, stream))
    os << "  why       " << reason << "\n";
}

static void printPrediction(llvm::raw_ostream &os, const Explanation &e) {
  const Prediction &p = e.prediction;
  os << formatv("  predicted {0:f3} ms: {1:f3} ms of arithmetic, {2:f3} ms of "
                "memory\n",
                p.ms(), p.computeMs, p.memoryMs);
  os << formatv("  ceilings  {0:f3} ms at the {5} peak ({1:f1} GFLOP/s), "
                "{2:f3} ms at the read bandwidth ({3:f1} GB/s; {4:f1} for so "
                "many bytes)\n",
                p.fmaMs, p.ceilings.peakGflops(), p.readMs, p.ceilings.readGBs,
                p.ceilings.footprintGBs,
                p.ceilings.matrixGflops ? "matrix" : "FMA");
  TimeParts parts = p.parts();
  double sum = std::max(parts.sum(), 1e-12);
  os << formatv("  of which  products {0:f1} %, softmax {1:f1} %, mask {2:f1} "
                "%, modifiers {3:f1} %, tiles {4:f1} %, keys {5:f1} %, rows "
                "{6:f1} %\n",
                100 * parts.products / sum, 100 * parts.softmax / sum,
                100 * parts.mask / sum, 100 * parts.score / sum,
                100 * parts.tiles / sum, 100 * parts.keys / sum,
                100 * parts.rows / sum);
}

void printText(const Explanation &e, llvm::raw_ostream &os) {
  const Work &work = e.work;
  os << formatv("kernel {0} for {1}, {2}, {3} thread{4}\n",
                fovea_kernel_name(e.session.kernel()), e.session.target(),
                e.arguments.shapeText(), e.session.threads(),
                plural(e.session.threads()));
  for (const PhaseWork &phase : work.phases) {
    if (!phase.items && work.phases.size() > 1)
      continue; // nothing is split
    os << "  phase     " << phase.stage << ", variant " << phase.variant << ": "
       << phase.items << " item" << plural(phase.items) << ", " << phase.rows
       << " rows x " << phase.keys << " keys";
    if (!phase.schedule.empty())
      os << ", " << phase.schedule;
    if (phase.other)
      os << ": " << describe(*phase.other);
    os << "\n";
  }
  bool several = work.streams.size() > 1;
  for (const StreamWork &stream : work.streams) {
    if (several)
      os << "  stream    " << stream.name << "\n";
    if (!stream.maskText.empty())
      os << "  mask      " << stream.maskText << "\n";
    if (several)
      printCounts(os, stream.tilesEmpty, stream.tilesPartial, stream.tilesFull,
                  stream.pairsVisible, stream.pairsExecuted,
                  stream.pairsComputed, stream.pairsAll, &stream);
  }
  if (several)
    os << "  all streams\n";
  printCounts(os, work.tilesEmpty, work.tilesPartial, work.tilesFull,
              work.visiblePairs, work.executedPairs, work.computedPairs,
              work.allPairs,
              work.streams.size() == 1 ? &work.streams[0] : nullptr);
  os << formatv("  FLOPs     {0} useful, {1} executed; {2} bytes\n",
                work.flopsUseful, work.flopsExecuted, work.bytes);
  if (work.other.bytes)
    os << "  besides   " << describe(work.other)
       << " in phases that are no attention\n";
  if (e.arguments.batch()) {
    os << formatv("  cache     {0} bytes of keys and values are read",
                  work.kvBytes);
    if (work.sharedGroups)
      os << formatv("; {0} group{1} of sequences with a common prefix, "
                    "{2} keys per head not read again",
                    work.sharedGroups, plural(work.sharedGroups),
                    work.sharedKeys);
    os << "\n";
  }
  printPrediction(os, e);
  for (size_t i = 0; i < work.streams.size(); ++i)
    printStream(os, e, work.streams[i], e.prediction.streams[i]);
  os << formatv("  planned   in {0:f3} ms, {1} split piece{2}; counted in "
                "{3:f1} ms{4}\n",
                work.planMs, work.slots, plural(work.slots), work.countMs,
                e.checked ? ", and pair by pair: the same" : "");
  if (e.measured) {
    os << formatv("  measured  {0:f3} ms, the fastest {1:f3} ms, {2:f2} of the "
                  "prediction\n",
                  e.measured->medianMs, e.measured->bestMs, e.ratio());
    if (e.disagrees())
      os << formatv("  differ    by more than {0:f0} %: the model misses "
                    "something of this call, or others used the machine\n",
                    100 * (kAgreement - 1));
  }
  for (const Advice &advice : e.advice)
    os << "  advice    " << advice.kind << ": "
       << (several && !advice.stream.empty() ? advice.stream + ": " : "")
       << advice.text << "\n";
  for (const std::string &remark : e.remarks)
    os << "  remark    " << remark << "\n";
}

static Object toJson(const TimeParts &parts) {
  return Object{{"products", parts.products}, {"softmax", parts.softmax},
                {"mask", parts.mask},         {"modifiers", parts.score},
                {"tiles", parts.tiles},       {"keys", parts.keys},
                {"rows", parts.rows}};
}

static Object toJson(const Explanation &e, const StreamWork &stream,
                     const StreamTime &time) {
  Array parts;
  for (const PartWork &part : stream.parts)
    parts.push_back(Object{{"variant", part.variant},
                           {"schedule", part.schedule},
                           {"rows", part.rows},
                           {"class_rows", part.classRows},
                           {"keys", part.keys},
                           {"items", part.items}});
  return Object{{"name", stream.name},
                {"mask", stream.maskText},
                {"analysed", stream.analysed},
                {"bound_only", stream.chosen()},
                {"tiles", Object{{"empty", stream.tilesEmpty},
                                 {"partial", stream.tilesPartial},
                                 {"full", stream.tilesFull}}},
                {"visible_pairs", stream.pairsVisible},
                {"executed_pairs", stream.pairsExecuted},
                {"computed_pairs", stream.pairsComputed},
                {"all_pairs", stream.pairsAll},
                {"tile_efficiency", stream.efficiency()},
                {"computed_visible", stream.useful()},
                {"flops_executed", stream.flopsExecuted},
                {"variants", std::move(parts)},
                {"why", Array(whyScheduled(e.session, stream))},
                {"items", int64_t(stream.items.size())},
                {"split_pieces", stream.pieces},
                {"longest_item_ms", time.longestMs},
                {"mean_item_ms", time.meanMs},
                {"balance", time.balance},
                {"span_ms", time.spanMs},
                {"thread_ms", toJson(time.parts)},
                {"mask_ops", Object{{"per_vector", stream.facts.mask.lanes},
                                    {"per_key", stream.facts.mask.keys}}}};
}

static Object toJson(const PhaseWork &phase) {
  Object object{{"stage", phase.stage}, {"variant", phase.variant},
                {"items", phase.items}, {"rows", phase.rows},
                {"keys", phase.keys},   {"schedule", phase.schedule}};
  if (phase.other) {
    object["flops"] = phase.other->flops;
    object["flops_executed"] = phase.other->flopsExecuted;
    object["bytes"] = phase.other->bytes;
  }
  return object;
}

void printJson(const Explanation &e, llvm::raw_ostream &os) {
  const Work &work = e.work;
  const Prediction &p = e.prediction;
  Array streams, phases, advice, advices;
  for (const PhaseWork &phase : work.phases)
    phases.push_back(toJson(phase));
  for (size_t i = 0; i < work.streams.size(); ++i)
    streams.push_back(toJson(e, work.streams[i], p.streams[i]));
  for (const Advice &a : e.advice) {
    advice.push_back(a.kind + ": " + a.text);
    Object numbers = a.numbers;
    numbers["kind"] = a.kind;
    numbers["stream"] = a.stream;
    advices.push_back(std::move(numbers));
  }
  Object object{
      {"kernel", fovea_kernel_name(e.session.kernel())},
      {"target", e.session.target()},
      {"shape", e.arguments.shapeText()},
      {"threads", e.session.threads()},
      {"tiles", Object{{"empty", work.tilesEmpty},
                       {"partial", work.tilesPartial},
                       {"full", work.tilesFull}}},
      {"visible_pairs", work.visiblePairs},
      {"executed_pairs", work.executedPairs},
      {"computed_pairs", work.computedPairs},
      {"all_pairs", work.allPairs},
      {"tile_efficiency", work.efficiency()},
      {"computed_visible", work.useful()},
      {"density", work.density()},
      {"flops_useful", work.flopsUseful},
      {"flops_executed", work.flopsExecuted},
      {"bytes", work.bytes},
      {"other_flops", work.other.flops},
      {"other_flops_executed", work.other.flopsExecuted},
      {"other_bytes", work.other.bytes},
      {"phases", std::move(phases)},
      {"predicted_ms", p.ms()},
      {"predicted", Object{{"compute_ms", p.computeMs},
                           {"memory_ms", p.memoryMs},
                           {"fma_peak_ms", p.fmaMs},
                           {"read_bandwidth_ms", p.readMs},
                           {"thread_ms", toJson(p.parts())}}},
      {"ceilings",
       Object{{"fma_gflops", p.ceilings.fmaGflops},
              {"fma_gflops_1_thread", p.ceilings.fmaGflops1},
              {"matrix_gflops", p.ceilings.matrixGflops},
              {"read_gbytes_per_s", p.ceilings.readGBs},
              {"read_gbytes_per_s_at_this_size", p.ceilings.footprintGBs}}},
      {"plan_ms", work.planMs},
      {"count_ms", work.countMs},
      {"checked", e.checked},
      {"split_pieces", work.slots},
      {"schedule", work.schedule()},
      {"streams", std::move(streams)},
      {"advice", std::move(advice)},
      {"advice_numbers", std::move(advices)},
      {"remarks", Array(e.remarks)}};
  if (e.arguments.batch()) {
    object["kv_bytes"] = work.kvBytes;
    object["shared_groups"] = work.sharedGroups;
    object["shared_keys"] = work.sharedKeys;
  }
  if (e.measured) {
    object["measured_ms"] = e.measured->medianMs;
    object["measured_best_ms"] = e.measured->bestMs;
    object["measured_cpu_ms"] = e.measured->cpuMs;
    object["measured_over_predicted"] = e.ratio();
    object["agrees"] = !e.disagrees();
  }
  os << formatv("{0:2}", llvm::json::Value(std::move(object))) << "\n";
}

} // namespace fovea::cli
