// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiles masks as the host plan code is compiled (x86-64 baseline, no
// symbol of the process) and checks them; see the header.
#include "test/unit/passes/analysis/MaskHarness.h"

#include "codegen/abi/MaskAbi.h"
#include "codegen/cpu/LowerToLLVM.h"

#include "mlir/IR/Verifier.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/Object/ObjectFile.h"

using namespace mlir;

namespace fovea::masktest {

MLIRContext &testContext() {
  static MLIRContext *context = [] {
    DialectRegistry registry;
    cpu::registerCPUDialects(registry);
    auto *c = new MLIRContext(registry, MLIRContext::Threading::DISABLED);
    c->loadAllAvailableDialects();
    return c;
  }();
  return *context;
}

template <typename T>
static T orDie(llvm::Expected<T> value) {
  if (!value) {
    fprintf(stderr, "%s\n", llvm::toString(value.takeError()).c_str());
    abort();
  }
  return std::move(*value);
}

CompiledMask::CompiledMask(const X &mask, const Operands &operands,
                           Fault fault) {
  OwningOpRef<ModuleOp> module =
      ModuleOp::create(UnknownLoc::get(&testContext()));
  Program program(mask);
  auto keep = program.build(*module, "mask", operands);
  size_t n = operands.tables.size() + operands.scalars.size();
  auto solved = solveMask(*module, keep, "m", n);
  if (failed(solved))
    abort();
  solution = *solved;
  if (fault)
    fault(solution);
  SmallVector<cabi::MaskOperandSlot> slots;
  for (unsigned i = 0; i < operands.tables.size(); ++i)
    slots.push_back({cabi::MaskOperandSlot::View, i});
  for (unsigned i = 0; i < operands.scalars.size(); ++i)
    slots.push_back({cabi::MaskOperandSlot::Scalar, i});
  std::pair<func::FuncOp, const char *> const wrapped[] = {
      {solution.bounds, "bounds"},
      {solution.classify, "class"},
      {solution.keep, "keep"}};
  for (auto &[inner, name] : wrapped)
    if (failed(cabi::wrapMaskFunction(*module, inner, name, slots)))
      abort();
  if (failed(verify(*module))) {
    module->dump();
    abort();
  }
  auto object = orDie(cpu::compileModule(*module, {"x86-64", ""}));
  solution.bounds = solution.classify = solution.keep = solution.level = {};
  llvm::StringRef bytes(object.data(), object.size());
  auto file = orDie(llvm::object::ObjectFile::createObjectFile(
      llvm::MemoryBufferRef(bytes, "mask")));
  for (const auto &symbol : file->symbols()) {
    auto name = orDie(symbol.getName());
    if ((orDie(symbol.getFlags()) & llvm::object::SymbolRef::SF_Undefined) &&
        !name.empty())
      symbols += name.str() + " ";
  }
  if (!symbols.empty())
    return;
  auto host = orDie(llvm::orc::JITTargetMachineBuilder::detectHost());
  jit = orDie(
      llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(host).create());
  if (auto error = jit->addObjectFile(
          llvm::MemoryBuffer::getMemBufferCopy(bytes, "mask")))
    abort();
  boundsFn = orDie(jit->lookup("bounds")).toPtr<fovea_bounds_fn>();
  classFn = orDie(jit->lookup("class")).toPtr<fovea_class_fn>();
  keepFn = orDie(jit->lookup("keep")).toPtr<fovea_keep_fn>();

  for (const Table &t : operands.tables) {
    // Allocated to the byte, so that a sanitizer sees a read outside.
    size_t size = t.bits == 1 ? 1 : t.bits / 8;
    std::vector<char> bytes(
        t.data.empty() ? 0 : ((t.data.size() - 1) * t.step + 1) * size);
    for (size_t i = 0; i < t.data.size(); ++i)
      std::copy_n(reinterpret_cast<const char *>(&t.data[i]), size,
                  bytes.data() + i * t.step * size);
    storage.push_back(std::move(bytes));
    fovea_abi_view view{};
    view.data = storage.back().data();
    int64_t stride = t.step;
    for (size_t d = t.shape.size(); d-- > 0; stride *= t.shape[d]) {
      view.shape[d] = t.shape[d];
      view.stride[d] = stride;
    }
    views.push_back(view);
  }
  for (int64_t s : operands.scalars)
    scalars.push_back({s});
  args.size = sizeof(args);
  args.n_views = views.size();
  args.views = views.data();
  args.scalars = scalars.data();
}

void *CompiledMask::address(llvm::StringRef name) const {
  return orDie(jit->lookup(name)).toPtr<void *>();
}

Report check(CompiledMask &compiled, Program &mask, Operands operands,
             ArrayRef<Shape> shapes, ArrayRef<TileShape> tiles, int heads) {
  Report report;
  MaskFunctions functions = compiled.functions();
  for (Shape shape : shapes) {
    if (!operands.scalars.empty()) {
      operands.scalars[0] = shape.sq;
      compiled.setScalar(0, shape.sq);
    }
    for (int64_t h = 0; h < heads; ++h) {
      Picture picture{functions, report, shape, 0, h, {}};
      for (int64_t q = 0; q < shape.sq; ++q)
        for (int64_t k = 0; k < shape.sk; ++k)
          picture.live.push_back(
              mask.eval({0, h, q + shape.offset, k, shape.sk}, operands) != 0);
      picture.checkKeep();
      for (TileShape tile : tiles)
        picture.check(tile);
    }
  }
  return report;
}

} // namespace fovea::masktest
