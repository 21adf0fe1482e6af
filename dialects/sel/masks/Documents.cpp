// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The mask `documents`: by ids, by spans, or by boundaries.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

static constexpr StringRef kSpans = "spans", kBoundaries = "cu_seqlens";

ArrayRef<StringRef> sel::documentsGroups() {
  static constexpr StringRef words[] = {kBoundaries, kSpans};
  return words;
}

/// The group that the tables are, or null for ids.
static GroupAttr groupOf(DocumentsAttr mask) {
  return llvm::dyn_cast<GroupAttr>(mask.getTables());
}

/// The table that `attribute` stands for has a rank from 1 to 2.
static LogicalResult verifyTable(EmitError emitError, StringRef what,
                                 Attribute attribute, TypeRange operandTypes,
                                 int64_t &rank) {
  // documents_c1
  auto argument = llvm::dyn_cast<ArgAttr>(attribute);
  if (!argument || argument.getIndex() >= operandTypes.size())
    return emitError() << "expected " << what
                       << " of documents to be an operand, got " << attribute
                       << " [documents_c1]";
  Type type = operandTypes[argument.getIndex()];
  if (!isTokenTable(type))
    return emitError() << "expected " << what
                       << " of documents to be a tensor<?xi32>, or a "
                          "tensor<?x?xi32> with the batch first, got "
                       << type << " [documents_c1]";
  rank = llvm::cast<ShapedType>(type).getRank();
  return success();
}

LogicalResult DocumentsAttr::verifyMask(EmitError emitError,
                                        TypeRange operandTypes, int64_t) const {
  int64_t rank = 0, other = 0;
  GroupAttr group = groupOf(*this);
  if (!group)
    return verifyTable(emitError, "the ids", getTables(), operandTypes, rank);
  // documents_c2
  ArrayRef<Attribute> tables = group.getArguments();
  if (group.getWord() == kBoundaries && tables.size() == 1)
    return verifyTable(emitError, "the boundaries", tables[0], operandTypes,
                       rank);
  if (group.getWord() != kSpans || tables.size() != 2)
    return emitError() << "expected documents to have ids, spans(start, end) "
                          "or cu_seqlens(boundaries), got "
                       << group << " [documents_c2]";
  if (failed(verifyTable(emitError, "the starts", tables[0], operandTypes,
                         rank)) ||
      failed(
          verifyTable(emitError, "the ends", tables[1], operandTypes, other)))
    return failure();
  if (rank != other)
    return emitError() << "expected starts and ends of documents to have one "
                          "rank, got "
                       << rank << " and " << other << " [documents_c2]";
  return success();
}

/// Whether the first axis of a table is the batch.
static bool isByBatch(MaskBuilder &builder, unsigned operand) {
  return llvm::cast<ShapedType>(builder.operandType(operand)).getRank() == 2;
}

/// Entry `token` of a table by token, or by batch and token.
static Value entryOf(MaskBuilder &builder, Attribute table, Value token) {
  unsigned operand = llvm::cast<ArgAttr>(table).getIndex();
  if (isByBatch(builder, operand))
    return builder.load(operand, {builder.batch, token});
  return builder.load(operand, token);
}

Value DocumentsAttr::expand(MaskBuilder &builder) const {
  GroupAttr group = groupOf(*this);
  if (!group) {
    Value queryId = entryOf(builder, getTables(), builder.query);
    return builder.equal(queryId, entryOf(builder, getTables(), builder.key));
  }
  ArrayRef<Attribute> tables = group.getArguments();
  if (group.getWord() == kBoundaries) {
    unsigned operand = llvm::cast<ArgAttr>(tables[0]).getIndex();
    Value row = isByBatch(builder, operand) ? builder.batch : Value();
    Segment own = builder.segment(operand, row, builder.query);
    return builder.both(builder.lessEqual(own.begin, builder.key),
                        builder.lessThan(builder.key, own.end));
  }
  Value start = builder.asIndex(entryOf(builder, tables[0], builder.query));
  Value end = builder.asIndex(entryOf(builder, tables[1], builder.query));
  return builder.both(builder.lessEqual(start, builder.key),
                      builder.lessThan(builder.key, end));
}

SmallVector<Attribute> DocumentsAttr::getArguments() const {
  return {getTables()};
}

Attribute sel::buildDocuments(MLIRContext *context,
                              ArrayRef<Attribute> arguments,
                              EmitError emitError) {
  if (arguments.size() == 1 && llvm::isa<ArgAttr, GroupAttr>(arguments[0]))
    return DocumentsAttr::get(context, arguments[0]);
  emitError() << "expected documents(%ids : tensor<?xi32>) or "
                 "documents(spans(%start : tensor<?xi32>, %end : "
                 "tensor<?xi32>)) or documents(cu_seqlens(%c : tensor<?xi32>)) "
                 "[documents_c1]";
  return {};
}

bool sel::isBoundaries(Attribute sugar, unsigned operand) {
  bool found = false;
  sugar.walk([&](DocumentsAttr documents) {
    GroupAttr group = groupOf(documents);
    if (group && group.getWord() == kBoundaries)
      found |= llvm::is_contained(group.getArguments(),
                                  ArgAttr::get(sugar.getContext(), operand));
  });
  return found;
}
