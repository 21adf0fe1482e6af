// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The conformance kernels on the emulator: each gives what the PTX manual says,
// and no op of the dialect, and no kind of one, is without a kernel.
#include "bench/gpu/conformance/Case.h"
#include "bench/gpu/conformance/Emulate.h"
#include "codegen/gpu/emulator/Emulator.h"
#include "codegen/gpu/emulator/Numbers.h"
#include "codegen/gpu/emulator/lowering/HwToEmulator.h"
#include "dialects/hw/Hw.h"

#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

using namespace fovea::gpu;
using namespace fovea::gpu::conformance;
using fovea::emulator::bitsOf, fovea::emulator::floatOf;

TEST(EmulatorConformance, EveryKernelGivesWhatIsExpected) {
  std::set<std::string> names;
  for (const Case &one : cases()) {
    EXPECT_TRUE(names.insert(one.name).second) << one.name << " twice";
    for (uint32_t seed : {0u, 3u}) {
      Words out(one.expected.size(), untouched);
      Outcome outcome =
          emulate(one.text, one.in, out, one.map ? &*one.map : nullptr, seed);
      ASSERT_EQ(outcome.error, 0) << one.name << ": " << outcome.message << "\n"
                                  << one.text;
      for (size_t i = 0; i < out.size(); ++i)
        ASSERT_EQ(out[i], one.expected[i])
            << one.name << ", seed " << seed << ", word " << i;
    }
  }
}

namespace {
// Every "op" and "op attribute=value" of the kernels.
using Seen = std::set<std::string>;
} // namespace

static Seen whatIsCovered(const std::vector<Case> &cases,
                          mlir::MLIRContext &context) {
  Seen seen;
  for (const Case &one : cases) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(one.text, &context);
    EXPECT_TRUE(module) << one.name;
    if (!module)
      continue;
    module->walk([&](mlir::Operation *op) {
      std::string name = op->getName().getStringRef().str();
      seen.insert(name);
      for (mlir::NamedAttribute attribute : op->getAttrs()) {
        std::string text;
        llvm::raw_string_ostream stream(text);
        attribute.getValue().print(stream);
        seen.insert(name + " " + attribute.getName().str() + "=" + text);
      }
      if (auto load = mlir::dyn_cast<fovea::hw::TmaLoadOp>(op))
        seen.insert(name +
                    " rank=" + std::to_string(load.getCoordinates().size()));
      if (auto store = mlir::dyn_cast<fovea::hw::TmaStoreOp>(op))
        seen.insert(name +
                    " rank=" + std::to_string(store.getCoordinates().size()));
    });
  }
  return seen;
}

// What must be seen, one line each.
static std::vector<std::string> whatMustBe(mlir::MLIRContext &context) {
  std::vector<std::string> wanted;
  for (mlir::RegisteredOperationName op : context.getRegisteredOperations())
    if (op.getDialectNamespace() == "hw")
      wanted.push_back(op.getStringRef().str());
  auto kinds = [&](const std::string &op, const std::string &attribute,
                   uint64_t last) {
    for (uint64_t value = 0; value <= last; ++value)
      wanted.push_back("hw." + op + " " + attribute + "=" +
                       std::to_string(value) + " : i32");
  };
  using namespace fovea::hw;
  kinds("shuffle", "kind", getMaxEnumValForShuffle());
  kinds("vote", "kind", getMaxEnumValForVote());
  kinds("atomic", "kind", getMaxEnumValForAtomic());
  kinds("fence", "scope", getMaxEnumValForScope());
  kinds("set_max_registers", "kind", getMaxEnumValForRegisters());
  kinds("mma", "kind", getMaxEnumValForMma());
  kinds("wgmma", "kind", getMaxEnumValForWgmma());
  for (const char *op : {"pack", "unpack"})
    kinds(op, "format", getMaxEnumValForHalf());
  for (const char *op : {"pack_fp8", "unpack_fp8"})
    kinds(op, "format", getMaxEnumValForFp8());
  for (const char *op : {"tma_load", "tma_store"})
    for (int rank = 1; rank <= 5; ++rank)
      wanted.push_back(std::string("hw.") + op +
                       " rank=" + std::to_string(rank));
  return wanted;
}

static std::vector<std::string> missing(const std::vector<Case> &cases) {
  mlir::DialectRegistry registry;
  registerEmulatorDialects(registry);
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  Seen seen = whatIsCovered(cases, context);
  std::vector<std::string> list;
  for (const std::string &wanted : whatMustBe(context))
    if (!seen.count(wanted))
      list.push_back(wanted);
  return list;
}

TEST(EmulatorConformance, EveryOpAndKindHasAKernel) {
  for (const std::string &wanted : missing(cases()))
    ADD_FAILURE() << "expected a conformance kernel with " << wanted
                  << ", got none";
}

// The check finds an op without a kernel.
TEST(EmulatorConformance, AMissingKernelIsSeen) {
  std::vector<Case> fewer;
  for (const Case &one : cases())
    if (one.name != "dp4a" && one.name.find("mma_s4") == std::string::npos)
      fewer.push_back(one);
  EXPECT_EQ(missing(fewer),
            (std::vector<std::string>{"hw.dp4a", "hw.mma kind=3 : i32"}));
}

// A fault of a compiled kernel is told with the kernel's name.
TEST(EmulatorConformance, FaultsNameTheKernel) {
  Words out(32);
  Outcome outcome = emulate(warpKernel("%r = hw.load %s : !llvm.ptr<3> -> i32"),
                            warpInputs(), out);
  EXPECT_EQ(outcome.error, FOVEA_EMULATOR_UNINITIALISED);
  EXPECT_EQ(outcome.message,
            "kernel k, cta 0, thread 0: load of shared memory: expected shared "
            "offset 0 to have been written, got a read before");
}
