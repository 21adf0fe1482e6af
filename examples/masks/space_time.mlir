// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Divided attention over space and time in one pass, on a video of frames of Y x X
// tokens: a token sees its own frame near it, and its own place in the frames before.
// After TimeSformer's divided attention, with a window of R rows and columns in space.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @space_time(%q: !q, %k: !k, %v: !k, %frames: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %radius = arith.constant ${R:1} : index
      %qt, %qy, %qx = sel.coordinates %i grid(%frames : index, ${Y:5}, ${X:7})
      %kt, %ky, %kx = sel.coordinates %j grid(%frames : index, ${Y:5}, ${X:7})
      %dy = arith.subi %qy, %ky : index
      %dx = arith.subi %qx, %kx : index
      %ay = math.absi %dy : index
      %ax = math.absi %dx : index
      %far = arith.maxsi %ay, %ax : index
      %near = arith.cmpi sle, %far, %radius : index
      %now = arith.cmpi eq, %qt, %kt : index
      %space = arith.andi %now, %near : i1
      %zero = arith.constant 0 : index
      %here = arith.cmpi eq, %far, %zero : index
      %past = arith.cmpi sle, %kt, %qt : index
      %time = arith.andi %here, %past : i1
      %keep = arith.ori %space, %time : i1
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
