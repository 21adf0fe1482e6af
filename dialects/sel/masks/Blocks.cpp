// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The masks of blocks of tokens: `chunked`, `block_causal`, `blocks`.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

//===----------------------------------------------------------------------===//
// chunked, block_causal
//===----------------------------------------------------------------------===//

/// A size of blocks, and the token at which one begins or null for 0.
static LogicalResult verifyBlocks(EmitError emitError, Attribute size,
                                  Attribute first, TypeRange operandTypes,
                                  int64_t queryHeads, StringRef label) {
  if (failed(verifyNumber(emitError, size, operandTypes, queryHeads, 1,
                          "the size of a block", label)))
    return failure();
  return first ? verifyNumber(emitError, first, operandTypes, queryHeads, 0,
                              "the start of a block", label)
               : success();
}

namespace {
/// The first token of the query's block and that of the next one; whether there
/// are blocks at all, or null.
struct QueryBlock {
  Value begin, end, valid;
};
} // namespace

/// Only the query is divided: ends of a range of keys cost a kernel nothing per
/// key and the solver no case.
static QueryBlock blockOfQuery(MaskBuilder &builder, Attribute size,
                               Attribute first) {
  auto [n, valid] = builder.divisor(size);
  Value query = builder.query, origin;
  if (first) {
    origin = builder.number(first);
    query = builder.sub(query, origin);
  }
  Value begin = builder.multiply(builder.floorDivide(query, n), n);
  if (origin)
    begin = builder.add(begin, origin);
  return {begin, builder.add(begin, n), valid};
}

static SmallVector<Attribute> argumentsOf(Attribute size, Attribute first) {
  if (!first)
    return {size};
  return {size, first};
}

/// Reads (n) or (n, first).
template <typename Mask>
static Attribute buildBlocksOf(MLIRContext *context,
                               ArrayRef<Attribute> arguments,
                               EmitError emitError, StringRef word) {
  bool numbers = arguments.size() == 1 || arguments.size() == 2;
  for (Attribute argument : arguments)
    numbers &= !llvm::isa<StringAttr>(argument);
  if (numbers)
    return Mask::get(context, arguments[0],
                     arguments.size() == 2 ? arguments[1] : Attribute());
  emitError() << "expected " << word << "(n) or " << word << "(n, first) ["
              << word << "_c1]";
  return {};
}

// chunked_c1
LogicalResult ChunkedAttr::verifyMask(EmitError emitError,
                                      TypeRange operandTypes,
                                      int64_t queryHeads) const {
  return verifyBlocks(emitError, getSize(), getFirst(), operandTypes,
                      queryHeads, "chunked_c1");
}

Value ChunkedAttr::expand(MaskBuilder &builder) const {
  QueryBlock block = blockOfQuery(builder, getSize(), getFirst());
  return builder.where(block.valid,
                       builder.both(builder.lessEqual(block.begin, builder.key),
                                    builder.lessThan(builder.key, block.end)));
}

SmallVector<Attribute> ChunkedAttr::getArguments() const {
  return argumentsOf(getSize(), getFirst());
}

Attribute sel::buildChunked(MLIRContext *context, ArrayRef<Attribute> arguments,
                            EmitError emitError) {
  // [chunked_c1]
  return buildBlocksOf<ChunkedAttr>(context, arguments, emitError, "chunked");
}

// block_causal_c1
LogicalResult BlockCausalAttr::verifyMask(EmitError emitError,
                                          TypeRange operandTypes,
                                          int64_t queryHeads) const {
  return verifyBlocks(emitError, getSize(), getFirst(), operandTypes,
                      queryHeads, "block_causal_c1");
}

Value BlockCausalAttr::expand(MaskBuilder &builder) const {
  QueryBlock block = blockOfQuery(builder, getSize(), getFirst());
  return builder.where(block.valid, builder.lessThan(builder.key, block.end));
}

MaskAttrInterface BlockCausalAttr::simplify() const {
  auto size = llvm::dyn_cast<IntegerAttr>(getSize());
  if (size && size.getInt() == 1)
    return CausalAttr::get(getContext(), Alignment::bottom_right);
  return *this;
}

SmallVector<Attribute> BlockCausalAttr::getArguments() const {
  return argumentsOf(getSize(), getFirst());
}

Attribute sel::buildBlockCausal(MLIRContext *context,
                                ArrayRef<Attribute> arguments,
                                EmitError emitError) {
  // [block_causal_c1]
  return buildBlocksOf<BlockCausalAttr>(context, arguments, emitError,
                                        "block_causal");
}

//===----------------------------------------------------------------------===//
// blocks
//===----------------------------------------------------------------------===//

// blocks_c1, blocks_c2
LogicalResult BlocksAttr::verifyMask(EmitError emitError,
                                     TypeRange operandTypes,
                                     int64_t queryHeads) const {
  if (failed(verifyNumber(emitError, getSize(), operandTypes, queryHeads, 1,
                          "the size of a block", "blocks_c1")) ||
      failed(verifyMasks(emitError, getMask(), 1, "blocks", operandTypes,
                         queryHeads)))
    return failure();
  WalkResult rows = getMask().walk([](CausalAttr causal) {
    return causal.getAlignment() == Alignment::top_left
               ? WalkResult::interrupt()
               : WalkResult::advance();
  });
  if (rows.wasInterrupted())
    return emitError() << "expected a mask of blocks not to count rows of the "
                          "call, got causal(top_left) [blocks_c2]";
  // tree_c3
  WalkResult trees = getMask().walk([](TreeAttr tree) {
    return tree.getParents() ? WalkResult::advance() : WalkResult::interrupt();
  });
  if (trees.wasInterrupted())
    return emitError()
           << "expected a mask of blocks not to ask for the tree of "
              "the batch, which is of tokens, got tree [tree_c3]";
  return success();
}

Value BlocksAttr::expand(MaskBuilder &builder) const {
  auto [n, valid] = builder.divisor(getSize());
  Value query = builder.query, key = builder.key;
  builder.query = builder.floorDivide(query, n);
  // Keys are not below 0: the cheaper division rounds down as well.
  builder.key = builder.b.create<arith::DivSIOp>(builder.loc, key, n);
  Value keep = llvm::cast<MaskAttrInterface>(getMask()).expand(builder);
  builder.query = query;
  builder.key = key;
  return builder.where(valid, keep);
}

MaskAttrInterface BlocksAttr::simplify() const {
  MaskAttrInterface inner = llvm::cast<MaskAttrInterface>(getMask()).simplify();
  auto size = llvm::dyn_cast<IntegerAttr>(getSize());
  if (size && size.getInt() == 1)
    return inner;
  return BlocksAttr::get(getContext(), getSize(), inner);
}

std::optional<bool> BlocksAttr::getConstant() const {
  std::optional<bool> inner =
      llvm::cast<MaskAttrInterface>(getMask()).getConstant();
  // A run-time size may be below 1 and then hides everything.
  if (inner == true && !llvm::isa<IntegerAttr>(getSize()))
    return std::nullopt;
  return inner;
}

SmallVector<Attribute> BlocksAttr::getArguments() const {
  return {getSize(), getMask()};
}

Attribute sel::buildBlocks(MLIRContext *context, ArrayRef<Attribute> arguments,
                           EmitError emitError) {
  if (arguments.size() == 2 && !llvm::isa<StringAttr>(arguments[0]))
    return BlocksAttr::get(context, arguments[0], arguments[1]);
  emitError() << "expected blocks(n, mask) [blocks_c1]";
  return {};
}
