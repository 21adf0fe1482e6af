// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Masks of tokens that lie on a grid. Included by SelAttrs.td, which has the
// base classes.
#ifndef FOVEA_DIALECTS_SEL_MASKS_GRIDMASKS
#define FOVEA_DIALECTS_SEL_MASKS_GRIDMASKS

def Sel_NeighborhoodAttr : Sel_Mask<"Neighborhood", "neighborhood"> {
  let summary = "Keep the neighbours on a grid of one to three axes";
  let description = [{
    `neighborhood(grid(n0, .., n), window(w0, .., w))` says that the tokens lie
    on a grid in row-major order, the last axis fastest, and keeps the keys that
    lie in the query's window on every axis. On an axis with n places and a
    window of w, query x sees [s, s + w) with
    s = max(0, min(x - floor(w / 2), n - w)): a window at an edge is shifted,
    never cut, and an even one has one place more before the query.

    * `dilation(d0, ..)`: query and key have the same remainder by d, and the
      rule holds for their quotients and for the n' places that this remainder
      has.
    * `stride(s0, ..)`: the queries of a group of s neighbours share the window
      of their leader, min(floor(x / s) * s + floor(s / 2), n - 1); on a causal
      axis the leader is the last of them.
    * `causal(axis, ..)`: on these axes, counted from 0, query x sees
      [max(0, leader - w + 1), x].

    A token outside of the grid sees nothing and is seen by none: text beside an
    image is added with `or`. Where a run-time extent is smaller than the window,
    all places of the axis are kept; below 1 nothing is.

    * neighborhood_c1: `grid` and `window` have one to three numbers, as many as
      each other, `dilation` and `stride` as many, each group once;
    * neighborhood_c2: windows, dilations and strides are integer literals from
      1 to 2^31 - 1, extents are such literals or run-time numbers; a stride is
      at most the window, and window times dilation at most a literal extent;
    * neighborhood_c3: `causal` lists axes of the grid, ascending.

    Sliding-tile attention (STA) is this mask on the grid of tiles, where tokens
    lie tile by tile: `blocks(384, neighborhood(grid(5, 6, 10), window(3, 3, 3)))`;
    in row-major order it is the stride of a tile.

    Source: Neighborhood Attention (NATTEN), Generalized Neighborhood Attention.

    Example:

    ```mlir
    func.func @video(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                     %frames: index)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k
          mask(neighborhood(grid(%frames : index, 45, 80), window(5, 7, 7),
                            causal(0)))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  // The groups, in the order in which they are written.
  let parameters = (ins ArrayRefParameter<"::mlir::Attribute">:$groups);
  let assemblyFormat = "`<` $groups `>`";
}

#endif // FOVEA_DIALECTS_SEL_MASKS_GRIDMASKS
