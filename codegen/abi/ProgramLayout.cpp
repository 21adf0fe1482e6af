// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Slots and symbols of a program, in textual order.
#include "codegen/abi/ProgramLayout.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::tile;

void ProgramLayout::addSymbol(StringRef name) {
  if (symbol(name) < 0)
    names.push_back(name.str());
}

void ProgramLayout::addView(Value v) {
  views[v] = nViews;
  nViews += cast<ViewType>(v.getType()).getFormat() ? 2 : 1;
}

int32_t ProgramLayout::symbol(StringRef name) const {
  auto it = llvm::find(names, name);
  return it == names.end() ? -1 : it - names.begin();
}

ProgramLayout::ProgramLayout(ProgramOp program) {
  Block &body = program.getBody().front();
  for (BlockArgument arg : body.getArguments()) {
    auto type = dyn_cast<ViewType>(arg.getType());
    if (!type) {
      scalars[arg] = nScalars++;
      continue;
    }
    addView(arg);
    auto dims =
        program.getArgAttrOfType<StringAttr>(arg.getArgNumber(), kDimsAttr);
    if (!dims)
      continue;
    SmallVector<StringRef> dimNames;
    llvm::SplitString(dims.getValue(), dimNames);
    for (auto [name, size] : llvm::zip(dimNames, type.getShape()))
      if (ShapedType::isDynamic(size))
        addSymbol(name);
  }
  for (BufferOp buffer : body.getOps<BufferOp>())
    addView(buffer.getView());
  program.walk([&](RunsOp runs) {
    addSymbol(runs.getQueriesDim());
    addSymbol(runs.getKeysDim());
  });
  program.walk([&](ChooseOp op) { addSymbol(op.getQueriesDim()); });
  program.walk([&](AssignOp op) { addSymbol(op.getQueriesDim()); });
}
