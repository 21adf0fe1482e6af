// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The axes of a schedule and the values along them.
#include "codegen/target/Candidates.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace fovea {

StringRef toString(TuningAxis axis) {
  static constexpr StringLiteral names[] = {"rows", "keys", "tile", "convert",
                                            "prefetch"};
  return names[unsigned(axis)];
}

ArrayRef<TuningAxis> tuningAxes(StreamKind kind) {
  static constexpr TuningAxis prefill[] = {
      TuningAxis::Rows,    TuningAxis::Keys, TuningAxis::Tile,
      TuningAxis::Convert, TuningAxis::Rows, TuningAxis::Keys};
  static constexpr TuningAxis decode[] = {TuningAxis::Keys,
                                          TuningAxis::Prefetch};
  return kind == StreamKind::Prefill ? ArrayRef(prefill) : ArrayRef(decode);
}

namespace {
/// Entries like one, without itself and without what the target cannot run.
class Collector {
public:
  Collector(const TargetInfo &target, const TuningEntry &from)
      : target(target), from(from) {}

  template <typename Change>
  void add(Change &&change) {
    TuningEntry entry = from;
    change(entry);
    bool prefill = entry.kind == StreamKind::Prefill;
    std::string why =
        prefill ? whyNot(target, entry.prefill) : whyNot(target, entry.decode);
    std::string text = spell(entry);
    if (!why.empty() || text == spell(from) || is_contained(seen, text))
      return;
    seen.push_back(text);
    entries.push_back(std::move(entry));
  }

  /// Whether products are a matrix unit's.
  bool matrix() const { return from.prefill.matrix; }

  std::vector<TuningEntry> entries;

private:
  static std::string spell(const TuningEntry &entry) {
    return entry.kind == StreamKind::Prefill ? toString(entry.prefill)
                                             : toString(entry.decode);
  }

  const TargetInfo &target;
  const TuningEntry &from;
  std::vector<std::string> seen;
};
} // namespace

/// Register tiles of one, two and four vectors of queries that fill the
/// registers, or three quarters or half of what that leaves.
static void addTiles(const TargetInfo &target, Collector &collect) {
  if (collect.matrix()) {
    for (int lanes : {16, 32})
      collect.add([&](TuningEntry &entry) {
        entry.prefill.lanes = lanes;
        entry.prefill.rows = int(alignTo(entry.prefill.rows, lanes));
      });
    return;
  }
  int registers = int(target.vectorRegisters);
  for (int vectors : {1, 2, 4}) {
    int most = (registers - 1 - vectors) / vectors;
    int lanes = vectors * int(target.lanes());
    for (int rows : {most, most * 3 / 4, most / 2})
      collect.add([&](TuningEntry &entry) {
        entry.prefill.regRows = rows;
        entry.prefill.lanes = lanes;
        entry.prefill.rows = int(alignTo(entry.prefill.rows, lanes));
      });
  }
}

std::vector<TuningEntry> tuningCandidates(const TargetInfo &target,
                                          const TuningEntry &from,
                                          TuningAxis axis) {
  Collector collect(target, from);
  switch (axis) {
  case TuningAxis::Rows:
    for (int panels : {1, 2, 4, 8, 16})
      collect.add([&](TuningEntry &entry) {
        entry.prefill.rows = panels * entry.prefill.lanes;
      });
    break;
  case TuningAxis::Keys:
    for (int keys : {8, 16, 32, 48, 64, 96, 128, 192, 256})
      if (from.kind == StreamKind::Decode || keys >= from.prefill.regRows)
        collect.add([&](TuningEntry &entry) {
          entry.prefill.keys = entry.decode.keys = keys;
        });
    break;
  case TuningAxis::Tile:
    addTiles(target, collect);
    break;
  case TuningAxis::Convert:
    // What is not f32 is converted in any case.
    if (from.traits.dtype == FOVEA_DTYPE_F32)
      collect.add([](TuningEntry &entry) {
        entry.prefill.convert = !entry.prefill.convert;
      });
    break;
  case TuningAxis::Prefetch:
    for (bool value : {false, true})
      for (bool next : {false, true})
        for (bool far : {false, true})
          collect.add([&](TuningEntry &entry) {
            entry.decode.prefetchValue = value;
            entry.decode.prefetchNext = next;
            entry.decode.prefetchFar = far;
          });
    break;
  }
  return std::move(collect.entries);
}

} // namespace fovea
