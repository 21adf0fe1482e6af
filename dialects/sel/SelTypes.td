// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The types of dialect sel: block scores and level maps.
#ifndef FOVEA_DIALECTS_SEL_SELTYPES
#define FOVEA_DIALECTS_SEL_SELTYPES

include "mlir/IR/AttrTypeBase.td"
include "dialects/sel/SelDialect.td"

class Sel_BlockType<string name, string keyword>
    : TypeDef<Sel_Dialect, name> {
  let mnemonic = keyword;
  let parameters = (ins "int64_t":$queryBlock, "int64_t":$unit);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Whether the units are the pages of a cache.
    bool countsPages() { return getUnit() == ::fovea::kv::pageUnit; }
  }];
}

def Sel_ScoresType : Sel_BlockType<"Scores", "scores"> {
  let summary = "Hold one score per block of queries and block of keys";
  let description = [{
    f32 [b, hq, ceildiv(sq, n), ceildiv(sk, m)] for
    `per = (b, h, q : n), unit = k : m`; h is the query head. Block i holds the
    queries [i * n, (i + 1) * n) of the call, unit j the keys
    [j * m, (j + 1) * m). A pair of blocks without a visible element has the
    score -inf. Both block sizes are at least 1 [scores_c1].

    With `unit = page` the units are the pages of a cache's segment `all` or
    `older`, and every row of the query has its own scores: f32 [b, hq, 1,
    pages], or [rows, hq, pages] for token-major rows; q : 1 [scores_c1].
  }];
}

def Sel_LevelsType : Sel_BlockType<"Levels", "levels"> {
  let summary = "Hold one level per block of queries and block of keys";
  let description = [{
    i8 [b, hq, ceildiv(sq, n), ceildiv(sk, m)], blocks as in `!sel.scores`.
    0 skips the keys of the unit, 1 attends to them, a greater level of the
    pyramid attends to their pooled rows. A value that is no level of the
    pyramid counts as 0. Both block sizes are at least 1, and units are not
    pages [levels_c1].
  }];
}

#endif // FOVEA_DIALECTS_SEL_SELTYPES
