# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""compare_check.py CASE FOLDER [--fault=NAME]: runs `fovea compare` on a small
call and holds every number of its report against plain loops, which share
nothing with Fovea. With a fault the loops compute something else, and the check
must fail.

Cases: window, topk, pyramid, bias, all (the dense kernel against itself). With
_cache behind it both kernels read the keys and values from a cache.
Faults: mask (a window wider by one key), softmax (no scale), heads (the wrong
key head), error (the sum instead of the difference of outputs), pooled (pooled
keys without the logarithm of their number), tile (tiles a query too high).
"""
import json
import math
import random
import struct
import subprocess
import sys

B, H, KV, SQ, SK, D, DV = 2, 4, 2, 7, 13, 8, 8
TILE, BLOCK, W = 4, 4, 3
INF = math.inf


def save(path, shape, values, code="f", descr="<f4"):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)))
        file.write(header.encode() + struct.pack(f"<{len(values)}{code}",
                                                 *values))


def tensor(rng, *shape):
    """Nested lists of numbers that f32 holds exactly."""
    if not shape:
        return round(rng.gauss(0, 1) * 256) / 256
    return [tensor(rng, *shape[1:]) for _ in range(shape[0])]


def flat(x):
    return [y for part in x for y in flat(part)] if isinstance(x, list) else [x]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def mean(rows):
    return [sum(column) / len(rows) for column in zip(*rows)]


class Case:
    """Both kernels by loops. A row of keys is (first token, tokens, key, value,
    bias, the level that it is stored with)."""

    def __init__(self, name, fault):
        self.name, self.fault = name, fault
        rng = random.Random(5)
        self.q = tensor(rng, B, H, SQ, D)
        self.k = tensor(rng, B, KV, SK, D)
        self.v = tensor(rng, B, KV, SK, DV)
        self.bias = tensor(rng, B, H, SQ, SK)
        rows, units = -(-SQ // BLOCK), -(-SK // BLOCK)
        self.map = [[[[rng.choice([0, 1, 2, 4]) for _ in range(units)]
                      for _ in range(rows)] for _ in range(H)]
                    for _ in range(B)]
        for b in range(B):
            for h in range(H):
                for r in range(rows):  # no row without keys
                    self.map[b][h][r][r] = 1

    def head(self, h):
        return h % KV if self.fault == "heads" else h // (H // KV)

    def visible(self, b, h, i):
        """What the sparse kernel's row sees."""
        k, v = self.k[b][self.head(h)], self.v[b][self.head(h)]
        single = [(t, 1, k[t], v[t], 0, 1) for t in range(SK)]
        if self.name == "window":
            wide = W + (self.fault == "mask")
            at = i + SK - SQ
            return [single[t] for t in range(SK) if at - wide < t <= at]
        if self.name == "bias":
            return [(t, 1, k[t], v[t], self.bias[b][h][i][t], 1)
                    for t in range(SK) if t != 2]
        if self.name == "topk":
            first = i // BLOCK * BLOCK
            query = mean(self.q[b][h][first:min(first + BLOCK, SQ)])
            units = range(0, SK, BLOCK)
            best = sorted(units, key=lambda u: -dot(query, mean(
                k[u:min(u + BLOCK, SK)])))[:2]
            return [single[t] for t in range(SK)
                    if t // BLOCK * BLOCK in best]
        if self.name == "pyramid":
            rows = []
            for unit, level in enumerate(self.map[b][h][i // BLOCK]):
                begin, end = unit * BLOCK, min((unit + 1) * BLOCK, SK)
                if level:
                    for t in range(begin, end, level):
                        n = min(level, end - t)
                        log = 0 if self.fault == "pooled" else math.log(n)
                        rows.append((t, n, mean(k[t:t + n]), mean(v[t:t + n]),
                                     log, level))
            return rows
        return single

    def row(self, b, h, i, keys):
        """(output, lse, probability by token, how many rows of keys)."""
        scale = 1 if self.fault == "softmax" else 1 / math.sqrt(D)
        scores = [dot(self.q[b][h][i], key[2]) * scale + key[4]
                  for key in keys]
        lse = max(scores) + math.log(sum(math.exp(s - max(scores))
                                         for s in scores))
        p = [math.exp(s - lse) for s in scores]
        out = [sum(w * key[3][d] for w, key in zip(p, keys))
               for d in range(DV)]
        shares = [0.0] * SK
        for w, key in zip(p, keys):
            for t in range(key[0], key[0] + key[1]):
                shares[t] = w / key[1]
        return out, lse, shares, len(keys)


def expected(case):
    """The report's numbers, rows grouped by nothing, head and sequence."""
    groups = {}
    tiles = [[0.0] * -(-SK // TILE) for _ in range(-(-SQ // TILE))]
    pairs = dense_pairs = beyond = 0
    gap = 0.0
    keys_seen, dense_keys = set(), set()
    for b in range(B):
        for h in range(H):
            for i in range(SQ):
                k, v = case.k[b][h // 2], case.v[b][h // 2]
                every = [(t, 1, k[t], v[t], 0, 1) for t in range(SK)]
                seen = case.visible(b, h, i)
                want, dense_lse, p, n = case.row(b, h, i, every)
                got, lse, m, count = case.row(b, h, i, seen)
                pairs, dense_pairs = pairs + count, dense_pairs + n
                level = [0] * SK
                for key in seen:
                    keys_seen.add((b, h // 2, key[0], key[5]))
                    for t in range(key[0], key[0] + key[1]):
                        level[t] = key[1]
                exact = sum(p[t] for t in range(SK) if level[t] == 1)
                row = {
                    "exact": exact,
                    "pooled": sum(p[t] for t in range(SK) if level[t] > 1),
                    "dropped": sum(p[t] for t in range(SK) if not level[t]),
                    "kept": sum(map(min, p, m)),
                    "best": sum(sorted(p, reverse=True)[:count]),
                }
                gap = max(gap, abs(exact - math.exp(lse - dense_lse)))
                sign = 1 if case.fault == "error" else -1
                diff = [x + sign * y for x, y in zip(got, want)]
                row["diff2"] = dot(diff, diff)
                row["norm2"] = dot(want, want)
                row["largest"] = max(map(abs, diff))
                row["scale"] = max(map(abs, want))
                row["cosine"] = dot(got, want) / math.sqrt(
                    dot(got, got) * dot(want, want))
                for key in ("all", ("head", h), ("batch", b)):
                    groups.setdefault(key, []).append(row)
                y = (i + (case.fault == "tile")) // TILE % len(tiles)
                for t in range(SK):
                    if not level[t]:
                        in_tile = min(TILE, SQ - y * TILE)
                        tiles[y][t // TILE] += p[t] / (B * H * in_tile)
    pooled = any(key[3] > 1 for key in keys_seen)
    return {
        "groups": groups, "tiles": tiles, "pairs": pairs,
        "dense_pairs": dense_pairs, "keys": len(keys_seen),
        "gap": None if pooled else gap,
    }


def summary(rows):
    n = len(rows)
    kept = sorted(row["kept"] for row in rows)
    mass = {name: sum(row[name] for row in rows) / n
            for name in ("exact", "pooled", "dropped", "kept", "best")}
    mass |= {"least": kept[0], "low": kept[math.ceil(0.05 * n) - 1], "rows": n}
    error = {
        "relative": math.sqrt(sum(row["diff2"] for row in rows) /
                              sum(row["norm2"] for row in rows)),
        "largest": max(row["largest"] for row in rows),
        "scale": max(row["scale"] for row in rows),
        "cosine": sum(row["cosine"] for row in rows) / n,
        "cosine_least": min(row["cosine"] for row in rows),
    }
    return {"mass": mass, "error": error}


class Checker:
    def __init__(self):
        self.wrong = []

    def near(self, what, got, want, bound):
        if (got is None or want is None) and got is want:
            return
        if got is None or want is None or not abs(got - want) <= bound:
            self.wrong.append(f"{what}: got {got}, expected {want}")

    def group(self, what, got, rows, pooled):
        want = summary(rows)
        for name, value in want["mass"].items():
            # The mass is float64 on both sides, but for pooled keys, which are
            # stored as f32; the outputs are f32.
            self.near(f"{what} mass.{name}", got["mass"][name], value,
                      1e-6 if pooled else 1e-10)
        for name, value in want["error"].items():
            self.near(f"{what} error.{name}", got["error"][name], value, 2e-5)


def main():
    spec, folder = sys.argv[1:3]
    name, _, cached = spec.partition("_")
    fault = sys.argv[3].partition("=")[2] if len(sys.argv) > 3 else ""
    case = Case(name, fault)
    inputs = {"q": (B, H, SQ, D), "k": (B, KV, SK, D), "v": (B, KV, SK, DV)}
    if name == "bias":
        inputs["bias"] = (B, H, SQ, SK)
    command = ["fovea", "compare", f"{folder}/{spec}.mlir",
               f"{folder}/{'all_cache' if cached else 'all'}.mlir", "--json", "--seconds=0", f"--tile={TILE}"]
    for argument, shape in inputs.items():
        path = f"{folder}/{argument}.npy"
        save(path, shape, flat(getattr(case, argument)))
        if not cached or argument == "q":
            command += ["--in", f"{argument}={path}"]
    if cached:
        command += ["--in", f"c={folder}/k.npy,{folder}/v.npy"]
    if name == "pyramid":
        path = f"{folder}/map.npy"
        save(path, (B, H, -(-SQ // BLOCK), -(-SK // BLOCK)), flat(case.map),
             "b", "|i1")
        command += ["--in", f"map={path}"]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if run.returncode:
        sys.exit(f"{' '.join(command)}: exit code {run.returncode}")
    got = json.loads(run.stdout)
    want = expected(case)
    check = Checker()
    pooled = want["gap"] is None
    check.group("all", got, want["groups"]["all"], pooled)
    for kind, plural, n in (("head", "heads", H), ("batch", "batches", B)):
        if [entry["index"] for entry in got[plural]] != list(range(n)):
            check.wrong.append(f"{plural}: not one entry each")
        for entry in got[plural]:
            check.group(f"{kind} {entry['index']}", entry,
                        want["groups"][(kind, entry["index"])], pooled)
    check.near("pairs", got["mine"]["pairs"], want["pairs"], 0)
    check.near("dense pairs", got["dense"]["pairs"], want["dense_pairs"], 0)
    check.near("density", got["density"],
               want["pairs"] / want["dense_pairs"], 1e-12)
    check.near("keys", got["mine"]["keys"], want["keys"], 0)
    check.near("FLOPs", got["mine"]["flops_useful"],
               2 * want["pairs"] * (D + DV), 0)
    check.near("bytes", got["mine"]["bytes"],
               4 * (B * H * SQ * (D + DV) + want["keys"] * (D + DV)), 0)
    check.near("dense FLOPs", got["dense"]["flops_useful"],
               2 * B * H * SQ * SK * (D + DV), 0)
    check.near("dense bytes", got["dense"]["bytes"],
               4 * (B * H * SQ + B * KV * SK) * (D + DV), 0)
    check.near("beyond", got["beyond"], 0, 0)
    check.near("lse gap", got["lse_gap"], want["gap"], 1e-10)
    for y, row in enumerate(want["tiles"]):
        for x, value in enumerate(row):
            check.near(f"tile {y}, {x}", got["dropped"]["tiles"][y][x], value,
                       1e-10)
    for line in check.wrong[:20]:
        print(line)
    print(f"{name}: {len(check.wrong)} of the numbers are wrong")
    return 1 if check.wrong else 0


sys.exit(main())
