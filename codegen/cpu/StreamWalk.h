// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What every stream of many query rows does with an item, whatever computes its
// blocks: whose rows they are, which keys they may see, of what class a block
// is and whether a pair lives. Everything is scalar but what depends on the
// query, which has `lanes` lanes (0: a scalar as well). The builders of the CPU
// (PrefillBuilder.h) and of the GPU (codegen/gpu/templates) derive from it.
#ifndef FOVEA_CODEGEN_CPU_STREAMWALK_H
#define FOVEA_CODEGEN_CPU_STREAMWALK_H

#include "codegen/cpu/CacheAddress.h"
#include "codegen/cpu/PrefillStream.h"

namespace fovea::cpu {

namespace prefill {
constexpr float kLog2E = 1.44269504088896340736f;
constexpr float kLn2 = 0.693147180559945309417f;
/// Running maxima start here: finite, so that a row that has seen nothing
/// never computes inf - inf.
constexpr float kNoMax = -1e30f;

constexpr auto kSlt = mlir::arith::CmpIPredicate::slt;
constexpr auto kSge = mlir::arith::CmpIPredicate::sge;
constexpr auto kEq = mlir::arith::CmpIPredicate::eq;
constexpr auto kNe = mlir::arith::CmpIPredicate::ne;
} // namespace prefill

class StreamWalk {
public:
  using Value = mlir::Value;
  using Type = mlir::Type;

  virtual ~StreamWalk() = default;

protected:
  StreamWalk(mlir::OpBuilder &builder, mlir::Location loc,
             const StreamParams &p, int64_t lanes)
      : p(p), s(builder, loc, p.name, p.isa), e(s.e), lanes(lanes) {}

  // What a builder does with the walk.

  /// The tokens [lo, hi) of a segment of a cache.
  virtual void emitRows(const SegmentClass &members, Value index,
                        const SegmentRows &segment, Value lo, Value hi) = 0;

  /// Calls body once, with the query head whose list of chosen units is to be
  /// walked. Where the rows of an item have several lists, in a loop over them.
  virtual void forLists(llvm::function_ref<void(Value listHead)> body) {
    body(head);
  }

  /// Calls body with the entries [first, last) of a list; it emits at most one
  /// run of keys, of one unit.
  virtual void forEntries(Value first, Value last,
                          llvm::function_ref<void(Value entry)> body) {
    e.forLoop(first, last, e.cI64(1), body);
  }

  // The walk.

  void readViews();
  /// Sets the values of the item, below.
  void beginItem(const Item &item);
  QueryTile tileOf(const Item &item);
  /// All runs of an item over plain sources; the body is emitted once.
  void emitRuns(const Item &item, StreamParams::RunBody body);
  /// All runs of an item over a cache: emitRows once for each class.
  void emitSegments(const Item &item);
  /// The class of a block for `count` rows from `first` on; without a
  /// classifier always partial.
  Value solveClass(Value first, Value count, Value source, Value k, Value n);
  /// The class of a block for all rows of the item; null without a mask.
  Value classOfItem(Value source, Value k, Value n);
  /// Which lanes see row `key` of the source: all of its tokens must be seen.
  Value emitKeep(ElementContext &context, Value key, Value source);
  /// log2 of the number of tokens that row `key` of a source stands for.
  Value pooledBias(Value source, Value key);
  /// The token that row `key` of a source is or begins with.
  Value tokenOf(Value source, Value key);
  /// Tokens of a row of the source, i64.
  Value tokensOf(Value source);
  /// The token at a position of the walk.
  Value tokenAt(Value position);
  /// What `f` emits for the source of that number.
  Value perSource(Value source,
                  llvm::function_ref<Value(const StreamSource &, unsigned)> f,
                  Type type);
  /// A row of the item: which query of which sequence.
  struct RowPlace {
    Value b, head, position;
  };
  /// Row i of the item; for rows that do not exist, the last one.
  RowPlace placeOf(Value i);

  bool cached() const { return !p.segments.empty(); }
  bool pooled() const {
    return llvm::any_of(
        p.sources, [](const StreamSource &s) { return s.tokensPerKey != 1; });
  }
  /// A scalar as the lanes have it.
  Value spread(Value v) {
    return lanes && !Emitter::lanesOf(v) ? e.splat(v, lanes) : v;
  }

  struct SourceViews {
    View keys, values, keyScales, valueScales;
  };

  const StreamParams &p;
  StageFunction s;
  Emitter &e;
  int64_t lanes;
  /// A map has no code; MapLowering says why.
  bool refused = false;

  // Arguments.
  Value queries;
  View query, out, lse, partM, partL, splitO, splitM, splitL, sink;
  View list, listCount, rotation;
  std::vector<SourceViews> sources;
  // Of the item.
  Value itemB, head, kvHead, row, rows, rowCount, qOff, len;
  // With a cache: i1, rows of several sequences.
  Value shared, sharedFirst;

private:
  void emitLevelRuns(const QueryTile &tile, StreamParams::RunBody body);
  void forRuns(const QueryTile &tile,
               llvm::function_ref<void(Value, Value)> body);
  void emitSegment(const Item &item, const SegmentClass &members, Value index);
  void emitPages(const SegmentRows &segment, const Item &item, Value ofHead,
                 llvm::function_ref<void(Value, Value)> body);
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_STREAMWALK_H
