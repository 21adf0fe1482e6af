// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Names of dims by the use of an argument. The names are what --shape takes
// and what a caller reads in the manifest: equal names are equal numbers.
#include "passes/pipelines/SpecDims.h"

#include "dialects/attn/Attn.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace fovea;

namespace {
class DimNamer {
public:
  explicit DimNamer(FunctionOpInterface kernel) : kernel(kernel) {}

  void run() {
    // The op that computes the result decides first; pools, encodings and
    // scores only follow what it reads.
    kernel.walk([&](attn::AttentionOpInterface op) {
      if (op.getCache()) {
        suggestRows(op.getQuery());
        suggest(op.getRope(), "positions pairs cossin");
        suggestTables(op.getMaskAttr(), op.getMaskOperands(),
                      op.getQueryHeads(), "sk");
        suggestBiases(op.getScoreOperands(), "sq", "sk");
        return;
      }
      suggestPair(op.getQuery(), op.getSource().front());
      for (Value source : op.getSource())
        suggest(source, "b h " + keysOf(op.getSource().front()) + " d");
      suggestTables(op.getMaskAttr(), op.getMaskOperands(), op.getQueryHeads(),
                    keysOf(op.getSource().front()));
      suggestBiases(op.getScoreOperands(), queriesOf(op.getQuery()),
                    keysOf(op.getSource().front()));
      suggest(op.getOffset(), "b");
      suggest(op.getLengths(), "b");
    });
    kernel.walk([&](kv::AppendOp op) {
      suggestRows(op.getKey());
      suggestRows(op.getValue());
    });
    kernel.walk([&](sel::ScoreOp op) {
      if (op.getCache())
        return suggestRows(op.getQuery());
      suggestPair(op.getQuery(), op.getKey());
      suggestTables(op.getMaskAttr(), op.getMaskOperands(),
                    op.getQuery().getType().getDimSize(1), keysOf(op.getKey()));
      suggest(op.getOffset(), "b");
      suggest(op.getLengths(), "b");
    });
    kernel.walk([&](sel::PoolOp op) {
      suggest(op.getKey(), "b h " + keysOf(op.getKey()) + " d");
      suggest(op.getValue(), "b h " + keysOf(op.getKey()) + " d");
    });
    kernel.walk(
        [&](sel::LevelsOp op) { suggest(op.getMap(), "b h qblocks units"); });
    kernel.walk([&](sel::ChooseOp op) { suggest(op.getAmount(), "h"); });
    apply();
  }

private:
  /// The argument that `value` comes from without a change of its dims.
  static BlockArgument argumentOf(Value value) {
    while (value) {
      if (auto encode = value.getDefiningOp<kv::EncodeOp>())
        value = encode.getInput();
      else if (auto pool = value.getDefiningOp<sel::PoolOp>())
        value = pool.getKey();
      else
        break;
    }
    return dyn_cast_if_present<BlockArgument>(value);
  }

  /// The first of its kind has the plain name, another the name of its
  /// argument behind it: different keys may have different lengths.
  std::string numbered(StringRef plain, Value value,
                       SmallVectorImpl<BlockArgument> &seen) {
    BlockArgument argument = argumentOf(value);
    if (!argument)
      return plain.str();
    if (!llvm::is_contained(seen, argument))
      seen.push_back(argument);
    if (seen.front() == argument)
      return plain.str();
    return plain.str() + "_" + nameOf(argument.getArgNumber());
  }

  std::string nameOf(unsigned argument) {
    auto name =
        kernel.getArgAttrOfType<StringAttr>(argument, attn::nameAttrName);
    return name ? name.str() : "arg" + std::to_string(argument);
  }

  std::string queriesOf(Value query) { return numbered("sq", query, queries); }
  std::string keysOf(Value key) { return numbered("sk", key, keys); }

  void suggestPair(Value query, Value key) {
    suggest(query, "b h " + queriesOf(query) + " d");
    suggest(key, "b h " + keysOf(key) + " d");
  }

  /// Rows of a batch: the number of positions of a sequence is that of the
  /// query's, whatever the tensor.
  void suggestRows(Value rows) {
    auto type = cast<RankedTensorType>(rows.getType());
    suggest(rows, type.getRank() == 3 ? "rows h d" : "b h sq d");
  }

  /// Tables of a mask: numbers by head, or a table by token. Boundaries are as
  /// many as they are; of rank 4 are those of flashmask.
  void suggestTables(Attribute mask, ValueRange tables, int64_t heads,
                     const std::string &sk) {
    for (auto [i, table] : llvm::enumerate(tables)) {
      auto type = dyn_cast<RankedTensorType>(table.getType());
      if (!type)
        continue;
      if (sel::isBoundaries(mask, i)) {
        if (auto argument = argumentOf(table); argument && type.getRank() == 2)
          suggest(table, "b " + nameOf(argument.getArgNumber()) + "_1");
        continue;
      }
      if (sel::isSlices(mask, i)) {
        if (auto argument = argumentOf(table)) {
          std::string own = nameOf(argument.getArgNumber());
          suggest(table, (type.getRank() == 3 ? "b " : "") + own + "_slices " +
                             own + "_ends");
        }
        continue;
      }
      if (type.getRank() == 1)
        suggest(table, type.getDimSize(0) == heads ? "h" : sk);
      else if (type.getRank() == 2)
        suggest(table, "b " + sk);
      else if (type.getRank() == 4)
        suggest(table, "b h " + sk + " columns");
    }
  }

  void suggestBiases(ValueRange tables, const std::string &sq,
                     const std::string &sk) {
    for (Value table : tables)
      if (auto type = dyn_cast<RankedTensorType>(table.getType()))
        suggest(table, type.getRank() == 4 ? "b h " + sq + " " + sk : "h");
  }

  void suggest(Value value, const std::string &dims) {
    BlockArgument argument = argumentOf(value);
    if (argument && argument.getOwner() == &kernel.getFunctionBody().front())
      suggestions.try_emplace(argument.getArgNumber(), dims);
  }

  void apply() {
    for (unsigned i = 0; i < kernel.getNumArguments(); ++i) {
      auto type = dyn_cast<RankedTensorType>(kernel.getArgumentTypes()[i]);
      if (!type || kernel.getArgAttr(i, attn::dimsAttrName))
        continue;
      std::string dims = suggestions.lookup(i);
      // A table that only a region reads, or a use that nothing above knows.
      if (dims.empty() || StringRef(dims).count(' ') + 1 !=
                              static_cast<size_t>(type.getRank())) {
        SmallVector<std::string> words;
        for (int64_t d = 0; d < type.getRank(); ++d)
          words.push_back(nameOf(i) + "_" + std::to_string(d));
        dims = llvm::join(words, " ");
      }
      kernel.setArgAttr(i, attn::dimsAttrName,
                        StringAttr::get(kernel->getContext(), dims));
    }
  }

  FunctionOpInterface kernel;
  SmallVector<BlockArgument> queries, keys;
  llvm::MapVector<unsigned, std::string> suggestions;
};
} // namespace

void fovea::nameDims(FunctionOpInterface kernel) { DimNamer(kernel).run(); }
