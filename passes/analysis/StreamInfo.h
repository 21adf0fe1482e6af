// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The roles in a tile.stage. A back end lowers a whole stage by what is read
// here; op by op it could choose neither S^T on the CPU nor warp
// specialisation on the GPU. Shared by all back ends.
#ifndef FOVEA_PASSES_ANALYSIS_STREAMINFO_H
#define FOVEA_PASSES_ANALYSIS_STREAMINFO_H

#include "dialects/tile/Tile.h"

#include "mlir/Support/LogicalResult.h"

namespace fovea {

/// What a stage does, read from its ops.
enum class StageRole {
  Attend,    ///< stream: dot -> map* -> attend; save | finish | unpack
  Score,     ///< stream: pool, dot -> map* -> store
  Combine,   ///< restore -> finish | unpack
  Merge,     ///< pack*, merge* -> finish
  Pool,      ///< load -> pool -> store
  Encode,    ///< load -> store to a view with a format
  Normalize, ///< one tile.normalize
  Choose,    ///< one tile.choose
  Assign,    ///< one tile.assign
  PageScore, ///< one tile.page_score
  Append,    ///< one tile.append
  Refresh,   ///< one tile.refresh
  Moves      ///< one tile.moves
};

/// Where the results of a stream or combine stage go; absent ones are null.
struct StageOutput {
  tile::SaveOp save;        ///< split items
  tile::FinishOp finish;    ///< o, lse of unsplit items
  tile::UnpackOp unpack;    ///< o, m, l of unsplit items
  tile::SinkOp sink;        ///< in front of either
  mlir::Value o, lse, m, l; ///< views
};

/// The roles in one stream.
struct StreamPart {
  tile::RunsOp runs;
  tile::StreamOp stream;
  tile::RotateOp keyRotation; ///< keys rotated before the dot
  tile::PoolOp keyPool;       ///< Score: keys pooled before the dot
  tile::DotOp dot;
  llvm::SmallVector<tile::MapOp> scoreMaps; ///< on(all), in order
  tile::MapOp mask;        ///< on(partial), yields i1 or an i32 level
  tile::AttendOp attend;   ///< with the probability region
  tile::SegmentOp segment; ///< of a cache; null: plain tensors
  /// Whether the mask yields levels: each source is seen where it has its own.
  bool maskGivesLevels();
};

/// The roles of one stage. Ops that the role does not have are null. The part
/// that it inherits is the first of its streams; all of a chain have the same
/// maps, dot and rotation.
struct StageInfo : StreamPart {
  tile::StageOp stage;
  StageRole role;
  // Attend and Score.
  llvm::SmallVector<StreamPart> streams; ///< in the order of the chain
  tile::LoadOp query;
  tile::PoolOp queryPool;       ///< Score: rows pooled before the dot
  tile::RotateOp queryRotation; ///< rows rotated before the dot
  StageOutput output;
  // Combine.
  tile::RestoreOp restore;
  // Merge: in the order in which they are merged.
  llvm::SmallVector<tile::PackOp> parts;
  // Pool and Encode.
  tile::LoadOp load;
  tile::PoolOp pool;
  tile::StoreOp store;
  // Normalize, Choose, Assign, PageScore, Append, Refresh, Moves.
  mlir::Operation *op = nullptr;

  /// The runs that a list or a map of levels restricts, else the first ones.
  tile::RunsOp selection();
  /// Whether an item walks its keys twice, and is whole: tile.attend.
  bool inShares();
  /// The cache that the stage reads or writes; null: plain tensors.
  mlir::Value cache();
};

/// Reads the roles of `stage`. Fails with a diagnostic at the op that breaks
/// the normal form, or at the stage for a role that is missing.
mlir::FailureOr<StageInfo> analyzeStage(tile::StageOp stage);

} // namespace fovea

#endif // FOVEA_PASSES_ANALYSIS_STREAMINFO_H
