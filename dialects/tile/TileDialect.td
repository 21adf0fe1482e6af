// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tile dialect: the one level that every back end reads.
#ifndef FOVEA_DIALECTS_TILE_TILEDIALECT_TD
#define FOVEA_DIALECTS_TILE_TILEDIALECT_TD

include "mlir/IR/OpBase.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::fovea::tile";
  let summary = "A program of stages over tiles";
  let description = [{
    One spec is usually several launches (encode, score, choose, attend,
    combine) with run-time-sized intermediates. `tile` makes them explicit and
    stays neutral: axes are logical (rows x keys x chan, never a transpose),
    number formats are in the operand types, the softmax state is opaque, and
    there is no arithmetic on tiles outside `tile.map`. A back end lowers a
    whole stage by the roles in it (see passes/analysis/StreamInfo.h).
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = "void registerTileTypes();";
}

#endif // FOVEA_DIALECTS_TILE_TILEDIALECT_TD
