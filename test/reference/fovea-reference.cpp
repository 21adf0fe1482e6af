// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Evaluates every function without arguments of a module with the reference
// interpreter and prints what it returns, for FileCheck: the tests in this
// folder are small literal tensors whose results were computed by hand.
//
//   fovea-reference FILE [--row=BATCH,HEAD,QUERY]
//
// --row also prints which keys that row of each attention sees, and the largest
// visible score.
#include "dialects/RegisterDialects.h"
#include "dialects/reference/Interpreter.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace fovea::reference;

/// Elements of a row separated by commas, rows by semicolons, matrices by bars:
/// brackets would be FileCheck's.
static void print(raw_ostream &os, const Tensor &tensor) {
  for (int64_t i = 0; i < tensor.size(); ++i) {
    int64_t axis = tensor.rank() - 1, count = 1;
    while (axis > 0 && i % (count * tensor.dim(axis)) == 0)
      count *= tensor.dim(axis--);
    int64_t ended = tensor.rank() - 1 - axis; // axes that began anew
    if (i)
      os << (ended == 0 ? ", " : ended == 1 ? "; " : " | ");
    os << llvm::format("%.6g", tensor.data[i]);
  }
}

static void print(raw_ostream &os, const List &list) {
  StringRef separator = "";
  for (const std::vector<int64_t> &units : list.units) {
    os << separator << "{";
    llvm::interleaveComma(units, os);
    os << "}";
    separator = " ";
  }
}

static void print(raw_ostream &os, const fovea::reference::Value &value) {
  if (const auto *tensor = std::get_if<Tensor>(&value))
    return print(os, *tensor);
  if (const auto *scores = std::get_if<Scores>(&value))
    return print(os, scores->values);
  if (const auto *levels = std::get_if<Levels>(&value))
    return print(os, levels->values);
  if (const auto *list = std::get_if<List>(&value))
    return print(os, *list);
  if (const auto *scalar = std::get_if<Scalar>(&value)) {
    os << scalar->i << " " << llvm::format("%.6g", scalar->f);
    return;
  }
  if (const auto *encoded = std::get_if<Encoded>(&value)) {
    os << "codes ";
    print(os, encoded->codes);
    os << " scales ";
    return print(os, encoded->scales);
  }
  const auto &pyramid = *std::get_if<Pyramid>(&value);
  for (size_t n = 0; n < pyramid.levels.size(); ++n) {
    os << (n ? " " : "") << "level " << pyramid.levels[n] << " keys ";
    print(os, pyramid.keys[n]);
    os << " values ";
    print(os, pyramid.values[n]);
  }
}

/// Returns false if the evaluation failed.
static bool evaluateAndPrint(func::FuncOp function, Report report) {
  StringRef name = function.getName();
  llvm::Expected<std::vector<fovea::reference::Value>> results =
      evaluate(function, {}, &report);
  if (!results) {
    llvm::outs() << name << ": error: " << llvm::toString(results.takeError())
                 << "\n";
    return false;
  }
  for (const fovea::reference::Value &value : *results) {
    llvm::outs() << name << ": ";
    print(llvm::outs(), value);
    llvm::outs() << "\n";
  }
  if (!report.row)
    return true;
  for (const Sight &sight : report.sights) {
    llvm::outs() << name << ": " << sight.op << " sees";
    for (auto [token, count] : sight.keys)
      if (count == 1)
        llvm::outs() << " " << token;
      else
        llvm::outs() << " " << token << "+" << count;
    llvm::outs() << "\n";
  }
  llvm::outs() << name << ": largest score "
               << llvm::format("%.6g", report.maxScore) << "\n";
  return true;
}

int main(int argc, char **argv) {
  llvm::cl::opt<std::string> file(llvm::cl::Positional, llvm::cl::Required,
                                  llvm::cl::desc("FILE"));
  llvm::cl::list<int64_t> row("row", llvm::cl::CommaSeparated,
                              llvm::cl::desc("print what this row sees"),
                              llvm::cl::value_desc("BATCH,HEAD,QUERY"));
  llvm::cl::ParseCommandLineOptions(argc, argv);

  DialectRegistry registry;
  fovea::registerDialects(registry);
  MLIRContext context(registry);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(file, &context);
  if (!module)
    return 1;
  Report report;
  if (row.size() == 3)
    report.row = Row{row[0], row[1], row[2]};
  bool ok = true;
  for (func::FuncOp function : module->getOps<func::FuncOp>())
    if (function.getNumArguments() == 0)
      ok &= evaluateAndPrint(function, report);
  return ok ? 0 : 1;
}
