// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiles a module for the tests and loads the object into this process with
// LLVM's own linker. No symbol of the process is offered to it: an undefined
// one fails the test.
#ifndef FOVEA_TEST_UNIT_CODEGEN_CPU_LOADOBJECT_H
#define FOVEA_TEST_UNIT_CODEGEN_CPU_LOADOBJECT_H

#include "codegen/cpu/Emitter.h"
#include "codegen/cpu/LowerToLLVM.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/TargetParser/Host.h"

#include <cstdio>
#include <cstdlib>

namespace fovea::cpu {

inline MachineTarget machineFor(Isa isa) {
  return isa == Isa::AVX512 ? MachineTarget{"x86-64-v4", "+amx-tile,+amx-bf16"}
                            : MachineTarget{"x86-64-v3", ""};
}

/// Whether this processor can run code for the instruction set.
inline bool hostRuns(Isa isa) {
  auto features = llvm::sys::getHostCPUFeatures();
  if (isa == Isa::AVX2)
    return features["avx2"] && features["fma"] && features["f16c"];
  return features["avx512f"] && features["avx512bw"] && features["avx512vl"] &&
         features["avx512dq"];
}

inline mlir::MLIRContext &testContext() {
  static mlir::MLIRContext *context = [] {
    mlir::DialectRegistry registry;
    registerCPUDialects(registry);
    auto *c =
        new mlir::MLIRContext(registry, mlir::MLIRContext::Threading::DISABLED);
    c->loadAllAvailableDialects();
    return c;
  }();
  return *context;
}

inline void die(llvm::Error error) {
  fprintf(stderr, "%s\n", llvm::toString(std::move(error)).c_str());
  abort();
}

template <typename T>
T orDie(llvm::Expected<T> value) {
  if (!value)
    die(value.takeError());
  return std::move(*value);
}

/// The object's undefined symbols, separated by spaces; empty when it can be
/// a flat image.
inline std::string undefinedSymbols(llvm::StringRef bytes) {
  auto object = orDie(llvm::object::ObjectFile::createObjectFile(
      llvm::MemoryBufferRef(bytes, "stage")));
  std::string names;
  for (const auto &symbol : object->symbols()) {
    uint32_t flags = orDie(symbol.getFlags());
    llvm::StringRef name = orDie(symbol.getName());
    if ((flags & llvm::object::SymbolRef::SF_Undefined) && !name.empty())
      names += (names.empty() ? "" : " ") + name.str();
  }
  return names;
}

class LoadedModule {
public:
  LoadedModule(mlir::ModuleOp module, const MachineTarget &target,
               LoweringTimes *times = nullptr) {
    if (failed(mlir::verify(module)))
      abort();
    auto bytes =
        orDie(compileModule(module, target, MachineOutput::Object, times));
    object = std::string(bytes.begin(), bytes.end());
    undefined = undefinedSymbols(object);
    if (!undefined.empty())
      return;
    auto builder = llvm::orc::LLJITBuilder();
    auto host = orDie(llvm::orc::JITTargetMachineBuilder::detectHost());
    jit = orDie(builder.setJITTargetMachineBuilder(host).create());
    if (auto error = jit->addObjectFile(
            llvm::MemoryBuffer::getMemBufferCopy(object, "stage")))
      die(std::move(error));
  }

  template <typename Fn>
  Fn *get(llvm::StringRef name) {
    return orDie(jit->lookup(name)).toPtr<Fn *>();
  }

  std::string object, undefined;

private:
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

} // namespace fovea::cpu

#endif // FOVEA_TEST_UNIT_CODEGEN_CPU_LOADOBJECT_H
