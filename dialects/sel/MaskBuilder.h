// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a mask's `expand` builds with: the coordinates of one (query, key), the
// numbers and tables of the sugar, and short names for index arithmetic.
// Masks and score modifiers share it; a lowering overrides `load`.
#ifndef FOVEA_DIALECTS_SEL_MASKBUILDER_H
#define FOVEA_DIALECTS_SEL_MASKBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/ValueRange.h"

namespace fovea::sel {

/// Where run-time numbers of words saturate: the largest literal (number_s1).
constexpr int64_t kNumberLimit = 2147483647;

/// The coordinates at which a predicate is built; all are of type index.
struct Coordinates {
  mlir::Value batch;
  /// The query head.
  mlir::Value head;
  /// Token indices in the sequence: query i of the call is i + offset.
  mlir::Value query;
  mlir::Value key;
  /// The number of keys of the sequence.
  mlir::Value length;
  /// The q_offset of the batch.
  mlir::Value offset;
  /// The number of query heads of the op.
  int64_t queryHeads = 0;
};

/// What sel.segment gives of a token; all are of type index.
struct Segment {
  /// The entries at or before the token, less one.
  mlir::Value index;
  /// The tokens of its segment: [begin, end), empty where it has none.
  mlir::Value begin, end;
};

class MaskBuilder {
public:
  /// `operands` are what #sel.arg<i> stands for: scalars, and tables whose
  /// element is read by `load`.
  MaskBuilder(mlir::OpBuilder &b, mlir::Location loc, Coordinates at,
              mlir::ValueRange operands)
      : b(b), loc(loc), batch(at.batch), head(at.head), query(at.query),
        key(at.key), length(at.length), queryHeads(at.queryHeads),
        operands(operands), queryOffset(at.offset) {}
  virtual ~MaskBuilder() = default;

  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::Value batch, head, query, key, length;
  /// Of the op; a number of them may share an entry of a table.
  int64_t queryHeads;

  /// A number of the sugar as an index: an integer literal, a scalar operand,
  /// or the entry of a table for the current head. One of 64 bits saturates at
  /// kNumberLimit.
  mlir::Value number(mlir::Attribute n);

  /// A number of the sugar that divides, raised to 1, and whether it is at
  /// least 1: a mask with a run-time size below 1 keeps nothing. The second is
  /// null for a literal, which has been verified.
  std::pair<mlir::Value, mlir::Value> divisor(mlir::Attribute n);

  /// Element `indices` of table operand `operand`.
  virtual mlir::Value load(unsigned operand, mlir::ValueRange indices);

  /// Whatever a scalar or table element of integer type is, as an index.
  mlir::Value asIndex(mlir::Value value);

  /// An i1: whether the last of `indices` is a descendant of the one before in
  /// the table of parents `operand`, or the same token (sel.ancestor).
  virtual mlir::Value ancestor(unsigned operand, mlir::ValueRange indices);
  /// An i1: whether the tree of the batch lets the query see the key.
  virtual mlir::Value inTree();

  /// The segment of `token` in the table of boundaries `operand`, in its row
  /// `row` if the table has rows (sel.segment).
  virtual Segment segment(unsigned operand, mlir::Value row, mlir::Value token);

  /// The q_offset of the batch: query - offset() is the query's row in the
  /// call.
  mlir::Value offset() { return queryOffset; }

  /// Operand i of the sugar; a table may not be one in a lowering.
  mlir::Value operand(unsigned i) { return operands[i]; }
  /// The type that table or scalar i has in the spec; a lowering whose operands
  /// are buffers still answers with a shaped type of the same rank.
  virtual mlir::Type operandType(unsigned i) { return operands[i].getType(); }

  mlir::Value constant(int64_t value) {
    return b.create<mlir::arith::ConstantIndexOp>(loc, value);
  }
  mlir::Value truth(bool value) {
    return b.create<mlir::arith::ConstantIntOp>(loc, value, 1);
  }
  mlir::Value add(mlir::Value x, mlir::Value y) {
    return b.create<mlir::arith::AddIOp>(loc, x, y);
  }
  mlir::Value sub(mlir::Value x, mlir::Value y) {
    return b.create<mlir::arith::SubIOp>(loc, x, y);
  }
  mlir::Value multiply(mlir::Value x, mlir::Value y) {
    return b.create<mlir::arith::MulIOp>(loc, x, y);
  }
  /// The quotient rounded down; tokens before 0 have blocks below 0.
  mlir::Value floorDivide(mlir::Value x, mlir::Value y) {
    return b.create<mlir::arith::FloorDivSIOp>(loc, x, y);
  }
  /// The remainder with the sign of x.
  mlir::Value remainder(mlir::Value x, mlir::Value y) {
    return b.create<mlir::arith::RemSIOp>(loc, x, y);
  }
  mlir::Value lessThan(mlir::Value x, mlir::Value y) {
    return compare(mlir::arith::CmpIPredicate::slt, x, y);
  }
  mlir::Value lessEqual(mlir::Value x, mlir::Value y) {
    return compare(mlir::arith::CmpIPredicate::sle, x, y);
  }
  mlir::Value equal(mlir::Value x, mlir::Value y) {
    return compare(mlir::arith::CmpIPredicate::eq, x, y);
  }
  mlir::Value both(mlir::Value x, mlir::Value y) {
    return b.create<mlir::arith::AndIOp>(loc, x, y);
  }
  /// `x`, and where `valid` is not null that as well.
  mlir::Value where(mlir::Value valid, mlir::Value x) {
    return valid ? both(valid, x) : x;
  }
  mlir::Value either(mlir::Value x, mlir::Value y) {
    return b.create<mlir::arith::OrIOp>(loc, x, y);
  }
  mlir::Value negate(mlir::Value x) {
    return b.create<mlir::arith::XOrIOp>(loc, x, truth(true));
  }

private:
  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value x,
                      mlir::Value y) {
    return b.create<mlir::arith::CmpIOp>(loc, predicate, x, y);
  }

  mlir::ValueRange operands;
  mlir::Value queryOffset;
};

} // namespace fovea::sel

#endif // FOVEA_DIALECTS_SEL_MASKBUILDER_H
