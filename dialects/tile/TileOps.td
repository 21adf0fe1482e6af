// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operations of the tile dialect.
#ifndef FOVEA_DIALECTS_TILE_TILEOPS_TD
#define FOVEA_DIALECTS_TILE_TILEOPS_TD

include "dialects/tile/TileTypes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

class Tile_Op<string mnemonic, list<Trait> traits = []>
    : Op<Tile_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

def Tile_ProgramOp : Tile_Op<"program", [
    FunctionOpInterface, IsolatedFromAbove, Symbol, SymbolTable, NoTerminator,
    SingleBlock]> {
  let summary = "Hold the stages of one kernel";
  let description = [{
    The arguments are the kernel's arguments and then its results: views,
    scalars and caches; a result carries the argument attribute `tile.result`, every
    one `tile.name` and `tile.dims`. Stages run in textual order with a barrier
    after each; stages of one launch are variants, of which the plan runs one.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       TypeAttrOf<FunctionType>:$function_type,
                       OptionalAttr<DictArrayAttr>:$arg_attrs,
                       OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() {
      return getFunctionType().getInputs();
    }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() {
      return getFunctionType().getResults();
    }
  }];
}

def Tile_BufferOp : Tile_Op<"buffer", [HasParent<"ProgramOp">]> {
  let summary = "Name a workspace view";
  let description = [{
    Its size is a closed form of argument dims and plan counts; the plan
    chooses its place.

    ```mlir
    %w = tile.buffer "attend.o"(#tile.extent<"slots" of "attend">,
        #tile.extent<64>, #tile.extent<128>) : !tile.view<?x64x128xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, ArrayAttr:$extents);
  let results = (outs Tile_ViewType:$view);
  let assemblyFormat = "$name $extents attr-dict `:` type($view)";
  let hasVerifier = 1;
}

def Tile_SegmentOp : Tile_Op<"segment", [HasParent<"ProgramOp">, Pure]> {
  let summary = "The views of one segment of a cache";
  let description = [{
    Segments are counted in token order, `new` included. The views are the keys
    and the values, [page, head, offset, chan], the table of pages and the
    ranges of the sequences in both (fovea/abi.h); the offset is dynamic where a
    page is a sequence's whole segment.

    ```mlir
    %k, %v, %pages, %ranges = tile.segment %c[0] : !kv.cache<..> ->
        !tile.view<?x8x16x128xbf16>, !tile.view<?x8x16x128xbf16>
    ```
  }];
  let arguments = (ins AnyType:$cache, I64Attr:$index);
  let results = (outs Tile_ViewType:$keys, Tile_ViewType:$values,
                      Tile_ViewType:$pages, Tile_ViewType:$ranges);
  let assemblyFormat = [{
    $cache `[` $index `]` attr-dict `:` type($cache) `->` type($keys) `,`
    type($values) `,` type($pages) `,` type($ranges)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The storage of the segment, from the cache's type.
    ::fovea::kv::SegmentPlan getPlan();
  }];
}

def Tile_KeptOp : Tile_Op<"kept", [HasParent<"ProgramOp">, Pure]> {
  let summary = "The view of what a cache keeps of its pages";
  let description = [{
    f32 [page, head, 2, chan], the least and largest key by channel, or [page,
    head, chan], the mean.

    ```mlir
    %m = tile.kept %c "bounds" : !kv.cache<..> -> !tile.view<?x8x2x128xf32>
    ```
  }];
  let arguments = (ins AnyType:$cache, StrAttr:$name);
  let results = (outs Tile_ViewType:$view);
  let assemblyFormat = [{
    $cache $name attr-dict `:` type($cache) `->` type($view)
  }];
  let hasVerifier = 1;
}

def Tile_InputsOp : Tile_Op<"inputs", [HasParent<"ProgramOp">, Pure]> {
  let summary = "Views of keys and values that the cache manager appends";
  let description = [{
    Of a kernel that does not append itself: token-major rows [row, head, chan].
  }];
  let arguments = (ins AnyType:$cache);
  let results = (outs Tile_ViewType:$keys, Tile_ViewType:$values);
  let assemblyFormat = [{
    $cache attr-dict `:` type($cache) `->` type($keys) `,` type($values)
  }];
  let hasVerifier = 1;
}

def Tile_TableOp : Tile_Op<"table", [HasParent<"ProgramOp">, Pure]> {
  let summary = "The view of a table that the plan computes";
  let description = [{
    At every update, for the mask's functions and the kernel alike.

    `lineage` and `lineage_size` of a table of parents, i32 [token] or
    [batch, token]: the leaves of a token's subtree, of those that a walk
    through the forest numbers, begin at `enter` and are `size`. A token k <= q
    is q or an ancestor of it if and only if 0 <= enter[q] - enter[k] < size[k].
    `lineage` is i32: enter in 20 bits, above it size without its low 8 bits;
    `lineage_size` is i8, these less 2^7.

    `batch_tree` of a cache, i32 [?, 4]. Row b is (committed, base, 0, 0) of
    sequence b of the batch: tokens below `committed` are no rows of a tree. Row
    base stands for all of them, row base + 1 + i for the uncommitted row i:
    (enter, exit, position, parent).

    `boundaries` of a table of ascending numbers, i32 [n] or [row, n]: the same
    numbers. The update refuses others, so that `tile.search` may rely on them.

    ```mlir
    %t = tile.table lineage %parents : !tile.view<?xi32> -> !tile.view<?xi32>
    %h = tile.table lineage_size %parents : !tile.view<?xi32> -> !tile.view<?xi8>
    %u = tile.table batch_tree %c : !kv.cache<..> -> !tile.view<?x4xi32>
    %s = tile.table boundaries %cu : !tile.view<?xi32> -> !tile.view<?xi32>
    ```
  }];
  let arguments = (ins Tile_TableRule:$rule, AnyType:$source);
  let results = (outs Tile_ViewType:$view);
  let assemblyFormat = [{
    $rule $source attr-dict `:` type($source) `->` type($view)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The type of the table that `rule` makes of a source of type `source`;
    /// null if it makes none.
    static ViewType getViewType(TableRule rule, ::mlir::Type source);
  }];
}

def Tile_StageOp : Tile_Op<"stage", [
    HasParent<"ProgramOp">, NoTerminator, SingleBlock, Symbol]> {
  let summary = "One launch, or one variant of a launch";
  let description = [{
    The region's arguments are b, head, row, k0, k1 and slot of the item (see
    fovea/abi.h). A `stream` stage visits (batch, head group, row tile, key
    range); a `grid` stage the product of three extents, the last in steps of
    the tile's rows; a `combine` stage the split groups of the launch it is
    `of`. Of the variants of a launch the plan runs the first whose schedule's
    `max_rows` is not below the packed rows per (b, head).

    `append`, `pages` and `moves` stages write a cache: rows of the call, what
    is kept of pages, and rows that move between segments. A `service` stage is
    no part of a run: the cache manager runs it. A stream over a cache has the
    number of sequences as its `grid`; its lengths and offsets come from the
    batch of the call. With an `order` rows and keys are visited in it.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$launch,
                       Tile_Space:$space, Tile_RowsAttr:$rows,
                       OptionalAttr<ArrayAttr>:$grid,
                       OptionalAttr<StrAttr>:$of, UnitAttr:$service,
                       Tile_ScheduleAttr:$schedule,
                       OptionalAttr<Tile_OrderAttr>:$order);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `launch` `(` $launch `)` `space` `(` $space `)` `rows` `(` $rows
    `)` (`grid` `(` $grid^ `)`)?
    (`of` `(` $of^ `)`)? (`service` $service^)? `schedule` `(` $schedule `)`
    (`order` `(` $order^ `)`)? attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
}

def Tile_YieldOp : Tile_Op<"yield", [Terminator, Pure]> {
  let summary = "End the body of a stream or of a map";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

def Tile_LoadOp : Tile_Op<"load"> {
  let summary = "Load the rows of an item";
  let description = [{
    Rows past the length are 0. For packed rows the stage's `rows` map says
    which position and head a row is. A view of rank 3 is token-major, [row,
    head, chan]: its rows are those of the item's sequence.
  }];
  let arguments = (ins Tile_ViewType:$view, Variadic<Index>:$at);
  let results = (outs Tile_CodedType:$tile);
  let assemblyFormat = "$view `[` $at `]` attr-dict `:` type($view) `->` type($tile)";
}

def Tile_StoreOp : Tile_Op<"store", [AttrSizedOperandSegments]> {
  let summary = "Store a tile of rows";
  let description = [{
    Rows past the length are not written. A view with a format encodes. With
    `whole` the store is done only when the item is not split (slot < 0).
  }];
  let arguments = (ins AnyType:$tile, Tile_ViewType:$view, Variadic<Index>:$at,
                       Optional<Index>:$slot);
  let assemblyFormat = [{
    $tile `,` $view `[` $at `]` (`whole` `(` $slot^ `)`)? attr-dict `:`
    type($tile) `,` type($view)
  }];
}

def Tile_SaveOp : Tile_Op<"save"> {
  let summary = "Store the state of a split item to its slot";
  let description = [{
    A partial's record is the same on all targets: f32 o un-normalised, m, l,
    row-major. Does nothing when the item is not split (slot < 0).
  }];
  let arguments = (ins Tile_StateType:$state, Tile_ViewType:$o, Tile_ViewType:$m,
                       Tile_ViewType:$l, Index:$slot);
  let assemblyFormat = [{
    $state `,` $o `,` $m `,` $l `[` $slot `]` attr-dict `:` type($state) `,`
    type($o) `,` type($m) `,` type($l)
  }];
}

def Tile_RestoreOp : Tile_Op<"restore"> {
  let summary = "Load the merged state of an item's slots";
  let description = [{
    In a combine stage: the states of the item's slots, merged in ascending
    order. `dim` names the dim that counts queries.
  }];
  let arguments = (ins Tile_ViewType:$o, Tile_ViewType:$m, Tile_ViewType:$l,
                       Index:$slot, StrAttr:$queries_dim);
  let results = (outs Tile_StateType:$state);
  let assemblyFormat = [{
    $o `,` $m `,` $l `[` $slot `]` `dim` `(` $queries_dim `)` attr-dict `:` type($o) `,` type($m) `,`
    type($l) `->` type($state)
  }];
}

//===----------------------------------------------------------------------===//
// Runs and streams
//===----------------------------------------------------------------------===//

def Tile_RunsOp : Tile_Op<"runs", [AttrSizedOperandSegments]> {
  let summary = "The runs of keys that an item visits";
  let description = [{
    `closed(@m)`: the closed form of the solved mask whose functions are
    `@m_bounds` and `@m_class`, with the mask's run-time operands; without it
    all keys. `as` quotes the mask for people. `summaries` are pairs of an operand and an
    axis: tables of which the functions take a summary (fovea/abi.h). `list`: only blocks of `unit` keys that the list names for the
    item's query block. `levels`: every block of `unit` keys at the level the
    map gives (0: skipped). Clipped to the item's key range and to the
    sequence's length. `dims` names the dims that count queries and keys;
    lengths default to the latter, offsets to length - queries, with `top_left`
    to 0. `segment`: only the tokens of a segment of a cache, whose ranges these
    are; a list then names pages of the segment, and lengths and offsets come
    from the batch.
  }];
  let arguments = (ins OptionalAttr<FlatSymbolRefAttr>:$mask,
                       Variadic<AnyType>:$operands_,
                       OptionalAttr<StrAttr>:$mask_text,
                       OptionalAttr<DenseI64ArrayAttr>:$summaries,
                       Optional<Tile_ViewType>:$list,
                       Optional<Tile_ViewType>:$count,
                       Optional<Tile_ViewType>:$levels,
                       Optional<Tile_ViewType>:$offsets,
                       Optional<Tile_ViewType>:$lengths,
                       Optional<Tile_ViewType>:$segment,
                       Index:$k0, Index:$k1,
                       DefaultValuedAttr<I64Attr, "0">:$unit,
                       DefaultValuedAttr<I64Attr, "0">:$query_block,
                       StrAttr:$queries_dim, StrAttr:$keys_dim,
                       UnitAttr:$top_left);
  let results = (outs Tile_RunsType:$runs);
  let assemblyFormat = [{
    (`closed` `(` $mask^ (`,` $operands_^ `:` type($operands_))? `)`
      (`as` $mask_text^)? (`summaries` $summaries^)?)?
    (`list` `(` $list^ `,` $count `:` type($list) `,` type($count) `)`)?
    (`levels` `(` $levels^ `:` type($levels) `)`)?
    (`offsets` `(` $offsets^ `:` type($offsets) `)`)?
    (`lengths` `(` $lengths^ `:` type($lengths) `)`)?
    (`segment` `(` $segment^ `:` type($segment) `)`)?
    `clip` `[` $k0 `,` $k1 `]` (`unit` `(` $unit^ `)`)?
    (`query_block` `(` $query_block^ `)`)? `dims` `(` $queries_dim `,`
    $keys_dim `)` (`top_left` $top_left^)? attr-dict
  }];
  let hasVerifier = 1;
}

def Tile_StreamOp : Tile_Op<"stream", [
    AttrSizedOperandSegments, SingleBlock]> {
  let summary = "Loop over the blocks of the runs, carrying state";
  let description = [{
    Sources are pairs of views (keys, values), one per pyramid level; a stream
    that only scores has keys alone (`values(false)`). The body has one block
    whose arguments are the block, the key tile, the value tile (if any) and the
    carried values; it is written once and instantiated per class. Normal
    form (verified by StreamInfo): dot -> map* -> attend | store. Attention over
    a cache is a chain: one stream per segment, in token order, each starting
    from the state of the one before; their maps are the same. `pages` is the
    segment's table.

    A row of level n stands for the n tokens from token n * row on that exist:
    its score gets ln of their number after the maps, and it is visible when
    all of them are.
  }];
  let arguments = (ins Tile_RunsType:$runs, Variadic<Tile_ViewType>:$sources,
                       Optional<Tile_ViewType>:$pages, I64Attr:$keys, DenseI64ArrayAttr:$levels,
                       Variadic<AnyType>:$inits);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $runs `from` `(` $sources `:` type($sources) `)`
    (`pages` `(` $pages^ `:` type($pages) `)`)? `keys` `(` $keys `)`
    `levels` $levels (`init` `(` $inits^ `:` type($inits) `)` `->`
    type($results))? attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
}

def Tile_InitOp : Tile_Op<"init", [Pure]> {
  let summary = "The state of rows that have seen nothing";
  let results = (outs Tile_StateType:$state);
  let assemblyFormat = "attr-dict `:` type($state)";
}

def Tile_ElementOp : Tile_Op<"element", [
    TypesMatchWith<"the result is an element of the view", "view", "element",
                   "::llvm::cast<ViewType>($_self).getElementType()">]> {
  let summary = "Read one element of a view";
  let description = [{
    For tables inside `tile.map`. An index outside the view reads as 0, and the
    pair is hidden. `inside` promises that no pair of the call is outside.
  }];
  let arguments = (ins Tile_ViewType:$view, Variadic<Index>:$at,
                       UnitAttr:$inside);
  let results = (outs AnyType:$element);
  let assemblyFormat = "$view `[` $at `]` (`inside` $inside^)? attr-dict `:` type($view)";
}

def Tile_SearchOp : Tile_Op<"search", [Pure]> {
  let summary = "Find the segment that holds a token";
  let description = [{
    What `sel.segment` becomes, for `tile.map` and for the functions of masks,
    whose tables are memrefs: index, begin and end of the token's segment in a
    table `boundaries` of the plan. In a row outside of the table there is no
    entry; in a mask the pair is then masked.

    ```mlir
    %i, %begin, %end = tile.search %q in %s[%b] : !tile.view<?x?xi32>
    ```
  }];
  let arguments = (ins Index:$token,
                       AnyTypeOf<[Tile_ViewType, AnyMemRef]>:$boundaries,
                       Optional<Index>:$row);
  let results = (outs Index:$index, Index:$begin, Index:$end);
  let assemblyFormat = [{
    $token `in` $boundaries (`[` $row^ `]`)? attr-dict `:` type($boundaries)
  }];
  let hasVerifier = 1;
}

def Tile_UnpackOp : Tile_Op<"unpack", [Pure]> {
  let summary = "The state as tensors: o un-normalised, m, l";
  let arguments = (ins Tile_StateType:$state);
  let results = (outs AnyRankedTensor:$o, AnyRankedTensor:$m,
                      AnyRankedTensor:$l);
  let assemblyFormat = [{
    $state attr-dict `:` type($state) `->` type($o) `,` type($m) `,` type($l)
  }];
}

//===----------------------------------------------------------------------===//
// Arithmetic by role
//===----------------------------------------------------------------------===//

def Tile_DotOp : Tile_Op<"dot", [Pure]> {
  let summary = "Dot products of rows and keys over chan";
  let description = [{
    `[rows, chan] x [keys, chan] -> f32 [rows, keys]`, times `scale`. Either
    side may be coded.
  }];
  let arguments = (ins Tile_CodedType:$rows, Tile_CodedType:$keys,
                       F64Attr:$scale);
  let results = (outs AnyRankedTensor:$scores);
  let assemblyFormat = [{
    $rows `,` $keys `scale` `(` $scale `)` attr-dict `:` type($rows) `,`
    type($keys) `->` type($scores)
  }];
}

def Tile_MapOp : Tile_Op<"map", [
    SingleBlock, TypesMatchWith<"the result is a tile like the input", "scores", "result", "$_self">]> {
  let summary = "Apply a scalar region to every element of a tile";
  let description = [{
    The region's arguments are the score (f32) and b, h (query head), q, k
    (token indices), offset (token index of the call's first query) and len
    (keys of the sequence). It yields the new score
    (f32), or i1 for a mask: where false the score becomes -inf and its
    probability exactly 0, or i32 for a mask of levels: a row of level n is
    hidden unless that is n for all of its tokens. `on(partial)` runs on partial blocks only: on full
    ones the map is the identity. The region may use program arguments.
  }];
  let arguments = (ins AnyRankedTensor:$scores, Tile_BlockType:$block,
                       Tile_On:$on);
  let results = (outs AnyRankedTensor:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $scores `at` $block `on` `(` $on `)` attr-dict `:` type($scores) $body
  }];
  let hasRegionVerifier = 1;
}

def Tile_AttendOp : Tile_Op<"attend", [Pure, AllTypesMatch<["state", "result"]>]> {
  let summary = "One online-softmax step and P*V into the state";
  let description = [{
    A region changes the weight of every visible pair before it meets the
    value; its arguments are those of `tile.map` with the weight in the place of
    the score. `prob(weights)` is applied to exp(s - m): the region is linear in
    it. `prob(shares)` is applied to exp(s - m) / l of all keys of the row: the
    stream runs twice, first for m and l, then for o, which `tile.finish` does
    not divide; such an item is never split. Hidden pairs keep weight 0.
  }];
  let arguments = (ins Tile_StateType:$state, AnyRankedTensor:$scores,
                       Tile_CodedType:$values, OptionalAttr<Tile_Prob>:$prob);
  let results = (outs Tile_StateType:$result);
  let regions = (region AnyRegion:$body);
  let assemblyFormat = [{
    $state `,` $scores `,` $values attr-dict `:` type($state) `,` type($scores)
    `,` type($values) (`prob` `(` $prob^ `)` $body)?
  }];
  let hasRegionVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::Value":$state,
                                 "::mlir::Value":$scores,
                                 "::mlir::Value":$values), [{
    build($_builder, $_state, state.getType(), state, scores, values, ProbAttr());
  }]>];
}

def Tile_PackOp : Tile_Op<"pack"> {
  let summary = "Load rows of o, m, l as a state";
  let description = "The inverse of storing what `tile.unpack` gives.";
  let arguments = (ins Tile_ViewType:$o, Tile_ViewType:$m, Tile_ViewType:$l,
                       Variadic<Index>:$at);
  let results = (outs Tile_StateType:$state);
  let assemblyFormat = [{
    $o `,` $m `,` $l `[` $at `]` attr-dict `:` type($o) `,` type($m) `,`
    type($l) `->` type($state)
  }];
}

def Tile_MergeOp : Tile_Op<"merge", [Pure, SameOperandsAndResultType]> {
  let summary = "Merge two states";
  let description = "Associative and commutative up to rounding.";
  let arguments = (ins Tile_StateType:$lhs, Tile_StateType:$rhs);
  let results = (outs Tile_StateType:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
}

def Tile_SinkOp : Tile_Op<"sink", [
    Pure, AllTypesMatch<["state", "result"]>]> {
  let summary = "Let the sink of every row's head take part in its softmax";
  let description = [{
    `logits` is f32 [query head]: a key with that score and the value 0. m and l
    count it, o is rescaled with m. Between the state of whole rows and its
    `finish` or `unpack`, so that a split item counts it once.

    ```mlir
    %t = tile.sink %s by %logits : !tile.state<8x64>, !tile.view<32xf32>
    ```
  }];
  let arguments = (ins Tile_StateType:$state, Tile_ViewType:$logits);
  let results = (outs Tile_StateType:$result);
  let assemblyFormat = [{
    $state `by` $logits attr-dict `:` type($state) `,` type($logits)
  }];
  let hasVerifier = 1;
}

def Tile_FinishOp : Tile_Op<"finish", [Pure]> {
  let summary = "Normalise a state into o and lse";
  let description = [{
    A row with l == 0 gives o = 0 and lse = -inf. `factor` multiplies o.
  }];
  let arguments = (ins Tile_StateType:$state,
                       DefaultValuedAttr<F64Attr, "1.0">:$factor);
  let results = (outs AnyRankedTensor:$o, AnyRankedTensor:$lse);
  let assemblyFormat = [{
    $state (`factor` `(` $factor^ `)`)? attr-dict `:` type($state) `->` type($o) `,` type($lse)
  }];
}

def Tile_RotateOp : Tile_Op<"rotate", [Pure, AttrSizedOperandSegments]> {
  let summary = "Rotate the channels of queries or keys by their positions";
  let description = [{
    `table` is f32 [position, chan / 2, 2], (cos, sin) of every pair of
    channels. `halves` pairs the channels i and i + chan / 2, `pairs` 2i and
    2i + 1: x0' = x0 cos - x1 sin, x1' = x0 sin + x1 cos. The position is the
    token's index, or with `slot` its rank among the tokens that the cache still
    has; keys are those `at` a block. With `tree`, the `batch_tree` of the
    cache, the index of an uncommitted row is its position there.
  }];
  let arguments = (ins Tile_CodedType:$rows, Tile_ViewType:$table,
                       Tile_Position:$position, Tile_Pairs:$pairs,
                       Optional<Tile_BlockType>:$block,
                       Optional<Tile_ViewType>:$tree);
  let results = (outs Tile_CodedType:$result);
  let assemblyFormat = [{
    $rows `by` $table `position` `(` $position `)` `channels` `(` $pairs `)`
    (`at` $block^)? (`tree` `(` $tree^ `:` type($tree) `)`)? attr-dict `:` type($rows) `,` type($table) `->`
    type($result)
  }];
  let hasVerifier = 1;
}

def Tile_PoolOp : Tile_Op<"pool", [Pure]> {
  let summary = "Reduce groups of rows to one row each";
  let description = [{
    Groups are anchored at token 0; the last one averages the tokens that it
    really has: those below the sequence's entry of `lengths`, i32 [b], if that
    is given.
  }];
  let arguments = (ins Tile_CodedType:$rows, Optional<Tile_ViewType>:$lengths,
                       I64Attr:$group, Tile_Reduction:$reduce);
  let results = (outs Tile_CodedType:$result);
  let assemblyFormat = [{
    $rows `group` `(` $group `)` `reduce` `(` $reduce `)` (`lengths` `(`
    $lengths^ `:` type($lengths) `)`)? attr-dict `:` type($rows) `->`
    type($result)
  }];
}

def Tile_NormalizeOp : Tile_Op<"normalize", [AttrSizedOperandSegments]> {
  let summary = "Softmax over the keys of stored scores";
  let description = [{
    One item is one (b, h, query block). A row of only -inf gives 0. Scores of
    the pages of a `segment` whose ranges these are have rows [row, head, page]
    or [b, head, row, page]; `keys` names the dim that counts tokens.
  }];
  let arguments = (ins Tile_ViewType:$scores, Tile_ViewType:$result,
                       Variadic<Index>:$at, Optional<Tile_ViewType>:$segment,
                       OptionalAttr<StrAttr>:$keys_dim, StrAttr:$queries_dim);
  let assemblyFormat = [{
    $scores `,` $result `[` $at `]` (`segment` `(` $segment^ `:` type($segment)
    `)`)? (`keys` `(` $keys_dim^ `)`)? `dim` `(` $queries_dim `)` attr-dict `:`
    type($scores) `,` type($result)
  }];
}

def Tile_ChooseOp : Tile_Op<"choose", [AttrSizedOperandSegments]> {
  let summary = "Choose units of a row of scores";
  let description = [{
    top_k (a count) or top_p (a probability mass, `by_mass`) of the row, ties to
    the lower index, -inf never chosen, and neither is 0 if the scores are
    `shares` (normalized); forced units first: they count against top_k and
    into top_p. Writes the list ascending and its count. The amount is an
    attribute, or a scalar, or a view indexed by head. Units of a `segment` of a
    cache, whose ranges these are, are its pages, rows as in `tile.normalize`.
  }];
  let arguments = (ins Tile_ViewType:$scores, Tile_ViewType:$list,
                       Tile_ViewType:$count, Variadic<Index>:$at,
                       Optional<AnyType>:$amount,
                       Optional<Tile_ViewType>:$segment,
                       OptionalAttr<StrAttr>:$keys_dim,
                       OptionalAttr<I64Attr>:$top_k,
                       OptionalAttr<F64Attr>:$top_p,
                       UnitAttr:$by_mass, UnitAttr:$shares,
                       UnitAttr:$force_diagonal,
                       DefaultValuedAttr<I64Attr, "0">:$force_first,
                       DefaultValuedAttr<I64Attr, "0">:$force_last,
                       I64Attr:$query_block, I64Attr:$unit,
                       StrAttr:$queries_dim);
  let assemblyFormat = [{
    $scores `,` $list `,` $count `[` $at `]` (`amount` `(` $amount^ `:`
    type($amount) `)`)? (`segment` `(` $segment^ `:` type($segment) `)`)?
    (`keys` `(` $keys_dim^ `)`)? (`top_k` `(` $top_k^ `)`)? (`top_p` `(` $top_p^ `)`)?
    (`by_mass` $by_mass^)? (`shares` $shares^)?
    (`force_diagonal` $force_diagonal^)? (`force_first` `(` $force_first^ `)`)?
    (`force_last` `(` $force_last^ `)`)? `query_block` `(` $query_block `)`
    `unit` `(` $unit `)` `dim` `(` $queries_dim `)` attr-dict `:`
    type($scores) `,` type($list) `,` type($count)
  }];
}

def Tile_AssignOp : Tile_Op<"assign"> {
  let summary = "Choose a pyramid level for every unit of a row of scores";
  let description = [{
    Units in descending order of score, ties to the lower index; a unit gets
    the first level whose bound exceeds the sum of the shares before it, past
    the last bound 0 (skipped). Forced units get `force_level`.
  }];
  let arguments = (ins Tile_ViewType:$scores, Tile_ViewType:$levels_view,
                       Variadic<Index>:$at, DenseI64ArrayAttr:$levels,
                       DenseF64ArrayAttr:$shares,
                       DefaultValuedAttr<I64Attr, "0">:$force_level,
                       UnitAttr:$force_diagonal,
                       DefaultValuedAttr<I64Attr, "0">:$force_first,
                       DefaultValuedAttr<I64Attr, "0">:$force_last,
                       I64Attr:$query_block, I64Attr:$unit,
                       StrAttr:$queries_dim);
  let assemblyFormat = [{
    $scores `,` $levels_view `[` $at `]` `levels` $levels `shares` $shares
    (`force_level` `(` $force_level^ `)`)? (`force_diagonal` $force_diagonal^)?
    (`force_first` `(` $force_first^ `)`)? (`force_last` `(` $force_last^ `)`)?
    `query_block` `(` $query_block `)` `unit` `(` $unit `)` `dim` `(`
    $queries_dim `)` attr-dict `:` type($scores) `,` type($levels_view)
  }];
}

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

def Tile_AppendOp : Tile_Op<"append"> {
  let summary = "Write rows of the call behind the last token of a sequence";
  let description = [{
    Into the cache's last segment, in its format. In a stage of space `append`.
    Rows are [row, head, chan] or [b, head, row, chan].
  }];
  let arguments = (ins Tile_ViewType:$keys, Tile_ViewType:$values,
                       AnyType:$cache);
  let assemblyFormat = [{
    $keys `,` $values `,` $cache attr-dict `:` type($keys) `,` type($values) `,`
    type($cache)
  }];
  let hasVerifier = 1;
}

def Tile_RefreshOp : Tile_Op<"refresh"> {
  let summary = "Compute anew what a cache keeps of a page";
  let description = [{
    From the decoded tokens that the page holds. In a stage of space `pages`.
  }];
  let arguments = (ins AnyType:$cache);
  let assemblyFormat = "$cache attr-dict `:` type($cache)";
  let hasVerifier = 1;
}

def Tile_MovesOp : Tile_Op<"moves"> {
  let summary = "Move rows between the segments of a cache";
  let description = [{
    All heads, keys and values: decoded from the one format, rounded or encoded
    into the other. In a service stage of space `moves`.
  }];
  let arguments = (ins AnyType:$cache);
  let assemblyFormat = "$cache attr-dict `:` type($cache)";
  let hasVerifier = 1;
}

def Tile_PageScoreOp : Tile_Op<"page_score"> {
  let summary = "Score the pages of a segment by what is kept of them";
  let description = [{
    Per query and query head: scale * sum of max(q * least, q * largest) over
    channels where `kept` is [page, head, 2, chan], scale * (q . mean) where it
    is [page, head, chan]. Pages without tokens get -inf. In a stream stage whose
    items are queries of one query head; the query is [row, head, chan] or [b,
    head, row, chan], the scores alike with pages as their last dim.
  }];
  let arguments = (ins Tile_ViewType:$query, Tile_ViewType:$kept,
                       Tile_ViewType:$scores, Tile_ViewType:$ranges,
                       Tile_ViewType:$pages, Variadic<Index>:$at,
                       F64Attr:$scale, I64Attr:$page_tokens,
                       StrAttr:$queries_dim, StrAttr:$keys_dim);
  let assemblyFormat = [{
    $query `,` $kept `,` $scores `[` $at `]` `segment` `(` $ranges `,` $pages
    `:` type($ranges) `,` type($pages) `)` `scale` `(` $scale `)` `page_tokens`
    `(` $page_tokens `)` `dims` `(` $queries_dim `,` $keys_dim `)` attr-dict `:`
    type($query) `,` type($kept) `,` type($scores)
  }];
}

#endif // FOVEA_DIALECTS_TILE_TILEOPS_TD
