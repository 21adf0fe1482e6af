#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the run-time numbers of a kernel of examples/masks by the rules of its
inputs.json (examples/masks/README.md says what they mean), for `fovea`'s --in
and --arg.

usage: mask_inputs.py KERNEL SHAPE FOLDER   e.g. prefix_lm b=1,sq=64,sk=64 out
writes FOLDER/KERNEL.ARGUMENT.npy and prints the options, one a line.
"""
import functools
import json
import os
import random
import re
import struct
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(
    os.path.abspath(__file__)), "..", ".."))
RULES = os.path.join(ROOT, "examples", "masks", "inputs.json")
TYPES = {"i8": ("|i1", "b"), "i32": ("<i4", "i"), "i64": ("<i8", "q")}


def evaluate(expression, dims):
    """An integer, or terms of integers, dims and `dim/n` rounded up."""
    if isinstance(expression, int):
        return expression
    total = 0
    for sign, term in re.findall(r"([+-]?)([^+-]+)", expression):
        name, _, divisor = term.partition("/")
        value = int(name) if name.isdigit() else dims[name]
        if divisor:
            value = -(-value // int(divisor))
        total += -value if sign == "-" else value
    return total


def growing(rule, n):
    """What documents of growing size say of their tokens."""
    documents = []  # (start, end)
    while not documents or documents[-1][1] < n:
        start = documents[-1][1] if documents else 0
        size = rule["size"] + len(documents) * rule["grow"]
        documents.append((start, min(start + size, n)))
    numbers = []
    for i, (start, end) in enumerate(documents):
        shared = i % rule["every"] if "every" in rule else 0
        first, last = documents[i - shared] if shared else (0, 0)
        what = {"id": i, "start": start + rule.get("plus", 0), "end": end,
                "shared_start": first, "shared_end": last}[rule["of"]]
        numbers += [what] * (end - start)
    return numbers


@functools.lru_cache(maxsize=None)
def ends_of_documents(size, grow, n):
    """Where the document of each of n tokens starts and ends."""
    return [growing({"size": size, "grow": grow, "of": of}, n)
            for of in ("start", "end")]


def columns(rule, n, dims, done):
    """The n columns of a key; `done` numbers are those of keys before it."""
    key = done // n % dims["sk"]
    if key < rule.get("free", 0):
        return [dims["sk"]] * n
    starts, ends = ends_of_documents(rule["size"], rule["grow"], dims["sk"])
    known = dict(dims, k=key, start=starts[key], end=ends[key])
    return [evaluate(e, known) for e in rule["rows"]]


def row(rule, n, dims, rng, done):
    """One row of n numbers; `done` have been made before it."""
    def number(key):
        return evaluate(rule[key], dims)

    kind = rule["kind"]
    if kind == "list":
        values = rule["values"]
        return [evaluate(values[(done + i) % len(values)], dims)
                for i in range(n)]
    if kind in ("uniform", "sorted"):
        low, high = number("lo"), number("hi")
        numbers = [rng.randint(low, max(low, high)) for _ in range(n)]
        return sorted(numbers) if kind == "sorted" else numbers
    if kind == "flags":
        return [int(rng.randrange(rule["one_in"]) == 0) for _ in range(n)]
    if kind == "documents":
        starts = {rng.randrange(n) for _ in range(number("documents") - 1)}
        ids, current = [], 0
        for i in range(n):
            current += i > 0 and i in starts
            ids.append(current)
        return ids
    if kind == "growing":
        return growing(rule, n)
    if kind == "columns":
        return columns(rule, n, dims, done)
    if kind == "cu_seqlens":
        total = number("total")
        inner = sorted(rng.randint(0, total) for _ in range(n - 2))
        return ([0] + inner + [total])[:n]
    if kind == "parents":
        return [rng.randint(-1, i - 1) if i else -1 for i in range(n)]
    if kind == "permutation":
        return rng.sample(range(n), n)
    if kind == "by_residue":
        step = number("step")
        return sorted(range(n), key=lambda i: (i % step, i))
    if kind == "by_modality":
        modality = [i % 2 for i in growing(dict(rule, of="id"), n)]
        tokens = sorted(range(n), key=lambda i: (modality[i], i))
        if rule["of"] == "position":
            return tokens
        return [modality[i] for i in tokens]
    if kind == "ring":
        first = min(number("first"), n)
        slots = list(range(n))
        count = n - first
        for token in range(first + number("dropped"), n + number("dropped")):
            slots[first + (token - first) % count] = token
        return slots
    raise SystemExit(f"expected a rule of examples/masks/README.md, got {kind}")


def write_npy(path, kind, shape, numbers):
    code, letter = TYPES[kind]
    header = (f"{{'descr': '{code}', 'fortran_order': False, "
              f"'shape': {tuple(shape)!r}, }}")
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as stream:
        stream.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)))
        stream.write(header.encode())
        stream.write(struct.pack(f"<{len(numbers)}{letter}", *numbers))


def parse_shape(text, heads=4):
    dims = {"h": heads}
    for part in text.split(","):
        name, _, value = part.partition("=")
        dims[name] = int(value)
    return dims


def options(kernel, shape, folder, rules=None, seed=1):
    """The command-line options that give `kernel` its numbers."""
    if rules is None:
        with open(RULES) as stream:
            rules = json.load(stream)
    dims = parse_shape(shape)
    result = []
    for name, rule in rules.get(kernel, {}).items():
        rng = random.Random(f"{kernel} {name} {seed}")
        if "shape" not in rule:
            value = row(rule, 1, dims, rng, 0)[0]
            result += ["--arg", f"{name}={value}"]
            continue
        extents = [evaluate(e, dims) for e in rule["shape"]]
        rows = 1
        for extent in extents[:-1]:
            rows *= extent
        numbers = []
        for _ in range(rows):
            numbers += row(rule, extents[-1], dims, rng, len(numbers))
        path = os.path.join(folder, f"{kernel}.{name}.npy")
        write_npy(path, rule["type"], extents, numbers)
        result += ["--in", f"{name}={path}"]
    return result


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    print("\n".join(options(*sys.argv[1:])))
