// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits the reads of page tables and ranges, and the tables of rows.
#include "codegen/cpu/CacheAddress.h"

#include "codegen/cpu/LaneTools.h"

#include <fovea/abi.h>

using namespace mlir;

namespace fovea::cpu {

using arith::CmpIPredicate;

/// More tokens than a segment can have: a page or a ring without end.
static constexpr int64_t kEndless = int64_t(1) << 60;
/// Entries that one store writes.
static constexpr int64_t kPack = 4;

std::vector<SegmentClass> classesOf(ArrayRef<CacheSource> segments) {
  std::vector<SegmentClass> classes;
  for (auto [i, s] : llvm::enumerate(segments)) {
    SegmentClass c = {s.kElem,
                      s.vElem,
                      s.kScale >= 0,
                      s.vScale >= 0,
                      s.pageTokens == 0 && s.ring == 0,
                      s.listed,
                      {}};
    auto same = [&](const SegmentClass &o) {
      return o.k == c.k && o.v == c.v && o.kCoded == c.kCoded &&
             o.vCoded == c.vCoded && o.affine == c.affine &&
             o.listed == c.listed;
    };
    auto known = llvm::find_if(classes, same);
    if (known == classes.end())
      known = classes.insert(known, c);
    known->members.push_back(i);
  }
  return classes;
}

std::vector<SegmentClass> mixedClasses(ArrayRef<CacheSource> segments) {
  std::vector<SegmentClass> classes;
  for (bool listed : {false, true}) {
    SegmentClass c = {Elem::F32, Elem::F32, false, false, false, listed, {}};
    for (auto [i, s] : llvm::enumerate(segments)) {
      if (s.listed != listed)
        continue;
      c.members.push_back(i);
      c.kCoded |= s.kScale >= 0;
      c.vCoded |= s.vScale >= 0;
    }
    if (!c.members.empty())
      classes.push_back(c);
  }
  return classes;
}

/// `number` of the member whose key is `wanted`.
static Value pickBy(Emitter &e, ArrayRef<CacheSource> segments,
                    const SegmentClass &members, Value wanted,
                    llvm::function_ref<int64_t(size_t)> key,
                    llvm::function_ref<int64_t(const CacheSource &)> number) {
  auto numberOf = [&](size_t i) {
    return number(segments[members.members[i]]);
  };
  Value result = e.cI64(numberOf(0));
  bool same = true;
  for (size_t i = 1; i < members.members.size(); ++i)
    same &= numberOf(i) == numberOf(0);
  for (size_t i = 1; !same && i < members.members.size(); ++i)
    result = e.select(e.cmp(CmpIPredicate::eq, wanted, e.cI64(key(i))),
                      e.cI64(numberOf(i)), result);
  return result;
}

Value pickMember(Emitter &e, ArrayRef<CacheSource> segments,
                 const SegmentClass &members, Value index,
                 llvm::function_ref<int64_t(const CacheSource &)> number) {
  return pickBy(
      e, segments, members, index, [](size_t i) { return int64_t(i); }, number);
}

Value pickSegment(Emitter &e, ArrayRef<CacheSource> segments,
                  const SegmentClass &members, Value segment,
                  llvm::function_ref<int64_t(const CacheSource &)> number) {
  return pickBy(
      e, segments, members, segment,
      [&](size_t i) { return int64_t(members.members[i]); }, number);
}

RangeValues loadRange(Emitter &e, const View &ranges, Value b) {
  Value at = addressOf(e, ranges, {b}, 8);
  auto field = [&](size_t offset) { return e.load(e.i64, e.at(at, offset)); };
  return {field(offsetof(fovea_abi_range, begin)),
          field(offsetof(fovea_abi_range, end)),
          field(offsetof(fovea_abi_range, base)),
          field(offsetof(fovea_abi_range, table)),
          field(offsetof(fovea_abi_range, shift))};
}

View treeView(StageFunction &f, const RopeParams &rope) {
  return rope.tree < 0 ? View() : f.view(rope.tree, 2);
}

Value treePosition(Emitter &e, const View &tree, Value b, Value token) {
  if (!tree.data)
    return token;
  auto number = [&](Value row, int64_t column) {
    Value at = addressOf(e, tree, {row}, 4);
    return e.toInt(e.load(e.i32, e.at(at, 4 * column)), e.i64);
  };
  Value committed = number(b, 0), zero = e.cI64(0);
  Value behind = e.maxS(e.add(e.sub(token, committed), 1), zero);
  Value position = number(e.add(number(b, 1), behind), 2);
  return e.select(e.cmp(CmpIPredicate::slt, token, committed), token, position);
}

Value queryPosition(StageFunction &f, const RopeParams &rope,
                    ArrayRef<CacheSource> segments, Value b, Value token) {
  token = treePosition(f.e, treeView(f, rope), b, token);
  if (rope.rule != RopeParams::Slot)
    return token;
  Emitter &e = f.e;
  auto rangeOf = [&](const CacheSource &segment) {
    return loadRange(e, f.view(segment.ranges, 2), b);
  };
  // Only `first` comes before a gap, and a ring never is `first`.
  Value gap = segments.front().ring ? e.cI64(0) : rangeOf(segments.front()).end;
  Value behind = e.maxS(e.sub(token, rangeOf(segments.back()).shift), gap);
  return e.select(e.cmp(CmpIPredicate::slt, token, gap), token, behind);
}

SegmentRows loadSegment(StageFunction &f, ArrayRef<CacheSource> segments,
                        const SegmentClass &members, Value index, Value b,
                        Value kvHead) {
  Emitter &e = f.e;
  auto pick = [&](llvm::function_ref<int64_t(const CacheSource &)> number) {
    return pickMember(e, segments, members, index, number);
  };
  auto rows = [&](llvm::function_ref<int64_t(const CacheSource &)> slot,
                  llvm::function_ref<int64_t(const CacheSource &)> size,
                  unsigned rank) {
    View view = f.viewAt(pick(slot), rank);
    Value bytes = pick(size);
    Value head = e.mul(view.stride[1], bytes);
    return PartRows{e.at(view.data, e.mul(kvHead, head), 1),
                    e.mul(view.stride[0], bytes), e.mul(view.stride[2], bytes),
                    head, view.stride[2]};
  };
  // Members without scales get the strides of some view, and nobody asks.
  auto scales = [&](int CacheSource::*slot) {
    return rows(
        [&](const CacheSource &c) -> int64_t {
          return c.*slot >= 0 ? c.*slot : int64_t(c.k);
        },
        [](const CacheSource &) { return 4; }, 3);
  };
  SegmentRows s;
  s.k = rows([](const CacheSource &c) { return c.k; },
             [](const CacheSource &c) { return sizeOf(c.kElem); }, 4);
  s.v = rows([](const CacheSource &c) { return c.v; },
             [](const CacheSource &c) { return sizeOf(c.vElem); }, 4);
  if (members.kCoded)
    s.kScale = scales(&CacheSource::kScale);
  if (members.vCoded)
    s.vScale = scales(&CacheSource::vScale);
  RangeValues range = loadRange(
      e, f.viewAt(pick([](const CacheSource &c) { return c.ranges; }), 2), b);
  s.begin = range.begin;
  s.end = range.end;
  s.base = range.base;
  s.shift = range.shift;
  View pages = f.viewAt(pick([](const CacheSource &c) { return c.pages; }), 1);
  s.table = e.at(pages.data, e.mul(range.table, pages.stride[0]), 4);
  s.pageTokens = pick([](const CacheSource &c) {
    return c.pageTokens ? c.pageTokens : kEndless;
  });
  s.ring =
      pick([](const CacheSource &c) { return c.ring ? c.ring : kEndless; });
  s.wraps = llvm::any_of(members.members,
                         [&](unsigned m) { return segments[m].ring != 0; });
  return s;
}

/// Number of a page of the sequence.
static Value pageAt(Emitter &e, const SegmentRows &s, Value page) {
  return e.toInt(e.loadAt(e.i32, s.table, page), e.i64);
}

Value affineBase(Emitter &e, const SegmentRows &s, const PartRows &part) {
  Value page = e.mul(pageAt(e, s, e.cI64(0)), part.page);
  return e.at(part.data, e.sub(page, e.mul(s.base, part.row)), 1);
}

std::pair<Value, Value> locate(Emitter &e, const SegmentRows &s, Value token) {
  Value slot = e.sub(token, s.base);
  if (s.wraps)
    slot = e.remU(slot, s.ring);
  return locateSlot(e, s, slot);
}

std::pair<Value, Value> locateSlot(Emitter &e, const SegmentRows &s,
                                   Value slot) {
  Value page = e.divU(slot, s.pageTokens);
  return {page, e.sub(slot, e.mul(page, s.pageTokens))};
}

int64_t rowTableEntries(int64_t keys) { return keys + kPack; }

void emitRowTables(Emitter &e, const SegmentRows &s, const RowTables &tables,
                   Value first, Value n, int64_t count) {
  auto [page0, offset0] = locate(e, s, first);
  Value zero = e.cI64(0);
  struct Part {
    const PartRows &rows;
    Value table, steps;
  };
  SmallVector<Part> parts;
  for (auto [rows, table] :
       {std::pair(&s.k, tables.k), std::pair(&s.v, tables.v),
        std::pair(&s.kScale, tables.kScale),
        std::pair(&s.vScale, tables.vScale)})
    if (table)
      parts.push_back({*rows, table,
                       e.mul(e.splat(rows->row, kPack), e.iota(kPack, e.i64))});
  // Pieces of rows that lie at equal distances: {done, page, offset}.
  e.whileLoop(
      {zero, page0, offset0},
      [&](ValueRange c) { return e.cmp(CmpIPredicate::slt, c[0], n); },
      [&](ValueRange c) {
        Value done = c[0], page = c[1], offset = c[2];
        Value length = e.minS(e.sub(n, done), e.sub(s.pageTokens, offset));
        if (s.wraps) {
          Value slot = e.add(e.mul(page, s.pageTokens), offset);
          length = e.minS(length, e.sub(s.ring, slot));
        }
        Value number = pageAt(e, s, page);
        for (const Part &part : parts) {
          Value start = e.add(e.mul(number, part.rows.page),
                              e.mul(offset, part.rows.row));
          Value step = e.mul(part.rows.row, kPack);
          e.forLoop(zero, length, e.cI64(kPack), {start},
                    [&](Value j, ValueRange at) {
                      Value v = e.add(e.splat(at[0], kPack), part.steps);
                      e.store(v, e.at(part.table, e.add(done, j), 8));
                      return Values{e.add(at[0], step)};
                    });
        }
        Value end = e.add(offset, length);
        Value over = e.cmp(CmpIPredicate::eq, end, s.pageTokens);
        Value next = e.add(page, e.toInt(over, e.i64));
        Value rest = e.select(over, zero, end);
        if (s.wraps) {
          Value slot = e.add(e.mul(page, s.pageTokens), end);
          Value wrap = e.cmp(CmpIPredicate::eq, slot, s.ring);
          next = e.select(wrap, zero, next);
          rest = e.select(wrap, zero, rest);
        }
        return Values{e.add(done, length), next, rest};
      });
  Value last = e.sub(n, 1);
  e.ifThen(e.cmp(CmpIPredicate::slt, n, e.cI64(count)), [&] {
    for (const Part &part : parts) {
      Value v = e.loadAt(e.i64, part.table, last);
      e.forLoop(n, e.cI64(count), e.cI64(1),
                [&](Value j) { e.store(v, e.at(part.table, j, 8)); });
    }
  });
}

void emitRotate(Emitter &e, const RopeParams &rope, const View &table,
                Elem elem, int64_t dim, Value from, Value scale, Value position,
                Value to) {
  int64_t lanes = vectorLanes(e.isa), half = dim / 2;
  Value angles = addressOf(e, table, {position}, 4);
  unsigned bytes = sizeOf(elem);
  auto pickLanes = [&](Value x, Value y, int64_t first, int64_t step) {
    SmallVector<int64_t> mask;
    for (int64_t i = 0; i < lanes; ++i)
      mask.push_back(first + i * step);
    return e.shuffle(x, y, mask);
  };
  auto row = [&](Value d, int64_t n) {
    Value v = loadPartialAsF32(e, elem, e.at(from, d, bytes), n, lanes);
    return scale ? e.fmul(v, e.splat(scale, lanes)) : v;
  };
  auto halves = [&](Value d, int64_t n) {
    // Channels [d, d + n) and their partners; two numbers of the table each.
    Value at = e.at(angles, e.mul(d, 2), 4);
    int64_t low = std::min(2 * n, lanes), high = 2 * n - low;
    Value a = loadPartial(e, e.f32, at, low, lanes), b = a;
    if (high)
      b = loadPartial(e, e.f32, e.at(at, 4 * lanes), high, lanes);
    Value cos = pickLanes(a, b, 0, 2), sin = pickLanes(a, b, 1, 2);
    Value x0 = row(d, n), x1 = row(e.add(d, half), n);
    Value y0 = e.fsub(e.fmul(x0, cos), e.fmul(x1, sin));
    Value y1 = e.fma(x0, sin, e.fmul(x1, cos));
    storePartial(e, y0, e.at(to, d, 4), n);
    storePartial(e, y1, e.at(to, e.add(d, half), 4), n);
  };
  auto pairs = [&](Value d, int64_t n) {
    Value x = row(d, n);
    Value angle = loadPartial(e, e.f32, e.at(angles, d, 4), n, lanes);
    SmallVector<int64_t> even, odd, other;
    SmallVector<Attribute> sign;
    for (int64_t i = 0; i < lanes; ++i) {
      even.push_back(i & ~int64_t(1));
      odd.push_back(i | 1);
      other.push_back(i ^ 1);
      sign.push_back(e.b.getF32FloatAttr(i & 1 ? 1.0f : -1.0f));
    }
    Value signs = e.constant(
        DenseElementsAttr::get(cast<VectorType>(e.vec(lanes, e.f32)), sign));
    Value cos = e.shuffle(angle, angle, even);
    Value sin = e.fmul(e.shuffle(angle, angle, odd), signs);
    Value y = e.fma(e.shuffle(x, x, other), sin, e.fmul(x, cos));
    storePartial(e, y, e.at(to, d, 4), n);
  };
  int64_t total = rope.halves ? half : dim, whole = total / lanes * lanes;
  auto body = [&](Value d, int64_t n) {
    if (rope.halves)
      halves(d, n);
    else
      pairs(d, n);
  };
  e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(lanes),
            [&](Value d) { body(d, lanes); });
  if (whole < total)
    body(e.cI64(whole), total - whole);
}

} // namespace fovea::cpu
