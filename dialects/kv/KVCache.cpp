// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// !kv.cache: verification and the storage plan. Spelling: KVCacheSpelling.cpp.
#include "dialects/kv/KVCache.h"

#include "dialects/kv/KVTypes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::kv;

/// The greatest key and value dim.
static constexpr int64_t maxDim = 576;
/// So that the size of a row is far from any overflow.
static constexpr int64_t maxHeads = 65536;
/// Offsets in a page are i32 everywhere and pages are meant to be small.
static constexpr int64_t maxPageTokens = 65536;
static constexpr int64_t maxTokens = 2147483647;

static bool isPlainFloat(Type type) {
  return isa_and_present<Float32Type, Float16Type, BFloat16Type>(type);
}

static bool isWord(StringRef text) {
  return !text.empty() && !llvm::isDigit(text.front()) &&
         llvm::all_of(text,
                      [](char c) { return llvm::isAlnum(c) || c == '_'; });
}

/// Whether a segment holds every token that no other one has.
static bool takesTheRest(SegmentKind kind) {
  return kind == SegmentKind::all || kind == SegmentKind::older;
}

//===----------------------------------------------------------------------===//
// Verification
//===----------------------------------------------------------------------===//

using EmitError = function_ref<InFlightDiagnostic()>;

static LogicalResult verifyLayout(EmitError emitError,
                                  const CacheLayout &layout) {
  // cache_c3
  if (layout.pageTokens < 0 || layout.pageTokens > maxPageTokens)
    return emitError() << "expected a page to hold 1 to " << maxPageTokens
                       << " tokens, got " << layout.pageTokens << " [cache_c3]";
  return success();
}

static LogicalResult verifySegment(EmitError emitError,
                                   const CacheSegment &segment) {
  StringRef name = stringifySegmentKind(segment.kind);
  // cache_c5
  bool counted = !takesTheRest(segment.kind);
  if (counted && (segment.tokens < 1 || segment.tokens > maxTokens))
    return emitError() << "expected '" << name << "' to count 1 to "
                       << maxTokens << " tokens, got " << segment.tokens
                       << " [cache_c5]";
  // cache_c7
  for (const CacheFormat &format : {segment.key, segment.value})
    if (!format.getCoded() && !isPlainFloat(format.getPlain()))
      return emitError() << "expected the format of '" << name
                         << "' to be f32, f16, bf16 or a number format, got "
                         << format.getAttribute() << " [cache_c7]";
  // cache_c11
  if (segment.layout.ring && segment.kind != SegmentKind::recent)
    return emitError() << "expected 'ring' to be the layout of 'recent', got '"
                       << name << "' [cache_c11]";
  return verifyLayout(emitError, segment.layout);
}

/// cache_c4
static LogicalResult verifyOrder(EmitError emitError,
                                 ArrayRef<CacheSegment> segments) {
  bool good = !segments.empty();
  for (size_t i = 0; i < segments.size(); ++i) {
    good &= segments[i].kind != SegmentKind::fresh;
    good &= segments[i].kind != SegmentKind::all || segments.size() == 1;
    good &= i == 0 || segments[i - 1].kind < segments[i].kind;
  }
  if (good)
    return success();
  InFlightDiagnostic diagnostic =
      emitError() << "expected segments to be 'all' alone, or some of "
                     "'first', 'older', 'recent' in that order, got [";
  llvm::interleaveComma(segments, diagnostic, [&](const CacheSegment &s) {
    diagnostic << stringifySegmentKind(s.kind);
  });
  return diagnostic << "] [cache_c4]";
}

static LogicalResult verifyKept(EmitError emitError,
                                ArrayRef<CacheSegment> segments,
                                ArrayRef<CacheKept> kept) {
  // cache_c9
  bool paged = llvm::any_of(segments, [](const CacheSegment &s) {
    return takesTheRest(s.kind) && s.layout.pageTokens;
  });
  if (!kept.empty() && !paged)
    return emitError() << "expected 'keep' to come with a paged 'all' or "
                          "'older' [cache_c9]";
  llvm::StringSet<> names;
  for (const CacheKept &entry : kept)
    if (!entry.name || !isWord(entry.name.getValue()) ||
        !names.insert(entry.name.getValue()).second)
      return emitError() << "expected the names in 'keep' to be words that "
                            "differ, got "
                         << entry.name << " [cache_c9]";
  return success();
}

LogicalResult CacheType::verify(EmitError emitError, int64_t heads,
                                int64_t keyDim, int64_t valueDim,
                                CacheLayout layout,
                                ArrayRef<CacheSegment> segments, bool drop,
                                Type newType, CacheRope rope,
                                ArrayRef<CacheKept> kept) {
  // cache_c1
  if (heads < 1 || heads > maxHeads)
    return emitError() << "expected heads of a cache to be from 1 to "
                       << maxHeads << ", got " << heads << " [cache_c1]";
  // cache_c2
  for (int64_t dim : {keyDim, valueDim})
    if (dim < 1 || dim > maxDim)
      return emitError() << "expected the dim of a cache to be from 1 to "
                         << maxDim << ", got " << dim << " [cache_c2]";
  if (failed(verifyLayout(emitError, layout)) ||
      failed(verifyOrder(emitError, segments)))
    return failure();
  for (const CacheSegment &segment : segments)
    if (failed(verifySegment(emitError, segment)))
      return failure();
  // cache_c6
  bool rest = llvm::any_of(
      segments, [](const CacheSegment &s) { return takesTheRest(s.kind); });
  if (rest == drop)
    return emitError() << (rest ? "expected no 'else = drop' where 'all' or "
                                  "'older' holds the rest [cache_c6]"
                                : "expected 'else = drop', got no segment "
                                  "'all' or 'older' for the rest [cache_c6]");
  // cache_c8
  if (!isPlainFloat(newType))
    return emitError() << "expected 'new' to be f32, f16 or bf16, got "
                       << newType << " [cache_c8]";
  // cache_c10
  if (rope != CacheRope::after && keyDim % 2 != 0)
    return emitError() << "expected the key dim to be even where the kernel "
                          "rotates, got "
                       << keyDim << " [cache_c10]";
  // cache_c11
  bool recent = llvm::any_of(segments, [](const CacheSegment &s) {
    return s.kind == SegmentKind::recent;
  });
  if (layout.ring && !recent)
    return emitError() << "expected 'layout = ring' to come with a segment "
                          "'recent' [cache_c11]";
  return verifyKept(emitError, segments, kept);
}

//===----------------------------------------------------------------------===//
// The storage plan
//===----------------------------------------------------------------------===//

bool CacheType::hasNewSegment() const {
  const CacheSegment &last = getSegments().back();
  return last.kind != SegmentKind::all || last.key.getPlain() != getNewType() ||
         last.value.getPlain() != getNewType();
}

SmallVector<SegmentPlan> CacheType::getSegmentPlans() const {
  SmallVector<SegmentPlan> plans;
  auto add = [&](const CacheSegment &segment) {
    SegmentPlan plan;
    plan.name = stringifySegmentKind(segment.kind).str();
    plan.kind = segment.kind;
    plan.tokens = segment.tokens;
    plan.pageTokens = segment.layout.pageTokens;
    plan.ring = segment.kind == SegmentKind::recent ? segment.tokens : 0;
    plan.tokenMajor = segment.layout.tokenMajor;
    plan.key = segment.key;
    plan.value = segment.value;
    if (takesTheRest(segment.kind))
      plan.kept.assign(getKept().begin(), getKept().end());
    plan.heads = getHeads();
    plan.keyDim = getKeyDim();
    plan.valueDim = getValueDim();
    plans.push_back(std::move(plan));
  };
  llvm::for_each(getSegments(), add);
  if (hasNewSegment()) {
    CacheFormat plain(getNewType());
    add({SegmentKind::fresh, 0, plain, plain, getLayout()});
  }
  return plans;
}

int64_t CacheType::getPagedSegment() const {
  for (auto [i, segment] : llvm::enumerate(getSegments()))
    if (takesTheRest(segment.kind) && segment.layout.pageTokens)
      return static_cast<int64_t>(i);
  return -1;
}

const CacheKept *CacheType::findKept(StringRef name) const {
  const CacheKept *entry = llvm::find_if(
      getKept(), [&](const CacheKept &k) { return k.name == name; });
  return entry == getKept().end() ? nullptr : entry;
}

static RankedTensorType logicalTensor(CacheType cache, int64_t dim) {
  return RankedTensorType::get(
      {ShapedType::kDynamic, cache.getHeads(), ShapedType::kDynamic, dim},
      cache.getNewType());
}

RankedTensorType CacheType::getKeyTensorType() const {
  return logicalTensor(*this, getKeyDim());
}

RankedTensorType CacheType::getValueTensorType() const {
  return logicalTensor(*this, getValueDim());
}

/// The arrays that hold one side (keys or values) of a page.
static void addParts(SmallVector<PartPlan> &parts, StringRef side,
                     const CacheFormat &format, ArrayRef<int64_t> shape) {
  FormatAttrInterface coded = format.getCoded();
  if (!coded) {
    parts.push_back(
        {side.str(), format.getPlain(), false, SmallVector<int64_t>(shape)});
    return;
  }
  auto type =
      RankedTensorType::get(shape, Float32Type::get(coded.getContext()), coded);
  for (auto [i, part] : llvm::enumerate(coded.getParts(type)))
    // The codes stand for the whole and have its name.
    parts.push_back({i ? (side + "." + part.suffix).str() : side.str(),
                     part.elementType, false, part.shape});
}

SmallVector<PartPlan> SegmentPlan::getParts() const {
  int64_t any = ShapedType::kDynamic;
  int64_t offsets = pageTokens ? pageTokens : any;
  SmallVector<PartPlan> parts;
  addParts(parts, "k", key, {any, heads, offsets, keyDim});
  addParts(parts, "v", value, {any, heads, offsets, valueDim});
  for (const CacheKept &entry : kept) {
    SmallVector<int64_t> shape = {any, heads, 2, keyDim};
    if (entry.kind == KeptKind::mean)
      shape = {any, heads, keyDim};
    parts.push_back({entry.name.str(),
                     Float32Type::get(entry.name.getContext()), true, shape});
  }
  return parts;
}
