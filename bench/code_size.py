#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How much LLVM IR the masks of examples/masks become: what their compile time
grows with, and unlike it the same on every machine. For whoever changes a
builder or the mask analysis, and for the test that holds it down.

Counts the instructions that go into LLVM's code generation, of all stages of a
mask (f32, D = 64, 4 heads, AVX-512) and of the largest one, which is what a
second thread cannot shorten. A stage of 2000 takes 50 ms of the CPU time of an
AMD EPYC (Zen 5). With a table, an entry that has more than a twentieth over its
own, or a mask that the table lacks, is an error.

usage: code_size.py [--fovea FILE] [--table FILE [--write]] [--only WORD]
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                     ".."))
FOLDER = os.path.join(ROOT, "examples", "masks")
DEFINES = ["D=64", "T=f32", "H=4", "KV=4"]
SLACK = 1.05


def sizes(fovea, name):
    """Instructions of all stages of a mask, and of the largest."""
    command = [fovea, "compile", os.path.join(FOLDER, name + ".mlir"),
               "--target=x86-64-v4", "--emit=llvm", "-o", "-"]
    for define in DEFINES:
        command += ["-D", define]
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except OSError as reason:
        sys.exit(f"expected a compiler that runs, got {reason}")
    if run.returncode:
        sys.exit(f"expected {' '.join(command)} to succeed, got "
                 f"{run.stderr.strip()}")
    stages = [len(re.findall(r"^  \S", stage, re.M))
              for stage in re.split(r"^; stage ", run.stdout, flags=re.M)[1:]]
    return sum(stages), max(stages)


def read_table(path):
    """{mask: (all, largest)} of lines "mask all largest"."""
    table = {}
    with open(path) as stream:
        for line in stream:
            if not line.startswith("#"):
                name, total, largest = line.split()
                table[name] = int(total), int(largest)
    return table


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fovea", default=os.path.join(
        ROOT, "build", "release", "bin", "fovea"))
    parser.add_argument("--table")
    parser.add_argument("--write", action="store_true",
                        help="make the table anew")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    if args.write and (not args.table or args.only):
        parser.error("expected --write with --table and without --only: a table "
                     "has all masks")
    names = sorted(entry[:-5] for entry in os.listdir(FOLDER)
                   if entry.endswith(".mlir") and args.only in entry)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(names, pool.map(
            lambda name: sizes(args.fovea, name), names)))
    if args.write:
        with open(args.table, "w") as stream:
            stream.write("# Made by bench/code_size.py --write: mask, "
                         "instructions of all stages, of the largest\n")
            for name in names:
                stream.write("{} {} {}\n".format(name, *found[name]))
        return 0
    table = read_table(args.table) if args.table else None
    failed = 0
    for name in names:
        print("{} {} {}".format(name, *found[name]))
        if table is None:
            continue
        if name not in table:
            print(f"expected a line for {name} in {args.table}, got none")
            failed += 1
            continue
        for what, most, got in zip(("all stages", "the largest stage"),
                                   table[name], found[name]):
            if got > SLACK * most:
                print(f"expected at most {int(SLACK * most)} instructions in "
                      f"{what} of {name}, got {got}")
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
