#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that a shared library needs and exports only what it may.

For libfovea-rt, which engines load: no compiler, no CUDA, less than 1 MB
stripped, and no symbol but fovea_*.

usage: check-runtime.py [--allow LIBRARY]... [--max-bytes N] LIBRARY
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

# glibc (with the names that its parts had before 2.34), libstdc++, libgcc_s.
GLIBC = {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0",
         "librt.so.1", "ld-linux-x86-64.so.2"}
ALLOWED = GLIBC | {"libstdc++.so.6", "libgcc_s.so.1"}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True,
                          check=True).stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--allow", action="append", default=[])
    parser.add_argument("--max-bytes", type=int, default=1000000)
    parser.add_argument("library")
    args = parser.parse_args()
    faults = []
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]",
                        output("readelf", "-dW", args.library))
    for name in needed:
        if name not in ALLOWED | set(args.allow):
            faults.append(f"needs {name}")
    exported = 0
    for line in output("readelf", "--dyn-syms", "-W",
                       args.library).splitlines():
        row = line.split()
        if len(row) < 8 or row[6] == "UND" or row[4] not in ("GLOBAL", "WEAK"):
            continue
        name = row[7].split("@")[0]
        exported += 1
        # A version script also defines its version's name, absolute.
        if not name.startswith("fovea_") and row[6] != "ABS":
            faults.append(f"exports {name}")
    if not exported:
        faults.append("exports nothing")
    with tempfile.TemporaryDirectory() as folder:
        stripped = os.path.join(folder, "stripped")
        subprocess.run(["strip", "-o", stripped, args.library], check=True)
        size = os.path.getsize(stripped)
    if size >= args.max_bytes:
        faults.append(f"expected less than {args.max_bytes} bytes stripped, "
                      f"got {size}")
    for fault in faults:
        print(f"check-runtime: {os.path.basename(args.library)} {fault}")
    print(f"check-runtime: needs {' '.join(needed)}; {exported} symbols; "
          f"{size} bytes stripped; {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
