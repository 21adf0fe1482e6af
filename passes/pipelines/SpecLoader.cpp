// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads specs; see the header.
#include "passes/pipelines/SpecLoader.h"

#include "dialects/attn/AttnDialect.h"
#include "dialects/kv/KVDialect.h"
#include "dialects/kv/Words.h"
#include "dialects/sel/SelDialect.h"
#include "passes/pipelines/SpecDims.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace fovea {

/// `loc` with the columns of the text as written.
static Location originalLocation(Location loc, const PositionMap &positions) {
  AttrTypeReplacer replacer;
  replacer.addReplacement([&](FileLineColLoc file) -> std::optional<Attribute> {
    return FileLineColLoc::get(
        file.getFilename(), file.getLine(),
        positions.originalColumn(file.getLine(), file.getColumn()));
  });
  return cast<LocationAttr>(replacer.replace(loc));
}

static OwningOpRef<ModuleOp> parse(MLIRContext &context, StringRef text,
                                   StringRef name,
                                   const PositionMap &positions) {
  // Diagnostics of the parser are about the substituted text: they are held
  // back and repeated at the right place.
  std::vector<Diagnostic> held;
  OwningOpRef<ModuleOp> module;
  {
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      held.push_back(std::move(diagnostic));
      return success();
    });
    module = parseSourceString<ModuleOp>(
        text, ParserConfig(&context, /*verifyAfterParse=*/false), name);
  }
  for (Diagnostic &diagnostic : held) {
    InFlightDiagnostic repeated = context.getDiagEngine().emit(
        originalLocation(diagnostic.getLocation(), positions),
        diagnostic.getSeverity());
    repeated << diagnostic.str();
    for (Diagnostic &note : diagnostic.getNotes())
      repeated.attachNote(originalLocation(note.getLocation(), positions))
          << note.str();
  }
  return module;
}

/// "%keys" at a position of the text -> "keys"; empty if there is none, or if
/// it is no word that one can write on a command line.
static StringRef valueNameAt(ArrayRef<StringRef> lines, Location loc) {
  auto file = dyn_cast<FileLineColLoc>(loc);
  if (!file || file.getLine() == 0 || file.getLine() > lines.size() ||
      file.getColumn() == 0)
    return "";
  StringRef rest = lines[file.getLine() - 1].drop_front(
      std::min<size_t>(file.getColumn() - 1, lines[file.getLine() - 1].size()));
  if (!rest.consume_front("%"))
    return "";
  StringRef name =
      rest.take_while([](char c) { return llvm::isAlnum(c) || c == '_'; });
  char next = name.size() < rest.size() ? rest[name.size()] : ' ';
  bool whole = next != '.' && next != '$' && next != '-';
  return whole && !name.empty() && !llvm::isDigit(name[0]) ? name : "";
}

static void nameArguments(ModuleOp module, StringRef text) {
  SmallVector<StringRef> lines;
  text.split(lines, '\n');
  for (func::FuncOp func : module.getOps<func::FuncOp>()) {
    if (!func->hasAttr(attn::kernelAttrName) || func.isExternal())
      continue;
    for (BlockArgument arg : func.getArguments()) {
      unsigned number = arg.getArgNumber();
      if (func.getArgAttr(number, attn::nameAttrName))
        continue;
      StringRef name = valueNameAt(lines, arg.getLoc());
      if (!name.empty())
        func.setArgAttr(number, attn::nameAttrName,
                        StringAttr::get(func.getContext(), name));
    }
  }
}

static void restoreLocations(ModuleOp module, const PositionMap &positions) {
  module->walk([&](Operation *op) {
    op->setLoc(originalLocation(op->getLoc(), positions));
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument arg : block.getArguments())
          arg.setLoc(originalLocation(arg.getLoc(), positions));
  });
}

static LogicalResult checkAttributes(Operation *op) {
  for (NamedAttribute attribute : op->getDiscardableAttrs())
    if (attribute.getName() != attn::kernelAttrName)
      return op->emitOpError() << unknownWord("attribute", attribute.getName(),
                                              {attn::kernelAttrName})
                               << " [kernel_c5]";
  auto func = dyn_cast<FunctionOpInterface>(op);
  if (!func)
    return success();
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    for (NamedAttribute attribute : func.getArgAttrs(i))
      if (attribute.getName() != attn::nameAttrName &&
          attribute.getName() != attn::dimsAttrName)
        return op->emitOpError()
               << unknownWord("attribute", attribute.getName(),
                              {attn::dimsAttrName, attn::nameAttrName})
               << " of argument " << i << " [kernel_c5]";
  for (unsigned i = 0; i < func.getNumResults(); ++i)
    if (!func.getResultAttrs(i).empty())
      return op->emitOpError()
             << "expected result " << i << " to have no attributes, got "
             << func.getResultAttrDict(i) << " [kernel_c5]";
  return success();
}

/// Whether an op may stand in a spec: what docs/spec.md lists.
static bool isAllowed(Operation *op) {
  return isa<ModuleOp, func::FuncOp, func::ReturnOp, tensor::ExtractOp>(op) ||
         isa_and_present<attn::AttnDialect, kv::KVDialect, sel::SelDialect,
                         arith::ArithDialect, math::MathDialect>(
             op->getDialect());
}

/// MLIR's parser recurses into brackets and takes a null byte for the end; a
/// spec is untrusted, its text must neither exhaust the stack nor hide a rest.
static LogicalResult checkText(MLIRContext &context, StringRef text,
                               StringRef name, const PositionMap &positions) {
  constexpr unsigned maxDepth = 256;
  unsigned line = 1, depth = 0;
  size_t lineStart = 0;
  auto error = [&](size_t at) {
    unsigned column = at - lineStart + 1;
    return emitError(FileLineColLoc::get(
        &context, name, line, positions.originalColumn(line, column)));
  };
  for (size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '\0')
      return error(at) << "expected text, got a null byte [kernel_c8]";
    if (c == '\n') {
      ++line;
      lineStart = at + 1;
    }
    if (text.substr(at).starts_with("//"))
      at = std::min(text.find('\n', at), text.size()) - 1;
    else if (text.substr(at).starts_with("->"))
      ++at;
    else if (StringRef("([{<").contains(c) && ++depth > maxDepth)
      return error(at) << "expected brackets to be nested at most " << maxDepth
                       << " deep [kernel_c8]";
    else if (StringRef(")]}>").contains(c) && depth)
      --depth;
  }
  return success();
}

/// What the verifiers of the dialects cannot ask of a module in general.
static LogicalResult checkSpec(ModuleOp module) {
  WalkResult walk = module->walk<WalkOrder::PreOrder>([](Operation *op) {
    if (!isAllowed(op)) {
      op->emitOpError("expected only ops of attn, sel, kv, arith and math, "
                      "tensor.extract and return in a spec [kernel_c7]");
      return WalkResult::interrupt();
    }
    return failed(checkAttributes(op)) ? WalkResult::interrupt()
                                       : WalkResult::advance();
  });
  if (walk.wasInterrupted())
    return failure();
  bool any = false;
  for (func::FuncOp func : module.getOps<func::FuncOp>()) {
    bool kernel = func->hasAttr(attn::kernelAttrName);
    any |= kernel;
    if (!kernel && func.isPublic())
      return func.emitOpError(
          "expected a public function of a spec to be marked attn.kernel (a "
          "helper is private) [kernel_c6]");
  }
  if (!any)
    return module.emitError(
        "expected a spec to have a function marked attn.kernel [kernel_c6]");
  return success();
}

OwningOpRef<ModuleOp> loadSpec(MLIRContext &context, StringRef text,
                               StringRef name, Defines defines) {
  Substituted substituted = substituteParameters(text, defines);
  for (const ParameterError &error : substituted.errors)
    emitError(FileLineColLoc::get(&context, name, error.line, error.column))
        << error.text;
  if (!substituted.errors.empty())
    return nullptr;
  if (failed(checkText(context, substituted.text, name, substituted.positions)))
    return nullptr;
  // The attributes of kernels are verified also where no op is of attn.
  context.getOrLoadDialect<attn::AttnDialect>();
  OwningOpRef<ModuleOp> module =
      parse(context, substituted.text, name, substituted.positions);
  if (!module)
    return nullptr;
  nameArguments(*module, substituted.text);
  restoreLocations(*module, substituted.positions);
  if (failed(checkSpec(*module)) || failed(verify(*module)))
    return nullptr;
  for (func::FuncOp func : module->getOps<func::FuncOp>())
    if (func->hasAttr(attn::kernelAttrName))
      nameDims(func);
  return module;
}

} // namespace fovea
