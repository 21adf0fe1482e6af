// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// See the header.
#include "test/zoo/Compose.h"

#include "codegen/jit/Phases.h"
#include "codegen/target/Targets.h"
#include "dialects/reference/Interpreter.h"
#include "dialects/sel/masks/Masks.h"
#include "dialects/tile/Tile.h"
#include "passes/pipelines/SpecLoader.h"
#include "tools/fovea/Random.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"

#include <limits>

using namespace fovea;
using namespace fovea::zoo;
using namespace fovea::masktest;
using namespace mlir;

//===--- random expressions -----------------------------------------------===//

namespace {

class Writer {
public:
  Writer(Composition &out, uint64_t seed) : out(out), random(seed) {}

  std::string mask(int depth) {
    int64_t kind = depth > 0 ? pick(10) : 9;
    if (kind < 3)
      return join(" and ", depth);
    if (kind < 5)
      return join(" or ", depth);
    if (kind == 5)
      return "not " + nested(depth - 1);
    if (kind == 6) {
      std::string text = "heads(" + byHead(-1, 2);
      for (int64_t i = 0, n = 1 + pick(3); i < n; ++i)
        text += ", " + mask(depth - 1);
      return text + ")";
    }
    if (kind == 7)
      return "blocks(" + number(1, 9) + ", " + mask(depth - 1) + ")";
    return word();
  }

  /// A word without masks as arguments. Each has a line here.
  std::string word() {
    using Make = std::function<std::string()>;
    static constexpr int64_t far = Composition::tokens + 5;
    const std::pair<const char *, Make> lines[] = {
        {"causal", [&] { return std::string("causal"); }},
        {"window",
         [&] {
           if (pick(2))
             return "window(" + number(1, far) + ")";
           auto side = [&] { return pick(5) ? number(0, far) : "inf"; };
           return "window(" + side() + ", " + side() + ")";
         }},
        {"sink", [&] { return "sink(" + number(0, far) + ")"; }},
        {"prefix", [&] { return "prefix(" + number(0, far) + ")"; }},
        {"chunked", [&] { return "chunked(" + withFirst() + ")"; }},
        {"block_causal", [&] { return "block_causal(" + withFirst() + ")"; }},
        {"dilated", [&] { return "dilated(" + number(1, 12) + ")"; }},
        {"columns",
         [&] {
           return "columns(" + number(1, 17) + ", " + number(0, 20) + ", " +
                  number(0, 12) + ")";
         }},
        {"queries", [&] { return "queries(" + number(0, far) + ")"; }},
        {"global", [&] { return "global(" + number(0, far) + ")"; }},
        {"documents",
         [&] {
           return pick(2) ? "documents(" + table(0, 2 + pick(5)) + ")"
                          : "documents(cu_seqlens(" + boundaries() + "))";
         }},
        {"flashmask",
         [&] {
           bool causal = pick(2);
           int64_t columns = causal ? 1 + pick(2) : 2 + 2 * pick(2);
           return std::string("flashmask(") + (causal ? "causal, " : "") +
                  rows(columns) + ")";
         }},
        {"slices", [&] { return "slices(" + slices() + ")"; }},
        {"neighborhood", [&] { return neighborhood(); }},
        {"tree", [&] { return "tree(" + parents() + ")"; }},
    };
    SmallVector<const Make *> known;
    for (auto &[name, make] : lines)
      for (const sel::MaskWord &other : sel::maskWords())
        if (other.word == name) {
          known.push_back(&make);
          if (names)
            names->insert(name);
        }
    return (*known[pick(known.size())])();
  }

  std::set<std::string> *names = nullptr;

private:
  int64_t pick(int64_t n) { return random.integer(0, n - 1); }

  std::string nested(int depth) { return "(" + mask(depth) + ")"; }
  std::string join(const char *with, int depth) {
    std::string text = nested(depth - 1);
    for (int64_t i = 0, n = 1 + pick(2); i < n; ++i)
      text += with + nested(depth - 1);
    return text;
  }
  std::string withFirst() {
    std::string text = number(1, 16);
    return pick(3) ? text : text + ", " + number(0, 20);
  }

  std::string neighborhood() {
    auto n = [&](int64_t lo, int64_t hi) {
      return std::to_string(random.integer(lo, hi));
    };
    switch (pick(3)) {
    case 0:
      return "neighborhood(grid(40), window(" + n(3, 9) + "), stride(" +
             n(1, 3) + "))";
    case 1:
      return "neighborhood(grid(5, 8), window(" + n(1, 4) + ", " + n(2, 4) +
             "), dilation(1, 2), causal(" + n(0, 1) + "))";
    default:
      return "neighborhood(grid(2, 4, 5), window(" + n(1, 2) + ", " + n(1, 4) +
             ", " + n(1, 5) + "))";
    }
  }
  /// Paths through a forest; an entry that is no parent ends its path.
  std::string parents() {
    std::vector<int64_t> numbers;
    for (int64_t i = 0; i < Composition::tokens; ++i)
      numbers.push_back(random.integer(-1, pick(9) ? i - 1 : i + 1));
    return add("tensor<?xi32>", numbers);
  }

  std::string add(std::string type, std::vector<int64_t> numbers) {
    out.operands.push_back({type, std::move(numbers)});
    return "%t" + std::to_string(out.operands.size() - 1) + " : " + type;
  }
  std::string byHead(int64_t lo, int64_t hi) {
    std::vector<int64_t> numbers;
    for (int64_t h = 0; h < Composition::heads; ++h)
      numbers.push_back(random.integer(lo, hi));
    return add(pick(4) ? "tensor<2xi32>" : "tensor<2xi64>", numbers);
  }
  /// A literal, a scalar, or one by head; the last two not always sensible: a
  /// size may be below 1.
  std::string number(int64_t lo, int64_t hi) {
    if (pick(3))
      return std::to_string(random.integer(lo, hi));
    lo -= pick(4) ? 0 : 3;
    if (pick(2))
      return byHead(lo, hi);
    static constexpr const char *types[] = {"i32", "i64", "index"};
    return add(types[pick(3)], {random.integer(lo, hi)});
  }
  /// A table by token: sorted, or not.
  std::string table(int64_t lo, int64_t hi) {
    std::vector<int64_t> numbers;
    for (int64_t i = 0; i < Composition::tokens; ++i)
      numbers.push_back(random.integer(lo, hi));
    if (pick(3))
      std::sort(numbers.begin(), numbers.end());
    return add("tensor<?xi32>", numbers);
  }

  /// Ends of intervals of rows for each key.
  std::string rows(int64_t columns) {
    std::vector<int64_t> numbers;
    for (int64_t i = 0; i < Composition::tokens * columns; ++i)
      numbers.push_back(random.integer(-3, Composition::tokens + 4));
    return add("tensor<1x1x?x" + std::to_string(columns) + "xi32>", numbers);
  }
  /// Slices of all types and of none, with ends in any order.
  std::string slices() {
    std::vector<int64_t> numbers;
    int64_t n = 1 + pick(4);
    for (int64_t i = 0; i < n; ++i) {
      for (int end = 0; end < 4; ++end)
        numbers.push_back(random.integer(-3, Composition::tokens + 4));
      if (pick(4)) {
        std::sort(numbers.end() - 4, numbers.end() - 2);
        std::sort(numbers.end() - 2, numbers.end());
      }
      numbers.push_back(random.integer(-1, 4));
    }
    return add("tensor<" + std::to_string(n) + "x5xi32>", numbers);
  }
  /// Boundaries of documents; some tokens may be before or behind them.
  std::string boundaries() {
    std::vector<int64_t> numbers;
    for (int64_t i = 0; i < Composition::tokens; ++i)
      numbers.push_back(random.integer(-2, Composition::tokens + 4));
    std::sort(numbers.begin(), numbers.end());
    return add("tensor<?xi32>", numbers);
  }

  Composition &out;
  Random random;
};

} // namespace

Composition::Composition(uint64_t seed) { mask = Writer(*this, seed).mask(3); }

std::set<std::string> Composition::words() {
  Composition any(0);
  std::set<std::string> names{"heads", "blocks"};
  Writer writer(any, 0);
  writer.names = &names;
  writer.word();
  return names;
}

std::string Composition::spec() const {
  std::string text = "!q = tensor<?x2x?x2xf32>\n"
                     "func.func @composed(%q: !q, %k: !q, %v: !q";
  for (size_t i = 0; i < operands.size(); ++i)
    text +=
        ", %t" + std::to_string(i) + ": " + operands[i].type +
        (operands[i].type == "tensor<?xi32>" ? " {attn.dims = \"sk\"}" : "");
  return text +
         ") -> !q attributes {attn.kernel} {\n"
         "  %o = attn.attention %q, %k, %v mask" +
         (mask[0] == '{' ? mask : "(" + mask + ")") +
         " : (!q, !q, !q) -> !q\n"
         "  return %o : !q\n}\n";
}

//===--- solving ----------------------------------------------------------===//

struct ComposedMask::State {
  Composition composition;
  OwningOpRef<ModuleOp> spec;
  func::FuncOp kernel;
  std::unique_ptr<IrMachine> machine;
  /// An operand of the mask: one of the composition, or a table that a plan
  /// makes of one.
  struct Read {
    size_t operand;
    std::optional<tile::TableRule> rule;
  };
  std::vector<Read> reads;
  std::vector<int64_t> summaries;
  std::string problem;
  bool visible = false; ///< the mask hides nothing and is gone
  int bounds = -1, classify = -1, keep = -1;

  // Of the call that is checked.
  std::vector<IrTable> tables;
  std::vector<IrMachine::Word> inputs;

  void bind(int64_t tokens);
  /// Calls a function with the inputs and numbers; -100 if it failed.
  int64_t call(int function, llvm::ArrayRef<int64_t> numbers,
               IrTable *runs = nullptr);
};

/// The shape of a table in a call of `tokens`; empty for a number.
static std::vector<int64_t> shapeOf(const ComposedOperand &operand,
                                    int64_t tokens) {
  llvm::StringRef type = operand.type;
  if (!type.consume_front("tensor<"))
    return {};
  int64_t size = int64_t(operand.numbers.size());
  if (type.consume_front("1x1x?x"))
    return {1, 1, tokens, size / Composition::tokens};
  if (type.contains("x5xi32"))
    return {size / 5, 5};
  return {type.starts_with("?") ? tokens : size};
}

/// The summary of a table along an axis (fovea/abi.h).
static IrTable summarise(const IrTable &table, size_t axis) {
  constexpr int64_t block = FOVEA_SUMMARY_BLOCK;
  int64_t n = table.shape[axis], blocks = (n + block - 1) / block, step = 1;
  for (size_t d = axis + 1; d < table.shape.size(); ++d)
    step *= table.shape[d];
  IrTable out{table.shape, {}};
  out.shape[axis] = blocks + 1;
  out.shape.push_back(2);
  // No axis before this one has more than one place.
  for (int64_t at = 0; at <= blocks; ++at) {
    int64_t begin = at < blocks ? at * block : 0;
    int64_t end = at < blocks ? std::min(n, begin + block) : n;
    for (int64_t inner = 0; inner < step; ++inner) {
      int64_t least = std::numeric_limits<int64_t>::max();
      int64_t most = std::numeric_limits<int64_t>::min();
      for (int64_t i = begin; i < end; ++i) {
        int64_t entry = table.data[size_t(i * step + inner)];
        least = std::min(least, entry);
        most = std::max(most, entry);
      }
      out.data.push_back(least);
      out.data.push_back(most);
    }
  }
  return out;
}

/// (enter, exit) of every token in its tree of parents: a parent that is
/// negative or not below its own index makes a root. Children come before the
/// parent's next sibling, so that subtrees are intervals. As the table `rule`.
static IrTable lineages(const IrTable &parents, tile::TableRule rule) {
  int64_t n = parents.shape[0];
  std::vector<int64_t> size(size_t(n), 1), next(size_t(n), 0);
  auto parentOf = [&](int64_t i) {
    int64_t parent = parents.data[size_t(i)];
    return parent >= 0 && parent < i ? parent : -1;
  };
  for (int64_t i = n; i-- > 0;)
    if (int64_t parent = parentOf(i); parent >= 0)
      size[size_t(parent)] += size[size_t(i)];
  IrTable out{{n}, {}};
  int64_t nextRoot = 0;
  for (int64_t i = 0; i < n; ++i) {
    int64_t parent = parentOf(i);
    int64_t &place = parent < 0 ? nextRoot : next[size_t(parent)];
    int64_t enter = place;
    place += size[size_t(i)];
    next[size_t(i)] = enter + 1;
    out.data.push_back(rule == tile::TableRule::Lineage
                           ? size[size_t(i)] >> 8 << 20 | enter
                           : (size[size_t(i)] & 255) - (1 << 7));
  }
  return out;
}

void ComposedMask::State::bind(int64_t tokens) {
  tables.clear();
  inputs.clear();
  tables.reserve(reads.size() + summaries.size() / 2); // pointed to
  auto add = [&](IrTable table) {
    tables.push_back(std::move(table));
    IrMachine::Word word;
    word.table = &tables.back();
    inputs.push_back(word);
  };
  for (auto [i, rule] : reads) {
    const ComposedOperand &operand = composition.operands[i];
    IrTable table{shapeOf(operand, tokens), operand.numbers};
    int64_t entries = 1;
    for (int64_t extent : table.shape)
      entries *= extent;
    table.data.resize(size_t(entries));
    if (rule == tile::TableRule::Lineage ||
        rule == tile::TableRule::LineageSize)
      add(lineages(table, *rule));
    else if (llvm::StringRef(operand.type).starts_with("tensor"))
      add(std::move(table));
    else
      inputs.push_back({operand.numbers[0]});
  }
  for (size_t i = 0; i < summaries.size(); i += 2)
    add(summarise(*inputs[size_t(summaries[i])].table,
                  size_t(summaries[i + 1])));
}

int64_t ComposedMask::State::call(int function, llvm::ArrayRef<int64_t> numbers,
                                  IrTable *runs) {
  std::vector<IrMachine::Word> arguments = inputs;
  for (int64_t number : numbers)
    arguments.push_back({number});
  if (runs) {
    IrMachine::Word word;
    word.table = runs;
    arguments.push_back(word);
  }
  IrMachine::Word result{0};
  return machine->call(function, arguments, result) ? result.i : -100;
}

ComposedMask::ComposedMask(MLIRContext &context, const Composition &composition,
                           const ModuleFault &fault)
    : state(new State{composition, {}, {}, {}, {}, {}, {}}) {
  std::string text = composition.spec();
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    if (d.getSeverity() == DiagnosticSeverity::Error)
      state->problem += d.str() + "\n";
    return success();
  });
  state->spec = loadSpec(context, text, "composed.mlir", {});
  if (!state->spec)
    return;
  state->kernel = *state->spec->getOps<func::FuncOp>().begin();
  OwningOpRef<ModuleOp> module = state->spec->clone();
  static const TargetInfo target = describeX86V3();
  if (failed(planSpec(*module)) || failed(lowerToTile(*module, target)))
    return;
  if (fault)
    fault(*module);
  tile::RunsOp runs;
  module->walk([&](tile::RunsOp op) { runs = op; });
  state->visible = !runs.getMask();
  if (state->visible)
    return;
  std::string prefix = runs.getMask()->str();
  // The program's arguments are q, k, v, then those of the composition.
  for (mlir::Value operand : runs.getOperands_()) {
    auto table = operand.getDefiningOp<tile::TableOp>();
    mlir::Value argument = table ? table.getSource() : operand;
    state->reads.push_back(
        {cast<BlockArgument>(argument).getArgNumber() - 3u,
         table ? std::optional(table.getRule()) : std::nullopt});
  }
  if (auto summaries = runs.getSummaries())
    state->summaries.assign(summaries->begin(), summaries->end());
  state->machine = std::make_unique<IrMachine>(*module);
  state->bounds = state->machine->find(prefix + "_bounds");
  state->classify = state->machine->find(prefix + "_class");
  state->keep = state->machine->find(prefix + "_keep");
}

ComposedMask::~ComposedMask() = default;

std::string ComposedMask::problem() const {
  if (!state->problem.empty())
    return state->problem;
  return state->machine ? state->machine->error : "";
}

//===--- checking ---------------------------------------------------------===//

/// `args` of the C signatures is the state.
static ComposedMask::State &stateOf(const fovea_abi_args *args);

/// What row `i` of head `h` sees by the reference.
static llvm::Error addRow(func::FuncOp kernel,
                          const std::vector<reference::Value> &arguments,
                          int64_t h, int64_t i, int64_t sk,
                          std::vector<char> &live) {
  reference::Report report;
  report.row = {0, h, i};
  report.stride = std::numeric_limits<int64_t>::max();
  auto results = reference::evaluate(kernel, arguments, &report);
  if (!results)
    return results.takeError();
  size_t row = live.size();
  live.resize(row + size_t(sk), 0);
  for (auto [first, count] : report.sights[0].keys)
    std::fill_n(live.begin() + int64_t(row) + first, count, 1);
  return llvm::Error::success();
}

llvm::Error ComposedMask::check(Shape shape, Report &report,
                                llvm::ArrayRef<TileShape> tiles) {
  const Composition &composition = state->composition;
  std::vector<reference::Value> arguments;
  auto tensor = [](std::vector<int64_t> shape) {
    return reference::Tensor(std::move(shape));
  };
  arguments.push_back(tensor({1, Composition::heads, shape.sq, 2}));
  for (int i = 0; i < 2; ++i)
    arguments.push_back(tensor({1, Composition::heads, shape.sk, 2}));
  for (const ComposedOperand &operand : composition.operands) {
    if (!llvm::StringRef(operand.type).starts_with("tensor")) {
      arguments.push_back(reference::Scalar{operand.numbers[0], 0});
      continue;
    }
    reference::Tensor table(shapeOf(operand, shape.sk));
    for (int64_t i = 0; i < table.size(); ++i)
      table.data[size_t(i)] = double(operand.numbers[size_t(i)]);
    arguments.push_back(std::move(table));
  }
  shape.offset = shape.sk - shape.sq;
  state->bind(shape.sk);
  MaskFunctions functions{};
  functions.args = reinterpret_cast<const fovea_abi_args *>(state.get());
  functions.bounds = [](const fovea_abi_args *args, int64_t b, int64_t h,
                        int64_t q0, int64_t q1, int64_t len,
                        fovea_abi_run *out) {
    State &s = stateOf(args);
    IrTable runs{{FOVEA_ABI_MAX_RUNS, 2}, {}};
    runs.data.resize(2 * FOVEA_ABI_MAX_RUNS);
    int64_t n = s.call(s.bounds, {b, h, q0, q1, len}, &runs);
    for (size_t i = 0; i < FOVEA_ABI_MAX_RUNS; ++i)
      out[i] = {runs.data[2 * i], runs.data[2 * i + 1]};
    return int32_t(n);
  };
  functions.classify = [](const fovea_abi_args *args, int64_t b, int64_t h,
                          int64_t q0, int64_t q1, int64_t k0, int64_t k1,
                          int64_t len) {
    State &s = stateOf(args);
    return int32_t(s.call(s.classify, {b, h, q0, q1, k0, k1, len}));
  };
  functions.keep = [](const fovea_abi_args *args, int64_t b, int64_t h,
                      int64_t q, int64_t k, int64_t len) {
    State &s = stateOf(args);
    return int32_t(s.call(s.keep, {b, h, q, k, len}));
  };
  for (int64_t h = 0; h < Composition::heads; ++h) {
    Picture picture{functions, report, shape, 0, h, {}};
    for (int64_t i = 0; i < shape.sq; ++i)
      if (llvm::Error error =
              addRow(state->kernel, arguments, h, i, shape.sk, picture.live))
        return error;
    if (state->visible) {
      report.keepWrong +=
          std::count(picture.live.begin(), picture.live.end(), 0);
      continue;
    }
    picture.checkKeep();
    for (TileShape tile : tiles)
      picture.check(tile);
  }
  return llvm::Error::success();
}

static ComposedMask::State &stateOf(const fovea_abi_args *args) {
  return *const_cast<ComposedMask::State *>(
      reinterpret_cast<const ComposedMask::State *>(args));
}
