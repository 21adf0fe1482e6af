// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiles masks as the host plan code is compiled (x86-64 baseline, no
// symbol of the process) and checks them; see the header.
#include "test/unit/passes/analysis/MaskHarness.h"

#include "codegen/abi/MaskAbi.h"
#include "codegen/cpu/LowerToLLVM.h"
#include "dialects/tile/Tile.h"

#include "mlir/IR/Verifier.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/Object/ObjectFile.h"

#include <algorithm>

using namespace mlir;

namespace fovea::masktest {

MLIRContext &testContext() {
  static MLIRContext *context = [] {
    DialectRegistry registry;
    cpu::registerCPUDialects(registry);
    registry.insert<tile::TileDialect>();
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

/// The summary of a row-major table along `axis`, written down from the
/// description in fovea/abi.h.
static fovea_abi_view summarise(const Table &t, size_t axis,
                                std::vector<int64_t> &numbers) {
  const int64_t block = FOVEA_SUMMARY_BLOCK;
  int64_t n = t.shape[axis], blocks = (n + block - 1) / block;
  int64_t extent = blocks + (blocks + block - 1) / block;
  int64_t outer = 1, inner = 1;
  for (size_t d = 0; d < axis; ++d)
    outer *= t.shape[d];
  for (size_t d = axis + 1; d < t.shape.size(); ++d)
    inner *= t.shape[d];
  numbers.assign(size_t(outer * extent * inner * 2), 0);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i)
      for (int64_t at = 0; at < extent; ++at) {
        bool upper = at >= blocks;
        int64_t size = upper ? block * block : block;
        int64_t begin = (upper ? at - blocks : at) * size;
        int64_t least = INT64_MAX, most = INT64_MIN;
        for (int64_t k = begin; k < std::min(n, begin + size); ++k) {
          int64_t x = t.data[size_t((o * n + k) * inner + i)];
          least = std::min(least, x);
          most = std::max(most, x);
        }
        size_t to = size_t(((o * extent + at) * inner + i) * 2);
        numbers[to] = least;
        numbers[to + 1] = most;
      }
  fovea_abi_view view{};
  int64_t stride = 2;
  view.shape[t.shape.size()] = 2;
  view.stride[t.shape.size()] = 1;
  for (size_t d = t.shape.size(); d-- > 0; stride *= view.shape[d]) {
    view.shape[d] = d == axis ? extent : t.shape[d];
    view.stride[d] = stride;
  }
  view.data = numbers.data();
  return view;
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
  for (size_t i = 0; i < solution.summaries.size(); i += 2)
    slots.push_back(
        {cabi::MaskOperandSlot::Summary, unsigned(solution.summaries[i])});
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
  summaries.resize(views.size());
  summaryStorage.resize(views.size());
  for (size_t i = 0; i < solution.summaries.size(); i += 2) {
    size_t table = size_t(solution.summaries[i]);
    summaries[table] =
        summarise(operands.tables[table], size_t(solution.summaries[i + 1]),
                  summaryStorage[table]);
  }
  useSummaries(true);
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
