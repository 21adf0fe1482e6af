// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a cache's type is made of, and the storage plan that it resolves to. For
// the type itself, for lowering and for the manifest.
#ifndef FOVEA_DIALECTS_KV_KVCACHE_H
#define FOVEA_DIALECTS_KV_KVCACHE_H

#include "dialects/kv/KVInterfaces.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/Hashing.h"

#include "dialects/kv/KVEnums.h.inc"

namespace fovea::kv {

/// How the tokens of a segment lie in memory.
struct CacheLayout {
  int64_t pageTokens = 0; ///< 0: contiguous
  bool tokenMajor = false;
  bool ring = false; ///< written as `ring`; contiguous otherwise

  bool operator==(const CacheLayout &o) const {
    return pageTokens == o.pageTokens && tokenMajor == o.tokenMajor &&
           ring == o.ring;
  }
  bool operator!=(const CacheLayout &o) const { return !(*this == o); }
};
inline llvm::hash_code hash_value(const CacheLayout &l) {
  return llvm::hash_combine(l.pageTokens, l.tokenMajor, l.ring);
}

/// The format of keys or values: a plain element type or a number format.
class CacheFormat {
public:
  CacheFormat() = default;
  /// A TypeAttr or a FormatAttrInterface.
  explicit CacheFormat(mlir::Attribute attribute) : attribute(attribute) {}
  explicit CacheFormat(mlir::Type plain)
      : attribute(mlir::TypeAttr::get(plain)) {}

  mlir::Attribute getAttribute() const { return attribute; }
  /// The element type, or null for a number format.
  mlir::Type getPlain() const {
    auto type = llvm::dyn_cast_if_present<mlir::TypeAttr>(attribute);
    return type ? type.getValue() : mlir::Type();
  }
  /// The number format, or null for plain elements.
  FormatAttrInterface getCoded() const {
    return llvm::dyn_cast_if_present<FormatAttrInterface>(attribute);
  }
  bool operator==(const CacheFormat &o) const {
    return attribute == o.attribute;
  }
  bool operator!=(const CacheFormat &o) const { return !(*this == o); }

private:
  mlir::Attribute attribute;
};
inline llvm::hash_code hash_value(const CacheFormat &f) {
  return mlir::hash_value(f.getAttribute());
}

/// A segment as it is written, with its layout resolved.
struct CacheSegment {
  SegmentKind kind;
  int64_t tokens; ///< of first(n) and recent(n); else 0
  CacheFormat key, value;
  CacheLayout layout;

  bool operator==(const CacheSegment &o) const {
    return kind == o.kind && tokens == o.tokens && key == o.key &&
           value == o.value && layout == o.layout;
  }
};
inline llvm::hash_code hash_value(const CacheSegment &s) {
  return llvm::hash_combine(s.kind, s.tokens, s.key, s.value, s.layout);
}

/// Metadata that append keeps of every page of `all` or `older`.
struct CacheKept {
  mlir::StringAttr name;
  KeptKind kind;

  bool operator==(const CacheKept &o) const {
    return name == o.name && kind == o.kind;
  }
};
inline llvm::hash_code hash_value(const CacheKept &k) {
  return llvm::hash_combine(mlir::hash_value(k.name), k.kind);
}

/// One array of a segment's pages.
struct PartPlan {
  std::string name; ///< "k", "k.scale", "v", "v.scale", or that of metadata
  mlir::Type elementType;
  bool perPage; ///< metadata; else per token
  /// Of the view: [page, head, offset, chan], without chan for scales, and
  /// [page, head, ..] for metadata. Dynamic: the number of pages, and the
  /// tokens of a contiguous page.
  llvm::SmallVector<int64_t> shape;
};

/// The resolved storage of one segment.
struct SegmentPlan {
  std::string name; ///< "all", "first", "older", "recent", "new"
  SegmentKind kind;
  int64_t tokens;     ///< of first(n) and recent(n); else 0
  int64_t pageTokens; ///< 0: contiguous
  int64_t ring;       ///< slots; 0: not a ring
  bool tokenMajor;    ///< a page is [offset, head, chan]
  CacheFormat key, value;
  llvm::SmallVector<CacheKept> kept; ///< only of `all` or `older`
  int64_t heads, keyDim, valueDim;

  /// The arrays of a page in the order in which they are stored: k, its scales,
  /// v, its scales, metadata.
  llvm::SmallVector<PartPlan> getParts() const;
};

} // namespace fovea::kv

#endif // FOVEA_DIALECTS_KV_KVCACHE_H
