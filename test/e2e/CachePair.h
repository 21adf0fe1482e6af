// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A cache of the runtime under a compiled kernel and one of the reference, led
// through the same steps: for tests of histories of caches.
#ifndef FOVEA_TEST_E2E_CACHEPAIR_H
#define FOVEA_TEST_E2E_CACHEPAIR_H

#include "test/e2e/Compiled.h"
#include "test/e2e/OnTarget.h"

#include "dialects/reference/Interpreter.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <optional>

namespace fovea::e2e {

/// A cache and a mask over it: a row of a table of tests.
struct CacheType {
  std::string name, type;
  std::string rows = "f32"; ///< element type of q, k and v
  std::string clauses = "mask(causal)";
  int64_t dim = 32;

  bool rotates() const { return clauses.find("rope") != std::string::npos; }
};

void PrintTo(const CacheType &c, std::ostream *os);

/// The rows of a table as the emulated GPU takes them.
std::vector<CacheType> forGpu(std::vector<CacheType> types);

/// The rows of one sequence in a step.
struct CachePart {
  uint64_t sequence;
  HostTensor q, k, v;
  /// Of its rows, as in reference::Batch; empty: a chain.
  std::vector<int64_t> parents = {};
};

/// The runtime and the reference side by side.
class CachePair {
public:
  CachePair(const CacheType &c, const std::string &target);
  ~CachePair();
  bool good() const { return kv && plan; }

  fovea_plan *makePlan(bool deterministic, bool sharing);

  /// Rows made from `seed`: the same for the same seed.
  CachePart rows(uint64_t sequence, int64_t n, uint64_t seed) const;

  /// Runs one step on both; o of all rows as the kernel made it. `told`: what
  /// the kernel gets for the parents of `parts`, a fault.
  std::vector<double> step(const std::vector<CachePart> &parts,
                           fovea_plan *with = nullptr,
                           const std::vector<CachePart> *told = nullptr);

  // Both caches do the same, or both refuse.
  void create(uint64_t id);
  void commit(uint64_t id, std::optional<std::vector<int64_t>> keep = {});
  /// The runtime keeps two rows in another order than the reference.
  void commitWrongly(uint64_t id);
  bool trim(uint64_t id, int64_t length);
  bool fork(uint64_t parent, int64_t length, uint64_t child);
  void free(uint64_t id);
  int64_t length(uint64_t id) const { return wanted->length(id); }

  /// How far two results of the same rows may be from each other: each is held
  /// against the reference.
  double bound() const { return 2 * largestBound; }

private:
  /// For all rows of a step, or nothing where all rows are chains.
  std::vector<int64_t> parentsOf(const std::vector<CachePart> &parts) const;
  static HostTensor joined(const std::vector<CachePart> &parts,
                           HostTensor CachePart::*which);
  void runKernel(const reference::Batch &batch,
                 const std::vector<int64_t> &parents,
                 std::vector<HostTensor *> tensors, fovea_plan *with);
  /// The kernel ran what the plan says.
  void expectCounted(fovea_plan *plan);
  void hold(const HostTensor &got, const reference::Tensor &want,
            reference::Element element, reference::Role role,
            const reference::Report &report, const char *what);
  bool agree(fovea_status status, llvm::Error error, const std::string &what);
  void expectSameRanges(uint64_t id);

  const CacheType &c;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mutable mlir::func::FuncOp kernel;
  reference::Element element = reference::Element::F32;
  std::optional<Compiled> compiled;
  std::optional<reference::Cache> wanted;
  HostTensor turns;
  double largestBound = 0;
  bool rounds; ///< weights, to the type of q
  fovea_kv *kv = nullptr;
  fovea_plan *plan = nullptr;
};

} // namespace fovea::e2e

#endif // FOVEA_TEST_E2E_CACHEPAIR_H
