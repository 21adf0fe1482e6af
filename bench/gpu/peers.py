#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times other implementations of attention on this machine's GPU, as JSON: SDPA
with its flash and cuDNN back ends and FlexAttention compiled (which is Triton's
code). For bench/gpu/run.

    peers.py [--quick] [--device cuda|cpu]

Every result is held against float32 attention of a small case before it is
timed. What a machine lacks is a row with the reason. On a CPU (for a test of
this file) only the plain SDPA and the compiled FlexAttention mean anything.
Exit codes: 0, 1 if a result is wrong, 3 without a GPU.
"""
import argparse
import json
import sys

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

# Those of gpu_pack_attention: name, batch, query heads, KV heads, queries, keys, head dim, causal.
CASES = [
    ("prefill 8K", 1, 32, 32, 8192, 8192, 128, False),
    ("prefill 8K causal", 1, 32, 32, 8192, 8192, 128, True),
    ("prefill 2K causal, 32 / 8 heads", 4, 32, 8, 2048, 2048, 128, True),
    ("decode 16 x 4K, 32 / 8 heads", 16, 32, 8, 1, 4096, 128, False),
    ("decode 16 x 16K, 32 / 8 heads", 16, 32, 8, 1, 16384, 128, False),
    ("decode 16 x 64K, 32 / 8 heads", 16, 32, 8, 1, 65536, 128, False),
]
SMALL = ("small", 2, 8, 2, 128, 128, 64, True)


def make(case, device, dtype):
    _, batch, heads, kv_heads, queries, keys, dim, _ = case
    torch.manual_seed(1)
    return [torch.randn(batch, h, n, dim, device=device, dtype=dtype)
            for h, n in ((heads, queries), (kv_heads, keys), (kv_heads, keys))]


def sdpa(backend):
    def run(q, k, v, causal):
        with sdpa_kernel(backend):
            return F.scaled_dot_product_attention(
                q, k, v, is_causal=causal, enable_gqa=q.shape[1] != k.shape[1])
    return run


def flex():
    from torch.nn.attention.flex_attention import (create_block_mask,
                                                   flex_attention)
    compiled = torch.compile(flex_attention, dynamic=False)
    masks = {}

    def run(q, k, v, causal):
        # A mask belongs to its lengths; making it is not part of the time.
        key = (q.shape[2], k.shape[2], str(q.device))
        if causal and key not in masks:
            masks[key] = create_block_mask(
                lambda b, h, i, j: i >= j, None, None, q.shape[2], k.shape[2],
                device=q.device)
        return compiled(q, k, v, block_mask=masks[key] if causal else None,
                        enable_gqa=q.shape[1] != k.shape[1])
    return run


def reference(q, k, v, causal):
    """float32, written out."""
    group = q.shape[1] // k.shape[1]
    q, k, v = (x.float() for x in (q, k.repeat_interleave(group, 1),
                                   v.repeat_interleave(group, 1)))
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if causal:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool,
                          device=q.device).tril()
        scores = scores.masked_fill(~seen, float("-inf"))
    return scores.softmax(-1) @ v


def milliseconds(call, device, repeats=20):
    """The median of single calls, after three to warm up."""
    for _ in range(3):
        call()
    times = []
    if device == "cuda":
        for _ in range(repeats):
            start, end = (torch.cuda.Event(enable_timing=True)
                          for _ in range(2))
            start.record()
            call()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end))
    else:
        import time
        for _ in range(3):
            start = time.perf_counter()
            call()
            times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)[len(times) // 2]


def rate(case, ms):
    _, batch, heads, kv_heads, queries, keys, dim, causal = case
    if queries == 1:  # bound by the bytes of K and V
        return f"{4 * batch * kv_heads * keys * dim / ms / 1e9:.2f} TB/s"
    flops = 4 * batch * heads * queries * keys * dim / (2 if causal else 1)
    return f"{flops / ms / 1e9:.0f} TFLOP/s"


def measure(name, run, cases, device, dtype):
    """The rows of one peer, and whether its small case was right."""
    rows, right = [], True
    for case in cases:
        row = {"peer": name, "case": case[0], "ms": "", "rate": "", "note": ""}
        try:
            if case is cases[0]:
                small = make(SMALL, device, dtype)
                error = (run(*small, True).float()
                         - reference(*small, True)).abs().max().item()
                if not error < 2e-2:  # bf16 of values of about 1
                    right = False
                    row["note"] = f"wrong: max error {error:.3g}"
                    rows.append(row)
                    break
            q, k, v = make(case, device, dtype)
            ms = milliseconds(lambda: run(q, k, v, case[7]), device)
            row["ms"], row["rate"] = f"{ms:.3f}", rate(case, ms)
        except Exception as reason:  # a peer that this machine cannot run
            row["note"] = str(reason).strip().split("\n")[0][:120]
        rows.append(row)
    return rows, right


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("peers.py: no GPU that torch can use", file=sys.stderr)
        return 3
    cases = [SMALL] if args.quick else CASES
    plans = [("SDPA, flash", sdpa(SDPBackend.FLASH_ATTENTION)),
             ("SDPA, cuDNN", sdpa(SDPBackend.CUDNN_ATTENTION)),
             ("FlexAttention", flex())]
    if args.device == "cpu":
        plans = [("SDPA, math", sdpa(SDPBackend.MATH))] + plans[2:]
    rows, code = [], 0
    for name, run in plans:
        measured, right = measure(name, run, cases, args.device,
                                  torch.bfloat16)
        rows += measured
        code |= not right
    name = (torch.cuda.get_device_name() if args.device == "cuda" else "CPU")
    json.dump({"torch": torch.__version__, "device": name, "rows": rows},
              sys.stdout)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
