// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Diagnostics keep position, label and notes on their way out of MLIR.
#include "codegen/jit/Diagnostics.h"

#include "mlir/IR/Location.h"
#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

using namespace fovea;

TEST(Diagnostics, positionsLabelsAndNotes) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  std::vector<Diagnostic> seen;
  DiagnosticCollector collector(
      &context, "a.mlir", [&](const Diagnostic &d) { seen.push_back(d); });
  auto loc = [&](const char *file, int line, int column) {
    return mlir::FileLineColLoc::get(&context, file, line, column);
  };
  mlir::emitError(mlir::FusedLoc::get(&context, {loc("a.mlir", 3, 9)}),
                  "expected heads to be 4, got 3 [attention_c3]")
          .attachNote(loc("a.mlir", 1, 2))
      << "declared here";
  mlir::emitRemark(mlir::UnknownLoc::get(&context), "all-partial [see docs]");

  ASSERT_EQ(seen.size(), 3u);
  EXPECT_TRUE(collector.sawError());
  EXPECT_EQ(toString(seen[0]),
            "a.mlir:3:9: error: expected heads to be 4, got 3 "
            "[attention_c3]");
  EXPECT_EQ(seen[0].label, "attention_c3");
  EXPECT_EQ(toString(seen[1]), "a.mlir:1:2: note: declared here");
  EXPECT_EQ(seen[2].label, "");
  EXPECT_EQ(toString(seen[2]), "a.mlir: remark: all-partial [see docs]");
}
