// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Formatting comparisons.
#include "tools/fovea/compare/CompareReport.h"

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <cmath>

using llvm::formatv;

namespace fovea::cli {

std::vector<std::string> randomInputs(const Side &mine, const Side &dense) {
  std::vector<std::string> names = dense.arguments().randomInputs();
  for (const std::string &name : mine.arguments().randomInputs())
    if (std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(name);
  return names;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

/// What choosing costs beside the FLOPs and bytes of attention.
static void printSelection(llvm::raw_ostream &os, const char *whose,
                           const Side &side) {
  std::string stages;
  for (size_t p = 0; p < side.phases().size(); ++p)
    if (side.phases()[p].selection() && side.workOf(p))
      stages += formatv("             {0}: {1}\n", side.phases()[p].stage,
                        describe(*side.workOf(p)));
  if (stages.empty())
    return;
  os << formatv("  selection  {0}{1}\n", whose, describe(side.selectionWork()))
     << stages;
}

static void printTimes(llvm::raw_ostream &os, const Comparison &c,
                       const Side &mine) {
  os << formatv("  time       {0:f3} ms of {1:f3} ms: {2:f2} x as fast on {3} "
                "thread{4}\n",
                c.mine.ms, c.dense.ms, c.speedUp(), mine.session().threads(),
                mine.session().threads() > 1 ? "s" : "");
  os << formatv("             attention {0:f3} ms ({1:f2} x as fast), "
                "selection {2:f3} ms\n",
                c.mine.attentionMs(), c.attentionSpeedUp(),
                c.mine.selectionMs());
  if (c.mine.appendMs() > 0)
    os << formatv("             append {0:f3} ms\n", c.mine.appendMs());
  if (c.mine.selectionMs() == 0)
    return;
  os << "             selection:";
  for (const PhaseTime &phase : c.mine.phases)
    if (phase.selection())
      os << formatv(" {0} {1:f3} ms", phase.stage, phase.ms);
  os << "\n";
}

static void printGroups(llvm::raw_ostream &os, const char *what,
                        const std::vector<Mass> &mass,
                        const std::vector<OutputError> &errors) {
  os << formatv("  {0,-6} {1,9} {2,9} {3,9} {4,9} {5,11} {6,9} {7,8} {8,8}\n",
                what, "kept", "dropped", "5 %", "least", "rel. error",
                "largest", "cosine", "least");
  for (size_t i = 0; i < mass.size(); ++i) {
    const Mass &m = mass[i];
    const OutputError &e = errors[i];
    if (!m.rows) { // nothing to keep, and nothing to get wrong
      os << formatv("  {0,-6} {1,9}\n", i, "-");
      continue;
    }
    os << formatv("  {0,-6} {1,7:f2} % {2,7:f2} % {3,7:f2} % {4,7:f2} % "
                  "{5,11:e2} {6,9:e1} {7,8:f4} {8,8:f4}\n",
                  i, 100 * m.kept, 100 * m.dropped, 100 * m.low, 100 * m.least,
                  e.relative, e.largest, e.cosine, e.cosineLeast);
  }
}

void printText(llvm::raw_ostream &os, const Comparison &c, const Side &mine,
               const Side &dense) {
  const RowTable &table = mine.table();
  os << formatv("{0} against {1} for {2}, {3}\n",
                fovea_kernel_name(mine.session().kernel()),
                fovea_kernel_name(dense.session().kernel()),
                mine.session().target(), mine.arguments().shapeText());
  if (table.stride() > 1)
    os << formatv(
        "  remark: every {0}th of {1} rows is evaluated; mass, pairs, "
        "FLOPs and bytes of attention are of these\n",
        table.stride(), mine.queryRows());
  std::vector<std::string> random = randomInputs(mine, dense);
  if (!random.empty()) {
    os << "  remark: at random: " << CLI::detail::join(random, ", ")
       << "; attention over random keys is flat, so what this says of mass and "
          "error is of little use\n";
  }
  os << formatv("  density    {0:f2} %: {1} of {2} (query head, query, key) "
                "pairs\n",
                100 * c.density, table.pairs(), dense.table().pairs());
  const Mass &m = c.mass.all;
  if (!m.rows) {
    os << "  mass kept  none to keep: no query sees a key in the dense "
          "kernel\n";
  } else {
    os << formatv("  mass kept  {0:f2} % in the mean; 5 % of rows keep at most "
                  "{1:f2} %, the worst {2:f2} %\n",
                  100 * m.kept, 100 * m.low, 100 * m.least);
    os << formatv(
        "             dense mass on keys seen {0:f2} %, pooled {1:f2} "
        "%, dropped {2:f2} %\n",
        100 * m.exact, 100 * m.pooled, 100 * m.dropped);
    os << formatv("             the best choice of as many keys would keep "
                  "{0:f2} %\n",
                  100 * m.best);
  }
  if (c.mass.beyond)
    os << formatv("  remark: {0} pairs are seen that {1} does not see\n",
                  c.mass.beyond, fovea_kernel_name(dense.session().kernel()));
  if (c.mass.gap > 1e-6)
    os << formatv("  remark: the scores of the two differ: the mass kept is "
                  "off exp(lse - dense lse) by up to {0:e1}\n",
                  c.mass.gap);
  const OutputError &e = c.error.all;
  os << formatv("  error      {0:e2} of the dense output (Frobenius), largest "
                "{1:e2} (of {2:e2}), cosine {3:f4} in the mean, {4:f4} at "
                "least\n",
                e.relative, e.largest, e.scale, e.cosine, e.cosineLeast);
  os << formatv("  FLOPs      {0} of {1} useful", mine.flops(), dense.flops());
  if (auto executed = mine.executedFlops())
    os << formatv(", {0} executed", *executed);
  os << "\n";
  os << formatv("  bytes      {0} of {1}\n", mine.bytes(), dense.bytes());
  printSelection(os, "", mine);
  printSelection(os, "of the dense kernel ", dense);
  if (int64_t bytes = mine.appendWork().bytes)
    os << formatv("  append     {0} bytes\n", bytes);
  if (c.mine.ms > 0)
    printTimes(os, c, mine);
  printGroups(os, "head", c.mass.heads, c.error.heads);
  if (c.mass.batches.size() > 1)
    printGroups(os, "batch", c.mass.batches, c.error.batches);
}

void printSweepHead(llvm::raw_ostream &os, const std::string &name,
                    bool timed) {
  os << formatv("  {0,-10} {1,9} {2,10} {3,9} {4,11} {5,8}", name, "density",
                "mass kept", "best", "rel. error", "cosine");
  if (timed)
    os << formatv(" {0,9} {1,9} {2,9} {3,9}", "ms", "select", "speed-up",
                  "attention");
  os << "\n";
}

void printSweepRow(llvm::raw_ostream &os, const std::string &value,
                   const Comparison &c) {
  os << formatv("  {0,-10} {1,7:f2} % {2,8:f2} % {3,7:f2} % {4,11:e2} {5,8:f4}",
                value, 100 * c.density, 100 * c.mass.all.kept,
                100 * c.mass.all.best, c.error.all.relative,
                c.error.all.cosine);
  if (c.mine.ms > 0)
    os << formatv(" {0,9:f3} {1,9:f3} {2,7:f2} x {3,7:f2} x", c.mine.ms,
                  c.mine.selectionMs(), c.speedUp(), c.attentionSpeedUp());
  os << "\n";
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

/// JSON has no infinities.
static llvm::json::Value number(double value) {
  if (std::isfinite(value))
    return value;
  return nullptr;
}

static llvm::json::Object toJson(const Mass &m) {
  return llvm::json::Object{{"rows", m.rows},
                            {"kept", number(m.kept)},
                            {"exact", number(m.exact)},
                            {"pooled", number(m.pooled)},
                            {"dropped", number(m.dropped)},
                            {"least", number(m.least)},
                            {"low", number(m.low)},
                            {"best", number(m.best)}};
}

static llvm::json::Object toJson(const OutputError &e) {
  return llvm::json::Object{{"relative", number(e.relative)},
                            {"largest", number(e.largest)},
                            {"scale", number(e.scale)},
                            {"cosine", number(e.cosine)},
                            {"cosine_least", number(e.cosineLeast)}};
}

static llvm::json::Array groups(const std::vector<Mass> &mass,
                                const std::vector<OutputError> &errors) {
  llvm::json::Array array;
  for (size_t i = 0; i < mass.size(); ++i)
    array.push_back(llvm::json::Object{{"index", int64_t(i)},
                                       {"mass", toJson(mass[i])},
                                       {"error", toJson(errors[i])}});
  return array;
}

/// Phases with the work of those that are no attention, and with times if there
/// are any.
static llvm::json::Array phases(const Side &side, const CallTime &time) {
  llvm::json::Array array;
  for (size_t p = 0; p < side.phases().size(); ++p) {
    const PhaseTime &phase = side.phases()[p];
    llvm::json::Object object{{"stage", phase.stage},
                              {"attention", phase.attention},
                              {"append", phase.append}};
    if (const std::optional<StageWork> &work = side.workOf(p)) {
      object["flops"] = work->flops;
      object["flops_executed"] = work->flopsExecuted;
      object["bytes"] = work->bytes;
    }
    if (time.ms > 0)
      object["ms"] = time.phases[p].ms;
    array.push_back(std::move(object));
  }
  return array;
}

static llvm::json::Object toJson(const Side &side, const CallTime &time) {
  StageWork selection = side.selectionWork();
  llvm::json::Object object{
      {"kernel", fovea_kernel_name(side.session().kernel())},
      {"pairs", side.table().pairs()},
      {"keys", side.table().distinctKeys()},
      {"flops_useful", side.flops()},
      {"flops_executed", side.executedFlops()},
      {"bytes", side.bytes()},
      {"selection_flops", selection.flops},
      {"selection_flops_executed", selection.flopsExecuted},
      {"selection_bytes", selection.bytes},
      {"append_bytes", side.appendWork().bytes},
      {"schedule", side.work().schedule()},
      {"phases", phases(side, time)}};
  if (time.ms > 0) {
    object["median_ms"] = time.ms;
    object["attention_ms"] = time.attentionMs();
    object["selection_ms"] = time.selectionMs();
    object["append_ms"] = time.appendMs();
  }
  return object;
}

llvm::json::Object summary(const Comparison &c) {
  llvm::json::Object object{{"density", number(c.density)},
                            {"mass", toJson(c.mass.all)},
                            {"error", toJson(c.error.all)}};
  if (c.mine.ms > 0) {
    object["speedup"] = c.speedUp();
    object["speedup_attention"] = c.attentionSpeedUp();
  }
  return object;
}

llvm::json::Object toJson(const Comparison &c, const Side &mine,
                          const Side &dense) {
  llvm::json::Object object = summary(c);
  object["mine"] = toJson(mine, c.mine);
  object["dense"] = toJson(dense, c.dense);
  object["target"] = mine.session().target();
  object["shape"] = mine.arguments().shapeText();
  object["threads"] = mine.session().threads();
  object["stride"] = mine.table().stride();
  object["random"] = llvm::json::Array(randomInputs(mine, dense));
  object["beyond"] = c.mass.beyond;
  object["lse_gap"] =
      c.mass.gap < 0 ? llvm::json::Value(nullptr) : number(c.mass.gap);
  object["heads"] = groups(c.mass.heads, c.error.heads);
  object["batches"] = groups(c.mass.batches, c.error.batches);
  return object;
}

llvm::json::Object toJson(const DroppedMap &map) {
  llvm::json::Array rows;
  for (const std::vector<double> &tiles : map.tiles) {
    llvm::json::Array row;
    for (double value : tiles)
      row.push_back(number(value));
    rows.push_back(std::move(row));
  }
  return llvm::json::Object{{"query_tile", map.queryTile},
                            {"key_tile", map.keyTile},
                            {"tiles", std::move(rows)}};
}

} // namespace fovea::cli
