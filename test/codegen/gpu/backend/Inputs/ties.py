# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ties.py DIR: queries and keys of f16 whose blocks of 16 have three scores."""
import random
import struct
import sys


def save(name, shape, values):
    header = "{'descr': '<f2', 'fortran_order': False, 'shape': %s, }" % (shape,)
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(f"{sys.argv[1]}/{name}.npy", "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)))
        out.write(header.encode() + struct.pack(f"<{len(values)}e", *values))


random.seed(1)
HEADS, QUERIES, KEYS, DIM = 2, 40, 600, 40
keys = []
for _ in range(HEADS):
    blocks = [random.choice((-1.0, 0.0, 1.0)) for _ in range(0, KEYS, 16)]
    for key in range(KEYS):
        keys += [blocks[key // 16]] * DIM
save("k", (1, HEADS, KEYS, DIM), keys)
save("q", (1, HEADS, QUERIES, DIM), [1.0] * (HEADS * QUERIES * DIM))
