// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of stages as the code of a target, with an assembler, without one,
// and with one that is not there.
#include "codegen/gpu/ptx/StageCode.h"
#include "codegen/gpu/ptx/Ptx.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <gtest/gtest.h>

using namespace fovea;
using namespace fovea::gpu;

static const char *kStage = R"(
hw.kernel @stage(%args: !llvm.ptr, %plan: !llvm.ptr, %begin: i64, %end: i64,
                 %scratch: !llvm.ptr)
    attributes {threads = 64 : i32, shared_bytes = 4096 : i32} {
  %n = llvm.sub %end, %begin : i64
  llvm.store %n, %scratch : i64, !llvm.ptr
  hw.return
})";

namespace {

class StageCode : public testing::Test {
protected:
  StageCode() : context(registry()) {
    context.getDiagEngine().registerHandler([&](mlir::Diagnostic &d) {
      said += d.str() + "\n";
      return mlir::success();
    });
  }
  ~StageCode() override { unsetenv("FOVEA_PTXAS"); }

  static mlir::DialectRegistry registry() {
    mlir::DialectRegistry registry;
    registerPtxDialects(registry);
    return registry;
  }
  llvm::Expected<llvm::SmallVector<char, 0>> compile(const char *text,
                                                     UnitOutput output) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    if (!module)
      return llvm::createStringError(said);
    return compileStage(*module, "attend_prefill", **findArchitecture("sm_80"),
                        output);
  }
  std::string textOf(UnitOutput output) {
    auto bytes = compile(kStage, output);
    if (!bytes)
      return llvm::toString(bytes.takeError());
    return std::string(bytes->begin(), bytes->end());
  }
  /// A program that says it has assembled.
  static std::string fakeAssembler() {
    llvm::SmallString<128> path;
    int file = -1;
    if (llvm::sys::fs::createTemporaryFile("ptxas", "sh", file, path))
      return "";
    llvm::raw_fd_ostream os(file, true);
    os << "#!/bin/sh\n"
          "echo \"ptxas info    : Compiling entry function 'a' for 'sm_80'\"\n"
          "echo 'ptxas info    : Used 24 registers, 352 bytes cmem[0]'\n"
          "while [ $# -gt 1 ]; do [ $1 = -o ] && printf CUBIN > $2; shift; "
          "done\n";
    os.close();
    llvm::sys::fs::setPermissions(path, llvm::sys::fs::all_all);
    return path.str().str();
  }

  std::string said;
  mlir::MLIRContext context;
};

TEST_F(StageCode, TheRangeIsReadFromMemory) {
  std::string ptx = textOf(UnitOutput::Assembly);
  EXPECT_NE(ptx.find(".entry attend_prefill("), std::string::npos) << ptx;
  EXPECT_NE(ptx.find("attend_prefill_param_3"), std::string::npos) << ptx;
  EXPECT_EQ(ptx.find("attend_prefill_param_4"), std::string::npos) << ptx;
  // begin and end: one load each.
  EXPECT_NE(ptx.find("ld.global.u64"), std::string::npos) << ptx;
  EXPECT_NE(ptx.find("+8]"), std::string::npos) << ptx;
  std::string ir = textOf(UnitOutput::LLVMIR);
  EXPECT_NE(ir.find("define void @attend_prefill(ptr"), std::string::npos)
      << ir;
}

TEST_F(StageCode, TheCodeOfATargetHasCubinsAndPtx) {
  std::string program = fakeAssembler();
  setenv("FOVEA_PTXAS", program.c_str(), 1);
  std::vector<StageUnit> units(2);
  units[0].symbol = "one";
  units[1].symbol = "two";
  std::string object = textOf(UnitOutput::Object);
  auto code = linkStages(units, {object, object});
  llvm::sys::fs::remove(program);
  ASSERT_TRUE(bool(code)) << llvm::toString(code.takeError());
  ASSERT_EQ(code->entries.size(), 2u);
  for (const LinkedCode::Entry &entry : code->entries) {
    ASSERT_TRUE(entry.launch.has_value());
    const fovea_bundle_launch &l = *entry.launch;
    EXPECT_EQ(l.threads, 64u);
    EXPECT_EQ(l.shared_bytes, 4096u);
    EXPECT_EQ(l.registers, 24u);
    EXPECT_EQ(l.cubin % 64, 0u);
    EXPECT_EQ(code->bytes.substr(l.cubin, l.cubin_bytes), "CUBIN");
    std::string ptx = code->bytes.substr(l.ptx, l.ptx_bytes);
    EXPECT_EQ(ptx.back(), 0);
    EXPECT_NE(ptx.find(".target sm_80"), std::string::npos);
  }
  EXPECT_EQ(code->entries[1].symbol, "two");
  EXPECT_TRUE(isStageCode(object));
  EXPECT_FALSE(isStageCode(std::string(100, 'x')));
  auto other = linkStages(llvm::ArrayRef(units).take_front(), {"x86"});
  EXPECT_EQ(llvm::toString(other.takeError()),
            "expected code for a GPU of stage one");
}

TEST_F(StageCode, WithoutAnAssemblerThereIsPtx) {
  setenv("FOVEA_PTXAS", "", 1);
  std::vector<StageUnit> units(1);
  std::string object = textOf(UnitOutput::Object);
  auto code = linkStages(units, {object});
  ASSERT_TRUE(bool(code)) << llvm::toString(code.takeError());
  EXPECT_EQ(code->entries[0].launch->cubin_bytes, 0u);
  EXPECT_GT(code->entries[0].launch->ptx_bytes, 100u);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(kStage, &context);
  EXPECT_TRUE(mlir::succeeded(reportAssembler(*module)));
  EXPECT_NE(said.find("ptxas: none in FOVEA_PTXAS, in CUDA_HOME, on PATH or in "
                      "the toolkit's usual folder: the bundle holds PTX"),
            std::string::npos)
      << said;
}

TEST_F(StageCode, AnAssemblerThatWasNamedMustBeThere) {
  setenv("FOVEA_PTXAS", "no-such-ptxas", 1);
  EXPECT_EQ(textOf(UnitOutput::Object),
            "expected ptxas in FOVEA_PTXAS, got no no-such-ptxas that can be "
            "run");
  auto module = mlir::parseSourceString<mlir::ModuleOp>(kStage, &context);
  EXPECT_TRUE(mlir::failed(reportAssembler(*module)));
  EXPECT_NE(said.find("expected ptxas in FOVEA_PTXAS"), std::string::npos);
}

TEST_F(StageCode, OtherKernelsAreRefused) {
  auto bytes = compile("hw.kernel @k(%a: !llvm.ptr) attributes "
                       "{threads = 32 : i32} { hw.return }",
                       UnitOutput::Object);
  EXPECT_FALSE(bool(bytes));
  llvm::consumeError(bytes.takeError());
  EXPECT_NE(said.find("expected the arguments of a stage"), std::string::npos);
  auto none = compile("", UnitOutput::Object);
  EXPECT_EQ(llvm::toString(none.takeError()),
            "expected a stage to be one kernel, got 0");
}

} // namespace
