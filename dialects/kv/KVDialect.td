// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The dialect kv: how keys and values are stored.
#ifndef FOVEA_DIALECTS_KV_KVDIALECT
#define FOVEA_DIALECTS_KV_KVDIALECT

include "mlir/IR/OpBase.td"

def KV_Dialect : Dialect {
  let name = "kv";
  let cppNamespace = "::fovea::kv";
  let summary = "Say how keys and values are stored";
  let description = [{
    Number formats, pyramids of pooled keys and values, and lists of chosen
    blocks. The dialect knows no masks, no softmax, no tiles and no targets.
    Everything is a value: a format is the encoding of a tensor's type, so a
    coded tensor is used wherever a plain one is.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerFormats();
    void registerTypes();
  }];
}

#endif // FOVEA_DIALECTS_KV_KVDIALECT
