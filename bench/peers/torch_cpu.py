#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times PyTorch's CPU attention on the shapes of bench/run.py, for a comparison
on the same machine. Development only:

    python3 -m venv env && env/bin/pip install torch numpy
    env/bin/python bench/peers/torch_cpu.py [--threads 1] [--flex]

The peak it divides by is that of a large f32 matrix product in the same
process; FLOPs are 4 * heads * pairs * dim of the visible pairs. --flex adds
FlexAttention (it compiles C++ at run time and needs g++).
"""
import argparse
import statistics
import time

import torch
import torch.nn.functional as F


def median_ms(fn, seconds=2.0):
    fn()
    times, start = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < seconds:
        t = time.perf_counter()
        fn()
        times.append((time.perf_counter() - t) * 1e3)
        if len(times) > 200:
            break
    return statistics.median(times)


def peak_gflops():
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    return 2 * 2048 ** 3 / median_ms(lambda: a @ b) / 1e6


def row(name, ms, flops, peak, bytes_read=0):
    share = flops / ms / 1e6 / peak
    print(f"| {name} | {ms:.2f} ms | {100 * share:.1f} % | "
          f"{bytes_read / ms / 1e6:.1f} GB/s |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--flex", action="store_true")
    parser.add_argument("--lengths", type=int, nargs="*",
                        default=[1024, 2048, 4096, 8192])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    peak = peak_gflops()
    print(f"torch {torch.__version__}, {args.threads} threads, f32 matrix "
          f"product {peak:.1f} GFLOP/s\n")
    print("| what | median | of the matrix product | read |\n|---|---|---|---|")
    for element in (torch.float32, torch.bfloat16, torch.float16):
        for dim in (64, 128):
            for length in args.lengths:
                q, k, v = (torch.randn(1, 2, length, dim).to(element)
                           for _ in range(3))
                flops = 4 * 2 * length * length * dim
                ms = median_ms(
                    lambda: F.scaled_dot_product_attention(q, k, v))
                row(f"SDPA {element}, D = {dim}, S = {length}", ms, flops, peak)
    q, k, v = (torch.randn(1, 2, 4096, 64) for _ in range(3))
    ms = median_ms(
        lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True))
    row("SDPA causal, f32, D = 64, S = 4096", ms, 2 * 2 * 4096 * 4097 * 64,
        peak)
    index = torch.arange(4096)
    near = (index[None] <= index[:, None]) & (index[:, None] - index[None] < 256)
    ms = median_ms(
        lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=near))
    row("SDPA with the mask of window(256), f32, D = 64, S = 4096", ms,
        4 * 2 * int(near.sum()) * 64, peak)
    for element in (torch.bfloat16, torch.float16):
        keys = 65536
        q1 = torch.randn(1, 32, 1, 128).to(element)
        k1, v1 = (torch.randn(1, 8, keys, 128).to(element) for _ in range(2))
        ms = median_ms(lambda: F.scaled_dot_product_attention(
            q1, k1, v1, enable_gqa=True))
        row(f"SDPA decode {element}, 32 over 8 heads of 128, {keys} keys", ms,
            4 * 32 * keys * 128, peak, 2 * 8 * keys * 128 * 2)
    if args.flex:
        from torch.nn.attention.flex_attention import (create_block_mask,
                                                       flex_attention)
        compiled = torch.compile(flex_attention)
        block = create_block_mask(
            lambda b, h, i, j: (j <= i) & (i - j < 256), None, None, 4096, 4096,
            device="cpu")
        with torch.no_grad():
            ms = median_ms(lambda: compiled(q, k, v, block_mask=block))
        row("FlexAttention window(256), f32, D = 64, S = 4096", ms,
            4 * 2 * int(near.sum()) * 64, peak)


if __name__ == "__main__":
    main()
