#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What tuning wins over the built-in schedules: `fovea tune` on every file of
examples/masks, for whoever changes the schedule table or what it is chosen by.

Prints a Markdown table, one stream a row: the schedule chosen by default, its
time, the best candidate, and how much less of the default's time it takes. The
wanted bound is 10 %. Sizes of masks and run-time numbers are those of masks.py.

usage: tune.py [--only WORD] [--after NAME] [--length N] [--dtype f32] [--dim 64]
               [--heads 4] [--threads 1] [--seconds 0.05] [--target host]
               [--fovea PATH] [--out FILE.tune]
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

WANTED = 0.10


def tune(name, args, folder):
    """The results of one mask, as `fovea tune --json` prints them."""
    shape = {"b": 1, "sq": args.length, "sk": args.length}
    numbers = mask_cases.options(name, {**shape, "h": args.heads}, folder)
    table = args.out or os.path.join(folder, "all.tune")
    return fovea.driver(
        [args.fovea, "tune", "--out", table, f"--threads={args.threads}",
         f"--seconds={args.seconds}", "--target=" + args.target],
        os.path.join(masks.FOLDER, name + ".mlir"), shape, numbers,
        **mask_cases.SIZES.get(name, {}), D=args.dim, T=args.dtype,
        H=args.heads, KV=args.heads)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--after", default="", help="go on behind this mask")
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--heads", type=int, default=masks.HEADS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--target", default="host")
    parser.add_argument("--fovea", default=os.path.join(
        fovea.ROOT, "build", "release", "bin", "fovea"))
    parser.add_argument("--out", help="keep the tuning table")
    args = parser.parse_args()
    print("| mask | default | ms | best | gain | missed |\n"
          "|---|---|---|---|---|---|", flush=True)
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for entry in sorted(os.listdir(masks.FOLDER)):
            name = entry[:-5]
            if (not entry.endswith(".mlir") or args.only not in entry or
                    name <= args.after):
                continue
            try:
                results = tune(name, args, folder)
            except fovea.Failed as reason:
                print(f"| {name} | not measured: {reason} |" + " |" * 4,
                      flush=True)
                missed += 1
                continue
            for r in results:
                late = r["gain"] >= WANTED
                missed += late
                print(f"| {name} | {r['default']} | {r['default_ms']:.2f} | "
                      f"{r['best']} | {100 * r['gain']:.1f} % | "
                      f"{'yes' if late else ''} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
