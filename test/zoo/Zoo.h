// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One published mask: compiled as an engine would, planned through the C
// interface, and held against what the reference interpreter sees, row by row.
// Nothing here knows the solver, so any mask that a spec can hold is judged.
#ifndef FOVEA_TEST_ZOO_ZOO_H
#define FOVEA_TEST_ZOO_ZOO_H

#include "test/unit/passes/analysis/MaskCheck.h"
#include "test/zoo/MaskInputs.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <fovea/inspect.h>

#include <functional>

namespace fovea::zoo {

/// What the check of a mask counted.
struct Findings {
  masktest::Report plan;
  /// Blocks of all items of all runs that hold a live pair, and blocks that the
  /// kernels counted.
  int64_t needed = 0, executed = 0;
  /// Shapes for which the reference refused the call: a table is too short.
  int64_t refused = 0, shapes = 0;
  double percent() const {
    return needed ? 100.0 * (executed - needed) / needed : 0;
  }
};

/// Replaces functions of the mask before they are checked: a seeded fault.
using Fault = std::function<void(masktest::MaskFunctions &)>;

class ZooMask {
public:
  /// The only kernel of a spec; `text` is called `name` in messages.
  static llvm::Expected<std::unique_ptr<ZooMask>> load(const std::string &text,
                                                       const std::string &name);
  ~ZooMask();

  /// Checks one call. `shape` has b, sq and sk.
  llvm::Error check(const Dims &shape, const MaskInputs &inputs, uint64_t seed,
                    llvm::ArrayRef<masktest::TileShape> tiles,
                    Findings &findings, const Fault &fault = {});

  /// Whether the kernel has caches: those are checked elsewhere.
  bool hasCache() const;

private:
  ZooMask() = default;
  struct State;
  std::unique_ptr<State> state;
};

} // namespace fovea::zoo

#endif // FOVEA_TEST_ZOO_ZOO_H
