// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea view`: the mask of a call with its tiles and levels, as a picture.
#include "tools/fovea/Arguments.h"
#include "tools/fovea/Cli.h"
#include "tools/fovea/Picture.h"
#include "tools/fovea/SpecModule.h"
#include "tools/fovea/StreamFacts.h"
#include "tools/fovea/ViewPage.h"

#include "dialects/attn/Attn.h"
#include "dialects/reference/Interpreter.h"

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <map>
#include <tuple>

using namespace fovea;
using namespace fovea::cli;

namespace {
struct Options {
  SpecOptions spec;
  CallOptions call;
  std::string output, format, head, rows, keys;
  int64_t batch = 0;
};

/// One stream of a plan, as view draws it.
struct Stream {
  fovea_phase_info phase{};
  fovea_mask_info mask{};
};
} // namespace

/// What the reference says that rows see, where the data decides it: 64 bands.
static std::vector<Sight> sightsOf(const Arguments &arguments,
                                   mlir::func::FuncOp spec,
                                   const Window &window, int64_t b, int64_t h,
                                   Progress &progress) {
  auto inputs = toReference(spec, arguments.inputs());
  if (!inputs)
    throw Failure(ExitRejected,
                  "reference: " + llvm::toString(inputs.takeError()));
  constexpr int64_t kBands = 64;
  std::vector<Sight> sights;
  int64_t step =
      std::max<int64_t>((window.q1 - window.q0 + kBands - 1) / kBands, 1);
  for (int64_t q = window.q0; q < window.q1; q += step) {
    progress.show("row " + std::to_string(q) + " of " +
                  std::to_string(window.q1));
    reference::Report report;
    report.row = reference::Row{b, h, q};
    report.stride = INT64_MAX;
    auto results =
        reference::evaluate(spec, *inputs, &report, arguments.referenceBatch());
    if (!results)
      throw Failure(ExitRejected,
                    "reference: " + llvm::toString(results.takeError()));
    if (report.sights.empty())
      continue;
    const auto &keys = report.sights.back().keys;
    for (size_t i = 0; i < keys.size();) {
      auto [first, count] = keys[i];
      int64_t end = first + count;
      for (++i;
           i < keys.size() && keys[i].first == end && keys[i].second == count;
           ++i)
        end += count;
      int64_t lo = std::max(first, window.k0), hi = std::min(end, window.k1);
      if (lo < hi)
        sights.push_back({q, std::min(q + step, window.q1), lo, hi, count});
    }
  }
  progress.show("");
  return sights;
}

static Paint paintOf(int64_t tokens) {
  return tokens <= 1   ? Paint::Full
         : tokens <= 2 ? Paint::Level2
         : tokens <= 4 ? Paint::Level4
                       : Paint::Level8;
}

/// Rows that see the same keys become one box.
static void drawRows(Picture &picture, const HeadView &head,
                     const Window &window) {
  std::map<std::pair<int64_t, int64_t>, int64_t> open; // run -> its first query
  for (int64_t q = window.q0; q <= window.q1; ++q) {
    std::map<std::pair<int64_t, int64_t>, int64_t> next;
    if (q < window.q1)
      for (const fovea_abi_run &run : head.rows[size_t(q - window.q0)]) {
        auto known = open.find({run.lo, run.hi});
        next[{run.lo, run.hi}] = known == open.end() ? q : known->second;
      }
    for (auto [run, from] : open)
      if (!next.count(run))
        picture.add(Paint::Visible, from, q, run.first, run.second);
    open = std::move(next);
  }
}

/// What of a row's visible keys lies in partial tiles: there it shows.
static void keepPartial(HeadView &head, const Window &window) {
  for (const CellRow &row : head.map.rows)
    for (int64_t q = std::max(row.q0, window.q0);
         q < std::min(row.q1, window.q1); ++q) {
      auto &runs = head.rows[size_t(q - window.q0)];
      std::vector<fovea_abi_run> kept;
      for (const fovea_abi_run &run : runs)
        for (const CellRun &cell : row.runs)
          if (cell.kind == FOVEA_TILE_PARTIAL) {
            fovea_abi_run part{std::max(run.lo, cell.lo),
                               std::min(run.hi, cell.hi)};
            if (part.lo < part.hi && !kept.empty() && kept.back().hi == part.lo)
              kept.back().hi = part.hi;
            else if (part.lo < part.hi)
              kept.push_back(part);
          }
      runs = std::move(kept);
    }
}

static Picture pictureOf(HeadView &head, const Window &window,
                         const std::string &title,
                         const std::string &subtitle) {
  Picture picture(window, title, subtitle);
  // Tiles of one class in a row are drawn apart only where that shows.
  bool apart = picture.pixelsPerQuery() * double(head.map.queriesStep) >= 6;
  for (const CellRow &row : head.map.rows)
    for (const CellRun &run : row.runs) {
      Paint paint = run.kind == FOVEA_TILE_FULL ? Paint::Full : Paint::Partial;
      int64_t step = apart ? head.map.keysStep : run.hi - run.lo;
      for (int64_t k = run.lo; k < run.hi; k += step)
        picture.add(paint, row.q0, row.q1, k, std::min(k + step, run.hi));
    }
  for (const Sight &s : head.sights)
    picture.add(paintOf(s.level), s.q0, s.q1, s.lo, s.hi);
  if (!head.rows.empty() && picture.pixelsPerQuery() >= 0.75) {
    keepPartial(head, window);
    drawRows(picture, head, window);
  }
  return picture;
}

/// Whether a list or a level map decides what rows see.
static bool dataDependent(mlir::func::FuncOp spec) {
  bool found = false;
  spec.walk([&](attn::AttentionOpInterface op) {
    found |= bool(op.getList()) || bool(op.getLevels());
  });
  return found;
}

/// The last stream: attention comes after what it chooses by.
static Stream lastStream(const Session &session, const Call &call) {
  Stream stream;
  bool found = false;
  for (int p = 0; p < fovea_plan_phases(call.plan()); ++p) {
    fovea_phase_info phase{};
    phase.size = sizeof(phase);
    fovea_status status = fovea_plan_phase(call.plan(), p, &phase);
    if (status == FOVEA_OK && phase.space == FOVEA_SPACE_STREAM) {
      stream.phase = phase;
      stream.mask.size = sizeof(stream.mask);
      status = fovea_plan_mask(call.plan(), p, &stream.mask);
      found = true;
    }
    if (status != FOVEA_OK)
      throw runtimeFailure(status, session.options().path);
  }
  if (!found)
    throw Failure(ExitRejected,
                  session.options().path +
                      ": expected a kernel with attention, got one without");
  return stream;
}

/// "A:B" of an axis with `extent` tokens; empty: all.
static std::pair<int64_t, int64_t>
parseRange(const std::string &option, const std::string &text, int64_t extent) {
  if (text.empty())
    return {0, extent};
  llvm::StringRef rest = text;
  int64_t lo = 0, hi = extent;
  auto [from, to] = rest.split(':');
  bool bad = !rest.contains(':') ||
             (!from.empty() && from.getAsInteger(10, lo)) ||
             (!to.empty() && to.getAsInteger(10, hi));
  if (bad || lo < 0 || lo >= hi || hi > extent)
    throw Failure(ExitUsage,
                  "expected " + option + "=FROM:TO with 0 <= FROM < TO <= " +
                      std::to_string(extent) + ", got '" + text + "'");
  return {lo, hi};
}

/// "svg" or "html": --format, else what the file's name ends with.
static std::string formatOf(const Options &options) {
  if (!options.format.empty())
    return options.format;
  llvm::StringRef name = options.output;
  if (name.ends_with(".html") || name.ends_with(".htm"))
    return "html";
  if (name.ends_with(".svg"))
    return "svg";
  throw Failure(ExitUsage, "expected -o FILE.svg or FILE.html, or --format, "
                           "got '" +
                               options.output + "'");
}

/// The heads to draw: one, or all that the mask tells apart.
static std::vector<int64_t> headsOf(const Options &options,
                                    const fovea_mask_info &mask, bool differ,
                                    bool page) {
  constexpr int64_t kMost = 64;
  std::string wanted = options.head;
  if (wanted.empty())
    wanted = page && differ ? "all" : "0";
  std::vector<int64_t> heads;
  if (wanted == "all") {
    for (int64_t h = 0;
         h < (differ ? std::min(mask.query_heads, kMost) : int64_t(1)); ++h)
      heads.push_back(h);
    return heads;
  }
  int64_t head = 0;
  if (llvm::StringRef(wanted).getAsInteger(10, head) || head < 0)
    throw Failure(ExitUsage, "expected --head to be a number or 'all', got '" +
                                 wanted + "'");
  if (options.batch >= mask.batch)
    throw Failure(ExitUsage,
                  llvm::formatv("expected --batch below {0}, got {1}",
                                mask.batch, options.batch)
                      .str());
  if (head >= mask.query_heads)
    throw Failure(ExitUsage, llvm::formatv("expected --head below {0}, got {1}",
                                           mask.query_heads, head)
                                 .str());
  return {head};
}

static int view(const Options &options) {
  Progress progress(true);
  bool page = formatOf(options) == "html";
  Session session(options.spec, 1);
  SpecModule spec(session);
  Arguments arguments(session, options.call, spec.kernel());
  Call call(session, arguments, options.call);
  call.update();
  Stream stream = lastStream(session, call);
  const fovea_mask_info &mask = stream.mask;
  auto facts = programFacts(session).streams;
  auto known = facts.find(stream.phase.stage);
  bool differ =
      mask.bounds && (known == facts.end() || known->second.readsHead);
  bool sights = dataDependent(spec.kernel());
  std::vector<int64_t> heads = headsOf(options, mask, differ || sights, page);
  int64_t b = options.batch;
  if (b >= mask.batch && mask.batch > 0)
    throw Failure(
        ExitUsage,
        llvm::formatv("expected --batch below {0}, got {1}", mask.batch, b)
            .str());
  int64_t queries = mask.batch ? queriesOf(mask, b) : 0;
  Window window;
  std::tie(window.q0, window.q1) = parseRange("--rows", options.rows, queries);
  std::tie(window.k0, window.k1) = parseRange("--keys", options.keys, mask.sk);
  int64_t group = std::max(mask.group, 1);
  int64_t positions = std::max<int64_t>(stream.phase.class_rows / group, 1);
  int64_t itemPositions = std::max<int64_t>(stream.phase.rows / group, 1);
  std::vector<HeadView> views;
  int64_t scale = 1;
  bool empty = !mask.batch || window.q0 >= window.q1;
  for (bool again = !empty; again;) {
    again = false;
    views.clear();
    MapBudget budget;
    size_t rowBudget = page ? 60000 : 20000;
    for (int64_t h : heads) {
      HeadView head;
      head.head = h;
      progress.show("head " + std::to_string(h));
      if (sights) {
        head.sights =
            sightsOf(arguments, spec.kernel(), window, b, h, progress);
      } else {
        head.map = classMap(mask, b, h, window, itemPositions, positions,
                            stream.phase.keys, budget, scale);
        if (mask.keep)
          if (auto rows = visibleRows(mask, b, h, window, rowBudget))
            head.rows = std::move(*rows);
      }
      // All heads are drawn at the scale of the finest.
      if (head.map.scale > scale) {
        scale = head.map.scale;
        again = true;
        break;
      }
      views.push_back(std::move(head));
    }
  }
  progress.show("");
  std::string what = *mask.text ? mask.text : "every key";
  std::string title =
      std::string(fovea_kernel_name(session.kernel())) + ": " + what;
  std::string cells = sights ? "what rows see, by the reference"
                             : llvm::formatv("tiles of {0} queries x {1} keys",
                                             positions, stream.phase.keys)
                                   .str();
  if (scale > 1)
    cells += llvm::formatv(", drawn {0} x {0} at a time", scale).str();
  auto subtitle = [&](const std::string &head) {
    return llvm::formatv("{0}, batch {1}, {2}; {3} x {4}, {5}",
                         arguments.shapeText(), b, head, queries, mask.sk,
                         cells)
        .str();
  };
  std::string out;
  if (page) {
    PageText text{title,
                  subtitle(differ || sights
                               ? views.size() == 1
                                     ? "head " + std::to_string(heads[0])
                                     : std::to_string(views.size()) + " heads"
                               : "all heads alike"),
                  ""};
    if (views.size() > 1 && int64_t(views.size()) < mask.query_heads)
      text.note = llvm::formatv("The first {0} of {1} heads; --head=N shows "
                                "another.",
                                views.size(), mask.query_heads)
                      .str();
    out = viewPage(text, window, views);
  } else {
    std::vector<Picture> pictures;
    for (HeadView &head : views)
      pictures.push_back(pictureOf(
          head, window, title, subtitle("head " + std::to_string(head.head))));
    if (pictures.empty())
      pictures.push_back(Picture(window, title, subtitle("head 0")));
    out = pictures.size() == 1 ? pictures[0].svg() : multiples(pictures, title);
  }
  writeFile(options.output, out);
  return ExitOk;
}

void cli::addView(CLI::App &app, int &exitCode) {
  CLI::App *command = app.add_subcommand(
      "view", "Draw the mask of a call, its tiles and levels, as SVG or as an "
              "HTML page to zoom into");
  static Options options;
  options.spec.addTo(*command);
  options.call.addTo(*command, true);
  command->add_option("-o,--output", options.output, "FILE.svg or FILE.html")
      ->required();
  command
      ->add_option("--format", options.format,
                   "svg or html, whatever the name of the file")
      ->check(CLI::IsMember({"svg", "html"}));
  command->add_option("--batch", options.batch, "Which sequence (from 0)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--head", options.head,
                      "Which query head (from 0), or all of them; default: 0, "
                      "on a page all that differ");
  command->add_option("--rows", options.rows,
                      "FROM:TO: only these queries of the call");
  command->add_option("--keys", options.keys, "FROM:TO: only these keys");
  command->footer(
      "Blue tiles run without mask code, orange ones with it (dark: "
      "what is visible inside); white is skipped. Where chosen "
      "blocks or levels decide, 64 rows of the reference are "
      "drawn, pooled keys lighter. Tiles that are too many to draw are drawn "
      "2 x 2, 4 x 4 .. at a time.");
  command->callback([&exitCode] { exitCode = view(options); });
}
