#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks the rules that every file of the tree keeps.

For whoever changes Fovea: who may include what (the table below is the
architecture), one SPDX line per file, no file too long, no path of somebody's
machine, no leftovers. Prints `file:line: rule: what is wrong` and exits with 1
if anything was found.

usage: check-layering.py [ROOT]
"""
import os
import re
import subprocess
import sys

SPDX = "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"
MAX_LINES = 800
COMPILER = ["mlir", "llvm", "llvm-c", "mlir-c"]
DIALECTS = ["dialects/kv", "dialects/sel", "dialects/attn", "dialects/tile",
            "dialects/hw", "dialects/RegisterDialects.h"]

# folder -> what its files may include besides the folder itself, the C and C++
# standard libraries and the public headers <fovea/x.h>. The longest matching
# folder wins. Paths are prefixes; `mlir` means <mlir/..> and "mlir/..".
ALLOWED = {
    # Nothing outside the runtime: it is loaded by processes without a compiler.
    "runtime": ["dlpack"],
    # Standalone C, shared by the compiler and the runtime.
    "runtime/include": ["dlpack"],
    # oneTBB is the business of one small library.
    "runtime/executor": ["runtime", "dlpack", "oneapi", "tbb"],
    "dialects/kv": COMPILER,
    "dialects/sel": ["dialects/kv"] + COMPILER,
    "dialects/attn": ["dialects/sel", "dialects/kv"] + COMPILER,
    "dialects/tile": ["dialects/kv"] + COMPILER,
    "dialects/hw": COMPILER,
    "dialects": DIALECTS + COMPILER,
    # The executable specification judges the compiler: it shares none of it.
    "dialects/reference": DIALECTS + COMPILER,
    "passes": DIALECTS + COMPILER,
    "codegen": ["passes"] + DIALECTS + COMPILER,
    "codegen/target": DIALECTS + COMPILER,
    "codegen/abi": DIALECTS + COMPILER,
    "codegen/cpu": ["passes", "codegen/target", "codegen/abi"] + DIALECTS
    + COMPILER,
    # The scalar part of a stage is the same for both: codegen/cpu has it.
    "codegen/gpu": ["passes", "codegen/target", "codegen/abi", "codegen/cpu"]
    + DIALECTS + COMPILER,
    # A switch of stacks is announced to the address sanitizer.
    "codegen/gpu/emulator": ["passes", "codegen/target", "codegen/abi",
                             "codegen/gpu", "sanitizer"] + DIALECTS + COMPILER,
    "codegen/bundle": ["codegen/abi", "codegen/target", "llvm"],
    "codegen/jit": ["codegen", "passes"] + DIALECTS + COMPILER,
    "tools": ["dialects", "passes", "codegen", "runtime", "CLI", "dlpack"]
    + COMPILER,
    "bench": ["dialects", "passes", "codegen", "runtime", "dlpack",
              "benchmark"] + COMPILER,
    # Packs what `fovea verify` would hold a GPU's results against.
    "bench/gpu": ["bench", "dialects", "passes", "codegen", "runtime", "tools",
                  "dlpack"] + COMPILER,
    "bench/peers": ["runtime/include", "ggml"],
    # Users of the public interface only.
    "examples": ["dlpack"],
    "test": ["dialects", "passes", "codegen", "runtime", "tools", "bench",
             "examples", "gtest", "gmock", "dlpack", "CLI", "sanitizer"] + COMPILER,
}
TOP = ["dialects", "passes", "codegen", "runtime", "tools", "test", "bench",
       "examples", "docs", "cmake"]
# A judge that shares code with what it judges is no judge.
JUDGES = re.compile(r"^test/support/[Nn]aive[^/]*$")
SYSTEM_FOLDERS = {"sys", "linux", "asm"}

SOURCE = (".c", ".cc", ".cpp", ".h", ".hpp", ".td")
CODE = SOURCE + (".py", ".sh", ".cmake", "CMakeLists.txt", ".mlir", ".test",
                 ".in", "/run")
# Formats that have no comments, and data.
NO_SPDX = (".json", ".npy", ".npz", ".svg", ".png", ".fvb", ".bin", ".expected",
           "LICENSE")
INCLUDE = re.compile(r'^\s*#?\s*include\s+(["<])([^">]+)[">]')
# An absolute path into a folder that is neither part of every Debian nor, with
# something before it, one of ours.
FOREIGN_PATH = re.compile(
    r"""(?:^|[\s"'=(`])/(?!(?:usr|etc|var|proc|dev|sys|bin|lib|opt|debian|"""
    + "|".join(TOP + ["build"]) + r""")/)[a-z][\w.-]*/[\w.-]+""")
LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X{3})\b|^(<{7}|>{7})")


def folder_of(path):
    """The row of ALLOWED that governs `path`, or None."""
    best = None
    for folder in ALLOWED:
        if path.startswith(folder + "/") and (not best or
                                              len(folder) > len(best)):
            best = folder
    return best


def under(path, prefix):
    return path == prefix or path.startswith(prefix + "/")


def include_fault(path, quoted, header):
    """Says why `path` may not include `header`, or None."""
    folder = folder_of(path)
    if folder is None:
        return None
    first = header.split("/")[0]
    if JUDGES.match(path):
        if under(header, "test/support") or (not quoted and "/" not in header):
            return None
        return "the naive oracle includes nothing of what it judges"
    if first == "fovea":
        # Public headers, at home in runtime/include.
        return None if not quoted else "public headers are <fovea/x.h>"
    if quoted and first not in TOP + COMPILER:
        return f'expected "{header}" to start at the root of the repository'
    if not quoted and first in TOP:
        return f'expected <{header}> to be a "path from the root"'
    if not quoted and ("/" not in header or first in SYSTEM_FOLDERS):
        # The C and C++ standard libraries and POSIX; CUDA is loaded at run
        # time, never included.
        if not header.startswith(("cuda", "nv")):
            return None
    if under(header, folder) or under(header, "runtime/include"):
        return None
    if any(under(header, ok) for ok in ALLOWED[folder]):
        return None
    return f"{folder} may not include {header}"


def check_file(root, path):
    """Yields (line, rule, text) for every fault of one file."""
    with open(os.path.join(root, path), "rb") as stream:
        raw = stream.read()
    if b"\0" in raw[:4096] or path.endswith((".npy", ".svg", ".png")):
        return
    text = raw.decode("utf-8", "replace")
    lines = text.split("\n")
    seeds = "/corpus/" in path or "/Inputs/" in path
    if not path.endswith(NO_SPDX) and not seeds and text.strip():
        if not any(SPDX in line for line in lines[:3]):
            yield 1, "spdx", f"expected one of the first lines to be `{SPDX}`"
    if path.endswith(CODE) and text.count("\n") > MAX_LINES:
        yield (MAX_LINES, "length", f"expected at most {MAX_LINES} lines, "
               f"got {text.count(chr(10))}")
    for number, line in enumerate(lines, 1):
        if path.endswith(SOURCE):
            match = INCLUDE.match(line)
            if match:
                fault = include_fault(path, match[1] == '"', match[2])
                if fault:
                    yield number, "include", fault
        if path != "LICENSE" and not seeds:
            if FOREIGN_PATH.search(line):
                yield (number, "path",
                       "a path of one machine: " + line.strip()[:80])
            if LEFTOVER.search(line):
                yield number, "leftover", line.strip()[:80]


def files_of(root):
    """Tracked and new files, or everything if this is no git checkout."""
    if os.path.exists(os.path.join(root, ".git")):
        out = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z",
             "--cached", "--others", "--exclude-standard"],
            capture_output=True, check=True).stdout.decode()
        names = [name for name in out.split("\0") if name]
    else:
        names = []
        for folder, dirs, found in os.walk(root):
            rel = os.path.relpath(folder, root)
            dirs[:] = [d for d in dirs
                       if not (rel == "." and d.startswith("build"))]
            names += [os.path.normpath(os.path.join(rel, f)) for f in found]
    return sorted(n for n in names if os.path.isfile(os.path.join(root, n)))


def main(argv):
    root = argv[1] if len(argv) > 1 else os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "..")
    faults = checked = 0
    for path in files_of(root):
        checked += 1
        for line, rule, text in check_file(root, path):
            print(f"{path}:{line}: {rule}: {text}")
            faults += 1
    print(f"check-layering: {checked} files, {faults} faults")
    return 1 if faults or not checked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
