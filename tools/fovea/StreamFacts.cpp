// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reading the stages of a session's tile program.
#include "tools/fovea/StreamFacts.h"

#include "codegen/jit/Phases.h"
#include "passes/analysis/StreamInfo.h"
#include "passes/pipelines/SpecLoader.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace mlir;

namespace fovea::cli {

/// Vector instructions of an op, about, for a vector of scores. There is none
/// for integer division: a power of two is a shift, another constant a product
/// and shifts, anything else a division of doubles. A load that follows the key
/// reads words of rows that lie together. The math functions are polynomials.
static double vectorOps(Operation &op) {
  constexpr double divide = 10, farLoad = 5;
  return llvm::TypeSwitch<Operation *, double>(&op)
      .Case<arith::ConstantOp, arith::IndexCastOp, arith::IndexCastUIOp,
            arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp>(
          [](auto) { return 0; })
      .Case<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
            arith::FloorDivSIOp, arith::CeilDivSIOp, arith::CeilDivUIOp>(
          [](auto division) -> double {
            llvm::APInt divisor;
            if (!matchPattern(division.getRhs(), m_ConstantInt(&divisor)))
              return divide;
            return divisor.isPowerOf2() ? 3 : 6;
          })
      .Case<arith::DivFOp>([](auto) { return 6; })
      .Case<math::AbsIOp, math::AbsFOp>([](auto) { return 1; })
      .Default([](Operation *o) -> double {
        if (isa<math::MathDialect>(o->getDialect()))
          return 16;
        return isa<arith::ArithDialect>(o->getDialect()) ? 1 : farLoad;
      });
}

/// Arguments of a map: score, b, h, q, k, offset, len.
enum MapArg { kScore, kMapBatch, kMapHead, kMapQuery, kMapKey };

/// A gather that does not follow the key finds its lines in L1.
static constexpr double kNearGather = 2;
/// A word that all lanes share, from where the key says.
static constexpr double kKeyLoad = 10;

/// What runs for each key: ops on lanes and the key as vectors, ops on the key
/// alone once. The rest is the same for all keys of a tile and moves out of
/// their loop, but for loads, which stores of scores might change, and what
/// follows from them.
static RegionCost costOf(tile::MapOp map) {
  RegionCost cost;
  if (!map)
    return cost;
  Block &body = map.getBody().front();
  llvm::DenseSet<Value> onLanes, onKeys;
  onLanes.insert(body.getArgument(kMapHead));
  onLanes.insert(body.getArgument(kMapQuery));
  onKeys.insert(body.getArgument(kMapKey));
  onLanes.insert(body.getArgument(kScore));
  onKeys.insert(body.getArgument(kScore));
  for (Operation &op : body.without_terminator()) {
    bool lanes = false, keys = false;
    op.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands()) {
        lanes |= onLanes.contains(operand);
        keys |= onKeys.contains(operand);
      }
    });
    bool load = !isa<arith::ArithDialect, math::MathDialect>(op.getDialect());
    bool near = load && lanes && !keys;
    keys |= near;
    for (Value result : op.getResults()) {
      if (lanes)
        onLanes.insert(result);
      if (keys)
        onKeys.insert(result);
    }
    if (!keys)
      continue;
    double vector = vectorOps(op);
    cost.ops += vector > 0;
    if (near)
      cost.lanes += kNearGather;
    else if (lanes)
      cost.lanes += vector;
    else
      cost.keys += load ? kKeyLoad : std::min(vector, 1.0);
  }
  return cost;
}

static std::string formatOf(Value view) {
  auto type = cast<tile::ViewType>(view.getType());
  std::string text;
  llvm::raw_string_ostream os(text);
  if (type.getFormat())
    os << type.getFormat();
  else
    os << type.getElementType();
  return text;
}

static StreamFacts factsOf(StageInfo &info, const TargetInfo &target) {
  StreamFacts facts;
  facts.readsBatch = facts.readsHead = false;
  if (tile::MapOp mask = info.mask) {
    Block &body = mask.getBody().front();
    facts.readsBatch = !body.getArgument(kMapBatch).use_empty();
    facts.readsHead = !body.getArgument(kMapHead).use_empty();
    facts.mask = costOf(mask);
  }
  for (tile::MapOp map : info.scoreMaps) {
    RegionCost cost = costOf(map);
    facts.score.lanes += cost.lanes;
    facts.score.keys += cost.keys;
    facts.hasScore = true;
  }
  facts.ordered = bool(info.stage.getOrderAttr());
  facts.cached = bool(info.segment);
  facts.scoresTwice = info.inShares();
  ValueRange sources = info.stream.getSources();
  facts.keyFormat = formatOf(sources[0]);
  facts.valueFormat = formatOf(sources[1]);
  if (tile::RunsOp runs = info.selection()) {
    facts.listed = bool(runs.getList());
    facts.leveled = bool(runs.getLevels());
    facts.unit = runs.getUnit();
    facts.queryBlock = runs.getQueryBlock();
  }
  facts.computesSeen = !target.isGpu() && !facts.listed && !facts.leveled &&
                       !info.maskGivesLevels();
  return facts;
}

ProgramFacts programFacts(const Session &session) {
  DialectRegistry registry;
  registerSpecDialects(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  // What there is to say was said when the session compiled.
  ScopedDiagnosticHandler quiet(&context,
                                [](Diagnostic &) { return success(); });
  std::vector<std::pair<std::string, std::string>> defines;
  if (!session.fromBundle())
    defines = parseDefines(session.options().defines);
  OwningOpRef<ModuleOp> module =
      loadSpec(context, session.specText(), session.options().path, defines);
  std::string name = session.target();
  llvm::Expected<const TargetInfo *> target =
      resolveTarget(name == "none" ? cpuTargets().back().name : name);
  if (!target)
    throw Failure(ExitMachine, llvm::toString(target.takeError()));
  if (!module || failed(planSpec(*module)) ||
      failed(lowerToTile(*module, **target)))
    throw Failure(ExitRejected, session.options().path +
                                    ": expected the spec of the kernel to "
                                    "compile as when it was made");
  ProgramFacts facts;
  for (auto program : module->getOps<tile::ProgramOp>())
    if (program.getSymName() == fovea_kernel_name(session.kernel()))
      for (auto stage : program.getBody().front().getOps<tile::StageOp>()) {
        FailureOr<StageInfo> info = analyzeStage(stage);
        if (failed(info))
          continue;
        std::string launch = stage.getLaunch().str();
        if (info->role == StageRole::Attend)
          facts.streams.emplace(launch, factsOf(*info, **target));
        else
          facts.stages.emplace(launch, stageFacts(*info));
      }
  return facts;
}

} // namespace fovea::cli
