#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How well `fovea explain` predicts: its model against the time of every file
of examples/masks, for whoever changes the model, the kernels, or what they are
chosen by.

Prints a Markdown table, one mask a row: what is computed over all pairs, the
least CPU time of a call over some runs of `fovea explain --measure`, the
prediction of the run that had it, and prediction over time. CPU time of one
thread has no waiting for others in it, but what they take of caches and
bandwidth. Wanted: 0.8 to 1.25. Sizes of masks and run-time numbers are those
of masks.py.

usage: predict.py [--only WORD] [--length N] [--dtype f32] [--dim 64]
                  [--heads 4] [--rounds 2] [--target host] [--fovea PATH]
"""
import argparse
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import fovea  # noqa: E402
import mask_cases  # noqa: E402
import masks  # noqa: E402

LEAST, MOST = 0.8, 1.25


def explain(name, args, folder):
    """What `fovea explain --measure --json` says of a mask."""
    path = os.path.join(masks.FOLDER, name + ".mlir")
    with open(path) as stream:
        cached = "!kv.cache" in stream.read()
    if cached:
        shape = {"b": 1, "rows": masks.TREE_ROWS, "sk": args.length}
        numbers = ["--tree=random"]
    else:
        shape = {"b": 1, "sq": args.length, "sk": args.length}
        numbers = mask_cases.options(name, {**shape, "h": args.heads}, folder)
    return fovea.driver(
        [args.fovea, "explain", "--measure", "--target=" + args.target], path,
        shape, numbers, **mask_cases.SIZES.get(name, {}), D=args.dim,
        T=args.dtype, H=args.heads, KV=args.heads)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--heads", type=int, default=masks.HEADS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--target", default="host")
    parser.add_argument("--fovea", default=os.path.join(
        fovea.ROOT, "build", "release", "bin", "fovea"))
    args = parser.parse_args()
    print("| mask | computed | ms | predicted | over measured | missed |\n"
          "|---|---|---|---|---|---|", flush=True)
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for entry in sorted(os.listdir(masks.FOLDER)):
            name = entry[:-5]
            if not entry.endswith(".mlir") or args.only not in entry:
                continue
            try:
                best = min((explain(name, args, folder)
                            for _ in range(args.rounds)),
                           key=lambda e: e["measured_cpu_ms"])
            except fovea.Failed as reason:
                print(f"| {name} | not measured: {reason} |" + " |" * 4,
                      flush=True)
                missed += 1
                continue
            time, predicted = best["measured_cpu_ms"], best["predicted_ms"]
            share = best["computed_pairs"] / best["all_pairs"]
            late = not LEAST <= predicted / time <= MOST
            missed += late
            print(f"| {name} | {100 * share:.1f} % | {time:.2f} | "
                  f"{predicted:.2f} | {predicted / time:.2f} | "
                  f"{'yes' if late else ''} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
