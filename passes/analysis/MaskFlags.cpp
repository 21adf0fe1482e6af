// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// See the header. One loop for each axis, each ending when the question is
// answered; bytes that lie side by side are read 64 at a time.
#include "passes/analysis/MaskFlags.h"
#include "passes/analysis/MaskText.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace fovea {
namespace {

/// A loop over [from, to) that carries the least and greatest of the entries so
/// far, 1 for those other than 0, and ends when both have been met; names of
/// its values end in `name`. `body` makes %l<name>n and %m<name>n of %l<name>
/// and %m<name>.
std::string loop(const std::string &name, const std::string &from,
                 const std::string &to, const std::string &in,
                 const std::string &step, const std::string &body) {
  std::string text = R"(
%lNAMEo, %mNAMEo, %iNAMEo = scf.while (%l = %lIN, %m = %mIN, %i = FROM)
    : (i64, i64, index) -> (i64, i64, index) {
  %mixed = arith.cmpi slt, %l, %m : i64
  %open = arith.xori %mixed, %yes : i1
  %more = arith.cmpi slt, %i, TO : index
  %go = arith.andi %open, %more : i1
  scf.condition(%go) %l, %m, %i : i64, i64, index
} do {
^bb0(%lNAME: i64, %mNAME: i64, %iNAME: index):
BODY
  %nextNAME = arith.addi %iNAME, STEP : index
  scf.yield %lNAMEn, %mNAMEn, %nextNAME : i64, i64, index
}
)";
  // BODY last: it has loops of its own.
  for (auto [word, by] : {std::pair<StringRef, std::string>{"NAME", name},
                          {"IN", in},
                          {"FROM", from},
                          {"TO", to},
                          {"STEP", step},
                          {"BODY", body}})
    for (size_t at = 0; (at = text.find(word, at)) != std::string::npos;
         at += by.size())
      text.replace(at, word.size(), by);
  return text;
}

/// %l<name>n and %m<name>n: the state `in` with %least and %most.
std::string merged(const std::string &name, const std::string &in) {
  return "%l" + name + "n = arith.minsi %l" + in + ", %least : i64\n%m" + name +
         "n = arith.maxsi %m" + in + ", %most : i64\n";
}

} // namespace

func::FuncOp emitMaskFlags(ModuleOp module, StringRef name, MemRefType table) {
  static_assert(kMaskFlagBytes == 64, "as the text below says");
  module.getContext()->loadDialect<vector::VectorDialect>();
  unsigned rank = table.getRank(), inner = rank - 1;
  unsigned width = table.getElementTypeBitWidth();
  std::string type, parameters, indices;
  llvm::raw_string_ostream(type) << table;
  std::string last = std::to_string(inner);
  for (unsigned d = 0; d < rank; ++d) {
    std::string n = std::to_string(d);
    parameters += ", %a" + n + ": index, %b" + n + ": index";
    indices += (d ? ", %i" : "%i") + (d == inner ? "e" : n);
  }
  // The state before and in the innermost axis.
  std::string before = inner ? std::to_string(inner - 1) : "s";
  std::string entry = "%e = memref.load %t[" + indices + "] : " + type + "\n";
  std::string element = "i" + std::to_string(width);
  entry += "%none = arith.constant " +
           std::string(width == 1 ? "false" : "0 : " + element) +
           "\n%set = arith.cmpi ne, %e, %none : " + element +
           "\n%least = arith.extui %set : i1 to i64\n"
           "%most = arith.extui %set : i1 to i64\n" +
           merged("e", "e");
  std::string start = "%a" + last, end = "%b" + last, body, metadata;
  std::string state = before;
  if (width == 8) {
    // Whole vectors of a row of bytes first. What the type knows is not asked
    // of the memref: conversions would fold it to constants that they miss.
    auto [strides, offset] = getStridesAndOffset(table);
    metadata = "%base, %offset, %size:" + std::to_string(rank) +
               ", %stride:" + std::to_string(rank) +
               " = memref.extract_strided_metadata %t : " + type +
               " -> memref<i8>, index";
    for (unsigned d = 0; d < 2 * rank; ++d)
      metadata += ", index";
    auto known = [&](const std::string &to, int64_t n, const std::string &by) {
      metadata += "\n" + to + " = " +
                  (ShapedType::isDynamic(n)
                       ? "arith.addi " + by + ", %c0 : index"
                       : "arith.constant " + std::to_string(n) + " : index");
    };
    known("%at", offset, "%offset");
    for (unsigned d = 0; d < rank; ++d)
      known("%by" + std::to_string(d), strides[d],
            "%stride#" + std::to_string(d));
    metadata += "\n%unit = arith.cmpi eq, %by" + last +
                ", %c1 : index\n%span = arith.subi " + end + ", " + start +
                " : index\n%vectors = arith.divui %span, %c64 : index\n"
                "%bytes0 = arith.muli %vectors, %c64 : index\n"
                "%bytes = arith.select %unit, %bytes0, %c0 : index\n"
                "%whole = arith.addi " +
                start + ", %bytes : index\n";
    std::string at = "%at";
    for (unsigned d = 0; d < inner; ++d) {
      std::string n = std::to_string(d);
      body += "%step" + n + " = arith.muli %i" + n + ", %by" + n +
              " : index\n%at" + n + " = arith.addi " + at + ", %step" + n +
              " : index\n";
      at = "%at" + n;
    }
    std::string row = "memref<?xi8, strided<[1], offset: ?>>";
    body += "%row = memref.reinterpret_cast %base to offset: [" + at +
            "], sizes: [" + end + "], strides: [1] : memref<i8> to " + row +
            "\n" +
            loop("v", start, "%whole", before, "%c1024",
                 "%far = arith.addi %iv, %c1024 : index\n"
                 "%stop = arith.minsi %far, %whole : index\n"
                 "%x0 = vector.load %row[%iv] : " +
                     row +
                     ", vector<64xi8>\n"
                     "%second = arith.addi %iv, %c64 : index\n"
                     "%vl, %vm = scf.for %j = %second to %stop step %c64 "
                     "iter_args(%xl = %x0, %xm = %x0) -> "
                     "(vector<64xi8>, vector<64xi8>) {\n"
                     "%x = vector.load %row[%j] : " +
                     row +
                     ", vector<64xi8>\n"
                     "%yl = arith.minui %xl, %x : vector<64xi8>\n"
                     "%ym = arith.ori %xm, %x : vector<64xi8>\n"
                     "scf.yield %yl, %ym : vector<64xi8>, vector<64xi8>\n}\n"
                     "%rl = vector.reduction <minui>, %vl : vector<64xi8> "
                     "into i8\n"
                     "%rm = vector.reduction <or>, %vm : vector<64xi8> into "
                     "i8\n"
                     "%none = arith.constant 0 : i8\n"
                     "%every = arith.cmpi ne, %rl, %none : i8\n"
                     "%some = arith.cmpi ne, %rm, %none : i8\n"
                     "%least = arith.extui %every : i1 to i64\n"
                     "%most = arith.extui %some : i1 to i64\n" +
                     merged("v", "v"));
    start = "%whole";
    state = "vo";
  }
  body += loop("e", start, end, state, "%c1", entry);
  std::string result = "eo";
  for (unsigned d = inner; d-- > 0;) {
    std::string n = std::to_string(d);
    // The inner state went on from this one.
    body += "%l" + n + "n = arith.addi %l" + result + ", %zero : i64\n%m" + n +
            "n = arith.addi %m" + result + ", %zero : i64\n";
    body = loop(n, "%a" + n, "%b" + n, d ? std::to_string(d - 1) : "s", "%c1",
                body);
    result = n + "o";
  }
  std::string text = "func.func private @\"" + name.str() + "\"(%t: " + type +
                     parameters +
                     ") -> (i64, i64) {\n"
                     "%zero = arith.constant 0 : i64\n"
                     "%c0 = arith.constant 0 : index\n"
                     "%c1 = arith.constant 1 : index\n"
                     "%c64 = arith.constant 64 : index\n"
                     "%c1024 = arith.constant 1024 : index\n"
                     "%yes = arith.constant true\n"
                     "%ls = arith.constant 1 : i64\n"
                     "%ms = arith.constant 0 : i64\n" +
                     metadata + body + "return %l" + result + ", %m" + result +
                     " : i64, i64\n}\n";
  return addFunctionText(module, text);
}

void narrowMaskFlags(ModuleOp module, int64_t bytes) {
  auto narrow = [&](Value v) {
    if (auto vector = dyn_cast<VectorType>(v.getType()))
      v.setType(VectorType::get({bytes}, vector.getElementType()));
  };
  for (auto fn : module.getOps<func::FuncOp>()) {
    if (!fn.getSymName().starts_with(kMaskFlagPrefix))
      continue;
    fn.walk([&](Operation *op) {
      for (Value v : op->getResults())
        narrow(v);
      for (Region &region : op->getRegions())
        for (Block &block : region)
          llvm::for_each(block.getArguments(), narrow);
      auto constant = dyn_cast<arith::ConstantIndexOp>(op);
      if (constant && constant.value() == kMaskFlagBytes)
        constant.setValueAttr(IntegerAttr::get(constant.getType(), bytes));
    });
  }
}

} // namespace fovea
