// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// See the header. A stretch is entries at both ends, blocks inside, and blocks
// of blocks inside those: some hundreds of loads for any length.
#include "passes/analysis/MaskScan.h"
#include "passes/analysis/MaskText.h"

#include <fovea/abi.h>

using namespace mlir;

namespace fovea {

MemRefType maskSummaryType(MemRefType table) {
  SmallVector<int64_t> shape(table.getRank() + 1, ShapedType::kDynamic);
  SmallVector<int64_t> strides(shape);
  return MemRefType::get(
      shape, IntegerType::get(table.getContext(), 64),
      StridedLayoutAttr::get(table.getContext(), /*offset=*/0, strides));
}

bool canSummarise(MemRefType table) {
  return table.getRank() > 0 && table.getRank() < FOVEA_ABI_MAX_RANK &&
         isa<IntegerType>(table.getElementType());
}

/// A loop over `load` of [from, to) that starts with the values `in` and ends
/// in `out`.
static std::string loop(StringRef out, StringRef from, StringRef to,
                        StringRef in, const std::string &body) {
  return ("%" + out + "l, %" + out + "m = scf.for %x = %" + from + " to %" +
          to + " step %c1 iter_args(%l = %" + in + "l, %m = %" + in +
          "m) -> (i64, i64) {\n" + body +
          "%ln = arith.minsi %l, %a : i64\n"
          "%mn = arith.maxsi %m, %b : i64\n"
          "scf.yield %ln, %mn : i64, i64\n}\n")
      .str();
}

func::FuncOp emitMaskScan(ModuleOp module, StringRef name, MemRefType table,
                          unsigned axis) {
  MemRefType summary = maskSummaryType(table);
  std::string tableType, summaryType, parameters, indices;
  llvm::raw_string_ostream(tableType) << table;
  llvm::raw_string_ostream(summaryType) << summary;
  for (unsigned d = 0; d < table.getRank(); ++d) {
    std::string index = "%x";
    if (d != axis) {
      index = "%i" + std::to_string(d);
      parameters += index + ": index, ";
    }
    indices += (d ? ", " : "") + index;
  }
  auto element = cast<IntegerType>(table.getElementType());
  std::string entry =
      "%e = memref.load %t[" + indices + "] : " + tableType + "\n";
  if (element.getWidth() == 64)
    entry += "%a = arith.addi %e, %zero : i64\n";
  else
    entry += std::string("%a = arith.ext") +
             (element.getWidth() == 1 ? "u" : "s") + "i %e : i" +
             std::to_string(element.getWidth()) + " to i64\n";
  entry += "%b = arith.addi %a, %zero : i64\n";
  std::string block = "%a = memref.load %s[" + indices +
                      ", %c0] : " + summaryType + "\n%b = memref.load %s[" +
                      indices + ", %c1] : " + summaryType + "\n";
  std::string size = std::to_string(FOVEA_SUMMARY_BLOCK);
  std::string text = "func.func private @\"" + name.str() +
                     "\"(%t: " + tableType + ", %s: " + summaryType + ", " +
                     parameters +
                     "%lo: index, %hi: index) -> (i64, i64) {\n"
                     "%zero = arith.constant 0 : i64\n"
                     "%c0 = arith.constant 0 : index\n"
                     "%c1 = arith.constant 1 : index\n"
                     "%size = arith.constant " +
                     size +
                     " : index\n"
                     "%axis = arith.constant " +
                     std::to_string(axis) +
                     " : index\n"
                     "%far = arith.constant " +
                     std::to_string(FOVEA_SUMMARY_BLOCK) +
                     " : index\n"
                     "%sl = arith.constant 0x7fffffffffffffff : i64\n"
                     "%sm = arith.constant 0x8000000000000000 : i64\n"
                     "%n = memref.dim %s, %axis : " +
                     summaryType +
                     "\n"
                     "%length = memref.dim %t, %axis : " +
                     tableType +
                     "\n"
                     "%span = arith.subi %hi, %lo : index\n"
                     "%short = arith.cmpi slt, %span, %far : index\n"
                     "%none = arith.cmpi eq, %n, %c0 : index\n"
                     "%plain = arith.ori %short, %none : i1\n"
                     // Whole blocks [b0, b1), whole blocks of blocks [d0, d1);
                     // entries and blocks beside them.
                     "%up = arith.ceildivui %lo, %size : index\n"
                     "%down = arith.divui %hi, %size : index\n"
                     "%b0 = arith.select %plain, %c0, %up : index\n"
                     "%b1 = arith.select %plain, %c0, %down : index\n"
                     "%eUp = arith.muli %up, %size : index\n"
                     "%eDown = arith.muli %down, %size : index\n"
                     "%e0 = arith.select %plain, %hi, %eUp : index\n"
                     "%e1 = arith.select %plain, %hi, %eDown : index\n"
                     "%dUp = arith.ceildivui %b0, %size : index\n"
                     "%dDown = arith.divui %b1, %size : index\n"
                     "%few = arith.cmpi sle, %dDown, %dUp : index\n"
                     "%first = arith.muli %dUp, %size : index\n"
                     "%last = arith.muli %dDown, %size : index\n"
                     "%m0 = arith.select %few, %b1, %first : index\n"
                     "%m1 = arith.select %few, %b1, %last : index\n"
                     "%blocks = arith.ceildivui %length, %size : index\n"
                     "%d0At = arith.addi %blocks, %dUp : index\n"
                     "%d1At = arith.addi %blocks, %dDown : index\n"
                     "%d0 = arith.select %few, %c0, %d0At : index\n"
                     "%d1 = arith.select %few, %c0, %d1At : index\n" +
                     loop("head", "lo", "e0", "s", entry) +
                     loop("tail", "e1", "hi", "head", entry) +
                     loop("left", "b0", "m0", "tail", block) +
                     loop("right", "m1", "b1", "left", block) +
                     loop("all", "d0", "d1", "right", block) +
                     "return %alll, %allm : i64, i64\n}\n";
  return addFunctionText(module, text);
}

} // namespace fovea
