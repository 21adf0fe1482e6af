// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Types of the tile dialect.
#ifndef FOVEA_DIALECTS_TILE_TILETYPES_TD
#define FOVEA_DIALECTS_TILE_TILETYPES_TD

include "dialects/tile/TileAttrs.td"

class Tile_Type<string name, string typeMnemonic> : TypeDef<Tile_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def Tile_ViewType : Tile_Type<"View", "view"> {
  let summary = "A strided tensor in memory";
  let description = [{
    Extents may be dynamic; strides are run-time values, the last one 1. With a
    format the elements are stored encoded: the codes and the scales are two
    memory areas, `elementType` is what decoding gives.

    Example: `!tile.view<?x8x?x128xbf16>`,
    `!tile.view<?x8x?x128xf32, #kv.int8<per tok>>`.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape,
                        "::mlir::Type":$elementType,
                        "::mlir::Attribute":$format);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    int64_t getRank() const { return getShape().size(); }
  }];
}

def Tile_CodedType : Tile_Type<"Coded", "coded"> {
  let summary = "A block of rows x chan in the format it is stored in";
  let description = [{
    The operands of `tile.dot` and `tile.attend`. They are not decoded on
    their own, so that a back end may choose an integer dot, a bit trick or a
    folded scale.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$chan,
                        "::mlir::Type":$elementType,
                        "::mlir::Attribute":$format);
  let hasCustomAssemblyFormat = 1;
}

def Tile_StateType : Tile_Type<"State", "state"> {
  let summary = "Online-softmax state of a tile of rows";
  let description = [{
    (o un-normalised, m, l) per row, f32, natural log; the back end keeps it in
    the form it likes inside a stream.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$chan);
  let hasCustomAssemblyFormat = 1;
}

def Tile_RunsType : Tile_Type<"Runs", "runs"> {
  let summary = "Runs of keys that an item visits";
}

def Tile_BlockType : Tile_Type<"Block", "block"> {
  let summary = "One block of a stream";
  let description = [{
    First key, number of keys n <= the stream's keys, class (full or partial),
    source (pyramid level).
  }];
}

#endif // FOVEA_DIALECTS_TILE_TILETYPES_TD
