# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The masks of examples/masks at sizes as they are used, with their run-time
numbers. For masks.py, peers and the kit of a GPU; needs nothing but the
standard library.
"""
import ast
import json
import os
import random
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "tools", "scripts"))
import mask_inputs  # noqa: E402

# Sizes as they are used, where a file's own are small ones for pictures.
SIZES = {
    "a_shape": {"INIT": 128, "LOCAL": 1024},
    "block_causal": {"N": 256},
    "block_diffusion": {"B": 256},
    "block_diffusion_cache": {"B": 256},
    "chunked": {"N": 1024},
    "dilated": {"W": 1024, "S": 4},
    "duo_attention": {"S": 64, "W": 256},
    "fixed": {"L": 128, "FIRST": 112, "C": 16},
    "global_sliding": {"G": 64, "W": 256},
    "sink_window": {"S": 64, "W": 1024},
    "sliding_window": {"W": 1024},
    "sliding_window_two_sided": {"W": 512},
    "space_time": {"Y": 32, "X": 32},
    "strided": {"L": 128},
    "tri_shape": {"INIT": 128, "LOCAL": 1024},
}


def read_npy(path):
    with open(path, "rb") as stream:
        data = stream.read()
    end = 10 + int.from_bytes(data[8:10], "little")
    header = ast.literal_eval(data[10:end].decode().strip())
    kind = {"|i1": "i8", "<i4": "i32", "<i8": "i64"}[header["descr"]]
    return kind, list(header["shape"]), bytearray(data[end:])


def large_flags(rule, shape, seed):
    """As mask_inputs makes them, but fast."""
    size = 1
    for extent in shape:
        size *= extent
    table = bytes(int(x % rule["one_in"] == 0) for x in range(256))
    return "i8", shape, bytearray(random.Random(seed).randbytes(size)
                                  .translate(table))


def by_rules(name, dims, most):
    """Numbers of large tables, and the rules of all others; None if a table is
    larger than `most` bytes."""
    with open(mask_inputs.RULES) as stream:
        rules = json.load(stream).get(name, {})
    numbers, small = {}, {}
    for argument, rule in rules.items():
        shape = [mask_inputs.evaluate(e, dims) for e in rule.get("shape", [])]
        size = 1
        for extent in shape:
            size *= extent
        if size > most:
            return None
        if rule["kind"] == "flags" and size > 1 << 16:
            numbers[argument] = large_flags(rule, shape, name)
        else:
            small[argument] = rule
    return numbers, small


def options(name, dims, folder):
    """The words that give `fovea` the same numbers; tables lie in `folder`."""
    numbers, small = by_rules(name, dims, 1 << 28)
    words = mask_inputs.options(
        name, ",".join(f"{k}={v}" for k, v in dims.items()), folder,
        {name: small})
    for argument, (kind, shape, data) in numbers.items():
        path = os.path.join(folder, f"{name}.{argument}.npy")
        mask_inputs.write_npy(path, kind, shape, data)
        words += ["--in", f"{argument}={path}"]
    return words


def inputs(name, dims, most=1 << 28):
    """Run-time numbers by the rules of examples/masks/inputs.json; None if one
    table is larger than `most` bytes."""
    made = by_rules(name, dims, most)
    if made is None:
        return None
    numbers, small = made
    shape = ",".join(f"{k}={v}" for k, v in dims.items())
    with tempfile.TemporaryDirectory() as folder:
        options = mask_inputs.options(name, shape, folder, {name: small})
        for verb, word in zip(options[::2], options[1::2]):
            argument, _, value = word.partition("=")
            numbers[argument] = (int(value) if verb == "--arg" else
                                 read_npy(value))
    return numbers
