// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiles masks as the host plan code is compiled (x86-64 baseline, no
// symbol of the process) and checks them; see the header.
#include "test/unit/passes/analysis/MaskHarness.h"

#include "codegen/abi/MaskAbi.h"
#include "codegen/cpu/LowerToLLVM.h"

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

namespace {

/// One shape and head: which pairs are live, and the checks over it.
struct Picture {
  const CompiledMask &compiled;
  Report &report;
  Shape shape;
  int64_t h;
  std::vector<char> live; // sq x sk

  bool at(int64_t q, int64_t k) const {
    return live[(q - shape.offset) * shape.sk + k];
  }
  void fail(int64_t &counter, const char *what, int64_t q, int64_t k) {
    ++counter;
    if (report.first.empty())
      report.first = std::string(what) + " at h=" + std::to_string(h) +
                     " q=" + std::to_string(q) + " k=" + std::to_string(k) +
                     " of " + std::to_string(shape.sq) + "+" +
                     std::to_string(shape.offset) + " x " +
                     std::to_string(shape.sk);
  }
  void checkKeep();
  void checkQueryTile(int64_t q0, int64_t q1, int64_t tileK);
};

void Picture::checkKeep() {
  for (int64_t q = shape.offset; q < shape.offset + shape.sq; ++q) {
    for (int64_t k = 0; k < shape.sk; ++k)
      if ((compiled.keep(h, q, k, shape.sk) != 0) != at(q, k))
        fail(report.keepWrong, "keep is wrong", q, k);
    // Never live, whatever the predicate says.
    if (compiled.keep(h, q, shape.sk, shape.sk) ||
        compiled.keep(h, q, -1, shape.sk))
      fail(report.keepWrong, "keep lets a key past the length in", q, shape.sk);
  }
}

void Picture::checkQueryTile(int64_t q0, int64_t q1, int64_t tileK) {
  int64_t sk = shape.sk;
  fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
  int n = compiled.bounds(h, q0, q1, sk, runs);
  std::vector<char> inRun(sk, 0);
  if (n < 0 || n > FOVEA_ABI_MAX_RUNS) {
    fail(report.illegal, "number of runs", q0, n);
    return;
  }
  report.runs = std::max<int64_t>(report.runs, n);
  int64_t end = -1;
  for (int i = 0; i < n; ++i) {
    auto [lo, hi] = runs[i];
    if (lo < 0 || lo >= hi || hi > sk || lo <= end) {
      fail(report.illegal, "illegal run", q0, lo);
      return;
    }
    end = hi;
    std::fill(inRun.begin() + lo, inRun.begin() + hi, 1);
  }
  for (int64_t k0 = 0; k0 < sk; k0 += tileK) {
    int64_t k1 = std::min(k0 + tileK, sk), count = 0;
    bool reached = false;
    for (int64_t k = k0; k < k1; ++k) {
      reached |= inRun[k];
      for (int64_t q = q0; q < q1; ++q) {
        count += at(q, k);
        if (at(q, k) && !inRun[k])
          fail(report.lost, "live key outside the runs", q, k);
      }
    }
    bool empty = count == 0, full = count == (q1 - q0) * (k1 - k0);
    int c = compiled.classify(h, q0, q1, k0, k1, sk);
    ++report.tiles;
    if (c == FOVEA_TILE_EMPTY && !empty)
      fail(report.notEmpty, "tile called empty", q0, k0);
    else if (c == FOVEA_TILE_FULL && !full)
      fail(report.notFull, "tile called full", q0, k0);
    else if (c < FOVEA_TILE_EMPTY || c > FOVEA_TILE_FULL)
      fail(report.illegal, "illegal class", q0, k0);
    report.extra += empty && reached && c != FOVEA_TILE_EMPTY;
    report.missFull += full && c != FOVEA_TILE_FULL;
    // Sticking out past the length, a tile has a masked key.
    if (k0 + tileK > sk &&
        compiled.classify(h, q0, q1, k0, k0 + tileK, sk) == FOVEA_TILE_FULL)
      fail(report.notFull, "tile past the length called full", q0, k0);
  }
}

} // namespace

Report check(CompiledMask &compiled, Program &mask, Operands operands,
             ArrayRef<Shape> shapes, ArrayRef<TileShape> tiles, int heads) {
  Report report;
  for (Shape shape : shapes) {
    if (!operands.scalars.empty()) {
      operands.scalars[0] = shape.sq;
      compiled.setScalar(0, shape.sq);
    }
    for (int64_t h = 0; h < heads; ++h) {
      Picture picture{compiled, report, shape, h, {}};
      for (int64_t q = 0; q < shape.sq; ++q)
        for (int64_t k = 0; k < shape.sk; ++k)
          picture.live.push_back(
              mask.eval({0, h, q + shape.offset, k, shape.sk}, operands) != 0);
      picture.checkKeep();
      for (TileShape tile : tiles)
        for (int64_t q = 0; q < shape.sq; q += tile.q)
          picture.checkQueryTile(q + shape.offset,
                                 std::min(q + tile.q, shape.sq) + shape.offset,
                                 tile.k);
    }
  }
  return report;
}

} // namespace fovea::masktest
