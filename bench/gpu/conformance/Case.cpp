// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the conformance kernels share: see Case.h.
#include "bench/gpu/conformance/Case.h"
#include "codegen/gpu/emulator/Numbers.h"

namespace fovea::gpu::conformance {

const std::vector<Case> &cases() {
  static const std::vector<Case> list = [] {
    std::vector<Case> cases;
    addThreadCases(cases);
    addMemoryCases(cases);
    addAsyncCases(cases);
    addTensorCases(cases);
    addMatrixCases(cases);
    addWgmmaCases(cases);
    addMathCases(cases);
    return cases;
  }();
  return list;
}

std::string atShared(const std::string &result, const std::string &index,
                     const std::string &base) {
  return result + " = llvm.getelementptr " + base + "[" + index +
         "] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32\n";
}

std::string atGlobal(const std::string &result, const std::string &index,
                     const std::string &base) {
  return result + " = llvm.getelementptr " + base + "[" + index +
         "] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32\n";
}

std::string kernel(const std::string &body, uint32_t threads,
                   uint32_t sharedBytes, bool map,
                   const std::string &attributes) {
  return "hw.kernel @k(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>" +
         std::string(map ? ", %map: !llvm.ptr" : "") +
         ") attributes {threads = " + std::to_string(threads) +
         " : i32, shared_bytes = " + std::to_string(sharedBytes) + " : i32" +
         attributes + "} {\n%t = hw.thread_id\n%s = hw.shared_memory\n" +
         atGlobal("%i0", "%t", "%in") + atGlobal("%o", "%t", "%out") + body +
         "\nhw.return\n}\n";
}

std::string warpKernel(const std::string &body) {
  return kernel(R"(
  %i1 = llvm.getelementptr %i0[32] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
  %i2 = llvm.getelementptr %i0[64] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
  %v = hw.load %i0 : !llvm.ptr<1> -> i32
  %w = hw.load %i1 : !llvm.ptr<1> -> i32
  %x = hw.load %i2 : !llvm.ptr<1> -> i32
  %f = arith.bitcast %v : i32 to f32
  %g = arith.bitcast %w : i32 to f32
)" + body + "\nhw.store %r, %o : i32, !llvm.ptr<1>");
}

Words warpInputs() {
  Words in(96);
  for (uint32_t t = 0; t < 32; ++t) {
    in[t] = emulator::bitsOf(1 + t * 0.125f);
    in[t + 32] = emulator::bitsOf(4.875f - t * 0.125f);
    in[t + 64] = 0x9e3779b9u * (t + 1);
  }
  return in;
}

Case warpCase(
    const std::string &name, const std::string &body,
    const std::function<uint32_t(const Words &in, uint32_t t)> &expected) {
  Case made;
  made.name = name;
  made.text = warpKernel(body);
  made.in = warpInputs();
  for (uint32_t t = 0; t < 32; ++t)
    made.expected.push_back(expected(made.in, t));
  return made;
}

} // namespace fovea::gpu::conformance
