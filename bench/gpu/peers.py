#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times other implementations of attention on this machine's GPU, as JSON: SDPA
with its flash and cuDNN back ends, FlexAttention compiled, also on every mask
that it can express (flex_masks.py), and a kernel in Triton
(triton_attention.py). For `run`, which lies beside it.

    peers.py [--device cuda|cpu] [--only CASE] [CASES]

CASES is the times.txt of gpu_times; those of plain bf16 tensors are taken. Three
rows of every result are held against float32 before it is timed; the peers of a
case are then timed in turn. Calls are enqueued one behind the other, replayed
from a CUDA graph where the peer can be captured. A peer that is not there, or
refuses a case, is a row with the reason. On a CPU (for a test of this file) only
the plain SDPA and FlexAttention mean anything.
Exit codes: 0, 1 if a result is wrong, 2 without cases, 3 without a GPU.
"""
import argparse
import importlib.metadata
import json
import os
import platform
import sys
import time

import mask_times

try:
    import torch
    MISSING = ""
except ImportError as reason:
    torch, MISSING = None, f"not installed: {reason}"

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ("torch", "triton", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13")


def versions(device):
    """What is installed here, for the results."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if torch:
        found["torch"] = torch.__version__
        found["CUDA of torch"] = torch.version.cuda or "none"
        found["device"] = (torch.cuda.get_device_name() if device == "cuda"
                           else "CPU")
        if torch.backends.cudnn.is_available():
            found["cudnn"] = str(torch.backends.cudnn.version())
    return found


def read_cases(path, only):
    """(name, shape of q, shape of k, causal) of the plain bf16 cases."""
    cases = []
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            words, _, name = line.strip().partition(" : ")
            bundle, visible, *shapes = words.split()
            plain = bundle.startswith(("time_dense", "time_causal"))
            plain &= len(shapes) == 4 and not any('=' in word for word in shapes)
            if plain and only in name:
                q, k = ([int(n) for n in shape.split("x")]
                        for shape in shapes[:2])
                cases.append((name, q, k, visible == "causal"))
    return cases


# --- the peers: a function of (q, k, v, causal), or a Missing ---------------


class Missing(Exception):
    """A peer that this machine does not have."""


def sdpa(backend):
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def run(q, k, v, causal):
        with sdpa_kernel(getattr(SDPBackend, backend)):
            return torch.nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=causal, enable_gqa=q.shape[1] != k.shape[1])
    return run


def flex_functions():
    try:
        from torch.nn.attention.flex_attention import (create_block_mask,
                                                       flex_attention)
    except ImportError as reason:
        raise Missing(f"not installed: {reason}") from reason
    return create_block_mask, flex_attention


def flex():
    create_block_mask, flex_attention = flex_functions()
    compiled = torch.compile(flex_attention, dynamic=False)
    masks = {}

    def run(q, k, v, causal):
        # A mask belongs to its lengths; making it is not part of the time.
        key = (q.shape[2], k.shape[2])
        if causal and key not in masks:
            masks[key] = create_block_mask(
                lambda b, h, i, j: i >= j, None, None, *key, device=q.device)
        return compiled(q, k, v, block_mask=masks[key] if causal else None,
                        enable_gqa=q.shape[1] != k.shape[1])
    return run


def triton_kernel(device):
    try:
        import triton_attention
    except ImportError as reason:
        raise Missing(f"not installed: {reason}") from reason
    return triton_attention.peer(
        (lambda call: milliseconds(call, device)) if device == "cuda" else None)


def peers_of(device):
    """name: how it is made."""
    if device == "cpu":
        return {"SDPA, math": lambda: sdpa("MATH"), "FlexAttention": flex}
    return {"SDPA, flash": lambda: sdpa("FLASH_ATTENTION"),
            "SDPA, cuDNN": lambda: sdpa("CUDNN_ATTENTION"),
            "FlexAttention": flex,
            "Triton": lambda: triton_kernel(device)}


# --- checks and times --------------------------------------------------------


def wrong_row(result, q, k, v, keep):
    """How the first, middle or last row is not float32's; "" if all are.
    `keep(b, h, i, keys)` is what a row sees."""
    group = q.shape[1] // k.shape[1]
    keys = torch.arange(k.shape[2], device=q.device)
    for part in range(3):
        b, h, i = ((n - 1) * part // 2 for n in q.shape[:3])
        scores = (k[b, h // group].float() @ q[b, h, i].float()
                  / q.shape[-1] ** 0.5)
        scores = scores.masked_fill(~keep(b, h, i, keys), float("-inf"))
        weights = scores.softmax(0).nan_to_num()  # of a row that sees no key
        wanted = weights @ v[b, h // group].float()
        error = (result[b, h, i].float() - wanted).abs().max().item()
        bound = 2 ** -9 + 2 ** -7 * wanted.abs().max().item()
        if not error <= bound:
            return (f"wrong: row ({b}, {h}, {i}) is {error:.3g} from float32, "
                    f"allowed {bound:.3g}")
    return ""


def captured(call):
    """A function that replays the call, or the call where that cannot be."""
    try:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call()
        return graph.replay
    except RuntimeError:
        torch.cuda.synchronize()
        return call


def batch_ms(call, device, count):
    """Of one among `count` enqueued calls."""
    if device != "cuda":
        begin = time.perf_counter()
        for _ in range(count):
            call()
        return (time.perf_counter() - begin) * 1e3 / count
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(count):
        call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / count


def in_turn(calls, device):
    """The median of five batches of about 50 ms of each call."""
    counts, times = [], [[] for _ in calls]
    for call in calls:
        batch_ms(call, device, 3)
        once = batch_ms(call, device, 1)
        counts.append(int(min(max(50 / max(once, 1e-3), 1), 1000)))
    for _ in range(5):
        for call, count, mine in zip(calls, counts, times):
            mine.append(batch_ms(call, device, count))
    return [sorted(mine)[2] for mine in times]


def milliseconds(call, device):
    return in_turn([call], device)[0]


def first_line(reason):
    lines = str(reason).strip().split("\n")
    return (lines[0] or type(reason).__name__)[:160]


def row_of(peer, case, **rest):
    return {"peer": peer, "case": case, "ms": "", "rate": "", "note": "", **rest}


def rate(q, k, causal, ms):
    if q[2] == 1:  # bound by the bytes of K and V
        return f"{4 * k[0] * k[1] * k[2] * k[3] / ms / 1e9:.2f} TB/s"
    flops = 4 * q[0] * q[1] * q[2] * k[2] * k[3] / (2 if causal else 1)
    return f"{flops / ms / 1e9:.0f} TFLOP/s"


def measure(case, peers, device):
    """The rows of one case, of all peers."""
    name, q_shape, k_shape, causal = case
    torch.manual_seed(1)
    q, k, v = (torch.randn(shape, device=device, dtype=torch.bfloat16)
               for shape in (q_shape, k_shape, k_shape))

    def keep(_b, _h, i, keys):
        return keys <= i if causal else keys >= 0

    rows, ready = [], []
    for peer, run in peers.items():
        row = row_of(peer, name)
        rows.append(row)

        def call(run=run):
            return run(q, k, v, causal)
        try:
            row["note"] = wrong_row(call(), q, k, v, keep)
            if not row["note"]:
                ready.append((row, captured(call) if device == "cuda" else call))
        except Exception as reason:  # a peer that this machine cannot run
            row["note"] = first_line(reason)
    for (row, _), ms in zip(ready, in_turn([call for _, call in ready], device)):
        row["ms"], row["rate"] = f"{ms:.3f}", rate(q_shape, k_shape, causal, ms)
    return rows


def mask_rows(name, device, lengths=mask_times.LENGTHS, heads=mask_times.HEADS):
    """FlexAttention on a mask: alone, and with its block mask made."""
    create_block_mask, flex_attention = flex_functions()
    masks = mask_times.flex_masks
    length, numbers = mask_times.case_of(name, lengths, heads)
    titles = mask_times.titles(name, length)
    rows = [row_of("FlexAttention", title) for title in titles]
    torch.manual_seed(1)
    q, k, v = (torch.randn(1, heads, length, mask_times.DIM, device=device,
                           dtype=torch.bfloat16) for _ in range(3))
    modifier = masks.FLEX[name](mask_times.sizes_of(name),
                                masks.tables_of(numbers, device))
    torch._dynamo.reset()
    compiled = torch.compile(flex_attention, dynamic=False)
    build = torch.compile(create_block_mask)

    def made():
        return build(modifier, None, heads if name in masks.BY_HEAD else None,
                     length, length, device=device)

    def both():
        result = compiled(q, k, v, block_mask=made())
        if device == "cuda":
            torch.cuda.synchronize()
        return result
    try:
        mask = made()

        def alone():
            return compiled(q, k, v, block_mask=mask)
        for row in rows:
            row["note"] = wrong_row(
                alone(), q, k, v, lambda b, h, i, keys: modifier(
                    b, h, torch.full_like(keys, i), keys))
        if not rows[0]["note"]:
            fast = captured(alone) if device == "cuda" else alone
            for row, ms in zip(rows, in_turn([fast, both], device)):
                row["ms"] = f"{ms:.3f}"
    except Exception as reason:
        for row in rows:
            row["note"] = first_line(reason)
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--only", default="")
    parser.add_argument("cases", nargs="?", default=os.path.join(
        HERE, "attention", "times.txt"))
    args = parser.parse_args()
    if torch and args.device == "cuda" and not torch.cuda.is_available():
        print("peers.py: no GPU that torch can use", file=sys.stderr)
        return 3
    try:
        cases = read_cases(args.cases, args.only)
    except OSError as reason:
        print(f"peers.py: error: expected the cases of gpu_pack_attention: "
              f"{reason}", file=sys.stderr)
        return 2
    rows, peers = [], {}
    for name, make in peers_of(args.device).items():
        try:
            if MISSING:
                raise Missing(MISSING)
            peers[name] = make()
        except Missing as reason:
            rows.append(row_of(name, "all", note=first_line(reason)))
    for case in cases if peers else []:
        rows += measure(case, peers, args.device)
    for name in mask_times.NAMES if "FlexAttention" in peers else []:
        if args.only in name:
            rows += mask_rows(name, args.device,
                              **({"lengths": (1024,), "heads": 4}
                                 if args.device == "cpu" else {}))
    json.dump({"versions": versions(args.device), "rows": rows}, sys.stdout)
    return int(any(row["note"].startswith("wrong") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
