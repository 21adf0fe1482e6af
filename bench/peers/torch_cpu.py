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
import time

import torch
import torch.nn.functional as F


def best_ms(fn, seconds=1.5):
    """The shortest of several calls: what the machine does when left alone."""
    fn()
    best, start = float("inf"), time.perf_counter()
    for _ in range(200):
        t = time.perf_counter()
        fn()
        now = time.perf_counter()
        best = min(best, (now - t) * 1e3)
        if now - start > seconds:
            break
    return best


class Table:
    """Prints rows; the peak is taken again before each and only grows."""

    def __init__(self):
        self.a, self.b = torch.randn(1024, 1024), torch.randn(1024, 1024)
        self.peak = 0.0
        print("| what | best | of the matrix product's GFLOP/s | read |")
        print("|---|---|---|---|")

    def row(self, name, fn, flops, bytes_read=0):
        product = best_ms(lambda: self.a @ self.b, 0.3)
        self.peak = max(self.peak, 2 * 1024 ** 3 / product / 1e6)
        ms = best_ms(fn)
        read = f"{bytes_read / ms / 1e6:.1f} GB/s" if bytes_read else ""
        print(f"| {name} | {ms:.2f} ms | {100 * flops / ms / 1e6 / self.peak:.1f}"
              f" % of {self.peak:.0f} | {read} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--flex", action="store_true")
    parser.add_argument("--lengths", type=int, nargs="*",
                        default=[1024, 2048, 4096, 8192])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    print(f"torch {torch.__version__}, {args.threads} threads\n")
    table = Table()
    for element in (torch.float32, torch.bfloat16, torch.float16):
        for dim in (64, 128):
            for length in args.lengths:
                q, k, v = (torch.randn(1, 2, length, dim).to(element)
                           for _ in range(3))
                flops = 4 * 2 * length * length * dim
                table.row(f"SDPA {element}, D = {dim}, S = {length}",
                          lambda: F.scaled_dot_product_attention(q, k, v),
                          flops)
    q, k, v = (torch.randn(1, 2, 4096, 64) for _ in range(3))
    table.row("SDPA causal, f32, D = 64, S = 4096",
              lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True),
              2 * 2 * 4096 * 4097 * 64)
    index = torch.arange(4096)
    near = (index[None] <= index[:, None]) & (index[:, None] - index[None] < 256)
    table.row("SDPA with the mask of window(256), f32, D = 64, S = 4096",
              lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=near),
              4 * 2 * int(near.sum()) * 64)
    for element in (torch.bfloat16, torch.float16):
        keys = 65536
        q1 = torch.randn(1, 32, 1, 128).to(element)
        k1, v1 = (torch.randn(1, 8, keys, 128).to(element) for _ in range(2))
        table.row(f"SDPA decode {element}, 32 over 8 heads of 128, {keys} keys",
                  lambda: F.scaled_dot_product_attention(
                      q1, k1, v1, enable_gqa=True),
                  4 * 32 * keys * 128, 2 * 8 * keys * 128 * 2)
    if args.flex:
        from torch.nn.attention.flex_attention import (create_block_mask,
                                                       flex_attention)
        compiled = torch.compile(flex_attention)
        block = create_block_mask(
            lambda b, h, i, j: (j <= i) & (i - j < 256), None, None, 4096, 4096,
            device="cpu")
        with torch.no_grad():
            table.row("FlexAttention window(256), f32, D = 64, S = 4096",
                      lambda: compiled(q, k, v, block_mask=block),
                      4 * 2 * int(near.sum()) * 64)


if __name__ == "__main__":
    main()
