#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What masks cost: every file of examples/masks, for whoever changes the mask
analysis, the planner, or the mask code of kernels.

Prints a Markdown table, one mask a row:

  tiles+    executed tiles over the exact minimum. The minimum is what the kernel
            itself sees: with equal scores and values that name their key's
            tile, an output is positive where the tile has a visible key. Runs
            of keys need not begin at the tiles of that grid nor fill them,
            and count by their pairs: it can be less.
  planned+  the same of what the plan says: a bound where its search gives up
  plan      the fastest of some updates at 128K x 128K, one head, and what the
            plan allocated
  compile   spec text to callable, nothing cached, the faster of two
  time      one call of --length tokens, 4 heads, over the time of the dense
            kernel times the share of executed tiles, and of executed pairs,
            which is less where tiles are short; calls in turn on the same
            tensors, best of each.
            The bound is 1.15 for full tiles and 1.35 for partial ones, mixed as
            the mask's tiles are.
  over      the time over that of the kernel for --against TARGET, in turn

A mask over a cache (tree_cache) goes through `fovea bench` and `explain`: one
sequence of --length tokens whose last 256 are rows of a random tree, against
the same kernel without the mask; its exact minimum is not counted.

usage: masks.py [--only WORD] [--after NAME] [--length N] [--dtype f32] [--dim 64]
                [--rounds N] [--threads N] [--skip plan,time,..] [--json FILE]
                [--target TARGET] [--against TARGET]
"""
import argparse
import array
import ctypes
import datetime
import json
import os
import random
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(HERE)
import fovea  # noqa: E402
from mask_cases import SIZES, inputs  # noqa: E402

FOLDER = os.path.join(fovea.ROOT, "examples", "masks")
HEADS = 4
LONG = 131072
TREE_ROWS = 256
# Wanted of an update at 128K x 128K, in ms: 1 of bands, 20 of the others.
BANDS = {"a_shape", "block_causal", "block_diffusion_cache", "causal",
         "causal_offset", "causal_top_left", "chunked", "prefix_lm",
         "sink_window", "sliding_window", "sliding_window_two_sided",
         "tri_shape", "window_by_head"}


def spec_of(path):
    """The spec's text with the defaults of its parameters left in."""
    with open(path) as stream:
        return stream.read()


class Case:
    """A mask at one size: its arguments in memory and its plan."""

    def __init__(self, kernel, name, dims, dtype, tables, workers=0,
                 tensors=None):
        """`tensors`: what cases of these sizes share, by argument."""
        tensors = {} if tensors is None else tensors
        self.buffers, values, limits = [], [], []
        for info in kernel.arguments:
            argument = info.name.decode()
            if info.kind == fovea.SCALAR:
                values.append(tables[argument])
                continue
            if argument in tables:
                kind, shape, data = tables[argument]
                buffer = (ctypes.c_char * len(data)).from_buffer(data)
            else:
                kind = dtype
                shape = [extent if extent >= 0 else dims[label.decode()]
                         for extent, label in
                         zip(info.shape[:info.rank], info.dims)]
                size = fovea.DTYPES[kind][1] // 8
                for extent in shape:
                    size *= extent
                buffer = tensors.setdefault(
                    argument, (ctypes.c_char * size)())
            for extent, label in zip(shape, info.dims):
                if label and label.decode() not in ("b", "sq", "sk"):
                    limits.append((label.decode(), extent))
            self.buffers.append(buffer)
            values.append(fovea.tensor(ctypes.addressof(buffer), kind, shape))
        self.plan = fovea.Plan(kernel, values, dims["sq"], dims["sk"],
                               sorted(set(limits)), workers)

    def fill(self, index, pattern):
        """Repeats the bytes of `pattern` over tensor `index`."""
        buffer = self.buffers[index]
        size, step = len(buffer), len(pattern)
        whole = pattern * (size // step + 1)
        ctypes.memmove(buffer, whole[:size], size)

    def close(self):
        self.plan.destroy()


def floats(count, dtype, seed):
    """Bytes of `count` numbers in [-1, 1)."""
    rng = random.Random(seed)
    data = array.array("f", (rng.uniform(-1, 1) for _ in range(count)))
    raw = data.tobytes()
    if dtype == "f32":
        return raw
    if dtype == "bf16":
        return b"".join(raw[i + 2:i + 4] for i in range(0, len(raw), 4))
    raise SystemExit(f"expected f32 or bf16, got {dtype}")


def exact_tiles(library, text, name, length, defines):
    """(executed tiles, short ones by their share; those that have a visible
    pair; what the plan says of the executed ones)."""
    kernel = library.compile(text, name, D=64, T="f32", H=HEADS, KV=HEADS,
                             **defines)
    dims = {"b": 1, "h": HEADS, "sq": length, "sk": length}
    case = Case(kernel, name, dims, "f32", inputs(name, dims))
    phase, stats = case.plan.phase(), case.plan.stats()
    keys, rows = phase.keys, phase.class_rows
    live = 0
    for part in range(0, length, 64 * keys):  # 64 tiles, one a channel
        keys_of_part = range(part, min(part + 64 * keys, length))
        one = array.array("f", [0.0] * 64 * length)
        for key in keys_of_part:
            one[key * 64 + (key - part) // keys] = 1.0
        case.fill(2, one.tobytes())
        case.plan.counters()
        case.plan.run()
        done = case.plan.counters()
        out = array.array("f", bytes(case.buffers[-1]))
        tiles = -(-len(keys_of_part) // keys)
        for head in range(HEADS):
            for first in range(0, length, rows):
                begin = (head * length + first) * 64
                end = (head * length + min(first + rows, length)) * 64
                live += sum(any(out[begin + tile:end:64])
                            for tile in range(tiles))
    case.close()
    kernel.release()
    return (done.pairs / (keys * rows), live,
            stats.pairs / (keys * rows))


def plan_long(library, text, name, dtype, dim, defines):
    """(tokens, ms, bytes) of planning 128K x 128K for one head; of a shorter
    sequence where that already takes long."""
    kernel = library.compile(text, name, D=dim, T=dtype, H=1, KV=1, **defines)
    for length in (LONG // 16, LONG // 4, LONG):
        dims = {"b": 1, "h": 1, "sq": length, "sk": length}
        tables = inputs(name, dims)
        if tables is None:  # larger than a machine's memory
            break
        case = Case(kernel, name, dims, dtype, tables)
        ms = min(case.plan.update() for _ in range(3))
        made = length, ms, case.plan.bytes
        case.close()
        if ms > 100:
            break
    kernel.release()
    return made


def in_turn(rounds, *calls):
    """The fastest of each of some calls, in ms, each behind one of its own: what
    it finds in caches is not what another left there."""
    best = [float("inf")] * len(calls)
    for _ in range(rounds + 1):
        for i, call in enumerate(calls):
            call()
            start = time.perf_counter()
            call()
            best[i] = min(best[i], (time.perf_counter() - start) * 1e3)
    return best


class Timer:
    """Times masks against the dense kernel of the same sizes."""

    def __init__(self, library, length, dtype, dim, rounds, against=None):
        self.library, self.rounds = library, rounds
        self.against = against and Timer(against, length, dtype, dim, rounds)
        self.dtype, self.dim = dtype, dim
        self.dims = {"b": 1, "h": HEADS, "sq": length, "sk": length}
        self.numbers, self.tensors = floats(65537, dtype, 1), {}
        text = spec_of(os.path.join(HERE, "specs", "dense.mlir"))
        self.dense = self.case(text, "dense", {}, {})

    def case(self, text, name, defines, tables):
        kernel = self.library.compile(text, name, D=self.dim, T=self.dtype,
                                      H=HEADS, KV=HEADS, **defines)
        case = Case(kernel, name, self.dims, self.dtype, tables,
                    tensors=self.tensors)
        for i in range(3):
            case.fill(i, self.numbers[2 * i * self.dim:])
        return case

    def __call__(self, text, name, defines):
        case = self.case(text, name, defines, inputs(name, self.dims))
        cases = [self.dense, case]
        if self.against:
            cases.append(self.against.case(text, name, defines,
                                           inputs(name, self.dims)))
        dense, masked, *other = in_turn(self.rounds,
                                        *(one.plan.run for one in cases))
        stats = case.plan.stats()
        run = stats.tiles_partial + stats.tiles_full
        share = run / (run + stats.tiles_empty)
        pairs = stats.pairs / (HEADS * self.dims["sq"] * self.dims["sk"])
        bound = ((1.15 * stats.tiles_full + 1.35 * stats.tiles_partial) /
                 max(run, 1))
        for one in cases[1:]:
            one.close()
        row = {"over": masked / other[0]} if other else {}
        return {**row, "ms": masked, "dense_ms": dense,
                "share": share, "partial": stats.tiles_partial / max(run, 1),
                "ratio": masked / (dense * share) if run else 0,
                "by_pairs": masked / (dense * pairs) if pairs else 0,
                "bound": bound}


def driver(args, verb, path, heads, length, *options):
    """What `fovea VERB --json` says of a call over a cache, with nothing from
    the cache of compiled specs."""
    libraries = args.build or os.path.join(fovea.ROOT, "build", "release", "lib")
    return fovea.driver(
        [os.path.join(libraries, os.pardir, "bin", "fovea"), verb,
         "--cache-dir", "", f"--threads={args.threads}",
         f"--target={args.target or 'host'}"], path,
        {"b": 1, "rows": TREE_ROWS, "sk": length}, options, D=args.dim,
        T=args.dtype, H=heads, KV=heads)


def measure_cache(text, path, args):
    """The row of a mask over a cache; see above."""
    skip = args.skip.split(",")
    row = {"mask": os.path.splitext(os.path.basename(path))[0], "defines": {}}
    tree = "--tree=random"
    if "plan" not in skip:
        row["planned"] = LONG
        row["plan_ms"] = min(
            driver(args, "explain", path, 1, LONG, tree)["plan_ms"]
            for _ in range(3))
    if "compile" in skip and "time" in skip:
        return row
    with tempfile.TemporaryDirectory() as folder:
        plain = os.path.join(folder, "plain.mlir")
        with open(plain, "w") as stream:
            stream.write(text.replace(" mask(tree)", ""))
        benches = [(driver(args, "bench", path, HEADS, args.length, tree),
                    driver(args, "bench", plain, HEADS, args.length))
                   for _ in range(2)]
    masked = min(one["best_ms"] for one, _ in benches)
    dense = min(other["best_ms"] for _, other in benches)
    if "compile" not in skip:
        row["compile_ms"] = min(one["compile_ms"] for one, _ in benches)
    if "time" not in skip:
        tiles = driver(args, "explain", path, HEADS, args.length, tree)["tiles"]
        run = tiles["partial"] + tiles["full"]
        share = run / (run + tiles["empty"])
        row.update(ms=masked, dense_ms=dense, share=share,
                   partial=tiles["partial"] / run,
                   ratio=masked / (dense * share),
                   bound=(1.15 * tiles["full"] + 1.35 * tiles["partial"]) / run)
    return row


def measure(library, timer, path, args):
    name = os.path.splitext(os.path.basename(path))[0]
    text, defines = spec_of(path), SIZES.get(name, {})
    if "!kv.cache" in text:
        return measure_cache(text, path, args)
    skip = args.skip.split(",")
    row = {"mask": name, "defines": defines}
    if "compile" not in skip:
        row["compile_ms"] = min(
            library.compile(text, name, D=args.dim, T=args.dtype, H=HEADS,
                            KV=HEADS, **defines).ms for _ in range(2))
    if "tiles" not in skip:
        row["tiles"], row["least"], row["tiles_planned"] = exact_tiles(
            library, text, name, args.length, defines)
    if "plan" not in skip:
        row["planned"], row["plan_ms"], row["plan_bytes"] = plan_long(
            library, text, name, args.dtype, args.dim, defines)
    if "time" not in skip:
        row.update(timer(text, name, defines))
    return row


def faults(row):
    """The columns that miss what is wanted."""
    missed = []
    if row.get("tiles", 0) > row.get("least", 0):
        most = 1.05 if "dilated" in row["mask"] else 1
        if row["tiles"] > most * row["least"]:
            missed.append("tiles")
    if row.get("plan_ms", 0) > (1 if row["mask"] in BANDS else 20):
        missed.append("plan")
    if row.get("plan_bytes", 0) > 1 << 20:
        missed.append("memory")
    if row.get("compile_ms", 0) > 200:
        missed.append("compile")
    if row.get("ratio", 0) > row.get("bound", 0):
        missed.append("time")
    return missed


def table_row(row):
    def shown(key, form):
        return form(row[key]) if key in row else ""

    planned = shown("plan_ms", "{:.3f}".format)
    if row.get("planned", LONG) < LONG:
        planned += f" at {row['planned'] // 1024}K"

    def extra(tiles):
        return f"{100 * (tiles / row['least'] - 1):.1f} %"

    return (f"| {row['mask']} | {shown('tiles', extra)} | "
            f"{shown('tiles_planned', extra)} | {planned} | "
            f"{shown('plan_bytes', lambda x: f'{x / 1024:.0f}')} | "
            f"{shown('compile_ms', '{:.0f}'.format)} | "
            f"{shown('share', lambda x: f'{100 * x:.1f} %')} | "
            f"{shown('partial', lambda x: f'{100 * x:.0f} %')} | "
            f"{shown('ms', '{:.2f}'.format)} | {shown('ratio', '{:.2f}'.format)} "
            f"| {shown('bound', '{:.2f}'.format)} | "
            f"{shown('by_pairs', '{:.2f}'.format)} | {', '.join(faults(row))} |" +
            (f" {row['over']:.2f} |" if "over" in row else ""))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--after", default="", help="go on behind this mask")
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--skip", default="")
    parser.add_argument("--json")
    parser.add_argument("--build", help="folder of libfovea-rt.so")
    parser.add_argument("--target", help="instead of this machine's")
    parser.add_argument("--against", help="time this target as well")
    args = parser.parse_args()
    library = fovea.Library(args.threads, args.build, args.target)
    against = args.against and fovea.Library(args.threads, args.build,
                                             args.against)
    timer = Timer(library, args.length, args.dtype, args.dim, args.rounds,
                  against)
    print(f"{datetime.date.today()}, {library.describe()}, {args.dtype}, "
          f"D = {args.dim}, {args.length} tokens, {HEADS} heads, "
          f"{args.threads} thread{'s' * (args.threads > 1)}\n")
    print("| mask | tiles+ | planned+ | plan ms | KiB | compile ms | executed | partial | "
          "ms | over dense x share | bound | x pairs | missed |" +
          (f" over {args.against} |" if against else ""))
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|" +
          "---|" * bool(against))
    rows = []
    for entry in sorted(os.listdir(FOLDER)):
        if (not entry.endswith(".mlir") or args.only not in entry or
                entry[:-5] <= args.after):
            continue
        try:
            row = measure(library, timer, os.path.join(FOLDER, entry), args)
        except (fovea.Failed, KeyError) as reason:
            row = {"mask": entry[:-5], "failed": str(reason)}
            print(f"| {entry[:-5]} | not measured: {reason} |" + " |" * 10,
                  flush=True)
        else:
            print(table_row(row), flush=True)
        rows.append(row)
    if args.json:
        with open(args.json, "w") as stream:
            json.dump(rows, stream, indent=1)
    return 1 if not rows or any("failed" in r or faults(r) for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
