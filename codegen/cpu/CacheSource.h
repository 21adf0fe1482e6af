// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the stage builders are told about a KV cache: view slots and static
// numbers of its segments (abi.h says how a token is found), and the rotation
// of keys that are stored without it.
#ifndef FOVEA_CODEGEN_CPU_CACHESOURCE_H
#define FOVEA_CODEGEN_CPU_CACHESOURCE_H

#include "codegen/cpu/Emitter.h"

#include <vector>

namespace fovea::cpu {

/// One segment: views [page, head, offset, chan] of keys and values, [page,
/// head, offset] of the f32 scales of codes, the table of pages (i32) and the
/// ranges of the sequences (i64 [b, 8], fovea_abi_range).
struct CacheSource {
  unsigned k = 0, v = 0;
  int kScale = -1, vScale = -1;
  Elem kElem = Elem::F32, vElem = Elem::F32;
  unsigned pages = 0, ranges = 0;
  int64_t pageTokens = 0; ///< 0: contiguous, a sequence has one page
  int64_t ring = 0;       ///< slots; 0: no ring
  /// A list of chosen pages holds for this segment; the others are seen whole.
  bool listed = false;
};

/// `rope = before | slot`: queries are rotated when they are packed, keys when
/// they are read.
struct RopeParams {
  enum Rule {
    None,
    Before, ///< a token's position is its index
    Slot    ///< its index minus the `shift` of its segment's range; a query's:
            ///< queryPosition
  };
  Rule rule = None;
  /// Channel i turns with i + dim / 2, or 2i with 2i + 1.
  bool halves = true;
  unsigned table = 0; ///< view f32 [position, dim / 2, 2]: cos, sin
  /// View of `batch_tree`: the index of an uncommitted row is its position
  /// there. -1: rows are chains.
  int tree = -1;
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_CACHESOURCE_H
