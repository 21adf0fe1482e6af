// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attributes of the tile dialect: item spaces, extents, schedules.
#ifndef FOVEA_DIALECTS_TILE_TILEATTRS_TD
#define FOVEA_DIALECTS_TILE_TILEATTRS_TD

include "dialects/tile/TileDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

class Tile_Attr<string name, string attrMnemonic> : AttrDef<Tile_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Tile_Space : I32EnumAttr<"Space", "item space of a stage", [
  I32EnumAttrCase<"Grid", 0, "grid">,
  I32EnumAttrCase<"Stream", 1, "stream">,
  I32EnumAttrCase<"Combine", 2, "combine">,
  I32EnumAttrCase<"Append", 3, "append">,
  I32EnumAttrCase<"Pages", 4, "pages">,
  I32EnumAttrCase<"Moves", 5, "moves">
]> {
  let cppNamespace = "::fovea::tile";
  let genSpecializedAttr = 1;
}

def Tile_On : I32EnumAttr<"On", "blocks that a map runs on", [
  I32EnumAttrCase<"All", 0, "all">,
  I32EnumAttrCase<"Partial", 1, "partial">
]> {
  let cppNamespace = "::fovea::tile";
  let genSpecializedAttr = 1;
}

def Tile_Prob : I32EnumAttr<"Prob", "what a probability region is applied to", [
  I32EnumAttrCase<"Weights", 0, "weights">,
  I32EnumAttrCase<"Shares", 1, "shares">
]> {
  let cppNamespace = "::fovea::tile";
  let genSpecializedAttr = 1;
}

def Tile_Reduction : I32EnumAttr<"Reduction", "how a group of rows becomes one", [
  I32EnumAttrCase<"Mean", 0, "mean">
]> {
  let cppNamespace = "::fovea::tile";
  let genSpecializedAttr = 1;
}

def Tile_Position : I32EnumAttr<"Position", "what the rotation of a key counts", [
  I32EnumAttrCase<"Token", 0, "token">,
  I32EnumAttrCase<"Slot", 1, "slot">
]> {
  let cppNamespace = "::fovea::tile";
  let genSpecializedAttr = 1;
}

def Tile_Pairs : I32EnumAttr<"Pairs", "which channels rotate together", [
  I32EnumAttrCase<"Halves", 0, "halves">,
  I32EnumAttrCase<"Adjacent", 1, "pairs">
]> {
  let cppNamespace = "::fovea::tile";
  let genSpecializedAttr = 1;
}

def Tile_TableRule : I32EnumAttr<"TableRule", "what the plan makes of a source", [
  I32EnumAttrCase<"Lineage", 0, "lineage">,
  I32EnumAttrCase<"BatchTree", 1, "batch_tree">,
  I32EnumAttrCase<"Boundaries", 2, "boundaries">,
  I32EnumAttrCase<"LineageSize", 3, "lineage_size">
]> {
  let cppNamespace = "::fovea::tile";
  let genSpecializedAttr = 1;
}

def Tile_ExtentAttr : Tile_Attr<"Extent", "extent"> {
  let summary = "A closed form of one run-time extent";
  let description = [{
    `mul * ceildiv(base + add, div)`. The base is a named dim of the kernel's
    arguments (`"sq"`), nothing (the value 1: a static extent), or `"slots"`
    with the launch whose split slots are counted.

    Example: `#tile.extent<"sk", div = 64>`, `#tile.extent<128>`,
    `#tile.extent<"slots" of "attend">`.
  }];
  let parameters = (ins StringRefParameter<"named dim, or empty">:$base,
                        "int64_t":$mul, "int64_t":$add, "int64_t":$div,
                        StringRefParameter<"launch, for slots">:$launch);
  let hasCustomAssemblyFormat = 1;
}

def Tile_RowsAttr : Tile_Attr<"Rows", "rows"> {
  let summary = "How query positions and heads are packed into rows";
  let description = [{
    Row r of a head group stands for position `r / group` and query head
    `head * group + r % group`, head fastest. A KV head serves `kv_group` query
    heads; `group` divides it. `heads` head groups make up the query heads.
  }];
  let parameters = (ins "int64_t":$group, "int64_t":$kvGroup,
                        "int64_t":$heads);
  let assemblyFormat = [{
    `<` `group` `=` $group `,` `kv_group` `=` $kvGroup `,` `heads` `=` $heads
    `>`
  }];
}

def Tile_OrderAttr : Tile_Attr<"Order", "order"> {
  let summary = "The order in which a stage visits the tokens of a grid";
  let description = [{
    Positions of the stage's rows and keys stand for the tokens of the
    row-major `grid` box by box: boxes in row-major order, clipped at the edge
    of the grid, and the tokens of a box in row-major order. Positions behind
    the grid are the tokens themselves. Runs and item ranges count positions;
    maps and views get tokens.

    Example: `#tile.order<grid = [45, 80], box = [5, 16]>`.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$grid,
                        ArrayRefParameter<"int64_t">:$box);
  let assemblyFormat = [{
    `<` `grid` `=` `[` $grid `]` `,` `box` `=` `[` $box `]` `>`
  }];
}

def Tile_ScheduleAttr : Tile_Attr<"Schedule", "schedule"> {
  let summary = "The schedule that a table chose for a stage";
  let description = [{
    `kind` names the way to run the stage (`prefill`: queries in lanes,
    `decode`: the head dim in lanes, `grid`: one row at a time), `lanes` the
    f32 lanes of a vector, `reg` the rows of the register tile, `keys` the keys
    per block, `rows` the packed rows per item, `max_rows` the most packed rows
    per (b, head) that it is chosen for (-1: any), `prefetch` which prefetches
    are made (1: the block's values, 2: the next block's keys, 4: in caches
    both parts of the two blocks that follow instead). With `matrix` the
    products are a matrix unit's, of bf16. `tuned`
    names the entry of a tuning table that chose it; without, the built-in
    table did.

    Example: `#tile.schedule<"prefill", lanes = 32, reg = 12, keys = 96,
    rows = 64, max_rows = -1, prefetch = 0>`.
  }];
  let parameters = (ins StringRefParameter<>:$kind, "int64_t":$lanes,
                        "int64_t":$reg, "int64_t":$keys, "int64_t":$rows,
                        "int64_t":$maxRows, "int64_t":$prefetch,
                        OptionalParameter<"mlir::StringAttr">:$tuned,
                        DefaultValuedParameter<"bool", "false">:$matrix);
  let builders = [
    AttrBuilder<(ins "llvm::StringRef":$kind, "int64_t":$lanes, "int64_t":$reg,
                     "int64_t":$keys, "int64_t":$rows, "int64_t":$maxRows,
                     "int64_t":$prefetch), [{
      return $_get($_ctxt, kind, lanes, reg, keys, rows, maxRows, prefetch,
                   mlir::StringAttr(), /*matrix=*/false);
    }]>
  ];
  let assemblyFormat = [{
    `<` $kind `,` `lanes` `=` $lanes `,` `reg` `=` $reg `,` `keys` `=` $keys
    `,` `rows` `=` $rows `,` `max_rows` `=` $maxRows `,` `prefetch` `=`
    $prefetch (`matrix` `=` $matrix^)? (`,` `tuned` `=` $tuned^)? `>`
  }];
}

#endif // FOVEA_DIALECTS_TILE_TILEATTRS_TD
