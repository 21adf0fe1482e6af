// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea new`: a commented spec to start from.
#include "tools/fovea/Cli.h"

#include <cctype>
#include <cstdio>

using namespace fovea::cli;

static const char kSpec[] =
    R"(// A kernel of Fovea. Check it, time it, look at it:
//   fovea verify @NAME@.mlir --shape=b=2,sq=257,sk=1031
//   fovea bench  @NAME@.mlir --shape=b=1,sq=4096,sk=4096
//   fovea view   @NAME@.mlir --shape=b=1,sq=512,sk=512 -o mask.svg
//
// Tensors are batch x heads x tokens x dim. `?` is known when the kernel is
// planned and costs no recompile. ${H:8} is a parameter with a default:
// -D H=32 changes it. Query heads are a multiple of key-value heads. The
// elements are f32, f16 or bf16.
!q = tensor<?x${H:8}x?x${D:64}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:64}x${T:f32}>

// Every function marked attn.kernel becomes a kernel; its arguments are called
// outside what they are called here, and their dims b, sq, sk, d.
func.func @@NAME@(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  // mask says which keys a query sees: causal, window(n), window(left, right),
  // sink(n), prefix(n), chunked(n), documents(..), one of several by head:
  // heads(%class : tensor<8xi32>, ..); joined by and, or, not. What is masked
  // out is not computed. Without mask every query sees every key.
  //
  // score(..) changes the scores before the softmax, from left to right:
  // softcap(50.0), alibi(..), bias(..). Or write either as a region:
  //   mask { ^bb0(%b: index, %h: index, %qi: index, %ki: index):
  //     %near = arith.cmpi sge, %ki, %qi : index
  //     sel.yield %near : i1 }
  %o = attn.attention %q, %k, %v mask(causal and (window(1024) or sink(4)))
      : (!q, !k, !k) -> !q
  return %o : !q
}
)";

static bool isName(const std::string &name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])))
    return false;
  for (char c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_')
      return false;
  return true;
}

static void printSpec(const std::string &name) {
  if (!isName(name))
    throw Failure(ExitUsage,
                  "expected a name of letters, digits and '_', got '" + name +
                      "'");
  std::string text = kSpec;
  for (size_t at; (at = text.find("@NAME@")) != std::string::npos;)
    text.replace(at, 6, name);
  std::fputs(text.c_str(), stdout);
}

void fovea::cli::addNew(CLI::App &app, int &) {
  CLI::App *command =
      app.add_subcommand("new", "Print a commented example spec to start from");
  static std::string name;
  command->add_option("NAME", name, "The kernel's name")->required();
  command->callback([] { printSpec(name); });
}
