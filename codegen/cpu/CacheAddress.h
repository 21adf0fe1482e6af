// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where the tokens of a cache's segments lie. Streams walk a segment in blocks
// of keys; where its rows are no arithmetic sequence (pages, rings) the block
// gets tables of its rows' addresses, made while the block before it runs, so
// that they can be prefetched.
#ifndef FOVEA_CODEGEN_CPU_CACHEADDRESS_H
#define FOVEA_CODEGEN_CPU_CACHEADDRESS_H

#include "codegen/cpu/CacheSource.h"
#include "codegen/cpu/StageAbi.h"

#include <optional>

namespace fovea::cpu {

/// Segments that the same code can read: their slots and sizes may differ.
struct SegmentClass {
  Elem k, v;
  bool kCoded, vCoded; ///< some have scales
  bool affine;         ///< contiguous, no ring
  bool listed;
  llvm::SmallVector<unsigned> members;
};

/// In the order of their first members.
std::vector<SegmentClass> classesOf(llvm::ArrayRef<CacheSource> segments);
/// The same for code that tells formats apart itself: only lists matter, and
/// no class is affine.
std::vector<SegmentClass> mixedClasses(llvm::ArrayRef<CacheSource> segments);
/// A number of member `index` (i64) of the class.
mlir::Value pickMember(Emitter &e, llvm::ArrayRef<CacheSource> segments,
                       const SegmentClass &members, mlir::Value index,
                       llvm::function_ref<int64_t(const CacheSource &)> number);

/// The same of the member whose segment is number `segment` (i64).
mlir::Value
pickSegment(Emitter &e, llvm::ArrayRef<CacheSource> segments,
            const SegmentClass &members, mlir::Value segment,
            llvm::function_ref<int64_t(const CacheSource &)> number);

/// One part of a segment for one sequence and KV head: the row at offset o of
/// page g is at data + g * page + o * row.
struct PartRows {
  mlir::Value data, page, row, head; ///< distances in bytes
  mlir::Value stride;                ///< of rows, in elements
};

/// A segment as one sequence and KV head see it.
struct SegmentRows {
  mlir::Value begin, end, base, shift; ///< i64, see fovea_abi_range
  mlir::Value table;                   ///< address of its first page's number
  mlir::Value pageTokens, ring;        ///< huge where there is none
  bool wraps = false;                  ///< some member is a ring
  PartRows k, v, kScale, vScale;       ///< scales: null data without
};

/// Reads the range of sequence b and the views of member `index` (i64) of the
/// class.
SegmentRows loadSegment(StageFunction &f, llvm::ArrayRef<CacheSource> segments,
                        const SegmentClass &members, mlir::Value index,
                        mlir::Value b, mlir::Value kvHead);

/// The range of sequence b in a view of ranges.
struct RangeValues {
  mlir::Value begin, end, base, table, shift;
};
RangeValues loadRange(Emitter &e, const View &ranges, mlir::Value b);

/// The view of `batch_tree` that a rotation reads; null data where it reads
/// none.
View treeView(StageFunction &f, const RopeParams &rope);
/// The position of token `token` of sequence b (i64) in the tree of the batch;
/// `token` itself where `tree` has null data.
mlir::Value treePosition(Emitter &e, const View &tree, mlir::Value b,
                         mlir::Value token);

/// Where the query at token `token` of sequence b turns (all i64). A query at a
/// dropped token turns as the first token behind the gap does.
mlir::Value queryPosition(StageFunction &f, const RopeParams &rope,
                          llvm::ArrayRef<CacheSource> segments, mlir::Value b,
                          mlir::Value token);

/// Tables of a block's rows: byte offsets (i64) from the part's data, the same
/// for all heads. Null tables are not written. Room: see rowTableEntries.
struct RowTables {
  mlir::Value k, v, kScale, vScale;
};
/// Entries of each table for blocks of `keys`.
int64_t rowTableEntries(int64_t keys);
/// Fills the tables for the tokens [first, first + n), 1 <= n <= count; the
/// entries from n to `count` repeat the last one.
void emitRowTables(Emitter &e, const SegmentRows &segment,
                   const RowTables &tables, mlir::Value first, mlir::Value n,
                   int64_t count);

/// Address of token 0 in a part of an affine segment.
mlir::Value affineBase(Emitter &e, const SegmentRows &segment,
                       const PartRows &part);

/// A token's page in the sequence's table, and its offset in the page.
std::pair<mlir::Value, mlir::Value>
locate(Emitter &e, const SegmentRows &segment, mlir::Value token);
/// The same of a slot: the token less the segment's base, in a ring wrapped.
std::pair<mlir::Value, mlir::Value>
locateSlot(Emitter &e, const SegmentRows &segment, mlir::Value slot);

/// Writes dim f32 at `to`: the row at `from` turned by the angles of
/// `position`, times `scale` (f32) unless null. `table` is the view of the
/// rotation.
void emitRotate(Emitter &e, const RopeParams &rope, const View &table,
                Elem elem, int64_t dim, mlir::Value from, mlir::Value scale,
                mlir::Value position, mlir::Value to);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_CACHEADDRESS_H
