// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The expression graph of a mask predicate: what the importer builds, the
// section analysis rewrites and the emitter turns into code. Nodes are
// hash-consed, linear forms are canonical, and every node knows the range it
// can take whatever the operands hold.
#ifndef FOVEA_PASSES_ANALYSIS_MASKEXPR_H
#define FOVEA_PASSES_ANALYSIS_MASKEXPR_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <map>
#include <vector>

namespace fovea {

/// Token indices lie in [-2^30, 2^30): a mask that computes in i32 on them
/// then wraps only where its own constants make it wrap.
constexpr int64_t kMaskTokenLimit = int64_t(1) << 30;
/// A run-time number (scalar operand, i64 table entry) that enters a sum
/// saturates at this magnitude, one that enters a product or divides at
/// kMaskFactorLimit, so that no emitted sum can wrap. The importer notes where
/// that is not what the op does (ImportedMask::exact).
constexpr int64_t kMaskTermLimit = int64_t(1) << 40;
constexpr int64_t kMaskFactorLimit = int64_t(1) << 31;
/// Range of every linear node.
constexpr int64_t kMaskSumLimit = int64_t(1) << 62;

/// What a node computes. All integers are exact (mathematical) integers.
enum class MaskOp : uint8_t {
  // Integers.
  Const,  ///< imm
  Var,    ///< a MaskVar, a scalar operand or a table extent: imm says which
  Linear, ///< imm + sum of coefs[i] * args[i]
  Mul,    ///< args[0] * args[1]
  Div,    ///< floor(args[0] / args[1]), args[1] >= 1
  Mod,    ///< args[0] - args[1] * floor(args[0] / args[1]), args[1] >= 1
  Min,
  Max,
  Select,  ///< args[0] ? args[1] : args[2]
  Load,    ///< operand `imm` at args; 0 outside the table
  Segment, ///< a MaskPart of boundaries `imm`: coefs[0] says which, args are
           ///< the row, if the table has rows, and the token
  Opaque,  ///< a copy of `op`: known to nothing but the machine
  // Predicates.
  Bool,  ///< imm
  Ge0,   ///< args[0] >= 0
  Eq0,   ///< args[0] == 0
  Less,  ///< args[0] < args[1], where the difference could wrap
  Equal, ///< args[0] == args[1], where the difference could wrap
  And,
  Or,
  Not,
  OpaqueBool
};

/// What a segment node is of the token's segment in ascending boundaries (see
/// sel.segment). All ascend with the token.
enum class MaskPart : int64_t {
  Index,
  Begin,
  End,
  /// The boundary with the number that stands for the token; before the first
  /// and from the last one on far beyond every token.
  Edge
};

/// The variables of a predicate; operand scalars and table extents follow.
enum MaskVar : int64_t { VarB, VarH, VarQ, VarK, VarLen, VarFirstScalar };
/// imm of the Var of scalar operand `operand`.
inline int64_t scalarVar(unsigned operand) { return VarFirstScalar + operand; }
/// imm of the Var that is the extent of `axis` of table operand `operand`.
inline int64_t extentVar(unsigned operand, unsigned axis) {
  return (int64_t(1) << 32) + (int64_t(operand) << 8) + axis;
}

/// Index of a node in its graph; negative: not representable. All builders
/// pass a negative operand on.
using MaskId = int;

struct MaskNode {
  MaskOp op;
  int64_t imm = 0;
  llvm::SmallVector<MaskId, 3> args;
  llvm::SmallVector<int64_t, 3> coefs;
  /// The MLIR value an opaque node stands for; the element type of a load.
  mlir::Value value;
  /// Static range (integers only).
  int64_t lo = 0, hi = 0;
  /// Depends on q, depends on k, contains something opaque, loads from a
  /// table at an index that depends on q or k (an interval needs a scan).
  bool onQ = false, onK = false, opaque = false, scans = false;

  bool isPredicate() const { return op >= MaskOp::Bool; }
  /// An unbounded run-time value, which saturates before it enters a sum.
  bool isWide() const { return lo < -kMaskSumLimit || hi > kMaskSumLimit; }
};

/// A sum: constant plus coefficient times node, nodes ascending.
struct MaskSum {
  int64_t constant = 0;
  llvm::SmallVector<std::pair<MaskId, int64_t>, 4> terms;
};

/// Owns the nodes. Builders simplify and share.
class MaskGraph {
public:
  const MaskNode &operator[](MaskId id) const { return nodes[id]; }
  size_t size() const { return nodes.size(); }

  // Integers.
  MaskId constant(int64_t value);
  MaskId var(int64_t which, int64_t lo, int64_t hi);
  MaskId sum(const MaskSum &s);
  MaskId add(MaskId a, MaskId b);
  /// a + c for a number c (a node is an int too: another name).
  MaskId plus(MaskId a, int64_t c) { return add(a, constant(c)); }
  MaskId sub(MaskId a, MaskId b) { return add(a, scale(b, -1)); }
  MaskId neg(MaskId a) { return scale(a, -1); }
  MaskId scale(MaskId a, int64_t c);
  MaskId mul(MaskId a, MaskId b);
  /// Floor division and its remainder; a divisor that could be below 1 is
  /// raised to 1 (the importer masks such pairs).
  MaskId div(MaskId a, MaskId b);
  MaskId mod(MaskId a, MaskId b);
  MaskId min(MaskId a, MaskId b);
  MaskId max(MaskId a, MaskId b);
  MaskId select(MaskId c, MaskId a, MaskId b);
  MaskId load(unsigned table, llvm::ArrayRef<MaskId> indices, int64_t lo,
              int64_t hi, mlir::Value result);
  MaskId segment(unsigned table, MaskPart part, llvm::ArrayRef<MaskId> at);
  MaskId opaque(mlir::Value result, llvm::ArrayRef<MaskId> operands, int64_t lo,
                int64_t hi);

  // Predicates.
  MaskId boolean(bool value);
  MaskId ge0(MaskId a);
  MaskId eq0(MaskId a);
  MaskId ge(MaskId a, MaskId b);
  MaskId lt(MaskId a, MaskId b) { return negate(ge(a, b)); }
  MaskId eq(MaskId a, MaskId b);
  /// -limit <= a <= limit for an unbounded `a`, asked without saturating it.
  MaskId within(MaskId a, int64_t limit);
  MaskId conj(llvm::ArrayRef<MaskId> args) { return nary(MaskOp::And, args); }
  MaskId disj(llvm::ArrayRef<MaskId> args) { return nary(MaskOp::Or, args); }
  MaskId negate(MaskId a);
  MaskId opaqueBool(mlir::Value result, llvm::ArrayRef<MaskId> operands);

  /// The node as a sum (itself once if it is none).
  MaskSum asSum(MaskId id) const;
  bool isConst(MaskId id, int64_t &value) const;
  /// `id` with every occurrence of `from` replaced by `to`.
  MaskId substitute(MaskId id, MaskId from, MaskId to);

private:
  static MaskNode makeNode(MaskOp op, llvm::ArrayRef<MaskId> args,
                           int64_t lo = 0, int64_t hi = 0);
  MaskId intern(MaskNode node);
  MaskId nary(MaskOp op, llvm::ArrayRef<MaskId> args);
  /// a < b as the machine compares, and a == b.
  MaskId less(MaskId a, MaskId b);
  MaskId equal(MaskId a, MaskId b);
  /// Whether saturation could change how `a` and `b` compare.
  bool saturationShows(MaskId a, MaskId b) const;
  /// `id`, where a choice lies beyond all of `with` a limit beyond it: the same
  /// to a comparison, and a sum with it stays small.
  MaskId comparable(MaskId id, MaskId with);
  MaskId saturate(MaskId a, int64_t limit);
  MaskId minMax(bool isMin, MaskId a, MaskId b);
  MaskId foldRemainder(MaskSum &s);
  MaskId substituteIn(MaskId id, MaskId from, MaskId to,
                      std::map<MaskId, MaskId> &done);

  std::vector<MaskNode> nodes;
  using Key = std::tuple<MaskOp, int64_t, std::vector<int64_t>, void *>;
  std::map<Key, MaskId> known;
};

/// floor(a / b) for b > 0.
int64_t maskFloorDiv(int64_t a, int64_t b);

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_MASKEXPR_H
