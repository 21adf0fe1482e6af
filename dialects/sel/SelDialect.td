// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The dialect sel: which keys a query looks at.
#ifndef FOVEA_DIALECTS_SEL_SELDIALECT
#define FOVEA_DIALECTS_SEL_SELDIALECT

include "mlir/IR/OpBase.td"

def Sel_Dialect : Dialect {
  let name = "sel";
  let cppNamespace = "::fovea::sel";
  let summary = "Say which keys a query looks at";
  let description = [{
    Masks, level maps, and selection as a program of a few ops: pool, score,
    normalize, choose. The dialect knows no tiles and no targets.

    A mask is a predicate over (batch, head, query token, key token). As sugar
    it is an attribute that stays in the IR as written; as a region it is
    scalar code. Whoever needs the predicate calls `expand`.
  }];
  let dependentDialects = [
    "::fovea::kv::KVDialect", "::mlir::arith::ArithDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerMasks();
    void registerTypes();
  }];
}

#endif // FOVEA_DIALECTS_SEL_SELDIALECT
