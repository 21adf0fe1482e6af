# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""make_npy.py FILE DESCR EXTENT...: an npy file of ones in type DESCR ("<f4"),
without numpy; NaN where the type has one and DESCR ends in "=nan"."""
import math
import struct
import sys

path, descr, *extents = sys.argv[1:]
descr, _, fill = descr.partition("=")
shape = tuple(int(e) for e in extents)
header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
header += " " * (-(len(header) + 11) % 64) + "\n"
element = {
    "<f4": lambda: struct.pack("<f", float(fill or 1)),
    "<i4": lambda: struct.pack("<i", int(fill or 1)),
    "<i8": lambda: struct.pack("<q", int(fill or 1)),
    "<c8": lambda: struct.pack("<2f", 1, 0),
    ">f4": lambda: struct.pack(">f", 1),
}[descr]()
with open(path, "wb") as file:
    file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)))
    file.write(header.encode() + element * math.prod(shape))
