// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which view slot, scalar slot or symbol stands for which value of a
// tile.program. The manifest and the code of every stage read it, so that both
// agree. Arguments come first, then results, then what a cache manager appends,
// then tables that the plan computes, then buffers; a view with a format takes
// two slots, codes and scales, and a cache those of its segments: the parts of
// a page, pages, ranges.
#ifndef FOVEA_CODEGEN_ABI_PROGRAMLAYOUT_H
#define FOVEA_CODEGEN_ABI_PROGRAMLAYOUT_H

#include "dialects/kv/KV.h"
#include "dialects/tile/Tile.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace fovea {

/// The slots of one segment of a cache.
struct SegmentSlots {
  kv::SegmentPlan plan;
  llvm::SmallVector<kv::PartPlan> parts;
  unsigned first; ///< slot of parts[0]; the others follow

  unsigned pages() const { return first + parts.size(); }
  unsigned ranges() const { return first + parts.size() + 1; }
  /// Slot of the part `name`, or -1.
  int part(llvm::StringRef name) const;
};

/// A cache argument and the slots of its segments, in token order.
struct CacheSlots {
  mlir::BlockArgument cache;
  std::vector<SegmentSlots> segments;
};

class ProgramLayout {
public:
  /// Reads `program`; its dims that are named and dynamic become symbols, and
  /// so do the dims that count the queries and keys of a stream.
  explicit ProgramLayout(tile::ProgramOp program);

  /// Slot of a view (of its codes, if it has a format).
  unsigned view(mlir::Value v) const { return views.lookup(v); }
  /// Slot of the scales of a view with a format.
  unsigned scales(mlir::Value v) const { return views.lookup(v) + 1; }
  unsigned scalar(mlir::Value v) const { return scalars.lookup(v); }
  /// Index of a symbol, or -1.
  int32_t symbol(llvm::StringRef name) const;

  const std::vector<std::string> &symbols() const { return names; }
  const std::vector<CacheSlots> &caches() const { return cacheSlots; }
  /// Index of a cache, or -1.
  int32_t cache(mlir::Value v) const;
  unsigned viewCount() const { return nViews; }
  unsigned scalarCount() const { return nScalars; }

private:
  void addSymbol(llvm::StringRef name);
  void addView(mlir::Value v);
  void addCache(mlir::BlockArgument cache);
  void mapCacheViews(mlir::Block &body);

  llvm::DenseMap<mlir::Value, unsigned> views, scalars;
  std::vector<CacheSlots> cacheSlots;
  std::vector<std::string> names;
  unsigned nViews = 0, nScalars = 0;
};

} // namespace fovea

#endif // FOVEA_CODEGEN_ABI_PROGRAMLAYOUT_H
