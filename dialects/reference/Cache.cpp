// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Caches by their definition: ranges follow from the number of committed
// tokens, values from the chain of roundings on the way through the segments.
#include "dialects/reference/Cache.h"
#include "dialects/reference/Select.h"

#include "dialects/reference/Interpreter.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace fovea;
using namespace fovea::reference;
using kv::SegmentKind;

Cache::Cache(kv::CacheType type) : cacheType(type) {
  llvm::SmallVector<kv::SegmentPlan> plans = type.getSegmentPlans();
  segments.assign(plans.begin(), plans.end());
}

//===----------------------------------------------------------------------===//
// Sequences
//===----------------------------------------------------------------------===//

static llvm::Error unknownSequence(uint64_t sequence) {
  return llvm::createStringError("expected a sequence of the cache, got %llu",
                                 (unsigned long long)sequence);
}

llvm::Expected<Cache::Sequence *> Cache::find(uint64_t sequence) {
  auto it = sequences.find(sequence);
  if (it == sequences.end())
    return unknownSequence(sequence);
  // What another copy of the cache still has is not changed.
  if (it->second.use_count() > 1)
    it->second = std::make_shared<Sequence>(*it->second);
  return it->second.get();
}

const Cache::Sequence &Cache::at(uint64_t sequence) const {
  auto it = sequences.find(sequence);
  assert(it != sequences.end() && "no such sequence");
  return *it->second;
}

bool Cache::contains(uint64_t sequence) const {
  return sequences.count(sequence) != 0;
}

llvm::Error Cache::create(uint64_t sequence) {
  if (contains(sequence))
    return llvm::createStringError("expected a new sequence, got %llu",
                                   (unsigned long long)sequence);
  sequences[sequence] = std::make_shared<Sequence>();
  return llvm::Error::success();
}

llvm::Error Cache::free(uint64_t sequence) {
  if (!sequences.erase(sequence))
    return unknownSequence(sequence);
  return llvm::Error::success();
}

int64_t Cache::length(uint64_t sequence) const { return at(sequence).tokens; }

int64_t Cache::committed(uint64_t sequence) const {
  return at(sequence).committed;
}

const std::vector<double> &Cache::keys(uint64_t sequence) const {
  return at(sequence).keys;
}

const std::vector<double> &Cache::values(uint64_t sequence) const {
  return at(sequence).values;
}

//===----------------------------------------------------------------------===//
// Which segment has which tokens
//===----------------------------------------------------------------------===//

std::vector<TokenRange> Cache::rangesOf(int64_t committed,
                                        int64_t tokens) const {
  int64_t first = 0, recent = 0;
  bool hasRecent = false;
  for (const kv::SegmentPlan &segment : segments) {
    if (segment.kind == SegmentKind::first)
      first = std::min(segment.tokens, committed);
    if (segment.kind == SegmentKind::recent) {
      recent = segment.tokens;
      hasRecent = true;
    }
  }
  int64_t window = hasRecent ? std::max(first, committed - recent) : committed;
  std::vector<TokenRange> ranges;
  for (const kv::SegmentPlan &segment : segments)
    switch (segment.kind) {
    case SegmentKind::all:
      // Without a segment of their own new rows are in their final place.
      ranges.push_back({0, cacheType.hasNewSegment() ? committed : tokens});
      break;
    case SegmentKind::first:
      ranges.push_back({0, first});
      break;
    case SegmentKind::older:
      ranges.push_back({first, window});
      break;
    case SegmentKind::recent:
      ranges.push_back({window, committed});
      break;
    case SegmentKind::fresh:
      ranges.push_back({committed, tokens});
      break;
    }
  return ranges;
}

std::vector<TokenRange> Cache::ranges(uint64_t sequence) const {
  const Sequence &s = at(sequence);
  return rangesOf(s.committed, s.tokens);
}

int64_t Cache::dropped(uint64_t sequence) const {
  int64_t end = 0, count = 0;
  for (TokenRange range : ranges(sequence)) {
    count += range.begin - end;
    end = range.end;
  }
  return count;
}

int64_t Cache::position(uint64_t sequence, int64_t token) const {
  token = treePosition(sequence, token);
  if (cacheType.getRope() != kv::CacheRope::slot)
    return token;
  // Tokens of `first` come before the gap, all others behind it.
  std::vector<TokenRange> all = ranges(sequence);
  int64_t gap = segments[0].kind == SegmentKind::first ? all[0].end : 0;
  return token < gap ? token : std::max(token - dropped(sequence), gap);
}

bool Cache::isTree(uint64_t sequence) const {
  const std::vector<int64_t> &parents = at(sequence).parents;
  for (size_t row = 0; row < parents.size(); ++row)
    if (parents[row] != static_cast<int64_t>(row) - 1)
      return true;
  return false;
}

int64_t Cache::treePosition(uint64_t sequence, int64_t token) const {
  const Sequence &s = at(sequence);
  int64_t row = token - s.committed, depth = 0;
  if (row < 0 || row >= static_cast<int64_t>(s.parents.size()))
    return token;
  for (; s.parents[row] >= 0; row = s.parents[row])
    ++depth;
  return s.committed + depth;
}

bool Cache::inTree(uint64_t sequence, int64_t q, int64_t k) const {
  const Sequence &s = at(sequence);
  if (k < s.committed || q < s.committed)
    return k <= q;
  int64_t row = q - s.committed;
  while (row > k - s.committed)
    row = s.parents[row];
  return row == k - s.committed;
}

std::vector<int64_t> Cache::pages(uint64_t sequence) const {
  const Sequence &s = at(sequence);
  std::vector<int64_t> pages(s.tokens, gone);
  std::vector<TokenRange> all = ranges(sequence);
  int64_t paged = cacheType.getPagedSegment();
  for (size_t n = 0; n < all.size(); ++n)
    for (int64_t t = all[n].begin; t < all[n].end; ++t)
      // Page 0 begins with the segment's first token.
      pages[t] = static_cast<int64_t>(n) == paged
                     ? (t - all[n].begin) / segments[n].pageTokens
                     : elsewhere;
  return pages;
}

//===----------------------------------------------------------------------===//
// Appending and committing
//===----------------------------------------------------------------------===//

/// What a row of one head holds after it was stored in `format`.
static void store(const kv::CacheFormat &format, double *row, int64_t dim) {
  if (mlir::Type plain = format.getPlain()) {
    for (int64_t d = 0; d < dim; ++d)
      row[d] = roundTo(elementOf(plain), row[d]);
    return;
  }
  assert(llvm::isa<kv::Int8Attr>(format.getAttribute()) &&
         "a number format that the reference does not know");
  Tensor tensor({1, 1, 1, dim});
  std::copy(row, row + dim, tensor.data.begin());
  tensor = decodeInt8(encodeInt8(tensor));
  std::copy(tensor.data.begin(), tensor.data.end(), row);
}

/// Stores keys and values of token `t` in the formats of `segment`.
template <typename SequenceT>
static void storeToken(SequenceT &sequence, const kv::SegmentPlan &segment,
                       int64_t t) {
  for (int64_t h = 0; h < segment.heads; ++h) {
    int64_t row = t * segment.heads + h;
    store(segment.key, &sequence.keys[row * segment.keyDim], segment.keyDim);
    store(segment.value, &sequence.values[row * segment.valueDim],
          segment.valueDim);
  }
}

/// Appends row `from` of sequence `i` to `to`, [token][head][dim].
static void appendRow(std::vector<double> &to, const Tensor &rows, int64_t i,
                      int64_t first, int64_t from, Element element) {
  bool ragged = rows.rank() == 3;
  int64_t dim = rows.shape.back();
  for (int64_t h = 0; h < rows.dim(1); ++h) {
    const double *row = &rows.data[ragged ? rows.offset(first + from, h)
                                          : rows.offset(i, h, from)];
    std::transform(row, row + dim, std::back_inserter(to),
                   [&](double x) { return roundTo(element, x); });
  }
}

static llvm::Error checkRows(const Batch &batch, const Tensor &rows,
                             int64_t heads, int64_t dim) {
  bool good = rows.rank() == 3 || rows.rank() == 4;
  good = good && rows.dim(1) == heads && rows.shape.back() == dim;
  good = good && batch.rows.size() == batch.sequences.size() + 1;
  good =
      good && (batch.parents.empty() ||
               static_cast<int64_t>(batch.parents.size()) == batch.rows.back());
  if (good && rows.rank() == 3)
    good = batch.rows.back() == rows.dim(0);
  if (good && rows.rank() == 4) {
    good = batch.size() == rows.dim(0);
    for (int64_t i = 0; good && i < batch.size(); ++i)
      good = batch.rowsOf(i) == rows.dim(2);
  }
  if (!good)
    return llvm::createStringError("expected rows of the cache's heads and dim "
                                   "that agree with the batch");
  return llvm::Error::success();
}

llvm::Error Cache::append(const Batch &batch, const Tensor &key,
                          const Tensor &value) {
  if (llvm::Error error =
          checkRows(batch, key, cacheType.getHeads(), cacheType.getKeyDim()))
    return error;
  if (llvm::Error error = checkRows(batch, value, cacheType.getHeads(),
                                    cacheType.getValueDim()))
    return error;
  Element element = elementOf(cacheType.getNewType());
  for (int64_t i = 0; i < batch.size(); ++i) {
    llvm::Expected<Sequence *> found = find(batch.sequences[i]);
    if (!found)
      return found.takeError();
    Sequence &s = **found;
    for (int64_t r = 0; r < batch.rowsOf(i); ++r) {
      auto own = static_cast<int64_t>(s.parents.size());
      int64_t parent =
          batch.parents.empty() ? own - 1 : batch.parents[batch.rows[i] + r];
      if (parent < -1 || parent >= own)
        return llvm::createStringError(
            "expected the parent of row %lld of sequence %llu to be one of the "
            "%lld uncommitted rows before it, or -1, got %lld",
            (long long)r, (unsigned long long)batch.sequences[i],
            (long long)own, (long long)parent);
      s.parents.push_back(parent);
      appendRow(s.keys, key, i, batch.rows[i], r, element);
      appendRow(s.values, value, i, batch.rows[i], r, element);
    }
    s.tokens += batch.rowsOf(i);
  }
  return llvm::Error::success();
}

/// Leaves of the rows from `begin` on those in `keep`, in that order.
static void select(std::vector<double> &rows, int64_t begin, int64_t width,
                   llvm::ArrayRef<int64_t> keep) {
  std::vector<double> kept;
  for (int64_t row : keep)
    kept.insert(kept.end(), rows.begin() + (begin + row) * width,
                rows.begin() + (begin + row + 1) * width);
  rows.resize(begin * width);
  rows.insert(rows.end(), kept.begin(), kept.end());
}

llvm::Error Cache::commit(uint64_t sequence,
                          std::optional<llvm::ArrayRef<int64_t>> keep) {
  llvm::Expected<Sequence *> found = find(sequence);
  if (!found)
    return found.takeError();
  Sequence &s = **found;
  int64_t fresh = s.tokens - s.committed;
  if (keep) {
    std::vector<bool> taken(fresh, false);
    for (int64_t row : *keep) {
      if (row < 0 || row >= fresh || taken[row])
        return llvm::createStringError(
            "expected rows from 0 to %lld, each once, to be kept, got %lld",
            (long long)fresh - 1, (long long)row);
      taken[row] = true;
    }
    int64_t heads = cacheType.getHeads();
    select(s.keys, s.committed, heads * cacheType.getKeyDim(), *keep);
    select(s.values, s.committed, heads * cacheType.getValueDim(), *keep);
    s.tokens = s.committed + static_cast<int64_t>(keep->size());
  }
  int64_t before = s.committed;
  s.committed = s.tokens;
  s.parents.clear();
  move(s, before);
  return llvm::Error::success();
}

void Cache::forget(std::vector<double> &rows, int64_t begin, int64_t end,
                   int64_t dim) const {
  int64_t width = cacheType.getHeads() * dim;
  std::fill(rows.begin() + begin * width, rows.begin() + end * width,
            std::numeric_limits<double>::quiet_NaN());
}

void Cache::move(Sequence &s, int64_t before) const {
  const kv::SegmentPlan *recent = nullptr;
  for (const kv::SegmentPlan &segment : segments)
    if (segment.kind == SegmentKind::recent)
      recent = &segment;
  std::vector<TokenRange> old = rangesOf(before, before);
  std::vector<TokenRange> now = rangesOf(s.committed, s.tokens);
  int64_t end = 0;
  for (size_t n = 0; n < segments.size(); ++n) {
    // Tokens between two segments are gone.
    forget(s.keys, end, now[n].begin, cacheType.getKeyDim());
    forget(s.values, end, now[n].begin, cacheType.getValueDim());
    end = now[n].end;
    if (segments[n].kind == SegmentKind::fresh)
      continue;
    for (int64_t t = now[n].begin; t < now[n].end; ++t) {
      if (t >= old[n].begin && t < old[n].end)
        continue; // was there before
      // What comes to `older` has been in `recent`, if only for a moment.
      if (segments[n].kind == SegmentKind::older && recent && t >= before)
        storeToken(s, *recent, t);
      storeToken(s, segments[n], t);
    }
  }
}

//===----------------------------------------------------------------------===//
// Trimming and forking
//===----------------------------------------------------------------------===//

llvm::Error Cache::checkCut(const Sequence &s, int64_t length) const {
  if (length < 0 || length > s.tokens)
    return llvm::createStringError("expected a length from 0 to %lld, got %lld",
                                   (long long)s.tokens, (long long)length);
  if (length >= s.committed)
    return llvm::Error::success();
  std::vector<TokenRange> now = rangesOf(s.committed, s.committed);
  std::vector<TokenRange> then = rangesOf(length, length);
  for (size_t n = 0; n < then.size(); ++n)
    if (then[n].begin < then[n].end &&
        (then[n].begin < now[n].begin || then[n].end > now[n].end))
      return llvm::createStringError(
          "expected the tokens below %lld to be where they are, but some would "
          "have to come back to '%s'",
          (long long)length, segments[n].name.c_str());
  return llvm::Error::success();
}

void Cache::cut(Sequence &s, int64_t length) const {
  s.tokens = length;
  s.committed = std::min(s.committed, length);
  s.parents.resize(length - s.committed);
  s.keys.resize(length * cacheType.getHeads() * cacheType.getKeyDim());
  s.values.resize(length * cacheType.getHeads() * cacheType.getValueDim());
}

llvm::Error Cache::trim(uint64_t sequence, int64_t length) {
  llvm::Expected<Sequence *> found = find(sequence);
  if (!found)
    return found.takeError();
  if (llvm::Error error = checkCut(**found, length))
    return error;
  cut(**found, length);
  return llvm::Error::success();
}

llvm::Error Cache::fork(uint64_t parent, int64_t length, uint64_t child) {
  if (!contains(parent))
    return unknownSequence(parent);
  if (length > committed(parent))
    return llvm::createStringError(
        "expected at most the %lld committed tokens to be shared, got %lld",
        (long long)committed(parent), (long long)length);
  if (llvm::Error error = checkCut(at(parent), length))
    return error;
  if (llvm::Error error = create(child))
    return error;
  *sequences[child] = at(parent);
  cut(*sequences[child], length);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Metadata
//===----------------------------------------------------------------------===//

std::vector<double> Cache::metadata(uint64_t sequence,
                                    const kv::CacheKept &kept) const {
  const Sequence &s = at(sequence);
  int64_t heads = cacheType.getHeads(), dim = cacheType.getKeyDim();
  std::vector<int64_t> where = pages(sequence);
  int64_t count = 0;
  for (int64_t page : where)
    count = std::max(count, page + 1);
  bool mean = kept.kind == kv::KeptKind::mean;
  int64_t parts = mean ? 1 : 2;
  std::vector<double> result(count * heads * parts * dim);
  std::vector<int64_t> tokens(count, 0); // of each page
  auto entry = [&](int64_t page, int64_t h, int64_t part,
                   int64_t d) -> double & {
    return result[((page * heads + h) * parts + part) * dim + d];
  };
  for (int64_t t = 0; t < s.tokens; ++t) {
    int64_t page = where[t];
    if (page < 0)
      continue;
    bool first = tokens[page]++ == 0;
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t d = 0; d < dim; ++d) {
        double x = s.keys[(t * heads + h) * dim + d];
        if (mean) {
          entry(page, h, 0, d) += x;
          continue;
        }
        double &least = entry(page, h, 0, d), &most = entry(page, h, 1, d);
        least = first ? x : std::min(least, x);
        most = first ? x : std::max(most, x);
      }
  }
  for (int64_t page = 0; page < count; ++page)
    for (int64_t n = 0; n < heads * parts * dim; ++n) {
      double &x = result[page * heads * parts * dim + n];
      x = roundTo(Element::F32, mean ? x / double(tokens[page]) : x);
    }
  return result;
}
