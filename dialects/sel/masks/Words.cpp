// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The table of mask words and the check of numbers that the masks share.
#include "dialects/sel/masks/Masks.h"

#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

ArrayRef<MaskWord> sel::maskWords() {
  static const MaskWord words[] = {
      {"block_causal", buildBlockCausal},
      {"blocks", buildBlocks, /*ofMasks=*/true},
      {"causal", buildCausal},
      {"chunked", buildChunked},
      {"columns", buildColumns},
      {"dilated", buildDilated},
      {"documents", buildDocuments, /*ofMasks=*/false, documentsGroups()},
      {"flashmask", buildFlashMask},
      {"global", buildGlobal},
      {"heads", buildHeads, /*ofMasks=*/true},
      {"neighborhood", buildNeighborhood, /*ofMasks=*/false,
       neighborhoodGroups()},
      {"prefix", buildPrefix},
      {"queries", buildQueries},
      {"sink", buildSink},
      {"slices", buildSlices},
      {"tree", buildTree},
      {"window", buildWindow},
  };
  return words;
}

bool sel::isInfinite(Attribute attribute) {
  auto word = dyn_cast_if_present<StringAttr>(attribute);
  return word && word == "inf";
}

LogicalResult sel::verifyNumber(EmitError emitError, Attribute number,
                                TypeRange operandTypes, int64_t queryHeads,
                                int64_t least, StringRef what,
                                StringRef label) {
  auto literal = dyn_cast<IntegerAttr>(number);
  if (literal && literal.getType().isInteger(64)) {
    int64_t value = literal.getInt();
    if (value < least || value > INT32_MAX)
      return emitError() << "expected " << what << " to be from " << least
                         << " to 2147483647, got " << value << " [" << label
                         << "]";
    return success();
  }
  auto argument = dyn_cast<ArgAttr>(number);
  if (!argument)
    return emitError() << "expected " << what << " to be a number, got "
                       << number << " [" << label << "]";
  if (argument.getIndex() >= operandTypes.size())
    return emitError() << "expected an operand for " << argument
                       << ", got only " << operandTypes.size()
                       << " operands [mask_c6]";
  // number_c1
  Type type = operandTypes[argument.getIndex()];
  bool scalar = type.isIndex() || type.isInteger(32) || type.isInteger(64);
  auto table = dyn_cast<RankedTensorType>(type);
  if (!scalar && !(table && table.getRank() == 1 && !table.getEncoding() &&
                   table.getDimSize(0) == queryHeads &&
                   (table.getElementType().isInteger(32) ||
                    table.getElementType().isInteger(64))))
    return emitError() << "expected " << what
                       << " to be index, i32, i64 or a tensor of i32 or i64 "
                          "with one entry per query head, got "
                       << type << " and " << queryHeads
                       << " query heads [number_c1]";
  return success();
}
