#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares two f16 or f32 npy files of one shape, layer by layer, for run.sh.

The bound is that of f16: q, k and v were rounded to it, which moves a score by
a few of its last bits; 2e-3 of the largest value covers that and no more.

usage: agreement.py OURS.npy MODEL.npy
"""
import array
import ast
import struct
import sys

BOUND = 2e-3


def load(path):
    """(shape, values) of a little-endian, C-ordered npy file."""
    with open(path, "rb") as stream:
        magic, major = stream.read(6), stream.read(2)[0]
        if magic != b"\x93NUMPY":
            sys.exit(f"{path}: not an npy file")
        width = "<H" if major == 1 else "<I"
        size = struct.unpack(width, stream.read(struct.calcsize(width)))[0]
        header = ast.literal_eval(stream.read(size).decode("latin-1"))
        data = stream.read()
    code = {"<f2": "e", "<f4": "f"}.get(header["descr"])
    if code is None or header["fortran_order"]:
        sys.exit(f"{path}: expected f16 or f32 in C order, got "
                 f"{header['descr']}")
    count = len(data) // struct.calcsize(code)
    return header["shape"], array.array(
        "d", struct.unpack(f"<{count}{code}", data))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.split("\n\n")[-1].strip())
    (shape, ours), (other, model) = load(sys.argv[1]), load(sys.argv[2])
    if shape != other:
        sys.exit(f"expected equal shapes, got {shape} and {other}")
    layer = len(ours) // shape[0]
    worst, outside = 0.0, 0
    for i in range(shape[0]):
        a = ours[i * layer:(i + 1) * layer]
        b = model[i * layer:(i + 1) * layer]
        largest = max(map(abs, b))
        error = max(abs(x - y) for x, y in zip(a, b)) / largest
        worst = max(worst, error)
        # NaN compares false with everything: it counts here.
        outside += sum(not abs(x - y) <= BOUND * largest
                       for x, y in zip(a, b))
        print(f"layer {i}: largest difference from the model's own output "
              f"{error:.1e} of the largest value")
    if outside:
        print(f"DISAGREES with the model in {outside} of {len(ours)} values "
              f"(bound {BOUND:.0e})")
        return 1
    print(f"agrees with the model to {worst:.1e} (bound {BOUND:.0e})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
