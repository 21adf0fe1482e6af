// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The flat-image linker on good objects, which then run, and on seeded bad
// ones, each of which must be refused by name.
#include "codegen/cpu/image/FlatImage.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

#include <gtest/gtest.h>

#include <cstring>
#include <sys/mman.h>

using namespace llvm;
using namespace fovea::cpu;

/// LLVM IR text -> x86-64 object bytes, position independent.
static std::string compile(StringRef ir) {
  static bool initialised = [] {
    InitializeNativeTarget();
    InitializeNativeTargetAsmPrinter();
    InitializeNativeTargetAsmParser();
    return true;
  }();
  (void)initialised; // only its side effect is wanted
  LLVMContext context;
  SMDiagnostic diagnostic;
  auto module = parseAssemblyString(ir, diagnostic, context);
  if (!module) {
    ADD_FAILURE() << diagnostic.getMessage().str();
    return "";
  }
  std::string triple = "x86_64-unknown-linux-gnu", error;
  const Target *target = TargetRegistry::lookupTarget(triple, error);
  TargetOptions options;
  options.UseInitArray = true;
  std::unique_ptr<TargetMachine> machine(target->createTargetMachine(
      triple, "x86-64-v3", "", options, Reloc::PIC_, CodeModel::Small));
  module->setTargetTriple(triple);
  module->setDataLayout(machine->createDataLayout());
  SmallVector<char, 0> bytes;
  raw_svector_ostream os(bytes);
  legacy::PassManager passes;
  EXPECT_FALSE(machine->addPassesToEmitFile(passes, os, nullptr,
                                            CodeGenFileType::ObjectFile));
  passes.run(*module);
  return std::string(bytes.begin(), bytes.end());
}

/// The error of linking `ir`, empty when it links.
static std::string linkError(StringRef ir) {
  std::string object = compile(ir);
  auto image = linkFlatImage({StringRef(object)});
  return image ? "" : toString(image.takeError());
}

namespace {
/// Maps an image as a loader does: page aligned, read and execute only.
struct Mapped {
  void *base = MAP_FAILED;
  size_t size = 0;
  explicit Mapped(const FlatImage &image) : size(image.bytes.size()) {
    base = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memcpy(base, image.bytes.data(), size);
    mprotect(base, size, PROT_READ | PROT_EXEC);
  }
  ~Mapped() { munmap(base, size); }
  template <typename Fn>
  Fn get(const FlatImage &image, StringRef name) {
    auto offset = image.find(name);
    EXPECT_TRUE(offset.has_value());
    return reinterpret_cast<Fn>(static_cast<char *>(base) + *offset);
  }
};
} // namespace

TEST(FlatImage, codeWithConstantsRuns) {
  std::string object = compile(R"(
    define float @scale(float %x) {
      %y = fmul float %x, 2.5
      ret float %y
    }
    define i32 @table(i32 %x) {
      switch i32 %x, label %d [ i32 0, label %a i32 1, label %b i32 2, label %c
                                i32 3, label %e i32 4, label %f ]
    a: ret i32 10
    b: ret i32 27
    c: ret i32 3
    e: ret i32 99
    f: ret i32 -4
    d: ret i32 0
    }
    @lut = private constant [4 x i32] [i32 7, i32 8, i32 9, i32 11], align 64
    define i32 @look(i64 %i) {
      %p = getelementptr [4 x i32], ptr @lut, i64 0, i64 %i
      %v = load i32, ptr %p
      ret i32 %v
    })");
  auto image = linkFlatImage({StringRef(object)});
  ASSERT_TRUE(bool(image)) << toString(image.takeError());
  Mapped mapped(*image);
  EXPECT_EQ(mapped.get<float (*)(float)>(*image, "scale")(4.0f), 10.0f);
  auto table = mapped.get<int (*)(int)>(*image, "table");
  EXPECT_EQ(table(1), 27);
  EXPECT_EQ(table(4), -4);
  EXPECT_EQ(table(77), 0);
  EXPECT_EQ(mapped.get<int (*)(int64_t)>(*image, "look")(2), 9);
  EXPECT_EQ(image->symbols.size(), 3u);
  EXPECT_FALSE(image->find("absent").has_value());
}

TEST(FlatImage, objectsCallEachOther) {
  std::string a = compile(R"(
    declare i32 @other(i32)
    declare void @sink(ptr)
    define i32 @entry(i32 %x) { %y = call i32 @other(i32 %x)
      %z = add i32 %y, 1  ret i32 %z }
    define ptr @address() { ret ptr @other })");
  std::string b = compile("define i32 @other(i32 %x) { %y = mul i32 %x, 3 "
                          "ret i32 %y }");
  auto image = linkFlatImage({StringRef(a), StringRef(b)});
  ASSERT_TRUE(bool(image)) << toString(image.takeError());
  Mapped mapped(*image);
  EXPECT_EQ(mapped.get<int (*)(int)>(*image, "entry")(5), 16);
  // The GOT load was relaxed to the address itself.
  auto address = mapped.get<int (*(*)())(int)>(*image, "address");
  EXPECT_EQ(address()(7), 21);
}

TEST(FlatImage, isDeterministicAndPlacedAnywhere) {
  std::string object = compile("define double @f(double %x) { %y = fadd double "
                               "%x, 1.25 ret double %y }");
  auto one = linkFlatImage({StringRef(object)});
  auto two = linkFlatImage({StringRef(object)});
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->bytes, two->bytes);
  Mapped first(*one), second(*two);
  EXPECT_EQ(first.get<double (*)(double)>(*one, "f")(1), 2.25);
  EXPECT_EQ(second.get<double (*)(double)>(*two, "f")(1), 2.25);
}

TEST(FlatImage, unwindTablesAreDropped) {
  std::string object = compile("define i32 @f() uwtable { ret i32 3 }");
  auto image = linkFlatImage({StringRef(object)});
  ASSERT_TRUE(bool(image)) << toString(image.takeError());
  EXPECT_EQ(image->bytes.size(), image->codeSize);
  EXPECT_LT(image->bytes.size(), 64u);
}

TEST(FlatImage, refusesUndefinedSymbols) {
  EXPECT_EQ(linkError(R"(
    declare ptr @memcpy(ptr, ptr, i64)
    declare float @exp2f(float)
    define float @f(ptr %a, ptr %b, float %x) {
      call ptr @memcpy(ptr %a, ptr %b, i64 64)
      %y = call float @exp2f(float %x)
      ret float %y })"),
            "expected self-contained code, got undefined symbols: exp2f, "
            "memcpy");
}

// The conversion that LLVM turns into a library call without a warning.
TEST(FlatImage, refusesBf16LibraryCall) {
  EXPECT_EQ(linkError("define bfloat @f(float %x) { %y = fptrunc float %x to "
                      "bfloat ret bfloat %y }"),
            "expected self-contained code, got undefined symbols: "
            "__truncsfbf2");
}

TEST(FlatImage, refusesWritableData) {
  EXPECT_EQ(linkError("@state = global i32 7 define i32 @f() { %v = load i32, "
                      "ptr @state ret i32 %v }"),
            "expected code without writable data, got section .data");
  EXPECT_EQ(linkError("@state = global i32 0 define i32 @f() { %v = load i32, "
                      "ptr @state ret i32 %v }"),
            "expected code without writable data, got section .bss");
}

TEST(FlatImage, refusesRelocatedConstants) {
  EXPECT_EQ(linkError("declare void @g() @t = constant ptr @g define ptr @f() "
                      "{ %v = load volatile ptr, ptr @t ret ptr %v }"),
            "expected code without writable data, got section .data.rel.ro");
}

TEST(FlatImage, refusesThreadLocalData) {
  EXPECT_EQ(linkError("@t = thread_local global i32 1 define i32 @f() { %v = "
                      "load i32, ptr @t ret i32 %v }"),
            "expected code without thread-local data, got section .tdata");
  EXPECT_EQ(linkError("@t = external thread_local global i32 define i32 @f() "
                      "{ %v = load i32, ptr @t ret i32 %v }"),
            "expected code without thread-local data, got 't'");
}

TEST(FlatImage, refusesConstructors) {
  EXPECT_EQ(linkError("@llvm.global_ctors = appending global [1 x { i32, ptr, "
                      "ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @f, ptr "
                      "null }] define void @f() { ret void }"),
            "expected code without constructors, got section .init_array");
}

TEST(FlatImage, refusesOtherRelocations) {
  EXPECT_EQ(linkError("module asm \"movabsq $f, %rax\" define void @f() { ret "
                      "void }"),
            "expected position-independent code, got relocation R_X86_64_64 "
            "against 'f' in 'the image'");
  EXPECT_EQ(linkError("define void @f() { call void asm \"addq "
                      "f@GOTPCREL(%rip), %rax\", \"~{rax}\"() ret void }"),
            "expected a relaxable use of 'f' in 'f', got a load of its GOT "
            "entry");
}

TEST(FlatImage, refusesIfuncsAndCommonSymbols) {
  EXPECT_EQ(linkError("@i = ifunc void (), ptr @r define ptr @r() { ret ptr "
                      "null }"),
            "expected plain functions, got the ifunc 'i'");
  EXPECT_EQ(linkError("@c = common global i32 0 define ptr @f() { ret ptr @c "
                      "}"),
            "expected code without writable data, got common symbol 'c'");
}

TEST(FlatImage, refusesTwoDefinitions) {
  std::string object = compile("define void @f() { ret void }");
  auto image = linkFlatImage({StringRef(object), StringRef(object)});
  EXPECT_EQ(toString(image.takeError()),
            "expected one definition of 'f', got two");
}

TEST(FlatImage, refusesOtherFiles) {
  auto text = linkFlatImage({StringRef("not an object")});
  EXPECT_EQ(toString(text.takeError()),
            "expected an x86-64 ELF object, got 13 other bytes");
  std::string object = compile("define void @f() { ret void }");
  object[18] = char(183); // e_machine: AArch64
  object[19] = 0;
  auto other = linkFlatImage({StringRef(object)});
  EXPECT_EQ(toString(other.takeError()),
            "expected a relocatable object for x86-64, got machine 183 and "
            "type 1");
}

// Objects are made by LLVM, but a truncated one must still be an error.
TEST(FlatImage, truncatedObjectsAreErrors) {
  std::string object = compile("declare void @g() define void @f() { call void "
                               "@g() ret void }");
  for (size_t size = 0; size < object.size(); size += 7) {
    auto image = linkFlatImage({StringRef(object).take_front(size)});
    if (!image)
      consumeError(image.takeError());
  }
}
