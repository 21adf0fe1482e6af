# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes other bundles of a compiled one, with a right checksum where it does
not say otherwise: patch_bundle.py HOW IN OUT

  strip        without the code of any target
  retarget     its code is for a target that nobody has heard of
  newer        of a newer version of the ABI
  version      of a newer version of the file
  truncate     without its last byte
  flip         one bit of its code flipped, the old checksum
  scale=X,Y    the f32 X replaced by Y in the code: a kernel that is wrong
  class        the predicates of masks in place of their classes, for planners
"""
import struct
import sys

STRINGS, VARIANTS, ENTRIES, MASKS = 1, 7, 8, 9
TARGETS, CODE, PLAN_CODE = 11, 13, 14
HEADER = struct.Struct("<4I4Q2Q")
SECTION = struct.Struct("<2I2Q")
VARIANT = struct.Struct("<4IqQ2I2I")
MASK = struct.Struct("<2I4Q")


def checksum(data):
    data += bytes(-len(data) % 8)
    h = 0xcbf29ce484222325
    for (word,) in struct.iter_unpack("<Q", data):
        h = (h ^ word) * 0x100000001b3 % 2**64
    return h


def read(data):
    header = list(HEADER.unpack_from(data))
    sections = []
    for i in range(header[3]):
        kind, index, offset, size = SECTION.unpack_from(
            data, HEADER.size + i * SECTION.size)
        sections.append([kind, index, data[offset:offset + size]])
    return header, sections


def write(header, sections):
    body = bytearray(HEADER.size + len(sections) * SECTION.size)
    for i, (kind, index, data) in enumerate(sections):
        body += bytes(-len(body) % (4096 if kind in (CODE, PLAN_CODE) else 64))
        SECTION.pack_into(body, HEADER.size + i * SECTION.size, kind, index,
                          len(body), len(data))
        body += data
    header[3], header[4] = len(sections), len(body)
    header[5] = checksum(bytes(body[HEADER.size:]))
    HEADER.pack_into(body, 0, *header)
    return bytes(body)


def strip(sections):
    kept = []
    for kind, index, data in sections:
        if kind in (CODE, ENTRIES, TARGETS):
            continue
        if kind == VARIANTS:
            records = [list(r) for r in VARIANT.iter_unpack(data)]
            for record in records:
                record[6] = record[7] = 0  # the span of entries
            data = b"".join(VARIANT.pack(*r) for r in records)
        kept.append([kind, index, data])
    return kept


def swap_classes(sections):
    for section in sections:
        if section[0] == MASKS:
            records = [list(r) for r in MASK.iter_unpack(section[2])]
            for record in records:
                record[3] = record[4]
            section[2] = b"".join(MASK.pack(*r) for r in records)


def replace(sections, kind, old, new):
    found = 0
    for section in sections:
        if section[0] == kind:
            found += section[2].count(old)
            section[2] = section[2].replace(old, new)
    if not found:
        sys.exit(f"patch_bundle.py: nothing to replace for {sys.argv[1]}")


def main():
    how, source, target = sys.argv[1:]
    with open(source, "rb") as file:
        data = file.read()
    header, sections = read(data)
    if how == "truncate":
        data = data[:-1]
    elif how == "flip":
        code = next(s[2] for s in sections if s[0] == CODE)
        at = data.index(code) + len(code) // 2
        data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
    else:
        if how == "strip":
            sections = strip(sections)
        elif how == "retarget":
            replace(sections, STRINGS, b"\0x86-64-v", b"\0x86-65-v")
        elif how == "class":
            swap_classes(sections)
        elif how == "newer":
            header[2] += 1
        elif how == "version":
            header[1] += 1
        elif how.startswith("scale="):
            old, new = (struct.pack("<f", float(x))
                        for x in how[len("scale="):].split(","))
            replace(sections, CODE, old, new)
        else:
            sys.exit(__doc__)
        data = write(header, sections)
    with open(target, "wb") as file:
        file.write(data)


main()
