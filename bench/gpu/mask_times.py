#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The masks that the kit of a GPU times: those of examples/masks that
FlexAttention can express, in bf16. For `run` and peers.py, which lie beside it;
needs nothing but the standard library. As a program, for `ninja gpu-kit`:

    mask_times.py FOVEA TARGETS FOLDER

compiles a bundle of each into FOLDER.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.join(HERE, "bench")  # the kit has the repository's tree
if not os.path.isdir(BENCH):
    BENCH = os.path.join(HERE, "..")
sys.path += [BENCH, os.path.join(BENCH, "peers")]
import flex_masks  # noqa: E402
import mask_cases  # noqa: E402

HEADS, DIM = 32, 128
LENGTHS = (8192, 4096, 2048)  # the first whose tables are small enough
NAMES = sorted(flex_masks.FLEX)


def sizes_of(name):
    """The parameters of the file."""
    return {**flex_masks.OWN.get(name, {}), **mask_cases.SIZES.get(name, {})}


def case_of(name, lengths=LENGTHS, heads=HEADS):
    """(length, run-time numbers)."""
    for length in lengths:
        dims = {"b": 1, "h": heads, "sq": length, "sk": length}
        numbers = mask_cases.inputs(name, dims)
        if numbers is not None:
            return length, numbers
    raise SystemExit(f"mask_times: error: expected a length that suits {name}, "
                     f"got {lengths}")


def titles(name, length):
    """What the table calls the two times of a mask."""
    return (f"{name}, {length} tokens",
            f"{name}, {length} tokens, mask build included")


class Table:
    """A tensor of integers as a predicate reads it, one number at a time."""

    def __init__(self, kind, shape, data):
        self.shape = shape
        self.numbers = memoryview(data).cast({"i8": "b", "i32": "i"}[kind])

    def __getitem__(self, index):
        at = 0
        for i, extent in zip(index if isinstance(index, tuple) else (index,),
                             self.shape):
            at = at * extent + i
        return self.numbers[at]


def visible_rows(name, length, numbers, heads=HEADS):
    """A byte for each key of the first, the middle and the last row, as
    gpu_times takes them."""
    tables = {argument: value if isinstance(value, int) else Table(*value)
              for argument, value in numbers.items()}
    keep = flex_masks.FLEX[name](sizes_of(name), tables)
    return bytes(int(bool(keep(0, (heads - 1) * part // 2,
                               (length - 1) * part // 2, key)))
                 for part in range(3) for key in range(length))


def prepare(bundles, folder, names=NAMES, lengths=LENGTHS, heads=HEADS):
    """Writes times.txt and the tables of each mask into a folder for gpu_times;
    the bundles lie in another one."""
    lines = []
    for name in names:
        length, numbers = case_of(name, lengths, heads)
        words = [os.path.join(os.path.abspath(bundles), name), name + ".rows"]
        words += [f"1x{heads}x{length}x{DIM}"] * 4
        with open(os.path.join(folder, words[1]), "wb") as stream:
            stream.write(visible_rows(name, length, numbers, heads))
        for argument, value in numbers.items():
            if isinstance(value, int):
                words.append(f"{argument}={value}")
                continue
            _, shape, data = value
            table = f"{name}.{argument}"
            with open(os.path.join(folder, table), "wb") as stream:
                stream.write(data)
            words.append(f"{argument}={'x'.join(map(str, shape))}@{table}")
        lines.append(" ".join(words + [":", titles(name, length)[0]]))
    with open(os.path.join(folder, "times.txt"), "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")


def pack(fovea, targets, folder, names=NAMES, heads=HEADS):
    os.makedirs(folder, exist_ok=True)
    for name in names:
        defines = {"T": "bf16", "D": DIM, "H": heads, "KV": heads,
                   **sizes_of(name)}
        command = [fovea, "compile", f"--target={targets}",
                   os.path.join(BENCH, "..", "examples", "masks", name + ".mlir"),
                   "-o", os.path.join(folder, name + ".fvb")]
        for key, value in defines.items():
            command += ["-D", f"{key}={value}"]
        subprocess.run(command, check=True)
    print(f"{len(names)} masks in {folder}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    pack(*sys.argv[1:])
