// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reading and printing clauses `word(args)`, mask expressions and the run-time
// numbers in them. For the ops of sel and attn.
#ifndef FOVEA_DIALECTS_SEL_CLAUSES_H
#define FOVEA_DIALECTS_SEL_CLAUSES_H

#include "dialects/sel/SelAttrs.h"
#include "mlir/IR/OpImplementation.h"
#include <functional>

namespace fovea::sel {

/// Operands of a clause as they are read: each stands with its type.
struct ClauseOperands {
  llvm::SmallVector<mlir::OpAsmParser::UnresolvedOperand> operands;
  llvm::SmallVector<mlir::Type> types;
};

/// Reads clauses in any order, each at most once.
class ClauseParser {
public:
  explicit ClauseParser(mlir::OpAsmParser &parser) : parser(parser) {}

  /// Adds a clause; `parse` reads what follows its word.
  void add(llvm::StringRef word, std::function<mlir::ParseResult()> parse) {
    clauses.push_back({word, std::move(parse), false});
  }

  /// Reads clauses until something other than a word comes.
  mlir::ParseResult parse();

  /// Whether `word` was there.
  bool has(llvm::StringRef word) const;

private:
  struct Clause {
    llvm::StringRef word;
    std::function<mlir::ParseResult()> parse;
    bool seen;
  };

  mlir::OpAsmParser &parser;
  llvm::SmallVector<Clause> clauses;
};

/// Reads `(arg, arg, ..)`: numbers, keywords, operands with types, and groups
/// `word(args)` of those whose words `groups` lists. An operand becomes
/// #sel.arg and is appended to `operands`. An empty list is read where there is
/// no parenthesis.
mlir::ParseResult
parseArguments(mlir::OpAsmParser &parser, ClauseOperands &operands,
               llvm::SmallVectorImpl<mlir::Attribute> &arguments,
               llvm::ArrayRef<llvm::StringRef> groups = {});

/// Prints what parseArguments reads; nothing for no arguments.
void printArguments(mlir::OpAsmPrinter &printer,
                    llvm::ArrayRef<mlir::Attribute> arguments,
                    mlir::OperandRange operands);

/// Reads `(expression)`.
mlir::ParseResult parseMask(mlir::OpAsmParser &parser, ClauseOperands &operands,
                            mlir::Attribute &mask);

/// Prints the expression without the outer parentheses.
void printMask(mlir::OpAsmPrinter &printer, MaskAttrInterface mask,
               mlir::OperandRange operands);

/// Writes the expression; `printOperand` writes operand i.
void spellMask(llvm::raw_ostream &stream, MaskAttrInterface mask,
               llvm::function_ref<void(unsigned)> printOperand);

/// Reads `(%x : type)`.
mlir::ParseResult parseTypedOperand(mlir::OpAsmParser &parser,
                                    ClauseOperands &operands);

/// Prints ` word(%x : type)`.
void printTypedOperand(mlir::OpAsmPrinter &printer, llvm::StringRef word,
                       mlir::Value operand);

/// Reads an integer or floating-point literal.
mlir::ParseResult parseDouble(mlir::AsmParser &parser, double &value);

/// Prints the shortest literal that reads back as `value`.
void printDouble(llvm::raw_ostream &stream, double value);

/// Reads `(x)` into an f64 attribute.
mlir::ParseResult parseDoubleInParens(mlir::AsmParser &parser,
                                      mlir::FloatAttr &value);

/// Reads `(1, 2, 4)`.
mlir::ParseResult parseIntegers(mlir::AsmParser &parser,
                                llvm::SmallVectorImpl<int64_t> &values);

} // namespace fovea::sel

#endif // FOVEA_DIALECTS_SEL_CLAUSES_H
