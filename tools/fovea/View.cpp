// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea view`: the mask of a call with its tiles and levels, as a picture.
#include "tools/fovea/Arguments.h"
#include "tools/fovea/Cli.h"
#include "tools/fovea/Picture.h"
#include "tools/fovea/SpecModule.h"
#include "tools/fovea/Work.h"

#include "dialects/attn/Attn.h"
#include "dialects/reference/Interpreter.h"

#include "llvm/Support/FormatVariadic.h"

using namespace fovea;
using namespace fovea::cli;

namespace {
struct Options {
  SpecOptions spec;
  CallOptions call;
  std::string output;
  int64_t batch = 0, head = 0;
};

/// One stream of a plan, as view draws it.
struct Stream {
  fovea_phase_info phase{};
  fovea_mask_info mask{};
};
} // namespace

/// Draws [q0, q1) x [k0, k1) of a partial tile row by row.
static void drawVisible(Picture &picture, const fovea_mask_info &mask,
                        int64_t b, int64_t h, int64_t q0, int64_t q1,
                        int64_t k0, int64_t k1) {
  for (int64_t q = q0; q < q1; ++q) {
    int64_t from = -1;
    for (int64_t k = k0; k <= k1; ++k) {
      bool visible = k < k1 && mask.keep(mask.args, b, h, q + mask.q_off[b], k,
                                         mask.k_len[b]);
      if (visible && from < 0)
        from = k;
      if (!visible && from >= 0) {
        picture.add(Paint::Visible, q, q + 1, from, k);
        from = -1;
      }
    }
  }
}

/// The tiles that the plan visits: rows of tiles, runs cut into blocks.
static void drawTiles(Picture &picture, const Stream &stream, int64_t b,
                      int64_t h) {
  const fovea_mask_info &mask = stream.mask;
  int64_t positions =
      std::max<int64_t>(stream.phase.rows / std::max(mask.group, 1), 1);
  bool rowsShow = picture.pixelsPerQuery() >= 0.75;
  int64_t queries = queriesOf(mask, b);
  for (int64_t q0 = 0; q0 < queries; q0 += positions) {
    int64_t q1 = std::min(q0 + positions, queries);
    for (const fovea_abi_run &run : runsOf(mask, b, h, q0, q1))
      for (int64_t k0 = run.lo; k0 < run.hi; k0 += stream.phase.keys) {
        int64_t k1 = std::min<int64_t>(k0 + stream.phase.keys, run.hi);
        int32_t tile = FOVEA_TILE_FULL;
        if (mask.classify)
          tile = mask.classify(mask.args, b, h, q0 + mask.q_off[b],
                               q1 + mask.q_off[b], k0, k1, mask.k_len[b]);
        if (tile == FOVEA_TILE_EMPTY)
          continue;
        picture.add(tile == FOVEA_TILE_FULL ? Paint::Full : Paint::Partial, q0,
                    q1, k0, k1);
        if (tile == FOVEA_TILE_PARTIAL && rowsShow && mask.keep)
          drawVisible(picture, mask, b, h, q0, q1, k0, k1);
      }
  }
}

static Paint paintOf(int64_t tokens) {
  return tokens <= 1   ? Paint::Full
         : tokens <= 2 ? Paint::Level2
         : tokens <= 4 ? Paint::Level4
                       : Paint::Level8;
}

/// What the reference says that rows see, where the data decides it.
static void drawSights(Picture &picture, const Arguments &arguments,
                       mlir::func::FuncOp spec, int64_t sq, int64_t b,
                       int64_t h, Progress &progress) {
  auto inputs = toReference(spec, arguments.inputs());
  if (!inputs)
    throw Failure(ExitRejected,
                  "reference: " + llvm::toString(inputs.takeError()));
  constexpr int64_t kBands = 64;
  int64_t step = std::max<int64_t>((sq + kBands - 1) / kBands, 1);
  for (int64_t q = 0; q < sq; q += step) {
    progress.show("row " + std::to_string(q) + " of " + std::to_string(sq));
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
      picture.add(paintOf(count), q, std::min(q + step, sq), first, end);
    }
  }
  progress.show("");
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

static int view(const Options &options) {
  Progress progress(true);
  Session session(options.spec, 1);
  SpecModule spec(session);
  Arguments arguments(session, options.call, spec.kernel());
  Call call(session, arguments, options.call);
  call.update();
  Stream stream = lastStream(session, call);
  const fovea_mask_info &mask = stream.mask;
  if (options.batch >= mask.batch || options.head >= mask.query_heads)
    throw Failure(ExitUsage,
                  llvm::formatv("expected --batch below {0} and --head below "
                                "{1}, got {2} and {3}",
                                mask.batch, mask.query_heads, options.batch,
                                options.head)
                      .str());
  bool sights = dataDependent(spec.kernel());
  std::string what = *mask.text ? mask.text : "every key";
  std::string subtitle = llvm::formatv(
      "{0}, batch {1}, head {2}; {3} x {4}, {5}", arguments.shapeText(),
      options.batch, options.head, queriesOf(mask, options.batch), mask.sk,
      sights ? std::string("what rows see, by the reference")
             : llvm::formatv("tiles of {0} queries x {1} keys",
                             stream.phase.rows / std::max(mask.group, 1),
                             stream.phase.keys)
                   .str());
  Picture picture(
      queriesOf(mask, options.batch), mask.sk,
      std::string(fovea_kernel_name(session.kernel())) + ": " + what, subtitle);
  if (sights)
    drawSights(picture, arguments, spec.kernel(),
               queriesOf(mask, options.batch), options.batch, options.head,
               progress);
  else
    drawTiles(picture, stream, options.batch, options.head);
  std::string svg = picture.svg();
  llvm::StringRef name = options.output;
  if (name.ends_with(".html") || name.ends_with(".htm"))
    svg = "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>" +
          escapeXml(fovea_kernel_name(session.kernel())) +
          "</title></head><body>\n" + svg + "</body></html>\n";
  else if (!name.ends_with(".svg"))
    throw Failure(ExitUsage, "expected -o FILE.svg or FILE.html, got '" +
                                 options.output + "'");
  writeFile(options.output, svg);
  return ExitOk;
}

void cli::addView(CLI::App &app, int &exitCode) {
  CLI::App *command = app.add_subcommand(
      "view", "Draw the mask of a call, its tiles and levels, as SVG or HTML");
  static Options options;
  options.spec.addTo(*command);
  options.call.addTo(*command, true);
  command->add_option("-o,--output", options.output, "FILE.svg or FILE.html")
      ->required();
  command->add_option("--batch", options.batch, "Which sequence (from 0)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--head", options.head, "Which query head (from 0)")
      ->check(CLI::NonNegativeNumber);
  command->footer(
      "Blue tiles run without mask code, orange ones with it (dark: "
      "what is visible inside); white is skipped. Where chosen "
      "blocks or levels decide, 64 rows of the reference are "
      "drawn, pooled keys lighter.");
  command->callback([&exitCode] { exitCode = view(options); });
}
