# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Masks of examples/masks as FlexAttention takes them. For flex_attention.py on
the CPU and for the kit of a GPU. A predicate takes numbers or tensors alike: only
tables_of needs torch.
"""


def window(q, k, size):
    return (q >= k) & (q - k < size)


def strided_blocks(q, k, size, local, step, first):
    """Blocks of `size` keys: the last `local`, and every `step`-th."""
    bq, bk = q // size, k // size
    return ((bq - bk < local) & (bq >= bk)) | (bk % step == first)


# name: (sizes, tables) -> mask_mod(b, h, q, k). Sizes are the file's
# parameters, tables its run-time numbers. Left out: masks whose rows are not
# tokens sk - sq and up, and lists that a program makes at random.
FLEX = {
    "a_shape": lambda p, t: lambda b, h, q, k:
        (q >= k) & ((k < p["INIT"]) | (q - k < p["LOCAL"])),
    "block_causal": lambda p, t: lambda b, h, q, k: k // p["N"] <= q // p["N"],
    "block_diffusion": lambda p, t: lambda b, h, q, k:
        (q // p["B"] == k // p["B"]) |
        ((k >= t["n"]) & (k // p["B"] <
                          (q // p["B"]) % (t["n"] // p["B"]) + t["n"] // p["B"])),
    "causal": lambda p, t: lambda b, h, q, k: q >= k,
    "causal_blockwise": lambda p, t: lambda b, h, q, k:
        (q >= k) & ((t["demo"][q] == t["demo"][k]) | (q >= t["test"])),
    "chunked": lambda p, t: lambda b, h, q, k:
        (q >= k) & (q // p["N"] == k // p["N"]),
    "dilated": lambda p, t: lambda b, h, q, k:
        window(q, k, p["W"]) & ((q - k) % p["S"] == 0),
    "duo_attention": lambda p, t: lambda b, h, q, k:
        (q >= k) & ((t["class"][h] == 0) | (k < p["S"]) | (q - k < p["W"])),
    "fixed": lambda p, t: lambda b, h, q, k:
        (q >= k) & ((q // p["L"] == k // p["L"]) | (k % p["L"] >= p["FIRST"])),
    "global_sliding": lambda p, t: lambda b, h, q, k:
        (q < p["G"]) | (k < p["G"]) | ((q - k <= p["W"]) & (k - q <= p["W"])),
    "lambda_blocks": lambda p, t: lambda b, h, q, k:
        (q >= k) & ((k // 16 < 1) | (q // 16 - k // 16 < 3)),
    "long_lora": lambda p, t: lambda b, h, q, k:
        (q >= k) & ((q - t["first"][h]) // t["group"] ==
                    (k - t["first"][h]) // t["group"]),
    "prefix_lm": lambda p, t: lambda b, h, q, k: (q >= k) | (k < t["prefix"]),
    "random_block": lambda p, t: lambda b, h, q, k:
        t["blocks"][h, q // 16, k // 16] != 0,
    "random_eviction": lambda p, t: lambda b, h, q, k:
        (q >= k) & (q < t["evicted"][h, k]),
    "s2_attention": lambda p, t: lambda b, h, q, k:
        (q >= k) & strided_blocks(q, k, p["B"], p["L"], p["V"], t["first"][h]),
    "sink_window": lambda p, t: lambda b, h, q, k:
        (q >= k) & ((k < p["S"]) | (q - k < p["W"])),
    "sliding_window": lambda p, t: lambda b, h, q, k: window(q, k, p["W"]),
    "sliding_window_two_sided": lambda p, t: lambda b, h, q, k:
        (q - k <= p["W"]) & (k - q <= p["W"]),
    "strided": lambda p, t: lambda b, h, q, k:
        (q >= k) & ((q - k < p["L"]) | ((q - k) % p["L"] == 0)),
    "tensor_mask": lambda p, t: lambda b, h, q, k: t["allowed"][b, h, q, k] != 0,
    "tri_shape": lambda p, t: lambda b, h, q, k:
        (q >= k) & ((k < p["INIT"]) | (q - k < p["LOCAL"]) | (q >= t["dense"])),
    "vertical_slash": lambda p, t: lambda b, h, q, k:
        (q >= k) & ((k < 4) | ((k >= 88) & (k < 96)) | (q - k < 16) |
                    ((q - k > 63) & (q - k <= 71))),
    "window_by_head": lambda p, t: lambda b, h, q, k:
        window(q, k, t["window"][h]),
}
# Those whose predicate reads the head: the others have one block mask for all.
BY_HEAD = {"duo_attention", "long_lora", "random_block", "random_eviction",
           "s2_attention", "tensor_mask", "window_by_head"}
# Sizes that masks.py leaves at the file's own.
OWN = {"s2_attention": {"B": 16, "L": 2, "V": 4}}


def tables_of(numbers, device="cpu"):
    """Run-time numbers as torch's tensors, for the predicates."""
    import torch
    result = {}
    for name, value in numbers.items():
        if isinstance(value, int):
            result[name] = value
            continue
        kind, shape, data = value
        element = {"i8": torch.int8, "i32": torch.int32}[kind]
        result[name] = (torch.frombuffer(data, dtype=element).reshape(shape)
                        .to(device))
    return result
