# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""selection_check.py CASE FOLDER [--fault=NAME]: runs `fovea compare` on a small
call and holds FLOPs and bytes of every phase beside attention against loops that
count them one by one, and that share nothing with Fovea.

Cases: blocks (scores, softmax, choice), levels (pooling, lengths, assignment),
pages and means (what a cache keeps of its pages). Faults: mask (pairs that
causality hides count), length (keys past a length count), prefix (shared pages
count twice), mean (no quotient).
"""
import json
import struct
import subprocess
import sys

B, H, KV, D, BLOCK = 2, 4, 2, 8, 4
F32 = 4


def save(path, values):
    header = (f"{{'descr': '<i4', 'fortran_order': False, "
              f"'shape': ({len(values)},), }}")
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)))
        file.write(header.encode())
        file.write(struct.pack(f"<{len(values)}i", *values))


class Count:
    def __init__(self):
        self.flops = self.executed = self.bytes = 0

    def both(self, n):
        self.flops += n
        self.executed += n

    def triple(self):
        return [self.flops, self.executed, self.bytes]


def mean(count, n, dim=D, executed=True, once=True):
    """n - 1 sums and a product by channel."""
    for _ in range(dim):
        for _ in range(n):
            count.executed += executed
            count.flops += once


def score(sq, sk, lengths, causal, fault):
    count, seen = Count(), set()
    units = -(-sk // BLOCK)
    for b in range(B):
        length = sk if fault == "length" else min(lengths[b], sk)
        for h in range(H):
            for q0 in range(0, sq, BLOCK):
                rows = range(q0, min(q0 + BLOCK, sq))
                mean(count, len(rows))
                for u in range(units):
                    keys = range(u * BLOCK, min((u + 1) * BLOCK, length))
                    if not any(not causal or k <= i + sk - sq
                               for i in rows for k in keys):
                        if not (fault == "mask" and keys):
                            continue
                    known = (b, h // (H // KV), u) in seen
                    seen.add((b, h // (H // KV), u))
                    mean(count, len(keys), once=not known)
                    count.bytes += 0 if known else len(keys) * D * F32
                    for _ in range(D):
                        count.both(2)
                count.bytes += len(rows) * D * F32 + units * F32
    return count


def rows_of_scores(rows, units, flops, read, written):
    count = Count()
    for _ in range(rows):
        for _ in range(units):
            count.both(flops)
            count.bytes += read + written
    return count


def pool(sk, lengths, level, fault):
    count = Count()
    for b in range(B):
        length = sk if fault == "length" else lengths[b]
        for _ in range(KV):
            for first in range(0, sk, level):
                n = max(min(first + level, length) - first, 0)
                mean(count, n)
                count.bytes += (n + 1) * D * F32
    return count


def blocks(fault):
    sq, sk = 7, 13
    rows, units = B * H * -(-sq // BLOCK), -(-sk // BLOCK)
    chosen = Count()
    chosen.both(rows * units)
    for _ in range(rows):
        chosen.bytes += units * F32 + 2 * 4 + 4
    return [["score", score(sq, sk, [sk] * B, True, fault)],
            ["normalize", rows_of_scores(rows, units, 5, F32, F32)],
            ["choose", chosen]], [f"--shape=b={B},sq={sq},sk={sk}"]


def levels(fault):
    sq, sk, lengths = 7, 13, [9, 2]
    save("len.npy", lengths)
    rows, units = B * H * -(-sq // BLOCK), -(-sk // BLOCK)
    pools = [[f"pool_{side}{suffix}", pool(sk, lengths, level, fault)]
             for suffix, level in (("", 2), ("_1", 4)) for side in "kv"]
    return pools + [
        ["score", score(sq, sk, lengths, False, fault)],
        ["normalize", rows_of_scores(rows, units, 5, F32, F32)],
        ["assign", rows_of_scores(rows, units, 1, F32, 1)],
    ], [f"--shape=b={B},sq={sq},sk={sk}", "--in", "len=len.npy"]


def pages(fault, means=False):
    new, lengths, prefix = [3, 1], [11, 14], 6
    most = -(-max(lengths) // BLOCK)
    refresh, scored, append = Count(), Count(), Count()
    held = set()
    for b in range(B):
        first = lengths[b] - new[b]
        append.bytes += new[b] * 2 * KV * D * (F32 + F32)
        for page in range(-(-lengths[b] // BLOCK)):
            tokens = range(page * BLOCK, min((page + 1) * BLOCK, lengths[b]))
            shared = tokens[-1] < prefix and len(tokens) == BLOCK
            held.add((0 if shared and fault != "prefix" else b, page))
            for _ in range(new[b] * H):  # rows of the call
                scored.both(D * (2 if means else 4) + 1)
            if tokens[-1] < first:
                continue
            for _ in range(KV * D):
                refresh.both(len(tokens) * (1 if means else 2) +
                             (1 if means and fault != "mean" else 0))
                refresh.bytes += len(tokens) * F32 + (1 if means else 2) * F32
        scored.bytes += new[b] * H * (D + most) * F32
    scored.bytes += len(held) * KV * (1 if means else 2) * D * F32
    rows = sum(new) * H
    chosen = Count()
    chosen.both(rows * most)
    budgets = [1, 2, 3, 9] if means else [2] * H
    for h in range(H):
        chosen.bytes += sum(new) * (most * F32 + min(budgets[h], most) * 4 + 4)
    softmax = [["normalize", rows_of_scores(rows, most, 5, F32, F32)]]
    save("pages.npy", budgets)
    return [["append", append], ["pages", refresh], ["page_score", scored],
            *(softmax if means else []), ["choose", chosen]], [
        f"--shape=rows=[{new[0]},{new[1]}],sk=[{lengths[0]},{lengths[1]}],"
        f"prefix={prefix}",
        *(["--in", "pages=pages.npy"] if means else ["--arg", "pages=2"])]


def main():
    case, folder = sys.argv[1:3]
    fault = sys.argv[3].partition("=")[2] if len(sys.argv) > 3 else ""
    want, options = {
        "blocks": blocks, "levels": levels, "pages": pages,
        "means": lambda fault: pages(fault, True)}[case](fault)
    dense = {"blocks": "dense", "levels": "lengths"}.get(case, "dense_cache")
    command = ["fovea", "compare", f"{folder}/{case}.mlir",
               f"{folder}/{dense}.mlir", "--json", "--seconds=0", *options]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if run.returncode:
        sys.exit(f"{' '.join(command)}: exit code {run.returncode}")
    mine = json.loads(run.stdout)["mine"]
    got = {phase["stage"]: [phase[key] for key in
                            ("flops", "flops_executed", "bytes")]
           for phase in mine["phases"] if "flops" in phase}
    wrong = []

    def check(what, got, expected):
        if got != expected:
            wrong.append(f"{what}: got {got}, expected {expected}")

    check("phases", list(got), [name for name, _ in want])
    for name, count in want:
        check(name, got.get(name), count.triple())
    chosen = [count for name, count in want if name != "append"]
    check("selection", [mine["selection_flops"],
                        mine["selection_flops_executed"],
                        mine["selection_bytes"]],
          [sum(column) for column in zip(*(c.triple() for c in chosen))])
    check("append", mine["append_bytes"],
          sum(count.bytes for name, count in want if name == "append"))
    for line in wrong:
        print(line)
    print(f"{case}: {len(wrong)} of the numbers are wrong")
    return 1 if wrong else 0


sys.exit(main())
