#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a few cases in the format of the ONNX attention cases, with results
computed by hand, for the test of the runner itself.

usage: make_cases.py FOLDER [--wrong]
"""
import json
import os
import struct
import sys


def write_npy(path, shape, values, code="f"):
    descr = {"f": "<f4", "?": "|b1", "q": "<i8"}[code]
    text = "(%s)" % "".join("%d, " % n for n in shape)
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (
        descr, text)
    head = (head + " " * (-(11 + len(head)) % 64) + "\n").encode()
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head +
                  struct.pack("<%d%s" % (len(values), code), *values))


def case(root, name, attributes, inputs, outputs, extra=None):
    folder = os.path.join(root, name)
    os.makedirs(folder, exist_ok=True)
    description = {"name": name, "op": "Attention", "attributes": attributes,
                   "tolerance": {"rtol": 1e-3, "atol": 1e-7}}
    for key, tensors in (("inputs", inputs), ("outputs", outputs)):
        description[key] = []
        for tensor in tensors:
            if tensor is None:
                description[key].append(None)
                continue
            label, shape, values, *code = tensor
            write_npy(os.path.join(folder, label + ".npy"), shape, values,
                      *code)
            description[key].append({"name": label, "shape": shape,
                                     "file": label + ".npy"})
    description.update(extra or {})
    with open(os.path.join(folder, "case.json"), "w") as out:
        json.dump(description, out)


def main(root, wrong):
    # Scores 0: the mean of the visible values 1 2 4 8.
    q = ("Q", [1, 1, 2, 1], [0.0, 0.0])
    k = ("K", [1, 1, 4, 1], [1.0] * 4)
    v = ("V", [1, 1, 4, 1], [1.0, 2.0, 4.0, 8.0])

    def y(*values):
        return ("Y", [1, 1, 2, 1], list(values))

    case(root, "dense", {}, [q, k, v], [y(3.75, 3.75)])
    # Causal is aligned at the top left.
    case(root, "causal", {"is_causal": 1}, [q, k, v], [y(1, 1.5)])
    # A mask that is too short hides the keys beyond it.
    mask = ("attn_mask", [2, 3], [True, False, True, False, False, False], "?")
    case(root, "bool_mask", {}, [q, k, v, mask], [y(2.5, 0)])
    # One key and value of the past: keys 16 then 1 2 4 8, query i sees i + 1.
    past = [None, ("past_key", [1, 1, 1, 1], [1.0]),
            ("past_value", [1, 1, 1, 1], [16.0])]
    present = [("present_key", [1, 1, 5, 1], [1.0] * 5),
               ("present_value", [1, 1, 5, 1], [16.0, 1.0, 2.0, 4.0, 8.0])]
    case(root, "past", {"is_causal": 1}, [q, k, v] + past,
         [y(8.5, 19 / 3)] + present)
    # Rank 3: two heads side by side in the last axis.
    case(root, "rank3", {"q_num_heads": 2, "kv_num_heads": 2},
         [("Q", [1, 1, 2], [0.0, 0.0]), ("K", [1, 2, 2], [1.0] * 4),
          ("V", [1, 2, 2], [1.0, 10.0, 3.0, 30.0])],
         [("Y", [1, 1, 2], [2.0, 20.0])])
    # Only Y can be judged.
    case(root, "scores", {"qk_matmul_output_mode": 3}, [q, k, v],
         [y(3.75, 3.75), None, None,
          ("qk_matmul_output", [1, 1, 2, 4], [0.25] * 8)])
    if wrong:
        case(root, "wrong", {}, [q, k, v], [y(3.75, 3.76)])


if __name__ == "__main__":
    main(sys.argv[1], "--wrong" in sys.argv[2:])
