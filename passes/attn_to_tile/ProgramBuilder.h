// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builds one tile.program from one kernel: which view stands for which value
// of the spec, what its extents are, and how stages are opened. Shared by the
// conversions of this folder.
#ifndef FOVEA_PASSES_ATTN_TO_TILE_PROGRAMBUILDER_H
#define FOVEA_PASSES_ATTN_TO_TILE_PROGRAMBUILDER_H

#include "passes/attn_to_tile/AttnToTile.h"

#include "dialects/attn/Attn.h"
#include "dialects/kv/KV.h"
#include "dialects/sel/Sel.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"

namespace fovea {

/// Extents of a view, one per dim.
using Extents = llvm::SmallVector<tile::ExtentAttr, 4>;

/// The rows of a pyramid: a view per level for keys and for values.
struct PyramidViews {
  llvm::SmallVector<int64_t> levels;
  llvm::SmallVector<mlir::Value> keys, values;
};

/// A cache argument: its segments' views, in token order.
struct CacheViews {
  kv::CacheType type;
  mlir::Value cache; ///< the program's argument
  llvm::SmallVector<tile::SegmentOp> segments;
  mlir::StringAttr tokens; ///< name of the dim that counts tokens
  bool appends = false;    ///< the kernel appends to it
  bool refreshed = false;  ///< a stage of the run keeps its metadata

  /// The segment that holds most tokens: its format decides on schedules.
  tile::SegmentOp largest();
};

class ProgramBuilder {
public:
  ProgramBuilder(mlir::func::FuncOp kernel, const ScheduleProvider &schedules);

  /// Creates the program with its arguments and maps them.
  mlir::LogicalResult begin();
  /// Moves the program in the kernel's place.
  void finish();

  mlir::func::FuncOp kernel;
  const ScheduleProvider &schedules;
  mlir::OpBuilder b;
  tile::ProgramOp program;

  // Values of the spec.
  /// The view (or scalar) that stands for `value`.
  mlir::Value view(mlir::Value value) { return views.lookup(value); }
  Extents extents(mlir::Value view) { return viewExtents.lookup(view); }
  void map(mlir::Value value, mlir::Value view) { views[value] = view; }
  llvm::DenseMap<mlir::Value, PyramidViews> pyramids;
  /// Name of the dim that counts the tokens behind dim 2 of a view; buffers
  /// inherit it.
  mlir::StringAttr tokens(mlir::Value view) { return tokenDims.lookup(view); }
  void setTokens(mlir::Value view, mlir::StringAttr name) {
    tokenDims[view] = name;
  }
  /// The cache that a value of the spec stands for, whatever was appended.
  CacheViews &cache(mlir::Value value);
  /// Scores of pages: the segment whose pages they are.
  llvm::DenseMap<mlir::Value, tile::SegmentOp> pageSegments;
  /// Lists: the view of counts beside the view of chosen units.
  llvm::DenseMap<mlir::Value, mlir::Value> counts;

  /// The view that an op's result is written to: the program's argument if the
  /// kernel returns it, else a new buffer.
  mlir::Value resultView(mlir::Value result, llvm::StringRef name,
                         const Extents &extents, mlir::Type element,
                         mlir::Attribute format = {});
  mlir::Value buffer(llvm::StringRef name, const Extents &extents,
                     mlir::Type element, mlir::Attribute format = {});

  /// The view of what the plan makes of `source`, a program argument; one for
  /// each source.
  mlir::Value table(mlir::Location loc, tile::TableRule rule,
                    mlir::Value source);

  // Extents.
  tile::ExtentAttr fixed(int64_t n);
  tile::ExtentAttr ceilDiv(tile::ExtentAttr extent, int64_t div);
  tile::ExtentAttr slots(llvm::StringRef launch);

  /// The number of sequences of a batch: dim 0 of a view [b, head, row, ..], by
  /// its name even where it is static, or a number of its own.
  tile::ExtentAttr batch(mlir::Value rows);

  // Stages.
  /// A launch name unique in the program: `base`, `base_1`, ...
  std::string launchName(llvm::StringRef base);
  /// A stage with an empty body and the builder in it.
  tile::StageOp openStage(mlir::Location loc, llvm::StringRef symbol,
                          llvm::StringRef launch, tile::Space space,
                          tile::RowsAttr rows, tile::ScheduleAttr schedule,
                          const Extents *grid = nullptr,
                          llvm::StringRef of = {}, bool service = false);
  /// Stages that write a cache: what the kernel appends, and at the end those
  /// that the cache manager runs.
  mlir::LogicalResult appendStage(kv::AppendOp op);
  void serviceStages();
  void closeStage() { b.setInsertionPointToEnd(&program.getBody().front()); }
  tile::ScheduleAttr gridSchedule(int64_t rows = 1);
  tile::RowsAttr plainRows(int64_t heads);
  tile::CodedType coded(mlir::Value view, int64_t rows);
  mlir::RankedTensorType scores(int64_t rows, int64_t keys);

private:
  mlir::FailureOr<llvm::SmallVector<llvm::StringRef>>
  dimNames(unsigned argument);

  void mapCache(mlir::BlockArgument argument, mlir::Value cache);
  tile::StageOp cacheStage(llvm::StringRef name, tile::Space space,
                           int64_t rows, const CacheViews &cache, bool service);
  void emitAppend(const CacheViews &cache, mlir::Value keys, mlir::Value values,
                  bool service);
  void emitRefresh(const CacheViews &cache, bool service);

  llvm::MapVector<mlir::Value, CacheViews> caches;
  llvm::DenseMap<mlir::Value, mlir::Value> views;
  llvm::DenseMap<std::pair<mlir::Value, unsigned>, mlir::Value>
      tables; ///< by source and rule
  llvm::DenseMap<mlir::Value, Extents> viewExtents;
  llvm::DenseMap<mlir::Value, mlir::StringAttr> tokenDims;
  llvm::StringMap<unsigned> launches;
};

// One function per op; each leaves the builder at the end of the program.
mlir::LogicalResult convertAttention(ProgramBuilder &p, attn::AttentionOp op);
mlir::LogicalResult convertPartial(ProgramBuilder &p, attn::PartialOp op);
mlir::LogicalResult convertMerge(ProgramBuilder &p, attn::MergeOp op);
mlir::LogicalResult convertEncode(ProgramBuilder &p, kv::EncodeOp op);
mlir::LogicalResult convertPool(ProgramBuilder &p, sel::PoolOp op);
mlir::LogicalResult convertScore(ProgramBuilder &p, sel::ScoreOp op);
mlir::LogicalResult convertNormalize(ProgramBuilder &p, sel::NormalizeOp op);
mlir::LogicalResult convertChoose(ProgramBuilder &p, sel::ChooseOp op);
mlir::LogicalResult convertAssign(ProgramBuilder &p, sel::ChooseLevelsOp op);
mlir::LogicalResult convertLevels(ProgramBuilder &p, sel::LevelsOp op);

} // namespace fovea

#endif // FOVEA_PASSES_ATTN_TO_TILE_PROGRAMBUILDER_H
