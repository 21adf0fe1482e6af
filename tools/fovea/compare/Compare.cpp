// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea compare`: what a sparse kernel loses and saves against a dense one.
#include "tools/fovea/Cli.h"
#include "tools/fovea/compare/Charts.h"
#include "tools/fovea/compare/CompareReport.h"
#include "tools/fovea/compare/Comparison.h"
#include "tools/fovea/compare/Sweep.h"

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>

using namespace fovea;
using namespace fovea::cli;

namespace {
struct Options {
  CompareOptions compare;
  std::string sweep, curve, picture;
  int64_t tile = 0, batch = -1, head = -1;
  bool json = false;
};
} // namespace

static bool contains(const std::vector<std::string> &list,
                     const std::string &word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

static std::unique_ptr<Session> open(const SpecOptions &spec,
                                     const CompareOptions &options) {
  return std::make_unique<Session>(withDefines(spec, options.defines),
                                   options.threads);
}

/// A define must be a parameter of one of the specs.
static void checkDefines(const Options &options) {
  std::vector<std::string> legal = parametersOf(options.compare.mine.path);
  for (const std::string &name : parametersOf(options.compare.dense.path))
    if (!contains(legal, name))
      legal.push_back(name);
  for (const auto &[name, value] : parseDefines(options.compare.defines))
    if (!contains(legal, name))
      throw Failure(ExitUsage, unknownWord("parameter", name, legal));
}

/// At most 48 tiles to a side, of a power of two.
static int64_t tileFor(const Side &dense) {
  int64_t longest = std::max(dense.tokens(), dense.queries());
  int64_t tile = 1;
  while (tile * 48 < longest)
    tile *= 2;
  return tile;
}

static DroppedMap mapOf(const Options &options, const Side &mine,
                        const Side &dense) {
  if (options.batch >= dense.batches())
    throw Failure(ExitUsage,
                  llvm::formatv("expected --batch below {0}, got {1}",
                                dense.batches(), options.batch)
                      .str());
  if (options.head >= dense.heads())
    throw Failure(ExitUsage, llvm::formatv("expected --head below {0}, got {1}",
                                           dense.heads(), options.head)
                                 .str());
  return dropped(mine.table(), dense.table(), dense.queries(),
                 options.tile ? options.tile : tileFor(dense), options.batch,
                 options.head);
}

static std::string title(const Side &mine, const Side &dense) {
  return std::string(fovea_kernel_name(mine.session().kernel())) + " against " +
         fovea_kernel_name(dense.session().kernel());
}

static int compareOnce(const Options &options) {
  Progress progress(!options.json);
  progress.show("compiling");
  std::unique_ptr<Session> denseSession =
      open(options.compare.dense, options.compare);
  std::unique_ptr<Session> mineSession =
      open(options.compare.mine, options.compare);
  checkNames(*mineSession, *denseSession, options.compare.call);
  Side dense(std::move(denseSession), options.compare, nullptr);
  Side mine(std::move(mineSession), options.compare, &dense);
  checkComparable(mine, dense);
  progress.show("evaluating the reference in float64");
  int64_t stride = strideFor(dense);
  dense.evaluate(stride);
  mine.evaluate(stride);
  progress.show("measuring");
  Comparison c = compare(mine, dense, options.compare.seconds);
  bool wantsMap = !options.picture.empty() || options.tile;
  DroppedMap map;
  if (wantsMap)
    map = mapOf(options, mine, dense);
  progress.show("");
  llvm::raw_ostream &os = llvm::outs();
  if (options.json) {
    llvm::json::Object object = toJson(c, mine, dense);
    if (wantsMap)
      object["dropped"] = toJson(map);
    os << llvm::formatv("{0:2}", llvm::json::Value(std::move(object))) << "\n";
  } else {
    printText(os, c, mine, dense);
  }
  os.flush();
  if (!options.picture.empty())
    writeFile(options.picture,
              drawDropped(map, "Mass dropped by " + title(mine, dense),
                          llvm::formatv(
                              "{0}; {1:f2} % in the mean; tiles of "
                              "{2}; batch {3}, head {4}",
                              mine.arguments().shapeText(),
                              100 * c.mass.all.dropped, map.queryTile,
                              options.batch < 0 ? std::string("all")
                                                : std::to_string(options.batch),
                              options.head < 0 ? std::string("all")
                                               : std::to_string(options.head))
                              .str()));
  return ExitOk;
}

/// The options with one value of the swept parameter: a -D, or the --arg of a
/// scalar.
static CompareOptions withValue(CompareOptions options, const std::string &name,
                                const std::string &value, bool isParameter) {
  auto &list = isParameter ? options.defines : options.call.scalars;
  if (llvm::any_of(list, [&](const std::string &text) {
        return llvm::StringRef(text).starts_with(name + "=");
      }))
    throw Failure(ExitUsage, "expected '" + name + "' from --sweep or from " +
                                 (isParameter ? "-D" : "--arg") + ", got both");
  list.push_back(name + "=" + value);
  return options;
}

static int sweep(const Options &options) {
  Progress progress(!options.json);
  Sweep sweep = parseSweep(options.sweep);
  std::vector<std::string> mineHas = parametersOf(options.compare.mine.path);
  bool isParameter = contains(mineHas, sweep.name);
  bool denseHasIt =
      isParameter &&
      contains(parametersOf(options.compare.dense.path), sweep.name);
  std::unique_ptr<Side> dense;
  std::vector<CurvePoint> points;
  llvm::json::Array rows;
  llvm::raw_ostream &os = llvm::outs();
  for (const std::string &value : sweep.values) {
    progress.show(sweep.name + "=" + value);
    CompareOptions own =
        withValue(options.compare, sweep.name, value, isParameter);
    // The first value shows whether the name is a scalar of the kernel.
    std::unique_ptr<Session> session =
        open(options.compare.mine, isParameter ? own : options.compare);
    if (points.empty() && !isParameter) {
      std::vector<std::string> legal = mineHas;
      bool found = false;
      for (const fovea_arg_info &arg : session->args())
        if (!arg.is_result && arg.kind == FOVEA_SCALAR) {
          legal.push_back(arg.name);
          found |= arg.name == sweep.name;
        }
      if (!found)
        throw Failure(ExitUsage, unknownWord("parameter", sweep.name, legal));
    }
    if (!dense || denseHasIt) {
      std::unique_ptr<Session> denseSession = open(own.dense, own);
      checkNames(*session, *denseSession, own.call);
      dense = std::make_unique<Side>(std::move(denseSession), own, nullptr);
      dense->evaluate(strideFor(*dense));
    }
    Side mine(std::move(session), own, dense.get());
    checkComparable(mine, *dense);
    mine.evaluate(dense->table().stride());
    Comparison c = compare(mine, *dense, own.seconds);
    progress.show("");
    if (options.json) {
      llvm::json::Object row = summary(c);
      row["value"] = value;
      row["pairs"] = mine.table().pairs();
      row["flops_useful"] = mine.flops();
      row["bytes"] = mine.bytes();
      row["selection_flops"] = mine.selectionWork().flops;
      row["selection_bytes"] = mine.selectionWork().bytes;
      rows.push_back(std::move(row));
    } else {
      if (points.empty()) {
        os << title(mine, *dense) << " for " << mine.session().target() << ", "
           << mine.arguments().shapeText() << "\n";
        std::vector<std::string> random = randomInputs(mine, *dense);
        if (!random.empty())
          os << "  remark: at random: " << CLI::detail::join(random, ", ")
             << "\n";
        printSweepHead(os, sweep.name, c.mine.ms > 0);
      }
      printSweepRow(os, value, c);
      os.flush();
    }
    points.push_back(
        {value, c.density, c.speedUp(), c.error.all.relative, c.mass.all.kept});
  }
  if (options.json)
    os << llvm::formatv("{0:2}",
                        llvm::json::Value(llvm::json::Object{
                            {"sweep", sweep.name},
                            {"shape", dense->arguments().shapeText()},
                            {"target", dense->session().target()},
                            {"random", llvm::json::Array(
                                           dense->arguments().randomInputs())},
                            {"points", std::move(rows)}}))
       << "\n";
  os.flush();
  if (!options.curve.empty())
    writeFile(options.curve,
              drawCurves(points,
                         options.compare.mine.path + " over " + sweep.name,
                         dense->arguments().shapeText() + ", against " +
                             options.compare.dense.path));
  return ExitOk;
}

static int run(const Options &options) {
  checkDefines(options);
  if (options.sweep.empty() && !options.curve.empty())
    throw Failure(ExitUsage, "expected --sweep with -o: a curve has several "
                             "points; --picture draws what one drops");
  if (!options.sweep.empty() && (!options.picture.empty() || options.tile))
    throw Failure(ExitUsage, "expected --picture and --tile without --sweep: "
                             "they are of one comparison");
  if (options.picture.empty() && !options.tile &&
      (options.batch >= 0 || options.head >= 0))
    throw Failure(ExitUsage, "expected --picture or --tile with --batch and "
                             "--head: they say of what");
  for (const std::string &path : {options.curve, options.picture}) {
    if (path.empty())
      continue;
    if (!llvm::StringRef(path).ends_with(".svg"))
      throw Failure(ExitUsage,
                    "expected a name that ends in .svg, got '" + path + "'");
    insistOnRoomFor(path);
  }
  return options.sweep.empty() ? compareOnce(options) : sweep(options);
}

void cli::addCompare(CLI::App &app, int &exitCode) {
  CLI::App *command = app.add_subcommand(
      "compare", "Say what a sparse kernel loses against a dense one: output "
                 "error, attention mass kept; and what it saves");
  static Options options;
  CompareOptions &compare = options.compare;
  command->add_option("MINE", compare.mine.path, "The kernel to judge: a spec")
      ->required();
  command
      ->add_option("DENSE", compare.dense.path,
                   "What it stands for: a spec with the same queries, keys and "
                   "values")
      ->required();
  command->add_option("--kernel", compare.mine.kernel,
                      "The kernel's name in MINE, if there are several");
  command->add_option("--dense-kernel", compare.dense.kernel,
                      "The kernel's name in DENSE, if there are several");
  command->add_option("-D,--define", compare.defines,
                      "NAME=VALUE: the value of a parameter ${NAME}, in the "
                      "specs that have it");
  command->add_option("--target", compare.mine.target,
                      "What to make code for: host, or a name that `fovea "
                      "targets` lists");
  compare.mine.tuning.addTo(*command);
  command
      ->add_option("--cache-dir", compare.mine.cacheDir,
                   "Where compiled specs are kept (default: FOVEA_CACHE_DIR, "
                   "else fovea in the user's cache directory; \"\": nowhere)")
      ->each([&](const std::string &) { compare.mine.cacheDirGiven = true; });
  compare.call.addTo(*command, false);
  command->add_option("--threads", compare.threads, "Threads that run both")
      ->check(CLI::Range(1, 1024));
  command
      ->add_option("--seconds", compare.seconds,
                   "How long to measure, about; 0: no times")
      ->check(CLI::Range(0.0, 3600.0));
  command->add_option("--sweep", options.sweep,
                      "NAME=FROM:TO:STEP or NAME=A,B,..: one line per value of "
                      "a parameter ${NAME} or of a scalar argument of MINE");
  command->add_option("-o,--output", options.curve,
                      "FILE.svg: the curve of the sweep");
  command->add_option("--picture", options.picture,
                      "FILE.svg: the dense probability that MINE drops, by "
                      "tile");
  command->add_option("--tile", options.tile, "Queries and keys of such a tile")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--batch", options.batch, "Draw this sequence only")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--head", options.head, "Draw this query head only")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--json", options.json, "One JSON object on stdout");
  command->footer(
      "Inputs go to every kernel that has an argument of the name. Both "
      "results "
      "are checked against the float64 reference first (exit code 1). Mass "
      "kept "
      "is the dense softmax's probability on the keys that MINE sees. "
      "Example:\n"
      "  fovea compare examples/minilm/topk.mlir examples/minilm/minilm.mlir "
      "--in q=Q.npy --in k=K.npy --in v=V.npy --picture dropped.svg");
  command->callback([&exitCode] {
    options.compare.dense.target = options.compare.mine.target;
    options.compare.dense.tuning = options.compare.mine.tuning;
    options.compare.dense.cacheDir = options.compare.mine.cacheDir;
    options.compare.dense.cacheDirGiven = options.compare.mine.cacheDirGiven;
    exitCode = run(options);
  });
}
