# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""make_npy.py FILE DESCR EXTENT...: an npy file of ones in type DESCR ("<f4"),
without numpy. Behind DESCR "=X" makes all of them X ("=nan", where the type has
one), "=count" 0, 1, 2, ..."""
import math
import struct
import sys

path, descr, *extents = sys.argv[1:]
descr, _, fill = descr.partition("=")
shape = tuple(int(e) for e in extents)
header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
header += " " * (-(len(header) + 11) % 64) + "\n"
pack = {
    "<f4": lambda x: struct.pack("<f", float(x)),
    "<f8": lambda x: struct.pack("<d", float(x)),
    "<i4": lambda x: struct.pack("<i", int(x)),
    "<i8": lambda x: struct.pack("<q", int(x)),
    "<c8": lambda x: struct.pack("<2f", float(x), 0),
    ">f4": lambda x: struct.pack(">f", float(x)),
}[descr]
size = math.prod(shape)
with open(path, "wb") as file:
    file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)))
    file.write(header.encode())
    if fill == "count":
        file.write(b"".join(map(pack, range(size))))
    else:
        file.write(pack(fill or 1) * size)
