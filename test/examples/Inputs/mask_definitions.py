# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares what compiled kernels of examples/masks see with the definitions of
the papers, written here once more and without the language.

Queries are 0 and value j is the j-th unit vector, so that element j of a row of
the output is not 0 exactly where the row sees key j.

usage: mask_definitions.py FOLDER FOVEA SQ SK [NAME [DEFINE]]
"""
import os
import struct
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    *[os.pardir] * 3)
sys.path.insert(0, os.path.join(ROOT, "tools", "scripts"))
import mask_inputs  # noqa: E402

HEADS, KV, DIM = 4, 2, 64

# What sk must be a multiple of for a definition to mean something.
MULTIPLE = {"block_diffusion": 32}


def causal(q, k):
    return k <= q


# name -> predicate of (q, k, h, t): q and k are tokens, t holds the run-time
# numbers by name, and the dims "sq" and "sk". Sizes are the files' defaults.
DEFINITIONS = {
    "a_shape": lambda q, k, h, t: causal(q, k) and (k < 16 or q - k < 48),
    "block_causal": lambda q, k, h, t: k // 32 <= q // 32,
    "block_causal_document": lambda q, k, h, t:
        t["ids"][q] == t["ids"][k] and k // 16 <= q // 16,
    "block_diffusion": lambda q, k, h, t: block_diffusion(q, k, t["n"]),
    "block_diffusion_cache": lambda q, k, h, t:
        (q - t["sk"] + t["sq"] + t["position"][0]) // 32 >= k // 32,
    "causal": lambda q, k, h, t: causal(q, k),
    "causal_blockwise": lambda q, k, h, t: causal(q, k) and (
        q >= t["test"] or t["demo"][q] == t["demo"][k]),
    "causal_offset": lambda q, k, h, t:
        k <= q - (t["sk"] - t["sq"]) + t["offset"][0],
    "causal_top_left": lambda q, k, h, t: k <= q - (t["sk"] - t["sq"]),
    "chunked": lambda q, k, h, t: causal(q, k) and q // 32 == k // 32,
    "dilated": lambda q, k, h, t: 0 <= q - k < 64 and (q - k) % 4 == 0,
    "criss_cross": lambda q, k, h, t: q // 12 == k // 12 or q % 12 == k % 12,
    "document_cu_seqlens": lambda q, k, h, t: causal(q, k) and any(
        start <= q < end and start <= k < end for start, end in
        zip(t["cu_seqlens"], t["cu_seqlens"][1:])),
    "document_ids": lambda q, k, h, t: t["ids"][q] == t["ids"][k],
    "document_prefix": lambda q, k, h, t: document(q) == document(k) and (
        causal(q, k) or k < document(k) + 5),
    "document_spans": lambda q, k, h, t: document(q) == document(k),
    "duo_attention": lambda q, k, h, t: causal(q, k) and (
        t["class"][h] == 0 or k < 8 or k > q - 32),
    "fixed": lambda q, k, h, t: causal(q, k) and (
        q // 32 == k // 32 or k % 32 >= 28),
    "flashmask_causal": lambda q, k, h, t:
        causal(q, k) and document(q) == document(k),
    "flashmask_causal_interval": lambda q, k, h, t: causal(q, k) and (
        document(q) == document(k) or q >= t["sk"] - 12),
    "flashmask_intervals": lambda q, k, h, t:
        q < 4 or k < 4 or abs(q - k) <= 8,
    "flashmask_two_sided": lambda q, k, h, t: document(q) == document(k),
    "global_sliding": lambda q, k, h, t: q < 8 or k < 8 or abs(q - k) <= 16,
    "global_sliding_longca": lambda q, k, h, t: longca(q, k, t["sk"], 16),
    "la_cache": lambda q, k, h, t: causal(q, k) and (
        k < 4 or q - k < 32 or (k - t["first"]) % 7 in (0, 1)),
    "lambda_blocks": lambda q, k, h, t: causal(q, k) and (
        k // 16 < 1 or q // 16 - k // 16 <= 2),
    "lambda_chunk": lambda q, k, h, t: causal(q, k) and (
        k < 4 or k >= t["sk"] - t["sq"] - 16),
    "lambda_slots": lambda q, k, h, t: streaming(
        q + t["dropped"], t["slot_token"][k], t["recent"]),
    "long_gen": lambda q, k, h, t: causal(q, k) and (
        q // 16 - k // 16 < 2 or (k // 16 + h) % 4 == 0),
    "long_lora": lambda q, k, h, t: causal(q, k) and
        group(q, h, t) == group(k, h, t),
    "long_lora_wrap": lambda q, k, h, t: rolled(q, k, h, t),
    "minference": lambda q, k, h, t: causal(q, k) and (
        (k < 16 or q - k < 32),
        (k < 4 or 40 <= k < 48 or q - k < 16),
        (q // 16 - k // 16 < 2 or k // 16 == 0))[t["pattern"][h]],
    "mm_2d_boundary": lambda q, k, h, t: rectangles(
        t["position"][q], t["position"][k], t["modality"][q],
        t["modality"][k]),
    "mm_grid": lambda q, k, h, t: grid(t["position"][q], t["position"][k]),
    "mm_q_boundary": lambda q, k, h, t: by_modality(
        t["position"][q], k, t["modality"][q]),
    "neighborhood_1d": lambda q, k, h, t: near(q, k, [t["n"]], [13]),
    "neighborhood_2d": lambda q, k, h, t: near(q, k, [t["y"], 8], [3, 5]),
    "neighborhood_3d": lambda q, k, h, t: near(
        q, k, [t["t"], 4, 4], [2, 3, 3], causal=[True, False, False]),
    "neighborhood_dilated": lambda q, k, h, t: near(
        q, k, [t["y"], 11], [2, 3], dilation=[2, 3]),
    "neighborhood_strided": lambda q, k, h, t: near(
        q, k, [t["y"], 10], [4, 6], stride=[2, 4]),
    "prefix_lm": lambda q, k, h, t: k < t["prefix"] or causal(q, k),
    "qk_sparse": lambda q, k, h, t: causal(q, k) and not any(
        a <= k < end and k <= q < end for a, end in ((12, 24), (40, 70))),
    "random_block": lambda q, k, h, t: t["blocks"][
        (h * -(-t["sk"] // 16) + q // 16) * -(-t["sk"] // 16) + k // 16] != 0,
    "random_eviction": lambda q, k, h, t:
        k <= q < t["evicted"][h * t["sk"] + k],
    "s2_attention": lambda q, k, h, t: causal(q, k) and (
        q // 16 - k // 16 < 2 or (k // 16 + h) % 4 == 0),
    "share_question": lambda q, k, h, t: causal(q, k) and (
        document(q) == document(k) or document(k) == 0),
    "shared_prefix": lambda q, k, h, t:
        causal(q, k) and document(q) == document(k) or
        shares(document(q), document(k)),
    "sink_lora": lambda q, k, h, t: causal(q, k) and (
        k < 4 or group(q, h, t) == group(k, h, t)),
    "sink_window": lambda q, k, h, t: causal(q, k) and (k < 4 or k > q - 64),
    "slices": lambda q, k, h, t: any(
        slice_keeps(q, k, *t["list"][i:i + 5]) for i in range(0, 40, 5)),
    "sliding_tile": lambda q, k, h, t: q >= 48 or k >= 48 or tiles(
        q // 4, k // 4, [3, 2, 2], [3, 1, 1]),
    "sliding_window": lambda q, k, h, t: 0 <= q - k < 64,
    "sliding_window_two_sided": lambda q, k, h, t: abs(q - k) <= 32,
    "space_time": lambda q, k, h, t: (
        q // 35 == k // 35 and abs(q // 7 % 5 - k // 7 % 5) <= 1
        and abs(q % 7 - k % 7) <= 1) or (q % 35 == k % 35 and causal(q, k)),
    "strided": lambda q, k, h, t: causal(q, k) and (
        q - k < 32 or (q - k) % 32 == 0),
    "tensor_mask": lambda q, k, h, t: t["allowed"][
        (h * t["sq"] + q - t["offset"]) * t["sk"] + k] != 0,
    "tri_shape": lambda q, k, h, t: causal(q, k) and (
        k < 16 or q - k < 32 or q >= t["dense"]),
    "vertical_slash": lambda q, k, h, t: causal(q, k) and (
        k < 4 or 88 <= k < 96 or q - k < 16 or 64 <= q - k <= 71),
    "vertical_slash_lists": lambda q, k, h, t: causal(q, k) and (
        t["vertical"][h * t["sk"] + k] or t["slash"][h * t["sk"] + q - k]),
    "video_frames": lambda q, k, h, t: abs(q // 16 - k // 16) <= 1,
    "window_by_head": lambda q, k, h, t: 0 <= q - k < t["window"][h],
}


# Documents of 7, 10, 13, .. tokens begin here.
STARTS = [0, 7, 17, 30, 46, 65, 87, 112, 140]


def document(token):
    """The start of the token's document."""
    return max(start for start in STARTS if start <= token)


def by_modality(q, k, modality):
    """Text sees an A-shape, vision lines and what is near."""
    if modality == 0:
        return causal(q, k) and (k < 4 or q - k < 16)
    return causal(q, k) and (k % 8 == 3 or q - k < 6)


def rectangles(q, k, of_query, of_key):
    """All text for text, lines for vision, near keys between the two."""
    if of_query != of_key:
        return causal(q, k) and q - k < 12
    return causal(q, k) and (of_query == 0 or k % 8 == 3)


def shares(q, k):
    """Of three documents the first is the prefix of the others."""
    return STARTS.index(q) % 3 != 0 and (
        STARTS.index(q) // 3 * 3 == STARTS.index(k))


def places(token, grid):
    """Row-major coordinates, or None outside of the grid."""
    result = []
    for extent in reversed(grid):
        result.insert(0, token % extent)
        token //= extent
    return None if token else result


def neighbours(x, n, w, d, s, causal):
    """NATTEN's rule for one axis, as mask.hpp has it."""
    group, x = x % d, x // d
    n = n // d + (group < n % d)
    left, right = w // 2, w // 2 + w % 2 - 1
    leader = min(x // s * s + (s - 1 if causal else s // 2), n - 1)
    if causal:
        start, end = max(leader - left - right, 0), min(x + 1, n)
    else:
        start = max(leader - left, 0)
        if leader + right >= n:
            start += n - right - leader - 1
        end = start + w
    return {place * d + group for place in range(start, end)}


def near(q, k, grid, window, dilation=(1, 1, 1), stride=(1, 1, 1),
         causal=(False, False, False)):
    q, k = places(q, grid), places(k, grid)
    return q is not None and k is not None and all(
        key in neighbours(*axis) for key, *axis in zip(
            k, q, grid, window, dilation, stride, causal))


def tiles(q, k, grid, window):
    """Sliding tiles: the centre of the window is clamped into the grid."""
    def center(x, n, w):
        return min(max(x, w // 2), n - 1 - w // 2)
    return all(abs(center(x, n, w) - y) <= w // 2 for x, y, n, w in zip(
        places(q, grid), places(k, grid), grid, window))


def block_diffusion(q, k, n):
    """As published: blocks of 16 in both halves, noised before n."""
    block_q, block_k = (q % n) // 16, (k % n) // 16
    clean_q, clean_k = q >= n, k >= n
    return ((block_q == block_k and clean_q == clean_k) or
            (block_q > block_k and clean_k and not clean_q) or
            (block_q >= block_k and clean_k and clean_q))


def streaming(q, token, recent):
    return token < 4 or q - recent < token <= q


def group(token, h, t):
    """The boundaries 0, G/2, 3G/2, .. of shifted heads, 0, G, 2G of others."""
    size, half = t["group"], t["first"][h]
    return sum(token >= half + i * size for i in range(t["sk"]))


def rolled(q, k, h, t):
    order = list(range(t["sk"]))
    order = order[t["shift"][h]:] + order[:t["shift"][h]]
    q, k = order.index(q), order.index(k)
    return k <= q and q // t["group"] == k // t["group"]


def grid(q, k):
    return k <= q and (k % 8 == 3 or q % 8 == 3 or q - k < 8)


def slice_keeps(q, k, q0, q1, k0, k1, kind):
    """MagiAttention: the diagonal ends at the lower right corner of a causal
    slice, and begins at the upper left one of an inverse causal one."""
    return (kind in (0, 1, 2, 3) and q0 <= q < q1 and k0 <= k < k1 and
            (kind not in (1, 3) or k1 - k >= q1 - q) and
            (kind not in (2, 3) or k - k0 >= q - q0))


def longca(q, k, n, w):
    """Slices (q range, k range), causal with the lower right corner."""
    def slice_of(q0, q1, k0, k1):
        return q0 <= q < q1 and k0 <= k < k1 and k1 - k >= q1 - q
    return (slice_of(0, n, 0, w) or slice_of(0, w, w, n) or
            (q >= w and k >= w and abs(q - k) <= w))


def read_npy(path):
    """The numbers of a file that fovea or mask_inputs wrote."""
    with open(path, "rb") as stream:
        data = stream.read()
    size = struct.unpack("<H", data[8:10])[0]
    header = data[10:10 + size].decode()
    letter, width = {"<f4": ("f", 4), "|i1": ("b", 1), "<i4": ("i", 4)}[
        header.split("'descr': '")[1].split("'")[0]]
    body = data[10 + size:]
    return struct.unpack(f"<{len(body) // width}{letter}", body)


def write_f32(path, shape, numbers):
    mask_inputs.TYPES["f32"] = ("<f4", "f")
    mask_inputs.write_npy(path, "f32", shape, numbers)


def check(name, folder, fovea, sq, sk, defines):
    """The first pair that differs, or None."""
    given = mask_inputs.options(name, f"b=1,sq={sq},sk={sk}", folder)
    numbers = {"sq": sq, "sk": sk}
    for option, value in zip(given[::2], given[1::2]):
        argument, what = value.split("=", 1)
        numbers[argument] = int(what) if option == "--arg" else read_npy(what)
    out = os.path.join(folder, name + ".o.npy")
    command = [fovea, "run",
               os.path.join(ROOT, "examples", "masks", name + ".mlir"),
               "-D", f"D={DIM}", "--out", "o=" + out] + given
    for define in defines:
        command += ["-D", define]
    for argument in "qkv":
        command += ["--in", f"{argument}={folder}/{argument}.npy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr
    seen = read_npy(out)
    for h in range(HEADS):
        for row in range(sq):
            for k in range(sk):
                expected = bool(DEFINITIONS[name](row + sk - sq, k, h, numbers))
                got = seen[(h * sq + row) * DIM + k] != 0
                if got != expected:
                    return (f"head {h}, query {row + sk - sq}, key {k}: "
                            f"expected {expected}, got {got}")
    return None


def main():
    folder, fovea, sq, sk = *sys.argv[1:3], *map(int, sys.argv[3:5])
    write_f32(f"{folder}/q.npy", (1, HEADS, sq, DIM), [0.0] * HEADS * sq * DIM)
    write_f32(f"{folder}/k.npy", (1, KV, sk, DIM), [0.0] * KV * sk * DIM)
    write_f32(f"{folder}/v.npy", (1, KV, sk, DIM),
              [float(i == j) for _ in range(KV) for i in range(sk)
               for j in range(DIM)])
    names = [name for name in sorted(DEFINITIONS)
             if name in (sys.argv[5:6] or [name])
             and sk % MULTIPLE.get(name, 1) == 0]
    failed = 0
    for name in names:
        fault = check(name, folder, fovea, sq, sk, sys.argv[6:])
        if fault:
            failed += 1
            print(f"{name}: {fault}")
    print(f"{len(names)} definitions, {failed} differ")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
