# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention in Triton, as a peer for the kit of a GPU: a forward kernel that
packs the query heads of a KV head, splits the keys where there are few rows, and
leaves full blocks free of mask code; the tile is the fastest of a few. For
peers.py.
"""
import torch
import triton
import triton.language as tl

# (rows, keys) of a tile, warps, stages.
WIDE = [(128, 64, 8, 3), (128, 128, 8, 3), (128, 64, 4, 3), (64, 64, 4, 3)]
NARROW = [(16, 64, 4, 4), (16, 128, 4, 3), (16, 128, 4, 4), (16, 64, 2, 4)]


@triton.jit
def walk(acc, m, l, q, k, v, base, position, first, last, scale, D: tl.constexpr,
         N: tl.constexpr, MASKED: tl.constexpr):
    """Online softmax over the keys [first, last); `position` is the last key
    that a row sees."""
    d = tl.arange(0, D)
    for j in range(first, last, N):
        n = j + tl.arange(0, N)
        if MASKED:
            keys = tl.load(k + base + n[None, :] * D + d[:, None],
                           mask=n[None, :] < last, other=0.0)
        else:
            keys = tl.load(k + base + n[None, :] * D + d[:, None])
        s = tl.dot(q, keys) * scale
        if MASKED:
            seen = (n[None, :] < last) & (n[None, :] <= position[:, None])
            s = tl.where(seen, s, float("-inf"))
        top = tl.maximum(m, tl.max(s, 1))
        shift = tl.where(top == float("-inf"), 0.0, top)
        p = tl.exp2(s - shift[:, None])
        shrink = tl.exp2(m - shift)
        l = l * shrink + tl.sum(p, 1)
        if MASKED:
            values = tl.load(v + base + n[:, None] * D + d[None, :],
                             mask=n[:, None] < last, other=0.0)
        else:
            values = tl.load(v + base + n[:, None] * D + d[None, :])
        acc = tl.dot(p.to(values.dtype), values, acc * shrink[:, None])
        m = top
    return acc, m, l


@triton.jit
def attend(q, k, v, o, parts, sums, scale, heads, kv_heads, rows, keys, total,
           GROUP: tl.constexpr, D: tl.constexpr, M: tl.constexpr,
           N: tl.constexpr, CAUSAL: tl.constexpr, SPLITS: tl.constexpr):
    block, bh, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    r = block * M + tl.arange(0, M)  # position * GROUP + member of the group
    row = r // GROUP
    head = bh % kv_heads * GROUP + r % GROUP
    at = ((bh // kv_heads * heads + head) * rows + row).to(tl.int64)
    inside = (row < rows)[:, None]
    d = tl.arange(0, D)
    tile = tl.load(q + at[:, None] * D + d[None, :], mask=inside, other=0.0)
    base = bh.to(tl.int64) * keys * D
    per = (keys + SPLITS * N - 1) // (SPLITS * N) * N
    first = split * per
    last = tl.minimum(first + per, keys)
    full = last  # of all rows, in whole blocks
    if CAUSAL:
        last = tl.minimum(last, keys - rows + (block * M + M - 1) // GROUP + 1)
        full = tl.minimum(last, keys - rows + block * M // GROUP + 1)
        position = keys - rows + row
    else:
        position = row * 0 + keys
    full = tl.maximum(first + (full - first) // N * N, first)
    acc = tl.zeros([M, D], tl.float32)
    m = tl.full([M], float("-inf"), tl.float32)
    l = tl.zeros([M], tl.float32)
    acc, m, l = walk(acc, m, l, tile, k, v, base, position, first, full, scale,
                     D, N, False)
    acc, m, l = walk(acc, m, l, tile, k, v, base, position, full, last, scale,
                     D, N, True)
    if SPLITS == 1:
        tl.store(o + at[:, None] * D + d[None, :],
                 (acc / l[:, None]).to(tile.dtype), mask=inside)
    else:
        to = split.to(tl.int64) * total + at
        tl.store(parts + to[:, None] * D + d[None, :], acc, mask=inside)
        tl.store(sums + to, m, mask=row < rows)
        tl.store(sums + SPLITS * total + to, l, mask=row < rows)


@triton.jit
def combine(parts, sums, o, total, D: tl.constexpr, SPLITS: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, SPLITS).to(tl.int64) * total + row
    d = tl.arange(0, D)
    m = tl.load(sums + at)
    weight = tl.exp2(m - tl.max(m, 0))
    l = tl.sum(weight * tl.load(sums + SPLITS * total + at), 0)
    acc = tl.sum(weight[:, None] * tl.load(parts + at[:, None] * D + d[None, :]),
                 0)
    tl.store(o + row.to(tl.int64) * D + d, (acc / l).to(o.dtype.element_ty))


def call(config, q, k, v, causal, most_splits=64):
    m, n, warps, stages = config
    batch, heads, rows, dim = q.shape
    kv_heads, keys = k.shape[1], k.shape[2]
    group = heads // kv_heads
    blocks = triton.cdiv(rows * group, m)
    processors = (torch.cuda.get_device_properties(q.device)
                  .multi_processor_count if q.is_cuda else 8)
    splits = 1
    while (splits < most_splits and blocks * batch * kv_heads * splits < 2 * processors
           and keys // (2 * splits) >= 4 * n):
        splits *= 2
    total = batch * heads * rows
    o = torch.empty_like(q)
    parts = torch.empty((splits if splits > 1 else 0, total, dim),
                        dtype=torch.float32, device=q.device)
    sums = torch.empty((2, splits if splits > 1 else 0, total),
                       dtype=torch.float32, device=q.device)
    attend[(blocks, batch * kv_heads, splits)](
        q, k, v, o, parts, sums, 1.4426950408889634 / dim ** 0.5, heads,
        kv_heads, rows, keys, total, GROUP=group, D=dim, M=m, N=n,
        CAUSAL=causal, SPLITS=splits, num_warps=warps, num_stages=stages)
    if splits > 1:
        combine[(total,)](parts, sums, o, total, D=dim, SPLITS=splits)
    return o


def peer(time_of):
    """A function of (q, k, v, causal); `time_of(call)` chooses the tile, and is
    None where there is nothing to choose by."""
    chosen = {}

    def run(q, k, v, causal):
        key = (q.shape, k.shape, causal)
        if key not in chosen:
            packed = q.shape[2] * q.shape[1] // k.shape[1]
            configs = WIDE if packed > 16 else NARROW
            if not time_of:
                configs = configs[:1]
            times = {}
            for config in configs:
                try:
                    times[config] = (time_of(lambda c=config:
                                             call(c, q, k, v, causal))
                                     if time_of else 0)
                except triton.runtime.errors.OutOfResources:
                    pass  # of this GPU; another tile fits
            chosen[key] = min(times, key=times.get)
        return call(chosen[key], q, k, v, causal)
    return run
